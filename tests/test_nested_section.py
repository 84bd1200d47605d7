"""Nested cross-validation on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sweep.analysis.results import SweepSummary
from sweep.answer.nested_records import Nested, NestedScore, Winner
from sweep.records import Configuration, Hyperparameters
from sweep.report.nested_section import nested_section
from tests.made_answer import comparison, helps
from tests.made_sweep import made_summary


def winner(placement: str, score: float) -> Winner:
    rates = {"none": (0.0, 0.0), "input": (0.2, 0.0), "all": (0.1, 0.4)}[placement]
    params = Hyperparameters((30,), placement, rates, 0.1, 0.9, None, 1.0, 0.0)
    return Winner(Configuration(params, 30), 0.9, score, diverged=False)


def nested(
    placements: Sequence[str] = ("input", "none", "input", "all"), score: float = 0.84, **changes: Any
) -> Nested:
    values: dict[str, Any] = {
        "metric": "accuracy",
        "trials": 128,
        "trials_without": 128,
        "rows": 208,
        "groups": None,
        "constant": 0.53,
        "rope": 0.01,
        "comparison": comparison(0.012, 0.03, repeats=1),
        "p_pays": 0.5,
        "p_equivalent": 0.4,
        "verdict": "cannot tell",
        "score": NestedScore(0.842, 0.79, 0.894),
        "without": NestedScore(0.83, None, None),
        "outer": tuple((winner(one, score), winner("none", 0.81)) for one in placements),
    }
    return Nested(**(values | changes))


@pytest.fixture(scope="module")
def summary() -> SweepSummary:
    return made_summary(40)


def test_sentence_scores_and_what_each_fold_chose(summary: SweepSummary) -> None:
    section = nested_section(summary, nested())
    assert section["sentence"].startswith(
        "Whether tuning dropout pays on data like this cannot be told: +1.2 points (95\xa0%"
    )
    assert section["chosen"] == (
        "Of 4 outer folds the search over all placements chose dropout on the inputs in 2, no dropout in 1 and dropout "
        "on the inputs and the hidden layers in 1."
    )
    assert [fold["placement"] for fold in section["folds"]] == ["input", "none", "input", "all"]
    assert [(fold["score"], fold["without"]) for fold in section["folds"]] == [("84.0 %", "81.0 %")] * 4
    assert section["score"] == {"value": "84.2 %", "interval": "79.0 to 89.4"}
    assert section["without"] == {"value": "83.0 %", "interval": ""}
    assert "no sharper test of dropout" in section["basis"]


def test_one_placement_in_all_folds_and_a_fold_without_a_score(summary: SweepSummary) -> None:
    section = nested_section(summary, nested(("input",) * 3, score=math.nan))
    assert section["chosen"] == "The search over all placements chose dropout on the inputs in all 3 outer folds."
    assert [fold["score"] for fold in section["folds"]] == ["–"] * 3


def test_it_stands_on_the_page_if_it_is_there(summary: SweepSummary, written: Callable[..., str]) -> None:
    page, without = written(summary, helps(), nested()), written(summary, helps())
    assert page.count('id="nested-title"') == 1
    assert page.index('id="headline-title"') < page.index('id="nested-title"') < page.index('id="best-title"')
    assert "84.2 %</b>" in page
    assert "Does tuning dropout pay?" not in without
