from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.errors import DataError, NotFoundError
from sweep.launch.inline import InlineLauncher
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.spec.definition import parse
from sweep.spec.model import Range, SweepSpec
from sweep.suggest.definition import Suggestion, suggest, table_name

SHARED = Path(__file__).parents[2] / "shared" / "data"
ROWS = 120
RNG = np.random.default_rng(3)
FLOATS = RNG.normal(size=ROWS)
LABELS = RNG.choice(["yes", "no"], ROWS)


def written(folder: Path, target: str | None = None, /, **columns: Any) -> tuple[Suggestion, SweepSpec]:
    """A table as a file, what is suggested for it, and that as a definition."""
    pd.DataFrame(columns).to_csv(folder / "made.csv", index=False)
    suggestion = suggest(str(folder / "made.csv"), target, folder / "made.toml")
    return suggestion, parse(suggestion.text, suggestion.path)


def run_tiny(spec: SweepSpec, storage: str) -> None:
    tiny = parse(Path(str(spec.origin)).read_text(), spec.origin, ["training.epochs=2", "search.trials=4"])
    with InlineLauncher() as launcher:
        assert run_sweep(tiny, storage=storage, launcher=launcher).complete == 4


# --- real tables


@pytest.mark.parametrize("name", ["sonar", "ionosphere", "pima-indians-diabetes"])
def test_real_tables_run_without_an_edit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    table = SHARED / f"{name}.csv"
    if not table.exists():
        pytest.skip(f"no {table.name} beside the project (../shared/data)")
    # As typed: the table beside the current folder, the definition in it.
    (tmp_path / "shared").symlink_to(SHARED)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    suggestion = suggest(f"../shared/{name}.csv")
    assert (suggestion.name, suggestion.path) == (name, Path(f"{name}.toml"))
    suggestion.path.write_text(suggestion.text)
    spec = parse(suggestion.path.read_text(), suggestion.path)
    assert spec.data.target == -1
    assert (spec.training.epochs, spec.training.batch_size) == (300, 16)
    assert (spec.validation.folds, spec.validation.metric) == (10, "accuracy")
    run_tiny(spec, sqlite_url)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("breast_cancer", "accuracy"),
        ("diabetes", "rmse"),
        ("digits", "accuracy"),
        ("iris", "accuracy"),
        ("wine", "accuracy"),
    ],
)
def test_bundled_tables_run_without_an_edit(name: str, metric: str, tmp_path: Path, sqlite_url: str) -> None:
    suggestion = suggest(f"sklearn:{name}", path=tmp_path / "any.toml")
    suggestion.path.write_text(suggestion.text)
    spec = parse(suggestion.text, suggestion.path)
    assert (spec.name, spec.data.source, spec.validation.metric) == (name, f"sklearn:{name}", metric)
    run_tiny(spec, sqlite_url)


def test_zeros_of_the_pima_table_are_a_comment_and_no_change() -> None:
    table = SHARED / "pima-indians-diabetes.csv"
    if not table.exists():
        pytest.skip(f"no {table.name} beside the project (../shared/data)")
    suggestion = suggest(str(table))
    assert '# - Numbers that may stand for missing values: "column2" (0 in 5 rows' in suggestion.text
    assert any("may stand for missing values" in note for note in suggestion.notes)
    assert parse(suggestion.text).data.drop == ()


# --- where things are


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data/sonar.csv", "sonar"),
        ("My table (1).csv.gz", "My-table-1"),
        ("x.tar.data.parquet", "x.tar"),
        ("übung.tsv", "bung"),
        (".csv", "sweep"),
        ("sklearn:wine", "wine"),
        ("openml:40", "openml-40"),
        ("https://example.org/a%20b/some%20table.csv?raw=1", "some-table"),
        ("https://example.org", "sweep"),
        ("https://[bad", "sweep"),
        ("http://h/?x=/t.csv#/u.csv", "sweep"),
        ("SKLearn:wine", "wine"),
        ("data/exp:1.csv", "exp-1"),
    ],
)
def test_sweeps_are_named_after_their_table(source: str, name: str) -> None:
    assert table_name(source) == name


def test_source_is_relative_to_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "definitions" / "deep").mkdir(parents=True)
    pd.DataFrame({"a": FLOATS, "kind": LABELS}).to_csv(tmp_path / "tables" / "t.csv", index=False)
    monkeypatch.chdir(tmp_path / "tables")
    assert tomllib.loads(suggest("t.csv").text)["data"]["source"] == "t.csv"
    elsewhere = suggest("t.csv", path=Path("../definitions/deep/x.toml"))
    assert tomllib.loads(elsewhere.text)["data"]["source"] == "../../tables/t.csv"
    assert prepare(parse(elsewhere.text, elsewhere.path)).data.info.rows == ROWS
    absolute = str(tmp_path / "tables" / "t.csv")
    assert tomllib.loads(suggest(absolute, path=Path("x.toml")).text)["data"]["source"] == absolute


def test_source_is_relative_to_what_a_linked_folder_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    pd.DataFrame({"a": FLOATS, "kind": LABELS}).to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.chdir(tmp_path)
    suggestion = suggest("t.csv", path=Path("link/x.toml"))
    assert prepare(parse(suggestion.text, suggestion.path)).data.info.rows == ROWS


def test_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        suggest(str(tmp_path / "nothing.csv"))


def test_target_that_cannot_be_guessed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which column is to be predicted cannot be told"):
        written(tmp_path, kind=LABELS, a=FLOATS, b=FLOATS)


def test_other_candidates_for_the_target_are_named(tmp_path: Path) -> None:
    suggestion, spec = written(tmp_path, price=FLOATS, a=FLOATS[::-1], kind=LABELS)
    assert (spec.data.target, suggestion.others) == ("price", ("'kind' (2 classes)",))
    assert "other candidates: 'kind' (2 classes); --target names one" in suggestion.notes
    assert "# Other candidates: 'kind' (2 classes)." in suggestion.text


# --- what is chosen


def labels(*shares: float) -> list[str]:
    counts = [round(share * ROWS) for share in shares]
    return [f"class {code}" for code, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize(
    ("shares", "metric", "class_weight"),
    [
        ((0.5, 0.5), "accuracy", "none"),
        ((0.35, 0.65), "accuracy", "none"),
        ((0.1, 0.9), "roc_auc", "none"),
        ((0.3, 0.3, 0.4), "accuracy", "none"),
        ((0.1, 0.3, 0.6), "balanced_accuracy", "balanced"),
    ],
)
def test_metric_follows_the_balance_of_classes(
    shares: tuple[float, ...], metric: str, class_weight: str, tmp_path: Path
) -> None:
    _, spec = written(tmp_path, a=FLOATS, b=FLOATS, target=labels(*shares))
    assert (spec.validation.metric, spec.training.class_weight) == (metric, class_weight)


def test_regression_has_its_own_metric_and_learning_rates(tmp_path: Path) -> None:
    suggestion, spec = written(tmp_path, a=FLOATS, b=FLOATS, price=100 * FLOATS)
    assert spec.validation.metric == "rmse"
    assert isinstance(spec.space.learning_rate, Range)
    assert spec.space.learning_rate.high < 0.5
    assert "class_weight" not in suggestion.text


def test_outliers_of_a_regression_are_noted(tmp_path: Path) -> None:
    suggestion, _ = written(tmp_path, a=FLOATS, b=FLOATS, price=[1e6, *FLOATS[1:]])
    assert any("standard deviations from its mean" in note for note in suggestion.notes)


def test_folds_fit_the_rarest_class(tmp_path: Path) -> None:
    _, spec = written(tmp_path, a=FLOATS, b=FLOATS, target=["rare"] * 4 + ["common"] * (ROWS - 4))
    assert (spec.validation.folds, spec.validation.scheme) == (4, "auto")
    assert prepare(spec).folds.splits == 4


def test_class_of_one_row_needs_plain_folds(tmp_path: Path) -> None:
    suggestion, spec = written(tmp_path, a=FLOATS, target=["only", *["a", "b"] * 59, "a"])
    assert (spec.validation.folds, spec.validation.scheme) == (10, "kfold")
    assert "a class has one row only" in suggestion.text
    assert prepare(spec).folds.splits == 10


def test_identifiers_are_left_out_with_a_note(tmp_path: Path) -> None:
    suggestion, spec = written(tmp_path, id=range(ROWS), name=[f"n{i}" for i in range(ROWS)], a=FLOATS, target=LABELS)
    assert spec.data.drop == ("id", "name")
    assert prepare(spec).data.info.features == ("a",)
    assert '# "id": counts the rows' in suggestion.text
    assert "column 'id' is left out: counts the rows" in suggestion.notes


def test_texts_that_stand_for_missing_values_are_named(tmp_path: Path) -> None:
    age = [*map(str, FLOATS[2:]), "n/k", "n/k"]
    suggestion, spec = written(tmp_path, age=age, a=FLOATS, target=LABELS)
    assert (spec.data.missing, spec.data.drop) == (("n/k",), ())
    assert prepare(spec).data.info.features == ("age", "a")
    said = "'n/k' in 2 of 120 cells, the others are numbers or dates"
    assert f'# "age": {said}' in suggestion.text
    assert f"column 'age': {said}: read as missing" in suggestion.notes


def test_warnings_about_the_table_are_said(tmp_path: Path) -> None:
    suggestion, _ = written(tmp_path, a=FLOATS, target=["no", "No"] * 60)
    said = (
        "Classes differ in case or blanks only: 'No' and 'no'; if they mean the same, write them the same in the table."
    )
    assert said in suggestion.notes
    assert suggestion.text.count("in case or blanks only") == 1


def test_few_rows_are_not_called_a_large_table(tmp_path: Path) -> None:
    suggestion, spec = written(tmp_path, a=FLOATS[:3], target=[1.5, 2.5, 9.25])
    assert spec.validation.folds == 2
    assert "# no more than 3 rows can fill" in suggestion.text
    assert "3 rows, 1 feature" in suggestion.text


def test_many_classes_are_not_said_to_be_none_of_the_rows(tmp_path: Path) -> None:
    names = [f"c{row % 60}" for row in range(ROWS)]
    suggestion, _ = written(tmp_path, a=FLOATS, target=names)
    assert "the rarest has 1.7 % of the rows" in suggestion.text
    assert any("60 classes in 120 rows, 2.0 rows each: hardly enough" in note for note in suggestion.notes)


def test_the_time_is_plainly_rough(tmp_path: Path) -> None:
    suggestion, _ = written(tmp_path, a=FLOATS, target=LABELS)
    (line,) = [line for line in suggestion.text.splitlines() if line.startswith("trials = ")]
    assert re.search(r"# (\d+ to \d+ min|less than a minute) on 2 cores, sweep check measures it", line)


def test_copies_and_features_that_tell_the_target_are_noted(tmp_path: Path) -> None:
    half = ROWS // 2
    columns = {"a": FLOATS[:half], "b": FLOATS[half:], "survived": LABELS[:half] == "yes", "target": LABELS[:half]}
    suggestion, spec = written(tmp_path, **{name: np.tile(column, 2) for name, column in columns.items()})
    assert any(f"{half} rows repeat the features of another row" in note for note in suggestion.notes)
    assert any('Tells the target all by itself, known before it is? "survived"' in note for note in suggestion.notes)
    assert spec.data.drop == ()


def test_groups_codes_and_dates_are_comments(tmp_path: Path) -> None:
    suggestion, spec = written(
        tmp_path,
        patient=RNG.integers(0, 30, ROWS),
        region=RNG.integers(1, 5, ROWS),
        day=pd.date_range("2024-01-01", periods=ROWS).astype(str),
        a=FLOATS,
        target=LABELS,
    )
    for comment in (
        '# groups = "patient" ',
        '# categorical = ["region"] ',
        '# scheme = "timeseries" ',
        '# positive = "no" ',
    ):
        assert comment in suggestion.text
    assert (spec.data.groups, spec.data.categorical, spec.data.positive) == (None, (), None)
    # Each of them runs when the mark of the comment is taken away.
    for override in ("data.groups=patient", 'data.categorical=["region"]', "validation.scheme=timeseries"):
        assert prepare(parse(suggestion.text, suggestion.path, [override])).data.info.rows == ROWS


def test_every_key_has_a_reason_and_lines_are_short(tmp_path: Path) -> None:
    suggestion, spec = written(tmp_path, a=FLOATS, b=FLOATS, target=LABELS)
    assert max(map(len, suggestion.text.splitlines())) <= 120
    tables = tomllib.loads(suggestion.text)
    assert set(tables) == {"format", "name", "seed", "data", "network", "training", "space", "validation", "search"}
    assert spec.search.trials == tables["search"]["trials"]
    for key in ("target", "hidden", "epochs", "batch_size", "placement", "folds", "metric", "trials"):
        (line,) = [n for n, line in enumerate(suggestion.text.splitlines()) if line.startswith(f"{key} = ")]
        assert any("# " in text for text in suggestion.text.splitlines()[line - 1 : line + 1])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8), min_size=3, max_size=3
    ),
    classes=st.lists(st.text("ab\"'\\# é", min_size=1, max_size=4).map(str.strip).filter(bool), min_size=2, max_size=2),
)
def test_any_names_make_a_definition(names: list[str], classes: list[str], tmp_path: Path) -> None:
    columns = dict(zip(names, (FLOATS, FLOATS + 1, RNG.choice(classes, ROWS)), strict=True))
    stripped = {name.strip() for name in columns}
    if len(columns) < 3 or len(stripped) < 3 or "" in stripped or classes[0] == classes[1]:
        return
    pd.DataFrame(columns).to_parquet(tmp_path / "made.parquet")
    suggestion = suggest(str(tmp_path / "made.parquet"), names[2], tmp_path / "made.toml")
    spec = parse(suggestion.text, suggestion.path)
    assert prepare(spec).data.info.target == names[2]
