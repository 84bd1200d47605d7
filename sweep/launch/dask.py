"""Blocks trained by Dask worker processes: on this machine, or wherever a scheduler has workers.

The state of a block that stops at a rung stays on its worker, as the result of a future; a job that goes on from it
has the future as an argument. Only the records of its trials are brought here, past the worker's queue: as a task they
would wait for whatever block it trains next.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from time import monotonic, sleep
from typing import TYPE_CHECKING
from weakref import WeakSet

from distributed import Future, KilledWorker, LocalCluster, Worker, as_completed

from sweep.errors import LaunchError
from sweep.launch import base, cluster
from sweep.launch.base import BlockDone, Launcher, Shared, check_cluster, nothing, train_shared, warm
from sweep.records import BlockJob

if TYPE_CHECKING:
    from sweep.data import Dataset
    from sweep.folds import Folds

# How long the table may wait for workers in all; and how long there may be none before new ones are started.
SHARE_SECONDS = 60.0
NONE_SECONDS = 10.0
# Workers that may die training a block before it is given up; Dask's own default for `allowed-failures`. It counts here
# what Dask cannot: where no other worker had the table, it is lost with the worker, and the block with the table.
LOSSES = 3
# Before a result is looked for again that its worker has lost.
LOST_SECONDS = 0.05
# Of a future whose result will never be there.
UNUSABLE = ("cancelled", "error")


class DaskLauncher(Launcher):
    """Trains on worker processes, on each of their threads a block at a time.

    Without ``address`` it starts a scheduler, in this process and on loopback, and single-threaded workers; they end
    with this process, however it ends. With one it uses the workers of that scheduler, which must be able to
    import this package and are left running.

    Starting processes imports the main module again in each: a script that uses this needs an
    ``if __name__ == "__main__":`` guard.

    Args:
        workers: Number of processes to start, at least 1. By default one for each core this process may use, but
            a single one if they train on a CUDA device. Not with ``address``.
        address: Of a running scheduler, ``tcp://host:port`` or ``tls://host:port``.
        device: As for every :class:`~sweep.launch.base.Launcher`.

    Raises:
        UserError: The address is not of that form, its workers have no such device, or the number of workers
            cannot be.
        LaunchError: Nobody answers at the address within seconds, it has no workers, or none can be started.
    """

    def __init__(self, workers: int | None = None, address: str | None = None, device: str = "cpu") -> None:
        check_cluster("local" if address is None else address, workers)
        super().__init__(device)
        self._cluster: LocalCluster | None = None
        if address is None:
            self._cluster, self._client = cluster.start_local(
                cluster.default_workers(device) if workers is None else workers
            )
        else:
            self._client = cluster.connect(address, device)
        self._open = True
        self._shared: Shared | None = None
        self._table: Future | None = None
        self._flight: dict[Future, tuple[BlockJob, int]] = {}  # the job, and how often it was lost
        self._completed = as_completed(loop=self._client.loop)
        self._states: WeakSet[Future] = WeakSet()  # of blocks at a rung; they belong to their BlockDone
        # Imports take seconds: let them begin while the coordinator reads the table. Kept, or Dask drops them.
        self._warming = [
            self._client.submit(warm, device, workers=[worker], key=f"sweep-warm-{uuid.uuid4().hex}", pure=False)
            for worker in self._client.nthreads()
        ]

    @property
    def workers(self) -> int:
        """Worker threads of the cluster at this moment."""
        return max(1, int(sum(self._client.nthreads().values())))

    def share(self, data: Dataset, folds: Folds) -> None:
        """Sends table and folds to every worker. A worker that comes later fetches them from another, once."""
        if self._shared is None or self._shared.data is not data or self._shared.folds is not folds:
            self._shared = Shared(data, folds)
            self._scatter()

    def _scatter(self) -> None:
        deadline = monotonic() + SHARE_SECONDS
        while True:
            # A key of its own: what two sweeps share on one scheduler must never be taken for one another's.
            key = f"sweep-table-{uuid.uuid4().hex}"
            try:
                table = self._client.scatter({key: self._shared}, broadcast=True, timeout=NONE_SECONDS)
            except OSError as error:  # a worker died meanwhile, and the next one is not there yet
                if self._client.status != "running" or monotonic() > deadline:
                    raise LaunchError(f"the table cannot be sent to the workers: {error}") from error
                if self._cluster is not None and not self._client.nthreads():
                    cluster.replace_workers(self._cluster)
                sleep(0.1)
            else:
                self._table = table[key]
                return

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        """Hands the job to the scheduler."""
        state = None if after is None else after.state
        self._submit(job, state if isinstance(state, Future) else None, losses=0)

    def _submit(self, job: BlockJob, state: Future | None, losses: int) -> None:
        if self._table is None or self._table.status != "finished":
            self._scatter()
        going_on = state is not None
        if state is not None and state.status in UNUSABLE:
            state = None  # the job begins at the first epoch: the numbers are the same
        future = self._client.submit(
            _train,
            self._table,
            job,
            self.device,
            state,
            key=f"sweep-block-{uuid.uuid4().hex}",
            # Not pure, own key: an equal job is trained again, not answered from what Dask remembers. No retries:
            # training is deterministic, and so are its exceptions. A worker's death is none; Dask gives the job, and
            # the one that made a state lost with it, to another worker then, until it has seen `allowed-failures`
            # deaths.
            pure=False,
            retries=0,
            priority=int(going_on),
            fifo_timeout=0,  # without it Dask takes jobs submitted within 0.1 s in any order
        )
        self._flight[future] = job, losses
        self._completed.add(future)

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        """Results as the scheduler reports them."""
        # Not a generator with names: they would keep a state while the caller works.
        return filter(None, map(self._result, self._ready(waiting)))

    def _ready(self, waiting: Callable[[], None]) -> Iterator[Future]:
        told = monotonic()
        while not self._completed.is_empty():
            if monotonic() > told + base.TICK_SECONDS:
                waiting()
                told = monotonic()
            if self._completed.has_ready():
                yield next(self._completed)
            else:
                sleep(0.003)

    def _result(self, future: Future) -> BlockDone | None:
        """What a job gave; ``None`` if it is being trained again."""
        job, losses = self._flight.pop(future)
        done: BlockDone | None
        try:
            if job.end == job.plan.epochs or future.status in UNUSABLE:
                done = future.result()
                return done
            done = self._records(future)
        except KilledWorker as error:
            raise _died(job, error.allowed_failures + 1) from None
        except CancelledError:  # by Dask, which cannot make what it has lost
            self._again(job, losses + 1)
            return None
        except Exception:
            # Dask keeps the exception as long as the future, which the exception's frames keep, and states with it.
            future.release()
            raise
        if done is None:  # lost between finishing and now: Dask makes it again
            self._flight[future] = job, losses
            self._completed.add(future)
            return None
        self._states.add(future)
        return replace(done, state=future)

    def _records(self, future: Future) -> BlockDone | None:
        """A finished job without its state, from the worker that has it, though it may train; ``None`` if lost."""
        for holder in self._client.who_has([future]).get(future.key, ()):
            try:
                found: BlockDone | None = self._client.run(_without_state, future.key, workers=[holder])[holder]
            except (OSError, ValueError, KeyError):  # it has just died
                continue
            if found is not None:
                return found
        sleep(LOST_SECONDS)
        return None

    def _again(self, job: BlockJob, losses: int) -> None:
        """Hands in a job anew whose table, state, or scheduler was lost."""
        if self._client.status != "running":
            raise LaunchError("the connection to the Dask scheduler is lost")
        if losses > LOSSES:
            raise _died(job, losses)
        self._submit(job, None, losses)

    def cancel(self) -> None:
        """Withdraws what waits, and drops states. What is being trained ends by itself, or with :meth:`close`."""
        if dropped := [*self._flight, *self._states]:
            self._completed.clear()
            self._client.cancel(dropped, force=True)
            self._flight.clear()
            self._states.clear()

    def close(self) -> None:
        """Ends the processes that were started here, in the middle of training if need be, and disconnects."""
        if self._open:
            self._open = False
            self._shared = self._table = None
            self._flight.clear()
            self._states.clear()
            self._completed.clear()
            self._warming.clear()
            cluster.disconnect(self._client, self._cluster)


def _train(shared: Shared, job: BlockJob, device: str, after: BlockDone | None) -> BlockDone:
    """What a task is: on a worker, a job with what the earlier job left there."""
    return train_shared(shared, job, device, None if after is None else after.state)


def _without_state(key: str, dask_worker: Worker) -> BlockDone | None:
    """Runs in a worker beside its tasks."""
    done: BlockDone | None = dask_worker.data.get(key)
    return None if done is None else replace(done, state=None)


def _died(job: BlockJob, times: int) -> LaunchError:
    trials = ", ".join(map(str, job.numbers))
    return LaunchError(f"the block of trials {trials} was trained {times} times, and its worker died each time")
