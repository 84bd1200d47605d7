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


SURE = ["target", "Label", "CLASS", "y", "outcome", "Survived", "diagnosis", "Churn?", "SalePrice", "is_churned"]


@pytest.mark.parametrize("name", SURE)
def test_target_is_known_by_its_name(name: str) -> None:
    found = look(**{name: LABELS}, age=FLOATS, height=FLOATS)
    assert (found.target, found.others) == (name, ())


@pytest.mark.parametrize("name", ["species", "Price", "quality", "has_defaulted"])
def test_a_name_that_may_be_the_target_is_preferred_to_the_last_column(name: str) -> None:
    found = look(**{name: LABELS}, age=FLOATS, kind=LABELS)
    assert (found.target, found.others) == (name, ("'kind' (2 classes)",))
    last = look(age=FLOATS, kind=LABELS, **{name: LABELS})
    assert (last.target, last.others) == (name, ())


def test_several_names_that_may_be_the_target_are_candidates() -> None:
    found = look(species=LABELS, price=FLOATS, size=FLOATS, kind=LABELS)
    assert (found.target, found.why) == ("kind", "guessed: it is the last column")
    assert found.others == ("'species' (2 classes)", "'price' (numbers, 120 different ones)")


def test_the_only_question_is_a_candidate() -> None:
    assert look(is_new=LABELS, size=FLOATS, kind=LABELS).others == ("'is_new' (2 classes)",)
    assert look(is_new=LABELS, has_car=LABELS, size=FLOATS, kind=LABELS).others == ()
    assert look(is_new=FLOATS, island=LABELS, kind=LABELS).others == ()


def test_names_that_cannot_be_targets_are_not() -> None:
    assert look(x=FLOATS, y=FLOATS, z=FLOATS, price=FLOATS).target == "price"
    assert look(label=[1] * ROWS, outcome=LABELS, size=FLOATS).target == "outcome"
    assert look(price=[None] * (ROWS - 20) + ["a", "b"] * 10, size=FLOATS, kind=LABELS).others == ()


def test_titanic() -> None:
    found = look(
        PassengerId=range(1, ROWS + 1),
        Survived=RNG.integers(0, 2, ROWS),
        Sex=RNG.choice(["male", "female"], ROWS),
        Fare=FLOATS,
        Embarked=RNG.choice(["S", "C", "Q"], ROWS),
    )
    assert (found.target, found.why, found.others) == ("Survived", "guessed from its name", ())


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
        (["3"] * (ROWS - 1) + ["<3"], "cannot be read"),
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
        age=["30"] * (ROWS - 1) + ["<30"],
        nested=[[1, 2]] * ROWS,
        large=[1e300, *FLOATS[1:]],
        infinite=[np.inf, *FLOATS[1:]],
        size=FLOATS,
        target=LABELS,
    )
    assert [remark.column for remark in found.drop] == ["age", "nested", "large", "infinite"]
    assert "row 120: '<30' is text in a column of numbers" in found.drop[0].text
    assert "x.csv, column 'infinite', row 1: inf is infinite; correct it" in found.drop[3].text


@pytest.mark.parametrize(
    ("texts", "missing"),
    [
        (["n/k", "n/k"], ("n/k",)),
        (["unknown"] * 50, ("unknown",)),
        (["--"] * 30, ("--",)),
        (["lost", "broken"], ("broken", "lost")),
        (["free"] * 30, ()),
        (["<5", "<5"], ()),
        (["12,5"], ()),
        (["a", "b", "c", "d"], ()),
    ],
)
def test_texts_among_numbers_that_stand_for_missing_values(texts: list[str], missing: tuple[str, ...]) -> None:
    cells = [*map(str, FLOATS[: ROWS - len(texts)]), *texts]
    found = look(age=cells, size=FLOATS, target=LABELS)
    assert found.missing == missing
    assert [finding.column for finding in found.gaps] == ["age"] * bool(missing)
    assert [finding.column for finding in found.drop] == ["age"] * (not missing)


def test_texts_among_percentages_and_dates_too() -> None:
    share = [f"{value:.2f} %" for value in FLOATS[1:]]
    days = [*pd.date_range("2024-01-01", periods=ROWS - 1).strftime("%d.%m.%Y"), "unknown"]
    comma = [text.replace(".", ",").removesuffix(" %") for text in share]
    found = look(share=[*share, "n/k"], day=days, rent=[*comma, "k.A."], kind=["n/k", "a", "b"] * 40, target=LABELS)
    assert found.missing == ("n/k", "unknown", "k.A.")
    assert found.drop == ()
    assert found.dates == ("day",)


def test_texts_that_look_like_dates_are_not_called_identifiers() -> None:
    days = [f"{1 + row // 12:02d}.{1 + row % 12:02d}.1990" for row in range(ROWS)]
    (dropped,) = look(day=days, size=FLOATS, target=LABELS).drop
    assert dropped.text == (
        "120 distinct texts in 120 rows; it looks like dates, but nobody can tell day from month: no day is above 12; "
        "write 1990-12-31"
    )


def test_missing_cells_do_not_count_for_identifiers() -> None:
    (dropped,) = look(cabin=[*(f"C{n}" for n in range(30)), *[None] * 90], size=FLOATS, target=LABELS).drop
    assert dropped.text == "30 distinct texts in 30 cells (90 of 120 are missing): they name the rows"


def test_a_target_that_cannot_be_read_says_what_helps() -> None:
    with pytest.raises(DataError, match=r'data\.task = "classification"') as caught:
        look("age", age=[*map(str, FLOATS[1:]), "<5"], size=FLOATS)
    assert "data.drop" not in str(caught.value)


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
