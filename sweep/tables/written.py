"""How a table is written, for programs that have to read the same table without this package."""

from __future__ import annotations

from contextlib import suppress
from numbers import Number
from pathlib import Path

import pandas as pd

from sweep.errors import DataError, NotFoundError
from sweep.spec.model import DataSpec
from sweep.spec.source import is_local, is_nowhere
from sweep.tables.columns import MISSING
from sweep.tables.formats import NUMBER
from sweep.tables.sources import local_path
from sweep.tables.text import layout_of
from sweep.tables.types import FileFormat, Kind, Table

_STARTS: dict[bytes, Kind] = {b"PAR1": "parquet", b"ARROW1": "feather", b"\xff\xff\xff\xff": "stream"}


def file_format(data: DataSpec, base_dir: Path | None, table: Table) -> FileFormat:
    """How the file of a table was written when it was read; where nobody knows, plain CSV with the table's columns.

    No address is asked for it: what one leads to now is nothing that an export needs.

    Args:
        data: Of the definition.
        base_dir: Folder that relative paths are relative to.
        table: As it was read, or as it was stored.
    """
    if table.written is not None:
        return table.written
    if is_local(data.source) and not is_nowhere(data.source, base_dir):  # stored by a release that did not note it
        with suppress(NotFoundError, DataError, OSError):
            return _of_file(local_path(data.source, base_dir), data)
    counted = tuple(f"column{position}" for position in range(1, len(table.columns) + 1))
    return FileFormat(names=counted if table.columns == counted else None)


def _of_file(path: Path, data: DataSpec) -> FileFormat:
    with path.open("rb") as file:
        magic = file.read(6)
    found = next((kind for start, kind in _STARTS.items() if magic.startswith(start)), None)
    return FileFormat(found) if found is not None else layout_of(path, data.source, data.header).written()


def holds_numbers(table: Table, name: str) -> bool:
    """Whether the cells of a column are numbers for its file format, rather than texts, yes/no or dates."""
    series = table.frame[name]
    if pd.api.types.is_bool_dtype(series.dtype):
        return False
    if pd.api.types.is_numeric_dtype(series.dtype):
        return True
    values = series.dropna().unique()
    return len(values) > 0 and all(isinstance(value, Number) and not isinstance(value, bool) for value in values)


def plain_numbers(table: Table, name: str) -> bool:
    """Whether all cells of a column are numbers, or texts like ``-1.5e3``, or missing."""
    return holds_numbers(table, name) or all(NUMBER.fullmatch(text) for text in _texts(table, name))


def example(table: Table, name: str) -> str:
    """A cell of a column as text, for messages."""
    return str(table.frame[name].dropna().iloc[0]).strip()[:40]


def _texts(table: Table, name: str) -> set[str]:
    """Distinct cells as text, without blanks around them and without those that are missing."""
    found = {str(value).strip() for value in table.frame[name].dropna().unique()}
    return found - MISSING - table.missing
