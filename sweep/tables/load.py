"""The front door: from ``[data]`` of a definition to a table as read, and to a table as numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from sweep.errors import DataError
from sweep.spec.model import DataSpec
from sweep.spec.source import ALLOWED, kind_of, shown_source
from sweep.tables.dialect import Expected
from sweep.tables.encode import Encoded, encode
from sweep.tables.formats import PLAIN
from sweep.tables.recipe import Recipe
from sweep.tables.sources import bundled, download, local_path, openml
from sweep.tables.text import check_distinct, read_text
from sweep.tables.types import FileFormat, Table

# First bytes of files: what a file is named says less.
_PARQUET, _ARROW, _ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_REFUSED = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"SQLi": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"FEA1": "a Feather file of version 1; write it anew with a current pyarrow",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or use gzip",
    b"BZh9": "compressed with bzip2; unpack it, or use gzip",
    b"\xfd7zX": "compressed with xz; unpack it, or use gzip",
}


def load_encoded(data: DataSpec, base_dir: Path | None, *, align: int = 1, packed: bytes | None = None) -> Encoded:
    """Reads and encodes a table.

    Args:
        data: Of the definition.
        base_dir: Folder that relative paths are relative to; the current one if ``None``.
        align: The width of the matrix is rounded up to a multiple of it.
        packed: The table itself, as :func:`sweep.tables.packed.pack` made it, in place of ``data.source``.

    Raises:
        NotFoundError: No such file, or no such bundled table.
        DataError: The table cannot be used; the message names file, column and row.
    """
    table = read_table(data, base_dir) if packed is None else packed_table(packed, data)
    encoded = encode(table, data, align=align)
    _give_back()
    return encoded


def read_table(data: DataSpec, base_dir: Path | None) -> Table:
    """Reads a table, typed by its format alone.

    Args:
        data: ``source``, ``header`` and ``missing`` are used.
        base_dir: Folder that relative paths are relative to; the current one if ``None``.

    Raises:
        NotFoundError: No such file, or no such bundled table.
        DataError: It cannot be read as a table, or is empty; ``data.header`` is false where columns have names.
    """
    return _read_source(data.source, base_dir, "data.source", data.header, frozenset(data.missing))


def read_for(recipe: Recipe, source: str, base_dir: Path | None, *, number_target: bool = False) -> Table:
    """Reads a table that a recipe is to be applied to.

    A text file may have a single row: nothing is found out from its cells that the recipe knows. Its first row is the
    header where it names the columns of the recipe. Where the first table had no header, none is needed, and the column
    that was predicted may be left out.

    Args:
        recipe: Of the first table.
        source: As ``data.source`` of a definition.
        base_dir: Folder that relative paths are relative to; the current one if ``None``.
        number_target: Whether what was predicted are numbers, or classes that are: with a decimal comma they have one.

    Raises:
        NotFoundError: No such file, or no such bundled table.
        DataError: It cannot be read as a table, or is empty. Its columns are looked at by :meth:`Recipe.apply`.
    """
    return _read_source(source, base_dir, "table", None, recipe.missing, _expected(recipe, number_target))


def from_frame(frame: pd.DataFrame, source: str, missing: frozenset[str] = frozenset()) -> Table:
    """A data frame as a table; the frame stays as it is.

    Args:
        frame: With any index, names of columns of any type.
        source: What messages call it.
        missing: Texts that stand for missing values, beside those that always do.

    Raises:
        DataError: No rows, no columns, or two columns of one name.
    """
    frame = frame.copy(deep=False)
    for place, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, pd.ArrowDtype) and dtype.kind in "mM":
            frame.isetitem(place, _times(frame.iloc[:, place], dtype.pyarrow_dtype).to_numpy())
    return _checked(Table(frame, source, missing=missing))


def _times(series: pd.Series[Any], kind: pa.DataType) -> pd.Series[Any]:
    """Dates, times or spans of Arrow as those of NumPy, without their time zone."""
    unit = {pa.date32(): "s", pa.date64(): "ms"}.get(kind) or kind.unit
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    return series.astype(np.dtype(f"{'timedelta' if pa.types.is_duration(kind) else 'datetime'}64[{unit}]"))


def _expected(recipe: Recipe, number_target: bool) -> Expected:
    """What a text file is to hold."""
    plain = [plan for plan in recipe.plans if plan.format == PLAIN]
    target = {recipe.target} if number_target and recipe.target is not None else set()
    numbers = frozenset({plan.column for plan in plain if plan.kind == "numeric"} | target)
    levels = frozenset(plan.column for plan in plain if plan.kind == "categorical")
    others = {*recipe.unused, *([] if recipe.target is None else [recipe.target])}
    every = [*recipe.columns, *others]
    generic = [f"column{position}" for position in range(1, len(every) + 1)]
    if set(every) != set(generic):
        return Expected(recipe.columns, numbers, levels)
    without = tuple(name for name in generic if name != recipe.target)
    return Expected(recipe.columns, numbers, levels, (tuple(generic), without, recipe.columns))


def _read_source(
    source: str,
    base_dir: Path | None,
    setting: str,
    header: bool | None,
    missing: frozenset[str],
    expected: Expected | None = None,
) -> Table:
    """A table, wherever it is. ``setting``: what messages call the source."""
    match kind_of(source):
        case "sklearn":
            _check_header(source, "scikit-learn's tables name", header)
            table = bundled(source, setting)
        case "openml":
            _check_header(source, "OpenML's tables name", header)
            table = openml(source, setting)
        case "url":
            path, note = download(source)
            table = _read_file(path, shown_source(source), header, expected)
            table = replace(table, notes=(note, *table.notes))
        case "file":
            table = _read_file(local_path(source, base_dir, setting), source, header, expected)
        case "memory":
            raise DataError(f"{source}: the table was given from Python, and is not kept: give it again there")
        case None:
            raise DataError(f"{setting} must be {ALLOWED}, however: {shown_source(source)!r}")
    return _checked(replace(table, missing=frozenset(text.strip() for text in missing)))


def packed_table(content: bytes, data: DataSpec) -> Table:
    """A table from the Parquet that :func:`sweep.tables.packed.pack` made of it.

    Raises:
        DataError: It is damaged.
    """
    return unpack(content, shown_source(data.source), frozenset(text.strip() for text in data.missing))


def unpack(content: bytes, source: str, missing: frozenset[str] = frozenset()) -> Table:
    """The same where there is no definition: ``source`` and ``missing`` are the table's.

    Raises:
        DataError: It is damaged.
    """
    try:
        read = pyarrow.parquet.read_table(pa.BufferReader(content))
        about = json.loads((read.schema.metadata or {})[b"sweep"])
        frame, notes, target = _to_frame(read), tuple(about["notes"]), about["default_target"]
        written = about.get("written")  # not of those that older releases stored
        form = None if written is None else FileFormat.from_dict(written)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source}: the stored table is damaged ({error})") from error
    return _checked(Table(frame, source, notes, target, missing, written=form))


def _check_header(source: str, who: str, header: bool | None) -> None:
    """Refuses ``data.header = false`` where there is no row to choose.

    Raises:
        DataError: It is false.
    """
    if header is False:
        raise DataError(f"{source}: data.header must be true or left out ({who} their columns), however: false")


def _read_file(path: Path, source: str, header: bool | None, expected: Expected | None) -> Table:
    """A file, by what it holds."""
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        if magic[:4] in (_PARQUET, _ARROW_STREAM) or magic == _ARROW:
            _check_header(source, "Parquet and Arrow files name", header)
        if magic[:4] == _PARQUET:
            return Table(_to_frame(pyarrow.parquet.read_table(path)), source, written=FileFormat("parquet"))
        if magic == _ARROW:
            with pa.memory_map(str(path)) as mapped:
                return Table(_to_frame(pa.ipc.open_file(mapped).read_all()), source, written=FileFormat("feather"))
        if magic[:4] == _ARROW_STREAM:
            with pa.memory_map(str(path)) as mapped:
                return Table(_to_frame(pa.ipc.open_stream(mapped).read_all()), source, written=FileFormat("stream"))
        for start, what in _REFUSED.items():
            if magic.startswith(start):
                raise DataError(f"{source}: is {what} (allowed are CSV, TSV, Parquet and Arrow files, plain or .gz)")
        return read_text(path, source, header=header, expected=expected)
    except MemoryError:  # Arrow's own is an ArrowException too, and says nothing about the file
        raise
    except pa.ArrowException as error:
        raise DataError(f"{source}: the file is damaged or incomplete ({error})") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror or error})") from error


def _to_frame(table: pa.Table) -> pd.DataFrame:
    """Pandas columns, each a block of its own; Arrow's memory is given back column by column."""
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, split_blocks=True, self_destruct=True)
    del table
    _give_back()
    return frame


def _give_back() -> None:
    """Has Arrow return the memory that it no longer uses: of a large table it would keep more than twice its size."""
    pa.default_memory_pool().release_unused()


def _checked(table: Table) -> Table:
    """The table with names as text and rows numbered, if it has rows and columns and its names differ.

    Raises:
        DataError: It does not.
    """
    names = [str(name) for name in table.frame.columns]
    if not names or table.frame.empty:
        raise DataError(f"{table.source}: the table is empty ({len(names)} columns, {len(table.frame)} rows)")
    check_distinct(names, table.source)
    table.frame.columns = pd.Index(names)
    table.frame.index = pd.RangeIndex(len(table.frame))
    return table
