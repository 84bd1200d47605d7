"""A runner beside the service is replaced when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sweep.service.beside import Beside
from tests.service.served import PATIENCE


def test_one_that_is_killed_is_seen_though_its_child_holds_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = tmp_path / "pid"
    program = (
        "import os, signal, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "print('last words', file=sys.stderr, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    beside = Beside([sys.executable, "-c", program], dict(os.environ))

    async def run() -> int:
        status = await beside._run()
        await beside._end()
        return status

    try:
        status = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert "last words" in capsys.readouterr().err
