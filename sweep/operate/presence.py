"""A runner says that it is there, and what it does; nobody has to believe it for longer than it goes on saying so."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from sweep.errors import SweepError
from sweep.run.lease import this_process
from sweep.store.store import Store

SAY_SECONDS = 10.0
"""Between two words of a runner."""


class Presence:
    """Says that this process is there, from a thread. A context manager.

    Args:
        storage: Database URL. Its tables are there.
        workers: Where blocks run, in words.
    """

    def __init__(self, storage: str, workers: str) -> None:
        self._storage, self._workers = storage, workers
        self._self = this_process()
        self._doing: str | None = None
        self._news, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sweep-presence", daemon=True)

    def doing(self, name: str | None) -> None:
        """What it does from now on: the name of a sweep; ``None``: it waits for one."""
        if name != self._doing:
            self._doing = name
            self._news.set()

    def _keep(self) -> None:
        """The thread."""
        store: Store | None = None
        try:
            while not self._over.is_set():
                with suppress(SweepError):  # the runner itself says what it meets
                    store = store or Store.open(self._storage)
                    store.runner_seen(self._self, self._workers, self._doing)
                self._news.wait(SAY_SECONDS)
                self._news.clear()
        finally:
            with suppress(SweepError):
                store = store or Store.open(self._storage)
                store.runner_gone(self._self.token)
            if store is not None:
                store.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._news.set()
        self._thread.join(SAY_SECONDS)
