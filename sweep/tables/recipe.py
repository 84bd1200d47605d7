"""How the columns of one table became features: what it takes to do the same with other rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.tables.columns import Column, near
from sweep.tables.features import LARGEST, MOST_LEVELS, MOST_POOLED, FeaturePlan, check_finite, fill, moved
from sweep.tables.formats import SINGLE, holds
from sweep.tables.given import read_given
from sweep.tables.types import Table
from sweep.wording import count

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Unseen:
    """Levels of a category that the table behind a recipe did not have.

    Attributes:
        column: Name of the category.
        levels: As text.
        cells: That hold them.
        rare: Whether they count as rare levels; else all features of the column are 0.
    """

    column: str
    levels: tuple[str, ...]
    cells: int
    rare: bool

    @property
    def said(self) -> str:
        """What was met: ``"column 'city': 1 level never seen before, in 3 cells: 'Paris'"``."""
        shown = ", ".join(repr(level[:40]) for level in self.levels[:_SHOWN]) + (", …" * (len(self.levels) > _SHOWN))
        met = f"{count(len(self.levels), 'level')} never seen before, in {count(self.cells, 'cell')}"
        return f"column {self.column!r}: {met}: {shown}"

    def __str__(self) -> str:
        """A note: what was met, and what became of it."""
        return f"{self.said}; {'they count as rare ones' if self.rare else 'all features of the column are 0 there'}"


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """A table as features, by a recipe.

    Attributes:
        features: ``[n, Fp]`` float32, NaN for missing; columns beyond the F of ``Recipe.names`` are 0.
        notes: What was left out and what became of cells that the recipe has no feature for; ``unseen`` not among it.
        unseen: Levels that were never seen, column by column.
    """

    features: NDArray[np.float32]
    notes: tuple[str, ...]
    unseen: tuple[Unseen, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """From columns to features, as it was settled by one table.

    Attributes:
        plans: Of the columns that are used, in the order of their features.
        target: Name of the column that was predicted; ``None`` if the table did not have it.
        unused: Names of the other columns, which are no features: left out, dropped, or the groups.
        missing: Texts that stand for missing values, beside those that always do (``data.missing``).
    """

    plans: tuple[FeaturePlan, ...]
    target: str | None
    unused: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F feature columns."""
        return tuple(name for plan in self.plans for name in plan.names)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that a table needs."""
        return tuple(plan.column for plan in self.plans)

    def apply(self, table: Table, *, align: int = 1) -> Applied:
        """Encodes other rows as those of the first table were.

        Args:
            table: With the columns of the recipe, in any order, typed as they may be. Those it names beside them may be
                there or not; others are left out with a note.
            align: The width Fp of the matrix is the number of features rounded up to a multiple of it.

        Raises:
            DataError: No rows, columns that are missing, cells that cannot be read as the others were, infinite or too
                large numbers.
        """
        rows = len(table.frame)
        if rows == 0:
            raise DataError(f"{table.source}: the table is empty ({len(table.columns)} columns, 0 rows)")
        self._check_columns(table)
        table = replace(table, missing=self.missing)
        width = len(self.names)
        matrix = np.zeros((rows, width + -width % align), np.float32)
        notes, unseen = self._extra(table), []
        start = 0
        for plan in self.plans:
            column = read_given(table, plan)
            check_finite(table, column)
            _check_range(table, plan, column)
            stop = start + len(plan.names)
            fill(plan, column, matrix[:, start:stop])
            start = stop
            if column.codes is not None:
                unseen += _unseen(plan, column)
                if not plan.missing and (gaps := int(column.missing.sum())):
                    notes.append(
                        f"column {plan.column!r}: {count(gaps, 'cell is', 'cells are')} missing, however none was "
                        "before; all features of the column are 0 there"
                    )
        return Applied(matrix, tuple(notes), tuple(unseen))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON: dictionaries, lists, texts and numbers, which are exact."""
        return {
            "target": self.target,
            "unused": list(self.unused),
            "missing": sorted(self.missing),
            "columns": [_plan_to_dict(plan) for plan in self.plans],
        }

    @classmethod
    def from_dict(cls, content: object) -> Recipe:
        """The recipe of :meth:`to_dict`.

        Raises:
            ValueError: It is none: keys that are missing or unknown, values that cannot be. The message names the key,
                the value and what is allowed; where it was read, whoever read it has to say.
        """
        keys = _keys(content, "the recipe", ("target", "unused", "missing", "columns"))
        plans = keys["columns"]
        if not isinstance(plans, list) or not plans:
            raise ValueError(f"columns must be a list that is not empty, however: {_short(plans)}")
        recipe = cls(
            plans=tuple(_plan_from_dict(plan, f"columns[{place}]") for place, plan in enumerate(plans)),
            target=None if keys["target"] is None else _text(keys["target"], "target"),
            unused=_texts(keys["unused"], "unused"),
            missing=frozenset(_texts(keys["missing"], "missing")),
        )
        names = [*recipe.columns, *recipe.unused, *([] if recipe.target is None else [recipe.target])]
        if twice := next((name for name, times in Counter(names).items() if times > 1), None):
            raise ValueError(f"names of columns must differ, target and unused included, however: {twice!r} twice")
        return recipe

    def _check_columns(self, table: Table) -> None:
        """Refuses a table without the columns that are needed, or with two of one name.

        Raises:
            DataError: All of them, and what there is.
        """
        there, needed = table.columns, set(self.columns)
        if len(set(there)) < len(there):
            twice = next(name for name, times in Counter(there).items() if times > 1)
            raise DataError(f"{table.source}: several columns have the name {twice!r}; names must differ")
        absent = sorted(needed - set(there), key=self.columns.index)
        if not absent:
            return
        free = [name for name in there if name not in needed]
        lines = [f"{name!r} ({hint})" if (hint := _alike(name, free)) else repr(name) for name in absent[:12]]
        more = f", … ({len(absent)} in all)" if len(absent) > len(lines) else ""
        found = ", ".join(map(repr, there[:12])) + (f", … ({len(there)} in all)" if len(there) > 12 else "")
        raise DataError(
            f"{table.source}: {count(len(absent), 'column is', 'columns are')} missing: {', '.join(lines)}{more}; "
            f"expected are {count(len(self.plans), 'column')}, found: {found}"
        )

    def _extra(self, table: Table) -> list[str]:
        """A note about columns that the first table did not have."""
        known = {*self.columns, *self.unused, self.target}
        extra = [name for name in table.columns if name not in known]
        if not extra:
            return []
        shown = ", ".join(map(repr, extra[:_SHOWN])) + (", …" if len(extra) > _SHOWN else "")
        return [f"{count(len(extra), 'column is', 'columns are')} not used, unknown before: {shown}"]


def _alike(name: str, columns: list[str]) -> str:
    """``"did you mean 'age'?"``, or nothing."""
    if same := [column for column in columns if column.strip().casefold() == name.strip().casefold()]:
        return f"did you mean {same[0]!r}?"
    hint = near(name, columns)
    return hint if hint.startswith("did you mean") else ""


def _unseen(plan: FeaturePlan, column: Column) -> list[Unseen]:
    """Levels that the plan does not know; none where it does not know all those that it had."""
    assert column.codes is not None  # noqa: S101 - a column of levels
    if plan.rare and not plan.pooled:
        return []
    known = {*plan.levels, *plan.pooled}
    codes = [code for code, level in enumerate(column.levels) if level not in known]
    cells = int(np.isin(column.codes, codes).sum())
    return [Unseen(plan.column, tuple(column.levels[code] for code in codes), cells, plan.rare)] if cells else []


def _check_range(table: Table, plan: FeaturePlan, column: Column) -> None:
    """Refuses numbers so far from those before that they are none in float32.

    Raises:
        DataError: Naming column, row and value.
    """
    if column.numbers is None or not (plan.shift or plan.exponent):
        return
    with np.errstate(over="ignore"):
        beyond = np.flatnonzero(np.abs(moved(plan, column.numbers)) > LARGEST)
    if len(beyond):
        row = int(beyond[0])
        raise DataError(
            f"{table.cell(column.name, row + 1)}: {column.numbers[row]} is too far from the numbers there were before; "
            "correct it, or empty the cell if it is missing"
        )


# --- as JSON ----------------------------------------------------------------------------------------------------------

_ALL = ("column", "kind", "format")
_OF_NUMBERS = (*_ALL, "shift", "exponent")
_OF_LEVELS = (*_ALL, "levels", "rare", "missing", "pooled")
_EXPONENTS = (-1100, 130)  # of numbers within the range of float32


def _plan_to_dict(plan: FeaturePlan) -> dict[str, Any]:
    content = {key: getattr(plan, key) for key in (_OF_LEVELS if plan.kind == "categorical" else _OF_NUMBERS)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}


def _plan_from_dict(content: object, where: str) -> FeaturePlan:
    """The plan of one column.

    Raises:
        ValueError: See :meth:`Recipe.from_dict`.
    """
    kind = content.get("kind") if isinstance(content, dict) else None
    keys = _keys(content, where, _OF_LEVELS if kind == "categorical" else _OF_NUMBERS)
    column, key = _text(keys["column"], f"{where}.column"), _text(keys["format"], f"{where}.format")
    if kind == "categorical":
        levels, pooled = _texts(keys["levels"], f"{where}.levels"), _texts(keys["pooled"], f"{where}.pooled")
        flags = {name: _flag(keys[name], f"{where}.{name}") for name in ("rare", "missing")}
        if len(levels) > MOST_LEVELS or len(pooled) > MOST_POOLED:
            raise ValueError(f"{where} must have at most {MOST_LEVELS} levels and {MOST_POOLED} pooled ones")
        if pooled and (not flags["rare"] or {*pooled} & {*levels}):
            raise ValueError(f"{where}.pooled must be levels that are rare, and in no other column")
        plan = FeaturePlan(column, "categorical", levels, **flags, format=key, pooled=pooled)
        if not plan.names:
            raise ValueError(f"{where} must have a feature: levels, rare or missing")
    elif kind == "numeric" or kind == "boolean" or kind == "datetime":
        shift, exponent = keys["shift"], keys["exponent"]
        if type(shift) not in (int, float) or not abs(shift) <= LARGEST:
            raise ValueError(f"{where}.shift must be a number up to ±{LARGEST:.1e}, however: {_short(shift)}")
        low, high = _EXPONENTS
        if type(exponent) is not int or not low <= exponent <= high:
            raise ValueError(
                f"{where}.exponent must be a whole number from {low} to {high}, however: {_short(exponent)}"
            )
        plan = FeaturePlan(column, kind, shift=float(shift), exponent=exponent, format=key)
    else:
        raise ValueError(f"{where}.kind must be numeric, boolean, datetime or categorical, however: {_short(kind)}")
    _check_format(plan, where)
    return plan


def _check_format(plan: FeaturePlan, where: str) -> None:
    """That a format is one that texts of the column can have.

    Raises:
        ValueError: It is not.
    """
    if plan.kind == "categorical" and not plan.format:
        return
    try:
        held = holds(plan.format)
    except ValueError as error:
        raise ValueError(f"{where}.format: {error}") from None
    if (held != plan.kind if plan.kind != "categorical" else held == "boolean") or (
        plan.format == SINGLE and plan.kind != "categorical"
    ):
        raise ValueError(f"{where}.format must be one of a column of kind {plan.kind}, however: {plan.format!r}")


def _keys(content: object, where: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """A dictionary with these keys and no others.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{where} must be an object with the keys {', '.join(wanted)}, however: {_short(content)}")
    if wrong := [*(f"{key} is missing" for key in wanted if key not in content)] + [
        f"{_short(key)} is unknown" for key in content if key not in wanted
    ]:
        raise ValueError(f"{where} must have the keys {', '.join(wanted)}, however: {', '.join(wrong)}")
    return content


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be a text, however: {_short(value)}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value) or len({*value}) < len(value):
        raise ValueError(f"{where} must be a list of distinct texts, however: {_short(value)}")
    return tuple(value)


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where} must be true or false, however: {_short(value)}")
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
