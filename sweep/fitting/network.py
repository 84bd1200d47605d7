"""One network, or an ensemble, with given hyperparameters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from sweep.errors import DefinitionError
from sweep.fitting.parameters import definition, seed_of, unfit
from sweep.fitting.rows import Rows
from sweep.networks import Networks
from sweep.records import Configuration, Hyperparameters
from sweep.run.prepare import training_plan
from sweep.spec.layers import layer_names, placement_name
from sweep.spec.model import OFF, Fixed, SpaceSpec
from sweep.spec.values import is_whole
from sweep.training.device import resolve
from sweep.training.whole import train_whole


def train(estimator: BaseEstimator, rows: Rows) -> Networks:
    """Trains with an estimator's parameters on all rows.

    Warns:
        ConvergenceWarning: Some networks diverged.

    Raises:
        DefinitionError: Parameters are wrong; all that are, are listed.
        UserError: There is no such device.
    """
    given, spec = estimator.get_params(deep=False), None
    problems: list[str] = []
    changes = {"placement": "none", "max_norm": OFF if given["max_norm"] is None else given["max_norm"]}
    try:
        spec = definition(estimator, rows.data, name="network", seed=seed_of(given["random_state"]), changes=changes)
    except DefinitionError as error:
        problems += error.problems
    depth = None if spec is None else len(spec.network.hidden[0])
    epochs = None if spec is None else spec.training.epochs
    problems += [f"{said} ({type(estimator).__name__})" for said in _problems(given, depth, epochs)]
    if problems or spec is None:
        raise DefinitionError(problems)
    params = _hyperparameters(spec.space, spec.network.hidden[0], _rates(given, len(spec.network.hidden[0])))
    configuration = Configuration(params, given["stop_epoch"] or spec.training.epochs)
    plan, device = training_plan(spec, rows.data.info), resolve(given["device"])
    networks = train_whole(rows.data, configuration, plan, members=given["ensemble"], device=device)
    if networks.diverged:
        said = f"{networks.diverged} of {networks.members} networks diverged, and predict a constant"
        warnings.warn(f"{said}: a lower learning_rate may help", ConvergenceWarning, stacklevel=5)
    return networks


def parameters_of(configuration: Configuration) -> dict[str, Any]:
    """A configuration as parameters of an estimator of one network."""
    own = configuration.params
    return {
        "hidden": own.hidden,
        "dropout_input": own.dropout[0],
        "dropout_hidden": own.dropout[1:],
        "learning_rate": own.learning_rate,
        "momentum": own.momentum,
        "max_norm": OFF if own.max_norm is None else own.max_norm,
        "lr_decay": own.lr_decay,
        "weight_decay": own.weight_decay,
        "stop_epoch": configuration.epoch,
    }


def _hyperparameters(space: SpaceSpec, hidden: tuple[int, ...], rates: tuple[float, ...]) -> Hyperparameters:
    """Those of a space whose dimensions are all fixed."""

    def value(name: str) -> Any:
        dimension = getattr(space, name)
        assert isinstance(dimension, Fixed)  # noqa: S101 - `_problems` says so otherwise
        return dimension.value

    return Hyperparameters(
        hidden=hidden,
        placement=placement_name(tuple(rate > 0 for rate in rates)),
        dropout=rates,
        learning_rate=value("learning_rate"),
        momentum=value("momentum"),
        max_norm=None if value("max_norm") == OFF else value("max_norm"),
        lr_decay=value("lr_decay"),
        weight_decay=value("weight_decay"),
    )


def _rates(given: Mapping[str, Any], depth: int) -> tuple[float, ...]:
    """Of each layer that may drop units, the input first."""
    hidden = given["dropout_hidden"]
    each = [hidden] * depth if np.ndim(hidden) == 0 else list(hidden)
    return float(given["dropout_input"]), *map(float, each)


def _problems(given: Mapping[str, Any], depth: int | None, epochs: int | None) -> Iterator[str]:
    """What is wrong with the parameters that no definition has; ``None`` where those it has are wrong."""
    for name in ("learning_rate", "momentum", "max_norm", "lr_decay", "weight_decay"):
        if isinstance(given[name], Mapping) or (given[name] is None and name != "max_norm"):
            yield f"{name} must be one value, however: {given[name]!r}"
    units = given["hidden"]
    if isinstance(units, Mapping) or (_is_several(units) and any(map(_is_several, units))):
        yield f"hidden must be the units of each layer of one network, however: {units!r}"
    yield from unfit(given)
    hidden = given["dropout_hidden"]
    single = not _is_several(hidden)
    if not _is_rate(given["dropout_input"]):
        yield f"dropout_input must be a rate from 0 to below 1, however: {given['dropout_input']!r}"
    if not all(map(_is_rate, [hidden] if single else hidden)):
        yield f"dropout_hidden must be a rate from 0 to below 1, or several, however: {hidden!r}"
    elif not single and depth is not None and len(hidden) != depth:
        layers = ", ".join(layer_names(depth)[1:])
        yield f"dropout_hidden must be one rate, or one for each of {layers}, however: {hidden!r}"
    last = given["stop_epoch"]
    if last is not None and epochs is not None and not (is_whole(last, 1) and last <= epochs):
        yield f"stop_epoch must be an epoch from 1 to {epochs}, or None, however: {last!r}"


def _is_several(value: Any) -> bool:
    """Whether it holds values, in an order."""
    return isinstance(value, list | tuple | range) or getattr(value, "ndim", 0) > 0


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(0 <= value < 1)
