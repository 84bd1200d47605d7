"""Where worker processes come from: one that has imported what training needs, and forks.

Importing PyTorch takes a process seconds. The fork server (``multiprocessing``) does it once for all workers, for those
that replace dead ones too, and while the coordinator imports and reads its own things. Nothing here imports Dask or
PyTorch: it comes first.

By itself ``multiprocessing`` would have each worker run the program's main module again, which of a script without an
``if __name__ == "__main__":`` guard is all of it, with the start of workers. Ours need nothing from there.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import context, forkserver, popen_forkserver, popen_spawn_posix, resource_tracker, spawn, util
from multiprocessing.process import BaseProcess, current_process
from typing import Any

logger = logging.getLogger(__name__)

# What a worker needs; the first one is about all that come after it.
_MODULES = ["sweep.launch.preload", "distributed", "sweep.training.train"]

_ours = False

METHOD = "sweep"
"""Name of the start method of worker processes, for :func:`multiprocessing.get_context`."""

# Bytes of a socket's path: 107 on Linux, 103 on macOS.
_LONGEST_PATH = 103
_IN_TEMPORARY, _IN_FOLDER = "/pymp-xxxxxxxx", "/listener-xxxxxxxx"  # how `multiprocessing` names folder and socket
_SHORT_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 - a folder of our own is made in one of them

# Of what `multiprocessing` tells a process that it starts: what the main module is; and how processes are started by
# default, which may be a way that only a library of this one knows. Taken out by a thread at a time, for that thread.
_NOT_TOLD = ("init_main_from_name", "init_main_from_path", "start_method")
_leaving_out = threading.Lock()


def _forget() -> None:
    """In a forked process: the server is its parent's, and a second parent cannot use it."""
    global _ours, _leaving_out
    _leaving_out = threading.Lock()  # a thread that is not here may have had it
    if _ours:
        server: Any = forkserver._forkserver
        os.close(server._forkserver_alive_fd)
        server.__init__()
        _ours = False


os.register_at_fork(after_in_child=_forget)


def start() -> bool:
    """Starts the fork server of this process, if it does not run yet, and returns at once. It ends with this process.

    Workers have the environment of this moment.

    Returns:
        Whether workers may be forked from it: not from one that another part of the program had started before, which
        Ctrl-C reaches; and not where this machine lets none be started just now.
    """
    global _ours
    if not _ours and forkserver._forkserver._forkserver_pid is None:  # type: ignore[attr-defined]  # nothing public says it
        try:
            with interrupts_blocked(), _environment():
                _find_room()
                forkserver.set_forkserver_preload(_MODULES)
                forkserver.ensure_running()
        except OSError as error:
            logger.info("no server to fork processes from, which are started one by one: %s", error)
            return False
        _ours = True
    return _ours


def _find_room() -> None:
    """Has `multiprocessing` keep its sockets in a folder with a short name, where TMPDIR is too long for their paths.

    Versions of Python after 3.13 do so by themselves.
    """
    config: dict[str, Any] = current_process()._config  # type: ignore[attr-defined]  # where it remembers its folder
    folder = config.get("tempdir") or tempfile.gettempdir() + _IN_TEMPORARY
    if len(os.fsencode(folder + _IN_FOLDER)) <= _LONGEST_PATH:
        return
    for parent in _SHORT_FOLDERS:
        with suppress(OSError):  # where there is none, or nobody may write, starting says that the path is too long
            short = tempfile.mkdtemp(prefix="pymp-", dir=parent)
            util.Finalize(None, shutil.rmtree, args=(short, True), exitpriority=-100)
            config["tempdir"] = short
            return


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


class WorkerProcess(BaseProcess):
    """Forked from our server, or else spawned, without the main module of this process."""

    _start_method = None  # what it starts itself is up to it

    @staticmethod
    def _Popen(process: BaseProcess) -> popen_forkserver.Popen | popen_spawn_posix.Popen:  # noqa: N802 - the base's
        kind = popen_forkserver.Popen if start() else popen_spawn_posix.Popen
        with _left_out():
            return kind(process)


class _Workers(context.BaseContext):
    _name = METHOD
    Process = WorkerProcess


# There is no public way to add one; joblib does the same.
context._concrete_contexts[METHOD] = _Workers()  # type: ignore[attr-defined]


@contextmanager
def _left_out() -> Iterator[None]:
    """Processes that this thread starts inside are not told what is in :data:`_NOT_TOLD`. Those of others are."""
    with _leaving_out:
        complete, thread = spawn.get_preparation_data, threading.current_thread()

        def prepared(name: str) -> dict[str, Any]:
            data: dict[str, Any] = complete(name)
            here = threading.current_thread() is thread
            return {key: value for key, value in data.items() if not (here and key in _NOT_TOLD)}

        spawn.get_preparation_data = prepared
        try:
            yield
        finally:
            spawn.get_preparation_data = complete


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
