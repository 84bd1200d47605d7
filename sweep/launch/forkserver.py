"""Where worker processes come from: one that has imported what training needs, and forks.

Importing PyTorch takes a process seconds. The fork server (``multiprocessing``) does it once for all workers, for those
that replace dead ones too, and while the coordinator imports and reads its own things. Nothing here imports Dask or
PyTorch: it comes first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

# What a worker needs.
_MODULES = ["distributed", "sweep.training.train"]
# Libraries that would start threads when they are imported. A worker trains on one; and a process with threads should
# not be forked.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def start() -> None:
    """Starts the fork server of this process, unless it runs, and returns at once. It ends with this process."""
    before = dict(os.environ)
    with interrupts_blocked():
        try:
            os.environ.update(_ONE_THREAD)
            forkserver.set_forkserver_preload(_MODULES)
            forkserver.ensure_running()
        finally:
            for name in _ONE_THREAD:
                os.environ.pop(name)
            os.environ.update(before)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Threads and processes started inside never see SIGINT, nor do those that they start later.

    A terminal sends Ctrl-C to the whole process group. Workers would print a traceback each, when it is for the
    coordinator to end them. A blocked signal is inherited by threads and through ``exec``, so there is no moment
    at which a worker could be hit.
    """
    # Started before: by itself it starts inside, and its code unblocks the signal when it has.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
