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
import io
import itertools
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd

from sweep.errors import DataError
from sweep.tables.columns import MISSING
from sweep.tables.types import Table
from sweep.wording import count

SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 200
PIECE_ROWS = 1 << 16
_COLUMNS = "columns of numbers"
_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "blanks"}
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written.

    Attributes:
        path: The file.
        gzipped: Whether it is compressed.
        encoding: Of the text.
        delimiter: One character; a blank stands for any number of blanks.
        decimal: ``"."`` or ``","``.
    """

    path: Path
    gzipped: bool
    encoding: str
    delimiter: str
    decimal: str

    def open(self) -> IO[str]:
        """The text of the file."""
        if self.gzipped:
            return gzip.open(self.path, "rt", encoding=self.encoding, newline="")
        return self.path.open(encoding=self.encoding, newline="")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(1-based line, cells) of every row that is not blank."""
        with self.open() as text:
            yield from split_rows(text, self.delimiter)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of a text file are divided and named.

    Attributes:
        dialect: How it is written.
        header: Cells of its first row, as they stand there; ``None`` where that is data.
        names: Of all cells of a row.
        used: Positions of those that are columns of the table.
        notes: What was decided and why.
    """

    dialect: Dialect
    header: tuple[str, ...] | None
    names: tuple[str, ...]
    used: tuple[int, ...]
    notes: tuple[str, ...]


def split_rows(lines: IO[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(1-based line, cells) of every row that is not blank; blanks around cells are kept but for a blank delimiter."""
    if delimiter == " ":
        reader = csv.reader((line.strip().replace("\t", " ") for line in lines), delimiter=" ", skipinitialspace=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    line = 1
    for cells in reader:
        if len(cells) > 1 or any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _first_rows(sample: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The first rows of a sample of text."""
    return itertools.islice(split_rows(io.StringIO(sample, newline=""), delimiter), SAMPLE_ROWS)


def read_text(path: Path, source: str, *, header: bool | None) -> Table:
    """Reads a text file.

    Args:
        path: The file, which exists.
        source: As the definition names it.
        header: Whether the first row names the columns; ``None`` to find out.

    Raises:
        DataError: No text, no rows, rows of different lengths, two columns of one name.
    """
    try:
        return _read(path, source, header)
    except UnicodeError as error:
        raise DataError(f"{source}: cannot be decoded as text ({error})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source}: the gzip file is damaged or incomplete ({error})") from error
    except csv.Error as error:
        raise DataError(f"{source}: cannot be divided into rows and cells ({error})") from error


def layout_of(path: Path, source: str, header: bool | None) -> Layout:
    """How the columns of a text file are divided and named; arguments and errors as for :func:`read_text`."""
    dialect, sample, notes = _sniff(path, source)
    first = list(_first_rows(sample, dialect.delimiter))
    rows = [cells for _, cells in first]
    if not rows:
        raise DataError(f"{source}: the table is empty")
    named = header
    if named is None:
        named, why = detect_header(rows)
        wrong = "false" if named else "true"
        notes.append(f"first row taken for {'the header' if named else 'data'}: {why} (data.header = {wrong} if not)")
    names, used, more = _names(first, source, header=named)
    return Layout(dialect, tuple(rows[0]) if named else None, tuple(names), tuple(used), (*notes, *more))


def _read(path: Path, source: str, header: bool | None) -> Table:
    layout = layout_of(path, source, header)
    named = layout.header is not None
    frame = _parse(layout.dialect, source, named, list(layout.names), list(layout.used))
    if frame.empty:
        raise DataError(f"{source}: the table is empty" + (" below its header" if named else ""))
    return Table(frame, source, layout.notes, line_of=partial(_line_of, layout.dialect, named))


# --- finding out ------------------------------------------------------------------------------------------------------


def _sniff(path: Path, source: str) -> tuple[Dialect, str, list[str]]:
    """The dialect, a sample of whole lines, and notes."""
    with path.open("rb") as start:
        gzipped = start.read(2) == b"\x1f\x8b"
    with gzip.open(path) if gzipped else path.open("rb") as raw:
        head = raw.read(SAMPLE_BYTES)
    encoding, notes = _encoding(head, path, gzipped=gzipped)
    if b"\0" in head and encoding != "utf-16":
        raise DataError(
            f"{source}: is not text (it holds zero bytes); allowed are CSV, TSV, Parquet and Arrow files, plain or .gz"
        )
    sample = head.decode(encoding, errors="ignore")
    if len(head) == SAMPLE_BYTES:
        sample = sample[: sample.rfind("\n") + 1] or sample
    if re.match(r"\s*<(!doctype|html|\?xml)", sample, re.IGNORECASE):
        raise DataError(f"{source}: is a web page, not a table")
    if re.match(r"""\s*(\[\s*[\[{]|\{\s*")""", sample):
        raise DataError(
            f"{source}: looks like JSON, not a table; allowed are CSV, TSV, Parquet and Arrow files, plain or .gz"
        )
    delimiter, why = detect_delimiter(sample)
    decimal = detect_decimal(sample, delimiter)
    notes.append(f"delimiter: {_NAMES[delimiter]} ({why})" + ("; decimal comma" if decimal == "," else ""))
    return Dialect(path, gzipped, encoding, delimiter, decimal), sample, notes


def _encoding(head: bytes, path: Path, *, gzipped: bool) -> tuple[str, list[str]]:
    """UTF-8 if all of the file is; decided in small pieces."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", ["encoding: UTF-16, by its byte order mark"]
    encoding = "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        with gzip.open(path, "rt", encoding=encoding) if gzipped else path.open(encoding=encoding) as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError as error:
        bad = error.object[error.start]
        return "latin-1", [f"encoding: latin-1, because the file is not UTF-8 (byte 0x{bad:02x})"]
    return encoding, []


def detect_delimiter(sample: str) -> tuple[str, str]:
    """The delimiter of a sample of lines, and why.

    Rarer characters are asked first: a comma may stand in texts and numbers of a file divided by semicolons, hardly
    the other way round.
    """
    for delimiter in ("\t", ";", "|", ",", " "):
        try:
            rows = [cells for _, cells in _first_rows(sample, delimiter)]
        except csv.Error:
            continue
        lengths = [len(cells) for cells in rows]
        if delimiter == "\t" and rows and any(_several_numbers(cell) for cell in rows[-1]):
            continue  # blanks divide, with tabs among them
        if len(lengths) > 2:
            del lengths[0]  # a header may be a cell shorter or longer
        if not lengths:
            break
        length, lines = Counter(lengths).most_common(1)[0]
        if length > 1 and lines >= 0.95 * len(lengths):
            return delimiter, f"{length} cells in each line"
    return ",", "no delimiter divides the lines into equally many cells, so each line is a cell"


def detect_decimal(sample: str, delimiter: str) -> str:
    """``","`` where numbers are written like ``1,5``, else ``"."``."""
    if delimiter == ",":
        return "."
    cells = [cell.strip() for _, cells in _first_rows(sample, delimiter) for cell in cells]
    comma = any(_COMMA_NUMBER.fullmatch(cell) for cell in cells)
    return "," if comma and not any(_POINT_NUMBER.fullmatch(cell) for cell in cells) else "."


def detect_header(rows: list[list[str]]) -> tuple[bool, str]:
    """Whether the first of the rows names the columns, and why."""
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if not rest:
        named = not any(_is_number(cell) for cell in first)
        return named, "it is the only row and holds " + ("no number" if named else "numbers")
    if first == [str(position) for position in range(len(first))]:
        return True, "it counts the columns"
    columns = [[row[position].strip() for row in rest if position < len(row)] for position in range(len(first))]
    numeric = [_all_numbers(column) for column in columns]
    above_numbers = [cell for cell, numbers in zip(first, numeric, strict=True) if numbers]
    texts = sum(1 for cell in above_numbers if not _is_value(cell))
    valued = sum(1 for cell in above_numbers if _is_number(cell))
    if texts or valued:
        if texts > valued:
            return True, f"{count(texts, 'of its cells is a text', 'of its cells are texts')} above {_COLUMNS}"
        return False, f"{count(valued, 'of its cells is a number', 'of its cells are numbers')} above {_COLUMNS}"
    again = sum(1 for cell, column in zip(first, columns, strict=True) if cell in column)
    distinct = len(set(first)) == len(first) and all(first[1:])
    if again or not distinct:
        repeated = count(again, "of its cells occurs again below", "of its cells occur again below")
        why = repeated if again else "its cells are not distinct names"
        return False, f"all columns are text, and {why}"
    return True, "all columns are text, and none of its cells occurs again below"


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _several_numbers(cell: str) -> bool:
    parts = cell.split()
    return len(parts) > 1 and all(_is_value(part) for part in parts)


def _is_value(cell: str) -> bool:
    return cell in MISSING or _is_number(cell)


def _all_numbers(cells: list[str]) -> bool:
    """Whether these are numbers and missing values, with at least one number."""
    return all(_is_value(cell) for cell in cells) and any(_is_number(cell) for cell in cells)


def _names(first: list[tuple[int, list[str]]], source: str, *, header: bool) -> tuple[list[str], list[int], list[str]]:
    """Names of all cells of a row, positions of those that are used, and notes; ``first``: rows with their lines."""
    rows = [cells for _, cells in first]
    body = rows[1:] if header and len(rows) > 1 else rows
    width = Counter(len(cells) for cells in body).most_common(1)[0][0]
    notes: list[str] = []
    ends_empty = width > 1 and all(len(cells) == width and not cells[-1].strip() for cells in body)
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
    names = [name or f"column{position}" for position, name in enumerate(names, start=1)]
    if not header:
        notes.append(f"columns are named column1 to column{len(used)}")
    check_distinct(names, source)
    return names, used, notes


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


def _parse(dialect: Dialect, source: str, header: bool, names: list[str], used: list[int]) -> pd.DataFrame:
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it would leave out what is too long
            # With usecols, rows that are too long would pass.
            frame = _in_pieces(dialect, usecols=None if len(chosen) == len(names) else chosen, **options)
            mixed = [name for name in chosen if frame[name].dtype == object or frame[name].dtype == bool]
            if mixed:
                # Pieces of a column typed each for itself, or True and False: the text itself is wanted.
                again = pd.read_csv(dialect.path, usecols=mixed, dtype=str, **options)
                for name in mixed:
                    frame[name] = again[name]
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _check_widths(dialect, source, len(names))
        raise DataError(f"{source}: cannot be read as a table ({str(error).strip()})") from error
    if len(frame) and frame[chosen[-1]].isna().any():
        _check_widths(dialect, source, len(names))  # short rows are filled up silently
    return frame


def _in_pieces(dialect: Dialect, **options: Any) -> pd.DataFrame:
    """Reads piece by piece and joins column by column, so that there is never a second copy of the whole.

    500,000 rows of 100 numbers: 0.47 GB at most, however 1.14 GB with the small pieces pandas makes itself.
    """
    with pd.read_csv(dialect.path, chunksize=PIECE_ROWS, low_memory=False, **options) as reader:
        pieces = list(reader)
    names = list(pieces[0].columns)
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
    found = next(itertools.islice(dialect.rows(), row - 1 + header, None), None)
    return None if found is None else found[0]
