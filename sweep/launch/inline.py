"""Blocks trained in this process, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sweep.launch.base import BlockDone, Launcher, Shared, train_shared
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
        self._waiting: deque[BlockJob] = deque()

    @property
    def workers(self) -> int:
        """One: this process."""
        return 1

    def share(self, data: Dataset, folds: Folds) -> None:
        """Keeps a reference."""
        self._shared = Shared(data, folds)

    def submit(self, job: BlockJob) -> None:
        """Queues the job."""
        self._waiting.append(job)

    def finished(self) -> Iterator[BlockDone]:
        """Trains the queued jobs, each when it is asked for, in the order of submission."""
        while self._waiting:
            if self._shared is None:
                raise RuntimeError("share() comes before submit()")
            yield train_shared(self._shared, self._waiting.popleft(), self.device)

    def cancel(self) -> None:
        """Empties the queue."""
        self._waiting.clear()

    def close(self) -> None:
        """Empties the queue and lets the table go."""
        self.cancel()
        self._shared = None
