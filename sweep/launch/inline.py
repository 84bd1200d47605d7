"""Blocks trained in this process, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sweep.launch.base import BlockDone, Launcher, Shared, nothing, train_shared
from sweep.records import BlockJob

if TYPE_CHECKING:
    from sweep.data import Dataset
    from sweep.folds import Folds


class InlineLauncher(Launcher):
    """Trains in the calling process. Nothing to start, nothing to clean up, and a debugger sees everything.

    A submitted job waits until :meth:`finished` is asked for it, and is trained there: an interrupt during training is
    raised at that place.
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self._shared: Shared | None = None
        # Jobs that go on from a rung, and jobs that begin, each with what it goes on from.
        self._going_on: deque[tuple[BlockJob, object | None]] = deque()
        self._beginning: deque[tuple[BlockJob, object | None]] = deque()

    @property
    def workers(self) -> int:
        """One: this process."""
        return 1

    def share(self, data: Dataset, folds: Folds) -> None:
        """Keeps a reference."""
        self._shared = Shared(data, folds)

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        """Queues the job."""
        if after is None:
            self._beginning.append((job, None))
        else:
            self._going_on.append((job, after.state))

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        """Trains the queued jobs, each when it is asked for."""
        while self._going_on or self._beginning:
            waiting()
            queue = self._going_on or self._beginning
            if not queue:  # cancelled meanwhile
                return
            yield self._train(*queue.popleft())  # no names: a generator keeps what they hold while its caller works

    def _train(self, job: BlockJob, state: object | None) -> BlockDone:
        if self._shared is None:
            raise RuntimeError("share() comes before submit()")
        return train_shared(self._shared, job, self.device, state)

    def cancel(self) -> None:
        """Empties the queues."""
        self._going_on.clear()
        self._beginning.clear()

    def close(self) -> None:
        """Empties the queues and lets the table go."""
        self.cancel()
        self._shared = None
