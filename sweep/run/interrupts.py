"""When a run may be interrupted: while it waits for its workers, not in the middle of what it writes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

# Ctrl-C; what ends a service; and the alarm by which a lost one of these comes again.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


class Interrupts:
    """Inside, signals that a handler turns into an exception wait until the next :meth:`heeded`, or the end.

    An exception may be raised between any two instructions, and so in the middle of a database library's own
    bookkeeping. What is left then is a transaction that nobody ends: the file stays locked, for this process too.

    A second signal of a kind is not held: whoever insists has their way. Signals without a handler in Python are left
    alone, and so is everything outside the main thread, which no signal reaches.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._held: set[int] = set()
        self._heeded = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if callable(handler := signal.getsignal(number)):
                    self._before[number] = handler
                    signal.signal(number, self._arrive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._arrive:  # a handler may have set another one meanwhile
                signal.signal(number, handler)
        if error is None:
            self._deliver()

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Inside, signals come as they always do; first one that is held."""
        self._heeded = True
        try:
            self._deliver()
            yield
        finally:
            self._heeded = False

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        if self._heeded or number in self._held:
            self._before[number](number, frame)
        else:
            self._held.add(number)

    def _deliver(self) -> None:
        while self._held:
            number = self._held.pop()
            self._before[number](number, None)
