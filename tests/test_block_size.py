"""How many trials train together: for speed and memory, and for nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sweep.records import BlockJob
from sweep.training import block_size
from sweep.training.block_size import block_trials, tile_splits
from sweep.training.train import train_block
from tests.tables_for_tests import make_dataset, make_plan, make_splits, random_trials

ROOT = Path(__file__).parents[1]

# 0.8 MB of table; all outputs of the block are 20 MB, and to score them all at once took 229 MB.
PEAK = """
import resource, torch
from sweep.records import BlockJob
from sweep.training.train import train_block
from tests.tables_for_tests import make_dataset, make_plan, make_splits, random_trials

def train(rows):
    data = make_dataset("multiclass", rows=rows, features=4, classes=26)
    plan = make_plan("multiclass", epochs=1, batch_size=1024, checkpoints=(1,))
    folds = make_splits(data, folds=2, scheme="kfold")
    train_block(data, folds, BlockJob(tuple(range(8)), random_trials(8, (8,)), plan))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

torch.set_num_threads(1)
few = train(300)
print((train(12_000) - few) // 1024)
"""


def test_a_block_grows_with_the_cache_and_holds_at_least_one_trial() -> None:
    data = make_dataset("binary", rows=60)
    folds = make_splits(data)
    plan = make_plan("binary")
    assert block_trials(data, folds, (8,), plan) > block_trials(data, folds, (64, 64), plan) >= 1
    assert block_trials(data, folds, (4096, 4096), plan) == 1


def test_a_block_shrinks_where_predictions_are_many() -> None:
    data = make_dataset("multiclass", rows=60, classes=10)
    folds = make_splits(data)
    plan = make_plan("multiclass", checkpoints=(2, 4), stop="best")
    many = replace(data, info=replace(data.info, rows=1_000_000))
    assert block_trials(many, folds, (8,), plan) == 1
    kept = replace(folds, kept_rows=np.arange(20_000))
    assert block_trials(many, kept, (8,), plan) == 128 * 2**20 // (len(plan.checkpoints) * 4 * 20_000 * 10)


@pytest.mark.parametrize("trials", [1, 2, 3, 8, 22, 100])
@pytest.mark.parametrize("cache", [1 << 16, 1 << 18, 1 << 21])
def test_a_tile_stays_in_the_cache(trials: int, cache: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_size, "_l2_bytes", lambda: cache)
    data = make_dataset("binary", rows=60)
    folds = make_splits(data, folds=10)
    job = BlockJob(tuple(range(trials)), random_trials(trials, (60, 30)), make_plan("binary"))
    splits = tile_splits(data, folds, job)
    each = trials * block_size._member_bytes(data, folds, (60, 30), job.plan.batch_size)
    assert splits == 1 or splits * each <= 1.125 * cache
    # One more would not fit, or would leave as many tiles.
    tiles = -(-10 // splits)
    assert -(-10 // (tiles - 1)) * each > 1.125 * cache if tiles > 1 else splits == 10


def test_tiles_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset("binary", rows=60)
    folds = make_splits(data, folds=5)
    job = BlockJob((0, 1, 2), random_trials(3, (7, 5)), make_plan("binary"))
    found = []
    for cache, splits in ((1, 1), (1 << 30, 5)):
        monkeypatch.setattr(block_size, "_l2_bytes", lambda cache=cache: cache)
        assert tile_splits(data, folds, job) == splits
        found.append(train_block(data, folds, job))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.metrics, other.metrics)
        np.testing.assert_array_equal(one.predictions, other.predictions)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_block_for_a_cuda_device_elsewhere() -> None:
    """This machine is not asked for the memory of a device that it does not have."""
    data = make_dataset("binary", rows=60)
    folds = make_splits(data)
    plan = make_plan("binary")
    assert block_trials(data, folds, (60, 30), plan, "cuda:3") > block_trials(data, folds, (60, 30), plan)


def test_memory_does_not_grow_with_all_outputs_of_a_block() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 140  # MB
