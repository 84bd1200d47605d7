"""One configuration on all rows, and the arrays that come of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.networks import Networks, probabilities
from sweep.records import BlockJob, Configuration, Task
from sweep.training import whole
from sweep.training.train import train_block, train_segment
from tests.tables_for_tests import make_dataset, make_plan, make_trial
from tests.twin import twin_outputs

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


def on_all_rows(data: Dataset, members: int) -> Folds:
    rows = torch.arange(data.info.rows)
    return Folds((rows,) * members, (rows,) * members, 1, members, "kfold")


def features(data: Dataset) -> NDArray[np.float32]:
    found: NDArray[np.float32] = data.features[:, : len(data.info.features)].numpy()
    return found


def train_whole(data: Dataset, members: int = 1, epoch: int = 4, plan: Any = None, **changes: Any) -> Networks:
    plan = plan or make_plan(data.info.task)
    return whole.train_whole(data, Configuration(make_trial(**changes), epoch), plan, members=members)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("task", TASKS)
def test_an_ensemble_equals_plain_networks(task: Task, activation: str) -> None:
    data, plan = make_dataset(task, missing=0.1), make_plan(task, activation=activation)
    networks = train_whole(data, members=3, plan=plan)
    found = networks.outputs(features(data))
    assert found.shape == (3, data.info.rows, data.info.outputs)
    for member in range(3):
        expected = twin_outputs(data, on_all_rows(data, 3), plan, make_trial(), member).double().numpy()
        if task == "regression":
            truth = data.original_target()
            expected = expected * truth.std() + truth.mean()
        np.testing.assert_allclose(found[member], expected, rtol=2e-3, atol=2e-4 * networks.target_std)


@pytest.mark.parametrize("task", TASKS)
def test_it_stops_at_the_chosen_epoch_of_the_same_decay(task: Task) -> None:
    data = make_dataset(task)
    plan = make_plan(task, epochs=6, checkpoints=(1, 3, 6))
    result = train_block(data, on_all_rows(data, 1), BlockJob((0,), (make_trial(),), plan))[0]
    for at, epoch in enumerate(plan.checkpoints):
        found = train_whole(data, epoch=epoch, plan=plan).outputs(features(data))[0]
        if task == "regression":
            found = (found - data.info.target_mean) / data.info.target_scale
        np.testing.assert_allclose(found, result.predictions[at, 0], rtol=1e-4, atol=1e-5)


def test_a_member_does_not_depend_on_how_many_there_are_and_members_differ() -> None:
    data = make_dataset("binary")
    three, one = train_whole(data, members=3), train_whole(data)
    for many, alone in zip(three.weights, one.weights, strict=True):
        np.testing.assert_array_equal(many[:1], alone)
        assert not np.array_equal(many[1], many[0])
    np.testing.assert_array_equal(three.part(0).outputs(features(data)), one.outputs(features(data)))


@pytest.mark.parametrize("epoch", [1, 4, 13])
def test_it_tells_how_far_it_is_and_the_numbers_stay_the_same(epoch: int) -> None:
    """Bit for bit: momentum, draws and the decay go on where they were."""
    data, plan = make_dataset("regression", missing=0.1), make_plan("regression", epochs=15, checkpoints=(15,))
    configuration, told = Configuration(make_trial(), epoch), list[int]()
    found = whole.train_whole(data, configuration, plan, members=2, on_epoch=told.append)
    assert told[-1] == epoch
    assert told == sorted(set(told))
    assert len(told) == min(epoch, 10)
    expected = whole.train_whole(data, configuration, plan, members=2)
    for one, other in zip((*found.weights, *found.biases), (*expected.weights, *expected.biases), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_only_an_earlier_stop_saw_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one go nobody looks there."""
    data, plan = make_dataset("binary"), make_plan("binary")

    def suspicious(*arguments: Any, **options: Any) -> Any:
        results, state = train_segment(*arguments, **options)
        assert state is not None
        state.scored.diverged[:] = True
        return results, state

    monkeypatch.setattr("sweep.training.whole.train_segment", suspicious)
    configuration = Configuration(make_trial(), 4)
    found = whole.train_whole(data, configuration, plan, on_epoch=lambda _: None)
    monkeypatch.undo()
    np.testing.assert_array_equal(found.weights[0], whole.train_whole(data, configuration, plan).weights[0])


@pytest.mark.parametrize("task", TASKS)
def test_a_diverged_network_predicts_a_constant(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    data = make_dataset(task)
    with caplog.at_level(logging.WARNING):
        networks = train_whole(data, members=2, learning_rate=1e30, max_norm=None, lr_decay=1.0, dropout=(0.0,) * 3)
    assert "2 of 2 networks diverged" in caplog.text
    assert networks.diverged == 2
    assert train_whole(data, members=2).diverged == 0
    outputs, truth = networks.outputs(features(data)), data.original_target()
    if task == "regression":
        np.testing.assert_allclose(outputs, truth.mean(), rtol=1e-6)
    else:
        shares = np.bincount(truth) / len(truth)
        np.testing.assert_allclose(
            probabilities(task, outputs), np.broadcast_to(shares, (2, 60, len(shares))), rtol=1e-5
        )


def test_rows_in_any_number_of_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset("multiclass", rows=50)
    networks, x = train_whole(data, members=2), features(data)
    at_once = networks.outputs(x)
    monkeypatch.setattr("sweep.networks._ROWS", 7)
    np.testing.assert_allclose(networks.outputs(x), at_once, rtol=1e-5, atol=1e-6)
    assert networks.outputs(x[:0]).shape == (2, 0, 3)


def test_a_missing_value_is_the_mean_and_a_constant_feature_says_nothing() -> None:
    data = make_dataset("binary")
    data.features[:, 2] = 5.0
    networks, x = train_whole(data), features(data)
    gap, mean = x.copy(), x.copy()
    gap[:, 1], mean[:, 1] = np.nan, networks.mean[1]
    np.testing.assert_array_equal(networks.outputs(gap), networks.outputs(mean))
    other = x.copy()
    other[:, 2] = 1e9
    np.testing.assert_array_equal(networks.outputs(other), networks.outputs(x))


# --- dropout at test time ---------------------------------------------------------------------------------------------


def linear(rate: float) -> Networks:
    """A network whose output is the sum of its hidden units, and those are the features, as long as nothing drops."""
    eye, zeros = np.eye(4, dtype=np.float32)[None], np.zeros((1, 4), np.float32)
    return Networks(
        "regression",
        "relu",
        (0.0, rate),
        (eye, np.ones((1, 4, 1), np.float32)),
        (zeros, np.zeros((1, 1), np.float32)),
        np.zeros(4, np.float32),
        np.ones(4, np.float32),
        target_mean=10.0,
        target_std=2.0,
    )


def test_passes_have_the_mean_and_the_spread_of_dropout() -> None:
    x = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)
    rate, rng = 0.25, np.random.default_rng(0)
    passes = np.concatenate(list(linear(rate).sampled(x, 20_000, rng)))[:, 0]
    # A unit is x / (1 - p) with probability 1 - p: variance x² p / (1 - p), here of outputs doubled and moved by 10.
    std = 2 * np.sqrt((x**2).sum() * rate / (1 - rate))
    assert passes.mean() == pytest.approx(2 * x.sum() + 10, abs=4 * std / np.sqrt(20_000))
    assert passes.std() == pytest.approx(std, rel=0.02)


def test_passes_without_dropout_are_the_outputs_and_networks_take_turns() -> None:
    data = make_dataset("binary")
    networks = train_whole(data, members=2, dropout=(0.0, 0.0, 0.0))
    x, rng = features(data), np.random.default_rng(0)
    passes = list(networks.sampled(x, 3, rng))
    for number, found in enumerate(passes):
        np.testing.assert_allclose(found, networks.outputs(x)[number % 2], rtol=1e-6)


def test_every_row_and_pass_has_its_own_mask() -> None:
    x = np.ones((50, 4), np.float32)
    one, two = linear(0.5).sampled(x, 2, np.random.default_rng(1))
    assert len(np.unique(one)) > 2
    assert not np.array_equal(one, two)
    again = next(iter(linear(0.5).sampled(x, 2, np.random.default_rng(1))))
    np.testing.assert_array_equal(again, one)


def test_probabilities_sum_to_one_however_large_the_logits() -> None:
    binary = probabilities("binary", np.array([[-1e5], [0.0], [3.0], [1e5]]))
    np.testing.assert_allclose(binary[:, 1], [0.0, 0.5, 1 / (1 + np.exp(-3)), 1.0])
    many = probabilities("multiclass", np.array([[1e5, 0.0, -1e5], [1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(many.sum(-1), 1.0)
    np.testing.assert_allclose(many[1], np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum())


def test_rows_that_count_more_are_fitted_better() -> None:
    data = make_dataset("regression", rows=200, seed=5)
    half = np.arange(200) < 100
    data = replace(data, target=torch.where(torch.from_numpy(half), data.target, data.target.flip(0)))
    plan = make_plan("regression", epochs=30)

    def error(weight: NDArray[np.float64]) -> float:
        networks = train_whole(data.weighted(weight), epoch=30, plan=plan, dropout=(0.0,) * 3)
        residuals = networks.outputs(features(data))[0, :, 0] - data.original_target()
        return float((residuals[half] ** 2).mean())

    assert error(np.where(half, 1.0, 0.01)) < 0.5 * error(np.ones(200))


def test_weights_are_told_by_the_hash_and_only_their_proportions_count() -> None:
    data = make_dataset("binary")
    weight = np.linspace(1, 2, 60)
    once, twice = data.weighted(weight), data.weighted(weight * 2)
    assert once.info.content_hash not in (data.info.content_hash, data.weighted(weight[::-1]).info.content_hash)
    assert once.weight is not None
    assert twice.weight is not None
    torch.testing.assert_close(once.weight, twice.weight)
    assert once.weight.mean() == pytest.approx(1.0)
