"""The program from a user's seat, for tests: in this process, or as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.cli.main import run_program

ROOT = Path(__file__).parents[1]

DEFINITION = """
name = "small"
seed = 3
[data]
source = "table.csv"
[network]
hidden = [6, 4]
[training]
epochs = 3
checkpoints = 3
[space]
max_norm = { choices = ["off", 2.0] }
[validation]
folds = 3
[search]
trials = 4
sampler = "random"
"""


@dataclass(frozen=True)
class Result:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


class Program:
    """Runs the program in this process, in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int = 0) -> Result:
        self._capsys.readouterr()
        found = run_program(arguments)
        out, err = self._capsys.readouterr()
        assert found == status, f"{arguments}: {found}\n{out}\n{err}"
        assert "Traceback" not in err
        return Result(found, out, err)

    def json(self, *arguments: str) -> Any:
        """What a command prints with ``--json``, and nothing else there."""
        return json.loads(self(*arguments, "--json").out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def write_table(path: Path, rows: int = 45) -> None:
    """Three columns of numbers and a class that follows the first."""
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'yes' if a > 0 else 'no'}" for a, b, c in rng.normal(size=(rows, 3))]
    path.write_text("\n".join(["a,b,c,healthy", *lines, ""]))


RUN = ("run", "small.toml", "--cluster", "inline")


@contextlib.contextmanager
def start(folder: Path, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The program as a process of its own. It is not waited for, but killed, where something fails meanwhile."""
    code = "from sweep.cli.main import main\nif __name__ == '__main__': main()"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SWEEP_")}
    environment["PYTHONPATH"] = str(ROOT)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
