"""Metrics on weighted rows: equal to ``metrics.compute`` on the rows written out, influence equal to the jackknife."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep import metrics
from sweep.analysis import weighted
from sweep.analysis.weighted import Truth
from sweep.records import Task

N = 30
PAIRS: list[tuple[Task, str]] = [
    (task, metric) for task in ("binary", "multiclass", "regression") for metric in metrics.metrics_for(task)
]


def case(task: Task, seed: int, trials: int = 2) -> tuple[NDArray[np.float32], Truth]:
    rng = np.random.default_rng(seed)
    if task == "regression":
        return rng.normal(size=(trials, 1, N, 1)).astype(np.float32), Truth(task, rng.normal(size=N) * 3, 0, 1.0, 3.0)
    outputs, classes = (1, 2) if task == "binary" else (4, 4)
    target = rng.permutation(np.arange(N) % classes)
    # Rounded, so that ranks tie.
    logits = np.round(rng.normal(size=(trials, 1, N, outputs)), 1).astype(np.float32)
    return logits, Truth(task, target, classes, 0.0, 1.0)


def written_out(metric: str, out: NDArray[Any], truth: Truth, rows: NDArray[Any]) -> float:
    if truth.task == "regression":
        said = out[0, rows].astype(np.float64) * truth.scale + truth.mean
    else:
        said = weighted.probabilities(out[None], truth)[0, 0, rows]
    return metrics.compute(metric, truth.target[rows], said)


@pytest.mark.parametrize(("task", "metric"), PAIRS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_counts_stand_for_rows(task: Task, metric: str, seed: int) -> None:
    outputs, truth = case(task, seed)
    rows = np.random.default_rng(seed).integers(0, N, size=(3, N))
    weights = np.stack([np.bincount(some, minlength=N) for some in rows], axis=1).astype(np.float64)
    found = weighted.scores(metric, outputs, truth, weights)
    expected = [[written_out(metric, out, truth, some) for some in rows] for out in outputs]
    # Outputs have single precision; an R² near 0 is a difference of numbers near 1.
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=3e-7 if metric == "r2" else 1e-9)


@pytest.mark.parametrize("metric", ["roc_auc", "f1"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("rare", [False, True])
def test_counts_are_exact_in_half_the_precision(metric: str, task: Task, rare: bool) -> None:
    """Also where the members of a class are few, and it is they that are summed up."""
    outputs, truth = case(task, 5)
    if rare:
        truth = dataclasses.replace(truth, target=np.where(np.arange(N) < 18, 0, truth.target))
    rng = np.random.default_rng(5)
    counts = rng.multinomial(N, np.full(N, 1 / N), size=50).T
    half, full = (weighted.scores(metric, outputs, truth, counts.astype(kind)) for kind in (np.float32, np.float64))
    np.testing.assert_allclose(half, full, rtol=3e-7)
    assert np.isfinite(full).any()


@pytest.mark.parametrize(("task", "metric"), PAIRS)
def test_influence_is_the_derivative_by_a_rows_weight(task: Task, metric: str) -> None:
    outputs, truth = case(task, 1)
    step = 1e-6
    weights = np.ones((N, N)) + N * step * np.eye(N)
    moved = weighted.scores(metric, outputs, truth, np.hstack([weights, np.ones((N, 1))]))
    derivative = (moved[:, :-1] - moved[:, -1:]) / step
    found = weighted.influence(metric, outputs, truth)
    np.testing.assert_allclose(found, derivative, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize(("task", "metric"), PAIRS)
def test_no_rows_no_score(task: Task, metric: str) -> None:
    outputs, truth = case(task, 2)
    assert np.isnan(weighted.scores(metric, outputs, truth, np.zeros((N, 1)))).all()


def test_r2_of_a_constant_sample_and_auc_of_one_class_are_undefined() -> None:
    one_row = np.zeros((N, 1))
    one_row[3] = 5
    outputs, truth = case("regression", 3)
    assert np.isnan(weighted.scores("r2", outputs, truth, one_row)).all()
    outputs, truth = case("binary", 3)
    assert np.isnan(weighted.scores("roc_auc", outputs, truth, one_row)).all()


def test_extreme_logits_stay_finite() -> None:
    truth = Truth("binary", np.array([0, 1]), 2, 0.0, 1.0)
    outputs = np.array([1e4, -1e4], dtype=np.float32).reshape(1, 1, 2, 1)
    assert np.isfinite(weighted.scores("log_loss", outputs, truth, np.ones((2, 1)))).all()
    assert weighted.scores("brier", outputs, truth, np.ones((2, 1))) == 1.0


def test_constant_output_is_the_mean_or_the_class_shares() -> None:
    truth = Truth("multiclass", np.array([0, 0, 1, 2]), 3, 0.0, 1.0)
    shares = weighted.probabilities(weighted.constant_output(truth)[None], truth)
    np.testing.assert_allclose(shares[0, 0, 0], [0.5, 0.25, 0.25], atol=1e-6)
    truth = Truth("regression", np.array([1.0, 3.0]), 0, 5.0, 2.0)
    np.testing.assert_allclose(weighted.constant_output(truth) * 2 + 5, 2.0)


def test_a_metric_without_row_scores_is_refused() -> None:
    outputs, truth = case("binary", 0)
    with pytest.raises(ValueError, match="roc_auc"):
        weighted.row_scores("roc_auc", outputs, truth)
