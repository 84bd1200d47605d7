"""What a sweep shows while it runs: the best score so far of each placement, learning curves, scores against rates.

Every score is raw, and said to be so: the honest one takes all trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow, ranked
from sweep.figures.info import CurveInfo, Points, RateInfo, Scale, curves_of, describe, rate_infos, trials_scale
from sweep.figures.palette import marks_of

MOST_CURVES = 8
"""Placements whose learning curves are shown: those that are ahead."""

RAW = "Scores are raw: the best of many is too good by its luck."


@dataclass(frozen=True, slots=True)
class Climb:
    """One placement: its trials, and the best complete one up to each of them.

    Attributes:
        points: Its trials, by number.
        at: Numbers of the trials at which the best score changed.
        best: The best score from there on.
    """

    points: Points
    at: tuple[int, ...]
    best: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProgressInfo:
    """The best score so far of each placement, over the numbers of the trials.

    Attributes:
        scale: Of the scores.
        climbs: Placements with at least one finished trial, in the definition's order.
        last: Number of the last finished trial: the lines go as far.
        budget: Trials wanted: as far goes the axis.
    """

    scale: Scale
    climbs: tuple[Climb, ...]
    last: int
    budget: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure with what stands around it, plain text.

    Attributes:
        key: Stays the same from one version to the next.
        title: Above it.
        caption: Below it.
        info: What it shows.
    """

    key: str
    title: str
    caption: str
    info: Any


def progress_info(summary: SweepSummary) -> ProgressInfo | None:
    """The best so far of each placement; ``None`` before the first trial."""
    if not summary.trials:
        return None
    last = max(trial.number for trial in summary.trials)
    climbs = tuple(_climb(summary, arm.placement) for arm in summary.arms)
    return ProgressInfo(trials_scale(summary), climbs, last, max(summary.status.budget, last + 1))


def live_figures(summary: SweepSummary) -> tuple[Shown, ...]:
    """All figures of a sweep that may still be running; none before its first trial."""
    progress = progress_info(summary)
    if progress is None:
        return ()
    metric = summary.metric.title
    shown = [Shown("progress", f"{metric}: best so far", _progress_caption(progress), progress)]
    shown += [_curve(info) for info in _curves(summary)]
    shown += [_rates(info) for info in rate_infos(summary)]
    return tuple(shown)


def _climb(summary: SweepSummary, placement: str) -> Climb:
    own = [trial for trial in summary.trials if trial.placement == placement]
    sign = 1.0 if summary.metric.maximize else -1.0
    at: list[int] = []
    best: list[float] = []
    for trial in own:
        if not trial.pruned and (not best or sign * trial.score > sign * best[-1]):
            at.append(trial.number)
            best.append(trial.score)
    points = Points(
        placement,
        marks_of(summary.spec.space.placements)[placement],
        tuple(trial.number for trial in own),
        tuple(float(trial.number) for trial in own),
        tuple(trial.score for trial in own),
        tuple(trial.trained if trial.pruned else None for trial in own),
    )
    return Climb(points, tuple(at), tuple(best))


def _curves(summary: SweepSummary) -> tuple[CurveInfo, ...]:
    """Of the best trial of each placement, in the definition's order; of many placements those that are ahead."""
    ahead: list[TrialRow] = ranked((arm.best for arm in summary.arms), summary.metric)[:MOST_CURVES]
    return curves_of(summary, [arm.best for arm in summary.arms if arm.best in ahead])


def _curve(info: CurveInfo) -> Shown:
    placement = info.trial.placement
    caption = (
        f"Trial {info.trial.number}, the best so far with placement {placement}: {info.scale.metric.title} on training "
        "rows (dotted) and on validation rows (solid), mean over the folds, with bands of one standard deviation. The "
        f"vertical line is its epoch. {RAW}"
    )
    return Shown(f"curves:{placement}", f"Learning curves: {placement}", caption, info)


def _rates(info: RateInfo) -> Shown:
    where = "all layers" if info.layer is None else wording.layer(info.layer).lower()
    line = "" if info.without is None else " The dotted line is the best score without dropout."
    caption = f"Each mark is a trial; hollow at an edge: beyond it.{line} {RAW}"
    return Shown(
        f"rates:{info.layer or 'all'}", f"{info.scale.metric.title} against dropout rate: {where}", caption, info
    )


def _progress_caption(info: ProgressInfo) -> str:
    early = " Faint: trials that were stopped early." if any(climb.points.pruned for climb in info.climbs) else ""
    return f"Each mark is a trial, each line the best of a placement so far.{early} {RAW}"


@describe.register
def _(info: ProgressInfo) -> str:
    metric = info.scale.metric
    bests = "; ".join(
        f"{climb.points.placement}: {wording.score(metric, climb.best[-1])} (trial {climb.at[-1]})"
        for climb in info.climbs
        if climb.best
    )
    trials = sum(len(climb.points.numbers) for climb in info.climbs)
    said = f"Best of each so far, raw: {bests}." if bests else "None of them was trained to its end."
    return f"{metric.title} of {wording.count(trials, 'finished trial')}, of {info.budget:,} wanted. {said}"
