from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DataError
from sweep.tables.columns import Column, odd_texts, read_column
from sweep.tables.types import Table


def read(values: Any, *missing: str) -> Column:
    table = Table(pd.DataFrame({"x": pd.Series(values)}), "t.csv", missing=frozenset(missing))
    return read_column(table, "x")


@pytest.mark.parametrize(
    ("values", "expected", "said"),
    [
        (["$1.23", "-$0.5", "$-2", "$ 1,000", "?"], [1.23, -0.5, -2, 1000, None], "'$1.23' is read as 1.23"),
        (["1.234,50 €", "3 €"], [1234.5, 3], "'1.234,50 €' is read as 1234.5"),
        (["0.125 €", "1.234 €"], [0.125, 1.234], "'0.125 €' is read as 0.125"),
        (["EUR 5", "EUR 7.5"], [5, 7.5], "'EUR 5' is read as 5"),
        (["12.3%", "4 %", "-100%"], [12.3, 4, -100], "'4 %' is read as 4"),
        (["12,5 %", "4 %"], [12.5, 4], "'4 %' is read as 4"),
        (["12:05", "0:30", ""], [12 + 1 / 12, 0.5, None], "times of day, '0:30' is read as 0.5 hours"),
        (["12:00:36", "23:59:00"], [12.01, 23 + 59 / 60], "times of day, '12:00:36' is read as 12.01 hours"),
        (["12:05 AM", "1:30 pm"], [1 / 12, 13.5], "times of day, '1:30 pm' is read as 13.5 hours"),
    ],
)
def test_numbers_in_the_formats_of_people(values: list[str], expected: list[float | None], said: str) -> None:
    column = read(values)
    assert (column.kind, column.written) == ("numeric", said)
    assert column.numbers is not None
    assert column.numbers.tolist() == pytest.approx(
        [np.nan if value is None else value for value in expected], nan_ok=True, rel=1e-15
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["02.01.1970", "31.12.1969", "?"], "dates, '31.12.1969' is read as 1969-12-31"),
        (["1/2/1970", "12/31/1969", "?"], "dates, '12/31/1969' is read as 1969-12-31"),
        (["1970/01/02", "1969/12/31", "?"], "dates, '1969/12/31' is read as 1969-12-31"),
        (["1970/01/02", "1969/12/31 00:00", "?"], "dates, '1969/12/31 00:00' is read as 1969-12-31"),
        (["02-01-1970 00:00", "31-12-1969 00:00", "?"], "dates, '31-12-1969 00:00' is read as 1969-12-31"),
    ],
)
def test_dates_in_the_formats_of_people(values: list[str], said: str) -> None:
    column = read(values)
    assert column.kind == "datetime"
    assert column.written == f"{said}, used as days since 1970-01-01"
    assert column.numbers is not None
    assert column.numbers.tolist() == pytest.approx([1, -1, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (
            ["01.02.1970", "03.04.1970"],
            "dates, but nobody can tell day from month: no day is above 12; write 1970-12-31",
        ),
        (["13.01.1970", "01.13.1970"], "dates, but days and months stand in different orders"),
        (["13.01.1970", "13/02/1970"], "dates, but they are written in different ways"),
        (["31.01.1970", "31.02.1970"], "dates, but some are no dates"),
        (["1970/02/31", "1970/02/01"], "dates, but some are no dates"),
        (["1970-02-31", "1970-02-01"], "dates, but some are no dates"),
        (["31.01.70", "01.02.71"], "dates with years of two digits, which can be of two centuries"),
        (["$1", "€2"], "amounts of money, but they are written in different ways"),
        (["1.234 €", "2.500 €"], "amounts of money, but they are written in different ways, or thousands"),
        (["1,234 %", "2,5 %", "x"], "percentages, but for 1 of 3"),
        (["1,234 %", "2,500 %"], "percentages, but they are written in different ways, or thousands and decimals look"),
        (["12:05", "26:10"], "times of day, but some hours are above 23"),
        (["12:05", "1:10 pm"], "times of day, but some hours are above 23, or cells are written in different ways"),
        (["5 %", "6 %", "many", "7 %"], "percentages, but for 1 of 4 cells, such as 'many'"),
        (["1.046,75", "83,2", "k.A."], "numbers with commas, but for 1 of 3 cells, such as 'k.A.'"),
        (["1,234.5", "2,000", "many"], "numbers with commas, but for 1 of 3 cells, such as 'many'"),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(values: list[str], hint: str) -> None:
    column = read(values)
    assert column.kind == "categorical"
    assert column.hint.startswith(f"looks like {hint}")


@pytest.mark.parametrize(
    "values",
    [["red", "blue"], ["a10", "a2"], ["10-12", "3-4"], ["1.2", "1.2.3", "x"], ["3+", "1", "2"], ["$", "€"], ["%", "5"]],
)
def test_other_texts_stay_texts_and_look_like_nothing(values: list[str]) -> None:
    column = read(values)
    assert (column.kind, column.hint) == ("categorical", "")


def test_identifiers_say_what_they_look_like() -> None:
    column = read([f"{day:02d}.{month:02d}.1990" for month in range(1, 13) for day in range(1, 13)])
    assert column.kind == "identifier"
    assert "nobody can tell day from month" in column.hint


@pytest.mark.parametrize("word", ["n.a.", "N.A."])
def test_more_words_for_missing(word: str) -> None:
    column = read(["1.5", word, "2"])
    assert column.kind == "numeric"
    assert column.missing.tolist() == [False, True, False]


def test_words_for_missing_that_the_definition_names() -> None:
    assert read(["1.5", "n/k ", "2"], "n/k").missing.tolist() == [False, True, False]
    assert read(["a", "n/k", "b"], "n/k").missing.tolist() == [False, True, False]
    assert read([1.5, -999.0, 2], "-999").missing.tolist() == [False, True, False]
    assert read(["1.5", "-999.0", "2"], "-999").missing.tolist() == [False, True, False]
    assert read(["5 %", "n/k", "6 %"], "n/k").kind == "numeric"
    assert read([-9, -9], "-9").kind == "empty"
    assert read(["n/k", "n/k"], "n/k").kind == "empty"


def test_texts_among_numbers_are_told() -> None:
    table = Table(pd.DataFrame({"x": [*map(str, range(40)), "n/k", "n/k", " lost", None]}), "t.csv")
    assert odd_texts(table, "x") == {"n/k": 2, "lost": 1}
    with pytest.raises(DataError, match=r'data.missing = \["n/k"\]'):
        read_column(table, "x")
    with pytest.raises(DataError, match="'<5' is text") as caught:
        read_column(Table(pd.DataFrame({"x": [*map(str, range(40)), "<5"]}), "t.csv"), "x")
    assert "data.missing" not in str(caught.value)


def test_a_target_gets_advice_that_helps() -> None:
    table = Table(pd.DataFrame({"x": [*map(str, range(40)), "broken"]}), "t.csv")
    with pytest.raises(DataError) as caught:
        read_column(table, "x", target=True)
    assert 'data.task = "classification"' in str(caught.value)
    assert "data.drop" not in str(caught.value)
    assert "data.categorical" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("0123456789$€%:./-, apmEURTx"), max_size=12)
        | st.from_regex(r"[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4}", fullmatch=True)
        | st.from_regex(r"-?\$[0-9,.]{1,6}", fullmatch=True),
        min_size=1,
        max_size=6,
    )
)
def test_any_texts_are_read_or_stay_texts(values: list[str]) -> None:
    try:
        column = read(values)
    except DataError:  # text among numbers
        return
    if column.kind in ("numeric", "datetime"):
        assert column.numbers is not None
        assert len(column.numbers) == len(values)
        assert not np.isnan(column.numbers[~column.missing]).any()
    else:
        assert column.kind in ("categorical", "boolean", "empty")
