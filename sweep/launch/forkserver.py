"""Where worker processes come from: one that has imported what training needs, and forks.

Importing PyTorch takes a process seconds. The fork server (``multiprocessing``) does it once for all workers, for those
that replace dead ones too, and while the coordinator imports and reads its own things. Nothing here imports Dask or
PyTorch: it comes first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

# What a worker needs.
_MODULES = ["distributed", "sweep.training.train"]

_ours = False


def start() -> bool:
    """Starts the fork server of this process, if it does not run yet, and returns at once. It ends with this process.

    Workers have the environment of this moment.

    Returns:
        Whether workers may be forked from it: not from one that another part of the program had started before, which
        Ctrl-C reaches.
    """
    global _ours
    if not _ours and forkserver._forkserver._forkserver_pid is None:  # type: ignore[attr-defined]  # nothing public says it
        with interrupts_blocked(), _environment():
            forkserver.set_forkserver_preload(_MODULES)
            forkserver.ensure_running()
        _ours = True
    return _ours


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


@contextmanager
def _environment() -> Iterator[None]:
    """That of the server, as long as it is being started."""
    wanted = {
        # Libraries that would start threads when they are imported. A worker trains on one; and a process with threads
        # should not be forked.
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        # The server imports from where this process does, and not from whatever folder this is.
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONSAFEPATH": "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
