"""Invariants 7 and 8: the control is tuned as hard as the rest; no best score without its honest one."""

from __future__ import annotations

import json

import pytest

from sweep.export import definition
from sweep.report import html as report
from sweep.space.proposer import Proposer, hyperparameters
from sweep.spec import definition as spec
from sweep.texts.best import best_text
from tests.made_sweep import made_summary
from tests.tables_for_tests import make_dataset, make_plan, make_splits, make_trial
from tests.test_train import train

DEFINITION = """
format = 1
name = "fair"
[data]
source = "sklearn:wine"
[training]
stop = "best"
[space]
lr_decay = { low = 0.01, high = 1.0, log = true }
weight_decay = { low = 1e-6, high = 1e-2, log = true }
[search]
trials = 40
sampler = "random"
"""


def test_the_control_searches_all_that_the_others_search_but_rates() -> None:
    """Invariant 7."""
    sweep = spec.parse(DEFINITION)
    proposer = Proposer(sweep, "maximize")
    by_arm: dict[str, list[dict[str, object]]] = {}
    for number in range(proposer.budget.trials):
        if number % sweep.search.batch == 0:
            for earlier in range(max(0, number - sweep.search.batch), number):
                proposer.observe(earlier, 0.5)
        proposal = proposer.propose(number)
        by_arm.setdefault(proposal.arm, []).append(dict(proposal.params))
    counts = {arm: len(trials) for arm, trials in by_arm.items()}
    assert len(set(counts.values())) == 1, "equal budgets"
    for name in ("learning_rate", "momentum", "max_norm", "lr_decay", "weight_decay"):
        assert len({trial[name] for trial in by_arm["none"]}) == counts["none"], f"none searches {name}"
    none = hyperparameters(sweep, by_arm["none"][0])
    assert not any(none.dropout)


def test_the_control_chooses_its_epoch() -> None:
    """Invariant 7: ``stop = "best"`` holds for a network without dropout too."""
    data = make_dataset("binary", rows=60)
    folds = make_splits(data)
    plan = make_plan("binary", epochs=12, checkpoints=tuple(range(1, 13)))
    trials = [make_trial(dropout=(0.0, 0.0, 0.0), learning_rate=rate, max_norm=None) for rate in (0.02, 0.1, 0.3, 0.5)]
    assert any(result.epoch < 12 for result in train(data, folds, plan, *trials))


@pytest.mark.parametrize("show", [best_text, definition.to_toml, definition.to_json, report.render])
def test_whatever_shows_the_best_score_shows_the_honest_one(show: object) -> None:
    """Invariant 8: on a terminal, in both exports, on the page."""
    assert callable(show)
    summary = made_summary()
    assert summary.honest is not None
    text = show(summary)
    assert f"{100 * summary.honest.value:.1f}" in text or repr(summary.honest.value) in text


def test_the_json_of_best_has_both() -> None:
    """Invariant 8: ``sweep best --json``."""
    summary = made_summary()
    document = json.loads(json.dumps(summary.best_to_dict()))
    assert set(document["honest_score"]) >= {"value", "low", "high"}
    assert document["score"] is not None
