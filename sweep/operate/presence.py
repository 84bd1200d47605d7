"""A runner says that it is there, and what it does; nobody has to believe it for longer than it goes on saying so."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sweep.operate.repeating import Repeating
from sweep.run.lease import this_process
from sweep.store.store import Store

SAY_SECONDS = 10.0
"""Between two words of a runner."""

SILENT_SECONDS = 60.0
"""After so long without a word a runner is taken to be gone."""


class Presence:
    """Says that this process is there. A context manager.

    Args:
        storage: Database URL. Its tables are there.
        workers: Where blocks run, in words.
    """

    def __init__(self, storage: str, workers: str) -> None:
        self._workers, self._self = workers, this_process()
        self._doing: str | None = None
        self._repeating = Repeating(storage, self._seen, SAY_SECONDS, "sweep-presence", last=self._gone)

    def doing(self, name: str | None) -> None:
        """What it does from now on: the name of a sweep; ``None``: it waits for one."""
        if name != self._doing:
            self._doing = name
            self._repeating.soon()

    def _seen(self, store: Store) -> None:
        store.runner_seen(self._self, self._workers, self._doing)

    def _gone(self, store: Store) -> None:
        store.runner_gone(self._self.token)

    def __enter__(self) -> Self:
        self._repeating.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._repeating.__exit__(kind, error, at)
