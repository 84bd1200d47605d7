"""How a table is written, for programs that have to read the same table without this package."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Literal

import pandas as pd

from sweep.errors import DataError, NotFoundError
from sweep.spec.model import DataSpec
from sweep.spec.source import is_nowhere, kind_of
from sweep.tables.columns import MISSING
from sweep.tables.formats import NUMBER
from sweep.tables.sources import download, local_path
from sweep.tables.text import layout_of
from sweep.tables.types import Table

_PARQUET, _ARROW = b"PAR1", b"ARROW1"


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file of the table is read.

    Attributes:
        kind: Text, or a format with types of its own.
        delimiter: One character; a blank stands for any number of blanks.
        decimal: ``"."`` or ``","``.
        encoding: Of the text.
        gzipped: Whether it is compressed.
        names: Of all columns, where the file does not name them, or not as we do; else ``None``.
        skipped: Lines before the first row of data, where there are ``names``.
    """

    kind: Literal["csv", "parquet", "feather"] = "csv"
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    gzipped: bool = False
    names: tuple[str, ...] | None = None
    skipped: int = 0


def file_format(data: DataSpec, base_dir: Path | None, table: Table) -> FileFormat:
    """How the file of a definition is written; where there is none (any more), plain CSV with the table's columns.

    Args:
        data: Of the definition.
        base_dir: Folder that relative paths are relative to.
        table: As it was read.
    """
    try:
        match kind_of(data.source):
            case "file" if not is_nowhere(data.source, base_dir):
                return _of_file(local_path(data.source, base_dir), data)
            case "url":
                return _of_file(download(data.source)[0], data)
    except (NotFoundError, DataError, OSError):
        pass  # the table itself was stored with the sweep
    counted = tuple(f"column{position}" for position in range(1, len(table.columns) + 1))
    return FileFormat(names=counted if table.columns == counted else None)


def _of_file(path: Path, data: DataSpec) -> FileFormat:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic[:4] == _PARQUET:
        return FileFormat("parquet")
    if magic == _ARROW:
        return FileFormat("feather")
    layout = layout_of(path, data.source, data.header)
    dialect = layout.dialect
    # A header that pandas reads as it is: as many names as cells, without blanks around them.
    as_named = layout.header is not None and all(
        position < len(layout.header) and layout.header[position] == layout.names[position] for position in layout.used
    )
    as_wide = layout.header is not None and len(layout.header) == len(layout.names)
    return FileFormat(
        delimiter=dialect.delimiter,
        decimal=dialect.decimal,
        encoding=dialect.encoding,
        gzipped=dialect.gzipped,
        names=None if as_named and as_wide else layout.names,
        skipped=0 if layout.header is None else next(itertools.islice(dialect.rows(), 1))[0],
    )


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
