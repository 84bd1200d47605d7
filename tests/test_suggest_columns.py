from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.errors import DataError
from sweep.suggest.columns import Survey, copies, survey, telling
from sweep.tables.types import Table

PIMA = Path(__file__).parents[2] / "shared" / "data" / "pima-indians-diabetes.csv"
ROWS = 120
RNG = np.random.default_rng(5)
FLOATS = RNG.normal(size=ROWS)
LABELS = RNG.choice(["yes", "no"], ROWS)


def look(wanted: str | None = None, /, **columns: Any) -> Survey:
    return survey(Table(pd.DataFrame(columns), "x.csv"), wanted)


# --- the target


@pytest.mark.parametrize("name", ["target", "Label", "CLASS", "y", "outcome"])
def test_target_is_known_by_its_name(name: str) -> None:
    assert look(**{name: LABELS}, age=FLOATS, height=FLOATS).target == name


def test_target_is_the_last_column_otherwise() -> None:
    assert look(age=FLOATS, kind=LABELS).target == "kind"
    assert look(age=FLOATS, price=FLOATS).target == "price"


def test_last_column_wins_among_several_names() -> None:
    assert look(y=FLOATS, age=FLOATS, outcome=LABELS).target == "outcome"


def test_source_that_names_its_target_is_believed() -> None:
    table = Table(pd.DataFrame({"a": LABELS, "y": FLOATS}), "x", default_target="a")
    assert survey(table, None).target == "a"


@pytest.mark.parametrize(("wanted", "chosen"), [("age", "age"), ("0", "age"), ("-1", "kind"), ("1", "b")])
def test_target_can_be_named_or_counted(wanted: str, chosen: str) -> None:
    found = look(wanted, age=FLOATS, b=FLOATS, kind=LABELS)
    assert (found.target, found.why) == (chosen, "")


def test_name_that_looks_like_a_position_is_a_name() -> None:
    assert look("0", a=FLOATS, **{"0": LABELS}, b=FLOATS).target == "0"


def test_unknown_target_is_an_error() -> None:
    with pytest.raises(DataError, match=r"there is no column 'agee'; did you mean 'age'\?"):
        look("agee", age=FLOATS, kind=LABELS)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ([1] * ROWS, "has one value only"),
        ([f"name {row}" for row in range(ROWS)], "names or counts the rows"),
        (range(ROWS), "names or counts the rows"),
        (pd.date_range("2024-01-01", periods=ROWS).astype(str), "holds dates"),
        ([None] * (ROWS - 20) + ["a", "b"] * 10, "is missing in most rows"),
        (["3"] * (ROWS - 1) + ["three"], "cannot be read"),
    ],
)
def test_target_that_cannot_be_guessed_lists_the_columns(last: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        look(age=FLOATS, kind=LABELS, last=list(last))
    message = str(caught.value)
    assert "name it (--target COLUMN)" in message
    assert "'age' (numbers, 120 different ones)" in message
    assert "'kind' (2 classes)" in message


def test_classes_first_and_numbers_last_is_ambiguous() -> None:
    with pytest.raises(DataError, match="the first one, 'kind', holds classes"):
        look(kind=LABELS, a=FLOATS, b=FLOATS)


def test_two_columns_called_like_a_target_are_ambiguous() -> None:
    with pytest.raises(DataError, match="several columns are called like one"):
        look(y=FLOATS, label=LABELS, age=FLOATS)


# --- features


def test_what_names_or_counts_rows_is_left_out() -> None:
    found = look(
        **{
            "Unnamed: 0": range(ROWS),
            "CustomerID": RNG.permutation(ROWS) + 5000,
            "name": [f"n{i}" for i in range(ROWS)],
        },
        valid=RNG.permutation(ROWS) + 5000,
        size=FLOATS,
        target=LABELS,
    )
    assert [remark.column for remark in found.drop] == ["Unnamed: 0", "CustomerID", "name"]


def test_what_cannot_be_read_is_left_out_with_the_reason() -> None:
    found = look(
        age=["30"] * (ROWS - 1) + ["thirty"],
        nested=[[1, 2]] * ROWS,
        large=[1e300, *FLOATS[1:]],
        infinite=[np.inf, *FLOATS[1:]],
        size=FLOATS,
        target=LABELS,
    )
    assert [remark.column for remark in found.drop] == ["age", "nested", "large", "infinite"]
    assert "row 120: 'thirty' is text in a column of numbers" in found.drop[0].text


def test_constant_columns_say_nothing() -> None:
    found = look(one=[7] * ROWS, none=[None] * ROWS, size=FLOATS, target=LABELS)
    assert (found.drop, found.stand_ins, found.groups, found.codes) == ((), (), (), ())


@pytest.mark.parametrize("stand_in", [0, -1, -9, -99, -999, 9999])
def test_numbers_that_stand_for_missing_values_are_seen(stand_in: int) -> None:
    values = RNG.integers(40, 90, ROWS)
    values[:7] = stand_in
    (seen,) = look(pressure=values, size=FLOATS, target=LABELS).stand_ins
    assert seen.column == "pressure"
    assert seen.text.startswith(f"{stand_in} in 7 rows, the next ")


@pytest.mark.parametrize(
    "values",
    [
        RNG.integers(0, 40, ROWS),
        np.maximum(RNG.normal(size=ROWS), 0),
        RNG.uniform(-1, 1, ROWS).round(1),
        [0, *RNG.integers(40, 90, ROWS - 1)],
        RNG.integers(0, 2, ROWS) * 5,
    ],
    ids=["counts", "many zeros", "around zero", "one row", "two values"],
)
def test_zeros_that_are_values_are_not(values: Any) -> None:
    assert look(column=values, size=FLOATS, target=LABELS).stand_ins == ()


@pytest.mark.skipif(not PIMA.exists(), reason=f"no {PIMA.name} beside the project (../shared/data)")
def test_zeros_of_the_pima_table_are_seen() -> None:
    frame = pd.read_csv(PIMA, header=None).rename(columns=str)
    seen = survey(Table(frame, "pima"), None).stand_ins
    assert [remark.column for remark in seen] == ["1", "2", "3", "4", "5"]


def test_columns_whose_rows_may_belong_together_are_seen() -> None:
    found = look(
        patient_id=RNG.integers(0, 30, ROWS),
        town=RNG.choice([f"town {i}" for i in range(30)], ROWS),
        kind=RNG.choice(["a", "b", "c"], ROWS),
        count=RNG.integers(0, 30, ROWS),
        size=FLOATS,
        target=LABELS,
    )
    assert [remark.column for remark in found.groups] == ["patient_id", "town"]


def test_few_whole_numbers_may_be_codes() -> None:
    found = look(region=RNG.integers(1, 5, ROWS), rooms=RNG.integers(1, 30, ROWS), size=FLOATS, target=LABELS)
    assert [remark.column for remark in found.codes] == ["region"]


def test_few_among_many_whole_numbers_are_quantities() -> None:
    many = {f"pixel{i}": RNG.integers(0, 17, ROWS) for i in range(40)}
    assert look(corner=RNG.integers(0, 3, ROWS), **many, target=LABELS).codes == ()


def test_dates_are_seen() -> None:
    dates = pd.date_range("2024-01-01", periods=ROWS).astype(str)
    assert look(day=dates, size=FLOATS, target=LABELS).dates == ("day",)


# --- rows


def test_copies_are_counted() -> None:
    rows = np.array([[1, 2], [3, np.nan], [1, 2], [3, np.nan], [1, 2], [2, 1]], np.float32)
    assert copies(rows) == 3
    assert copies(np.asfortranarray(rows)) == 3
    assert copies(rows[:2]) == 0


def test_a_feature_that_tells_the_target_is_seen() -> None:
    target = (FLOATS > 0).astype(np.float64)
    features = np.stack([FLOATS, 3 - 2 * target, np.full(ROWS, 4.0)], 1).astype(np.float32)
    features[3, 1] = np.nan
    assert telling(features, ("size", "alive", "constant"), target) == ["alive"]
