"""What dropout does to training, and how firm the choice is: the gap, the epochs, and what other rows would choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep import wording
from sweep.analysis.results import Stability, SweepSummary, TrialRow
from sweep.figures.info import describe
from sweep.figures.palette import Mark, marks_of
from sweep.metrics import Metric

LEVEL = 0.05  # of the tests that decide what captions say

MIN_TRIALS = 9  # for thirds of them
FAR = (0.02, 0.98)  # quantiles that an axis of gaps holds; the rest is drawn at its edge


@dataclass(frozen=True, slots=True)
class Gaps:
    """Trials of one placement: mean rate over all layers, and the gap."""

    placement: str
    mark: Mark
    numbers: tuple[int, ...]
    rates: tuple[float, ...]
    gaps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GapInfo:
    """By how much the score on training rows is better than on validation rows, against the mean dropout rate.

    Attributes:
        metric: Of the scores; gaps are improvements in its units.
        arms: Complete trials by placement.
        low: Lower end of the axis of gaps.
        high: Its upper end.
        few: Median mean rate and median gap of the third of the trials with the lowest mean rates.
        many: The same of the third with the highest.
        digits: Decimals of gaps in words, as :func:`sweep.wording.difference` has them.
        trend: -1 where the gap falls as the mean rate grows (Spearman's correlation, at 5 %), 1 where it grows, else 0.
    """

    metric: Metric
    arms: tuple[Gaps, ...]
    low: float
    high: float
    few: tuple[float, float]
    many: tuple[float, float]
    digits: int | None
    trend: int

    def at(self, gap: float) -> float:
        """Where a gap is drawn."""
        return min(max(gap, self.low), self.high)

    def text(self, gap: float) -> str:
        """``"12.1 points"`` for shares."""
        text = wording.difference(self.metric, gap, self.digits)
        return f"{text} points" if self.metric.percent else text


@dataclass(frozen=True, slots=True)
class EpochRow:
    """Chosen epochs of the complete trials of one placement, and their quartiles."""

    placement: str
    mark: Mark
    numbers: tuple[int, ...]
    epochs: tuple[int, ...]
    quartiles: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """Chosen epochs by placement.

    Attributes:
        rows: One a placement.
        checkpoints: The epochs they were chosen among.
        differ: Whether placements differ beyond chance (Kruskal & Wallis 1952, at 5 %).
        last: Share of trials that chose the last checkpoint.
    """

    rows: tuple[EpochRow, ...]
    checkpoints: tuple[int, ...]
    differ: bool
    last: float


@dataclass(frozen=True, slots=True)
class StabilityInfo:
    """What draws of the rows choose; ``marks`` are those of the placements of ``stability.shares``."""

    stability: Stability
    marks: tuple[Mark, ...]


def gap_info(summary: SweepSummary) -> GapInfo | None:
    """``None`` with fewer than :data:`MIN_TRIALS` trials whose training score is known, or all of one mean rate."""
    known = [trial for trial in summary.trials if trial.training is not None and not trial.pruned]
    rates = np.array([_mean_rate(trial) for trial in known])
    if len(known) < MIN_TRIALS or np.ptp(rates) == 0:
        return None
    sign = 1.0 if summary.metric.maximize else -1.0
    gaps = np.array([sign * ((trial.training or 0.0) - trial.score) for trial in known])
    low, high = np.quantile(gaps, FAR)
    air = 0.1 * float(high - low) or 0.01
    order, third = np.argsort(rates, kind="stable"), len(known) // 3
    few, many = order[:third], order[-third:]
    marks = marks_of(summary.spec.space.placements)
    arms = []
    for arm in summary.arms:
        own = [place for place, trial in enumerate(known) if trial.placement == arm.placement]
        if own:
            numbers = tuple(known[place].number for place in own)
            arms.append(
                Gaps(
                    arm.placement, marks[arm.placement], numbers, tuple(rates[own].tolist()), tuple(gaps[own].tolist())
                )
            )
    return GapInfo(
        summary.metric,
        tuple(arms),
        float(low) - air,
        float(high) + air,
        (float(np.median(rates[few])), float(np.median(gaps[few]))),
        (float(np.median(rates[many])), float(np.median(gaps[many]))),
        wording.difference_digits(summary.metric, float(low) - air, float(high) + air, known[0].score),
        _trend(rates, gaps),
    )


def epoch_info(summary: SweepSummary) -> EpochInfo | None:
    """``None`` where the epoch was not chosen, or only one placement was tried."""
    complete = [trial for trial in summary.trials if not trial.pruned]
    marks = marks_of(summary.spec.space.placements)
    rows = []
    for arm in summary.arms:
        own = [trial for trial in complete if trial.placement == arm.placement]
        if own:
            epochs = [trial.epoch for trial in own]
            first, middle, third = np.quantile(epochs, (0.25, 0.5, 0.75)).tolist()
            numbers = tuple(trial.number for trial in own)
            rows.append(EpochRow(arm.placement, marks[arm.placement], numbers, tuple(epochs), (first, middle, third)))
    if summary.spec.training.stop != "best" or len(summary.checkpoints) < 2 or len(rows) < 2:
        return None
    return EpochInfo(
        tuple(rows),
        summary.checkpoints,
        _differ([row.epochs for row in rows]),
        sum(trial.epoch == summary.checkpoints[-1] for trial in complete) / len(complete),
    )


def stability_info(summary: SweepSummary) -> StabilityInfo | None:
    """``None`` where nothing is known, or only one placement was tried."""
    if summary.stability is None or len(summary.arms) < 2:
        return None
    marks = marks_of(summary.spec.space.placements)
    return StabilityInfo(summary.stability, tuple(marks[name] for name, _ in summary.stability.shares))


def _mean_rate(trial: TrialRow) -> float:
    return float(np.mean(trial.hyperparameters.dropout))


def _trend(rates: NDArray[np.float64], gaps: NDArray[np.float64]) -> int:
    """Sign of Spearman's correlation where it is beyond chance."""
    from scipy.stats import spearmanr  # slow to import

    if np.ptp(gaps) == 0:
        return 0
    found = spearmanr(rates, gaps)
    return int(np.sign(found.statistic)) if found.pvalue < LEVEL else 0


def _differ(groups: Sequence[Sequence[int]]) -> bool:
    from scipy.stats import kruskal

    if len({epoch for group in groups for epoch in group}) < 2:
        return False
    return bool(kruskal(*groups).pvalue < LEVEL)


@describe.register
def _(info: GapInfo) -> str:
    trials = sum(len(arm.numbers) for arm in info.arms)
    return (
        f"Gap between {wording.in_sentence(info.metric.title)} on training and on validation rows against the mean "
        f"dropout rate of {trials} trials: median {info.text(info.few[1])} at rates near "
        f"{wording.number(info.few[0], 2)}, {info.text(info.many[1])} near {wording.number(info.many[0], 2)}."
    )


@describe.register
def _(info: EpochInfo) -> str:
    rows = "; ".join(f"{row.placement}: {row.quartiles[1]:.0f}" for row in info.rows)
    return f"Chosen epochs by placement, of {info.checkpoints[-1]}. Medians: {rows}."


@describe.register
def _(info: StabilityInfo) -> str:
    shares = ", ".join(f"{name} {wording.probability(share)}" for name, share in info.stability.shares)
    return f"Placements that {info.stability.draws:,} bootstrap samples of the rows choose: {shares}."
