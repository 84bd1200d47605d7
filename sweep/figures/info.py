"""What the figures of a sweep say, in numbers and text: from result records to *info* records.

Tests assert on them, :func:`describe` reads them to those who cannot see the figures, and ``draw.py`` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from sweep import wording
from sweep.analysis.results import ArmResult, Curves, SweepSummary, TrialRow
from sweep.figures.palette import slots_of
from sweep.metrics import Metric
from sweep.spec.layers import layer_names

# Scores much worse than most are drawn at the edge, so that they do not squeeze the rest: an axis reaches from the best
# score to this many times the distance between it and the median.
REACH = 4.0
CURVE_REACH = 12.0  # early epochs belong to the picture


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis of scores. Scores beyond ``low`` … ``high`` are drawn at the edge."""

    metric: Metric
    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a score is drawn."""
        return min(max(value, self.low), self.high)

    def holds(self, value: float) -> bool:
        """Whether a score is drawn where it is."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Points:
    """Trials of one placement.

    Attributes:
        placement: Its name.
        slot: Its colour and shape.
        numbers: Trial numbers.
        at: Position of each on the horizontal axis.
        scores: Raw scores.
    """

    placement: str
    slot: int
    numbers: tuple[int, ...]
    at: tuple[float, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PlacementInfo:
    """Scores by placement: column ``i`` holds arm ``i``, its trials from the first to the last, and its best."""

    scale: Scale
    columns: tuple[Points, ...]
    best: tuple[TrialRow, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RateInfo:
    """Scores against the dropout rate of one layer (``None``: the rate that all layers share).

    Attributes:
        layer: Its name.
        scale: Of the scores.
        arms: Placements with dropout on that layer.
        without: The best score without dropout, for comparison.
        highest: The highest rate of any layer: the figures of all layers share their axes.
    """

    layer: str | None
    scale: Scale
    arms: tuple[Points, ...]
    without: float | None
    highest: float


@dataclass(frozen=True, slots=True)
class CurveInfo:
    """Learning curves of one trial: mean and standard deviation over the splits at each checkpoint.

    Each of ``training`` and ``validation`` is ``(mean, deviation)`` for the epochs, NaN-free.
    """

    trial: TrialRow
    slot: int
    scale: Scale
    epochs: tuple[int, ...]
    training: tuple[tuple[float, float], ...]
    validation: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ImportanceInfo:
    """Parameters of one arm and their shares of the importance, largest first; ``longest`` is that of any arm."""

    placement: str
    slot: int
    trials: int
    names: tuple[str, ...]
    shares: tuple[float, ...]
    longest: float


def score_scale(scores: Sequence[float], metric: Metric, reach_by: float = REACH) -> Scale:
    """An axis for scores, from the best to the worst that is not far off the rest, with a little air."""
    values = np.asarray(scores, dtype=np.float64)
    best = values.max() if metric.maximize else values.min()
    worst = values.min() if metric.maximize else values.max()
    reach = reach_by * (np.median(values) - best)
    if reach and abs(reach) < abs(worst - best):
        worst = best + reach
    air = 0.06 * abs(best - worst) or 0.05 * abs(best) or 0.05
    return Scale(metric, float(min(best, worst) - air), float(max(best, worst) + air))


def placement_info(summary: SweepSummary) -> PlacementInfo | None:
    """Scores by placement; ``None`` before the first trial."""
    if not summary.trials:
        return None
    slots = slots_of(summary.spec.space.placements)
    columns = []
    for column, arm in enumerate(summary.arms):
        own = [trial for trial in summary.trials if trial.placement == arm.placement]
        # From left to right within the column: from the first to the last.
        across = np.linspace(-0.36, 0.36, len(own)) if len(own) > 1 else np.zeros(1)
        columns.append(_points(arm.placement, slots, own, (column + across).tolist()))
    return PlacementInfo(
        scale=score_scale([trial.score for trial in summary.trials], summary.metric),
        columns=tuple(columns),
        best=tuple(arm.best for arm in summary.arms),
        labels=tuple(arm.placement for arm in summary.arms),
    )


def rate_infos(summary: SweepSummary) -> tuple[RateInfo, ...]:
    """One for each layer whose rate differs between trials; a single one where all layers share their rate."""
    dropped = [trial for trial in summary.trials if any(trial.hyperparameters.dropout)]
    if not dropped:
        return ()
    depth = max(len(trial.hyperparameters.hidden) for trial in dropped)
    scale = score_scale([trial.score for trial in summary.trials], summary.metric)
    without = summary.best_without
    highest = max(rate for trial in dropped for rate in trial.hyperparameters.dropout)
    infos = []
    for place, layer in enumerate((None,) if summary.spec.space.shared else layer_names(depth)):
        rates = {trial.number: _rate(trial, None if layer is None else place) for trial in dropped}
        if len({rate for rate in rates.values() if rate}) < 2:
            continue
        arms = _points_by_arm(summary, [trial for trial in dropped if rates[trial.number]], rates)
        infos.append(RateInfo(layer, scale, arms, None if without is None else without.score, highest))
    return tuple(infos)


def curve_infos(summary: SweepSummary) -> tuple[CurveInfo, ...]:
    """Curves of the best trial with dropout, then of the best without, on one scale; those that exist."""
    chosen = [trial for trial in (summary.best_with, summary.best_without) if trial is not None]
    chosen = [trial for trial in chosen if trial.number in summary.curves]
    if not chosen:
        return ()
    slots = slots_of(summary.spec.space.placements)
    bands = [_bands(summary.curves[trial.number]) for trial in chosen]
    edges = [mean + side * deviation for pair in bands for band in pair for mean, deviation in band for side in (-1, 1)]
    # No mean is better than perfect, though a band may reach beyond.
    perfect = summary.metric.best
    possible = [min(edge, perfect) if summary.metric.maximize else max(edge, perfect) for edge in edges]
    scale = score_scale(possible, summary.metric, CURVE_REACH)
    return tuple(
        CurveInfo(trial, slots[trial.placement], scale, summary.curves[trial.number].epochs, training, validation)
        for trial, (training, validation) in zip(chosen, bands, strict=True)
    )


def importance_infos(summary: SweepSummary) -> tuple[ImportanceInfo, ...]:
    """One for each arm whose importance is known."""
    slots = slots_of(summary.spec.space.placements)
    known = [arm for arm in summary.arms if arm.importance]
    longest = max((share for arm in known for _, share in arm.importance), default=0.0)
    return tuple(_importance(arm, slots, longest) for arm in known)


def _points(placement: str, slots: dict[str, int], trials: Sequence[TrialRow], at: Sequence[float]) -> Points:
    return Points(
        placement,
        slots[placement],
        tuple(trial.number for trial in trials),
        tuple(at),
        tuple(trial.score for trial in trials),
    )


def _points_by_arm(summary: SweepSummary, trials: Sequence[TrialRow], at: dict[int, float]) -> tuple[Points, ...]:
    slots = slots_of(summary.spec.space.placements)
    arms = []
    for arm in summary.arms:
        own = [trial for trial in trials if trial.placement == arm.placement]
        if own:
            arms.append(_points(arm.placement, slots, own, [at[trial.number] for trial in own]))
    return tuple(arms)


def _rate(trial: TrialRow, place: int | None) -> float:
    """The rate of a layer by its place, 0 beyond the last; of ``None`` the one all layers share."""
    rates = trial.hyperparameters.dropout
    if place is None:
        return max(rates)
    return rates[place] if place < len(rates) else 0.0


def _bands(curves: Curves) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
    """Mean and deviation over splits of training and validation; epochs without any value repeat their neighbour."""
    both = []
    for values in (curves.training, curves.validation):
        band: list[tuple[float, float]] = []
        for at_epoch in values.T:
            defined = at_epoch[np.isfinite(at_epoch)]
            if len(defined):
                band.append((float(defined.mean()), float(defined.std(ddof=1)) if len(defined) > 1 else 0.0))
            else:
                band.append(band[-1] if band else (0.0, 0.0))
        both.append(tuple(band))
    return both[0], both[1]


def _importance(arm: ArmResult, slots: dict[str, int], longest: float) -> ImportanceInfo:
    names, shares = zip(*arm.importance, strict=True)
    return ImportanceInfo(arm.placement, slots[arm.placement], arm.trials, tuple(names), tuple(shares), longest)


# --- in words ---------------------------------------------------------------------------------------------------------


@singledispatch
def describe(info: Any) -> str:
    """What a figure shows, in words: its text alternative. Plain text, not yet escaped."""
    raise TypeError(f"no figure of {type(info).__name__}")


@describe.register
def _(info: PlacementInfo) -> str:
    bests = "; ".join(
        f"{label}: {wording.score(info.scale.metric, best.score)}"
        for label, best in zip(info.labels, info.best, strict=True)
    )
    trials = sum(len(column.numbers) for column in info.columns)
    return (
        f"{info.scale.metric.title} of {wording.count(trials, 'trial')} by placement of dropout. Best of each: {bests}."
    )


@describe.register
def _(info: RateInfo) -> str:
    where = "all layers" if info.layer is None else wording.layer(info.layer).lower()
    trials = sum(len(arm.numbers) for arm in info.arms)
    placements = ", ".join(arm.placement for arm in info.arms)
    return (
        f"{info.scale.metric.title} against the dropout rate of {where}: {trials} trials with placement {placements}."
    )


@describe.register
def _(info: CurveInfo) -> str:
    metric, last = info.scale.metric, -1
    at = info.epochs.index(info.trial.epoch) if info.trial.epoch in info.epochs else last
    return (
        f"{metric.title} over {info.epochs[-1]} epochs of trial {info.trial.number} ({info.trial.placement}). "
        f"At its epoch {info.epochs[at]}: training {wording.score(metric, info.training[at][0])}, "
        f"validation {wording.score(metric, info.validation[at][0])}."
    )


@describe.register
def _(info: ImportanceInfo) -> str:
    shares = ", ".join(
        f"{wording.parameter(name)} {100 * share:.0f} %" for name, share in zip(info.names, info.shares, strict=True)
    )
    return f"Importance of the hyperparameters of placement {info.placement}: {shares}."
