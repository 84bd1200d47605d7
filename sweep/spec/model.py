"""A sweep definition, read and checked: frozen records, the fingerprint, what differs between two.

``definition.py`` makes these records from TOML, ``toml.py`` writes them; nothing here checks anything.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweep.spec.source import is_local, shown_source

OFF: Literal["off"] = "off"
"""The value of ``max_norm`` that means no bound."""

SCALARS = ("learning_rate", "momentum", "max_norm", "lr_decay", "weight_decay")
"""Dimensions that every configuration has, beside placement, hidden and the rates of its layers."""

MAX_NAME = 100
"""Longest name of a sweep."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A dimension that is not searched.

    Attributes:
        value: A finite number; ``"off"`` is possible for ``max_norm`` alone.
    """

    value: float | str


@dataclass(frozen=True, slots=True)
class Range:
    """A dimension searched between two bounds, both included.

    Attributes:
        low: Below ``high``; above 0 when ``log``.
        high: Finite.
        log: Whether it is searched on a logarithmic scale.
        step: Distance between neighbouring values, a whole fraction of ``high - low``; ``None`` for all
            values. Never together with ``log``.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """A dimension searched among listed values.

    Attributes:
        values: Distinct, at least one; ``"off"`` is possible for ``max_norm`` alone.
    """

    values: tuple[float | str, ...]


Dimension = Fixed | Range | Choices


@dataclass(frozen=True, slots=True)
class DataSpec:
    """``[data]``: which table, and what its columns are.

    Attributes:
        source: As written: a path, a URL, ``"sklearn:<name>"`` or ``"openml:<id>"``.
        target: Column name or position, negative from the end.
        header: Whether the file's first row names the columns; ``None`` to detect it.
        task: ``None`` to detect it.
        positive: Label of the positive class, as text; ``None`` for the second in sorted order.
        categorical: Names of columns to be read as categories.
        drop: Names of columns to leave out.
        groups: Name of the column whose equal values must stay in one fold.
        missing: Texts that stand for missing values, beside those that always do.
    """

    source: str
    target: str | int
    header: bool | None
    task: Literal["classification", "regression"] | None
    positive: str | None
    categorical: tuple[str, ...]
    drop: tuple[str, ...]
    groups: str | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """``[network]``.

    Attributes:
        hidden: Candidates, each the units of its hidden layers; one when fixed.
        activation: After every hidden layer.
        init: Of the weights.
    """

    hidden: tuple[tuple[int, ...], ...]
    activation: Literal["relu", "tanh", "sigmoid"]
    init: Literal["glorot_uniform", "he_uniform", "normal", "torch"]


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """``[training]``. ``checkpoints`` is how many are wanted: see :func:`checkpoint_epochs`."""

    epochs: int
    batch_size: int
    nesterov: bool
    checkpoints: int
    stop: Literal["best", "last"]
    class_weight: Literal["none", "balanced"]


@dataclass(frozen=True, slots=True)
class SpaceSpec:
    """``[space]``: what is searched.

    Attributes:
        placements: The arms, each a name that ``layers.layers_of`` understands; one when fixed.
        dropout: Probability of dropping a unit, for every layer without an entry in ``dropout_layers``.
        dropout_layers: Layer name (``layers.layer_names``) to its own dimension, in the order of layers.
        shared: Whether all layers of a trial share one rate.
        learning_rate: Of the first epoch.
        momentum: In [0, 1).
        max_norm: Positive, or ``"off"``.
        lr_decay: Last / first learning rate, in (0, 1].
        weight_decay: At least 0.
    """

    placements: tuple[str, ...]
    dropout: Dimension
    dropout_layers: Mapping[str, Dimension] = field(hash=False)
    shared: bool
    learning_rate: Dimension
    momentum: Dimension
    max_norm: Dimension
    lr_decay: Dimension
    weight_decay: Dimension

    def rate(self, layer: str) -> Dimension:
        """The dropout dimension of a layer, by its name."""
        return self.dropout_layers.get(layer, self.dropout)


@dataclass(frozen=True, slots=True)
class ValidationSpec:
    """``[validation]``. ``metric`` is ``None`` for the default of the task."""

    folds: int
    repeats: int
    scheme: Literal["auto", "stratified", "kfold", "group", "timeseries"]
    metric: str | None


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """``[search]``. ``trials`` and ``batch`` are as written: ``space.arms`` rounds them up where arms are to be equal.

    Attributes:
        pruner: Who decides at a rung which trials go on.
        reduction: At least 2. Rungs lie at a share of the epochs, 1 / reduction, 1 / reduction², and so on; ``halving``
            keeps that share of the trials at each.
        lag: How many batches before its own a proposal does not see yet, 0 to 8.
    """

    trials: int
    batch: int
    allocation: Literal["equal", "sampler"]
    sampler: Literal["tpe", "random", "qmc", "grid"]
    pruner: Literal["none", "halving", "median"]
    reduction: int
    lag: int


@dataclass(frozen=True, slots=True)
class ChosenScore:
    """``chosen.honest_score``: value and 95 % interval, in the metric's own units."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """``[chosen]``: how the only configuration of a definition was chosen. Not a part of what is run.

    Attributes:
        sweep: Name of the sweep whose best it was.
        trials: Among how many.
        content_hash: Of the table there (``TableInfo.content_hash``).
        fingerprint: Of the definition this stands in: where that was changed it says nothing.
        honest_score: Of the choice; ``None`` where there was none.
    """

    sweep: str
    trials: int
    content_hash: str
    fingerprint: str
    honest_score: ChosenScore | None


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A whole definition. Two are equal when they define the same sweep, whatever file they came from.

    Attributes:
        chosen: How its configuration was chosen, in an exported definition.
        origin: The file it was read from, absolute; ``None`` for a definition without a file.
        default_trials: Whether nobody has given ``search.trials``.
    """

    format: int
    name: str
    seed: int
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    space: SpaceSpec
    validation: ValidationSpec
    search: SearchSpec
    chosen: Chosen | None = None
    origin: Path | None = field(default=None, compare=False)
    default_trials: bool = field(default=False, compare=False)

    @property
    def base_dir(self) -> Path | None:
        """Folder that relative paths of the definition are relative to."""
        return None if self.origin is None else self.origin.parent

    @property
    def place(self) -> str:
        """Where the definition stands, for messages: its file, or its name."""
        return self.name if self.origin is None else str(self.origin)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs (1-based, checkpoints before the last) after which trials may be stopped; empty without a pruner."""
        training, search = self.training, self.search
        if search.pruner == "none":
            return ()
        checkpoints = checkpoint_epochs(training.epochs, training.checkpoints)
        return rung_epochs(training.epochs, checkpoints, search.reduction)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over every key but those of :func:`_free_keys`."""
        kept = {path: value for path, value in _flat(plain(self)) if path not in _free_keys(self)}
        if not self.search.lag:
            del kept["search.lag"]  # sweeps begun before there was a lag had none, and can go on
        return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def safe_name(text: str) -> str:
    """The nearest to a text that can be the name of a sweep: ``"My table (2)"`` is ``"My-table-2"``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-_")[:MAX_NAME] or "sweep"


def checkpoint_epochs(epochs: int, checkpoints: int) -> tuple[int, ...]:
    """Epochs (1-based) after which everything is measured: evenly spaced, distinct, the last is ``epochs``.

    There are ``min(epochs, checkpoints)`` of them.
    """
    count = min(epochs, checkpoints)
    return tuple(position * epochs // count for position in range(1, count + 1))


def rung_epochs(epochs: int, checkpoints: tuple[int, ...], reduction: int) -> tuple[int, ...]:
    """Epochs after which trials are compared and the poor ones stopped, increasing; perhaps none.

    The rungs of successive halving (Jamieson & Talwalkar 2016): E / reduction, E / reduction², and so on, each moved to
    the nearest checkpoint (of two the earlier), as long as that is at least half of the first one.

    Args:
        epochs: E.
        checkpoints: C increasing epochs, the last is E.
        reduction: At least 2.
    """
    rungs: set[int] = set()
    aim = epochs / reduction
    while len(checkpoints) > 1 and aim >= checkpoints[0] / 2:
        rungs.add(min(checkpoints[:-1], key=lambda epoch: abs(epoch - aim)))
        aim /= reduction
    return tuple(sorted(rungs))


def plain(spec: SweepSpec) -> dict[str, Any]:
    """The definition as nested dictionaries in the shape of the TOML file, defaults spelled out, no ``None``."""
    network, space = spec.network, spec.space
    tables: dict[str, Any] = {
        "format": spec.format,
        "name": spec.name,
        "seed": spec.seed,
        "data": _table(spec.data),
        "network": {
            "hidden": _one_or_choices([list(units) for units in network.hidden]),
            "activation": network.activation,
            "init": network.init,
        },
        "training": _table(spec.training),
        "space": {
            "placement": _one_or_choices(list(space.placements)),
            "dropout": written(space.dropout),
            "shared": space.shared,
            **{key: written(getattr(space, key)) for key in SCALARS},
        },
        "validation": _table(spec.validation),
        "search": _table(spec.search),
    }
    if space.dropout_layers:
        tables["space"]["dropout_layers"] = {layer: written(own) for layer, own in space.dropout_layers.items()}
    if spec.chosen is not None:
        tables["chosen"] = {key: value for key, value in asdict(spec.chosen).items() if value is not None}
    return tables


def differences(old: SweepSpec, new: SweepSpec) -> list[str]:
    """What differs, a line each: ``training.epochs: 300 → 20``. What the fingerprint leaves out may differ."""
    before, after = dict(_flat(plain(old))), dict(_flat(plain(new)))
    free = _free_keys(old) & _free_keys(new)
    paths = [path for path in {**before, **after} if path not in free and before.get(path) != after.get(path)]
    return [f"{path}: {_change(before.get(path), after.get(path))}" for path in paths]


def _free_keys(spec: SweepSpec) -> frozenset[str]:
    """Keys that may differ between a sweep and its resume.

    A local table has many paths; what it holds is compared apart, by the hash of its content.
    """
    chosen = (f"chosen.{key}" for key in Chosen.__slots__)
    free = {"name", "search.trials", *chosen}
    if is_local(spec.data.source):
        free.add("data.source")
    if spec.search.pruner == "none":
        free.add("search.reduction")  # changes nothing then
    return frozenset(free)


def _table(section: DataSpec | TrainingSpec | ValidationSpec | SearchSpec) -> dict[str, Any]:
    """A section of plain values; what is ``None`` or empty is left to its default."""
    values = {key: getattr(section, key) for key in section.__slots__}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if value is not None and value != ()
    }


def _one_or_choices(candidates: list[Any]) -> Any:
    return candidates[0] if len(candidates) == 1 else {"choices": candidates}


def written(dimension: Dimension) -> Any:
    """A dimension as a file has it."""
    if isinstance(dimension, Fixed):
        return dimension.value
    if isinstance(dimension, Choices):
        return {"choices": list(dimension.values)}
    searched: dict[str, Any] = {"low": dimension.low, "high": dimension.high}
    if dimension.log:
        searched["log"] = True
    if dimension.step is not None:
        searched["step"] = dimension.step
    return searched


def _flat(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key paths and values; a dimension is one value."""
    for key, value in tables.items():
        if key in ("data", "network", "training", "space", "validation", "search", "chosen"):
            yield from ((f"{key}.{inner}", content) for inner, content in value.items())
        else:
            yield key, value


def _change(before: Any, after: Any) -> str:
    old, new = _show(before), _show(after)
    return f"{old} → {new}" if old != new else f"{old}, another in what is not shown"


def _show(value: Any) -> str:
    if isinstance(value, str):
        value = shown_source(value)
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
