"""Text of results: what it says, that it fits, and that JSON is JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.cli import show as cli_show
from sweep.records import Hyperparameters
from sweep.spec.model import Chosen
from sweep.texts import best, states
from tests.made_sweep import made_summary
from tests.pruned_sweep import pruned_summary


def test_the_best_has_its_honest_score_first() -> None:
    summary = made_summary()
    assert summary.best is not None
    assert summary.honest is not None
    lines = best.best_text(summary).splitlines()
    assert lines[0] == f"sonar: trial {summary.best.number}, dropout on the inputs (best accuracy of 128 trials)"
    value, low, high = (
        f"{100 * share:.1f}" for share in (summary.honest.value, summary.honest.low, summary.honest.high)
    )
    assert lines[1].split(maxsplit=2) == ["honest", "score", f"{value} % (95 % interval {low} to {high})"]
    raw = f"{100 * summary.best.score:.2f} %, 2.8 too high because it was chosen for being high"
    assert lines[2].split(maxsplit=2) == ["raw", "score", raw]


def test_before_the_end_it_says_how_many_trials_are_missing() -> None:
    summary = made_summary(trials=40)
    text = best.best_text(replace(summary, status=replace(summary.status, budget=128)))
    assert "best accuracy of 40 trials so far, 128 planned" in text


def test_without_any_trial_there_is_no_best() -> None:
    assert "no trial has finished yet" in best.best_text(made_summary(trials=0))


def test_a_score_that_cannot_be_corrected_is_said_to_be() -> None:
    assert "honest score   undefined" in best.best_text(replace(made_summary(), honest=None))


def test_a_score_chosen_elsewhere_is_said_to_be() -> None:
    chosen = Chosen("mine", 1024, "rows", "definition", None)
    where = "; the honest score is that of the sweep mine, where this configuration was chosen among 1,024 trials"
    summary = replace(made_summary(1), chosen=chosen)
    assert summary.best is not None
    assert summary.honest is not None
    lines = best.best_text(summary).splitlines()
    assert f" {100 * summary.honest.value:.1f} % (95 % interval " in lines[1]
    assert f"{summary.metric.format(summary.best.score)}{where}" in lines[2]
    without = best.best_text(replace(summary, honest=None)).splitlines()
    assert without[1].endswith("undefined")
    assert "too good if it was chosen for that: it is one of 1,024 trials of the sweep mine on these rows" in without[2]


def test_layers_without_dropout_have_no_rate() -> None:
    own = Hyperparameters((6, 3), "hidden2", (0.0, 0.0, 0.25), 0.1, 0.9, None, 1.0, 0.0)
    rows = dict(best.configuration_rows(own))
    assert {name for name in rows if name.startswith("dropout")} == {"dropout hidden2"}
    assert rows["dropout hidden2"] == "0.25"
    assert rows["max_norm"] == "off"
    assert rows["hidden"] == "6-3"


def test_status_names_what_there_is() -> None:
    status = made_summary(trials=40).status
    counts = replace(status.counts, complete=30, failed=2, running=8)
    text = states.status_text(replace(status, budget=128, counts=counts, state="running"))
    assert "30 of 128 (30 complete, 2 failed, 8 running)" in text
    assert "pruned" not in text


def test_a_pruned_sweep_says_what_was_saved() -> None:
    summary = pruned_summary()
    share = round(100 * summary.status.epochs.trained / (128 * 300))
    said = f"112 of 128 trials stopped early; {share} % of the epochs were trained"
    text = states.status_text(summary.status)
    assert "128 of 128 (16 complete, 112 pruned)" in text
    for shown in (text, best.best_text(summary)):
        assert [line.split(maxsplit=1)[1] for line in shown.splitlines() if "pruning" in line] == [said]
    assert "pruning" not in best.best_text(made_summary())


def test_columns_stand_under_each_other() -> None:
    text = states.list_text([made_summary(trials=n).status for n in (4, 128)])
    assert len({line.index("accuracy") for line in text.splitlines()[1:]}) == 1
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_json_has_no_nan() -> None:
    text = cli_show.json_text({"a": math.nan, "b": [1.5, -math.inf, (math.nan,)], "c": "größer"})
    assert json.loads(text) == {"a": None, "b": [1.5, None, [None]], "c": "größer"}
    assert "größer" in text


@pytest.mark.parametrize(
    ("storage", "shown"),
    [
        ("sqlite:///x.db", "--storage sqlite:///x.db"),
        ("sqlite:///my data.db", "--storage 'sqlite:///my data.db'"),
        ("postgresql://me:se%40cret@host/db", "--storage 'postgresql+psycopg://me:***@host/db'"),
        ("postgresql://me@host/db?password=secret", "--storage 'postgresql+psycopg://me@host/db?password=%2A%2A%2A'"),
        ("postgresql://me@host/db", "--storage postgresql://me@host/db"),
    ],
)
def test_next_steps_repeat_the_storage_without_its_password(storage: str, shown: str) -> None:
    lines = cli_show.after_run("x", storage).splitlines()
    assert all(line.endswith(shown) for line in lines if line.startswith("  sweep")), lines
    assert "cret" not in "\n".join(lines)


def test_next_steps_can_be_pasted() -> None:
    assert "sweep run 'my table.toml'" in cli_show.after_init(Path("my table.toml"))
    assert "--storage" not in cli_show.after_run("x", None)
