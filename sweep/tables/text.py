"""Tables in text files: encoding, delimiter and header row are found out, and said.

==========  ==========================================================================================================
encoding    a byte order mark decides; else UTF-8, and latin-1 where that fails
delimiter   the first of tab, ``;``, ``|``, ``,`` and blanks that divides the lines into equally many cells
decimals    a comma in ``1,5`` where the delimiter is no comma and no cell is like ``1.5``
header      given, or found out: names stand above columns of numbers without being numbers themselves; where all
            columns are text, the first row is a header if none of its cells occurs again below it
==========  ==========================================================================================================
"""

from __future__ import annotations

import csv
import gzip
import itertools
import re
import warnings
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sweep.errors import DataError
from sweep.tables.columns import MISSING
from sweep.tables.dialect import Dialect, Expected, detect_header, first_rows, sniff
from sweep.tables.types import FileFormat, Table
from sweep.wording import count, listed

PIECE_ROWS = 1 << 16
DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*)$")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of a text file are divided and named.

    Attributes:
        dialect: How it is written.
        header: Cells of its first row, as they stand there; ``None`` where that is data.
        names: Of all cells of a row.
        used: Positions of those that are columns of the table.
        notes: What was decided and why.
        spaced: Whether blanks follow delimiters.
    """

    dialect: Dialect
    header: tuple[str, ...] | None
    names: tuple[str, ...]
    used: tuple[int, ...]
    notes: tuple[str, ...]
    spaced: bool = False

    def written(self) -> FileFormat:
        """The same for programs that have to read the file without this package."""
        dialect = self.dialect
        # A header that pandas reads as it is: as many names as cells, without blanks around them.
        as_named = self.header is not None and all(
            position < len(self.header) and self.header[position] == self.names[position] for position in self.used
        )
        as_wide = self.header is not None and len(self.header) == len(self.names)
        return FileFormat(
            delimiter=dialect.delimiter,
            decimal=dialect.decimal,
            encoding=dialect.encoding,
            gzipped=dialect.gzipped,
            names=None if as_named and as_wide else self.names,
            skipped=0 if self.header is None else next(itertools.islice(dialect.rows(), 1))[0],
            ended=len(self.used) < len(self.names),
            spaced=self.spaced,
        )


def read_text(path: Path, source: str, *, header: bool | None = None, expected: Expected | None = None) -> Table:
    """Reads a text file.

    Args:
        path: The file, which exists.
        source: As the definition names it.
        header: Whether the first row names the columns; ``None`` to find out.
        expected: What the file is to hold, where that is known: it can have a single row, and is read like the table
            that settled it. It goes before ``header``.

    Raises:
        DataError: No text, no rows, rows of different lengths, two columns of one name.
    """
    try:
        return _read(path, source, header, expected)
    except UnicodeError as error:
        raise DataError(f"{source}: cannot be decoded as text ({error})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source}: the gzip file is damaged or incomplete ({error})") from error
    except csv.Error as error:
        raise DataError(f"{source}: cannot be divided into rows and cells ({error})") from error


def layout_of(path: Path, source: str, header: bool | None, expected: Expected | None = None) -> Layout:
    """How the columns of a text file are divided and named; arguments and errors as for :func:`read_text`."""
    dialect, sample, notes = sniff(path, source, expected)
    first = list(first_rows(sample, dialect.delimiter))
    rows = [cells for _, cells in first]
    if not rows:
        raise DataError(f"{source}: the table is empty")
    named = header
    if expected is not None and expected.heads(rows[0]):
        named = True
    elif expected is not None and expected.unnamed:
        named = False
    if named is None:
        named, why = detect_header(rows)
        wrong = "false" if named else "true"
        notes.append(f"first row taken for {'the header' if named else 'data'}: {why} (data.header = {wrong} if not)")
    names, used, more = _names(first, source, header=named, expected=expected)
    spaced = dialect.delimiter != " " and f"{dialect.delimiter} " in sample
    return Layout(dialect, tuple(rows[0]) if named else None, tuple(names), tuple(used), (*notes, *more), spaced)


def _read(path: Path, source: str, header: bool | None, expected: Expected | None) -> Table:
    layout = layout_of(path, source, header, expected)
    named = layout.header is not None
    frame = _parse(layout.dialect, source, named, list(layout.names), list(layout.used), expected)
    if frame.empty:
        raise DataError(f"{source}: the table is empty" + (" below its header" if named else ""))
    line_of = partial(_line_of, layout.dialect, named)
    return Table(frame, source, layout.notes, line_of=line_of, written=layout.written())


def _names(
    first: list[tuple[int, list[str]]], source: str, *, header: bool, expected: Expected | None
) -> tuple[list[str], list[int], list[str]]:
    """Names of all cells of a row, positions of those that are used, and notes; ``first``: rows with their lines."""
    rows = [cells for _, cells in first]
    body = rows[1:] if header and len(rows) > 1 else rows
    width = Counter(len(cells) for cells in body).most_common(1)[0][0]
    notes: list[str] = []
    ends_empty = width > 1 and all(len(cells) == width and not cells[-1].strip() for cells in body)
    if expected is not None and expected.unnamed and not header:
        given = expected.of_width(width) or (expected.of_width(width - 1) if ends_empty else None)
        if given is None:
            raise _wrong_width(source, width, expected)
        notes.append(f"columns are named {given[0]} to {given[-1]}")
        return [*given, *["the end"] * (width - len(given))], list(range(len(given))), notes
    names = [""] * width
    if header:
        names = [cell.strip() for cell in rows[0]]
        if len(names) == width - 1:  # a delimiter at the end of each row, or names of rows as R writes them
            names = [*names, ""] if ends_empty else ["", *names]
        if len(names) != width:
            raise _wrong_header(first, source, width)
    used = list(range(width))
    if ends_empty and not names[-1]:
        used.pop()
        notes.append("the last column has no name and no values (a delimiter ends each row) and is left out")
    if expected is not None:  # a header is read without blanks around its names
        names = [next((name for name in expected.names if name.strip() == cell), cell) for cell in names]
    names = [name or f"column{position}" for position, name in enumerate(names, start=1)]
    if not header:
        notes.append(f"columns are named column1 to column{len(used)}")
    check_distinct(names, source)
    return names, used, notes


def _wrong_width(source: str, width: int, expected: Expected) -> DataError:
    """Rows without a header are of another length than those that settled what they are to hold."""
    lengths = [str(len(names)) for names in expected.unnamed]
    allowed = listed(list(dict.fromkeys(lengths)), "or")
    return DataError(
        f"{source}: rows without a header must have {allowed} cells, with or without what is not needed, however they "
        f"have {width}; a header would be {', '.join(expected.names[:3])}{', …' if len(expected.names) > 3 else ''}"
    )


def _wrong_header(first: list[tuple[int, list[str]]], source: str, width: int) -> DataError:
    """The first row is no header of rows of ``width`` cells; if it is a title, the header is below."""
    line, cells = first[0]
    named = f"{source}, line {line}: the header names {count(len(cells), 'column')}"
    named += f", however the rows have {count(width, 'cell')}"
    header = next((other for other, row in first if len(row) == width), None)
    if header is None or len(cells) >= width - 1:
        return DataError(named)
    return DataError(f"{named}; if the header is line {header}, delete the lines before it")


def check_distinct(names: list[str], source: str) -> None:
    """Refuses two columns of one name.

    Raises:
        DataError: Naming it and where it stands.
    """
    for name, times in Counter(names).items():
        if times > 1:
            where = ", ".join(str(position) for position, other in enumerate(names, start=1) if other == name)
            raise DataError(f"{source}: {times} columns have the name {name!r} (columns {where}); names must differ")


# --- reading ----------------------------------------------------------------------------------------------------------


def _parse(
    dialect: Dialect, source: str, header: bool, names: list[str], used: list[int], expected: Expected | None
) -> pd.DataFrame:
    """All rows below the header."""
    # The header is one record for pandas, however many lines it has; blank lines above it are one each.
    skipped = next(dialect.rows())[0] if header else 0
    chosen = [names[position] for position in used]
    options: dict[str, Any] = {
        "compression": "gzip" if dialect.gzipped else None,
        "encoding": dialect.encoding,
        "sep": r"\s+" if dialect.delimiter == " " else dialect.delimiter,
        "decimal": dialect.decimal,
        "header": None,
        "skiprows": skipped,
        "names": names,
        "index_col": False,
        "skipinitialspace": True,
        "keep_default_na": False,
        "na_values": sorted(MISSING),
    }
    texts = {} if expected is None else {name: str for name in chosen if name not in expected.numbers}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it would leave out what is too long
            # With usecols, rows that are too long would pass.
            frame = _in_pieces(dialect, usecols=None if len(chosen) == len(names) else chosen, dtype=texts, **options)
            mixed = [name for name in chosen if frame[name].dtype == object or frame[name].dtype == bool]
            if mixed:
                # Pieces of a column typed each for itself, or True and False: the text itself is wanted.
                again = pd.read_csv(dialect.path, usecols=mixed, dtype=str, **options)
                for name in mixed:
                    frame[name] = again[name]
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        if "out of memory" in str(error):
            raise MemoryError(str(error)) from error
        _check_widths(dialect, source, len(names))
        raise DataError(f"{source}: cannot be read as a table ({str(error).strip()})") from error
    if expected is not None and dialect.decimal == ",":
        for name in expected.levels & {*chosen}:
            frame[name] = frame[name].str.replace(DECIMAL_COMMA, r"\1.\2", regex=True)
    if len(frame) and frame[chosen[-1]].isna().any():
        _check_widths(dialect, source, len(names))  # short rows are filled up silently
    return frame


def _in_pieces(dialect: Dialect, **options: Any) -> pd.DataFrame:
    """Reads piece by piece and joins column by column, so that there is never a second copy of the whole.

    500,000 rows of 100 numbers: 0.47 GB at most, however 1.14 GB with the small pieces pandas makes itself.
    """
    with pd.read_csv(dialect.path, chunksize=PIECE_ROWS, low_memory=False, **options) as reader:
        # Each column has memory of its own. Not DataFrame.pop, which visits all columns: of 10,000 for minutes.
        pieces = [dict(piece.items()) for piece in reader]
    names = list(pieces[0])
    return pd.DataFrame({name: pd.concat([piece.pop(name) for piece in pieces]) for name in names}, copy=False)


def _check_widths(dialect: Dialect, source: str, width: int) -> None:
    """Refuses rows of another length than the others.

    Raises:
        DataError: Naming the line.
    """
    for position, (line, cells) in enumerate(dialect.rows()):
        if len(cells) != width and not (position == 0 and len(cells) == width - 1):
            cells_here = count(len(cells), "cell")
            raise DataError(f"{source}, line {line}: has {cells_here}, however the other lines have {width}")


def _line_of(dialect: Dialect, header: bool, row: int) -> int | None:
    """The line a data row starts on, both 1-based: blank lines and line breaks inside cells count as lines."""
    with suppress(csv.Error):  # a cell too long for it, which pandas reads
        found = next(itertools.islice(dialect.rows(), row - 1 + header, None), None)
        return None if found is None else found[0]
    return None
