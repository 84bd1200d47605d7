"""Result records: the best of ties, arms, JSON documents."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sweep.analysis.results import TrialRow, arms_of, best_trial
from sweep.metrics import METRICS
from sweep.records import Hyperparameters
from tests.made_sweep import made_summary

PLAIN = Hyperparameters((4,), "none", (0.0, 0.0), 0.1, 0.9, None, 1.0, 0.0)


def row(number: int, score: float, placement: str = "none", folds: tuple[float, ...] = (0.5, 0.7)) -> TrialRow:
    return TrialRow(number, replace(PLAIN, placement=placement), score, folds, 10, 0.1, 10)


def test_the_best_is_the_earliest_of_equals_in_the_metrics_direction() -> None:
    rows = [row(5, 0.8), row(2, 0.8), row(3, 0.7), row(1, 0.75)]
    assert best_trial(rows, METRICS["accuracy"]) == row(2, 0.8)
    assert best_trial(rows, METRICS["log_loss"]) == row(3, 0.7)
    assert best_trial([], METRICS["rmse"]) is None


def test_a_pruned_trial_is_the_best_only_as_long_as_none_is_complete() -> None:
    pruned = [replace(row(number, score), trained=5, pruned=True) for number, score in ((0, 0.95), (3, 0.97))]
    rows = [*pruned, row(1, 0.8), row(2, 0.7)]
    for metric, worst in (("accuracy", 0.8), ("log_loss", 0.7)):
        best = best_trial(rows, METRICS[metric])
        assert best is not None
        assert best.score == worst
    assert best_trial(pruned, METRICS["accuracy"]) == pruned[1]
    (arm,) = arms_of(rows, ["none"], METRICS["accuracy"])
    assert (arm.trials, arm.best.number) == (4, 1)
    summary = replace(
        made_summary(1), arms=arms_of([*pruned, row(4, 0.5, "all")], ["none", "all"], METRICS["accuracy"])
    )
    assert summary.best_without == pruned[1]
    assert summary.best_with == row(4, 0.5, "all")


def test_arms_keep_the_definitions_order_and_leave_out_the_untried() -> None:
    rows = [row(0, 0.8, "input"), row(1, 0.7), row(2, 0.9)]
    arms = arms_of(rows, ["none", "input", "all"], METRICS["accuracy"], {"none": (("momentum", 1.0),)})
    assert [(arm.placement, arm.trials, arm.best.number) for arm in arms] == [("none", 2, 2), ("input", 1, 0)]
    assert [arm.importance for arm in arms] == [(("momentum", 1.0),), ()]


def test_spread_ignores_undefined_folds() -> None:
    assert row(0, 0.6, folds=(0.5, float("nan"), 0.7)).spread == pytest.approx(0.1 * 2**0.5)
    assert row(0, 0.6, folds=(0.6, float("nan"))).spread is None


@pytest.mark.parametrize("better", ["none", "input"])
def test_with_and_without_dropout(better: str) -> None:
    """Whichever is better: that of the other side is of the other side."""
    rows = [row(0, 0.9 if better == "none" else 0.7), row(1, 0.75, "all"), row(2, 0.8, "input"), row(3, 0.6)]
    arms = arms_of(rows, ["none", "input", "all"], METRICS["accuracy"])
    summary = replace(made_summary(1), trials=tuple(rows), arms=arms)
    assert (summary.best_without, summary.best_with) == (rows[0], rows[2])


def test_the_best_document_holds_the_honest_score_beside_the_raw_one() -> None:
    document = made_summary().best_to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["score"] > document["honest_score"]["value"] > document["honest_score"]["low"]
    assert document["placement"] == document["params"]["placement"] == "input"
    assert made_summary(0).best_to_dict() == {
        "name": "sonar",
        "metric": "accuracy",
        **dict.fromkeys(("trial", "score", "honest_score", "chosen_in", "placement", "params", "epoch")),
    }


def test_the_status_document() -> None:
    document = made_summary(12).status.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["name"], document["state"]) == ("sonar", "done")
    assert document["trials"] == {"budget": 12, "complete": 12, "pruned": 0, "failed": 0, "running": 0}
    assert document["epochs"] == {"trained": 3600, "full": 3600}
