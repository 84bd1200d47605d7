"""What a column holds: numbers, yes/no, dates, categories or identifiers.

Text becomes numbers through its distinct values, so a column of a million cells of text costs little more than its
vocabulary. Leading and trailing blanks do not count. Cells that read as :data:`MISSING` are missing in every format.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Number
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.tables.types import Floats, Table

Kind = Literal["numeric", "boolean", "datetime", "categorical", "identifier", "empty"]

MISSING = frozenset(
    ["", "?", "-", ".", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN", "NaT"]
) | {"null", "NULL", "Null", "None", "NONE", "nil"}
"""Cells that are missing values, blanks around them left out."""

BOOLEANS = {"yes": "no", "true": "false", "t": "f", "y": "n", "on": "off"}
"""What stands for 1, and for 0; any case."""

FEW_LEVELS = 20
"""Up to here, distinct values can be the levels of a category, or classes."""

_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_ROUNDING = 8 * float(np.finfo(np.float64).eps)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
# Other ways to write numbers: 1,234.5 and 1.234,5 or 1,5. A group of thousands never begins with 0.
_GROUPED = (
    (re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?"), ",", "."),
    (re.compile(r"(?=.*\d)[+-]?([1-9]\d{0,2}(\.\d{3})+|\d*)(,\d+)?"), ".", ","),
)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")


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
        written: How numbers are written, where that was a decision; else empty.
    """

    name: str
    kind: Kind
    numbers: Floats | None = None
    codes: NDArray[np.int64] | None = None
    levels: tuple[str, ...] = ()
    written: str = ""

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


def read_column(table: Table, name: str, *, as_categories: bool = False) -> Column:
    """One column of a table, understood.

    Args:
        table: As read.
        name: Of a column that exists.
        as_categories: Take distinct values for levels whatever they look like (``data.categorical``).

    Raises:
        DataError: Text in a column of numbers, or values that are neither numbers, texts nor dates.
    """
    series = table.frame[name]
    if pd.api.types.is_datetime64_any_dtype(series.dtype) or pd.api.types.is_timedelta64_dtype(series.dtype):
        column = Column(name, "datetime", numbers=_days(series))
    elif pd.api.types.is_bool_dtype(series.dtype) and not isinstance(series.dtype, pd.CategoricalDtype):
        if as_categories:  # the words a text file has for them
            return _from_distinct(table, name, series.astype(object), as_categories=True)
        column = Column(name, "boolean", numbers=series.to_numpy(np.float64, na_value=np.nan))
    elif pd.api.types.is_numeric_dtype(series.dtype):
        column = Column(name, "numeric", numbers=np.asarray(series.to_numpy(np.float64, na_value=np.nan)))
    else:
        return _from_distinct(table, name, series, as_categories=as_categories)
    if column.missing.all():
        return replace(column, kind="empty")
    return _levels_of_numbers(column) if as_categories else column


def as_written(table: Table, column: Column) -> Column:
    """Numbers of single precision as their shortest decimals, as a text file has them; other columns as they are.

    0.1 in single precision is 0.10000000149 in double.
    """
    if column.numbers is None or str(table.frame[column.name].dtype).lower() != "float32":
        return column
    return replace(column, numbers=column.numbers.astype(np.float32).astype(str).astype(np.float64))


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
    if all(_NUMBER.fullmatch(text) for text in every):
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


def _levels_of_numbers(column: Column) -> Column:
    """Distinct numbers as levels, in their order."""
    assert column.numbers is not None  # noqa: S101 - called for columns of numbers
    present = ~np.isnan(column.numbers)
    values, place = np.unique(column.numbers[present], return_inverse=True)
    codes = np.full(len(column.numbers), -1, np.int64)
    codes[present] = place
    return Column(column.name, "categorical", codes=codes, levels=tuple(number_text(value) for value in values))


def _days(series: pd.Series[Any]) -> Floats:
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


def _from_distinct(table: Table, name: str, series: pd.Series[Any], *, as_categories: bool) -> Column:
    try:
        codes, distinct = pd.factorize(series)
    except TypeError as error:  # lists and other nested values have no hash
        raise _not_a_value(table, name, series) from error
    values = list(distinct)
    if values and all(isinstance(value, datetime.date) for value in values):
        return Column(name, "datetime", numbers=_spread(_days(pd.Series(pd.to_datetime(values, utc=True))), codes))
    if values and all(isinstance(value, Number) and not isinstance(value, bool) for value in values):
        numbers = _spread(np.array([float(value) for value in values]), codes)
        declared = isinstance(series.dtype, pd.CategoricalDtype)
        numeric = Column(name, "numeric", numbers=numbers)
        return _levels_of_numbers(numeric) if as_categories or declared else numeric
    if not all(isinstance(value, str | bool | int | float) for value in values):
        raise _not_a_value(table, name, series)
    codes, texts = _clean(codes.astype(np.int64), [str(value) for value in values])
    if not texts:
        return Column(name, "empty", numbers=np.full(len(series), np.nan))
    if not as_categories:
        lowered = {text.lower(): text for text in texts}
        pair = next((yes for yes, no in BOOLEANS.items() if lowered.keys() == {yes, no}), None)
        if pair is not None and len(texts) == 2:
            return Column(name, "boolean", numbers=_spread(np.array([float(t.lower() == pair) for t in texts]), codes))
    if not as_categories and not isinstance(series.dtype, pd.CategoricalDtype):
        found = _as_numbers(table, name, codes, texts) or _as_dates(name, codes, texts)
        if found is not None:
            return found
        present = int((codes >= 0).sum())
        if len(texts) > FEW_LEVELS and 2 * len(texts) > present:
            return Column(name, "identifier", codes=codes, levels=tuple(texts))
    return Column(name, "categorical", codes=codes, levels=tuple(texts))


def _clean(codes: NDArray[np.int64], texts: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Blanks stripped, missing markers to -1, equal texts joined, texts in natural order."""
    stripped = [text.strip() for text in texts]
    order = natural_order({text for text in stripped if text not in MISSING})
    place = {text: position for position, text in enumerate(order)}
    new = np.array([place.get(text, -1) for text in stripped] + [-1], np.int64)  # the last entry: old code -1
    return new[codes], order


def _spread(values: Floats, codes: NDArray[Any]) -> Floats:
    """``[n]`` values of each row from the values of its distinct text; NaN for code -1."""
    spread: Floats = np.append(values, np.nan)[codes]
    return spread


def _as_dates(name: str, codes: NDArray[np.int64], texts: list[str]) -> Column | None:
    """A column of ISO 8601 dates, or ``None``."""
    if not all(_ISO_DATE.fullmatch(text) for text in texts):
        return None
    dates = pd.Series(pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce"))
    return None if dates.isna().any() else Column(name, "datetime", numbers=_spread(_days(dates), codes))


def _as_numbers(table: Table, name: str, codes: NDArray[np.int64], texts: list[str]) -> Column | None:
    """A column of numbers written as text, or ``None`` where the texts are categories.

    Raises:
        DataError: Numbers with some text among them that cannot be a level of a category.
    """
    is_number = np.array([_NUMBER.fullmatch(text) is not None for text in texts])
    if is_number.all():
        return Column(name, "numeric", numbers=_spread(np.array([float(text) for text in texts]), codes))
    grouped = _grouped(texts, is_number)
    if grouped is not None:
        values, written = grouped
        return Column(name, "numeric", numbers=_spread(values, codes), written=written)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    share, distinct = counts[is_number].sum() / counts.sum(), int(is_number.sum())
    frequent = counts[~is_number].min() >= max(3, 0.01 * counts.sum())
    stray = share >= 0.9 and not (distinct <= FEW_LEVELS and frequent)
    if not (stray or (share >= 0.5 and distinct > FEW_LEVELS)):
        return None
    cells = np.flatnonzero(~np.append(is_number, True)[codes])
    first = int(cells[0])
    others = "" if len(cells) == 1 else f" ({len(cells)} of {counts.sum()} cells are)"
    raise DataError(
        f"{table.cell(name, first + 1)}: {texts[codes[first]]!r} is text in a column of numbers{others}; "
        "correct it, empty the cell if it is missing, or name the column in data.categorical (values as "
        "categories) or data.drop (left out)"
    )


def _grouped(texts: list[str], is_number: NDArray[np.bool_]) -> tuple[Floats, str] | None:
    """Numbers with separated thousands or a decimal comma, and words about it; ``None`` where they are not."""
    others = [text for text, plain in zip(texts, is_number, strict=True) if not plain]
    for pattern, thousands, decimal in _GROUPED:
        # A point is something else where commas are decimal: then all must be written that way.
        if all(pattern.fullmatch(text) for text in (others if decimal == "." else texts)):
            values = [float(text.replace(thousands, "").replace(decimal, ".")) for text in texts]
            return np.array(values), f"{others[0]!r} is read as {number_text(values[texts.index(others[0])])}"
    return None


def _not_a_value(table: Table, name: str, series: pd.Series[Any]) -> DataError:
    """The error of a column that holds lists, bytes or other things."""
    for row, value in enumerate(series, start=1):
        if not (isinstance(value, str | bool | int | float | datetime.date | Number) or value is None):
            return DataError(
                f"{table.cell(name, row)}: a value of type {type(value).__name__}, however only numbers, texts, "
                "yes/no and dates can be used; name the column in data.drop"
            )
    return DataError(f"{table.source}, column {name!r}: numbers, texts and dates are mixed; name it in data.drop")
