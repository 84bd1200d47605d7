"""A made sweep, the shape of Sonar's: what the report's tests and a look at the page need, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.results import Counts, Curves, Epochs, SweepStatus, SweepSummary, TrialRow, arms_of, best_trial
from sweep.analysis.stability import stability_of
from sweep.metrics import METRICS
from sweep.records import HonestScore, Hyperparameters, TableInfo
from sweep.spec.definition import parse
from sweep.spec.layers import layer_names, layers_of
from sweep.spec.model import checkpoint_epochs

DEFINITION = """
format = 1
name = "sonar"
seed = 7
[data]
source = "openml:40"
target = -1
[network]
hidden = [60, 30]
[training]
epochs = 300
batch_size = 16
checkpoints = 12
[space]
placement = { choices = ["none", "input", "hidden", "all"] }
dropout = { low = 0.05, high = 0.7 }
learning_rate = { low = 0.003, high = 0.5, log = true }
momentum = { low = 0.5, high = 0.99 }
max_norm = { low = 1.0, high = 5.0 }
lr_decay = { low = 0.01, high = 1.0, log = true }
weight_decay = 0.0
[validation]
folds = 10
[search]
trials = 128
"""

# What the arms are worth, and the rate that suits them.
MERIT = {"none": (0.845, 0.0), "input": (0.87, 0.2), "hidden": (0.85, 0.3), "all": (0.862, 0.25)}


def made_summary(
    trials: int = 128,
    metric: str = "accuracy",
    definition: str = DEFINITION,
    info: TableInfo | None = None,
    seed: int = 0,
) -> SweepSummary:
    """A finished sweep of ``trials`` trials over the placements of a definition."""
    rng = np.random.default_rng(seed)
    spec = parse(definition)
    epochs = checkpoint_epochs(spec.training.epochs, spec.training.checkpoints)
    placements = spec.space.placements
    rows, curves = [], {}
    for number in range(trials):
        placement = placements[number % len(placements)]
        progress = number / trials
        hidden = spec.network.hidden[0]
        merit, suited = MERIT.get(placement, (0.84, 0.3))
        rates = tuple(
            float(np.clip(rng.normal(suited, 0.28 - 0.15 * progress), 0.05, 0.7)) if on else 0.0
            for on in layers_of(placement, len(hidden))
        )
        rate = float(np.exp(np.clip(rng.normal(-2.9, 1.6 - progress), np.log(0.003), np.log(0.5))))
        off = sum((r - suited) ** 2 for r in rates if r) + 0.02 * (np.log(rate) + 2.9) ** 2
        accuracy = float(np.clip(merit - 0.35 * off + rng.normal(0, 0.008), 0.534, 0.99))
        epoch = int(rng.choice(epochs[3:]))
        folds = np.clip(accuracy + rng.normal(0, 0.07, spec.validation.folds), 0, 1)
        folds += accuracy - folds.mean()
        share = np.array([1 - np.exp(-e * rate / 2) for e in epochs])
        training = 0.5 + 0.5 * share * (1 - 0.12 * sum(rates)) + rng.normal(0, 0.01, (len(folds), len(epochs)))
        validation = 0.52 + (folds[:, None] - 0.52) * share + rng.normal(0, 0.02, (len(folds), len(epochs)))
        curves[number] = Curves(epochs, _as(metric, np.clip(training, 0, 1)), _as(metric, np.clip(validation, 0, 1)))
        rows.append(
            TrialRow(
                number=number,
                hyperparameters=Hyperparameters(
                    hidden=hidden,
                    placement=placement,
                    dropout=rates,
                    learning_rate=rate,
                    momentum=float(rng.uniform(0.5, 0.99)),
                    max_norm=float(rng.uniform(1, 5)),
                    lr_decay=float(np.exp(rng.uniform(np.log(0.01), 0))),
                    weight_decay=0.0,
                ),
                score=float(_as(metric, np.array(accuracy))),
                folds=tuple(_as(metric, folds).tolist()),
                epoch=epoch,
                seconds=float(rng.uniform(0.4, 0.8)),
                trained=epochs[-1],
                diverged=epochs[1] if number in (9, 40) else None,
                training=float(_as(metric, np.clip(training, 0, 1))[:, epochs.index(epoch)].mean()),
            )
        )
    depth = len(spec.network.hidden[0])
    names = (*(f"dropout_{layer}" for layer in layer_names(depth)), "learning_rate", "momentum", "max_norm", "lr_decay")
    importance = {}
    for placement in placements:
        on = layers_of(placement, depth)
        kept = [name for name, active in zip(names, (*on, True, True, True, True), strict=True) if active]
        shares = rng.dirichlet(np.linspace(1.5, 0.4, len(kept)))
        pairs = zip(kept, shares.tolist(), strict=True)
        importance[placement] = tuple(sorted(pairs, key=lambda pair: -pair[1]))
    best = best_trial(rows, METRICS[metric])
    when = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    made = SweepSummary(
        status=SweepStatus(
            name=spec.name,
            state="done",
            budget=trials,
            counts=Counts(complete=trials, pruned=0, failed=0, running=0),
            epochs=Epochs(trials * epochs[-1], trials * epochs[-1]),
            metric=metric,
            source=spec.data.source,
            created_at=when,
            updated_at=when,
        ),
        spec=spec,
        fingerprint=spec.fingerprint,
        info=info or sonar(),
        checkpoints=epochs,
        note=None,
        trials=tuple(rows),
        arms=arms_of(rows, placements, METRICS[metric], importance if trials > 60 else None),
        best=best,
        honest=None,
        baseline=float(_as(metric, np.array(0.534))),
        curves=curves,
    )
    if best is None:
        return made
    honest = _honest(best.score, trials, metric)
    return replace(made, honest=honest, stability=stability_of(_wins(rows, best), rows, placements, best))


def sonar() -> TableInfo:
    """Sonar as a table."""
    return TableInfo(
        source="openml:40",
        content_hash="5f" * 32,
        rows=208,
        features=tuple(f"attribute_{place}" for place in range(1, 61)),
        target="Class",
        task="binary",
        classes=("Mine", "Rock"),
        target_mean=0.0,
        target_scale=1.0,
        notes=(
            "Column Class holds 2 distinct texts: binary classification; Rock is the positive class.",
            "60 numeric columns, none with missing values.",
        ),
    )


def _as(metric: str, accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    """An accuracy turned into something of the metric's size and direction."""
    return accuracy if METRICS[metric].maximize else 60 * (1 - accuracy) + 40


def _wins(trials: Sequence[TrialRow], best: TrialRow) -> dict[int, int]:
    """Draws that each trial wins, of 2,000: the more, the nearer it is to the best."""
    behind = np.array([abs(trial.score - best.score) for trial in trials])
    share = np.exp(-behind / (0.008 if abs(best.score) <= 1 else 0.5))
    return {
        trial.number: int(won)
        for trial, won in zip(trials, np.round(2000 * share / share.sum()), strict=True)
        if won > 0
    }


def _honest(raw: float, trials: int, metric: str) -> HonestScore:
    worse = 0.028 if METRICS[metric].maximize else -1.7
    half = 0.041 if METRICS[metric].maximize else 2.5
    return HonestScore(raw - worse, raw - worse - half, raw - worse + half, raw, trials)
