"""Estimates of time. That they come true is not tested: machines differ. What they rest on is."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from sweep.folds import Folds
from sweep.records import BlockJob, Task
from sweep.training import estimate
from sweep.training.estimate import block_seconds
from tests.tables_for_tests import make_dataset, make_plan, make_splits, random_trials


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_an_estimate_is_a_time_and_trains_little(task: Task) -> None:
    data = make_dataset(task, rows=400, missing=0.1)
    folds = make_splits(data, folds=4)
    plan = make_plan(task, epochs=1_000_000, checkpoints=(1_000_000,), batch_size=16)
    job = BlockJob((0, 1), random_trials(2, (5,)), plan)
    seconds = block_seconds(data, folds, job)
    assert math.isfinite(seconds)
    # A million epochs of 19 mini-batches take minutes at the very least; the test would not end if they were trained.
    assert seconds > 60


@pytest.mark.parametrize(("disturbed", "most"), [((), 1.1), ((1, 2), 1.1), ((1, 2, 4), 1.1), ((3,), 10)])
def test_what_else_runs_in_a_moment_does_not_make_it_nothing(
    disturbed: tuple[int, ...], most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the measurements some take half a second more; the longer one, or all of them, make it too long at worst."""
    data = make_dataset("binary", rows=400)
    folds = make_splits(data, folds=4)
    calls = count()

    def seconds(few: object, few_folds: Folds, job: BlockJob, epochs: int, device: str) -> float:
        quiet = 0.001 + 0.0001 * epochs * estimate._steps(few_folds, 16)
        return quiet + (0.5 if next(calls) in disturbed else 0)

    monkeypatch.setattr(estimate, "_seconds", seconds)
    plan = make_plan("binary", epochs=10_000, checkpoints=(10_000,), batch_size=16)
    truth = 0.0001 * 10_000 * estimate._steps(folds, 16)
    found = block_seconds(data, folds, BlockJob((0,), random_trials(1, (5,)), plan))
    assert 0.9 * truth <= found <= most * truth


def test_measurements_that_say_nothing_make_it_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset("binary", rows=400)
    folds = make_splits(data, folds=4)
    monkeypatch.setattr(estimate, "_seconds", lambda *_: 0.1)  # for one epoch and for five of 16 mini-batches
    plan = make_plan("binary", epochs=10_000, checkpoints=(10_000,), batch_size=16)
    found = block_seconds(data, folds, BlockJob((0,), random_trials(1, (5,)), plan))
    assert found >= 0.1 / (5 * 16) * 10_000 * estimate._steps(folds, 16)


def test_a_sample_has_rows_of_every_split_and_no_others() -> None:
    data = make_dataset("multiclass", rows=200)
    folds = make_splits(data, folds=5)
    few, places = estimate._sample(data, folds, 12)
    assert few.info.rows == len(few.features) == len(few.target) < 200
    for whole, part in ((folds.train, places.train), (folds.test, places.test)):
        for rows, sampled in zip(whole, part, strict=True):
            assert len(sampled) == 12
            values = few.features[sampled].numpy()
            own = data.features[rows].numpy()
            assert all((own == value).all(axis=1).any() for value in values)
    assert estimate._steps(places, 5) == 3


def test_a_small_table_is_its_own_sample() -> None:
    data = make_dataset("binary", rows=20)
    folds = make_splits(data, folds=2)
    few, places = estimate._sample(data, folds, 1000)
    assert np.array_equal(few.features.numpy(), data.features.numpy())
    assert all(a.equal(b) for a, b in zip(folds.train, places.train, strict=True))


def test_rows_beyond_those_stored_do_not_matter() -> None:
    data = make_dataset("binary", rows=60)
    folds = replace(make_splits(data, folds=3), kept_rows=np.arange(50, 60))
    assert block_seconds(data, folds, BlockJob((0,), random_trials(1, (4,)), make_plan("binary"))) > 0
