"""A file against the schema: what is wrong with its keys and types, in our own words, and what of it is sound."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sweep.spec.model import MAX_NAME
from sweep.spec.schema import SECTIONS, ChosenScoreModel, DefinitionModel, RangeModel, dimension_kind
from sweep.spec.source import shown_source

_SHOWN = 80  # characters of a wrong value that an error message shows

_STAND_IN = 0.5  # for a number that is not one: what stands beside it can be checked all the same


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

    @property
    def key(self) -> str:
        """The path as it is written: ``"space.momentum.choices[1]"``."""
        written = ""
        for key in self.path:
            written += f"[{key}]" if isinstance(key, int) else f".{key}" if written else key
        return written

    def said(self, place: str) -> str:
        """The problem as the user reads it. ``place``: where the key stands."""
        if self.value is ABSENT:
            value = "it is not there"
        else:
            known = shown_source(self.value) if isinstance(self.value, str) else self.value
            value = json.dumps(known, ensure_ascii=False, default=_shown)
            value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        return f"{self.key} {self.rule}, however: {value} ({place})"


def _shown(value: Any) -> str:
    """A value that JSON has none of: dates are TOML's own, the others say what they are: ``Decimal('0.1')``."""
    return str(value) if hasattr(value, "isoformat") else repr(value)


class Absent:
    """Type of :data:`ABSENT`: the key is not there."""


ABSENT = Absent()


def check_shape(tables: Mapping[str, Any]) -> tuple[DefinitionModel, set[str], list[Problem]]:
    """Checks keys and types.

    Args:
        tables: A parsed TOML file, ``name`` included.

    Returns:
        A model; the keys of it that do not hold what the file says, since that has a problem: ``section``,
        ``section.key`` or deeper; and the problems.
    """
    usable = copy.deepcopy(dict(tables))
    broken: set[str] = set()
    problems: list[Problem] = []
    # What is wrong is taken out, one bound of a dimension if that is enough, else the key, else the section, so that
    # the rules between the others are checked too.
    for depth in (None, 2, 1):
        try:
            return DefinitionModel.model_validate(usable), broken, problems
        except ValidationError as error:
            found = error.errors(include_url=False)
        problems = problems or [_translate(detail, tables) for detail in found]
        for detail in found:
            path = _path(detail["loc"])
            if depth is None and detail["type"] == "extra_forbidden":
                _take_out(usable, path)
            else:
                taken = _mend(usable, path) if depth is None else _take_out(usable, path[:depth])
                broken.add(".".join(map(str, taken)))
        usable.setdefault("name", "unnamed")
        usable.setdefault("data", {}).setdefault("source", "missing")
    return DefinitionModel.model_validate(usable), broken, problems


def _mend(usable: dict[str, Any], path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Puts a number in place of one that is not, in a numeric dimension; else takes the key out. Gives what it was."""
    dimension = 3 if path[:2] == ("space", "dropout_layers") else 2
    inside = path[dimension:]
    if path[0] != "space" or path[1:2] == ("placement",) or not inside or inside == ("choices",):
        return _take_out(usable, path[:dimension])
    if inside[0] in ("log", "step"):
        return _take_out(usable, path)
    _parent(usable, path)[path[-1]] = _STAND_IN
    return path


def _take_out(usable: dict[str, Any], path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    parent = _parent(usable, path)
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
    return path


def _parent(usable: dict[str, Any], path: tuple[str | int, ...]) -> Any:
    """What holds the last key of a path; ``None`` where that was taken out already."""
    table: Any = usable
    for key in path[:-1]:
        table = table.get(key) if isinstance(table, dict) else table[key]
        if table is None:
            break
    return table


def _translate(detail: ErrorDetails, tables: Mapping[str, Any]) -> Problem:
    """One of pydantic's errors as a problem."""
    path = _path(detail["loc"])
    value = ABSENT if detail["type"] == "missing" else detail["input"]
    if path == ("data",) and value is ABSENT:
        return Problem(("data", "source"), "must be given", value)
    if detail["type"] == "extra_forbidden":
        return Problem(path, _unknown_key(path, tables), value)
    return Problem(path, _rule(detail, path), value)


def _path(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
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
    if path in (("name",), ("chosen", "sweep")):
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
    inside = [] if parents else [f"{name}.{key}" for name, section in SECTIONS.items() if key in section.model_fields]
    if inside:
        return f"must be a known key (did you mean {' or '.join(inside)}?)"
    return "must be a known key" + (suggestion(key, known) or f" ({', '.join(known)})")


def _known_keys(parents: list[str | int], tables: Mapping[str, Any]) -> list[str]:
    if not parents:
        return list(DefinitionModel.model_fields)
    if len(parents) == 1:
        return list(SECTIONS[str(parents[0])].model_fields)
    if parents[0] == "chosen":
        return list(ChosenScoreModel.model_fields)
    value: Any = tables
    for parent in parents:
        value = value[parent]
    searched = dimension_kind(value) == "range" and parents[1] not in ("placement", "hidden")
    return list(RangeModel.model_fields) if searched else ["choices"]


def suggestion(value: Any, known: Iterable[str]) -> str:
    """``" (did you mean x?)"`` when a known name is near, else nothing."""
    spelled = {name.casefold(): name for name in known}
    near = [spelled[name] for name in difflib.get_close_matches(str(value).casefold(), spelled, n=2, cutoff=0.6)]
    return f" (did you mean {' or '.join(near)}?)" if near else ""
