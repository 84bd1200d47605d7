"""What a model of the score says of dropout rates: info records of responses and of maps of two parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep import wording
from sweep.analysis.effects import Effects, Interaction, Response
from sweep.analysis.results import SweepSummary
from sweep.figures.info import Points, Scale, describe, rate_infos
from sweep.metrics import Metric

AROUND = 0.6  # of the bands' reach, by which the axis goes beyond them for the trials

MOST = 6  # labels of an axis of a map

# Below this leave-one-out R² a model of the score is hardly better than the mean.
LITTLE = 0.1


@dataclass(frozen=True, slots=True)
class ResponseInfo:
    """The score against one rate, the other parameters averaged out.

    Attributes:
        response: The curve and its band.
        explained: Leave-one-out R² of the model it is from.
        scale: Of the scores, the same for all layers: it holds the bands, and the trials near them.
        arms: The trials behind it, faint.
        highest: The highest rate of any layer.
    """

    response: Response
    explained: float
    scale: Scale
    arms: tuple[Points, ...]
    highest: float

    @property
    def title(self) -> str:
        """``"Inputs"``."""
        return "All layers" if self.response.layer is None else wording.layer(self.response.layer)

    @property
    def alike(self) -> tuple[float, float]:
        """The rates around the best that cannot be told from it, from the lowest to the highest."""
        response = self.response
        first = last = response.rates.index(response.best)
        while first > 0 and not response.told[first - 1]:
            first -= 1
        while last < len(response.told) - 1 and not response.told[last + 1]:
            last += 1
        return response.rates[first], response.rates[last]


@dataclass(frozen=True, slots=True)
class InteractionInfo:
    """A map of the expected score over a rate (columns) and another parameter (rows, evenly spaced on the page).

    Attributes:
        map: The scores.
        metric: Theirs.
        explained: Leave-one-out R² of the model they are from.
        low: The lowest score of the sweep's maps, which share their colours.
        high: The highest.
        trials: Column and row of every trial, in units of columns and rows.
        ticks: Row and text of the vertical axis's labels.
        columns: Column and text of the horizontal axis's labels.
    """

    map: Interaction
    metric: Metric
    explained: float
    low: float
    high: float
    trials: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]

    @property
    def title(self) -> str:
        """``"Inputs, learning rate"``."""
        return f"{'All layers' if self.map.layer is None else wording.layer(self.map.layer)} and {self.partner}"

    @property
    def partner(self) -> str:
        """The other parameter in mid sentence."""
        return wording.in_sentence(wording.parameter(self.map.parameter))


def response_infos(summary: SweepSummary, effects: Effects) -> tuple[ResponseInfo, ...]:
    """One for each response; with these there is no need of the plain clouds of ``rate_infos``."""
    clouds = {info.layer: info for info in rate_infos(summary)}
    known = [(response, clouds[response.layer]) for response in effects.responses if response.layer in clouds]
    if not known:
        return ()
    low = min(min(response.low) for response, _ in known)
    high = max(max(response.high) for response, _ in known)
    trials, reach = known[0][1].scale, AROUND * (high - low)
    scale = Scale(summary.metric, min(low, max(trials.low, low - reach)), max(high, min(trials.high, high + reach)))
    return tuple(
        ResponseInfo(response, effects.explained, scale, _complete(cloud.arms), cloud.highest)
        for response, cloud in known
    )


def interaction_infos(summary: SweepSummary, effects: Effects) -> tuple[InteractionInfo, ...]:
    """One for each map that has a trial near."""
    known = [score for one in effects.interactions for row in one.scores for score in row if score is not None]
    if not known:
        return ()
    return tuple(
        InteractionInfo(
            map=one,
            metric=summary.metric,
            explained=effects.explained,
            low=min(known),
            high=max(known),
            trials=tuple(
                (_place(rate, one.rates), _place(value, one.values, log=_log(one))) for rate, value in one.trials
            ),
            ticks=_labels(one.values, log=_log(one)),
            columns=_labels(one.rates),
        )
        for one in effects.interactions
    )


def _complete(arms: Sequence[Points]) -> tuple[Points, ...]:
    """Without the trials that were stopped early: the model has not seen them."""
    kept = []
    for arm in arms:
        on = [place for place, stopped in enumerate(arm.stopped) if stopped is None]
        if on:
            kept.append(
                Points(
                    arm.placement,
                    arm.mark,
                    tuple(arm.numbers[place] for place in on),
                    tuple(arm.at[place] for place in on),
                    tuple(arm.scores[place] for place in on),
                    (None,) * len(on),
                )
            )
    return tuple(kept)


def _log(one: Interaction) -> bool:
    return one.parameter == "learning_rate"


def _place(value: float | None, axis: Sequence[float | None], *, log: bool = False) -> float:
    """Where a value lies among those of an axis, in steps from the first."""
    if value is None:
        return len(axis) - 1.0
    known = [each for each in axis if each is not None]
    to = math.log if log else float
    return float(np.interp(to(value), [to(each) for each in known], np.arange(len(known))))


def _labels(axis: Sequence[float | None], *, log: bool = False) -> tuple[tuple[float, str], ...]:
    """Round values of an axis, or all of a short one, and where they lie; "off" where it ends with no bound."""
    known = [value for value in axis if value is not None]
    shown = known if len(known) <= MOST else _round_values(known[0], known[-1], log=log)
    texts = [(_place(value, axis, log=log), wording.powers(wording.number(value, 2))) for value in shown]
    return (*texts, (len(axis) - 1.0, "off")) if None in axis else tuple(texts)


def _round_values(low: float, high: float, *, log: bool) -> list[float]:
    """At most :data:`MOST` round values between two: steps of 1, 2 or 5; by ratios powers of ten and thrice them."""
    if log and high / low >= 10:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [factor * 10.0**decade for decade in decades for factor in (1, 3)]
        inside = [value for value in found if low <= value <= high]
        return inside if len(inside) <= MOST else [value for value in inside if f"{value:e}".startswith("1")]
    size = 10.0 ** math.floor(math.log10((high - low) / MOST))
    step = next(size * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (size * factor) <= MOST - 1)
    return [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def where(layer: str | None) -> str:
    """``"the inputs"``, ``"hidden layer 1"``, ``"all layers"``."""
    if layer is None:
        return "all layers"
    return "the inputs" if layer == "input" else wording.layer(layer).lower()


@describe.register
def _(info: ResponseInfo) -> str:
    response, metric = info.response, info.scale.metric
    shown = [(response.rates[place], response.mean[place]) for place in (0, len(response.rates) // 2, -1)]
    points = ", ".join(f"{wording.score(metric, mean)} at {wording.number(rate, 2)}" for rate, mean in shown)
    best = response.mean[response.rates.index(response.best)]
    return (
        f"Expected {wording.in_sentence(metric.title)} against the dropout rate on {where(response.layer)}, averaged "
        f"over {response.trials} trials: {points}; best {wording.score(metric, best)} at "
        f"{wording.number(response.best, 2)}."
    )


@describe.register
def _(info: InteractionInfo) -> str:
    known = [
        (score, rate, value)
        for value, row in zip(info.map.values, info.map.scores, strict=True)
        for rate, score in zip(info.map.rates, row, strict=True)
        if score is not None
    ]
    score, rate, value = (max if info.metric.maximize else min)(known, key=lambda cell: cell[0])
    at = "off" if value is None else wording.powers(wording.number(value, 2))
    return (
        f"Map of the expected {wording.in_sentence(info.metric.title)} over the dropout rate on "
        f"{where(info.map.layer)} and {info.partner}: best {wording.score(info.metric, score)} at a rate of "
        f"{wording.number(rate, 2)} with "
        f"{info.partner} {at}."
    )
