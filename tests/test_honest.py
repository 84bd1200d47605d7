"""BBC-CV against a slow, literal one with scikit-learn's metrics, and on sweeps that hold no signal."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.typing import NDArray

from sweep.analysis import honest
from sweep.analysis.honest import draws_for, honest_score
from sweep.records import TableInfo, Task

CLASSIFICATION = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "f1", "brier")
REGRESSION = ("rmse", "mae", "r2")
LESS_IS_BETTER = ("log_loss", "brier", "rmse", "mae")
CASES: list[tuple[Task, str]] = [
    *(("binary", metric) for metric in CLASSIFICATION),
    *(("multiclass", metric) for metric in CLASSIFICATION),
    *(("regression", metric) for metric in REGRESSION),
]


def table(task: Task, rows: int) -> TableInfo:
    classes = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
    scale = 4.0 if task == "regression" else 1.0
    return TableInfo("t.csv", "00", rows, ("x",), "y", task, classes, 10.0 if task == "regression" else 0.0, scale, ())


def made(
    task: Task, trials: int, rows: int, repeats: int = 1, seed: int = 0, signal: float = 1.0
) -> tuple[list[NDArray[np.float32]], NDArray[Any]]:
    """Predictions of trials of uneven quality for random targets."""
    rng = np.random.default_rng(seed)
    outputs = 3 if task == "multiclass" else 1
    quality = signal * rng.uniform(0.2, 1.5, size=trials)
    target: NDArray[Any]
    if task == "regression":
        target = rng.normal(10, 4, size=rows)
        centre: NDArray[Any] = ((target - 10) / 4)[:, None]
    else:
        target = rng.integers(0, max(2, outputs), size=rows)
        centre = (target * 2.0 - 1.0)[:, None] if outputs == 1 else 2.0 * np.eye(3)[target]
    noise = rng.normal(size=(trials, repeats, rows, outputs))
    return [(q * centre + e).astype(np.float32) for q, e in zip(quality, noise, strict=True)], target


def shares(link: NDArray[Any]) -> NDArray[np.float64]:
    """[n, classes] from logits."""
    link = link.astype(np.float64)
    if link.shape[1] == 1:
        p = 1 / (1 + np.exp(-link[:, 0]))
        return np.stack([1 - p, p], axis=1)
    e = np.exp(link - link.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def sklearn_score(task: Task, metric: str, y: NDArray[Any], link: NDArray[Any]) -> float:
    """One metric on explicit rows; NaN where scikit-learn has no answer."""
    if not len(y):
        return float("nan")
    if task == "regression":
        said = link[:, 0].astype(np.float64) * 4 + 10
        functions: dict[str, Callable[..., float]] = {
            "rmse": sk.root_mean_squared_error,
            "mae": sk.mean_absolute_error,
            "r2": sk.r2_score,
        }
        return float(functions[metric](y, said))
    p = shares(link)
    binary = task == "binary"
    codes = list(range(p.shape[1]))
    said = (p[:, 1] > 0.5).astype(int) if binary else p.argmax(axis=1)
    if metric == "accuracy":
        return float(sk.accuracy_score(y, said))
    if metric == "balanced_accuracy":
        return float(sk.balanced_accuracy_score(y, said))
    if metric == "f1":
        return float(sk.f1_score(y, said, average="macro"))
    if metric == "log_loss":
        return float(sk.log_loss(y, p, labels=codes))
    if metric == "brier":
        return float(sk.brier_score_loss(y, p[:, 1] if binary else p, labels=codes))
    if len(np.unique(y)) < len(codes):
        return float("nan")
    return float(sk.roc_auc_score(y, p[:, 1]) if binary else sk.roc_auc_score(y, p, multi_class="ovr"))


def score_of(task: Task, metric: str, y: NDArray[Any], out: NDArray[Any], rows: NDArray[Any]) -> float:
    """Repeats: squared errors and row scores are averaged before the root, other metrics after."""
    if task == "regression" and metric in ("rmse", "r2"):
        squares = np.mean([np.square(one[rows, 0].astype(float) * 4 + 10 - y[rows]) for one in out], axis=0)
        mean = float(np.mean(squares)) if len(rows) else float("nan")
        return float(np.sqrt(mean)) if metric == "rmse" else 1 - mean / float(np.var(y[rows]))
    return float(np.mean([sklearn_score(task, metric, y[rows], one[rows]) for one in out]))


def literal(task: Task, metric: str, outs: list[NDArray[Any]], y: NDArray[Any], draws: int) -> float:
    """BBC-CV word for word: resampled rows, scikit-learn's metrics, one trial after the other."""
    n = len(y)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    luck = rng.random((len(outs), draws))
    sign = -1 if metric in LESS_IS_BETTER else 1
    found = []
    for b in range(draws):
        rows, rest = np.repeat(np.arange(n), counts[b]), np.flatnonzero(counts[b] == 0)
        inside = np.array([sign * score_of(task, metric, y, out, rows) for out in outs])
        if np.isnan(inside).all():
            continue
        best = np.flatnonzero(inside >= np.nanmax(inside) - 1e-12)
        winner = best[np.argmax(luck[best, b])]
        found.append(score_of(task, metric, y, outs[winner], rest))
    return float(np.nanmean(found))


@pytest.mark.parametrize(("task", "metric"), CASES)
@pytest.mark.parametrize("repeats", [1, 2])
def test_equals_the_literal_procedure(task: Task, metric: str, repeats: int) -> None:
    outs, y = made(task, trials=4, rows=40, repeats=repeats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on classes that a small sample lacks
        expected = literal(task, metric, outs, y, draws=12)
    found = honest_score(outs, y, table(task, 40), metric=metric, folds=5, draws=12)
    assert found is not None
    assert found.value == pytest.approx(expected, abs=2e-6)
    assert found.trials == 4
    assert found.low < found.value < found.high


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_raw_is_the_best_score_over_all_rows(task: Task, metric: str) -> None:
    outs, y = made(task, trials=5, rows=60, seed=3)
    found = honest_score(outs, y, table(task, 60), metric=metric, folds=5, draws=50)
    each = [score_of(task, metric, y, out, np.arange(60)) for out in outs]
    assert found is not None
    assert found.raw == pytest.approx(min(each) if metric in LESS_IS_BETTER else max(each), abs=2e-6)


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_the_interval_of_one_trial_has_the_width_of_resampling(task: Task, metric: str) -> None:
    """With one trial nothing is chosen: the standard error is the bootstrap's own, times the overlap factor."""
    outs, y = made(task, trials=1, rows=200, seed=5)
    found = honest_score(outs, y, table(task, 200), metric=metric, folds=5, draws=50)
    rng = np.random.default_rng(1)
    again = [score_of(task, metric, y, outs[0], rng.integers(0, 200, size=200)) for _ in range(120)]
    assert found is not None
    half = 1.96 * np.sqrt(1.25) * float(np.std(again))
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.2)


def test_accuracy_interval_is_the_formula() -> None:
    outs, y = made("binary", trials=1, rows=50, seed=1)
    found = honest_score(outs, y, table("binary", 50), metric="accuracy", folds=10, draws=50)
    right = ((outs[0][0, :, 0] > 0) == y).astype(float)
    assert found is not None
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(10 / 9 * right.var(ddof=1) / 50), rel=1e-4)


def test_the_interval_ends_at_a_perfect_score() -> None:
    y = np.arange(20) % 2
    nearly = np.where(y == 1, 5.0, -5.0)[None, :, None].astype(np.float32)
    nearly[0, 0] = 0.5
    for metric in CLASSIFICATION:
        found = honest_score([nearly], y, table("binary", 20), metric=metric, folds=5)
        assert found is not None
        assert 0 <= found.low <= found.value <= found.high
        if metric not in LESS_IS_BETTER:
            assert found.high == 1.0


def test_a_sweep_without_signal_is_optimistic_and_its_honest_score_is_not() -> None:
    raw, value = [], []
    for seed in range(20):
        outs, y = made("binary", trials=60, rows=100, seed=seed, signal=0.0)
        found = honest_score(outs, y, table("binary", 100), metric="accuracy", folds=5, draws=200)
        assert found is not None
        raw.append(found.raw)
        value.append(found.value)
    assert np.mean(raw) > 0.58
    assert np.mean(value) == pytest.approx(0.5, abs=0.02)


def test_groups_are_drawn_whole_and_widen_the_interval() -> None:
    """Rows repeated eightfold hold no more than the rows themselves."""
    outs, y = made("binary", trials=6, rows=60, seed=2)
    copies, group = np.tile(np.arange(60), 8), np.tile(np.arange(60), 8)
    many = [out[:, copies] for out in outs]
    plain = honest_score(outs, y, table("binary", 60), metric="accuracy", folds=5)
    grouped = honest_score(many, y[copies], table("binary", 480), metric="accuracy", folds=5, groups=group)
    blind = honest_score(many, y[copies], table("binary", 480), metric="accuracy", folds=5)
    assert plain is not None
    assert grouped is not None
    assert blind is not None
    assert grouped.value == pytest.approx(plain.value, abs=0.01)
    assert grouped.high - grouped.low == pytest.approx(plain.high - plain.low, rel=0.02)
    assert blind.high - blind.low < 0.5 * (grouped.high - grouped.low)


def test_rows_that_no_repeat_tested_do_not_count() -> None:
    outs, y = made("regression", trials=3, rows=50, seed=4)
    holes = [out.copy() for out in outs]
    for out in holes:
        out[:, :10] = np.nan
    found = honest_score(holes, y, table("regression", 50), metric="rmse", folds=5, draws=100)
    rest = honest_score(
        [out[:, 10:] for out in outs], y[10:], table("regression", 40), metric="rmse", folds=5, draws=100
    )
    assert found == rest


@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_a_row_untested_in_one_repeat_keeps_its_other_one(metric: str) -> None:
    outs, y = made("multiclass", trials=3, rows=60, repeats=2, seed=4)
    for out in outs:
        out[0, ::7] = np.nan
    found = honest_score(outs, y, table("multiclass", 60), metric=metric, folds=5, draws=100)
    assert found is not None
    assert all(np.isfinite([found.value, found.low, found.high, found.raw]))


def test_a_failed_trial_is_the_constant_prediction() -> None:
    y = np.array([0] * 30 + [1] * 10)
    wrong = np.where(y == 1, -1.0, 1.0)[None, :, None].astype(np.float32)
    found = honest_score([None, wrong], y, table("binary", 40), metric="accuracy", folds=5)
    assert found is not None
    assert found.trials == 2
    assert found.raw == 0.75


def test_none_without_predictions_or_where_undefined() -> None:
    outs, y = made("binary", trials=2, rows=20)
    info = table("binary", 20)
    assert honest_score([], y, info, metric="accuracy", folds=5) is None
    assert honest_score([None], y, info, metric="accuracy", folds=5) is None
    assert honest_score([np.full_like(outs[0], np.nan)], y, info, metric="accuracy", folds=5) is None
    # Two groups of one class each: no draw has both classes on both sides.
    y = np.repeat([0, 1], 10)
    assert honest_score(outs, y, info, metric="roc_auc", folds=2, groups=y.astype(np.int64)) is None


def test_the_scores_shown_may_be_the_sweeps_own() -> None:
    outs, y = made("binary", trials=3, rows=20)
    plain = honest_score(outs, y, table("binary", 20), metric="accuracy", folds=5)
    found = honest_score(outs, y, table("binary", 20), metric="accuracy", folds=5, scores=[0.5, 0.875, np.nan])
    assert found is not None
    assert plain is not None
    assert found.raw == 0.875
    assert found.value == plain.value, "a mean over rows needs no shift"
    with pytest.raises(ValueError, match="2 scores for 3 trials"):
        honest_score(outs, y, table("binary", 20), metric="accuracy", folds=5, scores=[0.5, 0.875])


@pytest.mark.parametrize("metric", ["roc_auc", "rmse"])
def test_where_nothing_was_chosen_raw_and_honest_agree_though_folds_differ(metric: str) -> None:
    """The mean over folds of RMSE or AUC is not that over all rows; that difference is no optimism."""
    task: Task = "regression" if metric == "rmse" else "binary"
    outs, y = made(task, trials=1, rows=300, seed=8)
    # Folds on levels of their own: scores over all rows suffer, scores by fold do not.
    outs[0] += np.repeat(np.linspace(-2, 2, 5), 60)[None, :, None].astype(np.float32)
    each = [score_of(task, metric, y[rows], outs[0][:, rows], np.arange(60)) for rows in np.arange(300).reshape(5, 60)]
    by_fold = float(np.mean(each))
    whole = score_of(task, metric, y, outs[0], np.arange(300))
    assert abs(by_fold - whole) > 0.02
    found = honest_score(outs, y, table(task, 300), metric=metric, folds=5, scores=[by_fold])
    assert found is not None
    assert found.value == pytest.approx(by_fold, rel=0.01)
    assert found.raw == by_fold


def test_same_seed_same_score_and_trials_of_another_shape_are_refused() -> None:
    outs, y = made("binary", trials=5, rows=50, signal=0.0)
    info = table("binary", 50)
    assert honest_score(outs, y, info, metric="f1", folds=5) == honest_score(iter(outs), y, info, metric="f1", folds=5)
    with pytest.raises(ValueError, match="shape"):
        honest_score([outs[0], outs[1][:, :10]], y, info, metric="f1", folds=5)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    outs, y = made("multiclass", trials=7, rows=50)
    whole = honest_score(outs, y, table("multiclass", 50), metric="log_loss", folds=5)
    monkeypatch.setattr(honest, "CHUNK", 2 * 50 * 3)
    parts = honest_score(outs, y, table("multiclass", 50), metric="log_loss", folds=5)
    assert whole is not None
    assert parts is not None
    assert parts.value == pytest.approx(whole.value, rel=1e-12)


def test_a_sonar_sized_sweep_takes_well_under_a_second() -> None:
    outs, y = made("binary", trials=128, rows=208)
    started = time.perf_counter()
    honest_score(outs, y, table("binary", 208), metric="accuracy", folds=10)
    assert time.perf_counter() - started < 1.0


def test_draws_shrink_with_rows_once_the_error_is_small() -> None:
    assert [draws_for(n) for n in (50, 2000, 4000, 20_000, 10**7)] == [2000, 2000, 1000, 200, 200]
