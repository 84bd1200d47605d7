"""A model as plain data and tensors, which any program can read; and back, nothing of it taken on trust."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sweep.metrics import metrics_for
from sweep.model.model import Model
from sweep.networks import ACTIVATIONS, Networks
from sweep.records import Task
from sweep.tables.features import LARGEST
from sweep.tables.recipe import Recipe

Tensors = Mapping[str, NDArray[Any]]

_KEYS = (
    "sweep",
    "trial",
    "task",
    "target",
    "classes",
    "metric",
    "activation",
    "dropout",
    "features",
    "mean",
    "inverse_std",
    "target_mean",
    "target_std",
    "trained_on",
    "recipe",
)


def to_plain(model: Model) -> dict[str, Any]:
    """All of a model but its tensors: dictionaries, lists, texts and numbers, which are exact."""
    networks = model.networks
    return {
        "sweep": model.name,
        "trial": model.trial,
        "task": networks.task,
        "target": model.target,
        "classes": list(model.classes),
        "metric": model.metric,
        "activation": networks.activation,
        "dropout": list(networks.dropout),
        "features": list(model.recipe.names),
        "mean": networks.mean.tolist(),
        "inverse_std": networks.inv_std.tolist(),
        "target_mean": networks.target_mean,
        "target_std": networks.target_std,
        "trained_on": model.trained_on,
        "recipe": model.recipe.to_dict(),
    }


def to_tensors(networks: Networks) -> dict[str, NDArray[np.float32]]:
    """``weight1`` ``[S, in, out]``, ``bias1`` ``[S, out]``, ``weight2``, …, all float32."""
    layers = zip(networks.weights, networks.biases, strict=True)
    return {
        name: np.ascontiguousarray(array)
        for layer, pair in enumerate(layers, start=1)
        for name, array in zip((f"weight{layer}", f"bias{layer}"), pair, strict=True)
    }


def from_plain(content: object, tensors: Tensors) -> Model:
    """The model of :func:`to_plain` and :func:`to_tensors`.

    Raises:
        ValueError: It is none. The message names key or tensor, value and what is allowed; in which file, whoever
            read it has to say.
    """
    if not isinstance(content, dict):
        raise ValueError(f"it must be an object with the keys {', '.join(_KEYS)}")
    if absent := [key for key in _KEYS if key not in content]:
        raise ValueError(f"it must have the keys {', '.join(_KEYS)}, however: without {', '.join(absent)}")
    for key in ("sweep", "target", "trained_on"):
        _check(isinstance(content[key], str), key, "a text", content[key])
    task, trial, classes, metric = (content[key] for key in ("task", "trial", "classes", "metric"))
    _check(task in get_args(Task), "task", "binary, multiclass or regression", task)
    _check(type(trial) is int and trial >= 0, "trial", "a whole number of at least 0", trial)
    _check(metric in metrics_for(task), "metric", f"one of {', '.join(metrics_for(task))}", metric)
    _check_classes(task, classes)
    activation = content["activation"]
    _check(activation in tuple(ACTIVATIONS), "activation", f"one of {', '.join(ACTIVATIONS)}", activation)
    rates = _numbers(content["dropout"], "dropout")
    _check(len(rates) >= 2 and all(0 <= rate < 1 for rate in rates), "dropout", "2 rates or more below 1", rates)
    recipe = _recipe(content)
    width = len(recipe.names)
    of_features = {key: _numbers(content[key], key) for key in ("mean", "inverse_std")}
    for key, values in of_features.items():
        _check(len(values) == width, key, f"{width} numbers, one for each feature", len(values))
    target_mean, target_std = (_number(content[key], key) for key in ("target_mean", "target_std"))
    _check(target_std > 0, "target_std", "above 0", target_std)
    outputs = len(classes) if task == "multiclass" else 1
    weights, biases = _layers(tensors, len(rates), width, outputs)
    networks = Networks(
        task=task,
        activation=activation,
        dropout=tuple(rates),
        weights=weights,
        biases=biases,
        mean=_single(of_features["mean"], "mean"),
        inv_std=_single(of_features["inverse_std"], "inverse_std"),
        target_mean=target_mean,
        target_std=target_std,
    )
    return Model(
        name=content["sweep"],
        trial=trial,
        recipe=recipe,
        networks=networks,
        classes=tuple(classes),
        target=content["target"],
        metric=metric,
        trained_on=content["trained_on"],
    )


def _check_classes(task: str, classes: object) -> None:
    """That there are as many labels as the task has classes.

    Raises:
        ValueError: There are not.
    """
    found = classes if isinstance(classes, list) and all(isinstance(label, str) for label in classes) else [None]
    fits, allowed = {
        "regression": (not found, "no texts"),
        "binary": (len(found) == 2, "2 distinct texts"),
        "multiclass": (len(found) > 2, "3 distinct texts or more"),
    }[task]
    _check(fits and len({*found}) == len(found), "classes", f"{allowed} where task is {task}", classes)


def _recipe(content: dict[str, Any]) -> Recipe:
    """The recipe, which agrees with the rest.

    Raises:
        ValueError: It is none, or does not.
    """
    try:
        recipe = Recipe.from_dict(content["recipe"])
    except ValueError as error:
        raise ValueError(f"recipe: {error}") from error
    names, features = list(recipe.names), content["features"]
    if features != names:
        count = f"{len(features)} of them" if isinstance(features, list) else repr(features)
        raise ValueError(f"features must be the {len(names)} of the recipe, however: {count}")
    _check(recipe.target == content["target"], "target", f"that of the recipe, {recipe.target!r}", content["target"])
    return recipe


def _layers(
    tensors: Tensors, layers: int, width: int, outputs: int
) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]]:
    """Weights and biases, from the features to the outputs.

    Args:
        tensors: By name.
        layers: How many pairs there are.
        width: F.
        outputs: O.

    Raises:
        ValueError: One is missing, one is not known, or has another shape or type, or a value that is not finite.
    """
    wanted = [f"{kind}{layer}" for layer in range(1, layers + 1) for kind in ("weight", "bias")]
    if absent := [name for name in wanted if name not in tensors]:
        raise ValueError(f"tensor {absent[0]} is missing (needed are {', '.join(wanted)})")
    if others := sorted({*tensors} - {*wanted}):
        raise ValueError(f"tensors must be {', '.join(wanted)} and no others, however: {others[0]}")
    weights, biases, members, inputs = [], [], 0, width
    for layer in range(1, layers + 1):
        weight, bias = tensors[f"weight{layer}"], tensors[f"bias{layer}"]
        if layer == 1 and weight.ndim == 3:
            members = weight.shape[0]
        units = outputs if layer == layers else weight.shape[2] if weight.ndim == 3 else 0
        for name, tensor, shape in (
            (f"weight{layer}", weight, (max(members, 1), inputs, max(units, 1))),
            (f"bias{layer}", bias, (max(members, 1), max(units, 1))),
        ):
            if tensor.dtype != np.float32:
                raise ValueError(f"tensor {name} must be float32, however: {tensor.dtype}")
            if tensor.shape != shape:
                raise ValueError(f"tensor {name} must have the shape {list(shape)}, however: {list(tensor.shape)}")
            if not np.isfinite(tensor).all():
                raise ValueError(f"tensor {name} must be finite throughout, however: it is not")
        weights.append(weight)
        biases.append(bias)
        inputs = units
    return tuple(weights), tuple(biases)


def _numbers(value: object, key: str) -> list[float]:
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list of numbers, however: {_short(value)}")
    return [_number(one, f"{key}[{place}]") for place, one in enumerate(value)]


def _number(value: object, key: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number beyond all floating-point ones
            if math.isfinite(value):
                return float(value)
    raise ValueError(f"{key} must be a finite number, however: {_short(value)}")


def _single(values: list[float], key: str) -> NDArray[np.float32]:
    """As float32, of which they are."""
    _check(all(abs(value) <= LARGEST for value in values), key, "numbers of float32", max(values, key=abs))
    return np.array(values, np.float32)


def _check(allowed: bool, key: str, what: str, value: object) -> None:
    if not allowed:
        raise ValueError(f"{key} must be {what}, however: {_short(value)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
