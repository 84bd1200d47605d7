"""From chosen networks on fresh folds to a verdict for each placement of dropout.

Every placement's winner is compared with the best configuration without dropout (the *tuned* control), with itself with
its rates set to 0 (the *matched* one), and with the next best configurations without dropout (*rivals*). A verdict
needs all of them, an intersection-union test (Berger 1982) that needs no correction: the tuned control alone would
blame dropout for luck in tuning, and so would the two where removing dropout alone leaves a poor network.

Placements are tested in a fixed sequence, by the sweep's raw scores (Wiens 2003): for *helps* the best first, for
*hurts* the worst, each at 2.5 % one-sided, up to the first that fails. Where no network beats a constant prediction
there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.weighted import Truth
from sweep.answer.advice import advise
from sweep.answer.compare import beats_constant, compare, corrected, equivalence, heavy_tail, scaled
from sweep.answer.goodness import Goodness, constant_score, fold_scores, goodness, rope_of, unit_factor
from sweep.answer.records import Answer, ArmAnswer, Beside, Comparison, Control, Reason, Verdict
from sweep.answer.reference import reference
from sweep.metrics import METRICS, bounds, mean_over_splits
from sweep.records import Hyperparameters

LEVEL = 0.025
"""One-sided level of a verdict."""

EQUIVALENT = 0.95
"""Probability of lying inside the region of practical equivalence from which there is no practical difference."""

GUARD = 0.05
"""One-sided level at which a network must beat a constant prediction."""

UNSTABLE = 0.1
"""Share of a configuration's runs that may diverge; with more of them it cannot help."""


@dataclass(frozen=True, slots=True, eq=False)
class Confirmed:
    """One configuration on fresh folds.

    Attributes:
        trial: Number of the trial it comes from.
        params: Its hyperparameters.
        epoch: Its epoch.
        raw_score: Of that trial in the sweep.
        predictions: ``[R, n, O]`` float32, out of fold, on the link scale; NaN where a row is untested (time series).
        scores: ``[R, k, Q]`` float64: every metric on the validation rows of every fold; NaN where undefined.
        diverged: ``[R, k]`` bool: whether the network diverged and was scored as the constant prediction.
    """

    trial: int
    params: Hyperparameters
    epoch: int
    raw_score: float
    predictions: NDArray[np.float32]
    scores: NDArray[np.float64]
    diverged: NDArray[np.bool_]

    @property
    def lost(self) -> float:
        """Share of its runs that diverged."""
        return float(self.diverged.mean())


Judged = tuple[NDArray[np.float64], Goodness]
"""What is compared: scores of folds, as ``Confirmed.scores`` has them, and row scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A placement's winner, and itself with its rates set to 0."""

    winner: Confirmed
    matched: Confirmed


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Setting:
    """What all configurations have in common.

    Attributes:
        name: Of the sweep.
        metric: That chose, and decides.
        metrics: Q names, the order of ``Confirmed.scores``.
        truth: Of the n rows.
        folds: k.
        fold_of: ``[R, n]`` int64: the fold in which a row was tested, -1 where in none.
        groups: ``[n]`` int64 codes of rows that belong together; ``None`` where rows are independent. For a time series
            its test folds.
        one_history: Whether the rows are a time series.
        looks: How many different numbers of repeats were looked at, this one included.
    """

    name: str
    metric: str
    metrics: tuple[str, ...]
    truth: Truth
    folds: int
    fold_of: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    one_history: bool = False
    looks: int = 1

    @property
    def tested(self) -> int:
        """Rows that were tested in any repeat."""
        return int((self.fold_of >= 0).any(axis=0).sum())

    @property
    def independent(self) -> int | None:
        """Groups of such rows; ``None`` where rows are independent."""
        if self.groups is None:
            return None
        return len(np.unique(self.groups[(self.fold_of >= 0).any(axis=0)]))


def decide(
    setting: Setting, control: Confirmed, contenders: Sequence[Contender], rivals: Sequence[Confirmed] = ()
) -> Answer:
    """The answer of a sweep.

    Args:
        setting: Rows, folds, metric.
        control: The best configuration without dropout.
        contenders: One for each placement with dropout, in the definition's order, which settles ties.
        rivals: The next best configurations without dropout.
    """
    constant = constant_score(setting.metric, setting.truth)
    rope = rope_of(setting.metric, constant)
    sign = -1.0 if METRICS[setting.metric].maximize else 1.0
    ordered = sorted(contenders, key=lambda one: sign * one.winner.raw_score)
    without = _good(setting, setting.metric, control)
    others: list[Judged] = [(one.scores, _good(setting, setting.metric, one)) for one in rivals]
    arms = [_arm(setting, control, without, one, others, rope) for one in ordered]
    arms = [replace(arm, beside=_beside(setting, control, one)) for arm, one in zip(arms, ordered, strict=True)]
    return Answer(
        name=setting.name,
        metric=setting.metric,
        repeats=len(setting.fold_of),
        folds=setting.folds,
        rows=setting.tested,
        groups=setting.independent,
        one_history=setting.one_history,
        looks=setting.looks,
        constant=constant,
        rope=rope,
        control=_control(setting, control),
        arms=tuple(_in_sequence(arms)),
        rivals=tuple(_control(setting, one) for one in rivals),
    )


def _control(setting: Setting, confirmed: Confirmed) -> Control:
    return Control(
        trial=confirmed.trial,
        params=confirmed.params,
        epoch=confirmed.epoch,
        raw_score=confirmed.raw_score,
        score=fold_scores(setting.metric, confirmed.scores, setting.metrics),
        spread=_spread(setting, confirmed),
        diverged=confirmed.lost,
    )


# --- one placement ----------------------------------------------------------------------------------------------------


def _arm(
    setting: Setting,
    control: Confirmed,
    without: Goodness,
    contender: Contender,
    others: Sequence[Judged],
    rope: float,
) -> ArmAnswer:
    """A placement by itself: its verdict is still to be found in the sequence, but for what stands outside of it."""
    winner = contender.winner
    own = _good(setting, setting.metric, winner)
    pair = (winner.scores, own), (control.scores, without)
    tuned = compared(setting, setting.metric, *pair)
    removed = contender.matched.scores, _good(setting, setting.metric, contender.matched)
    matched = compared(setting, setting.metric, pair[0], removed)
    rivals = tuple(compared(setting, setting.metric, pair[0], one) for one in others)
    _, equivalent, helps = equivalence(tuned, rope)
    column = setting.metrics.index(setting.metric)
    return ArmAnswer(
        placement=winner.params.placement,
        trial=winner.trial,
        params=winner.params,
        epoch=winner.epoch,
        raw_score=winner.raw_score,
        score=fold_scores(setting.metric, winner.scores, setting.metrics),
        tuned=tuned,
        matched=matched,
        rivals=rivals,
        p_value=1.0,
        p_helps=helps,
        p_equivalent=equivalent,
        verdict=_alone(setting, tuned, equivalent, rope, learned=learned(setting, *pair)),
        reason=_reason(setting, winner, (tuned, matched, *rivals), (own, without, removed[1])),
        spread=_spread(setting, winner),
        diverged=winner.lost,
        matched_diverged=contender.matched.lost,
        reference=reference(
            _improvement(setting.metric, winner.scores[..., column], control.scores[..., column]).ravel(),
            folds=setting.folds,
            repeats=len(setting.fold_of),
            rope=rope,
        ),
    )


def _good(setting: Setting, metric: str, confirmed: Confirmed) -> Goodness:
    return goodness(metric, confirmed.predictions[None], setting.truth, setting.fold_of)


def compared(setting: Setting, metric: str, x: Judged, y: Judged) -> Comparison:
    """One against another, in the metric's units."""
    (one, good), (other, against) = x, y
    if not (good.exact and against.exact):
        column = setting.metrics.index(metric)
        by_fold = by_folds(setting, _improvement(metric, one[..., column], other[..., column]), good.unit)
        return _possible(by_fold, setting, metric)
    factor = unit_factor(metric, float(np.nanmean(good.values)), float(np.nanmean(against.values)))
    difference = good.values[0] - against.values[0]
    unit = good.unit / factor  # of goodness, as the difference is
    found = compare(difference, folds=setting.folds, groups=setting.groups, unit=unit)
    return _possible(scaled(found, factor), setting, metric)


def _possible(comparison: Comparison, setting: Setting, metric: str) -> Comparison:
    """The interval without what no difference of two scores can be: few repeats or rows make it very wide."""
    worst, best = bounds(metric, setting.truth.task)
    return replace(comparison, low=max(comparison.low, worst - best), high=min(comparison.high, best - worst))


def by_folds(setting: Setting, differences: NDArray[np.float64], unit: float = 1.0) -> Comparison:
    """Of fold scores ``[R, k]``, where a metric has no row scores; ``unit`` as ``Goodness`` has it."""
    return corrected(
        differences.ravel(),
        folds=setting.folds,
        repeats=len(setting.fold_of),
        rows=setting.tested,
        groups=setting.independent,
        unit=unit,
    )


def _improvement(metric: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return x - y if METRICS[metric].maximize else y - x


def learned(setting: Setting, x: Judged, y: Judged) -> bool:
    """Whether the better of two beats a constant prediction."""
    exact = x[1].exact and y[1].exact
    if exact:
        better = max((good for _, good in (x, y)), key=lambda good: float(np.nanmean(good.values)))
        return beats_constant(better.values[0], better.constant, setting.groups)
    constant, column = constant_score(setting.metric, setting.truth), setting.metrics.index(setting.metric)
    above = [
        corrected(
            _improvement(setting.metric, scores[..., column], np.array(constant)).ravel(),
            folds=setting.folds,
            repeats=len(setting.fold_of),
        )
        for scores, _ in (x, y)
    ]
    found = max(above, key=lambda each: each.difference)
    return found.p_greater <= GUARD or (found.se == 0 and found.difference > 0)


def _alone(setting: Setting, tuned: Comparison, equivalent: float, rope: float, *, learned: bool) -> Verdict:
    """The verdict where the placement neither helps nor hurts."""
    if not learned:
        return "nothing learned"
    # Where few rows differ the standard error says little: the interval, by the rule of three, has to lie inside too.
    known = tuned.method != "too few" or (setting.groups is None and max(abs(tuned.low), abs(tuned.high)) <= rope)
    return "no practical difference" if equivalent >= EQUIVALENT and known else "cannot tell"


def _reason(
    setting: Setting, winner: Confirmed, comparisons: Sequence[Comparison], goods: tuple[Goodness, ...]
) -> Reason | None:
    """``comparisons`` as :attr:`ArmAnswer.comparisons`; ``goods`` of the winner, then of the first two controls."""
    tuned, matched, *rivals = comparisons
    if winner.lost > UNSTABLE:
        return "unstable"
    if "too few" in (tuned.method, matched.method):
        return "few rows" if setting.groups is None else "few groups"
    if (tuned.p_greater <= LEVEL) != (matched.p_greater <= LEVEL):
        return "tuned control only" if tuned.p_greater <= LEVEL else "matched control only"
    if _beaten(tuned, matched) and not all(map(_beaten, rivals)):
        return "rival"
    own, *controls = goods
    if all(one.exact for one in goods) and any(
        heavy_tail(own.values[0] - one.values[0], setting.groups) for one in controls
    ):
        return "heavy tail"
    return None


def _beaten(*comparisons: Comparison) -> bool:
    """Whether all are clearly above 0."""
    return max(one.p_greater for one in comparisons) <= LEVEL


def _spread(setting: Setting, confirmed: Confirmed) -> float:
    """Standard deviation of the score over repeats: that of seeds and partitions."""
    column = setting.metrics.index(setting.metric)
    scores = [mean_over_splits(setting.metric, one) for one in confirmed.scores[..., column]]
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0


def _beside(setting: Setting, control: Confirmed, contender: Contender) -> tuple[Beside, ...]:
    """The other metrics, but for those that no fold has. No control was tuned for them, so they get no verdict."""
    found = []
    for column, metric in enumerate(setting.metrics):
        if metric == setting.metric or np.isnan(control.scores[..., column]).all():
            continue
        pair = [(one.scores, _good(setting, metric, one)) for one in (contender.winner, control)]
        comparison = compared(setting, metric, *pair)
        found.append(Beside(metric, comparison.difference, comparison.low, comparison.high))
    return tuple(found)


# --- all of them ------------------------------------------------------------------------------------------------------


def _in_sequence(arms: Sequence[ArmAnswer]) -> list[ArmAnswer]:
    """Adjusted p-values and verdicts, ``arms`` by raw score, best first.

    The adjusted p of an arm is the largest of its own and of those tested before it.
    """
    better = [_both(max(one.p_greater for one in arm.comparisons), arm) for arm in arms]
    worse = [max(one.p_less for one in arm.comparisons) for arm in arms]
    helps = list(accumulate(better, max))
    hurts = list(accumulate(reversed(worse), max))[::-1]
    return [_judged(arm, *pair) for arm, *pair in zip(arms, helps, hurts, strict=True)]


def _both(p: float, arm: ArmAnswer) -> float:
    """An unstable configuration cannot help."""
    return 1.0 if arm.reason == "unstable" else p


def _judged(arm: ArmAnswer, helps: float, hurts: float) -> ArmAnswer:
    verdict: Verdict = arm.verdict
    if verdict != "nothing learned":
        if helps <= LEVEL:
            verdict = "helps"
        elif hurts <= LEVEL:
            verdict = "hurts"
    settled = verdict in ("helps", "hurts")
    return replace(
        arm,
        p_value=min(1.0, 2.0 * min(helps, hurts)),
        verdict=verdict,
        reason=None if settled and arm.reason != "heavy tail" else arm.reason,
        advice=advise(arm.comparisons, arm.tuned.units) if verdict == "cannot tell" else None,
    )
