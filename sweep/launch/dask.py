"""Blocks trained by Dask worker processes: on this machine, or wherever a scheduler has workers.

The state of a block that stops at a rung stays on its worker, as the result of a future; a job that goes on from it
has the future as an argument. Only the records of its trials are brought here, past the worker's queue: as a task they
would wait for whatever block it trains next.

Which worker trains what, and what happens when one is lost, is decided by ``launch.dispatch`` in the event loop of the
connection. Here is what the coordinator's own thread does: it waits, and finds another connection when one is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import TYPE_CHECKING

from distributed import LocalCluster
from distributed.client import ClosedClientError

from sweep.errors import LaunchError
from sweep.launch import base, cluster, worker
from sweep.launch.base import BlockDone, Launcher, Shared, check_cluster, nothing
from sweep.launch.board import Item
from sweep.launch.crew import Message
from sweep.launch.dispatch import Dispatcher
from sweep.records import BlockJob

if TYPE_CHECKING:
    from sweep.data import Dataset
    from sweep.folds import Folds

# How long there may be no worker: before new ones are started here; and before a scheduler's are given up, or it itself
# if it does not answer. Something may be starting them again.
NONE_SECONDS = 10.0
BACK_SECONDS = 300.0
# Between two tries to reach a scheduler, and for each of them.
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 2.0


class DaskLauncher(Launcher):
    """Trains on worker processes, on each of their threads a block at a time.

    Without ``address`` it starts a scheduler, in this process and on loopback, and single-threaded workers; they end
    with this process, however it ends. With one it uses the workers of that scheduler, which must be able to
    import this package and are left running.

    The workers do not import the main module: a script needs no ``if __name__ == "__main__":`` guard for them.

    Args:
        workers: Number of processes to start, at least 1. By default one for each core this process may use, or one
            for each CUDA device that they train on. Not with ``address``.
        address: Of a running scheduler, ``tcp://host:port`` or ``tls://host:port``. Certificates are those of Dask's
            own configuration (``distributed.comm.tls``).
        device: As for every :class:`~sweep.launch.base.Launcher`; or ``"cuda"`` for all devices of this machine.

    Raises:
        UserError: The address is not of that form, its workers have no such device or other versions of what trains,
            or the number of workers cannot be.
        AddressError: Nobody answers at the address within seconds.
        LaunchError: It has no workers, or none can be started: a worker process of something else may start none.
    """

    # What a task is.
    _train: Callable[..., BlockDone] = staticmethod(worker.train)

    def __init__(self, workers: int | None = None, address: str | None = None, device: str = "cpu") -> None:
        check_cluster("local" if address is None else address, workers)
        self._address = address
        self._cluster: LocalCluster | None = None
        if address is None:
            self._devices = cluster.local_devices(device, workers)
            super().__init__(self._devices[0])
            self._cluster, self._client = cluster.start_local(len(self._devices))
        else:
            super().__init__("cuda:0" if device == "cuda" else device)
            self._devices = (self.device,)
            self._client = cluster.connect(address, self.device)
        self._open = True
        self._shared: tuple[str, Shared] | None = None
        self._order = count()
        self._pending = 0  # trials that have not come back
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._stranded: list[Item] | None = None  # jobs while there is no connection
        self._told = 0.0  # when `waiting` was called
        self._missed: float | None = None  # since when there has been no worker or scheduler, if that was told
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        own = self._cluster is not None
        self._dispatcher = Dispatcher(self._client, self._train, self._devices, own, self._post)
        try:
            self._dispatcher.start()
        except (TimeoutError, OSError, ClosedClientError) as error:  # lost again in this very moment
            cluster.disconnect(self._client, None)
            raise LaunchError(f"the Dask scheduler does not answer: {error}") from error

    def _post(self, message: Message) -> None:
        self._inbox.put(message)

    @property
    def workers(self) -> int:
        """Worker threads of the cluster at this moment."""
        return max(1, self._dispatcher.crew.threads)

    def share(self, data: Dataset, folds: Folds) -> None:
        """Sends table and folds to every worker that has none of the same content. One that comes later gets them."""
        if self._shared is None or self._shared[1].data is not data or self._shared[1].folds is not folds:
            shared = Shared(data, folds)
            self._shared = worker.content_name(shared), shared
            if self._stranded is None:
                self._dispatcher.share(*self._shared)

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        """Queues the job. It begins as soon as a worker is free, whatever this thread does."""
        if self._shared is None:
            raise RuntimeError("share() comes before submit()")
        item = Item(job, self._shared[0], next(self._order), rung=after is not None)
        if after is not None:
            item.state, item.start = after.state, after.job.end
        self._pending += len(job.numbers)
        if self._stranded is not None:
            item.begin_anew()
            self._stranded.append(item)
        else:
            self._dispatcher.add([item])

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        """Results as workers give them."""
        # Not a generator: its names would keep a state while the caller works.
        return iter(partial(self._next, waiting), None)

    def _next(self, waiting: Callable[[], None]) -> BlockDone | None:
        """The next block; ``None`` when nothing is in flight."""
        while self._pending:
            self._wait(waiting)
            self._look_after(waiting)
            try:
                trials, what = self._inbox.get(timeout=base.TICK_SECONDS)
            except Empty:
                continue
            self._pending -= trials
            if isinstance(what, BlockDone):
                return what
            if isinstance(what, Exception):
                raise what
            self.on_trouble(what)
        return None

    def _wait(self, waiting: Callable[[], None]) -> None:
        if monotonic() - self._told >= base.TICK_SECONDS:
            waiting()
            self._told = monotonic()

    def _look_after(self, waiting: Callable[[], None]) -> None:
        """Finds another connection if there is none, and workers if there are none."""
        if self._stranded is not None or self._client.status != "running" or self._dispatcher.crew.lost:
            self._reconnect(waiting)
        since = self._dispatcher.crew.none_since
        if since is None:
            self._missed = None
        elif self._cluster is not None:
            if monotonic() - since > NONE_SECONDS:
                self.on_trouble("all workers are gone and do not come back: others are started")
                cluster.replace_workers(self._cluster)
                self._dispatcher.crew.none_since = None
        elif self._missed is None:
            self._missed = since
            self.on_trouble(f"{self._address} has no workers: waiting up to {BACK_SECONDS:.0f} s for some")
        elif monotonic() - self._missed > BACK_SECONDS:
            raise LaunchError(f"the Dask scheduler at {self._address} has no workers that can be used")

    def _reconnect(self, waiting: Callable[[], None]) -> None:
        """Waits for the scheduler to answer again, and gives it everything that was in flight."""
        if self._address is None:
            raise LaunchError("the connection to the Dask scheduler is lost")
        if self._stranded is None:
            lost = f"the connection to {self._address} is lost"
            self.on_trouble(f"{lost}: waiting up to {BACK_SECONDS:.0f} s for its scheduler")
            self._stranded = self._dispatcher.stop()
            cluster.disconnect(self._client, None)
            self._missed = monotonic()
        since = monotonic() if self._missed is None else self._missed
        while True:
            try:
                self._client = cluster.reconnect(self._address, ANSWER_SECONDS)
                self._begin()
                break
            except LaunchError as error:
                if monotonic() - since > BACK_SECONDS:
                    raise LaunchError(f"the connection to the Dask scheduler is lost: {error}") from error
            self._wait(waiting)
            sleep(RETRY_SECONDS)
        if self._shared is not None:
            self._dispatcher.share(*self._shared)
        again, self._stranded, self._missed = self._stranded, None, None
        self._dispatcher.add(again)
        self.on_trouble(f"{self._address} answers again")

    def cancel(self) -> None:
        """Withdraws what waits, and drops states. What is being trained ends by itself, or with :meth:`close`."""
        if self._stranded is not None:
            self._stranded.clear()
        else:
            self._dispatcher.cancel()
        self._pending = 0
        before, self._inbox = self._inbox, SimpleQueue()
        while not before.empty():
            message = before.get()
            if isinstance(message[1], str):
                self._inbox.put(message)

    def close(self) -> None:
        """Ends the processes that were started here, in the middle of training if need be, and disconnects."""
        if self._open:
            self._open = False
            self._shared, self._pending = None, 0
            if self._stranded is None:
                self._dispatcher.stop()
            cluster.disconnect(self._client, self._cluster)
