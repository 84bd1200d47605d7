"""Blocks trained by Dask worker processes: on this machine, or wherever a scheduler has workers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from time import monotonic, sleep
from typing import TYPE_CHECKING

from distributed import Future, KilledWorker, LocalCluster, as_completed

from sweep.errors import LaunchError
from sweep.launch import cluster
from sweep.launch.base import BlockDone, Launcher, Shared, check_cluster, train_shared, warm
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
        # Importing torch takes seconds: let it begin while the coordinator reads the table. Kept, or Dask drops them.
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

    def submit(self, job: BlockJob) -> None:
        """Hands the job to the scheduler."""
        self._submit(job, losses=0)

    def _submit(self, job: BlockJob, losses: int) -> None:
        if self._table is None or self._table.status != "finished":
            self._scatter()
        key = f"sweep-block-{uuid.uuid4().hex}"
        # Not pure, own key: an equal job is trained again, not answered from what Dask remembers. No retries:
        # training is deterministic, and so are its exceptions. A worker's death is none; Dask gives the job to
        # another worker then, until it has seen `allowed-failures` deaths.
        future = self._client.submit(train_shared, self._table, job, self.device, key=key, pure=False, retries=0)
        self._flight[future] = job, losses
        self._completed.add(future)

    def finished(self) -> Iterator[BlockDone]:
        """Results as the scheduler reports them."""
        for future in self._completed:
            job, losses = self._flight.pop(future)
            try:
                done = future.result()
            except KilledWorker as error:
                raise _died(job, error.allowed_failures + 1) from None
            except CancelledError:  # by Dask, which cannot make what it has lost
                self._again(job, losses + 1)
            else:
                yield done

    def _again(self, job: BlockJob, losses: int) -> None:
        """Hands in a job anew whose table, or whose scheduler, was lost."""
        if self._client.status != "running":
            raise LaunchError("the connection to the Dask scheduler is lost")
        if losses > LOSSES:
            raise _died(job, losses)
        self._submit(job, losses)

    def cancel(self) -> None:
        """Withdraws what waits. What is being trained goes on until its end, unless :meth:`close` follows."""
        if self._flight:
            self._completed.clear()
            self._client.cancel(list(self._flight), force=True)
            self._flight.clear()

    def close(self) -> None:
        """Ends the processes that were started here, in the middle of training if need be, and disconnects."""
        if self._open:
            self._open = False
            self._shared = self._table = None
            self._flight.clear()
            self._completed.clear()
            self._warming.clear()
            cluster.disconnect(self._client, self._cluster)


def _died(job: BlockJob, times: int) -> LaunchError:
    trials = ", ".join(map(str, job.numbers))
    return LaunchError(f"the block of trials {trials} was trained {times} times, and its worker died each time")
