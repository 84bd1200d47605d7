"""The training loop: one stacked member equals one plain network, and no trial feels its neighbours."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.metrics import compute, metrics_for
from sweep.records import TRAIN, VALIDATION, BlockJob, Hyperparameters, Task, TrainingPlan, TrialResult
from sweep.training.buffers import Buffers
from sweep.training.compiled import CompiledPasses
from sweep.training.draws import Draws, keep_probability
from sweep.training.minibatches import MiniBatches
from sweep.training.passes import Passes, TorchPasses
from sweep.training.state import initial
from sweep.training.targets import Targets
from sweep.training.train import train_block
from tests.tables_for_tests import make_dataset, make_plan, make_splits, make_trial, random_trials
from tests.twin import twin_outputs

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


def train(
    data: Dataset, folds: Folds, plan: TrainingPlan, *trials: Hyperparameters, numbers: tuple[int, ...] | None = None
) -> tuple[TrialResult, ...]:
    return train_block(data, folds, BlockJob(numbers or tuple(range(len(trials))), trials, plan))


def assert_equals_twin(
    data: Dataset, folds: Folds, plan: TrainingPlan, result: TrialResult, trial: Hyperparameters
) -> None:
    """Out-of-fold predictions of the last epoch equal those of the plain networks, to float tolerance."""
    for split, test in enumerate(folds.test):
        expected = twin_outputs(data, folds, plan, trial, split)[test]
        if data.info.task == "regression":
            part = data.target[folds.train[split]].double()
            expected = (expected.double() * part.std(correction=0) + part.mean()).float()
        found = torch.from_numpy(result.predictions[-1, split // folds.folds])[test]
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-4)


def assert_same(a: TrialResult, b: TrialResult) -> None:
    """Bit for bit."""
    assert (a.epoch, a.score, a.diverged) == (b.epoch, b.score, b.diverged)
    np.testing.assert_array_equal(a.metrics, b.metrics)
    np.testing.assert_array_equal(a.predictions, b.predictions)


# --- invariant 10: the plain twin -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_member_equals_the_plain_network(task: Task, activation: str) -> None:
    data = make_dataset(task, rows=61, features=5, missing=0.1)
    folds = make_splits(data)
    plan = make_plan(task, activation=activation, stop="last")
    trials = (make_trial(), *random_trials(2, (7, 5), seed=3))
    for trial, result in zip(trials, train(data, folds, plan, *trials), strict=True):
        assert_equals_twin(data, folds, plan, result, trial)


@pytest.mark.parametrize(
    "changes",
    [
        {"nesterov": True},
        {"class_weight": "balanced"},
        {"init": "he_uniform"},
        {"init": "normal"},
        {"init": "torch"},
        {"epochs": 1, "checkpoints": (1,)},
        {"batch_size": 1000},
        {"batch_size": 1},
        {"batch_size": 16},
    ],
    ids=str,
)
def test_every_setting_of_the_plan_equals_the_plain_network(changes: dict[str, Any]) -> None:
    data = make_dataset("multiclass", rows=50, classes=10)
    folds = make_splits(data)
    plan = make_plan("multiclass", stop="last", **changes)
    trial = make_trial((9,))
    assert_equals_twin(data, folds, plan, train(data, folds, plan, trial)[0], trial)


@pytest.mark.parametrize("task", TASKS)
def test_rows_that_count_more_equal_the_plain_network(task: Task) -> None:
    data = make_dataset(task).weighted(np.random.default_rng(3).uniform(0.1, 3.0, 60))
    folds, trial = make_splits(data), make_trial()
    plan = make_plan(task, class_weight="balanced" if task != "regression" else "none")
    assert_equals_twin(data, folds, plan, train(data, folds, plan, trial)[0], trial)


def test_splits_of_different_length_take_their_own_number_of_steps() -> None:
    """Time series: the first split trains on a fifth of the rows of the last."""
    data = make_dataset("regression", rows=60)
    folds = make_splits(data, folds=5, scheme="timeseries")
    assert len({-(-len(rows) // 13) for rows in folds.train}) > 2
    plan = make_plan("regression", stop="last")
    trials = (make_trial(), make_trial(max_norm=None, momentum=0.5))
    for trial, result in zip(trials, train(data, folds, plan, *trials), strict=True):
        assert_equals_twin(data, folds, plan, result, trial)
        assert np.isnan(result.predictions[0, 0, folds.train[0].numpy()]).all(), "rows never tested have no prediction"


@settings(max_examples=12, deadline=None)
@given(
    task=st.sampled_from(TASKS),
    rows=st.integers(30, 80),
    features=st.integers(1, 19),
    hidden=st.lists(st.integers(1, 21), min_size=1, max_size=3),
    batch=st.integers(4, 40),  # single rows: at these rates some runs diverge
    seed=st.integers(0, 5),
)
def test_any_shape_equals_the_plain_network(
    task: Task, rows: int, features: int, hidden: list[int], batch: int, seed: int
) -> None:
    data = make_dataset(task, rows=rows, features=features, seed=seed)
    folds = make_splits(data, folds=2)
    plan = make_plan(task, batch_size=batch, stop="last", epochs=3, checkpoints=(3,))
    trial = random_trials(1, tuple(hidden), seed)[0]
    # Gentle steps: near divergence a run multiplies whatever rounding it began with.
    trial = dataclasses.replace(trial, learning_rate=min(trial.learning_rate, 0.02), momentum=min(trial.momentum, 0.9))
    assert_equals_twin(data, folds, plan, train(data, folds, plan, trial)[0], trial)


# --- invariant 1: a trial does not feel its neighbours ----------------------------------------------------------------

SHAPES: list[dict[str, Any]] = [
    {"task": "binary", "features": 13, "hidden": (13, 10), "batch_size": 13},
    {"task": "multiclass", "features": 61, "hidden": (61,), "classes": 3, "batch_size": 13},
    {"task": "multiclass", "features": 7, "hidden": (30, 16, 8), "classes": 10, "batch_size": 16},
    {"task": "regression", "features": 1, "hidden": (5,), "batch_size": 7},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s['task']}-{s['features']}-{s['hidden']}")
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_results_do_not_depend_on_the_block(shape: dict[str, Any], activation: str) -> None:
    """Blocks of 1, 2, 3, 5, 8 and 16 trials, and a permuted one: every trial's numbers are the same bits."""
    data = make_dataset(shape["task"], rows=70, features=shape["features"], classes=shape.get("classes", 2))
    folds = make_splits(data, folds=3)
    plan = make_plan(shape["task"], batch_size=shape["batch_size"], activation=activation)
    trials = random_trials(16, shape["hidden"])
    full = train(data, folds, plan, *trials)
    shuffled = np.random.default_rng(0).permutation(16)
    permuted = train(data, folds, plan, *[trials[i] for i in shuffled], numbers=tuple(int(i) for i in shuffled))
    for result in permuted:
        assert_same(result, full[result.number])
    for size in (1, 2, 3, 5, 8):
        for first in (0, 16 - size):
            part = train(data, folds, plan, *trials[first : first + size])
            for offset, result in enumerate(part):
                assert_same(result, full[first + offset])


def test_splits_of_different_length_do_not_depend_on_the_block() -> None:
    """Also where only one split is left and the block has one trial: a batch of one matrix."""
    data = make_dataset("regression", rows=60)
    folds = make_splits(data, folds=5, scheme="timeseries")
    plan = make_plan("regression", batch_size=5)
    trials = random_trials(5, (6,))
    full = train(data, folds, plan, *trials)
    for trial, expected in zip(trials, full, strict=True):
        assert_same(train(data, folds, plan, trial)[0], expected)


@pytest.mark.parametrize("task", TASKS)
def test_a_part_of_the_repeats_trains_as_among_the_others(task: Task) -> None:
    """Rows 61 in 4 folds: no two folds are alike, and mini-batches of 50 are larger than some."""
    data = make_dataset(task, rows=61, features=5)
    folds, plan = make_splits(data, folds=4, repeats=3), make_plan(task, batch_size=50, stop="last")
    trials = (make_trial(), *random_trials(2, (7, 5), seed=3))
    job = BlockJob((0, 1, 2), trials, plan)
    whole = train_block(data, folds, job)
    for start, stop in ((0, 1), (1, 3), (2, 3)):
        parts = train_block(data, folds, dataclasses.replace(job, repeats=(start, stop)))
        for one, part in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(part.metrics, one.metrics[4 * start : 4 * stop])
            np.testing.assert_array_equal(part.predictions, one.predictions[:, start:stop])


def test_a_part_of_a_part_keeps_its_place() -> None:
    data = make_dataset("binary", rows=40, features=3)
    folds = make_splits(data, folds=4, repeats=5)
    part = folds.part(1, 4).part(1, 2)
    assert (part.first, part.repeats, part.splits) == (2, 1, 4)
    assert all(torch.equal(a, b) for a, b in zip(part.test, folds.test[8:12], strict=True))
    np.testing.assert_array_equal(part.fold_of(40)[0], folds.fold_of(40)[2])


def test_a_diverged_neighbour_changes_nothing() -> None:
    data = make_dataset("regression", rows=60)
    folds = make_splits(data)
    plan = make_plan("regression", epochs=8, checkpoints=(4, 8))
    good, bad = make_trial(), make_trial(learning_rate=1e6, max_norm=None, momentum=0.99)
    alone = train(data, folds, plan, good)[0]
    beside = train(data, folds, plan, bad, good, bad)
    assert beside[0].diverged is not None
    assert_same(beside[1], alone)


@pytest.mark.parametrize("task", TASKS)
def test_a_diverging_trial_does_not_feel_its_neighbours_either(task: Task) -> None:
    """Weights whose squared norm overflows, without a bound, beside trials that have one."""
    data = make_dataset(task, rows=60)
    folds = make_splits(data)
    plan = make_plan(task, epochs=8, checkpoints=tuple(range(1, 9)), stop="last")
    mate = make_trial(max_norm=3.0)
    for rate in (0.2, 0.5, 3.0, 1e3, 1e5):
        wild = make_trial(
            learning_rate=rate, momentum=0.95, max_norm=None, lr_decay=1.0, weight_decay=0.0, dropout=(0.0, 0.0, 0.0)
        )
        assert_same(train(data, folds, plan, mate, wild)[1], train(data, folds, plan, wild)[0])


class Watched(Dataset):
    """Notes how many threads there are when training takes the table."""

    threads = 0

    def to(self, device: torch.device | str) -> Dataset:
        type(self).threads = torch.get_num_threads()
        return super().to(device)


def test_training_has_one_thread_and_the_caller_keeps_its_own() -> None:
    """On more of them sums would have another order."""
    made = make_dataset("binary", rows=30)
    data = Watched(made.features, made.target, None, made.info, has_missing=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(data, make_splits(data), make_plan("binary"), make_trial())
        assert (Watched.threads, torch.get_num_threads()) == (1, 3)
    finally:
        torch.set_num_threads(before)


# --- invariant 2: common random numbers -------------------------------------------------------------------------------


def test_trials_that_differ_in_nothing_are_equal_and_seeds_differ() -> None:
    data = make_dataset("binary")
    folds = make_splits(data)
    plan = make_plan("binary")
    a, b = train(data, folds, plan, make_trial(), make_trial())
    assert_same(a, b)
    other = train(data, folds, make_plan("binary", seed=12), make_trial())[0]
    assert not np.array_equal(other.predictions, a.predictions)


def test_a_vanishing_rate_is_no_dropout() -> None:
    """A rate below the draws' resolution gives the very network without dropout: all else is shared."""
    data = make_dataset("binary")
    folds = make_splits(data)
    plan = make_plan("binary")
    none = train(data, folds, plan, make_trial(dropout=(0.0, 0.0, 0.0)))[0]
    tiny = train(data, folds, plan, make_trial(dropout=(1e-6, 1e-6, 1e-6)))[0]
    assert_same(none, tiny)


# --- invariant 3: no leakage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_a_split_never_sees_its_validation_rows(task: Task) -> None:
    """Spoiling the features and targets of one split's test rows leaves that split's networks as they are."""
    data = make_dataset(task, rows=60)
    folds = make_splits(data, scheme="kfold")
    plan = make_plan(task, class_weight="none" if task == "regression" else "balanced")
    spoiled_rows = folds.test[0]
    features, target = data.features.clone(), data.target.clone()
    features[spoiled_rows, :3] = 1e4
    target[spoiled_rows] = 0
    spoiled = dataclasses.replace(data, features=features, target=target)
    clean, after = (train(table, folds, plan, make_trial())[0] for table in (data, spoiled))
    np.testing.assert_array_equal(clean.metrics[0, :, TRAIN], after.metrics[0, :, TRAIN])
    assert not np.array_equal(clean.metrics[1, :, TRAIN], after.metrics[1, :, TRAIN]), "the spoiled rows do matter"


def test_a_level_that_training_never_saw_is_silent() -> None:
    """A column that is constant in the training rows is 0 for validation rows too, whatever stands there."""
    data = make_dataset("binary", rows=40)
    folds = make_splits(data)
    features = data.features.clone()
    features[:, 2] = 0.0
    features[folds.test[0], 2] = 1.0
    silent = features.clone()
    silent[:, 2] = 0.0
    a, b = (
        train(dataclasses.replace(data, features=table), folds, make_plan("binary"), make_trial())[0]
        for table in (features, silent)
    )
    np.testing.assert_array_equal(a.metrics[0], b.metrics[0])


# --- dropout and max-norm ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CompiledPasses, TorchPasses])
def test_inverted_scaling_equals_weight_scaling_in_expectation(kind: type[Passes]) -> None:
    """Srivastava et al. 2014, section 4: train with units dropped, test with weights times the keep probability.

    Ours divides kept units by the keep probability instead. For a linear first layer the two agree: over many
    mini-batches, what the block feeds its layers averages to the input itself, and so the layer's output to that of
    the network at test time; multiplied by the keep probability it is theirs.
    """
    rate, epochs = 0.37, 100
    data = make_dataset("binary", rows=32, features=16)
    plan = make_plan("binary", epochs=epochs, checkpoints=(epochs,))
    job = BlockJob((0,), (make_trial((16,), dropout=(rate, rate)),), plan)
    draws, folds = Draws(7), make_splits(data, folds=2)
    batches = MiniBatches(folds, (1,), 16, draws, torch.device("cpu"))
    net, velocities = initial(data, job, draws, (1,))
    buffers = Buffers.around(net, velocities, 1, batches.padded_size, job.trials)
    passes = kind(buffers, "binary", nesterov=False)
    kept = torch.zeros(epochs, 2, *buffers.inputs[0].shape[1:])
    for epoch in range(epochs):
        ones, bits = passes.arrays(torch.ones(1, 16, 16), batches.dropout(epoch, range(1), 32)[0])
        passes.enter(ones, bits)
        buffers.hidden[0].fill_(1.0)
        passes.activate(0, bits)
        for layer, fed in enumerate(buffers.inputs):
            assert torch.unique(fed).tolist() == [0.0, pytest.approx(1 / keep_probability(rate))]
            kept[epoch, layer] = fed[0]
    error = math.sqrt(rate / (1 - rate) / epochs)  # of a mean of kept / keep probability
    assert (kept.mean(0) - 1).abs().max() < 5 * error
    assert abs(kept.mean() - 1) < 5 * error / math.sqrt(kept[0].numel())
    # Their training units are 0 or 1; their test-time factor is the keep probability.
    torch.testing.assert_close((kept * keep_probability(rate)).mean(), torch.tensor(1 - rate), atol=0.004, rtol=0)


def test_max_norm_binds() -> None:
    """A small bound changes the result, a huge one is none at all."""
    data = make_dataset("binary")
    folds = make_splits(data)
    plan = make_plan("binary")
    small, huge, none = train(
        data, folds, plan, make_trial(max_norm=0.3), make_trial(max_norm=1e9), make_trial(max_norm=None)
    )
    assert_same(huge, none)
    assert not np.array_equal(small.predictions, none.predictions)


# --- the chosen epoch, metrics, divergence ----------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("stop", ["best", "last"])
def test_the_score_is_the_metric_of_the_stored_predictions_at_the_chosen_epoch(task: Task, stop: str) -> None:
    data = make_dataset(task, rows=66)
    folds = make_splits(data, folds=3, repeats=2)
    plan = make_plan(task, epochs=6, checkpoints=(1, 2, 4, 6), stop=stop)
    result = train(data, folds, plan, make_trial(learning_rate=0.4))[0]
    names = metrics_for(task)
    values = []
    for split, test in enumerate(folds.test):
        chosen = plan.checkpoints.index(result.epoch) if stop == "best" else 0
        raw = result.predictions[chosen, split // 3, test.numpy()].astype(np.float64)
        if task == "regression":
            output = raw[:, 0] * data.info.target_scale + data.info.target_mean
        elif task == "binary":
            output = 1 / (1 + np.exp(-raw[:, 0]))
        else:
            output = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
        truth = data.original_target()[test.numpy()]
        at = plan.checkpoints.index(result.epoch)
        for q, name in enumerate(names):
            assert result.metrics[split, at, VALIDATION, q] == pytest.approx(compute(name, truth, output), rel=1e-5)
        values.append(compute(plan.metric, truth, output))
    assert result.score == pytest.approx(np.mean(values), rel=1e-6)
    per_checkpoint = result.metrics[:, :, VALIDATION, names.index(plan.metric)].mean(0)
    best = per_checkpoint.argmin() if task == "regression" else per_checkpoint.argmax()
    assert result.epoch == (plan.checkpoints[best] if stop == "best" else 6)


@pytest.mark.parametrize("task", TASKS)
def test_a_diverged_trial_scores_as_the_constant_predictor(task: Task) -> None:
    data = make_dataset(task, rows=60)
    folds = make_splits(data, scheme="kfold")
    plan = make_plan(task, epochs=8, checkpoints=(4, 8), stop="last")
    bad = make_trial(learning_rate=1e12, max_norm=None, momentum=0.99, dropout=(0.0, 0.0, 0.0), lr_decay=1.0)
    result = train(data, folds, plan, bad)[0]
    assert result.diverged in (4, 8)
    assert math.isfinite(result.score)
    assert np.isfinite(result.metrics).all()
    truth = data.original_target()
    expected = []
    for rows, test in zip(folds.train, folds.test, strict=True):
        if task == "regression":
            expected.append(math.sqrt(((truth[test.numpy()] - truth[rows.numpy()].mean()) ** 2).mean()))
        else:
            expected.append((truth[test.numpy()] == np.bincount(truth[rows.numpy()]).argmax()).mean())
    assert result.score == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_predictions_are_those_of_every_checkpoint_that_could_be_chosen(task: Task) -> None:
    """Each the predictions of a training that ends there, and scored as the metrics say."""
    data = make_dataset(task, rows=60)
    folds = make_splits(data, scheme="kfold")
    trial = make_trial(lr_decay=1.0)
    plan = make_plan(task, epochs=6, checkpoints=(1, 4, 6))
    result = train(data, folds, plan, trial)[0]
    assert result.predictions.shape == (3, 1, 60, data.info.outputs)
    for at, epoch in enumerate(plan.checkpoints):
        ended = make_plan(task, epochs=epoch, checkpoints=(epoch,), stop="last")
        np.testing.assert_array_equal(train(data, folds, ended, trial)[0].predictions[0], result.predictions[at])
    last = train(data, folds, dataclasses.replace(plan, stop="last"), trial)[0]
    np.testing.assert_array_equal(last.predictions, result.predictions[-1:])


def test_a_diverged_member_is_the_constant_predictor_from_its_checkpoint_on() -> None:
    data = make_dataset("binary", rows=60)
    folds = make_splits(data)
    plan = make_plan("binary", epochs=8, checkpoints=tuple(range(1, 9)))
    bad = make_trial(learning_rate=1e4, max_norm=None, momentum=0.99, dropout=(0.0, 0.0, 0.0), lr_decay=1.0)
    result = train(data, folds, plan, bad)[0]
    assert result.diverged is not None
    constant = Targets.of(data, folds.train, balanced=False).constant_outputs()
    members = result.predictions[:, 0]  # [C, n, O]
    stood = [
        [bool(np.all(at[test.numpy()] == constant[split].numpy())) for at in members]
        for split, test in enumerate(folds.test)
    ]
    assert any(split[plan.checkpoints.index(result.diverged)] for split in stood)
    assert all(split == sorted(split) for split in stood), "once constant, always constant"


def test_a_constant_predictor_of_one_class_is_finite() -> None:
    """Time series on sorted rows: the first splits train on one class alone."""
    data = make_dataset("binary", rows=60)
    order = data.target.argsort(stable=True)
    data = dataclasses.replace(data, features=data.features[order], target=data.target[order])
    folds = make_splits(data, folds=5, scheme="timeseries")
    assert len(set(data.target[folds.train[0]].tolist())) == 1
    constant = Targets.of(data, folds.train, balanced=False).constant_outputs()
    assert constant.isfinite().all()


def test_kept_rows_are_the_rows_that_are_stored() -> None:
    data = make_dataset("binary", rows=60)
    folds = make_splits(data)
    kept = np.array([3, 10, 59])
    full = train(data, folds, make_plan("binary"), make_trial())[0]
    some = train(data, dataclasses.replace(folds, kept_rows=kept), make_plan("binary"), make_trial())[0]
    np.testing.assert_array_equal(some.predictions, full.predictions[:, :, kept])
    assert some.score == full.score


def test_the_draws_of_a_long_epoch_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset("binary", rows=60)
    folds = make_splits(data)
    whole = train(data, folds, make_plan("binary"), make_trial())[0]
    monkeypatch.setattr("sweep.training.train._GATHERED_BYTES", 1)
    assert_same(train(data, folds, make_plan("binary"), make_trial())[0], whole)


@pytest.mark.parametrize("task", TASKS)
def test_trials_and_classes_are_scored_in_parts(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset(task, rows=70, classes=10)
    folds = make_splits(data, folds=3)
    trials = (*random_trials(4, (7, 5)), make_trial(learning_rate=1e6, max_norm=None, momentum=0.99))
    whole = train(data, folds, make_plan(task), *trials)
    monkeypatch.setattr("sweep.training.scores._RANKING_BYTES", 1)
    for size in (1, 1 << 17):  # one trial at a time; two or three
        monkeypatch.setattr("sweep.training.train._EVALUATION_BYTES", size)
        for part, expected in zip(train(data, folds, make_plan(task), *trials), whole, strict=True):
            assert_same(part, expected)
