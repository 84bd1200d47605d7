"""Rules of a definition that types alone cannot say: bounds of each dimension, placements, keys that go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sweep.metrics import METRICS, metrics_for
from sweep.spec.layers import layer_names, layers_of, subsets
from sweep.spec.model import SCALARS, Choices, Dimension, Fixed, Range
from sweep.spec.schema import ABSENT, DefinitionModel, Problem, RangeModel, suggestion

# 2 ** (6 + 1) = 128 arms: beyond, no budget gives each arm a fair search.
MAX_SUBSETS_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Bounds:
    """Numbers a dimension may take, from ``low`` to ``high``; an open end is not among them."""

    low: float = 0.0
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def rule_broken_by(self, value: float) -> str | None:
        """What ``value`` must be and is not; ``None`` if it is allowed."""
        if value < self.low or (self.open_low and value == self.low):
            return f"must be {'above' if self.open_low else 'at least'} {self.low:g}"
        if value > self.high or (self.open_high and value == self.high):
            return f"must be {'below' if self.open_high else 'at most'} {self.high:g}"
        return None


BOUNDS = {
    "dropout": Bounds(high=1.0, open_high=True),
    "learning_rate": Bounds(open_low=True),
    "momentum": Bounds(high=1.0, open_high=True),
    "max_norm": Bounds(open_low=True),
    "lr_decay": Bounds(high=1.0, open_low=True),
    "weight_decay": Bounds(),
}


def dimension(value: Any) -> Dimension:
    """A dimension as pydantic read it, as a frozen record."""
    if isinstance(value, RangeModel):
        return Range(value.low, value.high, value.log, value.step)
    if hasattr(value, "choices"):
        return Choices(tuple(value.choices))
    return Fixed(value)


def hidden_candidates(model: DefinitionModel) -> tuple[tuple[int, ...], ...]:
    """Candidates of ``network.hidden``; one if fixed."""
    hidden = model.network.hidden
    return (tuple(hidden),) if isinstance(hidden, list) else tuple(tuple(units) for units in hidden.choices)


def placements(model: DefinitionModel) -> tuple[str, ...]:
    """The arms by name, ``"subsets"`` spelled out."""
    placement = model.space.placement
    if placement == "subsets":
        return subsets(max(map(len, hidden_candidates(model))))
    return (placement,) if isinstance(placement, str) else tuple(placement.choices)


def check_rules(model: DefinitionModel, broken: set[str]) -> list[Problem]:
    """Checks every rule whose keys are sound.

    Args:
        model: Of ``schema.check_shape``.
        broken: Keys (``section`` or ``section.key``) that already have a problem, and hold a default.

    Returns:
        The problems, in the order of the file's sections.
    """

    def sound(*keys: str) -> bool:
        return not any(key in broken or key.split(".")[0] in broken for key in keys)

    problems: list[Problem] = []
    if sound("data.task"):
        problems += _data(model, sound)
    if sound("network.hidden"):
        problems += _distinct(("network", "hidden", "choices"), hidden_candidates(model))
    for key in ("dropout", *SCALARS):
        if sound(f"space.{key}"):
            problems += _dimension(("space", key), dimension(getattr(model.space, key)), BOUNDS[key])
    if sound("space.dropout_layers"):
        for layer, own in model.space.dropout_layers.items():
            problems += _dimension(("space", "dropout_layers", layer), dimension(own), BOUNDS["dropout"])
    if sound("space.dropout_layers", "network.hidden"):
        problems += _layer_keys(model)
    if sound("space.dropout_layers", "space.shared") and model.space.shared and model.space.dropout_layers:
        problems.append(Problem(("space", "shared"), "must be false when dropout_layers gives layers their own", True))
    if sound("space.placement", "network.hidden"):
        problems += _placements(model)
    problems += _validation(model, sound)
    if sound("search.pruner") and model.search.pruner != "none":
        rule = "must be none (pruners are not available yet)"
        problems.append(Problem(("search", "pruner"), rule, model.search.pruner))
    return problems


def _data(model: DefinitionModel, sound: Callable[..., bool]) -> Iterator[Problem]:
    data = model.data
    if data.task == "regression":
        if sound("data.positive") and data.positive is not None:
            yield Problem(("data", "positive"), "must not be given for regression", data.positive)
        if sound("training.class_weight") and model.training.class_weight != "none":
            yield Problem(("training", "class_weight"), "must be none for regression", model.training.class_weight)
        if sound("validation.scheme") and model.validation.scheme == "stratified":
            yield Problem(("validation", "scheme"), "must not be stratified for regression", model.validation.scheme)
    for key in ("categorical", "drop"):
        if sound(f"data.{key}"):
            yield from _distinct(("data", key), tuple(getattr(data, key)))
    if not sound("data.target", "data.drop", "data.groups", "data.categorical"):
        return
    if data.target in data.drop:
        yield Problem(("data", "drop"), "must not name the target", data.target)
    if data.groups is not None and data.groups == data.target:
        yield Problem(("data", "groups"), "must not be the target", data.groups)
    if data.groups is not None and data.groups in data.drop:
        yield Problem(
            ("data", "drop"), "must not name the column of data.groups (it is no feature anyway)", data.groups
        )
    for column in data.categorical:
        if column in data.drop or column == data.target or column == data.groups:
            yield Problem(("data", "categorical"), "must name features (not the target, groups or dropped)", column)


def _validation(model: DefinitionModel, sound: Callable[..., bool]) -> Iterator[Problem]:
    validation = model.validation
    if sound("validation.scheme", "data.groups"):
        if validation.scheme == "group" and model.data.groups is None:
            yield Problem(("data", "groups"), 'must be given for validation.scheme = "group"', ABSENT)
        if validation.scheme not in ("auto", "group") and model.data.groups is not None:
            rule = "must be auto or group when data.groups is given"
            yield Problem(("validation", "scheme"), rule, validation.scheme)
    if (
        sound("validation.scheme", "validation.repeats")
        and validation.scheme == "timeseries"
        and validation.repeats > 1
    ):
        rule = "must be 1 for timeseries (its folds have no randomness)"
        yield Problem(("validation", "repeats"), rule, validation.repeats)
    metric = validation.metric
    if metric is None or not sound("validation.metric"):
        return
    if metric not in METRICS:
        rule = f"must be one of {', '.join(METRICS)}{suggestion(metric, METRICS)}"
        yield Problem(("validation", "metric"), rule, metric)
    elif sound("data.task") and model.data.task is not None:
        known = metrics_for("regression" if model.data.task == "regression" else "binary")
        if metric not in known:
            rule = f"must be one of {', '.join(known)} for {model.data.task}"
            yield Problem(("validation", "metric"), rule, metric)


def _layer_keys(model: DefinitionModel) -> Iterator[Problem]:
    known = layer_names(max(map(len, hidden_candidates(model))))
    for layer in model.space.dropout_layers:
        if layer not in known:
            rule = f"must be a layer ({', '.join(known)})"
            yield Problem(("space", "dropout_layers", layer), rule, layer)


def _placements(model: DefinitionModel) -> Iterator[Problem]:
    candidates = hidden_candidates(model)
    depths = sorted(set(map(len, candidates)))
    if model.space.placement == "subsets" and len(depths) > 1:
        rule = "must be a list of placements when network.hidden has candidates of different depth"
        yield Problem(("space", "placement"), rule, "subsets")
        return
    if model.space.placement == "subsets" and depths[0] > MAX_SUBSETS_DEPTH:
        rule = f"must be a list of placements beyond {MAX_SUBSETS_DEPTH} hidden layers"
        yield Problem(("space", "placement"), rule, "subsets")
        return
    single = isinstance(model.space.placement, str)
    seen: dict[tuple[bool, ...], str] = {}
    for position, name in enumerate(placements(model)):
        path = ("space", "placement") if single else ("space", "placement", "choices", position)
        for depth in depths:
            try:
                layers = layers_of(name, depth)
            except ValueError as error:
                yield Problem(path, str(error), name)
                break
            if layers in seen:
                yield Problem(path, f"must differ from {seen[layers]}, which means the same layers", name)
                break
            seen[layers] = name


def _dimension(path: tuple[str | int, ...], searched: Dimension, bounds: Bounds) -> Iterator[Problem]:
    """What is wrong with one numeric dimension."""
    if isinstance(searched, Range):
        yield from _range(path, searched, bounds)
        return
    if isinstance(searched, Choices):
        yield from _distinct((*path, "choices"), searched.values)
        values = [((*path, "choices", position), value) for position, value in enumerate(searched.values)]
    else:
        values = [(path, searched.value)]
    for place, value in values:
        if not isinstance(value, str) and (rule := bounds.rule_broken_by(value)):
            yield Problem(place, rule, value)


def _range(path: tuple[str | int, ...], searched: Range, bounds: Bounds) -> Iterator[Problem]:
    low, high, step = searched.low, searched.high, searched.step
    low_rule = bounds.rule_broken_by(low)
    if low_rule is None and searched.log and low <= 0:
        low_rule = "must be above 0 on a logarithmic scale"
    if low_rule:
        yield Problem((*path, "low"), low_rule, low)
    if rule := bounds.rule_broken_by(high):
        yield Problem((*path, "high"), rule, high)
    if low >= high:
        yield Problem((*path, "high"), f"must be above low, {low:g} (a bare value fixes a dimension)", high)
    if step is None:
        return
    if searched.log:
        yield Problem((*path, "step"), "must not be given together with log", step)
    if step <= 0:
        yield Problem((*path, "step"), "must be above 0", step)
    # As decimals are written: in binary 0.5 - 0.1 is no multiple of 0.1.
    elif low < high and (Fraction(str(high)) - Fraction(str(low))) % Fraction(str(step)) != 0:
        yield Problem((*path, "step"), f"must divide the distance from {low:g} to {high:g}", step)


def _distinct(path: tuple[str | int, ...], values: tuple[Any, ...]) -> Iterator[Problem]:
    for position, value in enumerate(values):
        if value in values[:position]:
            yield Problem((*path, position), "must not be listed twice", value)
