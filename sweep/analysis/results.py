"""Result records: what ``best``, ``status``, ``list``, the report and exports read. Numbers and text only.

A raw best score is never handed out without the honest one: :attr:`SweepSummary.best` and
:attr:`SweepSummary.honest` stand beside each other, and are made together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sweep import wording
from sweep.metrics import METRICS, Metric
from sweep.records import HonestScore, Hyperparameters, TableInfo
from sweep.spec.model import Chosen, SweepSpec

State = Literal["queued", "running", "paused", "done", "cancelled", "failed", "orphaned"]

NO_DROPOUT = "none"


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials of a sweep by what became of them."""

    complete: int
    pruned: int
    failed: int
    running: int

    @property
    def finished(self) -> int:
        """What the budget counts."""
        return self.complete + self.pruned


@dataclass(frozen=True, slots=True)
class Epochs:
    """Epochs of the finished trials: those they were ``trained`` for, and the ``full`` number without pruning."""

    trained: int
    full: int


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """How far a sweep is.

    Attributes:
        name: Of the sweep.
        state: ``"orphaned"`` when its study was deleted or renamed elsewhere.
        budget: Finished trials wanted.
        counts: Trials so far.
        epochs: Of the finished ones.
        metric: Name of the metric that chooses.
        source: The table, as its definition names it.
        created_at: UTC.
        updated_at: UTC, when a trial was last saved.
        holder: Who runs it, in words; ``None`` if nobody does.
        reason: Why it failed, if it could not be run.
    """

    name: str
    state: State
    budget: int
    counts: Counts
    epochs: Epochs
    metric: str
    source: str
    created_at: datetime
    updated_at: datetime
    holder: str | None = None
    reason: str | None = None

    @property
    def saved(self) -> str | None:
        """What pruning saved, in words; ``None`` where nothing was pruned."""
        counts, epochs = self.counts, self.epochs
        if not counts.pruned or not epochs.full:
            return None
        share = f"{100 * epochs.trained / epochs.full:.0f} %"
        trials = f"{counts.pruned:,} of {wording.count(counts.finished, 'trial')}"
        return f"{trials} stopped early; {share} of the epochs were trained"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``sweep status``."""
        counts = self.counts
        return {
            "name": self.name,
            "state": self.state,
            "trials": {
                "budget": self.budget,
                "complete": counts.complete,
                "pruned": counts.pruned,
                "failed": counts.failed,
                "running": counts.running,
            },
            "epochs": {"trained": self.epochs.trained, "full": self.epochs.full},
            "metric": self.metric,
            "source": self.source,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "holder": self.holder,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One finished trial.

    Attributes:
        number: Trial number, from 0.
        hyperparameters: Its configuration; names the placement.
        score: Raw: the metric on validation rows, mean over folds; of a pruned trial at an epoch before its end, so
            that it cannot be compared with that of a complete one.
        folds: The metric of each of the S splits at the chosen epoch, NaN where it is undefined; empty where they were
            not read.
        epoch: Chosen epoch.
        seconds: Its share of its block's wall time.
        trained: Epochs it was trained for.
        diverged: Epoch at which some split was first seen non-finite, or ``None``.
        pruned: Whether it was stopped early.
        training: The metric on training rows at the chosen epoch, mean over folds; ``None`` where it is not known.
    """

    number: int
    hyperparameters: Hyperparameters
    score: float
    folds: tuple[float, ...]
    epoch: int
    seconds: float
    trained: int
    diverged: int | None = None
    pruned: bool = False
    training: float | None = None

    @property
    def placement(self) -> str:
        """Name of the arm."""
        return self.hyperparameters.placement

    @property
    def spread(self) -> float | None:
        """Standard deviation of the fold scores; ``None`` with fewer than two."""
        defined = [score for score in self.folds if np.isfinite(score)]
        return float(np.std(defined, ddof=1)) if len(defined) > 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The metric of one trial over the epochs, split by split.

    Attributes:
        epochs: C checkpoints, of a pruned trial those it reached.
        training: ``[S, C]`` on each split's training rows; NaN where undefined.
        validation: ``[S, C]`` on its validation rows.
    """

    epochs: tuple[int, ...]
    training: NDArray[np.float64]
    validation: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One placement of dropout.

    Attributes:
        placement: Its name.
        trials: How many finished.
        best: The best of them, see :func:`best_trial`.
        importance: Optuna parameter name and share of the importance (together 1), most important first; empty when
            there are too few trials to tell, or nothing is searched.
    """

    placement: str
    trials: int
    best: TrialRow
    importance: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class StableRate:
    """Rates on one layer of the winners of many draws: the 5 %, 50 % and 95 % quantiles; 0 where a winner has none."""

    layer: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Stability:
    """What bootstrap draws of the rows choose from the trials of a sweep.

    Attributes:
        draws: How many.
        shares: Placement and the share of draws that one of its trials wins, for every placement of the definition.
        rates: Of the winners, layer by layer, the input first.
        chosen: Placement of what the sweep itself chose.
        same: Share of draws that this very trial wins.
        winners: How many trials win at least one draw.
    """

    draws: int
    shares: tuple[tuple[str, float], ...]
    rates: tuple[StableRate, ...]
    chosen: str
    same: float
    winners: int

    @property
    def share(self) -> float:
        """Share of draws that choose the same placement."""
        return dict(self.shares).get(self.chosen, 0.0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SweepSummary:
    """All there is to show of a sweep.

    Attributes:
        status: Name, state, counts.
        spec: The definition.
        fingerprint: Of the definition, as stored when the sweep began.
        info: The table.
        checkpoints: C epochs.
        note: What the budget's rounding did, or ``None``.
        trials: Finished trials in number order.
        arms: Placements with at least one finished trial, in the definition's order.
        best: The best trial, see :func:`best_trial`. ``None`` before the first has finished.
        honest: The score that goes with it; ``None`` without a best trial, or where it is undefined.
        baseline: The metric of always answering the same (class shares, or the mean), on all rows; ``None`` where it is
            undefined.
        curves: Trial number to curves; holds at least the best trial of every arm.
        chosen: How the only configuration was chosen, in another sweep on these rows: ``honest`` is the score of that
            choice. ``None`` where the sweep chose for itself.
        stability: What bootstrap draws of the rows choose; ``None`` with fewer than two trials, or where there is no
            honest score of this sweep.
    """

    status: SweepStatus
    spec: SweepSpec
    fingerprint: str
    info: TableInfo
    checkpoints: tuple[int, ...]
    note: str | None
    trials: tuple[TrialRow, ...]
    arms: tuple[ArmResult, ...]
    best: TrialRow | None
    honest: HonestScore | None
    baseline: float | None
    curves: Mapping[int, Curves]
    chosen: Chosen | None = None
    stability: Stability | None = None

    @property
    def name(self) -> str:
        """Of the sweep."""
        return self.status.name

    @property
    def metric(self) -> Metric:
        """The metric that chooses."""
        return METRICS[self.status.metric]

    @property
    def best_with(self) -> TrialRow | None:
        """The best trial that uses dropout, if any arm does."""
        return best_trial((arm.best for arm in self.arms if arm.placement != NO_DROPOUT), self.metric)

    @property
    def best_without(self) -> TrialRow | None:
        """The best trial without dropout, if there is such an arm."""
        return best_trial((arm.best for arm in self.arms if arm.placement == NO_DROPOUT), self.metric)

    def best_to_dict(self) -> dict[str, Any]:
        """The JSON document of ``sweep best``: all ``None`` but name and metric before the first trial finished."""
        best, honest, chosen = self.best, self.honest, self.chosen
        return {
            "name": self.name,
            "metric": self.metric.name,
            "trial": None if best is None else best.number,
            "score": None if best is None else best.score,
            "honest_score": None if honest is None else {"value": honest.value, "low": honest.low, "high": honest.high},
            "chosen_in": None if chosen is None else {"sweep": chosen.sweep, "trials": chosen.trials},
            "placement": None if best is None else best.placement,
            "params": None if best is None else best.hyperparameters.to_dict(),
            "epoch": None if best is None else best.epoch,
        }


def best_trial(trials: Iterable[TrialRow], metric: Metric) -> TrialRow | None:
    """The best by raw score in the metric's direction, the earliest of equals; ``None`` of none.

    A pruned trial is the best only as long as none is complete: it was stopped for being worse than others.
    """
    return next(iter(ranked(trials, metric)), None)


def ranked(trials: Iterable[TrialRow], metric: Metric) -> list[TrialRow]:
    """From the best to the worst, as :func:`best_trial` has it."""
    sign = -1.0 if metric.maximize else 1.0
    return sorted(trials, key=lambda trial: (trial.pruned, sign * trial.score, trial.number))


def arms_of(
    trials: Iterable[TrialRow],
    placements: Iterable[str],
    metric: Metric,
    importance: Mapping[str, tuple[tuple[str, float], ...]] | None = None,
) -> tuple[ArmResult, ...]:
    """Trials by placement.

    Args:
        trials: Finished ones.
        placements: Names in the order wanted.
        metric: That chooses.
        importance: Placement to its parameters' importance.

    Returns:
        One arm for each placement that has a trial.
    """
    by_placement: dict[str, list[TrialRow]] = {name: [] for name in placements}
    for trial in trials:
        by_placement.setdefault(trial.placement, []).append(trial)
    arms = []
    for placement, own in by_placement.items():
        best = best_trial(own, metric)
        if best is not None:
            arms.append(ArmResult(placement, len(own), best, (importance or {}).get(placement, ())))
    return tuple(arms)
