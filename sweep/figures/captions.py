"""What a figure shows for the data at hand, in a sentence or two, and how to read it: plain text, not yet escaped.

:func:`caption` is of one figure, :func:`reading` of all figures of its kind: where several stand beside each other it
is said once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from sweep import wording
from sweep.analysis.effects import MIN_TRIALS, Effects
from sweep.analysis.results import NO_DROPOUT, StableRate, SweepSummary
from sweep.figures.effects_info import LITTLE, InteractionInfo, ResponseInfo, where
from sweep.figures.trials_info import EpochInfo, EpochRow, GapInfo, StabilityInfo
from sweep.metrics import Metric

FIRM = 0.8  # share of draws from which a choice is called firm
LOOSE = 0.5  # below which others are chosen more often than not
LATE = 1 / 3  # share of trials at the last checkpoint from which it is remarked


@singledispatch
def caption(info: Any) -> str:
    """What a figure shows for this data."""
    raise TypeError(f"no caption of {type(info).__name__}")


@singledispatch
def reading(info: Any) -> str:
    """How to read a figure of this kind."""
    raise TypeError(f"no figure of {type(info).__name__}")


def effects_text(effects: Effects, summary: SweepSummary) -> str:
    """What responses and maps rest on; or why there are none."""
    metric = summary.metric
    if not effects.responses:
        few = f"fewer than {MIN_TRIALS} trials were trained to their end" if effects.trials < MIN_TRIALS else None
        return f"What the rate does by itself cannot be told: {few or 'too few trials differ in a rate'}."
    share = max(0.0, effects.explained)
    parts = [
        f"A smooth model of the {wording.in_sentence(metric.title)} over all searched parameters, fitted to "
        f"{effects.trials} trials, averages out everything but the rate. Tried on trials that it has not seen, it "
        f"explains {_percent(share)} of their differences" + (": read little into it." if share < LITTLE else ".")
    ]
    if effects.floor is not None:
        parts.append(
            f"{wording.count(effects.floored, 'score')} far {'below' if metric.maximize else 'above'} the rest "
            f"{'counts' if effects.floored == 1 else 'count'} as {wording.score(metric, effects.floor)}."
        )
    if effects.left_out:
        early = wording.count(effects.left_out, "trial")
        parts.append(
            f"Left out: {early} stopped early, whose scores cannot be compared. Poor settings look rarer than "
            f"they were."
        )
    parts.append("All of it is about these rows and the folds that the choice was made on.")
    return " ".join(parts)


# --- responses --------------------------------------------------------------------------------------------------------


@caption.register
def _(info: ResponseInfo) -> str:
    response, metric = info.response, info.scale.metric
    on, title = _on(response.layer), metric.title
    if not any(response.told):
        reach = max(high - low for low, high in zip(response.low, response.high, strict=True)) / 2
        tried = [rate for rate in response.rates if rate > 0]
        also = ", nor from none at all" if response.rates[0] == 0 else ""
        why = ", whose scores follow hardly any pattern," if info.explained < LITTLE else ""
        return (
            f"The trials{why} do not tell rates from {_rate(tried[0])} to {_rate(tried[-1])} {on} apart{also}: the "
            f"band is up to ±{_amount(metric, reach, response.mean[0])} wide."
        )
    best = "without dropout" if response.best == 0 else f"near {_rate(response.best)}"
    first = f"{title} is {'highest' if metric.maximize else 'lowest'} {best} {on}"
    worse = (
        wording.listed(_ranges(response.rates, response.told)) if any(response.told[_first(response.rates) :]) else ""
    )
    none = response.rates[0] == 0 and response.told[0]
    if worse:
        clause = f"Rates {worse} do worse" + (", and so does none at all there" if none else "")
    else:
        clause = "No dropout at all there does worse"
    low, high = info.alike
    if low == high:
        return f"{first}. {clause}."
    between = f"from {_rate(low)} to {_rate(high)}" if low > 0 else f"up to {_rate(high)}"
    return f"{first}. {clause}; {between} the band is too wide to tell."


@reading.register
def _(info: ResponseInfo) -> str:
    parts = [
        "Line: expected score at a rate, averaged over the trials that have dropout there. Band: 95 %, for level and "
        "shape of the curve; differences between its rates are surer than its level. Thick: cannot be told from "
        "the best "
        "rate."
    ]
    if info.response.rates[0] == 0:
        parts.append("Ring at 0: the same networks without dropout there.")
    parts.append("Faint marks: the trials, with raw scores; hollow at an edge: beyond it.")
    return " ".join(parts)


def _first(rates: Sequence[float]) -> int:
    return 1 if rates[0] == 0 else 0


def _ranges(rates: Sequence[float], told: Sequence[bool]) -> list[str]:
    """Rates above 0 that are told, as ``"from 0.4 to 0.7"``."""
    runs: list[list[float]] = []
    before = False
    for rate, on in list(zip(rates, told, strict=True))[_first(rates) :]:
        if on and before:
            runs[-1].append(rate)
        elif on:
            runs.append([rate])
        before = on
    return [f"of {_rate(run[0])}" if len(run) == 1 else f"from {_rate(run[0])} to {_rate(run[-1])}" for run in runs]


# --- maps -------------------------------------------------------------------------------------------------------------


@caption.register
def _(info: InteractionInfo) -> str:
    one, metric = info.map, info.metric
    on = _on(one.layer)
    (low, high), sign = one.changes, 1.0 if metric.maximize else -1.0
    digits = wording.difference_digits(metric, low.low, low.high, info.high)
    said = []
    for change, value in ((low, one.between[0]), (high, one.between[1])):
        number = wording.difference(metric, sign * change.value, digits, sign=True)
        least, most = sorted((sign * change.low, sign * change.high))
        unit = " points" if metric.percent else ""
        said.append(f"{number}{unit} ({wording.difference_interval(metric, least, most, digits)}) {_with(info, value)}")
    step = f"from {_rate(one.step[0])} to {_rate(one.step[1])}"
    if one.told:
        better = "better" if one.difference.value > 0 else "worse"
        last = f"the {_more(info)}, the {better} a high rate does"
    else:
        last = f"the trials do not tell whether the effect of the rate depends on the {info.partner}"
    return f"Going {step} {on} changes {wording.in_sentence(metric.title)} by {said[0]} and by {said[1]}: {last}."


@reading.register
def _(info: InteractionInfo) -> str:
    way = "higher" if info.metric.maximize else "lower"
    return (
        f"The stronger the colour, the {way} the expected {wording.in_sentence(info.metric.title)}, averaged over the "
        "other parameters. Dots: trials. Blank: no trial near. Shown is the layer whose rate moves the score most. In "
        "brackets: 95 % intervals."
    )


def _with(info: InteractionInfo, value: float | None) -> str:
    if value is None:
        return f"without {info.partner}"
    return f"at a {info.partner} of {wording.powers(wording.number(value, 2))}"


def _more(info: InteractionInfo) -> str:
    return "weaker the max-norm" if info.map.parameter == "max_norm" else f"higher the {info.partner}"


# --- training ---------------------------------------------------------------------------------------------------------


@caption.register
def _(info: GapInfo) -> str:
    few, many = info.text(info.few[1]), info.text(info.many[1])
    numbers = f"{few} at mean rates near {_rate(info.few[0])}, {many} near {_rate(info.many[0])}"
    if info.trend < 0:
        return f"The more dropout, the smaller the gap between training and validation rows: {numbers}."
    if info.trend > 0:
        return f"The gap between training and validation rows grows with the rate, which is unusual: {numbers}."
    return f"The gap between training and validation rows does not visibly follow the rate: {numbers}."


@reading.register
def _(info: GapInfo) -> str:
    return (
        f"Each mark is a trial: by how much its {wording.in_sentence(info.metric.title)} is better on the rows it was "
        "trained on than on those left out, at its chosen epoch. A large gap is overfitting, which dropout is made to "
        "curb; a small one alone is no merit, for a network that learns nothing has none. Numbers are medians of the "
        "thirds of the trials with the lowest and the highest rates."
    )


@caption.register
def _(info: EpochInfo) -> str:
    early = min(info.rows, key=lambda row: row.quartiles[1])
    late = max(info.rows, key=lambda row: row.quartiles[1])
    if info.differ and early.quartiles[1] < late.quartiles[1]:
        first = f"Networks {_placed(late)} need the most epochs (median {late.quartiles[1]:.0f}), those "
        first += f"{_placed(early)} the fewest ({early.quartiles[1]:.0f})."
    else:
        first = "The chosen epochs do not differ between placements beyond chance."
    if info.last >= LATE:
        first += f" {_percent(info.last)} of the trials chose the last epoch: longer training might do better."
    return first


@reading.register
def _(info: EpochInfo) -> str:
    return (
        f"Each mark is a trial at its chosen epoch, one of {len(info.checkpoints)} checkpoints; the line is the median "
        "of a placement, the band holds the middle half."
    )


def _placed(row: EpochRow) -> str:
    return "without dropout" if row.placement == NO_DROPOUT else f"with {wording.placement(row.placement)}"


# --- stability --------------------------------------------------------------------------------------------------------


@caption.register
def _(info: StabilityInfo) -> str:
    found = info.stability
    chosen = wording.placement(found.chosen)
    first = f"{wording.probability(found.share)} of {found.draws:,} bootstrap samples of the rows choose {chosen}, "
    first += "as the sweep did; " + f"this very trial wins {wording.probability(found.same)}."
    if found.share < LOOSE:
        first += " Other rows would more often than not have led to another placement."
    elif found.share >= FIRM:
        first += " That choice does not rest on a few rows."
    rates = [_spread(rate) for rate in found.rates if rate.high > 0]
    return first + (f" The winner's rate lies {wording.listed(rates)} in nine of ten samples." if rates else "")


@reading.register
def _(_: StabilityInfo) -> str:
    return (
        "Each sample draws the table's rows with replacement, and the trial that does best on it wins: what this sweep "
        "would have chosen on a table like it. Bars: share of samples by placement; a rate of 0 is no dropout there. "
        "It says how firm the choice is, not whether dropout helps."
    )


def _spread(rate: StableRate) -> str:
    if rate.low == rate.high:
        return f"at {_rate(rate.low)} {_on(rate.layer)}"
    return f"between {_rate(rate.low)} and {_rate(rate.high)} {_on(rate.layer)}"


# --- in common --------------------------------------------------------------------------------------------------------


def _on(layer: str | None) -> str:
    return f"on {where(layer)}"


def _rate(rate: float) -> str:
    """Two decimals are more than any sweep tells apart."""
    return f"{rate:.2f}".rstrip("0").rstrip(".") if rate >= 0.01 or rate == 0 else wording.number(rate, 1)


def _amount(metric: Metric, value: float, like: float) -> str:
    text = wording.difference(metric, value, wording.difference_digits(metric, -value, value, like))
    return f"{text} points" if metric.percent else text


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "< 1 %"
