"""The compiled passes against the same in PyTorch, over whole trainings; segments against uninterrupted ones."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sweep.records import BlockJob, Task, TrialResult
from sweep.training.buffers import Buffers
from sweep.training.compiled import CompiledPasses
from sweep.training.draws import Draws
from sweep.training.passes import Passes, TorchPasses
from sweep.training.state import initial
from sweep.training.train import train_block, train_segment
from tests.tables_for_tests import make_dataset, make_plan, make_splits, make_trial, random_trials

CASES: list[dict[str, Any]] = [
    {"task": "binary"},
    {"task": "binary", "nesterov": True, "class_weight": "balanced", "activation": "tanh"},
    {"task": "multiclass", "activation": "sigmoid", "class_weight": "balanced"},
    {"task": "multiclass", "init": "torch"},
    {"task": "regression", "nesterov": True},
    {"task": "regression", "activation": "tanh", "batch_size": 5},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_compiled_passes_do_what_pytorch_does(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    task: Task = case["task"]
    data = make_dataset(task, rows=70, features=17, classes=3)
    folds = make_splits(data, folds=5)
    plan = make_plan(**{"stop": "last", "epochs": 3, "checkpoints": (3,), **case})
    trials = tuple(
        replace(trial, learning_rate=min(trial.learning_rate, 0.05), momentum=min(trial.momentum, 0.9))
        for trial in random_trials(6, (20, 9))
    )
    job = BlockJob(tuple(range(6)), trials, plan)
    compiled = train_block(data, folds, job)
    monkeypatch.setattr("sweep.training.train.CompiledPasses", TorchPasses)
    for one, other in zip(compiled, train_block(data, folds, job), strict=True):
        np.testing.assert_allclose(one.predictions, other.predictions, rtol=2e-3, atol=2e-4)


def test_weights_too_large_to_be_squared_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their norm is infinite; a neighbour without a bound must not become NaN by it, nor any of them infinite."""
    data = make_dataset("regression", rows=60)
    folds = make_splits(data)
    plan = make_plan("regression", epochs=2, checkpoints=(2,))
    wild = make_trial(learning_rate=1e12, momentum=0.0, max_norm=None, dropout=(0.0, 0.0, 0.0))
    tame = make_trial(max_norm=2.0)
    job = BlockJob((0, 1), (wild, tame), plan)
    for _ in range(2):
        alone = train_block(data, folds, BlockJob((1,), (tame,), plan))[0]
        together = train_block(data, folds, job)
        assert together[1].diverged is None
        np.testing.assert_array_equal(together[1].predictions, alone.predictions)
        monkeypatch.setattr("sweep.training.train.CompiledPasses", TorchPasses)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("kind", [CompiledPasses, TorchPasses])
def test_what_is_not_a_number_stays_so(kind: type[Passes], activation: str) -> None:
    """Or a network that diverges would be seen to on one device only."""
    data = make_dataset("binary", rows=32, features=16)
    plan = make_plan("binary", activation=activation)
    job = BlockJob((0,), (make_trial((16,), dropout=(0.0, 0.0)),), plan)
    net, velocities = initial(data, job, Draws(7), (0,))
    buffers = Buffers.around(net, velocities, 1, 8, job.trials)
    passes = kind(buffers, "binary", nesterov=False)
    buffers.hidden[0].fill_(math.nan)
    (bits,) = passes.arrays(torch.zeros(1, 8 * 32, dtype=torch.int16))
    passes.activate(0, bits)
    assert buffers.inputs[1].isnan().all()


# --- rungs ------------------------------------------------------------------------------------------------------------


def same(one: TrialResult, other: TrialResult) -> None:
    assert (one.number, one.epoch, one.trained, one.score, one.diverged) == (
        other.number,
        other.epoch,
        other.trained,
        other.score,
        other.diverged,
    )
    np.testing.assert_array_equal(one.metrics, other.metrics)
    np.testing.assert_array_equal(one.predictions, other.predictions)


@pytest.mark.parametrize("stop", ["best", "last"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_who_goes_on_from_a_rung_gets_the_numbers_it_would_have_had_alone(task: Task, stop: str) -> None:
    data = make_dataset(task, rows=70, classes=3)
    folds = make_splits(data, folds=4)
    plan = make_plan(task, epochs=6, checkpoints=(2, 4, 6), stop=stop)
    trials = random_trials(7, (6, 5))
    whole = train_block(data, folds, BlockJob(tuple(range(7)), trials, plan))

    first, state = train_segment(data, folds, BlockJob(tuple(range(7)), trials, plan, until=2))
    survivors = (5, 1, 3)  # in any order
    job = BlockJob(survivors, tuple(trials[number] for number in survivors), plan, until=4)
    second, between = train_segment(data, folds, job, state=pickle.loads(pickle.dumps(state)))  # noqa: S301 - our own, as Dask may move it
    # The same state serves twice, and is not changed by that.
    again, _ = train_segment(data, folds, job, state=state)
    last, end = train_segment(data, folds, BlockJob((3,), (trials[3],), plan), state=between)

    assert end is None
    assert state is not None
    assert between is not None
    same(last[0], whole[3])
    assert last[0].seconds > between.seconds > state.seconds > 0  # of the whole training, not of the last segment
    for one, other in zip(second, again, strict=True):
        same(one, other)
    for result in (*first, *second):
        assert result.trained in (2, 4)
        reached = result.trained // 2
        np.testing.assert_array_equal(result.metrics, whole[result.number].metrics[:, :reached])
        if stop == "best":
            np.testing.assert_array_equal(result.predictions, whole[result.number].predictions[:reached])
            assert result.epoch <= result.trained
        else:
            assert result.epoch == result.trained
            assert result.predictions.shape == whole[0].predictions.shape


def test_a_network_that_diverged_before_a_rung_is_known_to_have() -> None:
    data = make_dataset("regression", rows=60)
    folds = make_splits(data)
    plan = make_plan("regression", epochs=4, checkpoints=(2, 4))
    job = BlockJob((0,), (make_trial(learning_rate=1e6, max_norm=None),), plan)
    (whole,) = train_block(data, folds, job)
    assert whole.diverged == 2
    _, state = train_segment(data, folds, replace(job, until=2))
    same(train_segment(data, folds, job, state=state)[0][0], whole)
