"""A table as read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["csv", "parquet", "feather", "stream"]

_DELIMITERS = "\t;|, "
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1")


def no_line(row: int) -> int | None:
    """For tables without lines of text."""
    return None


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file of a table is written.

    Attributes:
        kind: Text, or a format with types of its own.
        delimiter: One character; a blank stands for any number of blanks.
        decimal: ``"."`` or ``","``.
        encoding: Of the text.
        gzipped: Whether it is compressed.
        names: Of all cells of a row, where the file does not name them, or not as we do; else ``None``.
        skipped: Lines before the first row of data, where there are ``names``.
        ended: Whether a delimiter ends each row, behind which nothing stands.
        spaced: Whether blanks follow delimiters.
    """

    kind: Kind = "csv"
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    gzipped: bool = False
    names: tuple[str, ...] | None = None
    skipped: int = 0
    ended: bool = False
    spaced: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready form; :meth:`from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> FileFormat:
        """Inverse of :meth:`to_dict`. What it says ends in programs: nothing but what there is is taken.

        Raises:
            ValueError: It says something else.
            TypeError: Likewise.
        """
        names = plain.get("names")
        form = cls(**{**plain, "names": None if names is None else tuple(names)})
        sound = (
            form.kind in get_args(Kind)
            and len(form.delimiter) == 1
            and form.delimiter in _DELIMITERS
            and form.decimal in (".", ",")
            and form.encoding in _ENCODINGS
            and all(isinstance(value, bool) for value in (form.gzipped, form.ended, form.spaced))
            and all(isinstance(name, str) for name in form.names or ())
            and type(form.skipped) is int
        )
        if not sound:
            raise ValueError("no file is written like this")
        return form


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
        written: How its file is written; ``None`` where there is none, or nobody knows any more.
    """

    frame: pd.DataFrame
    source: str
    notes: tuple[str, ...] = ()
    default_target: str | None = None
    missing: frozenset[str] = frozenset()
    line_of: Callable[[int], int | None] = field(default=no_line, compare=False)
    written: FileFormat | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.frame.columns)

    def cell(self, column: str, row: int) -> str:
        """How error messages point at a cell: ``x.csv, column 'age', row 3 (line 4)``. ``row`` is 1-based."""
        line = self.line_of(row)
        return f"{self.source}, column {column!r}, row {row}" + ("" if line is None else f" (line {line})")
