"""``sweep answer`` from a user's seat."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sweep.answer.nested_stored import save_searched
from sweep.cli.main import run_program
from sweep.store.store import Store
from tests.command_line import DEFINITION, RUN, Program, write_table
from tests.forked import start_forked

ANSWER = ("answer", "small", "--cluster", "inline")

ARM = {
    "placement", "params", "score", "difference", "low", "high", "matched_difference", "p_value", "p_helps",
    "p_equivalent", "verdict", "smaller_than",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished sweep, and with the same asked once: both are copied, since they take seconds."""
    folder = tmp_path_factory.mktemp("made")
    write_table(folder / "table.csv")
    (folder / "small.toml").write_text(DEFINITION)
    with contextlib.chdir(folder):
        assert run_program(RUN) == 0
        shutil.copy("sweep.db", "finished.db")
        assert run_program([*ANSWER, "--repeats", "2"]) == 0
        shutil.copy("sweep.db", "answered.db")
    return folder


@pytest.fixture
def finished(small: Program, made: Path) -> Program:
    """The same with a finished sweep."""
    shutil.copy(made / "finished.db", small.folder / "sweep.db")
    return small


@pytest.fixture
def answered(small: Program, made: Path) -> Program:
    """The same with a finished sweep that was asked once."""
    shutil.copy(made / "answered.db", small.folder / "sweep.db")
    return small


def test_an_answer_has_a_sentence_a_verdict_for_each_placement_and_both_scores(finished: Program) -> None:
    found = finished.json(*ANSWER, "--repeats", "3")
    assert re.search(r"dropout|No network", found["sentence"])
    assert found["repeats"] == 3
    assert found["raw_best_score"] == finished.json("best", "small")["score"]
    assert found["honest_score"] == finished.json("best", "small")["honest_score"]
    assert sorted(arm["placement"] for arm in found["arms"]) == ["all", "hidden", "input"]
    for arm in found["arms"]:
        assert arm.keys() >= ARM
        assert arm["low"] <= arm["difference"] <= arm["high"]
        assert arm["verdict"] in (
            "helps", "hurts", "no practical difference", "cannot tell", "nothing learned",
        )  # fmt: skip
    said = finished(*ANSWER)
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


def test_rules_of_thumb_are_checked_when_asked_for_and_kept(answered: Program) -> None:
    before = answered.json(*ANSWER)
    assert before["rules"] is None
    assert "ules of thumb" not in answered(*ANSWER).out
    asked = answered(*ANSWER, "--rules")
    assert re.search(
        r"7 configurations on 2 repeats of 3 folds: .*for the rules of thumb \d+ more, on 2 rep", asked.err
    )
    found = answered.json(*ANSWER, "--rules")
    assert len(found["rules"]) == 10
    for rule in found["rules"]:
        assert rule["outcome"] in ("holds", "does not hold", "no practical difference", "cannot tell", "not tested")
        assert f"  {rule['outcome']}" in asked.out
        assert rule["statement"] in asked.out
        for one in rule["comparisons"]:
            assert one["what"] in asked.out
            assert one["low"] <= one["difference"] <= one["high"]
            assert {term["weight"] for term in one["terms"]} <= {1.0, -1.0, 0.5}
    assert "not corrected for their number" in asked.out
    assert found | {"rules": None} == before, "the answer itself is as it was"
    again = answered(*ANSWER)
    assert "runs" not in again.err
    assert re.search(r"Rules of thumb: of 10 rules, .* \(sweep answer small --rules\)\.", again.out)
    assert answered.json(*ANSWER) == found
    answered("report", "small", "-o", "page.html")
    page = (answered.folder / "page.html").read_text()
    assert "Rules of thumb on this table" in page
    assert all(rule["statement"] in page for rule in found["rules"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--repeats", "1"), "must be a whole number of at least 2"),
        (("--cluster", "moon"), "the cluster must be"),
        (("--workers", "0"), "workers"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_trained(
    finished: Program, change: tuple[str, ...], message: str
) -> None:
    said = finished("answer", "small", *change, status=2)
    assert message in said.err
    with Store.open("sqlite:///sweep.db") as store:
        sweep = store.sweep("small")
        assert sweep is not None
        assert store.confirmed_repeats(sweep.key) == {}


def test_a_sweep_or_a_table_that_is_not_there(small: Program, made: Path) -> None:
    assert "no database" in small("answer", "other", status=2).err
    shutil.copy(made / "finished.db", small.folder / "sweep.db")
    assert "no sweep named other" in small("answer", "other", status=2).err
    (made / "table.csv").rename(made / "away.csv")
    try:
        assert "table.csv" in small(*ANSWER, status=2).err
    finally:
        (made / "away.csv").rename(made / "table.csv")


def test_a_real_process_interrupted_by_sigterm_goes_on(finished: Program, tmp_path: Path) -> None:
    """Many repeats: several blocks of runs, so that the signal comes among them."""
    asked = (*ANSWER, "--repeats", "120")
    with start_forked(tmp_path, *asked) as process:
        wait_for_a_run(tmp_path / "sweep.db")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    found = re.search(r"interrupted: (\d+) of (\d+) runs are finished; the same command goes on", err)
    assert found, err
    assert 0 < int(found[1]) < int(found[2])
    goes_on = finished(*asked)
    assert f"going on: {found[1]} of {found[2]} runs are finished" in goes_on.err
    assert "120 repeats of 3" in goes_on.out


def wait_for_a_run(database: Path) -> None:
    """Until one is stored by another process."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with Store.open(f"sqlite:///{database}") as store:
            sweep = store.sweep("small")
            if sweep is not None and store.confirmed_repeats(sweep.key):
                return
        time.sleep(0.1)
    pytest.fail("nothing was finished")


# --- nested cross-validation ------------------------------------------------------------------------------------------

NESTED = ("--nested", "--outer", "2")


def test_nested_says_whether_tuning_dropout_pays_and_is_not_lost(
    answered: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt comes as the second search is to be stored; a real signal is sent in the test above."""
    with monkeypatch.context() as patched:
        stored: list[Any] = []

        def once(*search: Any) -> None:
            if stored:
                raise KeyboardInterrupt
            stored.append(search)
            save_searched(*search)

        patched.setattr("sweep.answer.nested.save_searched", once)
        stopped = answered(*ANSWER, *NESTED, status=130)
    assert re.search(r"2 outer folds, in each two searches of 4 trials; about .* with 1 worker", stopped.err)
    assert "interrupted: 1 of 4 searches are finished; the same command goes on" in stopped.err
    assert answered.json(*ANSWER)["nested"] is None  # nothing is said of a part

    said = answered(*ANSWER, *NESTED)
    assert "going on: 1 of 4 searches are finished" in said.err
    assert "Does tuning dropout pay?" in said.out
    assert re.search(r"^  FOLD +CHOSEN OF ALL +ACCURACY +WITHOUT DROPOUT$", said.out, re.MULTILINE)
    assert "no sharper test of dropout" in said.out
    assert "nested score" in said.out

    found = answered.json(*ANSWER)  # without --nested
    nested = found["nested"]
    assert nested["sentence"] in said.out
    assert (nested["outer_folds"], nested["trials"], nested["trials_without"]) == (2, 4, 4)
    assert nested["low"] <= nested["difference"] <= nested["high"]
    assert nested["verdict"] in ("pays", "costs", "no practical difference", "cannot tell", "nothing learned")
    assert nested["nested_score"].keys() == {"value", "low", "high"}
    assert [fold["none"]["placement"] for fold in nested["folds"]] == ["none"] * 2
    line = answered(*ANSWER).out.splitlines()[-1]
    assert line == f"Does tuning dropout pay? {nested['sentence']} (sweep answer small --nested)"
    again = answered(*ANSWER, *NESTED)
    assert "outer folds, in each two" not in again.err  # nothing was run
    assert again.out == said.out
    answered("report", "small", "-o", "page.html")
    page = (answered.folder / "page.html").read_text()
    assert page.count("Does tuning dropout pay?") == 1
    assert [sweep["name"] for sweep in answered.json("list")] == ["small"]


def test_nested_that_cannot_be_is_refused_and_nothing_is_trained(finished: Program) -> None:
    for change, message in (
        (("--outer", "3"), "the number of outer folds is for nested cross-validation, which is not asked for"),
        (("--nested", "--outer", "1"), "--outer"),
        (("--nested", "--outer", "40"), "the rows cannot be split into 40 outer folds"),
    ):
        assert message in finished(*ANSWER, *change, status=2).err
    with Store.open("sqlite:///sweep.db") as store:
        sweep = store.sweep("small")
        assert sweep is not None
        assert store.confirmed_repeats(sweep.key) == {}


def test_nested_of_a_time_series_is_refused(small: Program) -> None:
    small(*RUN, "--set", "validation.scheme=timeseries")
    assert "one history has none; ask without it" in small(*ANSWER, "--nested", status=2).err
