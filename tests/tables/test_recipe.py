from __future__ import annotations

import contextlib
import datetime
import decimal
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DataError, NotFoundError
from sweep.spec.model import DataSpec
from sweep.tables.encode import encode, encode_features
from sweep.tables.features import MOST_POOLED
from sweep.tables.load import from_frame, packed_table, read_for, read_table
from sweep.tables.packed import pack
from sweep.tables.recipe import Recipe
from sweep.tables.types import Table

BASE = DataSpec(source="t.csv", target="y", header=None, task=None, positive=None, categorical=(), drop=(), groups=None)
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real tables of ../shared/data are not here")

ROWS = 24
HOUR = 1_700_000_000 + np.arange(0, 300 * ROWS, 300)
DAYS = pd.Timestamp("2020-01-11") + pd.to_timedelta(np.arange(ROWS), unit="D")


def cycle(*values: Any) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def same(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> None:
    """To the last bit."""
    assert found.dtype == wanted.dtype == np.float32
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.view(np.uint32), wanted.view(np.uint32))


def travelled(recipe: Recipe) -> Recipe:
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict(), allow_nan=False)))
    assert again == recipe
    return again


def check(table: Table, path: Path | None, rows: list[list[int]], **keys: Any) -> Recipe:
    """The same matrix for the same table, for some of its rows, and for these rows from a CSV file."""
    matrix, recipe, _ = encode_features(table, **keys)
    recipe = travelled(recipe)
    for some in [list(range(len(table.frame))), *rows]:
        part = table.frame.iloc[some]
        applied = recipe.apply(from_frame(part, "new"))
        same(applied.features, matrix[some])
        assert not applied.unseen
        if path is not None:
            part.to_csv(path, index=False)
            applied = recipe.apply(read_for(recipe, str(path), None))
            same(applied.features, matrix[some])
            assert not applied.unseen
    return recipe


# --- one column, every way to write it --------------------------------------------------------------------------------

COLUMNS: dict[str, Any] = {
    "numbers": np.linspace(-1, 1, ROWS),
    "whole": np.arange(ROWS) * 7,
    "large whole": 2**53 + np.arange(ROWS) * 3,
    "gaps": cycle(1.5, None, 0.1),
    "Int64": pd.array(cycle(1, None, 300), dtype="Int64"),
    "Float32": pd.array(cycle(0.1, None, 0.2), dtype="Float32"),
    "float32": np.linspace(0, 1, ROWS, dtype=np.float32),
    "float32 far from 0": (1e5 + np.linspace(0, 1, ROWS)).astype(np.float32),
    "sparse": pd.arrays.SparseArray(cycle(0.0, 0.0, 1.5)),
    "far from 0": HOUR,
    "far from 0, with gaps": [None, *HOUR[1:]],
    "very small": np.linspace(1, 2, ROWS) * 1e-300,
    "very large": np.linspace(-1, 1, ROWS) * 1e38,
    "far and large": 1e20 + HOUR * 1e13,
    "decimals": [decimal.Decimal(row) / 8 for row in range(ROWS)],
    "numbers as text": cycle("1", " 2.5 ", "?", "-1e-3", ""),
    "seconds as text": [str(second) for second in HOUR],
    "thousands": cycle("1,234", "12", "-1,234,567.5"),
    "decimal commas": cycle("1,234", "0,5", "12"),
    "both": cycle("1.234,5", "-3,25", "?", "1.234.567", "1.234"),
    "dollars": cycle("$1.23", "-$0.5", "$-2", "$ 1,000", "?"),
    "euros": cycle("1.234,50 €", "3 €", "1.234 €"),
    "euros, points": cycle("0.125 €", "1.234 €"),
    "EUR": cycle("EUR 5", "EUR 7.5"),
    "percent": cycle("12.3%", "4 %", "-100%", None),
    "percent, commas": cycle("12,5 %", "4 %", "1,234 %"),
    "times": cycle("12:05", "0:30", ""),
    "times with seconds": cycle("12:00:36", "23:59:00.5"),
    "am and pm": cycle("12:05 AM", "1:30 pm", "11:00 a.m."),
    "true": cycle(True, False),
    "nullable": pd.array(cycle(True, None, False), dtype="boolean"),
    "true, as objects": cycle(True, None, False),
    "TRUE, declared": pd.Categorical(cycle("TRUE", "FALSE")),
    "yes": cycle("yes", "no", None, "no"),
    "T": cycle("T", "F", "NA"),
    "On": cycle("On", "off"),
    "dates": DAYS,
    "dates with gaps": [None, *DAYS[1:]],
    "times of dates": pd.date_range("2023-11-14 22:13:20.123456", periods=ROWS, freq="7s"),
    "seconds of dates": np.array(HOUR, "datetime64[s]"),
    "with a zone": pd.date_range("2023-10-28", periods=ROWS, freq="h", tz="Europe/Berlin"),
    "never": np.array(["9999-12-31T18", *np.datetime_as_string(DAYS.to_numpy()[1:], "s")], "datetime64[s]"),
    "dates as objects": list(DAYS.date),
    "times as objects": list(DAYS.tz_localize("UTC").to_pydatetime()),
    "ISO": [*map(str, DAYS.date)],
    "ISO, mixed": cycle("1970-01-02", "?", "1970-01-03T12:00:00Z", "2020-01-01 10:00:00.123456", "1999-01-01T10:00+02"),
    "31.12.": cycle("02.01.1970", "31.12.1969", "?"),
    "12/31/": cycle("1/2/1970", "12/31/1969", "?"),
    "1970/": cycle("1970/01/02", "1969/12/31 00:00", "?"),
    "31-12-": cycle("02-01-1970 00:00", "31-12-1969 10:30", "?"),
    "spans": pd.to_timedelta(np.arange(ROWS) * 12345 - 40_000, unit="s"),
    "long spans": np.arange(1, ROWS + 1).astype("timedelta64[ms]") * 10**13,
    "short spans": pd.to_timedelta(np.arange(ROWS) * 1001, unit="ns"),
    "words": cycle("b", "a", "c"),
    "words with gaps": cycle("b", "a", None, "?"),
    "rare words": [*"bcdefg", *cycle("x", "y")[6:]],
    "codes": cycle("01", "1", "x", "001"),
    "zeros before": cycle("01", "02", "x1"),
    "numbers and texts": cycle("1", "2.50", "+", "2.5"),
    "objects": cycle(1, "a", 2.0, "b"),
    "declared": pd.Categorical(cycle("10", "9", None)),
    "declared numbers": pd.Categorical(cycle(10, 9.5, None)),
    "not told apart": cycle("1.2.2020", "3.2.2020"),
    "quotes, breaks": cycle('say "hi"', "a, b", "two\nlines", "x;y"),
    "nothing": [None] * ROWS,
    "nothing at all": cycle("?", "", "NA"),
    "one value": [5] * ROWS,
    "names": [f"n{row}" for row in range(ROWS)],
}
FEW = [[0], [1], [2], [ROWS - 1, 7, 7]]


@pytest.mark.parametrize("name", COLUMNS)
def test_rows_are_encoded_as_their_table_was(name: str, tmp_path: Path) -> None:
    table = from_frame(pd.DataFrame({"x": np.arange(ROWS) / 8, "c": pd.Series(COLUMNS[name])}), "t")
    recipe = check(table, tmp_path / "t.csv", FEW)
    used = "c" in recipe.columns
    assert used == (name not in ("nothing", "nothing at all", "one value", "names"))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "numbers",
            "whole",
            "large whole",
            "gaps",
            "Int64",
            "Float32",
            "float32",
            "decimals",
            "far from 0",
            "dollars",
        ),
        *("numbers as text", "seconds as text", "true", "nullable", "true, as objects", "yes", "dates", "spans", "ISO"),
        *("with a zone", "dates as objects", "31.12.", "codes", "objects", "declared", "declared numbers", "names"),
    ],
)
def test_named_categories_find_their_levels(name: str, tmp_path: Path) -> None:
    values = pd.Series(COLUMNS[name])
    values = pd.concat([values, values], ignore_index=True)  # each level twice or more: none is rare
    frame = pd.DataFrame({"x": np.arange(2 * ROWS) / 8, "c": values})
    check(from_frame(frame, "t"), tmp_path / "t.csv", FEW, categorical=frozenset({"c"}))


def test_pooled_levels_are_told_from_unseen_ones(tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": ["a", "b", "1", "rare", None] * 2 + ["01", "007"], "x": range(12)}).drop(index=8)
    matrix, recipe, _ = encode_features(from_frame(frame, "t"))
    applied = recipe.apply(from_frame(pd.DataFrame({"c": ["rare", "01", "new", "new", "neu", 7, 1], "x": 1}), "new"))
    assert applied.features[:, :-1].argmax(axis=1).tolist() == [3, 3, 3, 3, 3, 3, 0]
    (unseen,) = applied.unseen
    assert (unseen.column, unseen.levels, unseen.cells, unseen.rare) == ("c", ("new", "neu"), 3, True)
    assert str(unseen) == ("column 'c': 2 levels never seen before, in 3 cells: 'new', 'neu'; they count as rare ones")
    same(recipe.apply(from_frame(frame, "t")).features, matrix)


def test_more_rare_levels_than_are_kept_are_not_told_from_unseen_ones() -> None:
    names = [f"n{row}" for row in range(MOST_POOLED + 1)]
    frame = pd.DataFrame({"c": [*names, *["usual"] * 500]})
    _, recipe, _ = encode_features(from_frame(frame, "t"), categorical=frozenset({"c"}))
    applied = travelled(recipe).apply(from_frame(pd.DataFrame({"c": ["usual", "n1", "never"]}), "new"))
    assert applied.features.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert not applied.unseen


def test_what_a_category_never_had_is_zero_and_said() -> None:
    frame = pd.DataFrame({"c": ["a", "b"] * 6, "n": [1, 2] * 6})
    _, recipe, _ = encode_features(from_frame(frame, "t"), categorical=frozenset({"n"}))
    new = pd.DataFrame({"c": ["b", "q", None], "n": ["2.0", "x", "3"]})
    applied = recipe.apply(from_frame(new, "new"))
    assert applied.features.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert applied.notes == (
        "column 'c': 1 cell is missing, however none was before; all features of the column are 0 there",
    )
    assert [(unseen.column, unseen.levels, unseen.cells, unseen.rare) for unseen in applied.unseen] == [
        ("c", ("q",), 1, False),
        ("n", ("x", "3"), 2, False),
    ]


# --- the same, typed in another way -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (cycle("01", "02", "x"), [1, 2.0, None]),
        (cycle("1", "2", "x"), [1, np.float32(2), pd.NA]),
        (cycle(1, 2, 3), ["1", "2.0", None]),
        (np.array(cycle(0.1, 0.2, 0.3), np.float32), [0.1, decimal.Decimal("0.2"), None]),
        (cycle("True", "x", "y"), [True, True, None]),
        (cycle("1", "1.5", "z"), pd.Categorical([1.0, 1.5, None])),
    ],
)
def test_categories_that_come_as_numbers(first: Any, then: Any) -> None:
    matrix, recipe, _ = encode_features(from_frame(pd.DataFrame({"c": first}), "t"), categorical=frozenset({"c"}))
    applied = recipe.apply(from_frame(pd.DataFrame({"c": pd.Series(then)}), "new"))
    rows = [0, 0 if then[1] is True else 1]
    same(applied.features[:2], matrix[rows])
    assert not applied.features[2].any()
    assert not applied.unseen


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (cycle("31.12.1990", "01.02.1991"), pd.to_datetime(["1990-12-31", "1991-02-01"])),
        (cycle("31.12.1990", "01.02.1991"), ["1990-12-31", "1991-02-01"]),
        (cycle("31.12.1990", "01.02.1991"), [datetime.date(1990, 12, 31), datetime.date(1991, 2, 1)]),
        (pd.to_datetime(cycle("1990-12-31", "1991-02-01")), ["1990-12-31", "1991-02-01T00:00:00Z"]),
        (cycle("yes", "no"), [True, False]),
        (cycle("yes", "no"), [1, 0]),
        (cycle("yes", "no"), ["1", "0"]),
        (cycle(True, False), ["true", "FALSE"]),
        (cycle("$5", "$7.5"), [5, 7.5]),
        (cycle("1,5", "2,5"), [1.5, 2.5]),
        (cycle(1.5, 0.1), np.array([1.5, 0.1], np.float32)),
        (cycle(1.5, 2), ["1.5", 2]),
        (HOUR.tolist(), [decimal.Decimal(int(HOUR[0])), decimal.Decimal(int(HOUR[1]))]),
        (cycle(0, 1), [False, True]),
        (pd.to_timedelta(cycle(1, 2), unit="D"), [datetime.timedelta(1), datetime.timedelta(2)]),
    ],
)
def test_numbers_that_come_in_another_type(first: Any, then: Any) -> None:
    matrix, recipe, _ = encode_features(from_frame(pd.DataFrame({"c": first}), "t"))
    same(recipe.apply(from_frame(pd.DataFrame({"c": pd.Series(then)}), "new")).features, matrix[:2])


def test_all_cells_may_be_missing(tmp_path: Path) -> None:
    names = ["numbers", "true", "dates", "spans", "dollars", "words"]
    frame = pd.DataFrame({name: pd.Series(COLUMNS[name]) for name in names})
    _, recipe, _ = encode_features(from_frame(frame, "t"))
    for empty in (None, np.nan, "?", pd.NaT):
        applied = recipe.apply(from_frame(pd.DataFrame({name: [empty] for name in names}), "new"))
        assert np.isnan(applied.features[0, :5]).all()
        assert not applied.features[0, 5:].any()
    (tmp_path / "t.csv").write_text(",".join(names) + "\n,,,,,\n")
    same(recipe.apply(read_for(recipe, "t.csv", tmp_path)).features, applied.features)


@pytest.mark.parametrize("missing", ["n/k", "-999"])
def test_words_for_missing_travel_with_the_recipe(missing: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": cycle("1.5", missing, "2"), "c": cycle("a", missing, "b"), "n": cycle(1, 2, -999)})
    table = from_frame(frame, "t", frozenset({missing}))
    assert check(table, tmp_path / "t.csv", FEW).missing == {missing}
    check(table, tmp_path / "t.csv", FEW, categorical=frozenset({"n", "x"}))
    objects = from_frame(frame.assign(n=frame["n"].astype(object)), "t", frozenset({missing}))
    check(objects, tmp_path / "t.csv", FEW, categorical=frozenset({"n"}))


def test_align_pads_with_zeros() -> None:
    table = from_frame(pd.DataFrame({"x": COLUMNS["numbers"], "c": COLUMNS["words"]}), "t")
    matrix, recipe, _ = encode_features(table, align=16)
    same(recipe.apply(table, align=16).features, matrix)
    same(recipe.apply(table).features, matrix[:, :4])


# --- any frame --------------------------------------------------------------------------------------------------------

_TEXTS = st.text(st.sampled_from("0123456789$€%:./-, apmEURTxyäß'\""), max_size=9)
_CELLS: list[st.SearchStrategy[Any]] = [
    st.floats(-(2.0**100), 2.0**100),
    st.floats(-1e6, 1e6).map(lambda x: x + 1e9),
    st.integers(-(10**6), 10**6),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["yes", "no", "YES"]),
    st.sampled_from(["1", "01", "1.0", "a", "b", " a", "?", "1e0"]),
    _TEXTS,
    st.from_regex(r"(0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[012])\.(19|20)\d\d", fullmatch=True),
    st.from_regex(r"-?\$[1-9]\d{0,2}(,\d{3}){0,2}(\.\d\d)?", fullmatch=True),
    st.from_regex(r"[1-9]\d{0,2}(\.\d{3}){0,2}(,\d{1,3})? ?(€|%)", fullmatch=True),
    st.from_regex(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?", fullmatch=True),
    st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),
    st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31)),
    st.datetimes(timezones=st.just(datetime.UTC)).map(lambda when: when.isoformat()),
    st.decimals(-1000, 1000, places=3),
]
_DTYPES: tuple[Any, ...] = (None, None, "category", "float32", "Int64", "object")


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(4, 12))
    columns = {}
    for position in range(draw(st.integers(2, 4))):  # of one column, blank lines would be no rows
        cells = draw(st.sampled_from(_CELLS))
        gaps = draw(st.sampled_from([st.nothing(), st.none()]))
        values = draw(st.lists(cells | gaps, min_size=rows, max_size=rows))
        series, dtype = pd.Series(values), draw(st.sampled_from(_DTYPES))
        with contextlib.suppress(TypeError, ValueError, OverflowError, RuntimeWarning):  # not every type takes them
            series = series if dtype is None else series.astype(dtype)
        columns[f"c {position}"] = series
    return pd.DataFrame(columns)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_rows_are_encoded_as_their_table_was_property(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    frame = data.draw(frames())
    categorical = frozenset(data.draw(st.sets(st.sampled_from(list(map(str, frame))), max_size=2)))
    table = from_frame(frame, "t")
    try:
        encode_features(table, categorical=categorical)
    except DataError:
        return
    some = data.draw(st.lists(st.integers(0, len(frame) - 1), min_size=1, max_size=3))
    path = tmp_path_factory.mktemp("t") / "t.csv"
    check(table, None, [[row] for row in range(len(frame))], categorical=categorical)
    check(table, path, [some, some[:1]], categorical=categorical)


# --- files ------------------------------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize("name", ["sonar.csv", "ionosphere.csv", "pima-indians-diabetes.csv"])
def test_real_tables(name: str, tmp_path: Path) -> None:
    source = SHARED / name
    data = replace(BASE, source=str(source), target=-1)
    encoded = encode(read_table(data, None), data, align=16)
    recipe = travelled(encoded.recipe)
    applied = recipe.apply(read_for(recipe, str(source), None), align=16)
    same(applied.features, encoded.features)
    assert (applied.notes, applied.unseen) == ((), ())
    lines = source.read_text().splitlines()
    for row in (0, 1, 17, len(lines) - 1):
        for line in (lines[row], lines[row].rpartition(",")[0]):  # with and without the target
            (tmp_path / "one.csv").write_text(line)
            same(
                recipe.apply(read_for(recipe, "one.csv", tmp_path), align=16).features, encoded.features[row : row + 1]
            )


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "semicolons", "parquet", "packed"])
def test_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    names = [
        *(
            "numbers",
            "gaps",
            "float32",
            "float32 far from 0",
            "far from 0",
            "decimals",
            "dollars",
            "both",
            "times",
            "31.12.",
        ),
        *("true", "yes", "dates", "with a zone", "dates as objects", "words with gaps", "rare words", "zeros before"),
    ]
    frame = pd.DataFrame({name: pd.Series(COLUMNS[name]) for name in names})
    frame["y"] = cycle("p", "q")

    def write(part: pd.DataFrame, path: Path) -> None:
        match kind:
            case "parquet" | "packed":
                part.to_parquet(path)
            case "semicolons":
                part.to_csv(path, index=False, sep=";", decimal=",")
            case _:
                part.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",", na_rep="NA")

    write(frame, tmp_path / f"t.{kind}")
    data = replace(BASE, source=f"t.{kind}", categorical=("gaps",))
    table = read_table(data, tmp_path)
    if kind == "packed":
        content = pack(data, tmp_path).content
        assert content is not None
        table = packed_table(content, data)
    encoded = encode(table, data)
    recipe = travelled(encoded.recipe)
    same(recipe.apply(table).features, encoded.features)
    for row in range(0, ROWS, 3):
        write(frame.iloc[[row]].drop(columns=["y"] * (row % 2)), tmp_path / f"one.{kind}")
        applied = recipe.apply(read_for(recipe, f"one.{kind}", tmp_path))
        same(applied.features, encoded.features[row : row + 1])
        assert (applied.notes, applied.unseen) == ((), ())


def read(recipe: Recipe, tmp_path: Path, text: str) -> list[list[float]]:
    (tmp_path / "new.csv").write_text(text)
    found: list[list[float]] = recipe.apply(read_for(recipe, "new.csv", tmp_path)).features.tolist()
    return found


def recipe_of(tmp_path: Path, text: str, **keys: Any) -> Recipe:
    (tmp_path / "t.csv").write_text(text)
    data = replace(BASE, **keys)
    return encode(read_table(data, tmp_path), data).recipe


@pytest.mark.parametrize("target", [0, 1, 3])
def test_files_without_header_may_leave_the_target_out(target: int, tmp_path: Path) -> None:
    cells = [[f"{row / 4}", f"{row % 5}", f"w{row % 3}", f"{row * 2.5}"] for row in range(ROWS)]
    for row, line in enumerate(cells):
        line[target] = "mr"[row % 2]
    text = "".join(",".join(line) + "\n" for line in cells)
    (tmp_path / "t.csv").write_text(text)
    data = replace(BASE, target=target)
    encoded = encode(read_table(data, tmp_path), data)
    recipe, wanted = encoded.recipe, encoded.features.tolist()
    assert recipe.target == f"column{target + 1}"
    for line, row in zip(cells[::5], wanted[::5], strict=True):
        assert read(recipe, tmp_path, ",".join(line)) == [row]
        assert read(recipe, tmp_path, ",".join(line[:target] + line[target + 1 :])) == [row]
        header = [f"column{position}" for position in range(1, 5)]
        assert read(recipe, tmp_path, f"{','.join(header)}\n{','.join(line)}") == [row]
    with pytest.raises(
        DataError, match=r"must have 4 or 3 cells, with or without what is not needed, however they have 2"
    ):
        read(recipe, tmp_path, "1,2\n3,4\n")


def test_a_missing_last_cell_without_header_is_no_left_out_column(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "".join(f"{'mr'[n % 2]},{n / 4},{n % 7}\n" for n in range(ROWS)), target=0)
    np.testing.assert_array_equal(read(recipe, tmp_path, "m,0.5,\n"), [[0.5, np.nan]])


def test_a_delimiter_at_the_end_of_rows_without_header(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "".join(f"{n / 4},{n % 7},{'mr'[n % 2]},\n" for n in range(ROWS)), target=-1)
    for text in ("0.5,3,m,\n", "0.5,3,m\n", "0.5,3\n"):
        assert read(recipe, tmp_path, text) == [[0.5, 3]]


@pytest.mark.parametrize("start", ["", ",", '"",'])
def test_a_first_column_without_a_name(start: str, tmp_path: Path) -> None:
    rows = [f"{n},{['w1', 'w2', 'y'][n % 3]},{'mr'[n % 2]}\n" for n in range(ROWS)]
    recipe = recipe_of(tmp_path, f"{start}a,y\n{''.join(rows)}")
    assert recipe.columns == ("column1", "a")
    for header in (start, "column1,"):
        np.testing.assert_array_equal(read(recipe, tmp_path, f"{header}a,y\n,y,m\n"), [[np.nan, 0, 0, 1]])


def test_a_header_is_known_by_its_names(tmp_path: Path) -> None:
    rows = "".join(f"w{n % 3},v{n % 2},{n % 5},{'mr'[n % 2]}\n" for n in range(ROWS))
    recipe = recipe_of(tmp_path, f"kind,sort,2019,y\n{rows}", header=True)
    wanted = [[0, 1, 0, 0, 1, 3]]
    assert read(recipe, tmp_path, "kind,sort,2019\nw1,v1,3\n") == wanted
    assert read(recipe, tmp_path, "2019;sort;kind\n3;v1;w1\n") == wanted  # other order, other delimiter
    assert read(recipe, tmp_path, "\n2019 sort kind more\n3 v1 w1 x\n") == wanted
    assert read(recipe, tmp_path, 'kind,sort,2019,note\nw1,v1,3,"a;b"\n') == wanted


def test_a_decimal_comma_shows_in_columns_of_numbers_only(tmp_path: Path) -> None:
    rows = "".join(f"{n},5;1.{n % 3}x;{'mr'[n % 2]}\n" for n in range(ROWS))
    recipe = recipe_of(tmp_path, f"a;b;y\n{rows}")
    assert read(recipe, tmp_path, "a;b\n7,25;1.0\n")[0][0] == 7.25
    assert read(recipe, tmp_path, "a;b\n7.25;1,0x\n")[0][0] == 7.25
    with pytest.raises(DataError, match=r"column 'a', row 1 \(line 2\): '7,25' stands in a column of numbers"):
        read(recipe, tmp_path, "a;b\n7,25;1.0\n8.5;1.1x\n")


def test_levels_with_a_decimal_comma(tmp_path: Path) -> None:
    rows = "".join(f"{n};{['1,5', '2,50', '3', '1,500'][n % 4]};{'mr'[n % 2]}\n" for n in range(ROWS))
    recipe = recipe_of(tmp_path, f"a;c;y\n{rows}", categorical=("c",))
    assert recipe.names == ("a", "c=1.5", "c=2.5", "c=3")
    assert read(recipe, tmp_path, "a;c\n1;1,500\n1;2,5\n1;3,0\n") == [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    (unseen,) = recipe.apply(read_for(recipe, str(tmp_path / "t.csv"), None)).unseen or (None,)
    assert unseen is None


def test_dates_and_spans_of_arrow() -> None:
    when = pd.Series(cycle(*pd.date_range("2020-01-01", periods=5, freq="36h"))).dt.as_unit("ms")
    dates = pd.Series(cycle(datetime.date(2020, 1, 1), None, datetime.date(9999, 12, 31)))
    arrow = {
        "date32[pyarrow]": (dates, dates),
        "timestamp[ms][pyarrow]": (when, when),
        "timestamp[ms, tz=UTC][pyarrow]": (when, when.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")),
        "duration[ms][pyarrow]": (when - when[0], when - when[0]),
    }
    for name, (plain, typed) in arrow.items():
        first, again = (from_frame(pd.DataFrame({"d": one}), "x") for one in (plain, typed.astype(name)))
        matrix, recipe, _ = encode_features(first)
        same(recipe.apply(again).features, matrix)
        assert encode_features(again)[1].plans[0].kind == "datetime"


def test_levels_of_a_small_file_stay_text(tmp_path: Path) -> None:
    rows = "".join(f"{['01', '1', '10', 'x', 'True'][n % 5]},{n / 4},{'mr'[n % 2]}\n" for n in range(ROWS + 1))
    recipe = recipe_of(tmp_path, f"code,x,y\n{rows}")
    for place, level in enumerate(level for level in recipe.plans[0].levels):
        assert read(recipe, tmp_path, f"code,x\n{level},1\n")[0][place] == 1
    # Levels that the first table had as numbers: 01 was 1 there.
    numbers = recipe_of(tmp_path, "c,x,y\n" + "01,1,m\n02,2,r\n" * 12, categorical=("c",))
    assert numbers.names == ("c=1", "c=2", "x")
    assert read(numbers, tmp_path, "c,x\n02,1\n") == [[0, 1, 1]]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "a,y\n" + "1,m\n2,r\n" * 6)
    with pytest.raises(NotFoundError, match=r"^table: no such file: .*new\.csv"):
        read_for(recipe, "new.csv", tmp_path)
    with pytest.raises(DataError, match=r"new\.csv: the table is empty below its header"):
        read(recipe, tmp_path, "a,y\n")
    with pytest.raises(DataError, match=r"^table must be a path, a URL"):
        read_for(recipe, "ftp://x/t.csv", tmp_path)
    with pytest.raises(NotFoundError, match=r"^table: scikit-learn has no table 'boston'"):
        read_for(recipe, "sklearn:boston", tmp_path)


def test_an_index_of_its_own_is_left_alone() -> None:
    frame = pd.DataFrame({0: [1.5, 2.5, 3.5], 1: ["a", "b", "a"]}, index=[7, 7, 2])
    _, recipe, _ = encode_features(from_frame(frame, "X"))
    assert recipe.columns == ("0", "1")
    assert recipe.apply(from_frame(frame.iloc[1:], "X")).features[:, 0].tolist() == [2.5, 3.5]
    assert [*frame.columns] == [0, 1]
    assert frame.index.tolist() == [7, 7, 2]


# --- errors -----------------------------------------------------------------------------------------------------------


def refused(frame: pd.DataFrame) -> str:
    names = ["numbers", "far from 0", "very small", "true", "dates", "31.12.", "dollars", "both", "spans", "times"]
    names.append("words")
    first = pd.DataFrame({name: pd.Series(COLUMNS[name]) for name in names})
    _, recipe, _ = encode_features(from_frame(first, "t"))
    good = pd.concat([first.iloc[:3].drop(columns=list(frame)), frame], axis=1)
    with pytest.raises(DataError) as caught:
        recipe.apply(from_frame(good, "new.csv"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        (
            "numbers",
            ["1", "abc", "x"],
            "row 2: 'abc' stands in a column of numbers such as 1234.5 (2 of 3 cells); correct",
        ),
        (
            "numbers",
            ["1", "1,5", "2"],
            "row 2: '1,5' stands in a column of numbers such as 1234.5; correct it, or empty",
        ),
        ("numbers", pd.to_datetime(["2020-01-01"] * 3), "row 1: 2020-01-01 00:00:00 stands in a column of numbers"),
        ("numbers", pd.to_timedelta([1, 1, 1]), "row 1: 0 days 00:00:00.000000001 stands in a column of numbers"),
        ("numbers", [1, datetime.date(2020, 1, 1), 3], "row 2: 2020-01-01 stands in a column of numbers"),
        ("numbers", [1, 2, np.inf], "row 3: inf is infinite"),
        ("numbers", [1, -1e39, 2], "row 2: -1e+39 is beyond the range of numbers here"),
        ("numbers", [1, [2], 3], "row 2: a value of type list"),
        ("numbers", ["1", b"x", "3"], "row 2: a value of type bytes"),
        ("very small", [1e-300, 1.0, 0], "row 2: 1.0 is too far from the numbers there were before"),
        ("true", [0, 1, 2], "row 3: 2 stands in a column of 'true' or 'false'"),
        ("true", ["yes", "no", "no"], "row 1: 'yes' stands in a column of 'true' or 'false' (3 of 3 cells)"),
        ("true", [True, "2", None], "row 2: '2' stands in a column of 'true' or 'false'"),
        ("dates", [1, 2, 3], "row 1: 1 stands in a column of dates such as 1990-12-31 (3 of 3 cells)"),
        ("dates", ["2020-01-01", "2020-02-31", None], "row 2: '2020-02-31' stands in a column of dates"),
        (
            "31.12.",
            ["31.12.1990", "12.31.1990", None],
            "row 2: '12.31.1990' stands in a column of dates such as 31.12.1990",
        ),
        ("31.12.", ["31/12/1990", None, None], "row 1: '31/12/1990' stands in a column of dates such as 31.12.1990"),
        ("dates", pd.to_timedelta([1, 1, 1]), "row 1: 0 days 00:00:00.000000001 stands in a column of dates"),
        ("spans", pd.to_datetime(["2020-01-01"] * 3), "stands in a column of spans of time such as 1 days 12:00:00"),
        ("dollars", ["$5", "5", "€7"], "row 2: '5' stands in a column of amounts of money such as $ 1,234.5 (2 of 3"),
        ("both", ["1,5", "1.5", None], "row 2: '1.5' stands in a column of numbers such as 1.234,5; correct it"),
        ("times", ["10:00", "26:00", None], "row 2: '26:00' stands in a column of times of day such as 13:05; correct"),
        ("words", ["a", b"b", "c"], "row 2: a value of type bytes"),
    ],
)
def test_cells_that_cannot_be_read(column: str, cells: Any, said: str) -> None:
    message = refused(pd.DataFrame({column: pd.Series(cells)}))
    assert message.startswith(f"new.csv, column {column!r}, ")
    assert said in message


def test_columns_that_are_missing() -> None:
    frame = pd.DataFrame({"age": X, "weight": X, "c": COLUMNS["words"], "gone": [1] * ROWS, "y": X})
    _, recipe, _ = encode_features(from_frame(frame, "t"), excluded=frozenset({"y"}), target="y")
    with pytest.raises(DataError) as caught:
        recipe.apply(from_frame(pd.DataFrame({"Age ": [1], "c": ["a"], "y": [1]}), "new.csv"))
    assert str(caught.value) == (
        "new.csv: 2 columns are missing: 'age' (did you mean 'Age '?), 'weight'; expected are 3 columns, found: "
        "'Age ', 'c', 'y'"
    )
    applied = recipe.apply(from_frame(frame.drop(columns=["y", "gone"]).assign(more=1, others="x"), "new.csv"))
    assert applied.notes == ("2 columns are not used, unknown before: 'more', 'others'",)
    assert recipe.apply(from_frame(frame[frame.columns[::-1]], "new.csv")).notes == ()
    many = pd.DataFrame({f"x{place}": X for place in range(20)})
    with pytest.raises(DataError, match=r"20 columns are missing: 'x0', .*, … \(20 in all\); expected are 20 columns"):
        encode_features(from_frame(many, "t"))[1].apply(from_frame(frame, "new.csv"))


def test_no_rows_and_names_that_occur_twice() -> None:
    _, recipe, _ = encode_features(from_frame(pd.DataFrame({"a": X}), "t"))
    with pytest.raises(DataError, match=r"^new\.csv: the table is empty \(1 columns, 0 rows\)"):
        recipe.apply(Table(pd.DataFrame({"a": []}), "new.csv"))
    with pytest.raises(DataError, match=r"^new\.csv: several columns have the name 'a'"):
        recipe.apply(Table(pd.DataFrame([[1, 2]], columns=["a", "a"]), "new.csv"))
    with pytest.raises(DataError, match=r"^X: 2 columns have the name 'a'"):
        from_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]), "X")


X = list(np.linspace(-1, 1, ROWS))


# --- as JSON ----------------------------------------------------------------------------------------------------------


def sound() -> dict[str, Any]:
    frame = pd.DataFrame({name: pd.Series(COLUMNS[name]) for name in ("far from 0", "rare words", "31.12.", "true")})
    recipe = encode_features(from_frame(frame.assign(n=1), "t", frozenset({"n/k"})), target="y")[1]
    content: dict[str, Any] = json.loads(json.dumps(recipe.to_dict()))
    return content


def test_json_is_plain_and_complete() -> None:
    assert sound() == {
        "target": "y",
        "unused": ["n"],
        "missing": ["n/k"],
        "columns": [
            {"column": "far from 0", "kind": "numeric", "format": "1234.5", "shift": HOUR[11], "exponent": 0},
            {
                "column": "rare words",
                "kind": "categorical",
                "format": "",
                "levels": ["x", "y"],
                "rare": True,
                "missing": False,
                "pooled": ["b", "c", "d", "e", "f", "g"],
            },
            {"column": "31.12.", "kind": "datetime", "format": "date d.m.y", "shift": 0.0, "exponent": 0},
            {"column": "true", "kind": "boolean", "format": "true/false", "shift": 0.0, "exponent": 0},
        ],
    }


def changed(*path: Any, to: Any) -> Callable[[dict[str, Any]], Any]:
    def change(content: dict[str, Any]) -> Any:
        inner: Any = content
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        return content

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: [content], r"the recipe must be an object with the keys target, unused, missing, columns"),
        (lambda content: None, r"the recipe must be an object .*, however: None"),
        (changed("more", to=1), r"the recipe must have the keys .*, however: 'more' is unknown"),
        (lambda content: content.pop("target") and content, r"the recipe must have the keys .* target is missing"),
        (changed("target", to=3), r"target must be a text, however: 3"),
        (changed("unused", to="n"), r"unused must be a list of distinct texts, however: 'n'"),
        (changed("missing", to=[1]), r"missing must be a list of distinct texts"),
        (changed("missing", to=["a", "a"]), r"missing must be a list of distinct texts"),
        (changed("columns", to=[]), r"columns must be a list that is not empty, however: \[\]"),
        (changed("columns", to={}), r"columns must be a list"),
        (changed("columns", 0, to="x"), r"columns\[0\] must be an object with the keys .*, however: 'x'"),
        (changed("columns", 0, "column", to=None), r"columns\[0\]\.column must be a text, however: None"),
        (changed("columns", 0, "kind", to="identifier"), r"columns\[0\]\.kind must be numeric, boolean, datetime or"),
        (changed("columns", 0, "kind", to=["x"]), r"columns\[0\]\.kind must be numeric, boolean, datetime or"),
        (changed("columns", 0, "kind", to="categorical"), r"columns\[0\] must have the keys .* levels is missing"),
        (changed("columns", 0, "levels", to=[]), r"columns\[0\] must have the keys .*'levels' is unknown"),
        (changed("columns", 0, "shift", to="1"), r"columns\[0\]\.shift must be a number"),
        (changed("columns", 0, "shift", to=True), r"columns\[0\]\.shift must be a number"),
        (changed("columns", 0, "shift", to=float("nan")), r"columns\[0\]\.shift must be a number"),
        (changed("columns", 0, "shift", to=1e300), r"columns\[0\]\.shift must be a number up to ±3\.4e\+38, however"),
        (changed("columns", 0, "exponent", to=1.0), r"columns\[0\]\.exponent must be a whole number from -1100 to 130"),
        (changed("columns", 0, "exponent", to=10**9), r"columns\[0\]\.exponent must be a whole number"),
        (changed("columns", 0, "format", to="rot13"), r"columns\[0\]\.format: no such format: 'rot13'"),
        (changed("columns", 0, "format", to=""), r"columns\[0\]\.format: no such format"),
        (
            changed("columns", 0, "format", to="1234.5 single"),
            r"columns\[0\]\.format must be one of a column of kind num",
        ),
        (changed("columns", 0, "format", to="yes/no"), r"columns\[0\]\.format must be one of a column of kind numeric"),
        (changed("columns", 2, "format", to="date d.y.m"), r"columns\[2\]\.format: no such format: 'date d\.y\.m'"),
        (changed("columns", 2, "format", to="percent 1234.5"), r"columns\[2\]\.format must be one of a column of kind"),
        (changed("columns", 1, "format", to="yes/no"), r"columns\[1\]\.format must be one of a column of kind categor"),
        (changed("columns", 1, "levels", to=["x", "x"]), r"columns\[1\]\.levels must be a list of distinct texts"),
        (changed("columns", 1, "levels", to=[*map(str, range(101))]), r"columns\[1\] must have at most 100 levels"),
        (changed("columns", 1, "rare", to=1), r"columns\[1\]\.rare must be true or false, however: 1"),
        (changed("columns", 1, "rare", to=False), r"columns\[1\]\.pooled must be levels that are rare"),
        (changed("columns", 1, "pooled", to=["x"]), r"columns\[1\]\.pooled must be levels that are rare"),
        (
            changed("columns", 1, to={**sound()["columns"][1], "levels": [], "pooled": [], "rare": False}),
            r"columns\[1\] must have a feature",
        ),
        (changed("target", to="31.12."), r"names of columns must differ, .*, however: '31\.12\.' twice"),
        (changed("unused", to=["true"]), r"names of columns must differ, .*, however: 'true' twice"),
    ],
)
def test_json_that_is_no_recipe(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    assert Recipe.from_dict(sound()).target == "y"
    with pytest.raises(ValueError, match=said):
        Recipe.from_dict(change(sound()))
