"""The contract between the run loop and whatever trains its blocks.

The coordinator (``run``) decides what is trained; a launcher only carries jobs to workers and results back.

What a backend guarantees
    1. *Results do not depend on it.* A block is trained by :func:`train_shared`, on one torch thread, from the
       table and the folds given to :meth:`Launcher.share`, wherever that happens. Equal jobs give equal numbers.
    2. *The table travels once.* :meth:`Launcher.share` carries the table and the folds to each worker once; a
       job is some hundred bytes a trial, a result what its trials gave.
    3. *Every job comes back exactly once*, from :meth:`Launcher.finished`, in the order in which jobs finish, or
       an error says why it cannot. A worker that dies is replaced and its job trained again; a job that keeps
       killing its workers ends in :class:`~sweep.errors.LaunchError`, never in silence.
    4. *An exception of the training code* comes out of :meth:`Launcher.finished` as it was raised.
    5. *Only plain records come back*: :class:`~sweep.records.TrialResult`. Workers see no database.
    6. *A block that stops at a rung can go on.* Its state, weights and velocities, stays with the worker; a job
       submitted ``after`` it takes its trials, or some of them, on from there, and gives the numbers of a job that
       never stopped. A lost state is made again by training, and costs nothing but time. It is kept as long as
       its :class:`BlockDone` is, until :meth:`Launcher.cancel` or :meth:`Launcher.close`. Jobs are trained in the
       order of submission, but those that go on from a rung come before those that begin.
    7. *An interrupt is the coordinator's.* Ctrl-C reaches the coordinator as ``KeyboardInterrupt`` while it waits;
       workers ignore it. After :meth:`Launcher.cancel` nothing of what was in flight comes back, and the launcher
       can be used again.
    8. *Nothing is left behind.* :meth:`Launcher.close` ends within seconds, whatever the workers are doing, and can
       be called twice. Workers started by a launcher end with it, also when its process is killed.

What a backend may assume
    One thread uses a launcher. Jobs are submitted after ``share``. All jobs in flight belong to the table and folds
    shared when they were submitted.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from sweep.errors import UserError
from sweep.records import BlockJob, TrialResult

if TYPE_CHECKING:
    # Not at run time: torch takes seconds to import, and workers can start meanwhile.
    from sweep.data import Dataset
    from sweep.folds import Folds


def check_cluster(cluster: str, workers: int | None = None) -> None:
    """Whether blocks can be trained there, as far as it can be said without going there.

    Args:
        cluster: ``"inline"``, ``"local"``, or the address of a Dask scheduler.
        workers: How many processes are asked for; ``None`` if nobody says.

    Raises:
        UserError: ``cluster`` is none of these, or ``workers`` does not go with it.
    """
    if workers is not None and workers < 1:
        raise UserError(f"the number of workers must be at least 1, however: {workers}")
    if cluster == "inline":
        if workers not in (None, 1):
            raise UserError(f"with --cluster inline the number of workers must be 1, however: {workers}")
    elif cluster != "local":
        if "://" not in cluster:
            known = "inline, local or an address such as tcp://host:8786"
            raise UserError(f"the cluster must be {known}, however: {cluster}")
        if not re.fullmatch(r"(tcp|tls)://.+:\d{1,5}", cluster):
            raise UserError(f"the address of a cluster must be tcp://host:port or tls://host:port, however: {cluster}")
        if workers is not None:
            raise UserError(f"the number of workers is for clusters started here, however: {cluster} has its own")


@dataclass(frozen=True, eq=False)
class Shared:
    """What every job of a sweep needs: the table and how it is split. Equal only to itself."""

    data: Dataset
    folds: Folds


@dataclass(frozen=True, slots=True)
class BlockDone:
    """A job that came back.

    Attributes:
        job: As submitted.
        results: One per trial, in the order of ``job.numbers``.
        seconds: Wall time of the training on its worker.
        state: Where the networks stand, if the job stopped at a rung: for the launcher alone. ``None`` at the end.
    """

    job: BlockJob
    results: tuple[TrialResult, ...]
    seconds: float
    state: object | None = None

    def __sizeof__(self) -> int:
        """Bytes, as far as they matter: those of the state."""
        return sys.getsizeof(self.state)


def reach(device: str) -> None:
    """Has a worker import what training needs, and look for its device.

    Raises:
        UserError: It has no such device.
    """
    import_module("sweep.training.train")
    import_module("sweep.training.device").resolve(device)


def warm(device: str) -> None:
    """Has a worker make everything ready before its first block: imports, and what is compiled at first use.

    Raises:
        UserError: It has no such device.
    """
    reach(device)
    if device == "cpu":
        import_module("sweep.training.compiled").warm_up()


def train_shared(shared: Shared, job: BlockJob, device: str, state: object | None = None) -> BlockDone:
    """What a worker does with a job, whichever backend it belongs to.

    Args:
        shared: Table and folds.
        job: To be trained.
        device: On what.
        state: Of the block that the job's trials go on from, as its ``BlockDone`` has it here; ``None`` to begin.
    """
    # Only workers need torch.
    from sweep.training.device import resolve
    from sweep.training.state import BlockState
    from sweep.training.train import train_segment

    resolve(device)  # one that came later was not asked
    start = perf_counter()
    results, reached = train_segment(shared.data, shared.folds, job, device, cast("BlockState | None", state))
    return BlockDone(job, results, perf_counter() - start, reached)


class Launcher(ABC):
    """Trains blocks somewhere. See the module's text for what a backend guarantees.

    A context manager: leaving it cancels what is in flight and closes.

    Args:
        device: What workers train on: ``"cpu"`` or ``"cuda:N"``.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many blocks train at the same time, at least 1."""

    @abstractmethod
    def share(self, data: Dataset, folds: Folds) -> None:
        """Brings the table and the folds to every worker, in place of what was shared before."""

    @abstractmethod
    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        """Hands in a job and returns at once. Allowed while :meth:`finished` is being iterated.

        Args:
            job: To be trained.
            after: A block of this launcher that stopped at an earlier rung and had all of the job's trials, which go
                on from there; ``None`` to begin at the first epoch.
        """

    @abstractmethod
    def finished(self) -> Iterator[BlockDone]:
        """Jobs as they finish, until none is in flight.

        Raises:
            LaunchError: The workers are gone, or a job keeps killing them. What is still in flight is lost to
                the caller: :meth:`cancel` or :meth:`close` come next.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Drops everything in flight. A block being trained may go on for a while; its result is thrown away."""

    @abstractmethod
    def close(self) -> None:
        """Cancels, and gives everything back: processes, connections, the shared table."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
