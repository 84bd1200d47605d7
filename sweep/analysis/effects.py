"""What the trials of a sweep say about dropout rates: how much, and together with what.

A model of the score over all parameters (``surrogate``) is averaged over the trials, with one rate set to each value in
turn: the *response* to that rate, everything else as it was in the trials. That is not the plain cloud of scores over
rates, in which a good rate may owe its place to the learning rates found beside it.

What the bands cover is what the trials leave open about these rows and these folds. Other rows are another matter:
whether dropout helps is asked on fresh folds (``answer``), not here. In simulated sweeps of 40 and 128 trials a band
holds 93 to 98 % of the true curve, and a flat one as a whole in nine of ten cases or more; least at the ends of a
steep curve, which a smooth model flattens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.analysis.surrogate import Columns, Floats, Group, Surrogate, draw
from sweep.spec.layers import layer_names

MIN_TRIALS = 20  # complete ones, in all
MIN_WITH = 8  # with dropout on a layer
MOST = 250  # trials that the model is fitted to: its cost grows with the cube
FEW = 6  # distinct values up to which an axis has just these

REACH = 4.0  # scores farther below the best than so many times the median's distance count as being there

CONFIDENCE, Z = 0.95, 1.959964
DRAWS = 2000

_CURVE, _ACROSS, _UP = 24, 15, 11  # values of an axis: of a response, of a map
_NEAR = 0.15  # of the sides of a map: where no trial is nearer, it is blank
_CORNER = 0.1  # share of the trials beyond the corners that an interaction is judged by

PARTNERS = ("learning_rate", "momentum", "max_norm")


@dataclass(frozen=True, slots=True)
class Response:
    """The score against one dropout rate, averaged over the trials that have dropout there.

    Attributes:
        layer: Name of the layer; ``None`` for the rate that all layers share.
        placements: Of the trials averaged over.
        trials: How many they are.
        rates: Increasing. The first is 0, that layer without dropout, where placements without it were tried as well.
            Beyond that only what was tried.
        mean: Expected score at each rate.
        low: Lower edge of a 95 % band, for the whole curve as the model sees it.
        high: Its upper edge.
        best: The rate with the best mean.
        told: Whether the score at each rate is worse than at the best, at 95 % for all rates together.
    """

    layer: str | None
    placements: tuple[str, ...]
    trials: int
    rates: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    best: float
    told: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A difference of scores, an improvement where positive, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Interaction:
    """The score against a rate and another parameter, averaged over the trials that have dropout there.

    Attributes:
        layer: As in :class:`Response`.
        parameter: One of :data:`PARTNERS`.
        rates: Of the columns.
        values: Of the rows: evenly spaced, by their logarithm for learning rates; ``None``, no bound, comes last.
        scores: Rows of expected scores; ``None`` where no trial is near.
        trials: Rate and value of each trial averaged over.
        step: The lower and the higher rate that are compared.
        between: The smaller and the larger value at which they are.
        changes: What the step changes at each of the two.
        difference: The second of these less the first.
    """

    layer: str | None
    parameter: str
    rates: tuple[float, ...]
    values: tuple[float | None, ...]
    scores: tuple[tuple[float | None, ...], ...]
    trials: tuple[tuple[float, float | None], ...]
    step: tuple[float, float]
    between: tuple[float | None, float | None]
    changes: tuple[Change, Change]
    difference: Change

    @property
    def told(self) -> bool:
        """Whether what the rate does depends on the parameter, beyond chance."""
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True, slots=True)
class Effects:
    """What a model of the score says.

    Attributes:
        responses: One for each layer whose rate was searched, or one for the rate that all share.
        interactions: Of the layer whose response reaches farthest, with each parameter that was searched.
        trials: Complete trials that the model was fitted to.
        left_out: Those that were stopped early, whose scores cannot be compared.
        explained: Share of the variance of scores that it predicts of trials it was not fitted to (leave-one-out R²).
        floor: Scores worse than this count as this; ``None`` where there are none.
        floored: How many there are.
    """

    responses: tuple[Response, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    trials: int = 0
    left_out: int = 0
    explained: float = 0.0
    floor: float | None = None
    floored: int = 0


def effects_of(summary: SweepSummary) -> Effects:
    """Responses and interactions of a sweep, in about a second; empty with fewer than :data:`MIN_TRIALS` trials."""
    complete = [trial for trial in summary.trials if not trial.pruned]
    left_out = len(summary.trials) - len(complete)
    if len(complete) > MOST:
        kept = np.random.default_rng(0).choice(len(complete), MOST, replace=False)
        complete = [complete[place] for place in np.sort(kept)]
    sign = 1.0 if summary.metric.maximize else -1.0
    goodness = sign * np.array([trial.score for trial in complete])
    scores, floor = _floored(goodness)
    columns = Columns([trial.hyperparameters for trial in complete])
    if len(complete) < MIN_TRIALS or not columns.names or np.ptp(scores) == 0:
        return Effects(trials=len(complete), left_out=left_out)
    with threadpool_limits(1):  # matrices so small are several times slower on many threads
        view = _View(complete, columns, scores, sign)
        responses, interactions = _found(view, [None] if summary.spec.space.shared else view.layers)
    return Effects(
        responses,
        interactions,
        len(complete),
        left_out,
        view.model.explained,
        None if floor is None else sign * floor,
        0 if floor is None else int(np.sum(goodness < floor)),
    )


def _found(view: _View, layers: Sequence[str | None]) -> tuple[tuple[Response, ...], tuple[Interaction, ...]]:
    responses = tuple(found for layer in layers if (found := _response(view, layer)) is not None)
    if not responses:
        return (), ()
    widest = max(responses, key=lambda response: max(response.mean) - min(response.mean))
    searched = [name for name in PARTNERS if name in view.columns.names]
    return responses, tuple(_interaction(view, widest.layer, parameter) for parameter in searched)


def _floored(goodness: Floats) -> tuple[Floats, float | None]:
    """Scores, higher is better, with those far below the rest raised: they would be all that the model sees."""
    if not len(goodness):
        return goodness, None
    best = float(goodness.max())
    floor = best - REACH * (best - float(np.median(goodness)))
    if floor == best or goodness.min() >= floor:
        return goodness, None
    return np.maximum(goodness, floor), floor


class _View:
    """Trials, their rates and coordinates, and the model of their scores, of which higher is better.

    Attributes:
        trials: n.
        layers: Names of L layers, the input first.
        rates: ``[n, L]``; 0 without dropout there, and beyond a network's last layer.
        sign: Turns the model's scores into the metric's.
    """

    def __init__(self, trials: Sequence[TrialRow], columns: Columns, goodness: Floats, sign: float) -> None:
        self.trials, self.columns, self.sign = trials, columns, sign
        self.model = Surrogate(columns.points, goodness)
        self.layers = layer_names(max(len(trial.hyperparameters.hidden) for trial in trials))
        self.rates = np.zeros((len(trials), len(self.layers)))
        for place, trial in enumerate(trials):
            own = trial.hyperparameters.dropout
            self.rates[place, : len(own)] = own

    def rates_on(self, layer: str | None) -> Floats:
        """``[n]`` rates of a layer; of ``None`` the ones that all layers of a trial share."""
        return self.rates.max(axis=1) if layer is None else self.rates[:, self.layers.index(layer)]

    def groups(
        self, layer: str | None, settings: Sequence[tuple[float, float | None]], parameter: str | None = None
    ) -> tuple[list[Group], list[int]]:
        """Trials with dropout on a layer, set to rates there and to values of another parameter.

        Of a rate that all layers share, each trial has it where it has dropout, and 0 elsewhere.
        """
        at, known = self.columns.at, self.columns.names
        set_ = [name for name in (self.layers if layer is None else (layer,)) if f"dropout_{name}" in known]
        dropped = np.flatnonzero(self.rates_on(layer))
        patterns, of = np.unique(self.rates[dropped] > 0, axis=0, return_inverse=True)
        groups = []
        for number, pattern in enumerate(patterns):
            on = [bool(pattern[self.layers.index(name)]) for name in set_]
            values = [
                [at(f"dropout_{name}", rate if used else 0.0) for name, used in zip(set_, on, strict=True)]
                + ([] if parameter is None else [at(parameter, value)])
                for rate, value in settings
            ]
            groups.append(Group(dropped[of == number], np.array(values)))
        wanted = [f"dropout_{name}" for name in set_] + ([] if parameter is None else [parameter])
        return groups, [known.index(name) for name in wanted]


def _response(view: _View, layer: str | None) -> Response | None:
    """``None`` where too few trials have dropout there, or all at one rate."""
    on = view.rates_on(layer)
    dropped = np.flatnonzero(on)
    tried = sorted(set(on[dropped].tolist()))
    if len(dropped) < MIN_WITH or len(tried) < 2:
        return None
    rates = tried if len(tried) <= FEW else np.linspace(tried[0], tried[-1], _CURVE).tolist()
    placements = tuple(dict.fromkeys(view.trials[place].placement for place in dropped.tolist()))
    if _without_was_tried(view, layer):
        rates = [0.0, *rates]
    mean, covariance = view.model.averages(*view.groups(layer, [(rate, None) for rate in rates]))
    best = int(np.argmax(mean))
    half = _together(covariance) * np.sqrt(np.clip(np.diag(covariance), 0, None))
    behind = covariance - covariance[best] - covariance[:, [best]] + covariance[best, best]
    told = mean[best] - mean > _together(behind) * np.sqrt(np.clip(np.diag(behind), 0, None))
    low, high = mean - half, mean + half
    if view.sign < 0:
        mean, low, high = -mean, -high, -low
    told[best] = False
    return Response(
        layer,
        placements,
        len(dropped),
        tuple(rates),
        tuple(mean.tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
        float(rates[best]),
        tuple(told.tolist()),
    )


def _without_was_tried(view: _View, layer: str | None) -> bool:
    """Whether every placement averaged over was also tried without its dropout there: else 0 is beyond the trials."""
    on = view.rates > 0
    without = on[view.rates_on(layer) > 0]
    without[:, slice(None) if layer is None else view.layers.index(layer)] = False
    return set(map(tuple, without.tolist())) <= set(map(tuple, on.tolist()))


def _together(covariance: Floats) -> float:
    """How many standard errors hold all values at once with probability 95 %."""
    error = np.sqrt(np.clip(np.diag(covariance), 0, None))
    used = error > 1e-9 * max(float(error.max()), 1e-300)
    if not used.any():
        return Z
    farthest = np.abs(draw(covariance, DRAWS, seed=0)[:, used] / error[used]).max(axis=1)
    return max(Z, float(np.quantile(farthest, CONFIDENCE)))


def _interaction(view: _View, layer: str | None, parameter: str) -> Interaction:
    on = view.rates_on(layer)
    own = [(float(on[place]), _value(view.trials[place], parameter)) for place in np.flatnonzero(on).tolist()]
    rates = _axis([rate for rate, _ in own], _ACROSS)
    values = _values([value for _, value in own], parameter)
    cells = [(rate, value) for value in values for rate in rates if rate is not None]
    mean, _ = view.model.averages(*view.groups(layer, cells, parameter))
    near = _near_a_trial(view, cells, own, parameter)
    scores = [view.sign * float(score) if on else None for score, on in zip(mean, near, strict=True)]
    across = len(rates)
    step = _corners([rate for rate, _ in own], [rate for rate, _ in own])
    between = _corners([value for _, value in own], [_order(value) for _, value in own])
    corners = [(rate, value) for value in between for rate in step if rate is not None]
    at, covariance = view.model.averages(*view.groups(layer, corners, parameter))
    first, second = np.array([-1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0, 1.0])
    return Interaction(
        layer,
        parameter,
        tuple(rate for rate in rates if rate is not None),
        tuple(values),
        tuple(tuple(scores[row * across : (row + 1) * across]) for row in range(len(values))),
        tuple(own),
        (float(step[0] or 0.0), float(step[1] or 0.0)),
        between,
        (_change(first, at, covariance), _change(second, at, covariance)),
        _change(second - first, at, covariance),
    )


def _change(weights: Floats, mean: Floats, covariance: Floats) -> Change:
    value, error = float(weights @ mean), math.sqrt(max(float(weights @ covariance @ weights), 0.0))
    return Change(value, value - Z * error, value + Z * error)


def _value(trial: TrialRow, parameter: str) -> float | None:
    value: float | None = getattr(trial.hyperparameters, parameter)
    return value


def _order(value: float | None) -> float:
    return np.inf if value is None else value


def _values(tried: Sequence[float | None], parameter: str) -> list[float | None]:
    known = [value for value in tried if value is not None]
    axis = _axis(known, _UP, log=parameter == "learning_rate") if known else []
    return [*axis, None] if len(known) < len(tried) else axis


def _axis(tried: Sequence[float], most: int, *, log: bool = False) -> list[float | None]:
    distinct = sorted(set(tried))
    if len(distinct) <= FEW:
        return [*distinct]
    low, high = distinct[0], distinct[-1]
    return [*(np.geomspace(low, high, most) if log else np.linspace(low, high, most)).tolist()]


def _corners(tried: Sequence[float | None], order: Sequence[float]) -> tuple[float | None, float | None]:
    """Two tried values near the ends, beyond which a tenth of the trials lies; the ends where these are the same."""
    ordered = [tried[place] for place in np.argsort(order, kind="stable").tolist()]
    beyond = int(_CORNER * len(ordered))
    low, high = ordered[beyond], ordered[-1 - beyond]
    return (low, high) if low != high else (ordered[0], ordered[-1])


def _near_a_trial(
    view: _View, cells: Sequence[tuple[float, float | None]], own: Sequence[tuple[float, float | None]], parameter: str
) -> NDArray[np.bool_]:
    def places(pairs: Sequence[tuple[float, float | None]]) -> Floats:
        return np.array([[rate / longest, view.columns.at(parameter, value)] for rate, value in pairs])

    longest = max(rate for rate, _ in own) - min(rate for rate, _ in own)
    apart = places(cells)[:, None] - places(own)
    return np.asarray(np.sqrt(np.square(apart).sum(axis=2)).min(axis=1) <= _NEAR)
