"""Tables of predictions as files: CSV, or Parquet where the name ends so."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

PARQUET = (".parquet", ".pq")
"""Endings of names of Parquet files."""


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
    """As CSV: numbers with all the digits that it takes to read them back as they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*map(_cells, columns.values()), strict=True))
    return text.getvalue()


def to_parquet(columns: Mapping[str, Any]) -> bytes:
    """As Parquet."""
    arrays = [pa.array(values, from_pandas=True) for values in columns.values()]
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(arrays, names=list(columns)), buffer)
    return buffer.getvalue()


def _cells(values: Any) -> list[Any]:
    """Of one column, for the writer; it writes ``None`` as nothing."""
    if not isinstance(values, np.ndarray):
        return list(values)
    if values.dtype.kind != "f":
        return list(values.tolist())
    return [value if value == value else None for value in values.tolist()]  # NaN differs from itself
