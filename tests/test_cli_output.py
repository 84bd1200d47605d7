"""Where results go: over no file that matters, to standard output by name, and fitted to a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import sys
from pathlib import Path

import pytest

from sweep.analysis.results import SweepStatus
from sweep.cli.main import run_program
from sweep.texts import states
from tests.command_line import DEFINITION, write_table
from tests.made_sweep import made_summary

NAME = "a-name-that-is-so-long-that-no-phone-shows-it"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a definition, a database with one sweep, and its report."""
    folder = tmp_path_factory.mktemp("swept")
    write_table(folder / "table.csv")
    (folder / "small.toml").write_text(DEFINITION)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SWEEP_STORAGE", raising=False)
        patch.chdir(folder)
        assert run_program(["run", "small.toml", "--cluster", "inline", "--quiet"]) == 0
        assert run_program(["report", "small"]) == 0
    return folder


@pytest.fixture
def folder(swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder."""
    copy = tmp_path / "copy"
    shutil.copytree(swept, copy)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("SWEEP_STORAGE", raising=False)
    return copy


# --- what is never overwritten ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["report", "export"])
@pytest.mark.parametrize("place", ["sweep.db", "link", "hard", "../copy/sweep.db", "sweep.db-wal", "sweep.db-shm"])
@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "force"])
def test_the_database_is_never_replaced(
    command: str, place: str, force: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "link").symlink_to("sweep.db")
    (folder / "hard").hardlink_to("sweep.db")
    before = (folder / "sweep.db").read_bytes()
    assert run_program([command, "small", "-o", place, *force]) == 2
    assert "a file of the database" in capsys.readouterr().err
    assert (folder / "sweep.db").read_bytes() == before
    assert run_program(["best", "small"]) == 0


@pytest.mark.parametrize("place", ["table.csv", "small.toml", "notes.html"])
def test_a_report_replaces_no_file_but_a_report(place: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes.html").write_text("<!doctype html>\n<title>mine</title>")
    before = (folder / place).read_bytes()
    assert run_program(["report", "small", "-o", place]) == 2
    assert f"{place} exists already, and is no file that this command wrote" in capsys.readouterr().err
    assert (folder / place).read_bytes() == before
    assert run_program(["report", "small", "-o", place, "--force"]) == 0
    assert run_program(["report", "small", "-o", place]) == 0, "now it is a report"


def test_an_earlier_report_is_replaced(folder: Path) -> None:
    page = folder / "small.html"
    page.write_text(page.read_text().replace("</html>", "older"))
    assert run_program(["report", "small"]) == 0
    assert page.read_text().endswith("</html>\n") or page.read_text().endswith("</html>")


def test_init_never_replaces_its_table_nor_the_database(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "table.csv").read_bytes()
    (folder / "link.toml").symlink_to("table.csv")
    for place in ("table.csv", "./table.csv", "link.toml"):
        assert run_program(["init", "table.csv", "-o", place, "--force"]) == 2
        assert "the table that is read" in capsys.readouterr().err
    assert run_program(["init", "table.csv", "-o", "sweep.db", "--force"]) == 2
    assert (folder / "table.csv").read_bytes() == before


# --- standard output --------------------------------------------------------------------------------------------------


def test_a_report_is_printed_with_a_dash(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["report", "small", "-o", "-"]) == 0
    assert capsys.readouterr().out == (folder / "small.html").read_text()
    assert not (folder / "-").exists()


@pytest.mark.parametrize("arguments", [("list",), ("best", "small", "--json"), ("report", "small", "-o", "-")])
def test_standard_output_that_is_full_is_named(
    arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    # What cannot be written is still there when the file is closed.
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert run_program(arguments) == 1
    assert capsys.readouterr().err == "error: standard output: No space left on device\n"


# --- at a terminal ----------------------------------------------------------------------------------------------------


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *arguments: str) -> list[str]:
    """Lines that a command prints to a terminal so wide."""
    mine, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setenv("COLUMNS", str(columns))
        assert run_program(arguments) == 0
        seen = os.read(mine, 65536)
    os.close(mine)
    return seen.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("arguments", [("best", "small"), ("check", "small.toml", "--trials", "5")])
def test_text_is_wrapped_between_words_at_a_terminal_only(
    arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_program(arguments) == 0
    piped = capsys.readouterr().out
    assert max(map(len, piped.splitlines())) > 60
    lines = at_a_terminal(monkeypatch, 60, *arguments)
    # A path has no place to be broken at.
    assert all(len(line) <= 60 or " " not in line.strip() for line in lines), lines
    figures = str.maketrans("0123456789", " " * 10)  # an estimate of the time differs
    assert " ".join(lines).translate(figures).split() == piped.translate(figures).split()


def test_a_long_name_stands_alone_and_leaves_the_other_rows_alone() -> None:
    statuses = [made_summary(trials=n).status for n in (4, 128)]
    long = SweepStatus(NAME, *(getattr(statuses[0], field) for field in SweepStatus.__slots__[1:]))
    lines = states.list_text([statuses[0], long, statuses[1]], 60).splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "sonar", NAME, "done", "sonar"]
    assert len({line.index("done") for line in (lines[1], lines[3], lines[4])}) == 1
    assert max(map(len, lines)) <= 60
    assert len(states.list_text([statuses[0], long]).splitlines()) == 3
    assert len(states.list_text([statuses[0], long], 120).splitlines()) == 3
