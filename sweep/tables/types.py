"""A table as read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def no_line(row: int) -> int | None:
    """For tables without lines of text."""
    return None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read: typed by its format, nothing decided yet about what its columns mean.

    Attributes:
        frame: The columns, names made text and distinct, index 0 … n-1.
        source: As the definition names it, in messages too; of a URL without what may be secret.
        notes: What was decided while reading and why.
        default_target: Name of the target column, where the source itself names one.
        missing: Texts that stand for missing values in this table, beside those that always do (``data.missing``).
        line_of: 1-based data row → 1-based line of the file; ``None`` where there are no lines.
    """

    frame: pd.DataFrame
    source: str
    notes: tuple[str, ...] = ()
    default_target: str | None = None
    missing: frozenset[str] = frozenset()
    line_of: Callable[[int], int | None] = field(default=no_line, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.frame.columns)

    def cell(self, column: str, row: int) -> str:
        """How error messages point at a cell: ``x.csv, column 'age', row 3 (line 4)``. ``row`` is 1-based."""
        line = self.line_of(row)
        return f"{self.source}, column {column!r}, row {row}" + ("" if line is None else f" (line {line})")
