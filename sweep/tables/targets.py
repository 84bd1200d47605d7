"""The column to predict: which one, classification or regression, its classes.

The task, where the definition leaves it open: text, yes/no and categories are classes; so are numbers with two
distinct values, and whole numbers with at most :data:`columns.FEW_LEVELS` of them, each twice or more on average.
Other numbers are a regression's. Whichever it is, a note says so and why.

Class labels are text, in natural order (numbers by value). The positive class of two is the second, unless
``data.positive`` names the other one, which then becomes the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.records import Task
from sweep.spec.model import DataSpec
from sweep.tables.columns import (
    FEW_LEVELS,
    Column,
    as_written,
    is_constant,
    natural_order,
    near,
    number_text,
    read_column,
)
from sweep.tables.features import check_finite
from sweep.tables.formats import PLAIN, SINGLE
from sweep.tables.types import Floats, Table

MOST_CLASSES = 1000
_FEW_ROWS = 4  # a class, on average
_SHOWN = 6
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is to be predicted.

    Attributes:
        name: Of the column.
        rows: ``[n]`` int64 rows of the table where it is known, increasing.
        task: Detected or given.
        values: ``[n]``: int64 class codes, or float64 in the column's own units.
        classes: Labels in the order of their codes; empty for regression.
        notes: What was decided and why.
    """

    name: str
    rows: NDArray[np.int64]
    task: Task
    values: NDArray[Any]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def find_column(table: Table, key: str | int, setting: str) -> str:
    """The name of a column, given by name or by position (0 the first, -1 the last).

    Raises:
        DataError: There is none; ``setting`` is what the message says is wrong, such as ``"data.target"``.
    """
    if isinstance(key, str) and key in table.frame.columns:  # at once, of however many
        return key
    columns = table.columns
    if isinstance(key, int):
        if -len(columns) <= key < len(columns):
            return columns[key]
        raise DataError(
            f"{table.source}: {setting} must be a position from {-len(columns)} to {len(columns) - 1}, however: {key}"
        )
    raise DataError(f"{table.source}: {setting}: there is no column {key!r}; {near(key, columns)}")


def read_target(table: Table, data: DataSpec) -> Target:
    """The target of a table.

    Raises:
        DataError: No such column, no or infinite values, one class or one value only, texts that cannot be
            classes, a task or a positive class that does not fit.
    """
    name = find_column(table, data.target, "data.target")
    column = _read(table, name, data.task)
    check_finite(table, column)
    known = np.flatnonzero(~column.missing)
    if len(known) == 0:
        raise DataError(f"{table.source}: all cells of the target {name!r} are missing")
    declared = isinstance(table.frame[name].dtype, pd.CategoricalDtype)
    notes = []
    if len(known) < len(table.frame):
        gone = len(table.frame) - len(known)
        notes.append(f"{gone} of {len(table.frame)} rows are left out: their target {name!r} is missing")
        column = column.take(known)
    classification, why = _is_classification(column, data.task, declared=declared)
    if not classification:
        written = [f"target {name!r}: {column.written}"] if column.written else []
        return _regression(table, data, column, known, (*written, *notes, why))
    if column.numbers is not None and column.format not in (PLAIN, SINGLE):
        # Dates, percentages, … as texts: a class is called what the table calls it.
        column = read_column(table, name, as_categories=True, target=True).take(known)
    labels, codes = _labels(column)
    where = f"{table.source}: the target {name!r}"
    if len(labels) < 2:
        raise DataError(f"{where} has one class only: {labels[0]!r}")
    if len(labels) > MOST_CLASSES or 2 * len(labels) > len(codes):
        raise DataError(
            f"{where} has {len(labels)} distinct values in {len(codes)} rows, too many for classes; "
            'name another column in data.target, or set data.task = "regression" if they are numbers'
        )
    labels, codes, positive = _positive(where, labels, codes, data.positive)
    task: Task = "binary" if len(labels) == 2 else "multiclass"
    doubts = _doubts(table, known, labels, codes)
    return Target(name, known, task, codes, labels, (*notes, why + positive, *doubts))


def read_truth(table: Table, name: str, task: Task, classes: Sequence[str]) -> Floats:
    """The target of another table, whose task and classes another one has settled.

    Args:
        table: As read; its ``missing`` is that of the other one.
        name: Of the column, which exists.
        task: As it was settled, as are the classes.
        classes: Labels in the order of their codes; empty for a regression.

    Returns:
        ``[n]`` float64: class codes, or numbers; NaN where the cell is missing.

    Raises:
        DataError: A label that is none of the classes, texts in place of numbers, infinite values.
    """
    column = _read(table, name, "regression" if task == "regression" else "classification")
    check_finite(table, column)
    if column.missing.all():
        return np.full(len(table.frame), np.nan)
    if task == "regression":
        if column.numbers is None:
            cell = table.cell(name, int(np.flatnonzero(~column.missing)[0]) + 1)
            raise DataError(f"{cell}: the target is text there, however numbers are predicted")
        return column.numbers
    if column.codes is not None:
        labels, codes = list(column.levels), column.codes
    else:
        assert column.numbers is not None  # noqa: S101 - a column has numbers or codes
        known = ~column.missing
        values, places = np.unique(column.numbers[known], return_inverse=True)
        labels, codes = [number_text(value) for value in values], np.full(len(known), -1)
        codes[known] = places
    place = [_matching(label, classes) for label in labels]
    for row in np.flatnonzero(codes >= 0):
        if place[codes[row]] is None:
            listed = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
            raise DataError(
                f"{table.cell(name, int(row) + 1)}: {labels[codes[row]]!r} is none of the classes that are predicted "
                f"({listed})"
            )
    return np.array([*(np.nan if code is None else code for code in place), np.nan], np.float64)[codes]


def _read(table: Table, name: str, task: str | None) -> Column:
    """The column, text as classes where the task says so, yes/no by its words."""
    numeric = pd.api.types.is_numeric_dtype(table.frame[name].dtype)
    classes = task == "classification" and not numeric
    column = as_written(table, read_column(table, name, as_categories=classes, target=True))
    if column.kind == "boolean" and task != "regression":
        return read_column(table, name, as_categories=True)
    return column


def is_classification(column: Column, *, declared: bool = False) -> tuple[bool, str]:
    """Whether a column holds classes, were it the target, and the reason. ``declared``: by the file itself."""
    if column.kind in ("categorical", "boolean", "identifier"):
        return True, "a declared category" if declared else "texts"
    assert column.numbers is not None  # noqa: S101 - the other kinds are numbers
    values = np.unique(column.numbers[~np.isnan(column.numbers)])
    if len(values) <= 2:
        return True, f"numbers with {len(values)} distinct values"
    if column.kind == "datetime":
        return False, "dates"
    if not np.array_equal(values, np.floor(values)):
        return False, "numbers that are not whole"
    few = len(values) <= min(FEW_LEVELS, len(column.numbers) // 2)
    return few, f"whole numbers with {len(values)} distinct values"


def _is_classification(column: Column, given: str | None, *, declared: bool) -> tuple[bool, str]:
    """The decision and the note about it."""
    if given is not None:
        return given == "classification", f"target {column.name!r}: {given}, as data.task says"
    found, why = is_classification(column, declared=declared)
    task, other = ("classification", "regression") if found else ("regression", "classification")
    otherwise = "" if column.numbers is None else f' (data.task = "{other}" if not)'
    return found, f"target {column.name!r} holds {why}: {task}{otherwise}"


def _labels(column: Column) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Classes that occur, in natural order, and the code of each row."""
    if column.codes is not None:
        labels, codes = list(column.levels), column.codes
    else:
        assert column.numbers is not None  # noqa: S101 - a column has numbers or codes
        values, codes = np.unique(column.numbers, return_inverse=True)
        labels = [number_text(value) for value in values]
    occurring = np.unique(codes)
    order = natural_order(labels[code] for code in occurring)
    place = {label: position for position, label in enumerate(order)}
    recode = np.array([place.get(label, -1) for label in labels], np.int64)
    return tuple(order), recode[codes]


def _doubts(table: Table, rows: NDArray[np.int64], labels: Sequence[str], codes: NDArray[np.int64]) -> list[str]:
    """Warnings about classes that may be a mistake: written in two ways, of one row, or too many to learn."""
    doubts = []
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault("".join(label.casefold().split()), []).append(label)
    if same := [" and ".join(map(repr, several)) for several in alike.values() if len(several) > 1]:
        shown = ", ".join(same[:_SHOWN]) + (", …" if len(same) > _SHOWN else "")
        doubts.append(
            f"warning: classes differ in case or blanks only: {shown}; if they mean the same, write them the same in "
            "the table"
        )
    counts = np.bincount(codes, minlength=len(labels))
    if len(labels) > 2 and len(codes) < _FEW_ROWS * len(labels):
        doubts.append(
            f"warning: {len(labels)} classes in {len(codes)} rows, {len(codes) / len(labels):.1f} rows each: hardly "
            "enough to learn any of them"
        )
    elif single := [int(code) for code in np.flatnonzero(counts == 1)]:
        cells = []
        for code in single[:_SHOWN]:  # a line of the file is looked up for each
            row = int(rows[np.flatnonzero(codes == code)[0]]) + 1
            line = table.line_of(row)
            # In a text file without header the first line may have been one of numbers.
            header = ", the first line of the file: data.header = true if it names the columns" if line == 1 else ""
            cells.append(f"row {row}{header}")
        if len(cells) == 1:
            doubts.append(f"warning: class {labels[single[0]]!r} has one row only, {cells[0]}")
        else:
            each = [f"{labels[code]!r} ({cell})" for code, cell in zip(single, cells, strict=False)]
            more = ", …" if len(single) > len(each) else ""
            doubts.append(f"warning: {len(single)} classes have one row only: {', '.join(each)}{more}")
    return doubts


def _positive(
    where: str, labels: tuple[str, ...], codes: NDArray[np.int64], wanted: str | None
) -> tuple[tuple[str, ...], NDArray[np.int64], str]:
    """Labels and codes with the positive class second, and words about it.

    Raises:
        DataError: ``data.positive`` is no class, or there are more than two.
    """
    listed = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
    if len(labels) > 2:
        if wanted is not None:
            raise DataError(f"{where}: data.positive is for two classes, however there are {len(labels)}: {listed}")
        return labels, codes, f"; {len(labels)} classes: {listed}"
    if wanted is None:
        return labels, codes, f"; classes {listed}, positive {labels[1]!r} (data.positive = {labels[0]!r} if not)"
    chosen = _matching(wanted, labels)
    if chosen is None:
        raise DataError(f"{where}: data.positive must be one of its classes ({listed}), however: {wanted!r}")
    if chosen == 0:
        labels, codes = labels[::-1], 1 - codes
    return labels, codes, f"; classes {', '.join(labels)}, positive {labels[1]!r}"


def _matching(wanted: str, labels: Sequence[str]) -> int | None:
    """The label meant: the same text, or the same but for case, or the same number."""
    if wanted in labels:
        return labels.index(wanted)
    folded = [label.casefold() for label in labels]
    if folded.count(wanted.casefold()) == 1:
        return folded.index(wanted.casefold())
    try:
        return [float(label) for label in labels].index(float(wanted))
    except ValueError:
        return None


def _regression(
    table: Table, data: DataSpec, column: Column, rows: NDArray[np.int64], notes: tuple[str, ...]
) -> Target:
    """A target of numbers.

    Raises:
        DataError: It is text, constant, or a positive class is named.
    """
    where = f"{table.source}: the target {column.name!r}"
    if column.numbers is None:
        assert column.codes is not None  # noqa: S101 - a column has numbers or codes
        cell = table.cell(column.name, int(rows[0]) + 1)
        text = column.levels[int(column.codes[0])]
        raise DataError(f'{cell}: {text!r} is text, however data.task = "regression" needs numbers')
    if data.positive is not None:
        raise DataError(f"{where}: data.positive is for two classes, however the task is regression")
    values: Floats = column.numbers
    if is_constant(values):
        raise DataError(f"{where} is constant: all values are {number_text(float(values[0]))}")
    if not values.std() > _SMALLEST:
        raise DataError(f"{where} varies by less than {_SMALLEST:.1e}, too little for numbers here; use another unit")
    return Target(column.name, rows, "regression", values, (), notes)
