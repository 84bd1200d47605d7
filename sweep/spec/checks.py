"""Rules of a definition that types alone cannot say: bounds of each dimension, placements, keys that go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress
from typing import Any

from sweep.metrics import METRICS, metrics_for
from sweep.spec.layers import layer_names, layers_of, subsets
from sweep.spec.model import (
    SCALARS,
    Choices,
    Dimension,
    Fixed,
    Range,
    SweepSpec,
    checkpoint_epochs,
    rung_epochs,
    written,
)
from sweep.spec.schema import DefinitionModel, RangeModel
from sweep.spec.shape import ABSENT, Problem, suggestion

# 2 ** (6 + 1) = 128 arms: beyond, no budget gives each arm a fair search.
MAX_SUBSETS_DEPTH = 6

# Draws tell multiples of 2**-16 apart (training/draws.py): a rate below half of that would be none, and the trial the
# control under another name.
MIN_RATE = 1e-4

Sound = Callable[..., bool]
"""Whether none of these keys (``"space.momentum"``, ``"space.momentum.low"``), and nothing around them, is broken."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Numbers a dimension may take, from ``low`` to ``high``; an open end is not among them.

    Attributes:
        below: What to say to those who want less than ``low``.
    """

    low: float = 0.0
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    below: str = ""

    def rule_broken_by(self, value: float) -> str | None:
        """What ``value`` must be and is not; ``None`` if it is allowed."""
        if value < self.low or (self.open_low and value == self.low):
            return f"must be {'above' if self.open_low else 'at least'} {self.low:g}{self.below}"
        if value > self.high or (self.open_high and value == self.high):
            return f"must be {'below' if self.open_high else 'at most'} {self.high:g}"
        return None


BOUNDS = {
    "dropout": Bounds(MIN_RATE, 1.0, open_high=True, below=" (the placement none is the one without dropout)"),
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
        model: Of ``shape.check_shape``.
        broken: Keys that already have a problem, and do not hold what the file says.

    Returns:
        The problems, in the order of the file's sections.
    """

    def sound(*keys: str) -> bool:
        return not any(key == bad or key.startswith(f"{bad}.") for key in keys for bad in broken)

    problems = [*_data(model, sound)]
    if sound("data.task") and model.data.task is not None:
        problems += task_rules(model, model.data.task, sound=sound)
    if sound("network.hidden"):
        problems += _distinct(("network", "hidden", "choices"), hidden_candidates(model), sound)
    problems += _space(model, sound)
    problems += _validation(model, sound)
    if sound("search", "training.epochs", "training.checkpoints"):
        problems += _rungs(model)
    return problems


def task_rules(
    definition: DefinitionModel | SweepSpec, task: str, why: str = "", sound: Sound = lambda *_: True
) -> Iterator[Problem]:
    """What does not go with a task.

    Args:
        definition: A whole one, or one of which only ``sound`` keys hold.
        task: ``"classification"`` or one of its two kinds, or ``"regression"``; given, or found in the table.
        why: Put behind the task, where it was found.
        sound: Which keys may be asked.
    """
    data, training, validation = definition.data, definition.training, definition.validation
    metric = validation.metric
    if task == "regression":
        if sound("data.positive") and data.positive is not None:
            yield Problem(("data", "positive"), f"must not be given for regression{why}", data.positive)
        if sound("training.class_weight") and training.class_weight != "none":
            yield Problem(("training", "class_weight"), f"must be none for regression{why}", training.class_weight)
        if sound("validation.scheme") and validation.scheme == "stratified":
            yield Problem(("validation", "scheme"), f"must not be stratified for regression{why}", validation.scheme)
    if sound("validation.metric") and metric in METRICS and metric not in (known := metrics_for(task)):
        family = "regression" if task == "regression" else "classification"
        yield Problem(("validation", "metric"), f"must be one of {', '.join(known)} for {family}{why}", metric)


def _data(model: DefinitionModel, sound: Sound) -> Iterator[Problem]:
    data = model.data
    for key in ("categorical", "drop"):
        if sound(f"data.{key}"):
            yield from _distinct(("data", key), tuple(getattr(data, key)), sound)
    dropped = data.drop if sound("data.drop") else []
    groups = data.groups if sound("data.groups") else None
    target = data.target if sound("data.target") else None
    if target in dropped:
        yield Problem(("data", "drop"), "must not name the target", target)
    if groups is not None and groups == target:
        yield Problem(("data", "groups"), "must not be the target", groups)
    if groups is not None and groups in dropped:
        yield Problem(("data", "drop"), "must not name the column of data.groups (it is no feature anyway)", groups)
    for column in data.categorical if sound("data.categorical") else []:
        if column in (*dropped, target, groups):
            yield Problem(("data", "categorical"), "must name features (not the target, groups or dropped)", column)


def _space(model: DefinitionModel, sound: Sound) -> Iterator[Problem]:
    space = model.space
    for key in ("dropout", *SCALARS):
        own = dimension(getattr(space, key))
        # The key is always there, and 0 is what a definition without any dropout may say.
        unused = key == "dropout" and own == Fixed(0.0) and placements(model) == ("none",)
        if sound(f"space.{key}") and not unused:
            yield from _dimension(("space", key), own, BOUNDS[key], sound)
    if sound("space.lr_decay", "training.epochs") and model.training.epochs == 1:
        decay = dimension(space.lr_decay)
        if isinstance(decay, Range) or (isinstance(decay, Choices) and len(decay.values) > 1):
            rule = "must be one value for training.epochs = 1 (it acts from the second epoch on)"
            yield Problem(("space", "lr_decay"), rule, written(decay))
    if sound("space.dropout_layers"):
        for layer, given in space.dropout_layers.items():
            path = ("space", "dropout_layers", layer)
            if sound(".".join(path)):
                yield from _dimension(path, dimension(given), BOUNDS["dropout"], sound)
        if sound("space.shared") and space.shared and space.dropout_layers:
            yield Problem(("space", "shared"), "must be false when dropout_layers gives layers their own", True)
    if not sound("network.hidden"):
        return
    found = [*_placements(model)] if sound("space.placement") else []
    yield from found
    if sound("space.dropout_layers"):
        yield from _layer_keys(model, asked=sound("space.placement") and not found)


def _validation(model: DefinitionModel, sound: Sound) -> Iterator[Problem]:
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
    if sound("validation.metric") and metric is not None and metric not in METRICS:
        rule = f"must be one of {', '.join(METRICS)}{suggestion(metric, METRICS)}"
        yield Problem(("validation", "metric"), rule, metric)


def _rungs(model: DefinitionModel) -> Iterator[Problem]:
    """A pruner needs a rung, an epoch before the last one at which trials are measured."""
    training, search = model.training, model.search
    if search.pruner == "none":
        return
    why = f'for search.pruner = "{search.pruner}"'
    checkpoints = checkpoint_epochs(training.epochs, training.checkpoints)
    if len(checkpoints) < 2:
        key = "epochs" if training.epochs < 2 else "checkpoints"
        rule = f"must be at least 2 {why} (trials are compared before the last epoch)"
        yield Problem(("training", key), rule, getattr(training, key))
    elif not rung_epochs(training.epochs, checkpoints, search.reduction):
        most = 2 * training.epochs // checkpoints[0]
        rule = f"must be at most {most} {why} with the first checkpoint at epoch {checkpoints[0]} of {training.epochs}"
        yield Problem(("search", "reduction"), rule, search.reduction)


def _layer_keys(model: DefinitionModel, *, asked: bool) -> Iterator[Problem]:
    """Keys of ``dropout_layers`` that mean nothing. ``asked``: whether the placements say which layers drop."""
    depths = set(map(len, hidden_candidates(model)))
    known = layer_names(max(depths))
    used = known
    if asked:
        pairs = [(name, depth) for name in placements(model) for depth in depths]
        dropping = {layer for name, depth in pairs for layer in compress(layer_names(depth), layers_of(name, depth))}
        used = tuple(layer for layer in known if layer in dropping)
    for layer in model.space.dropout_layers:
        path = ("space", "dropout_layers", layer)
        if layer not in known:
            yield Problem(path, f"must be a layer ({', '.join(known)})", layer)
        elif layer not in used:
            which = f"must be a layer that a placement drops units of ({', '.join(used)})"
            rule = which if used else "must not be given when no placement has dropout"
            yield Problem(path, rule, layer)


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


def _dimension(path: tuple[str | int, ...], searched: Dimension, bounds: Bounds, sound: Sound) -> Iterator[Problem]:
    """What is wrong with one numeric dimension."""
    if isinstance(searched, Range):
        yield from _range(path, searched, bounds, sound)
        return
    if isinstance(searched, Choices):
        yield from _distinct((*path, "choices"), searched.values, sound)
        values = [((*path, "choices", position), value) for position, value in enumerate(searched.values)]
    else:
        values = [(path, searched.value)]
    for place, value in values:
        if sound(_dotted(place)) and not isinstance(value, str) and (rule := bounds.rule_broken_by(value)):
            yield Problem(place, rule, value)


def _range(path: tuple[str | int, ...], searched: Range, bounds: Bounds, sound: Sound) -> Iterator[Problem]:
    low, high, step = searched.low, searched.high, searched.step
    has_low, has_high = (sound(_dotted((*path, key))) for key in ("low", "high"))
    low_rule = bounds.rule_broken_by(low)
    if low_rule is None and searched.log and low <= 0:
        low_rule = "must be above 0 on a logarithmic scale"
    if has_low and low_rule:
        yield Problem((*path, "low"), low_rule, low)
    if has_high and (rule := bounds.rule_broken_by(high)):
        yield Problem((*path, "high"), rule, high)
    if has_low and has_high and low >= high:
        yield Problem((*path, "high"), f"must be above low, {low:g} (a bare value fixes a dimension)", high)
    if step is None:
        return
    if searched.log:
        yield Problem((*path, "step"), "must not be given together with log", step)
    if step <= 0:
        yield Problem((*path, "step"), "must be above 0", step)
    # As decimals are written: in binary 0.5 - 0.1 is no multiple of 0.1.
    elif has_low and has_high and low < high and (Fraction(str(high)) - Fraction(str(low))) % Fraction(str(step)) != 0:
        yield Problem((*path, "step"), f"must divide the distance from {low:g} to {high:g}", step)


def _distinct(path: tuple[str | int, ...], values: tuple[Any, ...], sound: Sound) -> Iterator[Problem]:
    for position, value in enumerate(values):
        alike = [other for other in range(position) if values[other] == value]
        if any(sound(_dotted((*path, other)), _dotted((*path, position))) for other in alike):
            yield Problem((*path, position), "must not be listed twice", value)


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))
