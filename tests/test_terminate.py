"""SIGTERM, as a service manager sends it: ``sweep run`` ends cleanly. And no interrupt is lost on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweep.cli import errors as cli_errors
from tests.processes import children, wait_until_gone
from tests.small_sweep import DEFINITION, wait_for_trials, write_table

ROOT = Path(__file__).parents[1]
CODE = "from sweep.cli.main import main\nif __name__ == '__main__': main()"
LONG = ("--trials", "900", "--set", "training.epochs=20", "--set", "search.batch=8")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_falls_into_a_finaliser_is_not_lost(number: signal.Signals) -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def command() -> None:
        with cli_errors.interruptible():
            Dying()
            time.sleep(60)

    start = time.monotonic()
    assert cli_errors.guarded(command) == 128 + number
    assert time.monotonic() - start < 30
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_is_a_clean_stop(tmp_path: Path) -> None:
    write_table(tmp_path)
    (tmp_path / "small.toml").write_text(DEFINITION.format(table="table.csv"))
    command = ["run", "small.toml", "--storage", "sqlite:///sweep.db", *LONG, "--cluster", "local", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        wait_for_trials(tmp_path / "sweep.db", 1)
        family = children(process.pid)
        assert len(family) >= 2
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert out == ""
    last = err.splitlines()[-1]
    assert re.fullmatch(r"interrupted: \d+ of 900 trials are finished; the same command goes on", last), err
    assert "leaked" not in err
    assert "Traceback" not in err
    assert not wait_until_gone(family, seconds=20)
