"""BBC-CV against a slow, literal one with scikit-learn's metrics, and on sweeps that hold no signal."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from numpy.typing import NDArray

from sweep.analysis import honest
from sweep.analysis.honest import Trial, draws_for
from sweep.metrics import bounds
from sweep.records import VALIDATION, BlockJob, HonestScore, TableInfo, Task
from sweep.training.train import train_block
from tests.tables_for_tests import make_dataset, make_plan, make_splits, make_trial

CLASSIFICATION = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "f1", "brier")
REGRESSION = ("rmse", "mae", "r2")
LESS_IS_BETTER = ("log_loss", "brier", "rmse", "mae")
CASES: list[tuple[Task, str]] = [
    *(("binary", metric) for metric in CLASSIFICATION),
    *(("multiclass", metric) for metric in CLASSIFICATION),
    *(("regression", metric) for metric in REGRESSION),
]


def honest_score(
    outs: Iterable[NDArray[Any] | None], y: NDArray[Any], info: TableInfo, scores: Any = None, **settings: Any
) -> HonestScore | None:
    """Of trials that are known at one checkpoint, their predictions ``[R, n, O]``."""
    candidates = [None if out is None else out[None] for out in outs]
    trials = map(Trial, candidates, scores or [None] * len(candidates))
    return honest.honest_score(trials, y, info, **settings)


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
    values, winners = [], []
    for b in range(draws):
        rows, rest = np.repeat(np.arange(n), counts[b]), np.flatnonzero(counts[b] == 0)
        inside = np.array([sign * score_of(task, metric, y, out, rows) for out in outs])
        if np.isnan(inside).all():
            continue
        best = np.flatnonzero(inside >= np.nanmax(inside) - 1e-12)
        values.append([score_of(task, metric, y, out, rest) for out in outs])
        winners.append(best[np.argmax(luck[best, b])])
    own = [score_of(task, metric, y, out, np.arange(n)) for out in outs]
    level = np.nanmean(values, axis=0)
    return float(np.nanmean([each[w] - level[w] + own[w] for each, w in zip(values, winners, strict=True)]))


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


@pytest.mark.parametrize("together", [True, False])
def test_candidates_that_tie_are_chosen_by_chance(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal predictions tie on every draw: each candidate's own score has an equal share in the value."""
    if not together:
        monkeypatch.setattr(honest, "CHUNK", 1)  # they come one after the other
    (out,), y = made("binary", trials=1, rows=50)
    own = [0.5, 0.6, 0.7, 0.9]
    found = honest_score(
        [out] * 4, y, table("binary", 50), [[each] for each in own], metric="accuracy", folds=5, draws=2000
    )
    assert found is not None
    assert found.value == pytest.approx(np.mean(own), abs=0.015)  # standard error: 0.003


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


@pytest.mark.parametrize(("task", "metric"), CASES)
@pytest.mark.parametrize("grouped", [False, True])
def test_of_one_candidate_raw_and_honest_are_its_own_score(task: Task, metric: str, grouped: bool) -> None:
    """Nothing was chosen: no shift by the smaller sample left out, by folds, or by groups of unequal size."""
    outs, y = made(task, trials=1, rows=50, seed=6)
    groups = np.minimum(np.arange(50) // 2, 12) if grouped else None  # one of them has half of the rows
    own = score_of(task, metric, y, outs[0], np.arange(50)) - 0.03
    found = honest_score(outs, y, table(task, 50), [[own]], metric=metric, folds=5, groups=groups, draws=60)
    assert found is not None
    assert found.raw == own
    assert found.value == pytest.approx(own, rel=1e-9)


def test_scores_are_the_sweeps_own_and_a_failed_trial_has_none() -> None:
    outs, y = made("binary", trials=3, rows=20)
    info = table("binary", 20)
    whole = [score_of("binary", "accuracy", y, out, np.arange(20)) for out in outs]
    plain = honest_score(outs, y, info, metric="accuracy", folds=5)
    found = honest_score(outs, y, info, [[each - 0.01] for each in whole], metric="accuracy", folds=5)
    assert found is not None
    assert plain is not None
    assert found.raw == plain.raw - 0.01
    assert found.value == pytest.approx(plain.value - 0.01)
    partly = honest_score([*outs, None], y, info, [*([each] for each in whole), [np.nan]], metric="accuracy", folds=5)
    assert partly is not None
    assert (partly.raw, partly.trials) == (plain.raw, 4)
    with pytest.raises(ValueError, match="argument 2 is longer"):
        honest_score(outs, y, info, [[0.5, 0.5]] * 3, metric="accuracy", folds=5)


# --- the choice of the epoch ------------------------------------------------------------------------------------------


def test_noise_at_many_checkpoints_is_optimistic_and_its_honest_score_is_not() -> None:
    """One trial, twelve checkpoints: the choice of the epoch alone."""
    raw, value, chosen_only = [], [], []
    for seed in range(40):
        outs, y = made("binary", trials=12, rows=100, seed=seed, signal=0.0)
        trial = np.stack(outs)
        scores = [score_of("binary", "accuracy", y, out, np.arange(100)) for out in outs]
        best = int(np.argmax(scores))
        settings: dict[str, Any] = {"metric": "accuracy", "folds": 5, "checkpoints": 12, "draws": 200}
        found = honest.honest_score([Trial(trial, scores)], y, table("binary", 100), **settings)
        blind = honest.honest_score([Trial(trial[[best]], [scores[best]])], y, table("binary", 100), **settings)
        assert found is not None
        assert blind is not None
        assert (found.trials, found.checkpoints, found.corrects_epoch) == (1, 12, True)
        assert not blind.corrects_epoch
        raw.append(found.raw)
        value.append(found.value)
        chosen_only.append(blind.value)
    assert np.mean(raw) > 0.56
    assert np.mean(chosen_only) == pytest.approx(np.mean(raw)), "what was not chosen from tells nothing of the choice"
    assert np.mean(value) == pytest.approx(0.5, abs=0.015)


def test_trained_on_noise_the_epoch_is_corrected_for() -> None:
    """Labels without any signal, a network that learns them by heart: raw scores are those of the luckiest epoch."""
    raw, value = [], []
    for seed in range(10):
        data = make_dataset("binary", rows=60, features=10, seed=seed)
        y = np.random.default_rng(1000 + seed).permutation(np.arange(60) % 2)
        data = dataclasses.replace(data, target=torch.from_numpy(y.astype(np.float32)))
        plan = make_plan("binary", seed=seed, epochs=24, batch_size=16, checkpoints=tuple(range(2, 25, 2)))
        trial = make_trial((16,), placement="none", dropout=(0.0, 0.0), max_norm=None)
        folds = make_splits(data, folds=5, scheme="stratified", seed=seed)
        (result,) = train_block(data, folds, BlockJob((0,), (trial,), plan))
        scores = result.metrics[:, :, VALIDATION, 0].mean(axis=0)
        assert result.predictions.shape[0] == len(scores) == 12
        found = honest.honest_score(
            [Trial(result.predictions, scores)], y, data.info, metric="accuracy", folds=5, checkpoints=12, draws=300
        )
        assert found is not None
        raw.append(found.raw)
        value.append(found.value)
    assert np.mean(raw) > np.mean(value) + 0.03
    assert np.mean(value) == pytest.approx(0.5, abs=0.04)


def test_a_trial_known_at_its_chosen_epoch_only_stands_beside_others() -> None:
    """A sweep that an earlier version began, gone on with."""
    outs, y = made("binary", trials=6, rows=60)
    trials = [Trial(outs[0][None]), Trial(np.stack(outs[1:]))]
    found = honest.honest_score(trials, y, table("binary", 60), metric="accuracy", folds=5, checkpoints=5)
    flat = honest_score(outs, y, table("binary", 60), metric="accuracy", folds=5)
    assert found is not None
    assert flat is not None
    assert not found.corrects_epoch
    assert (found.value, found.trials) == (flat.value, 2)


# --- pruned trials ----------------------------------------------------------------------------------------------------


def test_pruned_trials_are_candidates_at_the_checkpoints_they_reached() -> None:
    """The value is that of all (trial, checkpoint) pairs at once; the raw score is of complete trials alone."""
    outs, y = made("binary", trials=6, rows=60, seed=1)
    scores = [score_of("binary", "accuracy", y, out, np.arange(60)) for out in outs]
    order = np.argsort(scores)  # the best two were pruned
    complete = Trial(np.stack([outs[place] for place in order[:3]]), [scores[place] for place in order[:3]], reached=3)
    two = Trial(np.stack([outs[place] for place in order[3:5]]), [scores[place] for place in order[3:5]], 2, False)
    one = Trial(outs[order[5]][None], [scores[order[5]]], 1, False)
    settings: dict[str, Any] = {"metric": "accuracy", "folds": 5, "checkpoints": 3}
    found = honest.honest_score([two, complete, one], y, table("binary", 60), **settings)
    flat = honest_score([outs[place] for place in order[[3, 4, 0, 1, 2, 5]]], y, table("binary", 60), **settings)
    assert found is not None
    assert flat is not None
    assert (found.value, found.low, found.high) == pytest.approx((flat.value, flat.low, flat.high))
    assert (found.trials, found.checkpoints, found.corrects_epoch) == (3, 3, True)
    assert found.raw == scores[order[2]] < flat.raw
    early = honest.honest_score([two, one], y, table("binary", 60), **settings)
    assert early is not None
    assert early.raw == scores[order[5]], "as long as none is complete"
    known_at_one = Trial(two.outputs[:1] if two.outputs is not None else None, [0.5], 2, False)
    partly = honest.honest_score([complete, known_at_one], y, table("binary", 60), **settings)
    assert partly is not None
    assert not partly.corrects_epoch


@pytest.mark.parametrize("metric", ["accuracy", "rmse"])
def test_the_raw_score_is_that_of_a_complete_trial_in_either_direction(metric: str) -> None:
    task: Task = "binary" if metric == "accuracy" else "regression"
    outs, y = made(task, trials=3, rows=40)
    better, worse = (0.9, 0.6) if metric == "accuracy" else (0.6, 0.9)
    trials = [Trial(outs[0][None], [better], complete=False), Trial(outs[1][None], [worse])]
    failed = Trial(None, [np.nan], complete=False)
    for candidates, raw in (([*trials, failed], worse), ([failed, trials[0]], better)):
        found = honest.honest_score(candidates, y, table(task, 40), metric=metric, folds=5, draws=20)
        assert found is not None
        assert found.raw == raw


def test_without_its_pruned_trials_a_sweep_without_signal_would_look_better_than_it_is() -> None:
    """Trials are stopped on the rows they are judged by: what is left was chosen among all of them."""
    whole: list[float] = []
    left: list[float] = []
    for seed in range(40):
        outs, y = made("binary", trials=32, rows=100, seed=seed, signal=0.0)
        scores = np.array([score_of("binary", "accuracy", y, out, np.arange(100)) for out in outs])
        kept = scores >= np.quantile(scores, 0.75)
        trials = [Trial(out[None], [own], complete=bool(on)) for out, own, on in zip(outs, scores, kept, strict=True)]
        settings: dict[str, Any] = {"metric": "accuracy", "folds": 5, "draws": 200}
        for candidates, values in ((trials, whole), ([one for one in trials if one.complete], left)):
            found = honest.honest_score(candidates, y, table("binary", 100), **settings)
            assert found is not None
            values.append(found.value)
    assert np.mean(whole) == pytest.approx(0.5, abs=0.02)
    assert np.mean(left) > np.mean(whole) + 0.01


# --- the interval -----------------------------------------------------------------------------------------------------


def certain(y: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Every row right."""
    return [np.where(y == 1, 5.0, -5.0)[None, :, None].astype(np.float32)]


def test_where_no_row_differs_the_interval_is_the_rule_of_three() -> None:
    y = np.arange(30) % 2
    found = honest_score(certain(y), y, table("binary", 30), metric="accuracy", folds=10)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 0.9, 1.0))
    grouped = honest_score(certain(y), y, table("binary", 30), metric="accuracy", folds=3, groups=np.arange(30) // 5)
    assert grouped is not None
    assert grouped.low == pytest.approx(0.5), "six groups"


@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc", "f1"])
def test_where_classes_count_alike_the_smallest_one_is_what_the_rule_goes_by(metric: str) -> None:
    y = (np.arange(40) < 10).astype(int)
    found = honest_score(certain(y), y, table("binary", 40), metric=metric, folds=5)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.7, 1.0))


def test_the_rule_of_three_is_in_units_of_the_target() -> None:
    y = np.linspace(0, 20, 30)
    exact = ((y - 10) / 4)[None, :, None]
    found = honest_score([exact + 0.5], y, table("regression", 30), metric="mae", folds=5)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((2 - 0.4, 2 + 0.4))


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_the_interval_stays_within_what_is_possible(task: Task, metric: str) -> None:
    outs, y = made(task, trials=3, rows=12, seed=11, signal=-0.6)
    y[:2] = (0, 1) if task != "regression" else (50, -50)
    found = honest_score(outs, y, table(task, 12), metric=metric, folds=2, draws=100)
    assert found is not None
    lowest, highest = bounds(metric, task)
    assert lowest <= found.low <= found.value <= found.high <= highest


# --- many candidates --------------------------------------------------------------------------------------------------


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


def test_draws_shrink_with_rows_and_with_what_a_draw_costs() -> None:
    assert [draws_for(n) for n in (50, 2000, 4000, 20_000, 10**7)] == [2000, 2000, 1000, 200, 50]
    assert [draws_for(n, "roc_auc") for n in (50, 2000, 20_000)] == [2000, 166, 50]
    assert draws_for(2000, "f1", classes=10) == 200
    assert draws_for(2000, "rmse", classes=0) == 2000
