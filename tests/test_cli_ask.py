"""What `sweep init` asks at a terminal, a real one."""

from __future__ import annotations

import os
import pty
import select
import sys
from pathlib import Path

import pytest

from sweep.cli.main import run_program
from sweep.spec.definition import load

UNSURE = "kind,x,z\n" + "".join(f"{'ab'[n % 2]},{n / 7},{n / 3}\n" for n in range(30))
LIKELY = "price,x,kind\n" + "".join(f"{n / 7},{n * n},{'ab'[n % 2]}\n" for n in range(30))


def init(monkeypatch: pytest.MonkeyPatch, table: str, answers: str) -> tuple[int, str]:
    """Exit status, and what stood on the terminal, of `sweep init` with these lines typed."""
    Path("t.csv").write_text(table)
    mine, theirs = pty.openpty()
    os.write(mine, answers.encode())
    with os.fdopen(theirs, "r+b", buffering=0) as terminal, monkeypatch.context() as patch:
        with open(terminal.fileno(), closefd=False) as typed, open(terminal.fileno(), "w", closefd=False) as shown:
            patch.setattr(sys, "stdin", typed)
            patch.setattr(sys, "stderr", shown)
            patch.setattr(sys, "stdout", shown)
            status = run_program(["init", "t.csv"])
        seen = b""
        while select.select([mine], [], [], 0.3)[0]:  # a terminal hands over what was written by and by
            seen += os.read(mine, 65536)
    os.close(mine)
    return status, seen.decode().replace("\r\n", "\n")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEP_STORAGE", raising=False)


def test_a_typing_error_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    status, seen = init(monkeypatch, UNSURE, "kidn\nkind\n")
    assert status == 0
    assert "there is no column 'kidn'; did you mean 'kind'?" in seen
    assert seen.count("Column to predict") == 2
    assert load("t.toml").data.target == "kind"


def test_a_guess_with_other_candidates_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    status, seen = init(monkeypatch, LIKELY, "kind\n")
    assert status == 0
    assert "the target may be 'price' or 'kind' (2 classes)" in seen
    assert "Column to predict [price]" in seen
    assert load("t.toml").data.target == "kind"


def test_return_takes_the_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    assert init(monkeypatch, LIKELY, "\n")[0] == 0
    assert load("t.toml").data.target == "price"


def test_who_gives_up_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    status, seen = init(monkeypatch, UNSURE, "kidn\n\x04")
    assert status == 130
    assert seen.count("Column to predict") == 2
    assert not Path("t.toml").exists()


def test_in_a_pipe_the_candidates_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(LIKELY)
    assert run_program(["init", "t.csv"]) == 0
    assert "other candidates: 'kind' (2 classes); --target names one" in capsys.readouterr().err
