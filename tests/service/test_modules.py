"""Nothing of the folder that a process happens to be in is taken for a module, and all find the program itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sweep import settings
from sweep.service import renderer
from sweep.service.beside import command
from sweep.service.reader import Reader, work_folder
from sweep.service.reading import GIVEN
from tests.command_line import ROOT

NAMES = ("torch", "numpy", "json", "pandas", "typing", "sweep", "sitecustomize")


def lay_traps(folder: Path) -> None:
    """Modules that end whoever imports them."""
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"import os\nos.write(2, b'{name} was imported')\nos._exit(86)\n")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    lay_traps(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep)  # two empty parts, which would be the current folder
    return tmp_path


def test_by_a_runner(trap: Path) -> None:
    environment = settings.child_environment("sqlite:///x.db")
    assert environment["PYTHONPATH"] == str(ROOT)  # a checkout need not be installed
    line = command(["--version"])
    with subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert (process.wait(120), process.stderr.read()) == (0, b"")


def test_by_what_makes_pages(trap: Path) -> None:
    with renderer._start("sqlite:///x.db") as process:
        process.communicate(timeout=120)  # nothing to be done
    assert process.returncode == 0


def test_by_a_reader(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose folder is where a table was put, and whose modules are those of the service."""
    own = SimpleNamespace(path=["", *sys.path], executable=sys.executable)  # not of this process: it has traps, too
    monkeypatch.setattr("sweep.service.reader.sys", own)
    with work_folder() as folder:
        lay_traps(folder / GIVEN)
        (folder / GIVEN / "t.csv").write_text("a,b\n" + "1,x\n2,y\n" * 20)
        assert Reader().detect(folder, "t.csv")[0].table.rows == 40


def test_what_was_given_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/one", "", str(ROOT), "/two"]))
    assert settings.python_path().split(os.pathsep) == [str(ROOT), "/one", "/two"]
