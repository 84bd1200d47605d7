"""A runner beside the service: a process of its own, started again when it dies, and never left behind.

It is told that the service has ended by its standard input: a pipe that nobody writes to, and that ends with the
process at its other end, however that ends. Then it has :data:`END_SECONDS` to stop by itself, as after SIGTERM, and is
killed with all that it has started. It leads a process group of its own, so that Ctrl-C is for the service alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep

FIRST_SECONDS, MOST_SECONDS = 1.0, 30.0
"""Until it is started again: doubled each time."""

LIVED_SECONDS = 60.0
"""After which a runner is taken to have worked, and the next one that dies is started again soon."""

END_SECONDS = 8.0
"""For a runner to end by itself."""

LOOK_SECONDS = 0.5
"""Between two looks whether it lives."""

LAST_WORDS_SECONDS = 1.0
"""For what a runner that has ended said last."""

_PROGRAM = "from sweep.service.beside import follow; follow(); from sweep.cli.main import main; main()"

logger = logging.getLogger(__name__)


def command(arguments: Sequence[str]) -> list[str]:
    """The command line of a ``sweep`` that ends with this process."""
    return [sys.executable, "-P", "-c", _PROGRAM, *arguments]  # -P: nothing of the folder it happens to be in


def follow() -> None:
    """In the process that is started: ends it, and all of its group, when its standard input ends."""
    threading.Thread(target=_watch, name="follows the service", daemon=True).start()


def _watch() -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(END_SECONDS)
    os.killpg(0, signal.SIGKILL)


class Beside:
    """Keeps a process at work for as long as :meth:`keep` runs.

    Args:
        line: Its command line.
        environment: Of the process.
    """

    def __init__(self, line: Sequence[str], environment: Mapping[str, str]) -> None:
        self._line, self._environment = list(line), dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Starts it, and again when it has ended, until this is cancelled; then it is ended."""
        pause = FIRST_SECONDS
        try:
            while True:
                began = monotonic()
                try:
                    ended = f"ended with status {await self._run()}"
                except OSError as error:  # too many processes, too little memory
                    ended = f"cannot be started: {error.strerror}"
                pause = FIRST_SECONDS if monotonic() - began > LIVED_SECONDS else pause
                logger.warning("the runner %s; it is started again in %.0f s", ended, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_SECONDS)
        finally:
            await self._end()

    async def _run(self) -> int:
        """Starts it, and waits for its end; gives its status."""
        self._process = await asyncio.create_subprocess_exec(
            *self._line,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,  # what it has to say is on standard error
            stderr=asyncio.subprocess.PIPE,
            process_group=0,
        )
        # Beside it: what a runner has started may hold its standard error open after its end.
        passing_on = asyncio.create_task(self._pass_on(self._process))
        try:
            while (status := self._process.returncode) is None:  # its `wait` would wait for the pipe, too
                await asyncio.sleep(LOOK_SECONDS)
            _kill(self._process.pid)  # what it has left
            await asyncio.wait([passing_on], timeout=LAST_WORDS_SECONDS)
        finally:
            passing_on.cancel()
            await asyncio.wait([passing_on])
        return status

    @staticmethod
    async def _pass_on(process: asyncio.subprocess.Process) -> None:
        """What it says, until it is told to end: that it was interrupted nobody needs to hear."""
        assert process.stderr is not None  # noqa: S101 - asked for above
        while said := await process.stderr.read(65536):
            sys.stderr.write(said.decode(errors="replace"))
            sys.stderr.flush()

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), END_SECONDS)
        _kill(process.pid)
        await process.wait()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
