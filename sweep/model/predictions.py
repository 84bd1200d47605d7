"""Tables of predictions as files: CSV, or Parquet where the name ends so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from sweep.tables.formats import NUMBER

PARQUET = (".parquet", ".pq")
"""Endings of names of Parquet files."""


# The wide forms are formulas too where Japanese is written. Apostrophes of its own: so that one can be taken back.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def is_parquet(name: str) -> bool:
    """Whether a file of that name is written as Parquet."""
    return name.lower().endswith(PARQUET)


def written(columns: Mapping[str, Any], name: str) -> str | bytes:
    """A table as the content of a file.

    Args:
        columns: Name and values ``[n]`` of each column: texts, whole numbers or numbers. What is ``None`` or NaN is an
            empty cell.
        name: Of the file; its ending says the format.
    """
    return to_parquet(columns) if is_parquet(name) else to_csv(columns)


def to_csv(columns: Mapping[str, Any]) -> str:
    """As CSV: numbers with all the digits that it takes to read them back as they are.

    A text that a spreadsheet would run as a formula has an apostrophe before it; Parquet has it as it is. To get it
    back, take the first apostrophe away where one or more of them stand before ``=``, ``+``, ``-``, ``@``, a tab or a
    line break. Texts that are numbers, such as the label ``-1``, stay as they are.
    """
    text = _Lines(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # cells with either of these are quoted then
    writer.writerow(map(_harmless, columns))
    writer.writerows(zip(*map(_cells, columns.values()), strict=True))
    return text.getvalue()


def to_parquet(columns: Mapping[str, Any]) -> bytes:
    """As Parquet."""
    arrays = [pa.array(values, from_pandas=True) for values in columns.values()]
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(arrays, names=list(columns)), buffer)
    return buffer.getvalue()


class _Lines(io.StringIO):
    """Rows that end with a line feed alone."""

    def write(self, row: str, /) -> int:
        return super().write(row.removesuffix("\r\n") + "\n")


def _harmless(text: str) -> str:
    """A text as one that no spreadsheet runs (OWASP, CSV injection). Labels come from tables of anybody."""
    return f"'{text}" if _FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def _cells(values: Any) -> list[Any]:
    """Of one column, for the writer; it writes ``None`` as nothing."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return [_harmless(value) if isinstance(value, str) else value for value in np.asarray(values).tolist()]
    return [value if value == value else None for value in values.tolist()]  # NaN differs from itself
