"""The schema of a definition: keys, types, bounds and defaults of every table, for pydantic.

``shape.py`` says in our own words what pydantic finds. Rules that involve more than one key are in ``checks.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from sweep.spec.model import MAX_NAME

# The widest and deepest networks that make sense on a table, and numbers no sweep reaches: a typing error
# should not end as a machine without memory.
MAX_WIDTH = 16_384
MAX_DEPTH = 16
MAX_COUNT = 1_000_000
MAX_SPLITS = 1_000
MAX_LAG = 8  # batches: beyond, proposals would know next to nothing
NAME = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}$"


def _column(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("rule", "must be a column name or a position such as -1")
    return value


def _version(value: Any) -> Any:
    """To Python ``true`` and ``1.0`` equal 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("rule", "must be the whole number 1")
    return value


def _label(value: Any) -> Any:
    """A class label: in a file 1 is as natural as "1"."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("rule", "must be a class label, as text or a whole number")
    return str(value)


def _cell(value: Any) -> Any:
    """What a cell holds: in a file -999 is as natural as "-999"."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticCustomError("rule", "must be the text of a cell, or a number")
    return str(value)


def _without_nul(value: str) -> str:
    """No file, column or database takes this character."""
    if "\0" in value:
        raise PydanticCustomError("rule", "must not contain the character NUL")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise PydanticCustomError("rule", "must be a number, { low, high, log, step } or { choices = [..] }")
    return value


def _number_or_off(value: Any) -> Any:
    if value == "off":
        return value
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise PydanticCustomError("rule", 'must be a number, "off", { low, high, log, step } or { choices = [..] }')
    return value


def _placement(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("rule", 'must be a placement such as "all", "subsets" or { choices = [..] }')
    return value


def _hidden(value: Any) -> Any:
    if not isinstance(value, list):
        raise PydanticCustomError("rule", "must be a list of widths such as [60, 30] or { choices = [[..], [..]] }")
    return value


def dimension_kind(value: Any) -> str:
    """Which form of a dimension was meant: ``value``, ``range`` or ``choices``."""
    if not isinstance(value, dict):
        return "value"
    if any(difflib.get_close_matches(str(key), ["choices"]) for key in value):
        return "choices"
    return "range"


def _kind_without_range(value: Any) -> str:
    return "choices" if isinstance(value, dict) else "value"


class _Strict(BaseModel):
    """No conversions, no unknown keys, no changes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Number = Annotated[float, Field(allow_inf_nan=False)]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Widths = Annotated[list[Width], Field(min_length=1, max_length=MAX_DEPTH)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_without_nul)]


class RangeModel(_Strict):
    """``{ low, high, log, step }``."""

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None


class ChoicesModel(_Strict):
    """``{ choices = [..] }`` of numbers."""

    choices: list[Number] = Field(min_length=1)


class NormChoicesModel(_Strict):
    """``{ choices = [..] }`` of numbers and ``"off"``."""

    choices: list[Annotated[Number | Literal["off"], BeforeValidator(_number_or_off)]] = Field(min_length=1)


class PlacementChoicesModel(_Strict):
    """``{ choices = [..] }`` of placements."""

    choices: list[Text] = Field(min_length=1)


class HiddenChoicesModel(_Strict):
    """``{ choices = [..] }`` of lists of widths."""

    choices: list[Annotated[Widths, BeforeValidator(_hidden)]] = Field(min_length=1)


Dimension = Annotated[
    Annotated[Number, BeforeValidator(_number), Tag("value")]
    | Annotated[RangeModel, Tag("range")]
    | Annotated[ChoicesModel, Tag("choices")],
    Discriminator(dimension_kind),
]
NormDimension = Annotated[
    Annotated[Number | Literal["off"], BeforeValidator(_number_or_off), Tag("value")]
    | Annotated[RangeModel, Tag("range")]
    | Annotated[NormChoicesModel, Tag("choices")],
    Discriminator(dimension_kind),
]
Placement = Annotated[
    Annotated[Text, BeforeValidator(_placement), Tag("value")] | Annotated[PlacementChoicesModel, Tag("choices")],
    Discriminator(_kind_without_range),
]
Hidden = Annotated[
    Annotated[Widths, BeforeValidator(_hidden), Tag("value")] | Annotated[HiddenChoicesModel, Tag("choices")],
    Discriminator(_kind_without_range),
]


class DataModel(_Strict):
    """``[data]``."""

    source: Text
    target: Annotated[str | int, BeforeValidator(_column)] = -1
    header: bool | None = None
    task: Literal["classification", "regression"] | None = None
    positive: Annotated[str | None, BeforeValidator(_label)] = None
    categorical: list[Text] = []
    drop: list[Text] = []
    groups: Text | None = None
    missing: list[Annotated[str, BeforeValidator(_cell), AfterValidator(_without_nul)]] = []


class NetworkModel(_Strict):
    """``[network]``."""

    hidden: Hidden = [64, 32]
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    init: Literal["glorot_uniform", "he_uniform", "normal", "torch"] = "glorot_uniform"


class TrainingModel(_Strict):
    """``[training]``."""

    epochs: Count = 300
    batch_size: Count = 16
    nesterov: bool = False
    checkpoints: Count = 12
    stop: Literal["best", "last"] = "best"
    class_weight: Literal["none", "balanced"] = "none"


class SpaceModel(_Strict):
    """``[space]``."""

    placement: Placement = PlacementChoicesModel(choices=["none", "input", "hidden", "all"])
    dropout: Dimension = RangeModel(low=0.05, high=0.7)
    dropout_layers: dict[str, Dimension] = {}
    shared: bool = False
    learning_rate: Dimension = RangeModel(low=0.003, high=0.5, log=True)
    momentum: Dimension = RangeModel(low=0.5, high=0.99)
    max_norm: NormDimension = RangeModel(low=1.0, high=5.0)
    lr_decay: Dimension = RangeModel(low=0.01, high=1.0, log=True)
    weight_decay: Dimension = 0.0


class ValidationModel(_Strict):
    """``[validation]``."""

    folds: int = Field(default=10, ge=2, le=MAX_SPLITS)
    repeats: int = Field(default=1, ge=1, le=MAX_SPLITS)
    scheme: Literal["auto", "stratified", "kfold", "group", "timeseries"] = "auto"
    metric: Text | None = None


class SearchModel(_Strict):
    """``[search]``."""

    trials: Count = 128
    batch: Count = 16
    allocation: Literal["equal", "sampler"] = "equal"
    sampler: Literal["tpe", "random", "qmc", "grid"] = "tpe"
    pruner: Literal["none", "halving", "median"] = "none"
    reduction: int = Field(default=3, ge=2, le=MAX_COUNT)
    lag: int = Field(default=1, ge=0, le=MAX_LAG)


class ChosenScoreModel(_Strict):
    """``chosen.honest_score``."""

    value: Number
    low: Number
    high: Number


class ChosenModel(_Strict):
    """``[chosen]``."""

    sweep: str = Field(pattern=NAME)
    trials: Count
    content_hash: Text
    fingerprint: Text
    honest_score: ChosenScoreModel | None = None


class DefinitionModel(_Strict):
    """The whole file."""

    format: Annotated[Literal[1], BeforeValidator(_version)] = 1
    name: str = Field(pattern=NAME)
    # What every random generator in use takes as a seed.
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    data: DataModel
    network: NetworkModel = NetworkModel()
    training: TrainingModel = TrainingModel()
    space: SpaceModel = SpaceModel()
    validation: ValidationModel = ValidationModel()
    search: SearchModel = SearchModel()
    chosen: ChosenModel | None = None


SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataModel,
    "network": NetworkModel,
    "training": TrainingModel,
    "space": SpaceModel,
    "validation": ValidationModel,
    "search": SearchModel,
    "chosen": ChosenModel,
}


def default_range(path: Sequence[str]) -> dict[str, Any]:
    """The range that is the default of a dimension, so that one of its bounds can be set; else an empty table."""
    field = SpaceModel.model_fields.get(path[-1]) if list(path[:-1]) == ["space"] else None
    default = None if field is None else field.default
    return default.model_dump(exclude_defaults=True) if isinstance(default, RangeModel) else {}
