"""What a column holds: numbers, yes/no, dates, categories or identifiers.

Text becomes numbers through its distinct values, so a column of a million cells of text costs little more than its
vocabulary. Leading and trailing blanks do not count. Cells that read as :data:`MISSING`, or as ``data.missing`` says,
are missing in every format. ``formats.py`` has the ways in which numbers, times and dates are written.
"""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Number
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.tables.formats import (
    BOOLEANS,
    ISO,
    ISO_DATE,
    NUMBER,
    PLAIN,
    SINGLE,
    SPAN,
    TRUE_FALSE,
    Reading,
    grouped,
    holds,
    looks_like,
    misfits,
    read_in,
    written,
)
from sweep.tables.types import Floats, Table

Kind = Literal["numeric", "boolean", "datetime", "categorical", "identifier", "empty"]

MISSING = frozenset(
    [
        "",
        "?",
        "-",
        ".",
        "NA",
        "na",
        "N/A",
        "n/a",
        "N.A.",
        "n.a.",
        "N.A",
        "n.a",
        "#N/A",
        "#NA",
        "<NA>",
        "NaN",
        "nan",
        "NAN",
        "-nan",
        "-NaN",
        "NaT",
    ]
) | {"null", "NULL", "Null", "None", "NONE", "nil"}
"""Cells that are missing values, blanks around them left out."""

FEW_LEVELS = 20
"""Up to here, distinct values can be the levels of a category, or classes."""

_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_ROUNDING = 8 * float(np.finfo(np.float64).eps)

_SINCE = "used as days since 1970-01-01"


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column, understood.

    Attributes:
        name: Of the column.
        kind: What it holds. ``"identifier"``: text nearly all of which is distinct.
        numbers: ``[n]`` float64, NaN for missing; ``None`` for text. Yes/no as 1 and 0, dates as days since
            1970-01-01 (UTC).
        codes: ``[n]`` int64 positions in ``levels``, -1 for missing; ``None`` for numbers.
        levels: Distinct texts in natural order.
        written: How cells became numbers, where that was a decision; else empty.
        hint: What texts that stay texts look like, where they look like numbers or dates; else empty.
        format: The key of the format (``formats.py``) in which its texts are numbers, or would be had they been
            text; empty where texts are the levels of a category. A category with a format has numbers for levels.
    """

    name: str
    kind: Kind
    numbers: Floats | None = None
    codes: NDArray[np.int64] | None = None
    levels: tuple[str, ...] = ()
    written: str = ""
    hint: str = ""
    format: str = ""

    def take(self, rows: NDArray[np.int64]) -> Column:
        """The same column at these rows only."""
        return replace(
            self,
            numbers=None if self.numbers is None else self.numbers[rows],
            codes=None if self.codes is None else self.codes[rows],
        )

    @property
    def missing(self) -> NDArray[np.bool_]:
        """``[n]`` whether the cell is missing."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        assert self.codes is not None  # noqa: S101 - a column has numbers or codes
        return self.codes < 0


def read_column(table: Table, name: str, *, as_categories: bool = False, target: bool = False) -> Column:
    """One column of a table, understood.

    Args:
        table: As read.
        name: Of a column that exists.
        as_categories: Take distinct values for levels whatever they look like (``data.categorical``).
        target: Whether it is the one to predict: messages advise something else then.

    Raises:
        DataError: Text in a column of numbers, or values that are neither numbers, texts nor dates.
    """
    series = table.frame[name]
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        column = Column(name, "datetime", numbers=days_of(series), written=f"dates, {_SINCE}", format=ISO)
    elif pd.api.types.is_timedelta64_dtype(series.dtype):
        column = Column(name, "datetime", numbers=days_of(series), written="spans of time, used as days", format=SPAN)
    elif pd.api.types.is_bool_dtype(series.dtype) and not isinstance(series.dtype, pd.CategoricalDtype):
        if as_categories:  # the words a text file has for them
            return _from_distinct(table, name, series.astype(object), as_categories=True, target=target)
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        column = Column(name, "boolean", numbers=numbers, written="true is 1, false is 0", format=TRUE_FALSE)
    elif pd.api.types.is_numeric_dtype(series.dtype):
        whole = isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu"  # none of them can be missing
        numbers = np.asarray(series.to_numpy(np.float64) if whole else series.to_numpy(np.float64, na_value=np.nan))
        single = as_categories and is_single(series)
        column = without_missing(table, Column(name, "numeric", numbers=numbers, format=SINGLE if single else PLAIN))
    else:
        return without_missing(table, _from_distinct(table, name, series, as_categories=as_categories, target=target))
    if column.missing.all():
        return replace(column, kind="empty", written="", format="")
    return _levels_of_numbers(column) if as_categories else column


def odd_texts(table: Table, name: str) -> dict[str, int]:
    """Texts in a column that is numbers, amounts, dates … in half of its cells or more, with their cells."""
    codes, distinct = pd.factorize(table.frame[name].astype(str).where(table.frame[name].notna()))
    codes, texts = clean(codes.astype(np.int64), [str(value) for value in distinct], table.missing)
    if not texts:
        return {}
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    place = {text: int(count) for text, count in zip(texts, counts, strict=True)}
    return {text: place[text] for text in misfits(texts, counts)[1]}


def as_written(table: Table, column: Column) -> Column:
    """Numbers of single precision as their shortest decimals, as a text file has them; other columns as they are.

    0.1 in single precision is 0.10000000149 in double.
    """
    if column.numbers is None or not is_single(table.frame[column.name]):
        return column
    return replace(column, numbers=column.numbers.astype(np.float32).astype(str).astype(np.float64))


def is_single(series: pd.Series[Any]) -> bool:
    """Whether a column is numbers of single precision."""
    return str(series.dtype).lower() == "float32"


def is_constant(numbers: Floats) -> bool:
    """Whether numbers, NaN left out, are one value: equal, or apart by the rounding of the sums they come from.

    0.1 + 0.2 and 0.3 are one value. Scaled to a variance of 1, that rounding would be a feature.
    """
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    return high - low <= _ROUNDING * max(abs(low), abs(high))


def counts_rows(column: Column) -> bool:
    """Whether a column reads 0, 1, 2, … or 1, 2, 3, … down the table."""
    numbers = column.numbers
    if numbers is None or len(numbers) < 3 or numbers[0] not in (0.0, 1.0):
        return False
    return bool(np.array_equal(numbers, np.arange(len(numbers)) + numbers[0]))


def number_text(value: float) -> str:
    """A number as the text of a class or level: ``3.0`` is ``"3"``."""
    return str(int(value)) if value == np.floor(value) and abs(value) < 1e15 else repr(float(value))


def natural_order(texts: Iterable[str]) -> list[str]:
    """Sorted as people sort: numbers by value, ``"a2"`` before ``"a10"``."""
    every = list(texts)
    if all(NUMBER.fullmatch(text) for text in every):
        return sorted(every, key=lambda text: (float(text), text))
    return sorted(every, key=_natural_key)


def near(name: str, columns: Sequence[str]) -> str:
    """The columns there are, the most alike first: for messages about one that is not there."""
    alike = difflib.get_close_matches(name, columns, n=3, cutoff=0.6)
    if alike:
        return "did you mean " + " or ".join(repr(column) for column in alike) + "?"
    shown = ", ".join(repr(column) for column in columns[:12])
    return f"columns are {shown}" + (f", … ({len(columns)} in all)" if len(columns) > 12 else "")


def _natural_key(text: str) -> tuple[list[tuple[int, int | str]], str]:
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], text


def without_missing(table: Table, column: Column) -> Column:
    """Numbers without those that ``data.missing`` names: ``"-999"`` is -999.0 too."""
    absent = [float(text) for text in table.missing if NUMBER.fullmatch(text)]
    if column.numbers is None or column.kind != "numeric" or not absent:
        return column
    numbers = np.where(np.isin(column.numbers, absent), np.nan, column.numbers)
    return replace(column, numbers=numbers, kind="empty" if np.isnan(numbers).all() else "numeric")


def _levels_of_numbers(column: Column) -> Column:
    """Distinct numbers as levels, in their order."""
    assert column.numbers is not None  # noqa: S101 - called for columns of numbers
    present = ~np.isnan(column.numbers)
    values, place = np.unique(column.numbers[present], return_inverse=True)
    codes = np.full(len(column.numbers), -1, np.int64)
    codes[present] = place
    levels = tuple(number_text(value) for value in values)
    return Column(column.name, "categorical", codes=codes, levels=levels, format=column.format)


def days_of(series: pd.Series[Any]) -> Floats:
    """Dates as days since 1970-01-01 (UTC), time spans as days; NaN for missing.

    In the unit they come in: years 1 and 9999, which stand for "ever" and "never", lie beyond nanoseconds. The whole
    days are taken apart first, so that every unit gives the same number.
    """
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert(None)
    times = series.to_numpy()
    ticks = times.astype(np.int64)
    day = _A_DAY[np.datetime_data(times.dtype)[0]]
    days: Floats = ticks // day + (ticks % day) / day
    days[np.isnat(times)] = np.nan
    return days


# --- text and objects, through their distinct values ------------------------------------------------------------------


def _from_distinct(table: Table, name: str, series: pd.Series[Any], *, as_categories: bool, target: bool) -> Column:
    try:
        codes, distinct = pd.factorize(series)
    except TypeError as error:  # lists and other nested values have no hash
        raise not_a_value(table, name, series) from error
    values = list(distinct)
    if values and all(isinstance(value, datetime.date) for value in values):
        numbers = spread(days_of(pd.Series(pd.to_datetime(values, utc=True))), codes)
        return Column(name, "datetime", numbers=numbers, written=f"dates, {_SINCE}", format=ISO)
    if values and all(isinstance(value, Number) and not isinstance(value, bool) for value in values):
        numbers = spread(np.array([float(value) for value in values]), codes)
        declared = isinstance(series.dtype, pd.CategoricalDtype)
        numeric = without_missing(table, Column(name, "numeric", numbers=numbers, format=PLAIN))
        return _levels_of_numbers(numeric) if (as_categories or declared) and numeric.kind != "empty" else numeric
    if not all(isinstance(value, str | bool | int | float) for value in values):
        raise not_a_value(table, name, series)
    codes, texts = clean(codes.astype(np.int64), [str(value) for value in values], table.missing)
    if not texts:
        return Column(name, "empty", numbers=np.full(len(series), np.nan))
    if as_categories:
        return Column(name, "categorical", codes=codes, levels=tuple(texts))
    if (pair := _as_boolean(name, codes, texts)) is not None:
        return pair
    if isinstance(series.dtype, pd.CategoricalDtype):
        return Column(name, "categorical", codes=codes, levels=tuple(texts))
    found = _as_numbers(table, name, codes, texts, target=target) or _as_dates(name, codes, texts)
    if found is not None:
        return found
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    kind: Kind = "identifier" if len(texts) > FEW_LEVELS and 2 * len(texts) > counts.sum() else "categorical"
    return Column(name, kind, codes=codes, levels=tuple(texts), hint=looks_like(texts, counts))


def clean(codes: NDArray[np.int64], texts: list[str], missing: frozenset[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Blanks stripped, missing markers to -1, equal texts joined, texts in natural order."""
    stripped = [text.strip() for text in texts]
    order = natural_order({text for text in stripped if text not in MISSING and text not in missing})
    place = {text: position for position, text in enumerate(order)}
    new = np.array([place.get(text, -1) for text in stripped] + [-1], np.int64)  # the last entry: old code -1
    return new[codes], order


def spread(values: Floats, codes: NDArray[Any]) -> Floats:
    """``[n]`` values of each row from the values of its distinct text; NaN for code -1."""
    spread: Floats = np.append(values, np.nan)[codes]
    return spread


def _as_boolean(name: str, codes: NDArray[np.int64], texts: list[str]) -> Column | None:
    """A column of one of the pairs of :data:`BOOLEANS`, or ``None``."""
    words = {text.lower(): text for text in texts}
    yes = next((yes for yes, no in BOOLEANS.items() if words.keys() == {yes, no}), None)
    if yes is None or len(texts) != 2:
        return None
    no = BOOLEANS[yes]
    return _column(name, "boolean", f"{yes}/{no}", codes, texts, f"{words[yes]!r} is 1, {words[no]!r} is 0")


def _as_dates(name: str, codes: NDArray[np.int64], texts: list[str]) -> Column | None:
    """A column of dates, or of numbers in one of the formats that people write; or ``None``."""
    if all(ISO_DATE.fullmatch(text) for text in texts):
        reading = Reading(ISO, "dates")
    elif (found := written(texts)) is None:
        return None
    else:
        reading = found
    if holds(reading.format) == "numeric":
        return _column(name, "numeric", reading.format, codes, texts, reading.said)
    column = _column(name, "datetime", reading.format, codes, texts, f"{reading.said}, {_SINCE}")
    return None if column.missing[codes >= 0].any() else column  # February 31st


def _column(name: str, kind: Kind, key: str, codes: NDArray[np.int64], texts: list[str], said: str = "") -> Column:
    """A column of texts that are numbers in a format."""
    return Column(name, kind, numbers=spread(numbers_in(key, texts), codes), written=said, format=key)


def numbers_in(key: str, texts: list[str]) -> Floats:
    """``[len(texts)]`` float64: what texts mean in a format (``formats.py``), dates as days; NaN where not in it."""
    values = read_in(key, texts)
    if holds(key) != "datetime" or key == SPAN:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return days_of(
        pd.Series(pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601", utc=True, errors="coerce"))
    )


def _as_numbers(table: Table, name: str, codes: NDArray[np.int64], texts: list[str], *, target: bool) -> Column | None:
    """A column of numbers written as text, or ``None`` where the texts are categories.

    Raises:
        DataError: Numbers with some text among them that cannot be a level of a category.
    """
    is_number = np.array([NUMBER.fullmatch(text) is not None for text in texts])
    if is_number.all():
        return _column(name, "numeric", PLAIN, codes, texts)
    if (reading := grouped(texts, is_number)) is not None:
        return _column(name, "numeric", reading.format, codes, texts, reading.said)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    share, distinct = counts[is_number].sum() / counts.sum(), int(is_number.sum())
    frequent = counts[~is_number].min() >= max(3, 0.01 * counts.sum())
    stray = share >= 0.9 and not (distinct <= FEW_LEVELS and frequent)
    if not (stray or (share >= 0.5 and distinct > FEW_LEVELS)):
        return None
    cells = np.flatnonzero(~np.append(is_number, True)[codes])
    first = int(cells[0])
    others = "" if len(cells) == 1 else f" ({len(cells)} of {counts.sum()} cells are)"
    text = texts[codes[first]]
    advice = "correct it, empty the cell if it is missing"
    if not re.search(r"\d", text):
        advice += f" (or data.missing = [{json.dumps(text, ensure_ascii=False)}])"
    if target:
        advice += ', or set data.task = "classification" if these are classes'
    else:
        advice += ", or name the column in data.categorical (values as categories) or data.drop (left out)"
    raise DataError(f"{table.cell(name, first + 1)}: {text!r} is text in a column of numbers{others}; {advice}")


def not_a_value(table: Table, name: str, series: pd.Series[Any]) -> DataError:
    """The error of a column that holds lists, bytes or other things."""
    for row, value in enumerate(series, start=1):
        if not (isinstance(value, str | bool | int | float | datetime.date | Number) or value is None):
            return DataError(
                f"{table.cell(name, row)}: a value of type {type(value).__name__}, however only numbers, texts, "
                "yes/no and dates can be used; name the column in data.drop"
            )
    return DataError(f"{table.source}, column {name!r}: numbers, texts and dates are mixed; name it in data.drop")
