"""A Dask scheduler and its workers as processes of their own, as on a cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.compose import free_port

QUIET = {"DASK_LOGGING__DISTRIBUTED": "error"}


class Cluster:
    """Started in a folder; ended with :meth:`close`, whatever state it is in.

    Args:
        folder: For what the processes write.
        protocol: ``"tcp"`` or ``"tls"``.
        environment: Of the processes, beside this one's.
    """

    def __init__(self, folder: Path, protocol: str = "tcp", environment: dict[str, str] | None = None) -> None:
        self.port = int(free_port())
        self.address = f"{protocol}://127.0.0.1:{self.port}"
        self._folder = folder
        self._environment = environment or {}
        self._started: list[subprocess.Popen[bytes]] = []

    def scheduler(self) -> subprocess.Popen[bytes]:
        """Starts it, each time on the same port, and waits until it listens."""
        kind = ["--protocol", self.address.partition(":")[0], "--host", "127.0.0.1", "--port", str(self.port)]
        process = self._start("scheduler", "--no-dashboard", *kind)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, self.log()
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return process
            time.sleep(0.05)
        raise AssertionError(self.log())

    def worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """Starts one, and does not wait."""
        options = ["--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--local-directory", str(self._folder)]
        return self._start("worker", self.address, *options, **environment)

    def _start(self, what: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **QUIET, **self._environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """With everything that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in self._started:
            self.kill(process)
