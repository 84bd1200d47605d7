"""Processes of tests that have everything imported when they start."""

from __future__ import annotations

import signal
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

from sweep.launch import forkserver


def forked_processes() -> ForkServerContext:
    """Forked from the server of local workers: where another one runs, those would have to be spawned, for seconds."""
    forkserver.start()
    return get_context("forkserver")


def hear_interrupts() -> None:
    """To be called in such a process: workers do not, nor does what is started in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
