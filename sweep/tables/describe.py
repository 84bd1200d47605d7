"""What stands in each column of a table: for people, and for proposing a definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sweep.errors import DataError
from sweep.tables.columns import Kind, counts_rows, number_text, read_column
from sweep.tables.targets import is_classification
from sweep.tables.types import Table

_COMMON = 20


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column.

    Attributes:
        name: Of the column.
        position: 0-based.
        kind: What it holds.
        rows: Of the table.
        missing: Rows without a value.
        distinct: Different values.
        common: The most frequent values (at most 20) as text with their rows, the most frequent first.
        low: Smallest number; ``None`` for text.
        high: Largest.
        whole: Whether all values are whole numbers.
        identifier: Whether it names or counts the rows: nearly all distinct text, or 1, 2, 3, …
        task: What it would be as a target.
        hint: What its texts look like, where they look like numbers or dates; else empty.
    """

    name: str
    position: int
    kind: Kind
    rows: int
    missing: int
    distinct: int
    common: tuple[tuple[str, int], ...]
    low: float | None
    high: float | None
    whole: bool
    identifier: bool
    task: Literal["classification", "regression"]
    hint: str = ""

    @property
    def constant(self) -> bool:
        """Whether it says nothing: at most one value, and none of it missing or all."""
        return self.distinct == 0 or (self.distinct == 1 and (self.missing == 0 or self.low is not None))


def describe(table: Table) -> tuple[ColumnSummary, ...]:
    """A summary of every column, in the order of the table.

    Raises:
        DataError: A column that cannot be used in any role but ``data.drop``; the message says why.
    """
    return tuple(_summary(table, name, position) for position, name in enumerate(table.columns))


def describe_each(table: Table) -> dict[str, ColumnSummary | DataError]:
    """The same, by name, where one bad column must not hide the others: in its place stands why it cannot be used."""
    found: dict[str, ColumnSummary | DataError] = {}
    for position, name in enumerate(table.columns):
        try:
            found[name] = _summary(table, name, position)
        except DataError as error:
            found[name] = error
    return found


def _summary(table: Table, name: str, position: int) -> ColumnSummary:
    column = read_column(table, name)
    rows, missing = len(table.frame), int(column.missing.sum())
    low = high = None
    whole = False
    if column.codes is not None:
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
        texts = list(column.levels)
    else:
        assert column.numbers is not None  # noqa: S101 - a column has numbers or codes
        values, counts = np.unique(column.numbers[~column.missing], return_counts=True)
        texts = [number_text(value) for value in values[: 1 << 16]]
        if len(values):
            low, high = float(values[0]), float(values[-1])
            whole = bool(np.array_equal(values, np.floor(values)))
    order = np.argsort(-counts[: len(texts)], kind="stable")[:_COMMON]
    classes = column.kind != "empty" and is_classification(column)[0]
    return ColumnSummary(
        name=name,
        position=position,
        kind=column.kind,
        rows=rows,
        missing=missing,
        distinct=len(counts),
        common=tuple((texts[place], int(counts[place])) for place in order),
        low=low,
        high=high,
        whole=whole,
        identifier=column.kind == "identifier" or counts_rows(column),
        task="classification" if classes else "regression",
        hint=column.hint,
    )
