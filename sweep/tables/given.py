"""A column of another table, read as its namesake was: nothing is found out anew, of one row nothing could be.

A column may come typed otherwise than before: from a text file, where all that is no plain number stays text, from a
Parquet file or a data frame. What means the same is the same: a date as text and as a date, the level ``"1"`` and the
number 1.0. What cannot mean anything in its column is an error that names the cell; only a category takes anything,
as a level that was never seen.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from sweep.errors import DataError
from sweep.tables.columns import (
    MISSING,
    Column,
    as_written,
    days_of,
    not_a_value,
    number_text,
    numbers_in,
    spread,
    without_missing,
)
from sweep.tables.features import FeaturePlan
from sweep.tables.formats import ISO, NUMBER, PLAIN, SINGLE, SPAN, holds, in_words, to_single
from sweep.tables.types import Floats, Table


def read_given(table: Table, plan: FeaturePlan) -> Column:
    """The column of a plan, in a table that has one of that name.

    Args:
        table: Any rows; ``table.missing`` as it was when the plan was made.
        plan: What the column holds, and how it was written.

    Raises:
        DataError: A cell that cannot be read as the others were; the message names it.
    """
    series = table.frame[plan.column]
    if isinstance(series.dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series))
    if plan.kind == "categorical":
        return _category(table, plan, series)
    fits: Any  # bool, or [n] bool
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        numbers, fits = days_of(series), _takes_dates(plan)
    elif pd.api.types.is_timedelta64_dtype(series.dtype):
        numbers, fits = days_of(series), plan.format == SPAN
    elif pd.api.types.is_numeric_dtype(series.dtype) and not isinstance(series.dtype, pd.CategoricalDtype):
        numbers = np.asarray(series.to_numpy(np.float64, na_value=np.nan))  # yes/no too, as 1 and 0
        fits = np.isin(numbers, (0, 1)) if plan.kind == "boolean" else plan.kind == "numeric"
    else:
        return _numbers(table, plan, series)
    wrong = ~(np.isnan(numbers) | fits)
    if wrong.any():
        raise _misfit(table, plan, series, wrong)
    column = without_missing(table, Column(plan.column, plan.kind, numbers=numbers, format=plan.format))
    return as_written(table, column) if plan.shift else column


def _takes_dates(plan: FeaturePlan) -> bool:
    return plan.kind == "datetime" and plan.format != SPAN


def _distinct(table: Table, plan: FeaturePlan, series: pd.Series[Any]) -> tuple[np.ndarray[Any, Any], list[Any]]:
    """``[n]`` codes of the cells, -1 for missing, and the values: texts without blanks around them, numbers, dates.

    Raises:
        DataError: Lists, bytes and other things among them.
    """
    try:
        codes, distinct = pd.factorize(series)
    except TypeError as error:  # lists and other nested values have no hash
        raise not_a_value(table, plan.column, series) from error
    values = [value.strip() if isinstance(value, str) else value for value in distinct]
    if not all(
        isinstance(value, str | bool | np.bool_ | datetime.date | datetime.timedelta | Number) for value in values
    ):
        raise not_a_value(table, plan.column, series)
    gone = [isinstance(value, str) and (value in MISSING or value in table.missing) for value in values]
    return np.where(np.append(gone, True)[codes], -1, codes), values


def _numbers(table: Table, plan: FeaturePlan, series: pd.Series[Any]) -> Column:
    """Of texts and objects, through their distinct values.

    Raises:
        DataError: One is not in the format of the plan.
    """
    codes, values = _distinct(table, plan, series)
    means = np.full(len(values), np.nan)
    for kind, meaning in ((str, _of_texts), (datetime.date, _of_dates), (datetime.timedelta, _of_dates)):
        if places := [place for place, value in enumerate(values) if isinstance(value, kind)]:
            means[places] = meaning(plan, [values[place] for place in places])
    for place, value in enumerate(values):
        if not isinstance(value, str | datetime.date | datetime.timedelta):
            means[place] = _of_number(plan, float(value))
    numbers = spread(means, codes)
    wrong = np.isnan(numbers) & (codes >= 0)
    if wrong.any():
        raise _misfit(table, plan, series, wrong)
    return without_missing(table, Column(plan.column, plan.kind, numbers=numbers, format=plan.format))


def _of_texts(plan: FeaturePlan, texts: list[str]) -> Floats:
    """NaN where a text is not in the format of the plan, nor in one that can mean nothing else."""
    found = numbers_in(plan.format, texts)
    if plan.kind == "boolean":
        plain = numbers_in(PLAIN, texts)
        found = np.where(np.isnan(found) & np.isin(plain, (0, 1)), plain, found)
    elif _takes_dates(plan):
        found = np.where(np.isnan(found), numbers_in(ISO, texts), found)
    return found


def _of_dates(plan: FeaturePlan, values: list[Any]) -> Floats:
    """Dates, or spans of time, in days; NaN where the column of the plan does not hold them."""
    spans = isinstance(values[0], datetime.timedelta)
    if holds(plan.format) != "datetime" or spans != (plan.format == SPAN):
        return np.full(len(values), np.nan)
    return days_of(pd.Series(pd.to_timedelta(values) if spans else pd.to_datetime(values, utc=True)))


def _of_number(plan: FeaturePlan, number: float) -> float:
    if plan.kind == "boolean":
        return number if number in (0, 1) else np.nan
    return number if plan.kind == "numeric" else np.nan


def _misfit(table: Table, plan: FeaturePlan, series: pd.Series[Any], wrong: np.ndarray[Any, Any]) -> DataError:
    """The error of cells that are not in the format of their column. ``wrong``: ``[n]`` whether a cell is one."""
    rows = np.flatnonzero(wrong)
    value = series.iloc[int(rows[0])]
    shown = repr(value.strip()) if isinstance(value, str) else str(value)
    others = "" if len(rows) == 1 else f" ({len(rows)} of {int(series.notna().sum())} cells)"
    return DataError(
        f"{table.cell(plan.column, int(rows[0]) + 1)}: {shown} stands in a column of {in_words(plan.format)}{others}; "
        "correct it, or empty the cell if it is missing"
    )


# --- categories -------------------------------------------------------------------------------------------------------


def _category(table: Table, plan: FeaturePlan, series: pd.Series[Any]) -> Column:
    """A column of levels: those of the plan, and maybe others."""
    codes, values = _distinct(table, plan, series)
    known = {*plan.levels, *plan.pooled}
    level = _level_of_numbers(table, plan, known) if plan.format else _level_of_texts(table, known)
    levels = [level(value) for value in values]
    order = list(dict.fromkeys(text for text in levels if text is not None))
    place: dict[str | None, int] = {text: position for position, text in enumerate(order)}
    recode = np.array([place.get(text, -1) for text in levels] + [-1], np.int64)  # the last entry: code -1
    return Column(plan.column, "categorical", codes=recode[codes], levels=tuple(order), format=plan.format)


def _level_of_texts(table: Table, known: set[str]) -> Callable[[Any], str | None]:
    """What level a value is, where levels are texts; ``None`` if it is missing."""
    absent = _absent(table)
    by_number: dict[float, list[str]] = {}
    for text in known:
        if NUMBER.fullmatch(text):
            by_number.setdefault(float(text), []).append(text)

    def level(value: Any) -> str | None:
        if isinstance(value, str | bool | np.bool_):
            return str(value)
        if isinstance(value, datetime.date | datetime.timedelta):
            return str(value).removesuffix(" 00:00:00")
        number = float(value)
        if number in absent:
            return None
        # "01" in a text file is 1 elsewhere.
        alike = by_number.get(number, [])
        written = [str(value), number_text(number), *(alike if len(alike) == 1 else [])]
        return next((text for text in written if text in known), written[1])

    return level


def _level_of_numbers(table: Table, plan: FeaturePlan, known: set[str]) -> Callable[[Any], str | None]:
    """The same where levels are numbers: a text that is none is a level that was never seen."""
    numeric = holds(plan.format) == "numeric"
    absent = _absent(table) if numeric else frozenset[float]()

    def level(value: Any) -> str | None:
        if isinstance(value, str):
            number = float(numbers_in(plan.format, [value])[0])
        elif isinstance(value, datetime.date | datetime.timedelta):
            number = float(_of_dates(plan, [value])[0])
        elif isinstance(value, bool | np.bool_) or not numeric:
            return str(value)
        else:
            number = float(value)
        if number in absent:
            return None
        if np.isnan(number):
            return str(value)
        single = plan.format == SINGLE
        written = [number_text(to_single(number) if single else number)]
        if isinstance(value, np.float32):
            written.append(number_text(float(str(value))))
        return next((text for text in written if text in known), written[0])

    return level


def _absent(table: Table) -> frozenset[float]:
    """Numbers that stand for missing values."""
    return frozenset(float(text) for text in table.missing if NUMBER.fullmatch(text))
