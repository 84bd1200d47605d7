from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DataError
from sweep.spec.model import DataSpec
from sweep.tables.columns import read_column
from sweep.tables.encode import Encoded, encode
from sweep.tables.features import MOST_LEVELS, fill, plan_column
from sweep.tables.load import load_encoded
from sweep.tables.types import Table

BASE = DataSpec(source="t.csv", target="y", header=None, task=None, positive=None, categorical=(), drop=(), groups=None)


def table_of(**columns: Any) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values) for name, values in columns.items()}), "t.csv")


def encoded(table: Table, **keys: Any) -> Encoded:
    return encode(table, replace(BASE, **keys))


def error(table: Table, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        encoded(table, **keys)
    assert str(caught.value).startswith("t.csv")
    return str(caught.value)


X = list(np.linspace(-1, 1, 12))
TWO = ["m", "r"] * 6


# --- features ---------------------------------------------------------------------------------------------------------


def test_one_column_for_each_level() -> None:
    found = encoded(table_of(x=X, c=["b", "a", "c"] * 4, y=TWO))
    assert found.info.features == ("x", "c=a", "c=b", "c=c")
    assert found.features.dtype == np.float32
    assert found.features[:3, 1:].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert "column 'c': categories, 3 levels become 3 columns of 0 and 1" in found.info.notes


def test_rare_levels_and_missing_ones() -> None:
    found = encoded(table_of(c=["b", "a", "z", "b", "a", "w", "a", "b", None, "?", "b", "a"], y=TWO))
    assert found.info.features == ("c=a", "c=b", "c=(rare)", "c=(missing)")
    assert found.features.argmax(axis=1).tolist() == [1, 0, 2, 1, 0, 2, 0, 1, 3, 3, 1, 0]
    assert found.features.sum(axis=1).tolist() == [1] * 12
    note = next(note for note in found.info.notes if "'c'" in note)
    assert "rare ones (2, rows: 2) share one column; missing cells (2) are a level of their own" in note


@pytest.mark.parametrize(("rows", "fewest"), [(100, 2), (1_000, 10), (10_000, 20)])
def test_how_rare_is_rare(rows: int, fewest: int) -> None:
    values = np.array(["usual"] * rows, dtype=object)
    values[: fewest - 1], values[fewest - 1 : 2 * fewest - 1] = "rare", "enough"
    found = encoded(table_of(c=values, y=np.arange(rows) % 2))
    assert found.info.features == ("c=enough", "c=usual", "c=(rare)")


def test_the_most_frequent_levels_only() -> None:
    values = [f"level {level}" for level in range(150) for _ in range(20 + level)]
    found = encoded(table_of(c=values, y=np.arange(len(values)) % 2))
    assert len(found.info.features) == MOST_LEVELS + 1
    assert "c=level 149" in found.info.features
    assert "c=level 49" not in found.info.features


def test_a_level_never_seen() -> None:
    pooled, _ = plan_column(read_column(table_of(c=["a", "a", "b", "b", "z", None]), "c"))
    strict, _ = plan_column(read_column(table_of(c=["a", "a", "b", "b"]), "c"))
    assert pooled is not None
    assert strict is not None
    later = read_column(table_of(c=["b", "new", None]), "c")
    for plan, expected in [(pooled, [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), (strict, [[0, 1], [0, 0], [0, 0]])]:
        out = np.zeros((3, len(plan.names)), np.float32)
        fill(plan, later, out)
        assert out.tolist() == expected


def test_numbers_dates_and_yes_no_are_one_column_each() -> None:
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(12), unit="D")
    gaps = [np.nan, *X[1:]]
    found = encoded(table_of(x=gaps, day=days, flag=["yes", "no", None] * 4, y=TWO))
    assert found.info.features == ("x", "day", "flag")
    assert np.isnan(found.features).sum(axis=0).tolist() == [1, 0, 4]
    assert found.features[:, 1].tolist() == list(range(-5, 7))
    assert any("'x': 1 missing (8.3 %), filled in with the mean" in note for note in found.info.notes)


HOUR = 1_700_000_000 + np.arange(0, 3600, 300)


@pytest.mark.parametrize(
    "far",
    [
        HOUR,
        -HOUR,
        HOUR / 86_400,
        [*HOUR[:6], None, *HOUR[7:]],
        [0.0, *HOUR[1:]],  # a stand-in for missing among them
        [str(second) for second in HOUR],
        pd.to_datetime(HOUR, unit="s"),
        HOUR * 1_000_000_000,
        1e20 + HOUR * 1e13,
    ],
)
def test_numbers_far_from_zero_keep_their_differences(far: Any) -> None:
    found = encoded(table_of(t=far, y=TWO))
    column = read_column(table_of(t=far), "t").numbers
    assert column is not None
    days = np.asarray(column[1:] - np.nanmin(column[1:]))
    seen = found.features[1:, 0].astype(np.float64)
    unit = days[~np.isnan(days)].max() / np.nanmax(seen - np.nanmin(seen))  # a power of two, or nearly 1
    np.testing.assert_allclose((seen - np.nanmin(seen)) * unit, days, rtol=0, atol=1e-6 * np.nanmax(days))


def test_rows_that_come_later_are_encoded_with_the_same_plan() -> None:
    plan, _ = plan_column(read_column(table_of(t=HOUR), "t"))
    assert plan is not None
    assert plan.shift in HOUR
    out = np.zeros((2, 1), np.float32)
    fill(plan, read_column(table_of(t=[plan.shift + 1, None]), "t"), out)
    assert out[0, 0] == 1
    assert np.isnan(out[1, 0])


@pytest.mark.parametrize(
    "near",
    [X, [0.0] * 11 + [1e9], np.arange(1990, 2002), [5] * 10 + [6, 7], [1e4 + 100 * x for x in X], [0, 1.7e9] * 6],
)
def test_other_numbers_are_left_as_they_are(near: Any) -> None:
    assert encoded(table_of(t=near, y=TWO)).features[:, 0].tolist() == np.asarray(near, np.float32).tolist()


@pytest.mark.parametrize("size", [1e-300, 1e-40, 1e-19, 1e19, 3e38])
def test_very_large_and_very_small_numbers_fit_into_float32(size: float) -> None:
    found = encoded(table_of(t=np.array(X) * size, y=TWO)).features[:, 0].astype(np.float64)
    assert 2.0**-61 < np.abs(found).max() < 2.0**60 * 16
    np.testing.assert_allclose(found / found[-1], X, rtol=1e-6)


def test_differences_by_rounding_are_none() -> None:
    message = error(table_of(t=[0.3, 0.1 + 0.2] * 6, y=TWO))
    assert "column 't' is left out: it has one value only, 0.3" in message
    assert encoded(table_of(t=[0.3, 0.3 + 1e-12] * 6, y=TWO)).info.features == ("t",)


def test_the_hash_sees_differences_of_numbers_far_from_zero() -> None:
    tables = [table_of(t=times, y=TWO) for times in (HOUR, [*HOUR[:-1], HOUR[-1] + 1], HOUR + 86_400)]
    assert len({encoded(table).info.content_hash for table in tables}) == 3


def test_how_numbers_were_read_is_said() -> None:
    grouped = [f"{row},500" for row in range(1, 13)]
    found = encoded(table_of(x=grouped, y=[text.replace(",500", ",5") for text in grouped]))
    assert found.features[:2, 0].tolist() == [1500.0, 2500.0]
    assert found.target[:2].tolist() == [1.5, 2.5]
    assert "column 'x': '1,500' is read as 1500" in found.info.notes
    assert "target 'y': '1,5' is read as 1.5" in found.info.notes


def test_columns_left_out() -> None:
    rows = 30
    found = encoded(
        table_of(
            x=np.linspace(0, 1, rows),
            none=[None] * rows,
            same=[5] * rows,
            word=["w"] * rows,
            name=[f"n{row}" for row in range(rows)],
            number=range(rows),
            gone=range(rows),
            y=["a", "b"] * 15,
        ),
        drop=("gone",),
    )
    assert found.info.features == ("x", "number")
    notes = "\n".join(found.info.notes)
    assert "warning: column 'none' is left out: all of its cells are missing" in notes
    assert "column 'same' is left out: it has one value only, 5" in notes
    assert "column 'word' is left out: it has one value only, 'w'" in notes
    assert "column 'name' is left out: 30 distinct texts in 30 rows, such as 'n0', look like identifiers" in notes
    assert "warning: column 'number' counts the rows from 0" in notes
    assert "gone" not in notes


def test_identifiers_named_as_categories_are_used() -> None:
    values = [f"n{row}" for row in range(28)] + ["n0", "n0"]
    table = table_of(x=np.linspace(0, 1, 30), name=values, code=[1, 2, 3] * 10, y=["a", "b"] * 15)
    found = encoded(table, categorical=("name", "code"))
    assert found.info.features == ("x", "name=n0", "name=(rare)", "code=1", "code=2", "code=3")


def test_many_remarks_become_one_note() -> None:
    constants = {f"c{position}": [1] * 12 for position in range(40)}
    gaps = {f"g{position}": [np.nan, *X[1:]] for position in range(20)}
    notes = encoded(table_of(**constants, **gaps, y=TWO)).info.notes
    assert len(notes) == 3
    assert any(note.startswith("40 columns are left out, each has one value only: 'c0', 'c1'") for note in notes)
    assert any("20 columns have missing cells (up to 8.3 %)" in note for note in notes)


def test_nothing_left_to_learn_from() -> None:
    message = error(table_of(same=[1] * 12, none=[None] * 12, y=TWO))
    assert "no column is left to predict 'y' from" in message
    assert "one value only" in message
    assert "no column is left" in error(table_of(y=TWO))


@pytest.mark.parametrize(
    ("value", "said"), [(np.inf, "inf is infinite"), (-np.inf, "-inf is infinite"), (1e39, "1e+39 is beyond the range")]
)
def test_infinite_values(value: float, said: str) -> None:
    message = error(table_of(x=[*X[:6], value, *X[7:]], y=TWO))
    assert "column 'x', row 7: " in message
    assert said in message
    assert "target" not in message
    assert "column 'y', row 3" in error(table_of(x=X, y=[*X[:2], value, *X[3:]]))


def test_align_pads_with_zeros() -> None:
    found = encode(table_of(x=X, y=TWO), BASE, align=16)
    assert found.features.shape == (12, 16)
    assert not found.features[:, 1:].any()
    assert found.info.content_hash == encode(table_of(x=X, y=TWO), BASE).info.content_hash


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-(2.0**100), 2.0**100, width=32)), st.sampled_from(["a", "b", "c", "", "?"])
        ),
        min_size=8,
        max_size=40,
    )
)
def test_encoding_keeps_every_cell_property(cells: list[tuple[float | None, str]]) -> None:
    rows = len(cells)
    table = table_of(
        x=pd.Series([x for x, _ in cells], dtype="float64"),
        c=[c for _, c in cells],
        z=np.arange(rows) * 2.5,
        y=np.arange(rows) % 2,
    )
    found = encoded(table)
    by_name = dict(zip(found.info.features, found.features.T, strict=True))
    assert by_name["z"].tolist() == (np.arange(rows) * 2.5).tolist()
    if "x" in by_name:
        expected = np.array([np.nan if x is None else x for x, _ in cells])
        plan, _ = plan_column(read_column(table, "x"))
        assert plan is not None
        again = np.ldexp(by_name["x"].astype(np.float64), plan.exponent) + plan.shift
        np.testing.assert_allclose(again, expected, rtol=0, atol=6e-8 * np.nanmax(np.abs(expected)))
        if not plan.shift and not plan.exponent:
            assert np.array_equal(by_name["x"], expected.astype(np.float32), equal_nan=True)
    levels = [name for name in by_name if name.startswith("c=")]
    if levels:
        assert sum(by_name[name] for name in levels).tolist() == [1.0] * rows
        for name in levels:
            if name[2:] in ("a", "b", "c"):
                assert by_name[name].tolist() == [float(c == name[2:]) for _, c in cells]


# --- the target -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (TWO, "binary", ("m", "r")),
        ([1, 0] * 6, "binary", ("0", "1")),
        ([True, False] * 6, "binary", ("False", "True")),
        (["Yes", "No"] * 6, "binary", ("No", "Yes")),
        ([0.5, 1.5] * 6, "binary", ("0.5", "1.5")),
        ([10, 9, 8] * 4, "multiclass", ("8", "9", "10")),
        ([1.0, 2.0, 3.0] * 4, "multiclass", ("1", "2", "3")),
        (["c10", "c9", "c1"] * 4, "multiclass", ("c1", "c9", "c10")),
        (pd.Categorical(["2", "10", "1"] * 4), "multiclass", ("1", "2", "10")),
        (list(range(12)), "regression", ()),
        (X, "regression", ()),
        ([str(x) for x in X], "regression", ()),
        (pd.Series(range(12)).to_numpy("datetime64[D]"), "regression", ()),
    ],
)
def test_task_detection(y: Any, task: str, classes: tuple[str, ...]) -> None:
    found = encoded(table_of(x=X, y=y))
    assert (found.info.task, found.info.classes) == (task, classes)
    assert any(note.startswith("target 'y' holds ") for note in found.info.notes)
    if classes:
        assert found.target.dtype == np.int64
        labels = [classes[code] for code in found.target]
        assert [float(a) if a[0].isdigit() else a for a in labels] == [
            float(b) if str(b)[0].isdigit() else str(b) for b in y
        ]
        assert (found.info.target_mean, found.info.target_scale) == (0.0, 1.0)
    else:
        values = np.array([float(value.astype(int) if isinstance(value, np.datetime64) else value) for value in y])
        assert found.target.tolist() == values.tolist()
        assert (found.info.target_mean, found.info.target_scale) == (values.mean(), values.std())


@pytest.mark.parametrize(
    "classes", [("5 %", "10 %"), ("$5", "$7", "$10"), ("12:05", "13:10"), ("2020-01-01", "2021-05-05"), ("1,5", "2,5")]
)
def test_classes_are_called_what_the_table_calls_them(classes: tuple[str, ...]) -> None:
    y = [classes[row % len(classes)] for row in range(12)]
    found = encoded(table_of(x=X, y=y))
    assert found.info.classes == classes
    assert [classes[code] for code in found.target] == y
    assert not [note for note in found.info.notes if "is read as" in note]


def test_the_task_can_be_given() -> None:
    numbers = table_of(x=X, y=[1, 2, 3, 4] * 3)
    assert encoded(numbers).info.task == "multiclass"
    assert encoded(numbers, task="regression").info.task == "regression"
    assert encoded(table_of(x=X, y=["yes", "no"] * 6), task="regression").target.tolist() == [1.0, 0.0] * 6
    mixed = table_of(x=[*X, *X], y=["1"] * 12 + ["x"] * 12)
    assert encoded(mixed, task="classification").info.classes == ("1", "x")
    assert "'m' is text, however data.task" in error(table_of(x=X, y=TWO), task="regression")


def test_positive_class() -> None:
    table = table_of(x=X, y=TWO)
    default, chosen = encoded(table), encoded(table, positive="m")
    assert (default.info.classes, chosen.info.classes) == (("m", "r"), ("r", "m"))
    assert (default.target + chosen.target).tolist() == [1] * 12
    assert encoded(table, positive="R").info.classes == ("m", "r")
    assert encoded(table_of(x=X, y=[0, 1] * 6), positive="0.0").info.classes == ("1", "0")
    assert any("positive 'r' (data.positive = 'm' if not)" in note for note in default.info.notes)
    assert "must be one of its classes (m, r), however: 'rock'" in error(table, positive="rock")
    assert "is for two classes, however there are 3: a, b, c" in error(table_of(x=X, y=list("abc") * 4), positive="a")
    assert "however the task is regression" in error(table_of(x=X, y=X), positive="1")


def test_rows_without_target_are_left_out() -> None:
    found = encoded(table_of(x=X, c=["a"] * 6 + ["b"] * 6, y=["m", None, "r", "?"] * 3))
    assert found.info.rows == 6
    assert found.features[:, 0] == pytest.approx(X[::2])
    assert found.target.tolist() == [0, 1] * 3
    assert "6 of 12 rows are left out: their target 'y' is missing" in found.info.notes


def test_a_column_that_is_constant_where_the_target_is_known() -> None:
    found = encoded(table_of(x=X, c=["a", "b"] * 6, y=["m", None, "r", None] * 3))
    assert found.info.features == ("x",)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (["m"] * 12, "the target 'y' has one class only: 'm'"),
        ([1.5] * 12, "the target 'y' has one class only: '1.5'"),
        ([None] * 12, "all cells of the target 'y' are missing"),
        ([f"n{row}" for row in range(12)], "12 distinct values in 12 rows, too many for classes"),
        ([*map(str, X[:-1]), "oops"], "column 'y', row 12: 'oops' is text in a column of numbers"),
    ],
)
def test_targets_that_cannot_be_used(y: Any, said: str) -> None:
    assert said in error(table_of(x=X, y=y))


def test_a_constant_regression_target() -> None:
    assert "is constant: all values are 1.5" in error(table_of(x=X, y=[1.5] * 12), task="regression")
    assert "is constant: all values are 0.3" in error(table_of(x=X, y=[0.3, 0.1 + 0.2] * 6), task="regression")
    assert "varies by less than 1.2e-38" in error(table_of(x=X, y=np.array(X) * 1e-200), task="regression")


# --- columns by name and position -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "name"), [(-1, "y"), (2, "y"), (-2, "b"), (0, "a"), ("b", "b")])
def test_target_by_name_or_position(target: str | int, name: str) -> None:
    assert encoded(table_of(a=X, b=X[::-1], y=TWO), target=target).info.target == name


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"target": "class"}, "data.target: there is no column 'class'; columns are 'a', 'group', 'y'"),
        ({"target": "grup"}, "did you mean 'group'?"),
        ({"target": 3}, "data.target must be a position from -3 to 2, however: 3"),
        ({"target": -4}, "from -3 to 2, however: -4"),
        ({"drop": ("b",)}, "data.drop: there is no column 'b'"),
        ({"drop": ("y",)}, "data.drop names the target 'y'"),
        ({"groups": "y"}, "data.groups names the target 'y'"),
        ({"groups": "groups"}, "data.groups: there is no column 'groups'; did you mean 'group'?"),
        ({"categorical": ("aa",)}, "data.categorical: there is no column 'aa'"),
    ],
)
def test_columns_that_are_not_there(keys: dict[str, Any], said: str) -> None:
    assert said in error(table_of(a=X, group=[1, 2, 3] * 4, y=TWO), **keys)


@pytest.mark.parametrize("values", [["p10", "p2", "p1"] * 4, [10, 2, 1] * 4, [10.0, 2.0, 1.0] * 4])
def test_groups(values: Any) -> None:
    found = encoded(table_of(x=X, g=values, y=[*TWO[:-1], None]), groups="g")
    assert found.groups is not None
    assert found.groups.dtype == np.int64
    assert found.groups.tolist() == ([2, 1, 0] * 4)[:-1]
    assert found.info.features == ("x",)
    assert any("groups: 3 in column 'g'" in note for note in found.info.notes)


def test_a_row_without_group() -> None:
    assert "column 'g', row 3: the group is missing" in error(table_of(x=X, g=[1, 2, None] * 4, y=TWO), groups="g")
    assert "all cells of column 'g' are missing" in error(table_of(x=X, g=[None] * 12, y=TWO), groups="g")


# --- what is said of columns and classes ------------------------------------------------------------------------------


def said(start: str, **columns: Any) -> str:
    notes = [note for note in encoded(table_of(**columns)).info.notes if note.startswith(start)]
    assert len(notes) == 1, notes
    return notes[0]


def test_how_dates_and_words_become_numbers_is_said() -> None:
    days = [f"2020-01-{day:02d}" for day in range(1, 13)]
    assert said("column 'a'", a=days, y=TWO) == "column 'a': dates, used as days since 1970-01-01"
    assert said("column 'a'", a=["Yes", "no"] * 6, x=X, y=TWO[::-1]) == "column 'a': 'Yes' is 1, 'no' is 0"
    assert said("column 'a'", a=[True, False] * 6, x=X, y=TWO) == "column 'a': true is 1, false is 0"
    assert said("column 'a'", a=["$1", "$2"] * 6, x=X, y=TWO) == "column 'a': '$1' is read as 1"
    assert "nobody can tell day from month" in said(
        "warning: column 'a'", a=["01.02.1990"] * 6 + ["02.02.1990"] * 6, y=TWO
    )


def test_many_decisions_of_one_kind_become_one_note() -> None:
    words = {f"w{n}": ["yes", "no"] * 6 for n in range(8)}
    kinds = {f"k{n}": ["a", "b", "c"] * 4 for n in range(20)}
    notes = encoded(table_of(**words, **kinds, y=TWO)).info.notes
    assert any(note.startswith("8 columns of two words are 1 and 0") for note in notes)
    (levels,) = [note for note in notes if "columns of categories" in note]
    assert levels.startswith("20 columns of categories (levels) become 60 columns of 0 and 1: 'k0' (3), 'k1' (3)")
    assert levels.endswith("'k11' (3), …")


def test_missing_cells_do_not_make_texts_identifiers() -> None:
    cabins = [*(f"C{n}" for n in range(30)), *[None] * 70]
    note = said("column 'a'", a=cabins, x=range(0, 200, 2), y=["m", "r"] * 50)
    assert "30 distinct texts in 30 cells (70 of 100 are missing), such as 'C0', look like identifiers" in note


@pytest.mark.parametrize(
    ("y", "warned"),
    [
        (
            ["Yes", "no", "YES", "no", "yes", "NO"] * 4,
            "classes differ in case or blanks only: 'NO' and 'no', 'YES' and",
        ),
        (["new york", "newyork", "x"] * 8, "classes differ in case or blanks only: 'new york' and 'newyork'"),
        (["5", *["0", "1"] * 11, "0"], "class '5' has one row only, row 1"),
        (["5", "6", *["0", "1"] * 11], "2 classes have one row only: '5' (row 1), '6' (row 2)"),
        ([f"c{n % 8}" for n in range(24)], "8 classes in 24 rows, 3.0 rows each: hardly enough"),
    ],
)
def test_classes_that_may_be_a_mistake(y: list[str], warned: str) -> None:
    assert warned in said("warning: ", x=np.linspace(0, 1, 24) ** 2, y=y)


def test_a_header_of_numbers_is_suspected(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,5\n" + "".join(f"{n / 7},{n % 2}\n" for n in range(30)))
    notes = load_encoded(replace(BASE, source="t.csv", target=-1), tmp_path).info.notes
    (note,) = [note for note in notes if note.startswith("warning")]
    assert note == (
        "warning: class '5' has one row only, row 1, the first line of the file: data.header = true if it names the "
        "columns"
    )


def test_what_people_write_is_the_table_of_plain_numbers(tmp_path: Path) -> None:
    numbers = [
        (n * 1234.5 - 500, n / 8, f"19{70 + n}-{1 + n % 12:02d}-{1 + 2 * n % 28:02d}", n % 24) for n in range(30)
    ]
    plain = [f"{amount},{share},{day},{hour},{'ab'[hour % 2]}" for amount, share, day, hour in numbers]
    people = [
        f'"${amount:,}",{share}%,{day[8:]}.{day[5:7]}.{day[:4]},{hour}:00,{"ab"[hour % 2]}'
        for amount, share, day, hour in numbers
    ]
    found = []
    for rows in (plain, people):
        (tmp_path / "t.csv").write_text("\n".join(["paid,share,day,hour,y", *rows, ""]))
        found.append(load_encoded(replace(BASE, source="t.csv"), tmp_path).info)
    assert found[0].features == ("paid", "share", "day", "hour")
    assert found[0].content_hash == found[1].content_hash
    notes = "\n".join(found[1].notes)
    assert "column 'paid': '$" in notes
    assert "times of day" in notes


def test_missing_words_of_the_definition_reach_the_reading(tmp_path: Path) -> None:
    for cell, data in (
        ("", BASE),
        ("n/k", replace(BASE, missing=("n/k",))),
        ("-999", replace(BASE, missing=("-999",))),
    ):
        rows = [f"{cell if n % 7 == 0 else n},{'ab'[n % 2]}" for n in range(30)]
        (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows, ""]))
        info = load_encoded(replace(data, source="t.csv"), tmp_path).info
        assert "column 'x': 5 missing (16.7 %)" in "\n".join(info.notes)
