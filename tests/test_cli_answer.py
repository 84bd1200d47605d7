"""``sweep answer`` from a user's seat."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from sweep.store.store import Store
from tests.command_line import RUN, Program, start, write_table

ANSWER = ("answer", "small", "--cluster", "inline")

ARM = {
    "placement", "params", "score", "difference", "low", "high", "matched_difference", "p_value", "p_helps",
    "p_equivalent", "verdict", "smaller_than",
}  # fmt: skip


@pytest.fixture
def answered(small: Program) -> Program:
    """The same with a finished sweep that was asked once."""
    small(*RUN)
    small(*ANSWER, "--repeats", "2")
    return small


def test_an_answer_has_a_sentence_a_verdict_for_each_placement_and_both_scores(small: Program) -> None:
    small(*RUN)
    found = small.json(*ANSWER, "--repeats", "3")
    assert re.search(r"dropout|No network", found["sentence"])
    assert found["repeats"] == 3
    assert found["raw_best_score"] == small.json("best", "small")["score"]
    assert found["honest_score"] == small.json("best", "small")["honest_score"]
    assert sorted(arm["placement"] for arm in found["arms"]) == ["all", "hidden", "input"]
    for arm in found["arms"]:
        assert arm.keys() >= ARM
        assert arm["low"] <= arm["difference"] <= arm["high"]
        assert arm["verdict"] in (
            "helps", "hurts", "no practical difference", "cannot tell", "nothing learned",
        )  # fmt: skip
    said = small(*ANSWER)
    assert said.out.startswith(f"small: {found['sentence']}\n")
    assert "3 repeats of 3\N{NON-BREAKING HYPHEN}fold cross-validation" in said.out
    assert "honest score" in said.out
    for arm in found["arms"]:
        assert re.search(rf"^  {arm['placement']} +{arm['verdict']}", said.out, re.MULTILINE)


def test_asked_again_nothing_is_trained_and_more_repeats_add(answered: Program) -> None:
    before = answered.json(*ANSWER)
    again = answered(*ANSWER)
    assert "runs" not in again.err
    more = answered(*ANSWER, "--repeats", "4")
    assert re.search(r"going on: \d+ of \d+ runs are finished", more.err)
    assert answered.json(*ANSWER)["repeats"] == 4
    assert before["repeats"] == 2
    refused = answered(*ANSWER, "--repeats", "3", status=2)
    assert "at least 4" in refused.err


def test_the_report_begins_with_the_answer(answered: Program) -> None:
    sentence = answered.json(*ANSWER)["sentence"]
    answered("report", "small", "-o", "page.html")
    assert sentence.split(":")[0] in (answered.folder / "page.html").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--repeats", "1"), "must be at least 2"),
        (("--cluster", "moon"), "the cluster must be"),
        (("--workers", "0"), "workers"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_trained(
    small: Program, change: tuple[str, ...], message: str
) -> None:
    small(*RUN)
    said = small("answer", "small", *change, status=2)
    assert message in said.err
    with Store.open("sqlite:///sweep.db") as store:
        sweep = store.sweep("small")
        assert sweep is not None
        assert store.confirmed_repeats(sweep.key) == {}


def test_a_sweep_that_is_not_there_or_not_finished(small: Program) -> None:
    assert "no database" in small("answer", "other", status=2).err
    small(*RUN)
    assert "no sweep named other" in small("answer", "other", status=2).err
    (small.folder / "table.csv").unlink()
    assert "table.csv" in small(*ANSWER, status=2).err


def test_a_real_process_interrupted_by_sigterm_goes_on_and_gives_the_same(small: Program, tmp_path: Path) -> None:
    """The runs are slow enough to be interrupted among them, and quick enough for a test."""
    write_table(tmp_path / "table.csv", rows=400)
    slow = ("--set", "training.epochs=40", "--set", "training.batch_size=4")
    small(*RUN, *slow)
    for name in ("whole", "cut"):
        (tmp_path / f"{name}.db").write_bytes((tmp_path / "sweep.db").read_bytes())
    whole = small.json(*ANSWER, "--repeats", "12", "--storage", "sqlite:///whole.db")
    with start(tmp_path, *ANSWER, "--repeats", "12", "--storage", "sqlite:///cut.db") as process:
        wait_for_runs(tmp_path / "cut.db")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "the same command goes on" in err
    with Store.open(f"sqlite:///{tmp_path / 'cut.db'}") as store:
        sweep = store.sweep("small")
        assert sweep is not None
        done = sum(map(len, store.confirmed_repeats(sweep.key).values()))
    assert 0 < done < 12 * 7
    assert small.json(*ANSWER, "--repeats", "12", "--storage", "sqlite:///cut.db") == whole


def wait_for_runs(database: Path) -> None:
    """Until a run is stored by another process."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with Store.open(f"sqlite:///{database}") as store:
            sweep = store.sweep("small")
            if sweep is not None and store.confirmed_repeats(sweep.key):
                return
        time.sleep(0.02)
    pytest.fail("no run was finished")
