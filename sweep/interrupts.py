"""Ctrl-C and SIGTERM wait until what is being written is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Ctrl-C; what ends a service; and the alarm by which a lost one of these comes again (`cli.errors.interruptible`).
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


@contextmanager
def held() -> Iterator[None]:
    """Inside, a signal that its handler would turn into an exception waits until the end.

    An exception that comes from a handler may be raised between any two instructions, and so in the middle of a
    database library's own bookkeeping. What is left then may be a transaction that nobody ends: the database stays
    locked, for this process too.

    A second signal of a kind does not wait: whoever insists is obeyed. Signals that Python does not handle are left
    alone, and so is everything outside the main thread, which no signal reaches.

    Raises:
        KeyboardInterrupt: At the end, if that is what the handlers raise for what has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    come: list[int] = []
    holding = True

    def hold(number: int, frame: FrameType | None) -> None:
        if holding and number not in come:
            come.append(number)
        else:
            handlers[number](number, frame)

    try:
        for each in SIGNALS:
            if callable(handler := signal.getsignal(each)):
                handlers[each] = handler
                signal.signal(each, hold)
        yield
    finally:
        holding = False
        for number, handler in handlers.items():
            if signal.getsignal(number) is hold:  # a handler may have set another one
                signal.signal(number, handler)
        for number in sorted(come, reverse=True):  # SIGTERM first: it decides the exit status
            handlers[number](number, None)
