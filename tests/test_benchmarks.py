from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks import plain_loop, sonar_published, trial_rate
from benchmarks.machine import Machine, machine
from sweep.records import BlockJob, Hyperparameters
from sweep.store.rows import TrialRecord
from sweep.training.train import train_block
from tests.tables_for_tests import make_dataset, make_plan, make_splits, make_trial

MACHINE = Machine("2026-01-02T03:04:05+00:00", "A Processor", 2, 0.1, "3.12.0", "2.13.0")


def test_plain_loop_trains_what_we_train() -> None:
    """Other random draws, but the same network on the same folds learns the same table as well."""
    data = make_dataset("binary", rows=240, features=4)
    folds = make_splits(data, folds=4)
    plan = make_plan("binary", epochs=20, checkpoints=(10, 20), batch_size=16)
    trial = make_trial((12, 6), dropout=(0.1, 0.2, 0.2), max_norm=2.0, weight_decay=0.001)
    (ours,) = train_block(data, folds, BlockJob((0,), (trial,), plan))
    plain = plain_loop.train_trial(data, folds, plan, trial)
    assert ours.score > 0.8
    assert abs(plain - ours.score) < 0.06


def test_plain_network_has_dropout_where_the_trial_has() -> None:
    net = plain_loop.network(5, make_plan("binary"), make_trial((7, 3), dropout=(0.2, 0.0, 0.5)))
    names = [type(module).__name__ for module in net]
    assert names == ["Dropout", "Linear", "ReLU", "Linear", "ReLU", "Dropout", "Linear"]


def record(number: int, placement: str) -> TrialRecord:
    trial = Hyperparameters((4,), placement, (0.0, 0.0), 0.1, 0.9, None, 1.0, 0.0)
    return TrialRecord(number, trial, 1, 1, 0.5, None, 1.0, datetime(2026, 1, 1, tzinfo=UTC))


def test_sample_takes_every_placement_in_turn() -> None:
    trials = [record(number, placement) for number, placement in enumerate(["none", "none", "all", "input", "all"])]
    assert [trial.number for trial in trial_rate.spread(trials, 4)] == [0, 2, 3, 1]
    assert len(trial_rate.spread(trials, 9)) == 5


def test_ratio_counts_every_process_of_the_plain_loop() -> None:
    # Ours: 64 trials in 32 s, 2 a second. The loop: 10 s a trial on each of two processes, 0.2 a second.
    turns = (
        trial_rate.Turn(32, 16.0, (10.0, 10.0), ((0.8, 0.9), (0.8, 0.9))),
        trial_rate.Turn(32, 16.0, (8.0, 12.0), ((0.8, 0.9), (0.8, 0.9))),
    )
    comparison = trial_rate.Comparison(MACHINE, "Sonar", 2, turns)
    assert comparison.ours == pytest.approx(2.0)
    assert comparison.plain == pytest.approx(0.2)
    assert comparison.ratio == pytest.approx(10.0)
    assert comparison.ratios == pytest.approx((10.0, 10.0))
    text = trial_rate.report(comparison)
    assert "**10.0** (10.0 to 10.0 by turn)" in text
    assert "2026-01-02, 2 cores of A Processor" in text


def test_figures_hold_inside_the_range_and_near_the_mean() -> None:
    published = sonar_published.Published("sonar_visible", 84.0, 7.0)

    def runs(*accuracies: float) -> sonar_published.Reproduction:
        return sonar_published.Reproduction(published, tuple(sonar_published.Run(a, 5.0) for a in accuracies))

    assert runs(83.0, 86.0, 87.0).holds
    assert not runs(84.5, 85.0, 86.0).holds  # outside the range
    assert not runs(83.0, 88.0, 90.0).holds  # 3 points from the mean
    assert "| `sonar_visible` | 84.00 % (7.00) | 85.33 % (5.00) | 83.00 to 87.00 |" in runs(83.0, 86.0, 87.0).row()


def test_folds_of_the_tutorial_are_stratified_folds_of_all_rows() -> None:
    data = make_dataset("binary", rows=208)
    folds = sonar_published.tutorial_folds(data)
    assert sorted(np.concatenate([part.numpy() for part in folds.test]).tolist()) == list(range(208))
    for train, test in zip(folds.train, folds.test, strict=True):
        assert not set(train.tolist()) & set(test.tolist())
        assert len(train) + len(test) == 208
        assert abs(float(data.target[test].mean()) - 0.5) < 0.06


def test_busy_machine_is_named() -> None:
    assert machine().cores >= 1
    assert "NOT QUIET" not in MACHINE.describe()
    busy = Machine(**{**{field: getattr(MACHINE, field) for field in MACHINE.__slots__}, "load": 3.0})
    assert "NOT QUIET, load 3.0" in busy.describe()


def test_readme_has_the_commands() -> None:
    text = (Path(trial_rate.__file__).parent / "README.md").read_text()
    assert "make bench" in text
    assert "python -m benchmarks.sonar_published" in text
