"""Processes of tests that have everything imported when they start."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TextIO

from sweep.launch import forkserver


def forked_processes() -> ForkServerContext:
    """Forked from the server of local workers: where another one runs, those would have to be spawned, for seconds."""
    forkserver.start()
    return get_context("forkserver")


def hear_interrupts() -> None:
    """To be called in such a process: workers do not, nor does what is started in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class ForkedProgram:
    """The program as a process of its own, quicker there than :func:`tests.command_line.start` by all its imports.

    What is different: it takes the environment of the process that it is forked from as far as the C libraries are
    concerned, nobody else has its command line as a title, and nothing can be written to it.

    Args:
        folder: Where it runs.
        arguments: After the program's name.
        environment: All of it.
    """

    def __init__(self, folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        processes = forked_processes()
        (out, their_out), (err, their_err) = processes.Pipe(duplex=False), processes.Pipe(duplex=False)
        given = (folder, arguments, dict(environment), their_out, their_err)
        self._process: ForkServerProcess = processes.Process(target=_run_program, args=given)
        self._process.start()
        for theirs in (their_out, their_err):
            theirs.close()
        self.stdout, self.stderr = _reading(out), _reading(err)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Negative where a signal ended it; ``None`` as long as it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.is_alive():
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it still writes to both, until it ends.

        Raises:
            TimeoutError: It has not ended after so many seconds.
        """
        found: dict[TextIO, str] = {}
        threads = [
            threading.Thread(target=lambda file=file: found.__setitem__(file, file.read()), daemon=True)
            for file in (self.stdout, self.stderr)
        ]
        for thread in threads:
            thread.start()
        self._process.join(timeout)
        for thread in threads:
            thread.join(timeout)
        if self.returncode is None or len(found) < 2:
            raise TimeoutError(f"it has not ended within {timeout} s")
        return found[self.stdout], found[self.stderr]

    def close(self) -> None:
        """Kills it, if it runs."""
        self._process.kill()
        self._process.join()
        self.stdout.close()
        self.stderr.close()


@contextmanager
def start_forked(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[ForkedProgram]:
    """The program in such a process, killed in the end where it still runs.

    Args:
        folder: Where it runs.
        arguments: After the program's name.
        environment: All of it; by default that of this process without our own variables.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("SWEEP_")}
    process = ForkedProgram(folder, arguments, own if environment is None else environment)
    try:
        yield process
    finally:
        process.close()


def _reading(connection: Connection) -> TextIO:
    """The same end of the pipe as a file."""
    with connection:
        return os.fdopen(os.dup(connection.fileno()), encoding="utf-8")


def _run_program(
    folder: Path, arguments: tuple[str, ...], environment: dict[str, str], out: Connection, err: Connection
) -> None:
    hear_interrupts()
    for theirs, number in ((out, 1), (err, 2)):
        os.dup2(theirs.fileno(), number)
        theirs.close()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["sweep", *arguments]
    from sweep.cli.main import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # processes of multiprocessing leave them out
