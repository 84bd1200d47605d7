"""Out-of-fold predictions, from the database alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sweep import metrics
from sweep.launch.inline import InlineLauncher
from sweep.model.out_of_fold import OutOfFold, out_of_fold
from sweep.model.predictions import to_csv
from sweep.records import TRAIN, VALIDATION, Task
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.spec.definition import parse
from sweep.store.store import Store
from tests.command_line import Program
from tests.model.worlds import World, read_rows

assert TRAIN != VALIDATION


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_fold_has_the_score_that_is_stored(worlds: Callable[[Task], World], task: Task) -> None:
    """At the chosen epoch, of complete and pruned trials: the folds and the epoch are the right ones."""
    world = worlds(task)
    summary = world.summary()
    assert len({trial.trained for trial in summary.trials}) > 1 or task != "multiclass"
    for trial in summary.trials:
        with world.store() as store:
            found = out_of_fold(store, summary, trial)
        frame = pd.DataFrame(found.columns())
        assert len(frame) == 2 * 54
        scores = []
        for (_, _), rows in frame.groupby(["repeat", "fold"]):
            if task == "regression":
                scores.append(
                    metrics.compute(summary.metric.name, rows["target"].to_numpy(), rows["prediction"].to_numpy())
                )
                continue
            codes = np.array([summary.info.classes.index(label) for label in rows["target"]])
            shares = rows[[f"probability {label}" for label in summary.info.classes]].to_numpy()
            np.testing.assert_allclose(shares.sum(1), 1.0)
            assert rows["prediction"].tolist() == [summary.info.classes[code] for code in shares.argmax(1)]
            scores.append(metrics.compute(summary.metric.name, codes, shares))
        np.testing.assert_allclose(scores, trial.folds, rtol=2e-3)


def test_rows_are_counted_among_those_with_a_target(binary: World) -> None:
    summary = binary.summary()
    with binary.store() as store:
        found = out_of_fold(store, summary, summary.trials[0]).columns()
    labels = [row["y"] for row in read_rows(binary.table) if row["y"]]
    assert found["target"] == labels * 2
    assert found["row"].tolist() == [*range(1, 55)] * 2
    folds = prepare(summary.spec).folds
    for repeat in range(2):
        for fold in range(3):
            tested = (folds.test[repeat * 3 + fold] + 1).tolist()
            pairs = zip(found["row"], found["repeat"], found["fold"], strict=True)
            assert [row for row, *where in pairs if where == [repeat + 1, fold + 1]] == tested


def test_the_command_writes_csv_and_parquet(program: Program, binary: World) -> None:
    arguments = ("export", "binary", "--format", "predictions", "--storage", binary.url)
    best = binary.summary().best
    assert best is not None
    printed = program(*arguments).out
    assert printed == program(*arguments, "--trial", str(best.number)).out
    assert "wrote oof.parquet" in program(*arguments, "--trial", "1", "-o", "oof.parquet").err
    program(*arguments, "--trial", "1", "-o", "oof.csv")
    found = pd.read_parquet(program.folder / "oof.parquet")
    pd.testing.assert_frame_equal(found, pd.read_csv(program.folder / "oof.csv"), check_dtype=False)
    assert list(found) == ["row", "repeat", "fold", "target", "prediction", "probability sick", "probability well"]
    assert "trial must be a finished one" in program(*arguments, "--trial", "99", status=2).err
    refused = program("export", "binary", "--trial", "1", "--storage", binary.url, status=2)
    assert "a trial is for the format predictions, however: toml" in refused.err


def test_rows_that_no_fold_tests_are_empty(binary: World, tmp_path: Path) -> None:
    """Of a time series the first rows; and where only some rows are kept, those alone are there."""
    text = binary.refit().config.split("[chosen]")[0].replace('scheme = "auto"', 'scheme = "timeseries"')
    spec = parse(text.replace("repeats = 2", "repeats = 1"))
    url = f"sqlite:///{tmp_path / 'sweep.db'}"
    run_sweep(spec, storage=url, launcher=InlineLauncher())
    with Store.open(url) as store:
        from sweep.analysis.summary import summarise

        summary = summarise(store, spec.name)
        found = out_of_fold(store, summary, summary.trials[0])
    columns = found.columns()
    untested = found.folds[0] < 0
    assert 0 < untested.sum() < 54
    for row in np.flatnonzero(untested):
        assert columns["fold"][row] is columns["prediction"][row] is None
        assert math.isnan(columns["probability sick"][row])
    first = to_csv(columns).splitlines()[1].split(",")
    assert first[:3] == ["1", "1", ""]
    assert first[4:] == ["", "", ""]


def test_of_kept_rows_the_numbers_are_those_of_the_table(binary: World) -> None:
    summary = binary.summary()
    with binary.store() as store:
        whole = out_of_fold(store, summary, summary.trials[0])
    kept = np.array([3, 10, 53])
    part = OutOfFold(whole.info, kept, whole.folds[:, kept], whole.target[kept], whole.outputs[:, kept])
    columns = part.columns()
    assert columns["row"].tolist() == [4, 11, 54] * 2
    assert columns["repeat"].tolist() == [1, 1, 1, 2, 2, 2]
    everything = replace(whole).columns()
    assert columns["prediction"] == [everything["prediction"][at] for at in (3, 10, 53, 57, 64, 107)]
