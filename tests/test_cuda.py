"""Training on a CUDA device: the same draws and the same loop, other rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sweep.records import BlockJob, Task
from sweep.training.train import train_block, train_segment
from tests.tables_for_tests import make_dataset, make_plan, make_splits, random_trials

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_results_are_those_of_the_cpu(task: Task, activation: str) -> None:
    data = make_dataset(task, rows=70, features=17, missing=0.1)
    folds = make_splits(data, folds=5)
    plan = make_plan(task, epochs=3, checkpoints=(3,), stop="last", activation=activation)
    trials = tuple(
        replace(trial, learning_rate=min(trial.learning_rate, 0.02), momentum=min(trial.momentum, 0.9))
        for trial in random_trials(6, (20, 9))
    )
    job = BlockJob(tuple(range(6)), trials, plan)
    for one, other in zip(train_block(data, folds, job, "cuda:0"), train_block(data, folds, job), strict=True):
        np.testing.assert_allclose(one.predictions, other.predictions, rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(one.metrics[..., -1], other.metrics[..., -1], rtol=2e-3, atol=2e-4)


def test_who_goes_on_from_a_rung_gets_the_numbers_of_an_uninterrupted_run() -> None:
    data = make_dataset("binary", rows=70)
    folds = make_splits(data, folds=4)
    plan = make_plan("binary", epochs=6, checkpoints=(2, 4, 6))
    trials = random_trials(5, (6, 5))
    job = BlockJob(tuple(range(5)), trials, plan)
    whole = train_block(data, folds, job, "cuda:0")
    _, state = train_segment(data, folds, replace(job, until=2), "cuda:0")
    (last,), _ = train_segment(data, folds, BlockJob((3,), (trials[3],), plan), "cuda:0", state)
    # Another number of members may be multiplied by another kernel.
    np.testing.assert_allclose(last.predictions, whole[3].predictions, rtol=2e-3, atol=2e-4)
