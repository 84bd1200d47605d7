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
from sweep.figures.palette import Mark, marks_of
from sweep.metrics import Metric, bounds
from sweep.spec.layers import layer_names

# Scores much worse than most are drawn at the edge, so that they do not squeeze the rest: an axis reaches from the best
# score to this many times the distance between it and the median.
REACH = 4.0
CURVE_REACH = 12.0  # early epochs belong to the picture
NOISE_REACH = 2.0  # lengths by which an axis of scores is at most made longer for the spread over folds


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
        mark: Its colour and shape.
        numbers: Trial numbers.
        at: Position of each on the axis that is not of scores.
        scores: Raw scores.
        stopped: Epoch at which each was stopped early; ``None`` for those trained to their end.
    """

    placement: str
    mark: Mark
    numbers: tuple[int, ...]
    at: tuple[float, ...]
    scores: tuple[float, ...]
    stopped: tuple[int | None, ...]

    @property
    def pruned(self) -> int:
        """How many were stopped early."""
        return sum(epoch is not None for epoch in self.stopped)


@dataclass(frozen=True, slots=True)
class PlacementInfo:
    """Scores by placement: row ``i`` holds arm ``i``, its trials from the first to the last.

    Attributes:
        scale: Of the scores.
        rows: Trials of each placement.
        best: The best of each.
        noise: One standard deviation over folds below and above each best; ``None`` with fewer than two folds.
    """

    scale: Scale
    rows: tuple[Points, ...]
    best: tuple[TrialRow, ...]
    noise: tuple[tuple[float, float] | None, ...]


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

    Each of ``training`` and ``validation`` is ``(mean, deviation)`` for the epochs, NaN-free. ``bounds`` are what the
    metric can be, which mean ± deviation may exceed. A trial that was stopped early has no epochs beyond; ``until`` is
    the last one of those that were not.
    """

    trial: TrialRow
    mark: Mark
    scale: Scale
    bounds: tuple[float, float]
    epochs: tuple[int, ...]
    until: int
    training: tuple[tuple[float, float], ...]
    validation: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ImportanceInfo:
    """Parameters of one arm and their shares of the importance, largest first; ``longest`` is that of any arm."""

    placement: str
    mark: Mark
    trials: int
    names: tuple[str, ...]
    shares: tuple[float, ...]
    longest: float


def score_scale(
    scores: Sequence[float], metric: Metric, reach_by: float = REACH, typical: Sequence[float] = ()
) -> Scale:
    """An axis for scores, from the best to the worst that is not far off the rest, with a little air.

    ``typical``: the scores that "the rest" are, by default all.
    """
    values = np.asarray(scores, dtype=np.float64)
    best = values.max() if metric.maximize else values.min()
    worst = values.min() if metric.maximize else values.max()
    reach = reach_by * (np.median(typical or scores) - best)
    if reach and abs(reach) < abs(worst - best):
        worst = best + reach
    air = 0.06 * abs(best - worst) or 0.05 * abs(best) or 0.05
    return Scale(metric, float(min(best, worst) - air), float(max(best, worst) + air))


def trials_scale(summary: SweepSummary) -> Scale:
    """For all trials, by the complete ones: most trials of a pruned sweep were stopped while they were poor."""
    complete = [trial.score for trial in summary.trials if not trial.pruned]
    return score_scale([trial.score for trial in summary.trials], summary.metric, typical=complete)


def placement_info(summary: SweepSummary) -> PlacementInfo | None:
    """Scores by placement; ``None`` before the first trial."""
    if not summary.trials:
        return None
    marks = marks_of(summary.spec.space.placements)
    rows, noise = [], []
    for row, arm in enumerate(summary.arms):
        own = [trial for trial in summary.trials if trial.placement == arm.placement]
        # From top to bottom within the row: from the first to the last.
        down = np.linspace(-0.3, 0.3, len(own)) if len(own) > 1 else np.zeros(1)
        rows.append(_points(arm.placement, marks, own, (row + down).tolist()))
        noise.append(_noise(summary, arm.best))
    scale = trials_scale(summary)
    return PlacementInfo(_held(scale, noise), tuple(rows), tuple(arm.best for arm in summary.arms), tuple(noise))


def _noise(summary: SweepSummary, best: TrialRow) -> tuple[float, float] | None:
    if best.spread is None:
        return None
    low, high = bounds(summary.metric.name, summary.info.task)
    return max(best.score - best.spread, low), min(best.score + best.spread, high)


def _held(scale: Scale, noise: Sequence[tuple[float, float] | None]) -> Scale:
    """The scale made long enough to hold these, within reason."""
    known = [pair for pair in noise if pair is not None]
    reach = NOISE_REACH * (scale.high - scale.low)
    low = min([scale.low, *(low for low, _ in known)])
    high = max([scale.high, *(high for _, high in known)])
    return Scale(scale.metric, max(low, scale.low - reach), min(high, scale.high + reach))


def rate_infos(summary: SweepSummary) -> tuple[RateInfo, ...]:
    """One for each layer whose rate differs between trials; a single one where all layers share their rate."""
    dropped = [trial for trial in summary.trials if any(trial.hyperparameters.dropout)]
    if not dropped:
        return ()
    depth = max(len(trial.hyperparameters.hidden) for trial in dropped)
    scale = trials_scale(summary)
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
    return curves_of(summary, [trial for trial in (summary.best_with, summary.best_without) if trial is not None])


def curves_of(summary: SweepSummary, trials: Sequence[TrialRow]) -> tuple[CurveInfo, ...]:
    """Curves of some trials on one scale, as far as the summary has them."""
    chosen = [trial for trial in trials if trial.number in summary.curves]
    if not chosen:
        return ()
    marks = marks_of(summary.spec.space.placements)
    bands = [_bands(summary.curves[trial.number]) for trial in chosen]
    edges = [mean + side * deviation for pair in bands for band in pair for mean, deviation in band for side in (-1, 1)]
    possible = bounds(summary.metric.name, summary.info.task)
    scale = score_scale(np.clip(edges, *possible).tolist(), summary.metric, CURVE_REACH)
    return tuple(
        CurveInfo(
            trial=trial,
            mark=marks[trial.placement],
            scale=scale,
            bounds=possible,
            epochs=summary.curves[trial.number].epochs,
            until=summary.checkpoints[-1],
            training=training,
            validation=validation,
        )
        for trial, (training, validation) in zip(chosen, bands, strict=True)
    )


def importance_infos(summary: SweepSummary) -> tuple[ImportanceInfo, ...]:
    """One for each arm whose importance is known."""
    marks = marks_of(summary.spec.space.placements)
    known = [arm for arm in summary.arms if arm.importance]
    longest = max((share for arm in known for _, share in arm.importance), default=0.0)
    return tuple(_importance(arm, marks, longest) for arm in known)


def _points(placement: str, marks: dict[str, Mark], trials: Sequence[TrialRow], at: Sequence[float]) -> Points:
    return Points(
        placement,
        marks[placement],
        tuple(trial.number for trial in trials),
        tuple(at),
        tuple(trial.score for trial in trials),
        tuple(trial.trained if trial.pruned else None for trial in trials),
    )


def _points_by_arm(summary: SweepSummary, trials: Sequence[TrialRow], at: dict[int, float]) -> tuple[Points, ...]:
    marks = marks_of(summary.spec.space.placements)
    arms = []
    for arm in summary.arms:
        own = [trial for trial in trials if trial.placement == arm.placement]
        if own:
            arms.append(_points(arm.placement, marks, own, [at[trial.number] for trial in own]))
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


def _importance(arm: ArmResult, marks: dict[str, Mark], longest: float) -> ImportanceInfo:
    names, shares = zip(*arm.importance, strict=True)
    return ImportanceInfo(arm.placement, marks[arm.placement], arm.trials, tuple(names), tuple(shares), longest)


# --- in words ---------------------------------------------------------------------------------------------------------


@singledispatch
def describe(info: Any) -> str:
    """What a figure shows, in words: its text alternative. Plain text, not yet escaped."""
    raise TypeError(f"no figure of {type(info).__name__}")


@describe.register
def _(info: PlacementInfo) -> str:
    bests = "; ".join(
        f"{row.placement}: {wording.score(info.scale.metric, best.score)}"
        for row, best in zip(info.rows, info.best, strict=True)
    )
    trials = sum(len(row.numbers) for row in info.rows)
    early = _stopped_in_words(info.rows)
    return (
        f"{info.scale.metric.title} of {wording.count(trials, 'trial')} by placement of dropout{early}. "
        f"Best of each: {bests}."
    )


@describe.register
def _(info: RateInfo) -> str:
    where = "all layers" if info.layer is None else wording.layer(info.layer).lower()
    trials = sum(len(arm.numbers) for arm in info.arms)
    placements = ", ".join(arm.placement for arm in info.arms)
    return (
        f"{info.scale.metric.title} against the dropout rate of {where}: {trials} trials with placement {placements}"
        f"{_stopped_in_words(info.arms)}."
    )


@describe.register
def _(info: CurveInfo) -> str:
    metric, last = info.scale.metric, -1
    at = info.epochs.index(info.trial.epoch) if info.trial.epoch in info.epochs else last
    early = f", stopped early after {info.epochs[-1]} of {info.until} epochs" if info.trial.pruned else ""
    return (
        f"{metric.title} over {info.epochs[-1]} epochs of trial {info.trial.number} ({info.trial.placement}){early}. "
        f"At its epoch {info.epochs[at]}: training {wording.score(metric, info.training[at][0])}, "
        f"validation {wording.score(metric, info.validation[at][0])}."
    )


@describe.register
def _(info: ImportanceInfo) -> str:
    shares = ", ".join(
        f"{wording.parameter(name)} {100 * share:.0f} %" for name, share in zip(info.names, info.shares, strict=True)
    )
    return f"Importance of the hyperparameters of placement {info.placement}: {shares}."


def _stopped_in_words(arms: Sequence[Points]) -> str:
    pruned = sum(points.pruned for points in arms)
    return f", {pruned} of them stopped early" if pruned else ""
