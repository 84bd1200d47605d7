"""``sweep predict`` and ``sweep fit`` from a user's seat."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sweep import metrics, wording
from sweep.commands.predict import predict
from sweep.errors import DataError
from sweep.model.folder import read_model
from sweep.records import Task
from sweep.tables.load import from_frame, read_for
from tests.command_line import Program
from tests.model.worlds import COLUMNS, World, make_rows, read_rows, write_rows

HEADER = COLUMNS[:-1]


def cells(path: Path) -> list[list[str]]:
    return [list(row.values()) for row in read_rows(path)]


@pytest.fixture
def at_home(program: Program, written: Path) -> Program:
    """The program in an empty folder with a model."""
    shutil.copytree(written, program.folder / "model")
    return program


def test_fit_and_predict(program: Program, binary: World) -> None:
    done = program("fit", "binary", "-o", "model/", "--storage", binary.url, "--ensemble", "2")
    assert done.out == "model\n"
    assert "training trial" in done.err
    best = binary.summary().best
    assert best is not None
    assert f"binary: {best.epoch} of {wording.count(best.epoch, 'epoch')}" in done.err
    said = program("predict", "model", str(binary.table), "-o", "out.csv")
    assert said.out == ""
    assert "wrote out.csv" in said.err
    rows = read_rows(program.folder / "out.csv")
    assert list(rows[0]) == ["prediction", "probability sick", "probability well"]
    expected = read_model("model").predict(read_for(read_model("model").recipe, str(binary.table), None))
    assert expected.probabilities is not None
    found = np.array([[float(row["probability sick"]), float(row["probability well"])] for row in rows])
    np.testing.assert_array_equal(found, expected.probabilities)  # every digit is there
    assert [row["prediction"] for row in rows] == expected.labels
    assert program("predict", "model", str(binary.table), "-o", "-").out == (program.folder / "out.csv").read_text()


def test_fit_takes_another_trial_quietly_and_never_replaces_unasked(program: Program, binary: World) -> None:
    arguments = ("fit", "binary", "--storage", binary.url, "--placement", "none", "--quiet", "--device", "cpu")
    assert program(*arguments).err == ""
    trial = read_model("binary-model").trial
    assert trial == next(arm.best.number for arm in binary.summary().arms if arm.placement == "none")
    refused = program(*arguments, status=2)
    assert (
        "binary-model exists already: choose another folder, or replace the model (--force, in Python force=True)"
        in refused.err
    )
    program("fit", "binary", "--storage", binary.url, "--trial", "1", "-o", "binary-model", "--force", "--quiet")
    assert read_model("binary-model").trial == 1
    assert "both are given" in program(*arguments, "--trial", "1", "-o", "x", status=2).err
    assert (
        "is never replaced" in program("fit", "binary", "--storage", binary.url, "-o", str(binary.folder), status=2).err
    )
    assert sorted(path.name for path in program.folder.iterdir()) == ["binary-model"]


def test_interrupted_nothing_is_there(program: Program, binary: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, on_epoch: Callable[[int], None], **__: object) -> None:
        on_epoch(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("sweep.model.refit.train_whole", interrupted)
    said = program("fit", "binary", "-o", "model", "--storage", binary.url, status=130)
    assert said.err.endswith("interrupted\n")
    assert list(program.folder.iterdir()) == []


def test_what_comes_beside_the_features_changes_nothing(at_home: Program, binary: World) -> None:
    """A single row, no target, other columns, another order."""
    rows = [row for row in make_rows("binary", seed=1)[:20] if all(row[:4])]
    write_rows(at_home.folder / "all.csv", [HEADER, *(row[:-1] for row in rows)])
    at_home("predict", "model", "all.csv", "-o", "all-out.csv")
    expected = cells(at_home.folder / "all-out.csv")
    assert len(expected) == len(rows)
    write_rows(at_home.folder / "one.csv", [HEADER, rows[3][:-1]])
    at_home("predict", "model", "one.csv", "-o", "one-out.csv")
    ((label, *shares),) = cells(at_home.folder / "one-out.csv")
    assert label == expected[3][0]
    np.testing.assert_allclose(np.array(shares, float), np.array(expected[3][1:], float), rtol=1e-12)
    shuffled = [4, 2, 0, 3, 1]
    write_rows(
        at_home.folder / "other.csv",
        [
            ["id", *(HEADER[at] for at in shuffled)],
            *([str(n), *(row[at] for at in shuffled)] for n, row in enumerate(rows)),
        ],
    )
    said = at_home("predict", "model", "other.csv", "-o", "other-out.csv")
    assert "1 column is not used, unknown before: 'id'" in said.err
    assert cells(at_home.folder / "other-out.csv") == expected
    assert "accuracy" not in said.err


def test_a_parquet_file_says_the_same(at_home: Program, binary: World) -> None:
    frame = pd.read_csv(binary.table, dtype={"smokes": "string", "color": "string"}, parse_dates=["seen"])
    frame.to_parquet(at_home.folder / "table.parquet")
    at_home("predict", "model", "table.parquet", "-o", "out.parquet", "--passes", "4")
    at_home("predict", "model", str(binary.table), "-o", "out.csv", "--passes", "4")
    found, expected = pd.read_parquet(at_home.folder / "out.parquet"), read_rows(at_home.folder / "out.csv")
    names = ["prediction", "probability sick", "probability well", "spread sick", "spread well"]
    assert list(found) == names == list(expected[0])
    for name in names[1:]:
        np.testing.assert_array_equal(found[name], [float(row[name]) for row in expected])
    assert found["prediction"].tolist() == [row["prediction"] for row in expected]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_passes_give_mean_and_spread(worlds: Callable[[Task], World], task: Task) -> None:
    world = worlds(task)
    made = world.refit(2, placement="all").model
    table = read_for(made.recipe, str(world.table), None)
    found, again, other = (made.predict(table, passes=9, seed=seed) for seed in (1, 1, 2))
    mean, spread = made.networks.spread(found.features, 9, np.random.default_rng(1))
    assert found.spread is not None
    assert other.spread is not None
    np.testing.assert_array_equal(found.spread, spread)
    said = found.values if found.probabilities is None else found.probabilities
    np.testing.assert_array_equal(said, mean)
    np.testing.assert_array_equal(found.values, again.values)
    assert not np.array_equal(found.spread, other.spread)
    assert (found.spread > 0).all()
    names = ["spread"] if task == "regression" else [f"spread {label}" for label in made.classes]
    assert [name for name in found.columns() if name.startswith("spread")] == names


def test_without_dropout_it_says_that_passes_tell_nothing(binary: World) -> None:
    made = binary.refit(placement="none").model
    found = made.predict(read_for(made.recipe, str(binary.table), None), passes=3)
    assert "the model has no dropout: the network says the same in every pass" in found.notes
    assert found.spread is not None
    assert found.spread.max() < 1e-12


# --- the score on a table that has the target -------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_table_with_the_target_is_scored(worlds: Callable[[Task], World], task: Task, tmp_path: Path) -> None:
    world, rows = worlds(task), make_rows(task, seed=2)
    made = world.refit().model
    for path, trained_on in ((world.table, True), (write_rows(tmp_path / "new.csv", [COLUMNS, *rows]), False)):
        table = read_for(made.recipe, str(path), None)
        found = made.predict(table)
        score = made.score(table, found)
        assert score is not None
        assert (score.rows, score.of, score.trained_on) == (54, 60, trained_on)
        known = [(at, row["y"]) for at, row in enumerate(read_rows(path)) if row["y"]]
        truth = [float(label) if task == "regression" else made.classes.index(label) for _, label in known]
        said = (found.values if found.probabilities is None else found.probabilities)[[at for at, _ in known]]
        assert score.value == metrics.compute(made.metric, np.array(truth), said)
        assert "on 54 of 60 rows, where the target is known; " in str(score)
        assert ("these very rows" in str(score)) == trained_on


def test_the_score_goes_to_standard_error(at_home: Program, binary: World) -> None:
    said = at_home("predict", "model", str(binary.table), "-o", "-")
    assert "table.csv: accuracy " in said.err
    assert "the model was trained on these very rows" in said.err
    assert said.out.startswith("prediction,")
    rows = [[*row[:-1], "dead" if at == 5 else row[-1]] for at, row in enumerate(make_rows("binary"))]
    write_rows(at_home.folder / "new.csv", [COLUMNS, *rows])
    said = at_home("predict", "model", "new.csv", "-o", "-")
    assert "no score: new.csv, column 'y', row 6 (line 7): 'dead' is none of the classes that are predicted" in said.err
    write_rows(at_home.folder / "none.csv", [COLUMNS, *([*row[:-1], ""] for row in rows)])
    said = at_home("predict", "model", "none.csv", "-o", "-")
    assert "score" not in said.err
    assert "accuracy" not in said.err


def test_targets_are_the_same_however_they_are_written(worlds: Callable[[Task], World]) -> None:
    """Classes that are numbers, in a data frame as numbers; gaps in it, too."""
    world = worlds("multiclass")
    made, frame = world.refit().model, pd.read_csv(world.table, dtype={"smokes": "string"})
    expected = made.score(
        read_for(made.recipe, str(world.table), None), made.predict(read_for(made.recipe, str(world.table), None))
    )
    table = from_frame(frame, "frame")
    assert frame["y"].dtype == np.float64
    assert made.score(table, made.predict(table)) == expected
    numbers = worlds("regression").refit().model
    table = from_frame(frame.assign(y="much"), "frame")
    with pytest.raises(DataError, match=r"column 'y', row 1: the target is text there"):
        numbers.score(table, numbers.predict(table))


def test_a_target_with_a_decimal_comma_is_scored_in_its_own_unit(
    worlds: Callable[[Task], World], tmp_path: Path
) -> None:
    """``112,500`` has three decimals, not a comma between thousands."""
    made, rows = worlds("regression").refit().model, make_rows("regression")
    lines = [[cell.replace(".", ",") for cell in (*row[:-1], row[-1] and f"{row[-1]}0")] for row in rows]
    (tmp_path / "german.csv").write_text("\n".join(";".join(line) for line in [COLUMNS, *lines]))
    german = predict(made, str(tmp_path / "german.csv"), passes=0, seed=0, unseen="error")
    plain = predict(made, str(worlds("regression").table), passes=0, seed=0, unseen="error")
    assert german.remarks[-1].partition(": ")[2] == plain.remarks[-1].partition(": ")[2] != ""


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_levels_that_were_never_seen_are_an_error_unless_ignored(at_home: Program) -> None:
    rows = [["50", "0.1", color, "2020-02-03", "no"] for color in ("pink", "red", "pink", "mauve")]
    write_rows(at_home.folder / "new.csv", [HEADER, *rows])
    refused = at_home("predict", "model", "new.csv", "-o", "out.csv", status=2)
    assert "new.csv: column 'color': 2 levels never seen before, in 3 cells: 'pink', 'mauve'" in refused.err
    assert "--unseen ignore" in refused.err
    assert not (at_home.folder / "out.csv").exists()
    said = at_home("predict", "model", "new.csv", "-o", "out.csv", "--unseen", "ignore")
    assert "all features of the column are 0 there" in said.err
    one, two, three, _ = cells(at_home.folder / "out.csv")
    assert one == three != two


def test_columns_that_are_missing_are_named(at_home: Program) -> None:
    write_rows(at_home.folder / "new.csv", [["Age", "dose", "color"], ["50", "0.1", "red"]])
    refused = at_home("predict", "model", "new.csv", "-o", "-", status=2)
    assert (
        "new.csv: 3 columns are missing: 'age' (did you mean 'Age'?), 'seen', 'smokes'; expected are 5" in refused.err
    )
    assert refused.out == ""


def test_nothing_is_written_over_unasked(at_home: Program, binary: World) -> None:
    (at_home.folder / "out.csv").write_text("mine")
    assert "--force" in at_home("predict", "model", str(binary.table), "-o", "out.csv", status=2).err
    assert (at_home.folder / "out.csv").read_text() == "mine"
    at_home("predict", "model", str(binary.table), "-o", "out.csv", "--force")
    assert (at_home.folder / "out.csv").read_text() != "mine"
    refused = at_home("predict", "model", str(binary.table), "-o", "model/card.md", "--force", status=2)
    assert "a file of the model, which is never replaced" in refused.err
    refused = at_home("predict", "model", str(binary.table), "-o", str(binary.table), "--force", status=2)
    assert "the table that is read, which is never replaced" in refused.err


def test_a_model_that_was_changed_is_not_used(at_home: Program, binary: World) -> None:
    card = at_home.folder / "model" / "card.md"
    card.write_text(card.read_text() + "\n")
    refused = at_home("predict", "model", str(binary.table), "-o", "-", status=2)
    assert "error: the model model cannot be used: card.md was changed since it was written" in refused.err
