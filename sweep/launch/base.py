"""The contract between the run loop and whatever trains its blocks.

The coordinator (``run``) decides what is trained; a launcher only carries jobs to workers and results back.

What a backend guarantees
    1. *Results do not depend on it.* A block is trained by :func:`train_shared`, on one torch thread, from the
       table and the folds given to :meth:`Launcher.share`, wherever that happens. Equal jobs give equal numbers.
    2. *The table travels once.* :meth:`Launcher.share` carries the table and the folds to each worker once; a
       job is some hundred bytes a trial, a result what its trials gave.
    3. *Every trial of a job comes back exactly once*, from :meth:`Launcher.finished`, in the order in which jobs
       finish, or an error says why it cannot. What a worker was training when it died, or hung, is trained again by
       another, with the same numbers. A job that kills workers again and again, each time alone on one, is split:
       it comes back as several :class:`BlockDone`, each with some of its trials and the same ``until``. A single trial
       that still does is given up, and comes back as :attr:`BlockDone.failed`; all others go on.
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
       :meth:`Launcher.finished` calls ``waiting`` about once a second, from the caller's thread; what that raises comes
       out of the iteration. Nothing that was in flight is lost by it: it can be iterated again.
    8. *Nothing is left behind.* :meth:`Launcher.close` ends within seconds, whatever the workers are doing, and can
       be called twice. Workers started by a launcher end with it, also when its process is killed.
    9. *Trouble is told.* :attr:`Launcher.on_trouble` is called with a sentence for people each time that something
       went wrong and was dealt with. It is called by the thread that uses the launcher.

What a backend may assume
    One thread uses a launcher. Jobs are submitted after ``share``. All jobs in flight belong to the table and folds
    shared when they were submitted.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from sweep.errors import UserError
from sweep.records import BlockJob, TrialResult
from sweep.spec.values import is_whole

if TYPE_CHECKING:
    # Not at run time: torch takes seconds to import, and workers can start meanwhile.
    from sweep.data import Dataset
    from sweep.folds import Folds


# How often a coordinator that waits looks after other things: its workers, its lease.
TICK_SECONDS = 1.0


def check_cluster(cluster: str, workers: int | None = None) -> None:
    """Whether blocks can be trained there, as far as it can be said without going there.

    Args:
        cluster: ``"inline"``, ``"local"``, or the address of a Dask scheduler.
        workers: How many processes are asked for; ``None`` if nobody says.

    Raises:
        UserError: ``cluster`` is none of these, or ``workers`` does not go with it.
    """
    if workers is not None and not is_whole(workers, 1):
        raise UserError(f"the number of workers must be a whole number of at least 1, however: {workers!r}")
    if cluster == "inline":
        if workers not in (None, 1):
            raise UserError(f"with the cluster inline the number of workers must be 1, however: {workers}")
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
        job: As submitted, or a part of it: some of its trials, up to the same epoch.
        results: One per trial, in the order of ``job.numbers``; none if the trial was given up.
        seconds: Wall time of the training on its worker.
        state: Where the networks stand, if the job stopped at a rung: for the launcher alone. ``None`` at the end.
        failed: Why the job's only trial is given up: it ended or hung its worker each time that it was alone on one.
            ``None`` otherwise.
    """

    job: BlockJob
    results: tuple[TrialResult, ...]
    seconds: float
    state: object | None = None
    failed: str | None = None

    def __sizeof__(self) -> int:
        """Bytes, as far as they matter: those of the state."""
        return sys.getsizeof(self.state)


def nothing() -> None:
    """What is done while waiting, if there is nothing to do."""


def untold(_: str) -> None:
    """Whom trouble is told if nobody listens."""


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

    Attributes:
        on_trouble: Called with a sentence for people each time that something went wrong and was dealt with: a worker
            was lost and its block runs again, one cannot be used, a trial is given up. By default nobody is told.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.on_trouble: Callable[[str], None] = untold

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
    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        """Jobs as they finish, until none is in flight.

        Args:
            waiting: Called about every :data:`TICK_SECONDS`, also while nothing finishes; in process, before each job.

        Raises:
            LaunchError: The workers are gone, or the table cannot be sent to them. What is still in flight is lost to
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
