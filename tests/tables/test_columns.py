from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.errors import DataError
from sweep.tables.columns import natural_order, near, number_text, read_column
from sweep.tables.describe import ColumnSummary, describe
from sweep.tables.types import Table


def table_of(**columns: Any) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values) for name, values in columns.items()}), "t.csv")


def numbers(values: Any, **options: bool) -> list[float | None]:
    column = read_column(table_of(x=values), "x", **options)
    assert column.numbers is not None
    return [None if np.isnan(value) else float(value) for value in column.numbers]


def texts(values: Any, **options: bool) -> list[str | None]:
    column = read_column(table_of(x=values), "x", **options)
    assert column.codes is not None
    return [None if code < 0 else column.levels[code] for code in column.codes]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2, 3], "numeric", [1, 2, 3]),
        (pd.array([1, None, 3], dtype="Int64"), "numeric", [1, None, 3]),
        (pd.array([1.5, None], dtype="Float32"), "numeric", [1.5, None]),
        (["1", " 2.5 ", "?", "-1e-3", ""], "numeric", [1, 2.5, None, -0.001, None]),
        ([decimal.Decimal("1.25"), None, decimal.Decimal(2)], "numeric", [1.25, None, 2]),
        (pd.array([0, 1, 0], dtype=pd.SparseDtype("float64", 0.0)), "numeric", [0, 1, 0]),
        ([True, False], "boolean", [1, 0]),
        (pd.array([True, None, False], dtype="boolean"), "boolean", [1, None, 0]),
        ([True, None, False], "boolean", [1, None, 0]),
        (["yes", "no", None, " YES"[1:].lower()], "boolean", [1, 0, None, 1]),
        (["T", "F", "NA"], "boolean", [1, 0, None]),
        (["false", "true"], "boolean", [0, 1]),
        (pd.Categorical(["TRUE", "FALSE"]), "boolean", [1, 0]),
        (["0", "1"], "numeric", [0, 1]),
        (["1,234", "12", "-1,234,567.5"], "numeric", [1234, 12, -1234567.5]),
        (["1,234", "0,5", "12"], "numeric", [1.234, 0.5, 12]),
        (["1.234,5", "-3,25", "?", "1.234.567"], "numeric", [1234.5, -3.25, None, 1234567]),
        (pd.DatetimeIndex(["1970-01-02 00:00", "NaT", "1970-01-03 12:00"]), "datetime", [1, None, 2.5]),
        (pd.to_datetime(["1970-01-02T02:00+02:00"], utc=True), "datetime", [1]),
        (["1970-01-02", "?", "1970-01-03T12:00:00Z"], "datetime", [1, None, 2.5]),
        ([datetime.date(1970, 1, 2), None, datetime.date(1970, 1, 11)], "datetime", [1, None, 10]),
        (pd.to_timedelta([1, 36], unit="h"), "datetime", [1 / 24, 1.5]),
        (["9999-12-31", "0001-01-01", "?", "1969-12-31T12:00"], "datetime", [2932896, -719162, None, -0.5]),
        ([datetime.date(9999, 12, 31), datetime.date(1, 1, 1), None], "datetime", [2932896, -719162, None]),
        (np.array(["9999-12-31T18", "NaT"], "datetime64[s]"), "datetime", [2932896.75, None]),
        (np.array(["9999-12-31T18", "0001-01-01"], "datetime64[us]"), "datetime", [2932896.75, -719162]),
        (np.array([10**15, 1], "timedelta64[ms]"), "datetime", [10**15 / 86_400_000, 1 / 86_400_000]),
        ([None, None], "empty", [None, None]),
        (["?", "NA"], "empty", [None, None]),
        ([np.nan, np.nan], "empty", [None, None]),
    ],
)
def test_columns_of_numbers(values: Any, kind: str, expected: list[float | None]) -> None:
    assert read_column(table_of(x=values), "x").kind == kind
    assert numbers(values) == expected


@pytest.mark.parametrize(
    ("values", "kind", "levels", "expected"),
    [
        (["red", " blue", "red ", "?"], "categorical", ("blue", "red"), ["red", "blue", "red", None]),
        (["a10", "a2", "b"], "categorical", ("a2", "a10", "b"), ["a10", "a2", "b"]),
        (pd.Categorical(["10", "9", None]), "categorical", ("9", "10"), ["10", "9", None]),
        (pd.Categorical([10, 9, None]), "categorical", ("9", "10"), ["10", "9", None]),
        ([f"name {row}" for row in range(30)], "identifier", tuple(f"name {row}" for row in range(30)), None),
        (["2020-13-45", "2020-01-01"], "categorical", ("2020-01-01", "2020-13-45"), None),
        (["1.2.2020", "3.2.2020"], "categorical", ("1.2.2020", "3.2.2020"), None),
        (["+", "1"], "categorical", ("1", "+"), None),
        (["1,2", "1,2,3"], "categorical", ("1,2", "1,2,3"), None),
        (["yes", "no", "maybe"], "categorical", ("maybe", "no", "yes"), None),
        (["0", "1", "2", "3+"] * 5, "categorical", ("0", "1", "2", "3+"), None),
    ],
)
def test_columns_of_text(values: Any, kind: str, levels: tuple[str, ...], expected: list[str | None] | None) -> None:
    column = read_column(table_of(x=values), "x")
    assert (column.kind, column.levels) == (kind, levels)
    assert texts(values) == (list(values) if expected is None else expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 1, 10, 3], ["3", "1", "10", "3"]),
        ([1.0, np.nan, 2.5], ["1", None, "2.5"]),
        ([True, False], ["True", "False"]),
        (["yes", "no"], ["yes", "no"]),
        (["1", "02", "x"], ["1", "02", "x"]),
        ([f"name {row}" for row in range(30)], [f"name {row}" for row in range(30)]),
    ],
)
def test_as_categories(values: Any, expected: list[str | None]) -> None:
    assert texts(values, as_categories=True) == expected


def test_stray_text_among_numbers() -> None:
    values = [str(row / 8) for row in range(1000)]
    values[2], values[500], values[700] = "abc", "12,5", "abc"
    with pytest.raises(DataError) as caught:
        read_column(table_of(age=values), "age")
    assert str(caught.value).startswith("t.csv, column 'age', row 3: 'abc' is text in a column of numbers")
    assert "(3 of 1000 cells are)" in str(caught.value)
    assert "data.categorical" in str(caught.value)
    assert texts(values, as_categories=True) == values


def test_a_marker_of_its_own_among_many_numbers() -> None:
    values = [*map(str, range(60)), *["unknown"] * 40]
    with pytest.raises(DataError, match="row 61: 'unknown' is text"):
        read_column(table_of(age=values), "age")


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"x", 1j])
def test_values_that_cannot_be_used(value: Any) -> None:
    with pytest.raises(DataError, match="column 'x'") as caught:
        read_column(table_of(x=["text", value]), "x")
    assert "data.drop" in str(caught.value)


def test_natural_order() -> None:
    assert natural_order(["10", "9", "-1", "1e1"]) == ["-1", "9", "10", "1e1"]
    assert natural_order(["b", "A", "a10", "a9"]) == ["A", "a9", "a10", "b"]


def test_number_text() -> None:
    assert [number_text(value) for value in (3.0, -2.0, 0.1, 1e20)] == ["3", "-2", "0.1", "1e+20"]


def test_dates_of_every_unit_are_the_same_numbers() -> None:
    when = pd.date_range("2023-11-14 22:13:20.123", periods=500, freq="7s")
    found = [numbers(when.as_unit(unit)) for unit in ("ms", "us", "ns")]
    assert found[0] == found[1] == found[2] == numbers([str(time) for time in when])


def test_near() -> None:
    columns = ["age", "weight", *(f"x{position}" for position in range(20))]
    assert near("wieght", columns) == "did you mean 'weight'?"
    assert near("zzz", columns).endswith("… (22 in all)")


def test_describe() -> None:
    rows = 60
    frame = {
        "id": range(1, rows + 1),
        "name": [f"n{row}" for row in range(rows)],
        "size": np.linspace(0, 1, rows),
        "kind": ["a", "b", "b"] * 20,
        "gaps": [np.nan, 2.0, 3.0] * 20,
        "same": [1] * rows,
        "none": [None] * rows,
    }
    found = {summary.name: summary for summary in describe(table_of(**frame))}
    assert [summary.position for summary in found.values()] == list(range(7))
    assert {name for name, summary in found.items() if summary.identifier} == {"id", "name"}
    assert {name for name, summary in found.items() if summary.constant} == {"same", "none"}
    assert found["gaps"] == ColumnSummary(
        "gaps", 4, "numeric", rows, 20, 2, (("2", 20), ("3", 20)), 2.0, 3.0, True, False, "classification"
    )
    assert found["kind"].common == (("b", 40), ("a", 20))
    assert (found["size"].low, found["size"].high, found["size"].whole) == (0.0, 1.0, False)
    assert {name: summary.task for name, summary in found.items() if name in ("id", "size", "kind")} == {
        "id": "regression",
        "size": "regression",
        "kind": "classification",
    }
