"""Constructor parameters as a definition: the keys of its tables, without the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sweep.data import Dataset
from sweep.errors import UserError
from sweep.networks import MOST_NETWORKS
from sweep.space.arms import within_space
from sweep.spec.definition import from_tables
from sweep.spec.model import SweepSpec
from sweep.spec.values import is_whole, toml_like
from sweep.suggest.sizes import fit
from sweep.training.device import resolve

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "network": ("hidden", "activation", "init"),
    "training": ("epochs", "batch_size", "nesterov", "checkpoints", "stop", "class_weight"),
    "space": (
        "placement",
        "dropout",
        "dropout_layers",
        "shared",
        "learning_rate",
        "momentum",
        "max_norm",
        "lr_decay",
        "weight_decay",
    ),
    "validation": ("folds", "repeats", "scheme", "metric"),
    "search": ("trials", "batch", "allocation", "sampler", "pruner", "reduction", "lag"),
}
"""Parameters by the table of a definition that they belong to."""


def definition(
    estimator: BaseEstimator, data: Dataset, *, name: str, seed: int, changes: Mapping[str, Any] | None = None
) -> SweepSpec:
    """The definition of an estimator's parameters.

    A parameter that is ``None`` is what ``sweep init`` would choose for a table of this size, else the definition's
    default.

    Args:
        estimator: Its parameters are read.
        data: The table.
        name: Of the sweep.
        seed: As :func:`seed_of` gives it.
        changes: Parameters to take in place of the estimator's own.

    Raises:
        DefinitionError: Parameters are wrong; all that are, are listed.
    """
    given = {**estimator.get_params(deep=False), **(changes or {})}
    info = data.info
    smallest = None if info.task == "regression" else int(np.bincount(data.original_target()).min())
    sizes = fit(info.rows, len(info.features), info.outputs, smallest)
    fitted = {
        "hidden": sizes.hidden,
        "epochs": sizes.epochs,
        "batch_size": sizes.batch_size,
        "folds": sizes.folds,
        "trials": sizes.trials,
        # What scikit-learn's regressors are scored by.
        "metric": "r2" if info.task == "regression" else None,
    }
    tables: dict[str, Any] = {"format": 1, "name": name, "seed": seed, "data": {"source": "memory:X", "target": "y"}}
    if data.groups is not None:
        tables["data"]["groups"] = "groups"
    for section, keys in SECTIONS.items():
        values = {key: given.get(key) for key in keys}
        values = {key: fitted.get(key) if value is None else value for key, value in values.items()}
        tables[section] = {key: _written(key, value) for key, value in values.items() if value is not None}
    if isinstance(given.get("class_weight"), Mapping):  # is in the weights of the rows
        del tables["training"]["class_weight"]
    spec = from_tables(tables, type(estimator).__name__)
    return within_space(spec) if given.get("trials") is None else spec


def seed_of(random_state: Any) -> int:
    """A seed from ``random_state``: the same for the same number, another one each time for ``None``."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def unfit(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters that all estimators have and no definition."""
    if not is_whole(given["ensemble"], 1, MOST_NETWORKS):
        yield f"ensemble must be a number of networks from 1 to {MOST_NETWORKS}, however: {given['ensemble']!r}"
    if given["handle_unknown"] not in ("error", "ignore"):
        yield f'handle_unknown must be "error" or "ignore", however: {given["handle_unknown"]!r}'
    try:
        resolve(str(given["device"]))
    except UserError as error:
        yield str(error)


def whole(name: str, value: Any, least: int) -> int:
    """A parameter that counts something.

    Raises:
        ValueError: It is no whole number, or below ``least``.
    """
    if is_whole(value, least):
        return int(value)
    raise ValueError(f"{name} must be a whole number of at least {least}, however: {value!r}")


def _written(key: str, value: Any) -> Any:
    """As a definition has it. Several placements, or networks, are choices."""
    value = toml_like(value)
    several = isinstance(value, list) and any(isinstance(one, list) for one in value)
    if (key == "placement" and isinstance(value, list)) or (key == "hidden" and several):
        return {"choices": value}
    return value
