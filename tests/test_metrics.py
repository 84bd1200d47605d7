from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep import metrics


def by_sklearn(metric: str, y: NDArray[Any], p: NDArray[Any], classes: int) -> float:
    """scikit-learn's value; p is [n] for two classes, else [n, C]."""
    labels = list(range(classes))
    predicted = (p > 0.5).astype(int) if p.ndim == 1 else p.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a metric is undefined; the value is what counts
        match metric:
            case "accuracy":
                value = reference.accuracy_score(y, predicted)
            case "balanced_accuracy":
                value = reference.balanced_accuracy_score(y, predicted)
            case "roc_auc":
                multi = {} if p.ndim == 1 else {"multi_class": "ovr", "labels": labels}
                value = reference.roc_auc_score(y, p, **multi)
            case "log_loss":
                value = reference.log_loss(y, p, labels=labels)
            case "f1":
                value = reference.f1_score(y, predicted, average="macro")
            case _:
                kind = {"pos_label": 1} if p.ndim == 1 else {"labels": labels}
                value = reference.brier_score_loss(y, p, **kind)
    return float(value)


def random_probabilities(rng: np.random.Generator, rows: int, classes: int, *, coarse: bool) -> NDArray[np.float64]:
    """[n] or [n, C]; coarse ones hold many ties and exact zeros and ones."""
    if classes == 2:
        p: NDArray[np.float64] = rng.random(rows)
        return np.round(p * 4) / 4 if coarse else p
    logits = rng.normal(size=(rows, classes)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if coarse:
        p = np.eye(classes)[p.argmax(axis=1)] * 0.5 + np.eye(classes)[rng.integers(classes, size=rows)] * 0.5
    return p


@pytest.mark.parametrize("metric", metrics.metrics_for("classification"))
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_equals_sklearn(metric: str, classes: int, coarse: bool, seed: int) -> None:
    rng = np.random.default_rng([seed, classes])
    rows = int(rng.integers(30, 200))
    y = rng.integers(classes, size=rows)
    p = random_probabilities(rng, rows, classes, coarse=coarse)
    expected = by_sklearn(metric, y, p, classes)
    assert metrics.compute(metric, y, p) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("metric", metrics.metrics_for("classification"))
@pytest.mark.parametrize("classes", [3, 10])
def test_a_class_absent_from_the_rows(metric: str, classes: int) -> None:
    rng = np.random.default_rng(classes)
    y = rng.integers(classes - 1, size=60)
    p = random_probabilities(rng, 60, classes, coarse=False)
    value = metrics.compute(metric, y, p)
    assert value == pytest.approx(by_sklearn(metric, y, p, classes), rel=1e-12, nan_ok=True)
    assert math.isnan(value) == (metric == "roc_auc")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certain_probabilities_are_clipped_as_sklearn_does(dtype: type[np.floating[Any]]) -> None:
    y = np.array([0, 1, 1, 0])
    p = np.array([1, 0, 1, 0], dtype=dtype)
    value = metrics.compute("log_loss", y, p)
    assert value == pytest.approx(reference.log_loss(y, p), rel=1e-6)
    assert math.isfinite(value)


def test_forms_of_a_binary_output_agree() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(2, size=50), rng.random(50)
    for metric in metrics.metrics_for("binary"):
        values = {metrics.compute(metric, y, form) for form in (p, p[:, None], np.stack([1 - p, p], axis=1))}
        assert len(values) == 1, metric


def test_half_is_class_zero() -> None:
    assert metrics.compute("accuracy", np.array([0, 1]), np.array([0.5, 0.5])) == 0.5
    assert metrics.compute("accuracy", np.array([0, 0]), np.array([0.5, 0.5])) == 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])),
        min_size=2,
        max_size=40,
    )
)
def test_auc_with_ties_property(rows: list[tuple[bool, float]]) -> None:
    y = np.array([int(label) for label, _ in rows])
    score = np.array([value for _, value in rows])
    expected = by_sklearn("roc_auc", y, score, 2)
    assert metrics.compute("roc_auc", y, score) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_regression_equals_sklearn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(loc=150, scale=70, size=80)
    f = y + rng.normal(scale=50, size=80)
    assert metrics.compute("rmse", y, f) == pytest.approx(reference.root_mean_squared_error(y, f), rel=1e-12)
    assert metrics.compute("mae", y, f[:, None]) == pytest.approx(reference.mean_absolute_error(y, f), rel=1e-12)
    assert metrics.compute("r2", y, f) == pytest.approx(reference.r2_score(y, f), rel=1e-12)


@pytest.mark.parametrize(("f", "expected"), [([2.0, 2.0], 1.0), ([2.0, 3.0], 0.0)])
def test_r2_of_a_constant_target(f: list[float], expected: float) -> None:
    y = np.array([2.0, 2.0])
    assert metrics.compute("r2", y, np.array(f)) == expected == reference.r2_score(y, f)


def test_undefined_is_nan() -> None:
    for metric in metrics.METRICS:
        assert math.isnan(metrics.compute(metric, np.array([]), np.array([])))
        assert math.isnan(metrics.compute(metric, np.array([0, 1]), np.array([0.2, math.nan])))
    assert math.isnan(metrics.compute("roc_auc", np.array([1, 1]), np.array([0.2, 0.3])))
    assert math.isnan(metrics.compute("r2", np.array([1.0]), np.array([1.0])))


def test_names_and_directions() -> None:
    assert metrics.metrics_for("regression") == ("rmse", "mae", "r2")
    expected = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "f1", "brier")
    assert {metrics.metrics_for(task) for task in ("binary", "multiclass", "classification")} == {expected}
    assert metrics.default_metric("multiclass") == "accuracy"
    assert metrics.default_metric("regression") == "rmse"
    assert {name for name in metrics.METRICS if metrics.direction(name) == "minimize"} == {
        "log_loss",
        "brier",
        "rmse",
        "mae",
    }


def test_a_perfect_prediction_reaches_best() -> None:
    y = np.array([0, 1, 2, 1, 0, 2])
    for name, metric in metrics.METRICS.items():
        output = y if metric.family == "regression" else np.eye(3)[y]
        assert metrics.compute(name, y, output) == pytest.approx(metric.best, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.86041, "86.04 %"),
        ("roc_auc", 0.91249, "0.912"),
        ("rmse", 53.2789, "53.28"),
        ("rmse", 0.0, "0"),
        ("mae", 0.0123456, "0.01235"),
        ("mae", 123456.7, "123457"),
        ("rmse", 1.5e12, "1.500e+12"),
        ("r2", -0.25, "-0.250"),
        ("log_loss", math.nan, "undefined"),
    ],
)
def test_formatting(metric: str, value: float, text: str) -> None:
    assert metrics.METRICS[metric].format(value) == text


@pytest.mark.parametrize(
    ("metric", "task", "expected"),
    [
        ("accuracy", "binary", (0, 1)),
        ("roc_auc", "multiclass", (0, 1)),
        ("brier", "binary", (0, 1)),
        ("brier", "multiclass", (0, 2)),
        ("log_loss", "binary", (0, math.inf)),
        ("rmse", "regression", (0, math.inf)),
        ("r2", "regression", (-math.inf, 1)),
    ],
)
def test_bounds(metric: str, task: str, expected: tuple[float, float]) -> None:
    assert metrics.bounds(metric, task) == expected


@pytest.mark.parametrize("metric", ["brier", "accuracy", "balanced_accuracy", "f1", "roc_auc"])
def test_all_wrong_is_the_worst(metric: str) -> None:
    for classes, task in ((2, "binary"), (3, "multiclass")):
        y = np.arange(6) % classes
        wrong = np.eye(classes)[(y + 1) % classes]
        worst = metrics.bounds(metric, task)[0 if metrics.METRICS[metric].maximize else 1]
        if metric != "roc_auc" or classes == 2:  # of three, a third class is ranked neither above nor below
            assert metrics.compute(metric, y, wrong) == pytest.approx(worst)


def test_a_mean_over_splits_leaves_out_where_it_is_undefined() -> None:
    assert metrics.mean_over_splits("roc_auc", np.array([0.5, math.nan, 1.0])) == 0.75
    assert metrics.mean_over_splits("roc_auc", np.array([math.nan])) == 0.5
    assert metrics.mean_over_splits("r2", np.array([math.nan, math.nan])) == 0.0
