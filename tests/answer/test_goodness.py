"""Row scores of every metric, against scikit-learn and against deletion of one row after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from sweep.analysis import weighted
from sweep.analysis.weighted import Truth
from sweep.answer.goodness import Goodness, constant_score, fold_scores, goodness, rope_of, unit_factor
from sweep.metrics import METRICS, metrics_for
from sweep.records import Task

N, REPEATS, FOLDS = 47, 2, 4  # folds of 11 and 12 rows
PAIRS: list[tuple[Task, str]] = [
    (task, metric) for task in ("binary", "multiclass", "regression") for metric in metrics_for(task)
]
PSEUDO = ("roc_auc", "f1")
Case = tuple[NDArray[np.float32], Truth, NDArray[np.int64]]


def case(task: Task, seed: int = 0, configurations: int = 2) -> Case:
    """Classes of unequal size, ranks that tie, stratified folds of unequal size."""
    rng = np.random.default_rng(seed)
    shape = (configurations, REPEATS, N)
    if task == "regression":
        target = 5 + 3 * rng.normal(size=N)
        truth = Truth(task, target, 0, float(target.mean()), float(target.std()))
        return rng.normal(size=(*shape, 1)).astype(np.float32), truth, folds_of(np.zeros(N), rng)
    pattern, outputs = ([0, 0, 1], 1) if task == "binary" else ([0, 1, 0, 2, 0], 3)
    codes = rng.permutation(np.resize(pattern, N))
    truth = Truth(task, codes, max(2, outputs), 0.0, 1.0)
    return np.round(rng.normal(size=(*shape, outputs)), 1).astype(np.float32), truth, folds_of(codes, rng)


def folds_of(target: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """``[R, n]``: rows of each class dealt out in random order."""
    place = np.argsort([np.lexsort((rng.random(N), target)) for _ in range(REPEATS)], axis=1)
    return np.asarray(place % FOLDS, dtype=np.int64)


def probabilities(output: NDArray[Any], truth: Truth) -> NDArray[np.float64]:
    return np.asarray(weighted.probabilities(output[None, None], truth)[0, 0])


def sk_roc_auc(y: NDArray[Any], output: NDArray[Any], truth: Truth) -> float:
    if truth.task == "binary":
        return float(sk.roc_auc_score(y, output[:, 0]))
    shares = probabilities(output, truth)
    return float(np.mean([sk.roc_auc_score(y == code, shares[:, code]) for code in range(truth.classes)]))


def said(output: NDArray[Any], truth: Truth) -> NDArray[np.int64]:
    return np.asarray(output[:, 0] > 0 if truth.task == "binary" else output.argmax(axis=1), dtype=np.int64)


def sk_f1(y: NDArray[Any], output: NDArray[Any], truth: Truth) -> float:
    return float(sk.f1_score(y, said(output, truth), average="macro", zero_division=0.0))


OF_ROWS: dict[str, Callable[[NDArray[Any], NDArray[Any], Truth], float]] = {"roc_auc": sk_roc_auc, "f1": sk_f1}


def brute_force(metric: str, output: NDArray[Any], truth: Truth, folds: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """Score of a repeat, and pseudo-values ``[n]``: scikit-learn on the rows that are left in the row's fold."""

    def score(rows: NDArray[Any]) -> float:
        return OF_ROWS[metric](truth.target[rows], output[rows], truth)

    parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    whole = [score(rows) for rows in parts]
    n, values = len(folds), np.empty(len(folds))
    for number, rows in enumerate(parts):
        for row in rows:
            without = [*whole[:number], score(np.setdiff1d(rows, row)), *whole[number + 1 :]]
            values[row] = n * np.mean(whole) - (n - 1) * np.mean(without)
    return float(np.mean(whole)), values - values.mean() + np.mean(whole)


@pytest.mark.parametrize("metric", PSEUDO)
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_pseudo_values_are_those_of_deletion(task: Task, metric: str) -> None:
    outputs, truth, fold_of = case(task, configurations=1)
    found = goodness(metric, outputs, truth, fold_of)
    assert found.exact
    for values, output in zip(found.values, outputs, strict=True):
        for got, one, folds in zip(values, output, fold_of, strict=True):
            score, expected = brute_force(metric, one, truth, folds)
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
            assert got.mean() == pytest.approx(score, abs=1e-12)
    assert np.ptp(found.values) > 0.5


def test_f1_of_classes_that_occur_once_or_are_only_predicted() -> None:
    """Without the row the class leaves the mean."""
    truth = Truth("multiclass", np.array([0, 0, 0, 1, 0, 0, 2, 2]), 4, 0.0, 1.0)
    predicted = np.array([0, 0, 3, 1, 0, 1, 2, 0])
    outputs = np.eye(4, dtype=np.float32)[predicted][None, None]
    fold_of = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])
    found = goodness("f1", outputs, truth, fold_of)
    score, expected = brute_force("f1", outputs[0, 0], truth, fold_of[0])
    np.testing.assert_allclose(found.values[0, 0], expected, atol=1e-12)
    assert found.values.mean() == pytest.approx(score)


@pytest.mark.parametrize("metric", PSEUDO)
def test_the_variance_of_pseudo_values_is_that_of_the_score(metric: str) -> None:
    """Over tables: what the comparison rests on. The Monte-Carlo error is 3.5 %, and deletion adds 2.5 %: folds of 80
    rows of two classes say 40/39 of the spread that many rows have.
    """
    rng = np.random.default_rng(3)
    target, folds = np.arange(240) % 2, (np.arange(240) // 80)[None]
    scores, variances = [], []
    for _ in range(400):
        outputs = (1.2 * target + rng.normal(size=240) - 0.6).astype(np.float32)[None, None, :, None]
        found = goodness(metric, outputs, Truth("binary", target, 2, 0, 1), folds).values[0, 0]
        scores.append(found.mean())
        variances.append(found.var(ddof=1) / 240)
    assert math.sqrt(np.mean(variances)) / np.std(scores) == pytest.approx(1.025, abs=0.1)


POOLED: dict[str, Callable[[NDArray[Any], NDArray[Any], Truth], float]] = {
    "accuracy": lambda y, out, truth: sk.accuracy_score(y, said(out, truth)),
    "balanced_accuracy": lambda y, out, truth: sk.balanced_accuracy_score(y, said(out, truth)),
    "log_loss": lambda y, out, truth: -sk.log_loss(y, probabilities(out, truth)),
    "brier": lambda y, out, truth: (
        -sk.brier_score_loss(y, probabilities(out, truth)[:, 1])
        if truth.task == "binary"
        else -np.square(probabilities(out, truth) - np.eye(truth.classes)[y]).sum(axis=1).mean()
    ),
    "rmse": lambda y, out, truth: -sk.mean_squared_error(y, out[:, 0] * truth.scale + truth.mean),
    "mae": lambda y, out, truth: -sk.mean_absolute_error(y, out[:, 0] * truth.scale + truth.mean),
    "r2": lambda y, out, truth: sk.r2_score(y, out[:, 0] * truth.scale + truth.mean) - 1.0,
}


@pytest.mark.parametrize(("task", "metric"), [pair for pair in PAIRS if pair[1] not in PSEUDO])
def test_means_over_rows_are_scikit_learns(task: Task, metric: str) -> None:
    outputs, truth, fold_of = case(task)
    found = goodness(metric, outputs, truth, fold_of)
    expected = [[POOLED[metric](truth.target, one, truth) for one in output] for output in outputs]
    np.testing.assert_allclose(found.values.mean(axis=2), expected, rtol=1e-6)
    assert found.exact
    assert found.values.shape == outputs.shape[:3]


@pytest.mark.parametrize(("task", "metric"), PAIRS)
def test_rows_of_a_configuration_do_not_depend_on_the_others_or_on_other_repeats(task: Task, metric: str) -> None:
    outputs, truth, fold_of = case(task)
    together = goodness(metric, outputs, truth, fold_of).values
    alone = goodness(metric, outputs[1:, 1:], truth, fold_of[1:]).values
    np.testing.assert_array_equal(together[1, 1], alone[0, 0])


@pytest.mark.parametrize(("task", "metric"), PAIRS)
def test_untested_rows_are_left_out(task: Task, metric: str) -> None:
    """Of a history the first rows train only: the tested ones score as if they were the table."""
    outputs, truth, fold_of = case(task)
    untested = np.argsort(truth.target, kind="stable")[:7]
    tested = np.setdiff1d(np.arange(N), untested)
    fold_of[:, untested] = -1
    outputs[:, :, untested] = np.nan
    found = goodness(metric, outputs, truth, fold_of)
    table = goodness(metric, outputs[:, :, tested], replace(truth, target=truth.target[tested]), fold_of[:, tested])
    assert found.exact
    assert np.isnan(found.values[..., untested]).all()
    assert np.isnan(found.constant[untested]).all()
    np.testing.assert_allclose(found.values[..., tested], table.values, rtol=1e-12)
    assert found.unit == pytest.approx(table.unit)


def test_a_row_tested_in_some_repeats_only() -> None:
    outputs, truth, fold_of = case("binary")
    fold_of[0, :5] = -1
    for metric in metrics_for("binary"):
        found = goodness(metric, outputs, truth, fold_of)
        assert np.isnan(found.values[:, 0, :5]).all()
        assert np.isfinite(found.values[:, 1]).all()
        assert np.isfinite(found.constant).all()


@pytest.mark.parametrize(("task", "metric"), PAIRS)
def test_constant_rows_are_those_of_the_constant_prediction(task: Task, metric: str) -> None:
    outputs, truth, fold_of = case(task)
    prediction = np.broadcast_to(weighted.constant_output(truth)[None], outputs.shape)
    as_configuration = goodness(metric, prediction, truth, fold_of)
    np.testing.assert_allclose(as_configuration.constant, as_configuration.values[0].mean(axis=0), atol=1e-12)
    mean = as_configuration.constant.mean()
    score = constant_score(metric, truth)
    shown = {"rmse": -(score**2), "r2": score - 1.0}.get(metric, score if METRICS[metric].maximize else -score)
    # F1 of a fold that holds 7 of 11 rows of the commonest class is not that of 25 of 47.
    assert mean == pytest.approx(shown, rel=0.02 if metric == "f1" else 1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_constant_prediction(task: Task) -> None:
    outputs, truth, fold_of = case(task)
    largest = np.bincount(truth.target).max() / N
    assert constant_score("accuracy", truth) == pytest.approx(largest)
    assert constant_score("balanced_accuracy", truth) == pytest.approx(1 / truth.classes)
    assert constant_score("roc_auc", truth) == 0.5
    np.testing.assert_allclose(goodness("roc_auc", outputs, truth, fold_of).constant, 0.5, atol=1e-12)
    shares = np.bincount(truth.target) / N
    assert constant_score("log_loss", truth) == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-6)


def test_the_constant_prediction_of_numbers() -> None:
    _, truth, _ = case("regression")
    assert constant_score("rmse", truth) == pytest.approx(truth.target.std())
    assert constant_score("r2", truth) == pytest.approx(0.0, abs=1e-6)
    assert constant_score("r2", replace(truth, target=np.full(5, 2.0))) == 0.0
    assert constant_score("roc_auc", Truth("binary", np.zeros(5, np.int64), 2, 0.0, 1.0)) == 0.5


def test_without_row_scores_it_says_so() -> None:
    outputs, truth, fold_of = case("binary")
    rare = replace(truth, target=np.where(np.arange(N) < 5, 1, 0))  # four folds, so some have one
    alone = np.tile(np.arange(N), (REPEATS, 1))
    for found in (
        goodness("roc_auc", outputs, rare, fold_of),
        goodness("roc_auc", outputs, truth, alone),
        goodness("f1", outputs, truth, alone),
    ):
        assert not found.exact
        assert np.isnan(found.values).all()
        assert np.isnan(found.constant).all()
        assert found.unit > 0
    # Accuracy has rows whatever the folds.
    assert goodness("accuracy", outputs, rare, alone).exact
    assert goodness("f1", outputs, rare, fold_of).exact
    outputs, truth, fold_of = case("regression")
    assert not goodness("r2", outputs, replace(truth, target=np.full(N, 4.0)), fold_of).exact


def test_a_fold_of_a_class_less_has_no_rows_for_auc() -> None:
    outputs, truth, fold_of = case("multiclass")
    assert goodness("roc_auc", outputs, truth, fold_of).exact
    fold_of[1, truth.target == 2] = 0
    assert not goodness("roc_auc", outputs, truth, fold_of).exact


@pytest.mark.parametrize("metric", metrics_for("binary"))
def test_folds_may_have_any_numbers(metric: str) -> None:
    outputs, truth, fold_of = case("binary")
    found = goodness(metric, outputs, truth, 2 * fold_of + 1)
    assert found.exact
    np.testing.assert_array_equal(found.values, goodness(metric, outputs, truth, fold_of).values)


def test_classes_without_rows_do_not_count() -> None:
    outputs, truth, fold_of = case("multiclass")
    wider = np.concatenate([outputs, np.full((*outputs.shape[:3], 1), -9, np.float32)], axis=-1)
    for metric in ("balanced_accuracy", "f1"):
        found = goodness(metric, wider, replace(truth, classes=4), fold_of)
        assert found.unit == goodness(metric, outputs, truth, fold_of).unit
        np.testing.assert_allclose(found.values, goodness(metric, outputs, truth, fold_of).values, atol=1e-12)


def test_an_output_that_is_missing_is_named() -> None:
    outputs, truth, fold_of = case("binary")
    outputs[1, 0, 3] = np.nan
    with pytest.raises(ValueError, match=r"configuration 1, repeat 0"):
        goodness("roc_auc", outputs, truth, fold_of)


def step(metric: str, task: Task, target: NDArray[np.int64]) -> float:
    """What n times the mean can lose by one row's output, all others being right, surely or barely."""
    classes = int(target.max()) + 1
    truth = Truth(task, target, classes, 0.0, 1.0)
    one_hot, outputs = np.eye(classes), []
    for sure in (0.1, 30.0):
        for row, code in enumerate(target):
            for wrong in (1.0 - one_hot[code], *np.delete(one_hot, code, axis=0)):
                bad = one_hot[target] * sure
                outputs += [bad.copy(), bad]
                bad[row] = 60.0 * wrong
    links = np.stack(outputs)[:, None]
    links = links[..., 1:] - links[..., :1] if task == "binary" else links
    found = goodness(metric, links.astype(np.float32), truth, np.zeros((1, len(target)), np.int64))
    means = found.values.mean(axis=(1, 2))
    return float(len(target) * (means[::2] - means[1::2]).max())


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc", "brier"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_unit_is_the_largest_step_of_a_row(task: Task, metric: str) -> None:
    target = np.repeat(np.arange(2 if task == "binary" else 3), [12, 4] if task == "binary" else [12, 4, 8])
    found = unit_of(metric, task, target)
    assert found == pytest.approx(step(metric, task, target), rel=1e-6)


def unit_of(metric: str, task: Task, target: NDArray[np.int64]) -> float:
    classes = int(target.max()) + 1
    outputs = np.zeros((1, 1, len(target), 1 if task == "binary" else classes), np.float32)
    truth = Truth(task, target, classes, 0.0, 1.0)
    return goodness(metric, outputs, truth, np.zeros((1, len(target)), np.int64)).unit


def test_units_without_a_largest_step() -> None:
    target = np.repeat([0, 1], [12, 4])
    assert unit_of("log_loss", "binary", target) == pytest.approx(math.log(4))
    assert unit_of("f1", "binary", target) == pytest.approx(2.0)
    assert step("f1", "binary", target) <= 2.0
    outputs, truth, fold_of = case("regression")
    assert goodness("rmse", outputs, truth, fold_of).unit == truth.scale
    assert goodness("mae", outputs, truth, fold_of).unit == truth.scale
    assert goodness("r2", outputs, truth, fold_of).unit == 1.0


def test_a_difference_of_mse_becomes_one_of_rmse() -> None:
    outputs, truth, fold_of = case("regression")
    x, y = goodness("rmse", outputs, truth, fold_of).values.mean(axis=(1, 2))
    assert (x - y) * unit_factor("rmse", x, y) == pytest.approx(math.sqrt(-y) - math.sqrt(-x), rel=1e-12)
    assert unit_factor("rmse", 0.0, 0.0) == 1.0
    assert unit_factor("rmse", 0.0, -4.0) == 0.5
    assert unit_factor("r2", -0.2, -0.3) == unit_factor("accuracy", 0.9, 0.8) == 1.0


def test_the_score_shown_is_the_mean_over_repeats() -> None:
    names = ("accuracy", "roc_auc")
    scores = np.array([[[0.5, np.nan], [0.7, 0.8]], [[0.9, np.nan], [0.9, np.nan]], [[1.0, 0.6], [1.0, 1.0]]])
    assert fold_scores("accuracy", scores, names) == pytest.approx((0.6 + 0.9 + 1.0) / 3)
    assert fold_scores("roc_auc", scores, names) == pytest.approx((0.8 + 0.5 + 0.8) / 3)


def test_the_region_of_practical_equivalence() -> None:
    assert {rope_of(metric, 0.5) for metric in ("accuracy", "balanced_accuracy", "roc_auc", "f1", "r2")} == {0.01}
    assert {rope_of(metric, 50.0) for metric in ("log_loss", "brier", "rmse", "mae")} == {0.5}


@pytest.mark.parametrize(("task", "metric"), [("multiclass", "log_loss"), ("binary", "roc_auc"), ("multiclass", "f1")])
def test_large_tables_are_quick(task: Task, metric: str) -> None:
    """A tenth of 7 configurations, 20 repeats and 20,000 rows, in a tenth of some seconds."""
    rng = np.random.default_rng(0)
    classes, outputs = (2, 1) if task == "binary" else (10, 10)
    n = 20_000
    truth = Truth(task, rng.integers(0, classes, n), classes, 0.0, 1.0)
    fold_of = rng.integers(0, 5, (2, n))
    start = time.process_time()
    found: Goodness = goodness(metric, rng.normal(size=(7, 2, n, outputs)).astype(np.float32), truth, fold_of)
    assert time.process_time() - start < 2.0
    assert found.exact
