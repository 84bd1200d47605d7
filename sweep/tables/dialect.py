"""How a text file is written: encoding, delimiter, decimals, header row."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sweep.errors import DataError
from sweep.tables.columns import MISSING
from sweep.wording import count

SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 200
_COLUMNS = "columns of numbers"
_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "blanks"}  # in the order of asking
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a text file is to hold, where another table has settled it.

    Attributes:
        names: Of the columns that are needed.
        numbers: Those that hold plain numbers; all others stay text.
        levels: Those whose plain numbers are levels of a category: any text may stand among them.
        unnamed: Where the other table had no header row, the names that rows may have, by their number; the first of
            a number counts. Else empty.
    """

    names: tuple[str, ...]
    numbers: frozenset[str]
    levels: frozenset[str] = frozenset()
    unnamed: tuple[tuple[str, ...], ...] = ()

    def heads(self, cells: Sequence[str]) -> bool:
        """Whether a row is the header: it names all columns that are needed.

        A column without a name is called by its place; of the first one the whole cell may be missing.
        """
        needed = {name.strip() for name in self.names}
        named = {cell.strip() or f"column{place}" for place, cell in enumerate(cells, start=1)}
        return needed <= named or (needed - named == {"column1"} and not needed.isdisjoint(named))

    def of_width(self, width: int) -> tuple[str, ...] | None:
        """The names of rows without a header."""
        return next((names for names in self.unnamed if len(names) == width), None)


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


def first_rows(sample: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The first rows of a sample of text."""
    return itertools.islice(split_rows(io.StringIO(sample, newline=""), delimiter), SAMPLE_ROWS)


# --- finding out ------------------------------------------------------------------------------------------------------


def sniff(path: Path, source: str, expected: Expected | None) -> tuple[Dialect, str, list[str]]:
    """The dialect, a sample of whole lines, and notes.

    Raises:
        DataError: It is no text, or a web page or JSON.
    """
    with path.open("rb") as start:
        gzipped = start.read(2) == b"\x1f\x8b"
    with gzip.open(path) if gzipped else path.open("rb") as raw:
        head = raw.read(SAMPLE_BYTES)
    encoding, notes = _encoding(head, path, gzipped=gzipped)
    if b"\0" in head and encoding != "utf-16":
        raise DataError(
            f"{source}: is not text (it holds NUL bytes); allowed are CSV, TSV, Parquet and Arrow files, plain or .gz"
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
    delimiter, why = (expected and _expected_delimiter(sample, expected)) or detect_delimiter(sample)
    rows = [cells for _, cells in first_rows(sample, delimiter)]
    decimal = detect_decimal(_number_cells(rows, expected) if expected else itertools.chain(*rows), delimiter)
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
            rows = [cells for _, cells in first_rows(sample, delimiter)]
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


def _expected_delimiter(sample: str, expected: Expected) -> tuple[str, str] | None:
    """The delimiter that divides the first line into the names that are needed, or lines into as many cells."""
    for delimiter in _NAMES:
        with contextlib.suppress(csv.Error):
            rows = [cells for _, cells in first_rows(sample, delimiter)]
            if rows and expected.heads(rows[0]):
                return delimiter, "it divides the header into the names of the columns"
            if rows and expected.of_width(len(rows[-1])):
                return delimiter, f"{len(rows[-1])} cells in each line"
    return None


def _number_cells(rows: list[list[str]], expected: Expected) -> list[str]:
    """The cells of columns that hold plain numbers: a decimal comma shows there, and there only."""
    names = [cell.strip() for cell in rows[0]] if rows else []
    if expected.heads(names):
        del rows[0]
    else:
        names = list(expected.of_width(len(names)) or ())
    numbers = {name.strip() for name in expected.numbers | expected.levels}
    return [cell for row in rows for name, cell in zip(names, row, strict=False) if name in numbers]


def detect_decimal(cells: Iterable[str], delimiter: str) -> str:
    """``","`` where numbers are written like ``1,5``, else ``"."``."""
    if delimiter == ",":
        return "."
    stripped = [cell.strip() for cell in cells]
    comma = any(_COMMA_NUMBER.fullmatch(cell) for cell in stripped)
    return "," if comma and not any(_POINT_NUMBER.fullmatch(cell) for cell in stripped) else "."


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
