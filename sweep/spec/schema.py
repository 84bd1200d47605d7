"""The shape of a definition: keys, types, bounds and defaults of every table, checked by pydantic.

What pydantic finds comes out as :class:`Problem` in our own words. Rules that involve more than one
key are in ``checks.py``.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sweep.spec.model import MAX_NAME

# The widest and deepest networks that make sense on a table, and numbers no sweep reaches: a typing error
# should not end as a machine without memory.
MAX_WIDTH = 16_384
MAX_DEPTH = 16
MAX_COUNT = 1_000_000
MAX_SPLITS = 1_000
NAME = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}$"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a definition.

    Attributes:
        path: Keys from the top, such as ``("space", "dropout", "high")``.
        rule: What is allowed, beginning with "must".
        value: What was found; :data:`ABSENT` if nothing.
    """

    path: tuple[str | int, ...]
    rule: str
    value: Any


class Absent:
    """Type of :data:`ABSENT`: the key is not there."""


ABSENT = Absent()


def _column(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("rule", "must be a column name or a position such as -1")
    return value


def _label(value: Any) -> Any:
    """A class label: in a file 1 is as natural as "1"."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("rule", "must be a class label, as text or a whole number")
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


def _kind(value: Any) -> str:
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
    Discriminator(_kind),
]
NormDimension = Annotated[
    Annotated[Number | Literal["off"], BeforeValidator(_number_or_off), Tag("value")]
    | Annotated[RangeModel, Tag("range")]
    | Annotated[NormChoicesModel, Tag("choices")],
    Discriminator(_kind),
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


class DefinitionModel(_Strict):
    """The whole file."""

    format: Literal[1] = 1
    name: str = Field(pattern=NAME)
    # What every random generator in use takes as a seed.
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    data: DataModel
    network: NetworkModel = NetworkModel()
    training: TrainingModel = TrainingModel()
    space: SpaceModel = SpaceModel()
    validation: ValidationModel = ValidationModel()
    search: SearchModel = SearchModel()


SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataModel,
    "network": NetworkModel,
    "training": TrainingModel,
    "space": SpaceModel,
    "validation": ValidationModel,
    "search": SearchModel,
}


def default_range(path: Sequence[str]) -> dict[str, Any]:
    """The range that is the default of a dimension, so that one of its bounds can be set; else an empty table."""
    field = SpaceModel.model_fields.get(path[-1]) if list(path[:-1]) == ["space"] else None
    default = None if field is None else field.default
    return default.model_dump(exclude_defaults=True) if isinstance(default, RangeModel) else {}


def check_shape(tables: Mapping[str, Any]) -> tuple[DefinitionModel, set[str], list[Problem]]:
    """Checks keys and types.

    Args:
        tables: A parsed TOML file, ``name`` included.

    Returns:
        A model, in which keys with problems have their defaults; these keys, as ``section.key``, or
        ``section`` when all of it is unusable; and the problems.
    """
    try:
        return DefinitionModel.model_validate(tables), set(), []
    except ValidationError as error:
        found = error.errors(include_url=False)
    problems = [_translate(detail, tables) for detail in found]
    # A second look without the broken keys, so that the rules between the other keys are checked too.
    usable = copy.deepcopy(dict(tables))
    broken = {problem.path[:2] if problem.path[0] in SECTIONS else problem.path[:1] for problem in problems}
    for section, *key in sorted(broken, key=len, reverse=True):
        if key and isinstance(usable.get(str(section)), dict):
            usable[str(section)].pop(key[0], None)
        else:
            usable.pop(str(section), None)
    usable.setdefault("name", "unnamed")
    usable.setdefault("data", {}).setdefault("source", "missing")
    return DefinitionModel.model_validate(usable), {".".join(map(str, path)) for path in broken}, problems


def _translate(detail: ErrorDetails, tables: Mapping[str, Any]) -> Problem:
    """One of pydantic's errors as a problem."""
    path = _path(detail["loc"], tables)
    value = ABSENT if detail["type"] == "missing" else detail["input"]
    if path == ("data",) and value is ABSENT:
        return Problem(("data", "source"), "must be given", value)
    if detail["type"] == "extra_forbidden":
        return Problem(path, _unknown_key(path, tables), value)
    return Problem(path, _rule(detail, path), value)


def _path(loc: tuple[str | int, ...], tables: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Pydantic's location without the tags of forms, which are no keys of the file.

    A tag stands right after a dimension: the second or, in ``dropout_layers``, the third key.
    """
    at = 3 if loc[:2] == ("space", "dropout_layers") else 2
    if len(loc) > at and loc[at] in ("value", "range", "choices") and loc[0] in ("space", "network"):
        loc = loc[:at] + loc[at + 1 :]
    # A union such as "number or off" adds the names of its members at the end.
    while loc and isinstance(loc[-1], str) and (loc[-1] == "float" or loc[-1].startswith("literal[")):
        loc = loc[:-1]
    return loc


def _rule(detail: ErrorDetails, path: tuple[str | int, ...]) -> str:
    """What is allowed, in our words."""
    context = detail.get("ctx", {})
    if path == ("name",):
        return f"must be 1 to {MAX_NAME} letters, digits, dots, hyphens and underscores, the first a letter or digit"
    match detail["type"]:
        case "rule":
            return detail["msg"]
        case "missing":
            return "must be given"
        case "literal_error":
            expected = context["expected"].replace("'", "").replace(" or ", ", ")
            return f"must be one of {expected}{suggestion(detail['input'], expected.split(', '))}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "too_long":
            return f"must have at most {context['max_length']} entries"
        case kind:
            return _RULES.get(kind, f"must be valid ({detail['msg']})")


_RULES = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be finite",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}


def _unknown_key(path: tuple[str | int, ...], tables: Mapping[str, Any]) -> str:
    """What to say of a key that is not known: the nearest known ones, or all."""
    *parents, key = path
    known = _known_keys(parents, tables)
    return "must be a known key" + (suggestion(key, known) or f" ({', '.join(known)})")


def _known_keys(parents: list[str | int], tables: Mapping[str, Any]) -> list[str]:
    if not parents:
        return list(DefinitionModel.model_fields)
    if len(parents) == 1:
        return list(SECTIONS[str(parents[0])].model_fields)
    value: Any = tables
    for parent in parents:
        value = value[parent]
    searched = _kind(value) == "range" and parents[1] not in ("placement", "hidden")
    return list(RangeModel.model_fields) if searched else ["choices"]


def suggestion(value: Any, known: Iterable[str]) -> str:
    """``" (did you mean x?)"`` when a known name is near, else nothing."""
    near = difflib.get_close_matches(str(value), list(known), n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
