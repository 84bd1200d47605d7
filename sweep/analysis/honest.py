"""The honest score: what the best configuration of a sweep is worth, corrected for having been chosen as the best.

BBC-CV (Tsamardinos, Greasidou & Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation"): draw the table's rows with replacement, choose the best trial on the rows drawn, score it
on the rows left out, and average over many draws. It needs the out-of-fold predictions of *all* trials and trains
nothing.

The interval is ours: ``value ± 1.96 · sqrt(c · v / n)`` with the winner's row-score variance ``v`` averaged over the
draws and ``c = k / (k - 1)`` for k folds, since the k networks of a trial share most of their training rows. In
simulated sweeps it covers 94 to 95 %; the paper's percentile interval covers 97.5 to 100 % and is wider.

A sweep's own scores are means over folds. For metrics that are no mean over rows (ROC AUC, F1, balanced accuracy, RMSE,
R²) these differ from scores over all rows at once even where nothing was chosen: the mean of the folds' RMSE is below
the RMSE of all rows. That difference, averaged over the draws' winners, is added to the value, so that what is left
between raw and honest score is the choosing alone. Means over rows need none of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.analysis import weighted
from sweep.analysis.weighted import Floats, Truth
from sweep.metrics import METRICS, Metric
from sweep.records import HonestScore, TableInfo

# Draws for tables of up to FULL_ROWS rows. The Monte-Carlo error of the value is about 0.15 points of accuracy at 100
# rows and 0.08 at 300, and falls as 1 / sqrt(rows x draws): beyond FULL_ROWS the product is kept instead.
DRAWS = 2000
FULL_ROWS = 2000
MIN_DRAWS = 200

Z = 1.959964  # 97.5 % point of the normal distribution

# Numbers of a chunk of trials worked on at once: 16 MB as float64, a few times that with what is computed from them.
CHUNK = 2_000_000

# In-bag scores closer than this, relative to the best one, are ties: sums of the same rows in another order.
TIE = 1e-9


def overlap_factor(folds: int) -> float:
    """``c = k / (k - 1)``: by how much the variance of a k-fold score exceeds that of independent rows.

    The limit of Nadeau & Bengio's (2003) factor for many repeats without noise from seeds. In simulations ``c = 1``
    is too narrow for small tables.
    """
    return folds / (folds - 1)


def draws_for(rows: int) -> int:
    """Number of bootstrap draws that keeps the Monte-Carlo error at, or below, that of 2,000 draws of 2,000 rows."""
    return max(MIN_DRAWS, DRAWS if rows <= FULL_ROWS else DRAWS * FULL_ROWS // rows)


def honest_score(
    predictions: Iterable[NDArray[np.floating[Any]] | None],
    target: NDArray[Any],
    info: TableInfo,
    *,
    metric: str,
    folds: int,
    groups: NDArray[np.int64] | None = None,
    scores: Sequence[float] | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> HonestScore | None:
    """BBC-CV over all trials of a sweep.

    Args:
        predictions: Of every finished trial, one ``[R, n, O]`` after the other, out of fold, on the link scale: logits,
            or units of ``info.target_scale`` around ``info.target_mean`` for regression. NaN for a row untested in a
            repeat. ``None`` for a trial without any (it failed): scored as the constant prediction. Read once, a chunk
            at a time.
        target: ``[n]`` class codes, or the regression target in its own units.
        info: Of the table.
        metric: Name of the metric the sweep chooses by.
        folds: k, at least 2.
        groups: ``[n]`` group of each row, if rows of a group belong together: groups are drawn, and the interval is
            that of groups.
        scores: Of the same trials, in their order, as the sweep shows them: means over folds; NaN for a trial without.
            By default the scores over all rows at once.
        draws: Number of bootstraps; by default :func:`draws_for` the rows.
        seed: Of the draws and of random choices among tied trials.

    Returns:
        The score, or ``None`` where there is none: no trial with predictions, no tested rows, or a metric that is
        undefined on every draw (ROC AUC when only one group holds a class).

    Raises:
        ValueError: The predictions of two trials have not the same shape, or there are not as many scores.
    """
    trials = iter(predictions)
    failed, first = _first(trials)
    if first is None:
        return None
    rows = np.flatnonzero(weighted.tested(first[None]).any(axis=(0, 1)))
    if not len(rows):
        return None
    truth = Truth.of(target[rows], info)
    units = np.arange(len(rows)) if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    counts = _draw(units, draws or draws_for(len(rows)), rng)
    number = counts.shape[1]
    # Drawn, left out, all rows: one pass over the predictions.
    weights = np.hstack([counts, counts == 0, np.ones((len(rows), 1))])

    found, variances = [], []
    for chunk in _chunks(chain([None] * failed, [first], trials), rows, truth, first.shape):
        found.append(weighted.scores(metric, chunk, truth, weights))
        variances.append(_variance_of_mean(weighted.influence(metric, chunk, truth), units))
    each = np.concatenate(found)
    pooled = each[:, -1]
    own = pooled if scores is None else np.asarray(scores, dtype=np.float64)
    if own.shape != pooled.shape:
        raise ValueError(f"{len(own)} scores for {len(pooled)} trials")
    return _combine(
        each[:, :number],
        each[:, number:-1],
        np.concatenate(variances) * overlap_factor(folds),
        own,
        np.zeros(len(own)) if metric in weighted.ROW_MEANS else own - pooled,
        METRICS[metric],
        rng,
    )


def _first(
    trials: Iterator[NDArray[np.floating[Any]] | None],
) -> tuple[int, NDArray[np.floating[Any]] | None]:
    """How many trials without predictions come first, and the first predictions (``None`` if there are no more)."""
    failed = 0
    for trial in trials:
        if trial is not None:
            return failed, trial
        failed += 1
    return failed, None


def _combine(
    inside: Floats,
    outside: Floats,
    variances: Floats,
    own: Floats,
    offsets: Floats,
    metric: Metric,
    rng: np.random.Generator,
) -> HonestScore | None:
    """Choose in the bag, score outside it, average over draws.

    Args:
        inside: ``[T, B]`` scores on the rows drawn.
        outside: ``[T, B]`` scores on the rows left out.
        variances: ``[T]`` variances of the trials' scores.
        own: ``[T]`` scores as the sweep shows them.
        offsets: ``[T]``: by how much these differ from scores over all rows at once; NaN if unknown.
        metric: Says which way is better, and what a perfect score is: the interval does not reach beyond.
        rng: For ties.
    """
    sign = 1.0 if metric.maximize else -1.0
    winners = _winners(inside * sign, rng)
    found = outside[winners, np.arange(inside.shape[1])]
    usable = ~np.isnan(found) & ~np.isnan(inside).all(axis=0)
    if not usable.any():
        return None
    shifts = offsets[winners[usable]]
    shift = float(shifts[~np.isnan(shifts)].mean()) if not np.isnan(shifts).all() else 0.0
    value = float(found[usable].mean()) + shift
    half = Z * float(np.sqrt(variances[winners[usable]].mean()))
    low, high = value - half, value + half
    if metric.maximize:
        value, high = min(value, metric.best), min(high, metric.best)
    else:
        value, low = max(value, metric.best), max(low, metric.best)
    return HonestScore(value, low, high, raw=float(np.nanmax(own * sign)) * sign, trials=len(inside))


def _winners(goodness: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """``[B]`` positions of the best trial of every draw, ties by chance, from ``[T, B]`` (NaN never wins)."""
    filled = np.where(np.isnan(goodness), -np.inf, goodness)
    best = filled.max(axis=0)
    tied = filled >= best - TIE * np.maximum(np.abs(np.where(np.isfinite(best), best, 0.0)), TIE)
    chosen: NDArray[np.int64] = np.argmax(np.where(tied, rng.random(goodness.shape), -1.0), axis=0)
    return chosen


def _draw(units: NDArray[np.int64], draws: int, rng: np.random.Generator) -> Floats:
    """``[n, draws]``: how often each row stands in each bootstrap of the units (rows, or groups of rows)."""
    number = int(units.max()) + 1
    return rng.multinomial(number, np.full(number, 1.0 / number), size=draws).T[units].astype(np.float64)


def _variance_of_mean(values: Floats, units: NDArray[np.int64]) -> Floats:
    """``[T]``: variance of the mean of ``[T, n]`` centred values, by units that are independent of each other.

    With rows as units it is the sample variance / n; with groups the cluster-robust one,
    ``G / (G - 1) · Σ_g (Σ_{i in g} value_i)² / n²``. One unit alone tells nothing: infinite.
    """
    number = int(units.max()) + 1
    if number < 2:
        return np.full(len(values), np.inf)
    order = np.argsort(units, kind="stable")
    sums = np.add.reduceat(values[:, order], np.searchsorted(units[order], np.arange(number)), axis=1)
    return np.asarray(number / (number - 1) * np.square(sums).sum(axis=1) / values.shape[1] ** 2)


def _chunks(
    trials: Iterable[NDArray[np.floating[Any]] | None], rows: NDArray[np.int64], truth: Truth, shape: tuple[int, ...]
) -> Iterator[NDArray[np.floating[Any]]]:
    """``[T, R, n, O]`` at a time: the tested rows of as many trials as fit :data:`CHUNK` numbers."""
    repeats, _, outputs = shape
    constant = np.broadcast_to(weighted.constant_output(truth), (repeats, len(rows), outputs))
    size = max(1, CHUNK // max(1, repeats * len(rows) * max(outputs, truth.classes)))
    held: list[NDArray[np.floating[Any]]] = []
    for trial in trials:
        if trial is not None and trial.shape != shape:
            raise ValueError(f"predictions of shape {trial.shape} beside {shape}")
        held.append(constant if trial is None else trial[:, rows])
        if len(held) == size:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)
