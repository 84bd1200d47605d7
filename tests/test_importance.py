"""Importance: finds what matters, leaves out what is fixed or cannot be told."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from sweep.analysis.importance import MIN_TRIALS, importance
from sweep.metrics import METRICS

SPACE = {
    "learning_rate": FloatDistribution(0.001, 1.0, log=True),
    "momentum": FloatDistribution(0.5, 0.99),
    "weight_decay": FloatDistribution(0.0, 0.0),
    "placement": CategoricalDistribution(("none", "all")),
}


def trials(count: int, sign: float = 1.0, seed: int = 0) -> list[FrozenTrial]:
    """Only the learning rate matters: best at 0.03."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        rate = float(np.exp(rng.uniform(np.log(0.001), 0)))
        params = {"learning_rate": rate, "momentum": float(rng.uniform(0.5, 0.99)), "weight_decay": 0.0}
        value = sign * -abs(np.log(rate / 0.03))
        made.append(create_trial(params={**params, "placement": "all"}, distributions=SPACE, value=value))
    return made


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1.0), ("rmse", -1.0)])
def test_the_parameter_that_matters_leads_in_either_direction(metric: str, sign: float) -> None:
    found = importance(trials(40, sign), METRICS[metric])
    assert [name for name, _ in found] == ["learning_rate", "momentum"]
    assert found[0][1] > 0.7
    assert sum(share for _, share in found) == pytest.approx(1)


def test_too_few_or_equal_trials_tell_nothing() -> None:
    assert importance(trials(MIN_TRIALS - 1), METRICS["accuracy"]) == ()
    same = [create_trial(params=t.params, distributions=SPACE, value=0.5) for t in trials(30)]
    assert importance(same, METRICS["accuracy"]) == ()
    assert importance([], METRICS["accuracy"]) == ()


def test_pruned_trials_are_left_out() -> None:
    pruned = [
        create_trial(params=t.params, distributions=SPACE, state=optuna.trial.TrialState.PRUNED, value=9.0)
        for t in trials(20, seed=1)
    ]
    assert importance(trials(30) + pruned, METRICS["accuracy"]) == importance(trials(30), METRICS["accuracy"])


def test_rates_that_only_some_trials_have_take_part() -> None:
    deeper = {**SPACE, "dropout_hidden2": FloatDistribution(0.05, 0.7)}
    some = [
        create_trial(params={**t.params, "dropout_hidden2": 0.1}, distributions=deeper, value=t.value)
        for t in trials(20)
    ]
    names = {name for name, _ in importance(trials(20, seed=2) + some, METRICS["accuracy"])}
    assert names == {"learning_rate", "momentum", "dropout_hidden2"}


def test_nothing_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    importance(trials(30), METRICS["accuracy"])
    assert capfd.readouterr() == ("", "")
