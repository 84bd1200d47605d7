"""Something said to a database again and again, beside what a process does: that it is there, how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sweep.errors import SweepError
from sweep.store.store import Store

ENDING_SECONDS = 10.0
"""That its end waits for what is just being said."""


class Repeating:
    """Says something at once, again every few seconds, and when it is told to. A context manager.

    A thread does it, with a connection of its own that is opened late: whatever the database answers, who is at work
    meets it by himself.

    Args:
        storage: Database URL. Its tables are there.
        say: What is said.
        seconds: Between two times.
        name: Of the thread.
        last: What is said in the end.
    """

    def __init__(
        self,
        storage: str,
        say: Callable[[Store], None],
        seconds: float,
        name: str,
        last: Callable[[Store], None] | None = None,
    ) -> None:
        self._storage, self._say, self._seconds, self._last = storage, say, seconds, last
        self._soon, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def soon(self) -> None:
        """There is something new to be said."""
        self._soon.set()

    def _keep(self) -> None:
        """The thread."""
        store: Store | None = None
        try:
            while not self._over.is_set():
                with suppress(SweepError):
                    store = store or Store.open(self._storage)
                    self._say(store)
                self._soon.wait(self._seconds)
                self._soon.clear()
        finally:
            if self._last is not None:
                with suppress(SweepError):
                    store = store or Store.open(self._storage)
                    self._last(store)
            if store is not None:
                store.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._soon.set()
        self._thread.join(ENDING_SECONDS)
