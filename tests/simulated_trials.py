"""Sweeps whose score is a known function of the parameters, plus noise: what effects are measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.results import SweepSummary, TrialRow, arms_of, best_trial
from sweep.records import Hyperparameters
from sweep.spec.layers import layers_of
from tests.made_sweep import DEFINITION, made_summary

Truth = Callable[[Hyperparameters], float]


def flat(_: Hyperparameters) -> float:
    """Nothing matters."""
    return 0.8


def curved(own: Hyperparameters) -> float:
    """Best at a rate of 0.25 on the inputs and a learning rate of 0.05; the rest does not matter."""
    off = np.log(own.learning_rate / 0.05)
    return float(0.85 - 0.35 * (own.dropout[0] - 0.25) ** 2 - 0.01 * off**2)


def crossed(own: Hyperparameters) -> float:
    """The higher the learning rate, the more dropout on the inputs suits it."""
    suited = 0.1 + 0.12 * np.log(own.learning_rate / 0.003)
    return float(0.85 - 0.3 * (own.dropout[0] - suited) ** 2)


def simulated(
    truth: Truth,
    trials: int = 128,
    noise: float = 0.01,
    seed: int = 0,
    placements: tuple[str, ...] = ("none", "input", "hidden", "all"),
    metric: str = "accuracy",
) -> SweepSummary:
    """A finished sweep over Sonar's space, drawn at random; of a loss the scores are negative."""
    rng = np.random.default_rng(seed)
    sign = 1.0 if metric == "accuracy" else -1.0
    rows = []
    for number in range(trials):
        placement = placements[number % len(placements)]
        own = Hyperparameters(
            hidden=(60, 30),
            placement=placement,
            dropout=tuple(float(rng.uniform(0.05, 0.7)) if on else 0.0 for on in layers_of(placement, 2)),
            learning_rate=float(np.exp(rng.uniform(np.log(0.003), np.log(0.5)))),
            momentum=float(rng.uniform(0.5, 0.99)),
            max_norm=float(rng.uniform(1, 5)),
            lr_decay=float(np.exp(rng.uniform(np.log(0.01), 0))),
            weight_decay=0.0,
        )
        score = sign * (truth(own) + float(rng.normal(0, noise)))
        rows.append(TrialRow(number, own, score, (score,) * 10, epoch=300, seconds=1.0, trained=300))
    listed = ", ".join(f'"{placement}"' for placement in placements)
    made = made_summary(0, metric, DEFINITION.replace('"none", "input", "hidden", "all"', listed))
    arms = arms_of(rows, placements, made.metric)
    return replace(made, trials=tuple(rows), arms=arms, best=best_trial(rows, made.metric))


def averaged(summary: SweepSummary, truth: Truth, place: int, rates: tuple[float, ...]) -> NDArray[np.float64]:
    """``[V]``: the truth at each rate of a layer, over the trials with dropout there."""
    own = [trial.hyperparameters for trial in summary.trials if trial.hyperparameters.dropout[place] > 0]
    return np.array([np.mean([truth(_with(one, place, rate)) for one in own]) for rate in rates])


def _with(own: Hyperparameters, place: int, rate: float) -> Hyperparameters:
    return replace(own, dropout=(*own.dropout[:place], rate, *own.dropout[place + 1 :]))
