"""The honest score: what the best configuration of a sweep is worth, corrected for having been chosen as the best.

BBC-CV (Tsamardinos, Greasidou & Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation"): draw the table's rows with replacement, choose the best candidate on the rows drawn, score
it on the rows left out, and average over many draws. It needs the out-of-fold predictions of *all* candidates and
trains nothing. A candidate is whatever was chosen among: with ``stop = "best"`` a trial at one of its checkpoints, as
the epoch is chosen too; with ``stop = "last"`` a trial. Pruned trials are among them.

What a draw adds to the value is not the winner's score on the rows left out, but how far that lies from the winner's
mean over all draws, plus the winner's own score as the sweep shows it::

    value = mean over draws b of  out[w_b, b] - mean over b' of out[w_b, b'] + own[w_b]

The rows left out are fewer than all rows, and the sweep's own scores are means over folds: for metrics that are no mean
over rows (RMSE, R², F1, balanced accuracy, ROC AUC), and for groups of rows drawn whole, that alone makes a difference
although nothing was chosen. With one candidate the value is its own score exactly; with several, what is left between
raw and honest score is the choosing.

The interval is ours: ``value ± 1.96 · sqrt(c · v / n)`` with the winner's row-score variance ``v`` averaged over the
draws and ``c = k / (k - 1)`` for k folds, since the k networks of a trial share most of their training rows. In
simulated sweeps it covers 94 to 95 %; the paper's percentile interval covers 97.5 to 100 % and is wider. Where no row
differs from another (all of them right) the variance says nothing, and the interval is ``± 3 / n``: the rule of three.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sweep.analysis import weighted
from sweep.analysis.race import Race
from sweep.analysis.weighted import Floats, Truth
from sweep.metrics import METRICS, bounds
from sweep.records import HonestScore, TableInfo

# Draws for tables of up to FULL_ROWS rows. The Monte-Carlo error of the value is about 0.15 points of accuracy at 100
# rows and 0.08 at 300, and falls as 1 / sqrt(rows x draws): beyond FULL_ROWS the product is kept instead. With 50 draws
# it is about a tenth of the interval's half-width.
DRAWS = 2000
FULL_ROWS = 2000
MIN_DRAWS = 50

Z = 1.959964  # 97.5 % point of the normal distribution

# Numbers of a chunk of candidates worked on at once: 16 MB as float64, and a few times that on the way.
CHUNK = 2_000_000

# Standard errors below this, in the score's unit, are rounding.
NO_ERROR = 1e-12

# Candidates: predictions, scores, whether complete, places of their trials.
_Chunk = tuple[NDArray[np.floating[Any]], Floats, NDArray[np.bool_], NDArray[np.int64]]

# Metrics in which each class counts alike, however few its rows.
BY_CLASS = frozenset({"balanced_accuracy", "f1", "roc_auc"})


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A finished trial, with P the checkpoints it is known at.

    Attributes:
        outputs: ``[P, R, n, O]`` predictions out of fold, on the link scale: logits, or units of ``info.target_scale``
            around ``info.target_mean`` for regression; NaN for a row untested in a repeat. ``None`` without any (it
            failed): scored as the constant prediction.
        scores: ``[P]`` means over folds, as the sweep has them; NaN or ``None`` where unknown: those over all rows at
            once count.
        reached: How many checkpoints it was trained up to; ``None`` for all.
        complete: Whether it was trained to its end, so that it may be the best of the sweep.
    """

    outputs: NDArray[np.floating[Any]] | None
    scores: ArrayLike | None = None
    reached: int | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """What the draws say.

    Attributes:
        score: The honest score.
        winners: Place of the winning trial on each draw, in the order they came, from 0; without draws on which the
            metric is undefined.
    """

    score: HonestScore
    winners: NDArray[np.int64]


def overlap_factor(folds: int) -> float:
    """``c = k / (k - 1)``: by how much the variance of a k-fold score exceeds that of independent rows.

    The limit of Nadeau & Bengio's (2003) factor for many repeats without noise from seeds. In simulations ``c = 1``
    is too narrow for small tables.
    """
    return folds / (folds - 1)


def draws_for(rows: int, metric: str = "accuracy", classes: int = 2) -> int:
    """Number of bootstrap draws: the fewer, the more rows there are and the dearer the metric is.

    A mean over rows is one matrix product, F1 one for each class. The area under the ROC curve, which sorts, costs as
    much as ten of them, and more with more classes.
    """
    cost = {"roc_auc": 10 + classes, "f1": max(1, classes)}.get(metric, 1)
    return min(DRAWS, max(MIN_DRAWS, DRAWS * FULL_ROWS // (rows * cost)))


def resample(
    trials: Iterable[Trial],
    target: NDArray[Any],
    info: TableInfo,
    *,
    metric: str,
    folds: int,
    groups: NDArray[np.int64] | None = None,
    checkpoints: int = 1,
    draws: int | None = None,
    seed: int = 0,
) -> Resampled | None:
    """BBC-CV over all trials of a sweep, each at all of its checkpoints that could have been chosen.

    Pruned trials are candidates too, at the checkpoints they reached. Left out they would make the value too good, by
    up to 2 points in simulated sweeps: they were not chosen, and that was a choice.

    Args:
        trials: Every finished trial. Read once, a chunk at a time.
        target: ``[n]`` class codes, or the regression target in its own units.
        info: Of the table.
        metric: Name of the metric the sweep chooses by.
        folds: k, at least 2.
        groups: ``[n]`` group of each row, if rows of a group belong together: groups are drawn, and the interval is
            that of groups.
        checkpoints: Among how many a trial's epoch was chosen. Where a trial is known at fewer, the result says that
            the choice of the epoch is not corrected for.
        draws: Number of bootstraps; by default :func:`draws_for` the rows and the metric.
        seed: Of the draws and of random choices among tied candidates.

    Returns:
        Score and winners, or ``None`` where there are none: no trial with predictions, no tested rows, or a metric that
        is undefined on every draw (ROC AUC when only one group holds a class).

    Raises:
        ValueError: The predictions of two trials have not the same shape, or there are not P scores.
    """
    coming = iter(trials)
    failed, first = _first(coming)
    if first is None or first.outputs is None:
        return None
    rows = np.flatnonzero(weighted.tested(first.outputs).any(axis=(0, 1)))
    if not len(rows):
        return None
    truth = Truth.of(target[rows], info)
    units = np.arange(len(rows)) if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    counts = _draw(units, draws or draws_for(len(rows), metric, truth.classes), rng)
    # Counts of rows are exact as float32, at half the cost.
    precision: type[np.floating[Any]] = np.float32 if metric in ("roc_auc", "f1") else np.float64
    drawn = np.hstack([counts, np.ones((len(rows), 1))]).astype(precision)  # and, last, all rows
    left_out = (counts == 0).astype(precision)

    race = Race(counts.shape[1], rng)
    sign = 1.0 if METRICS[metric].maximize else -1.0
    seen = _Seen(checkpoints)
    every = seen.each(chain(failed, [first], coming))
    raw = _Raw()
    for chunk, own, complete, places in _chunks(every, first.outputs.shape[1:], rows, truth, counts.shape[1]):
        inside = weighted.scores(metric, chunk, truth, drawn)
        inside, whole = inside[:, :-1], inside[:, -1]
        raw.see(sign * own, sign * whole, complete)
        won, by = race.run(sign * inside)
        if not len(won):
            continue
        race.leaders[won] = places[by]
        # What the rows left out say is only needed of candidates that lead on some draw.
        leaders, place = np.unique(by, return_inverse=True)
        outside = weighted.scores(metric, chunk[leaders], truth, left_out)
        outside[np.isnan(inside[leaders])] = np.nan
        level = np.where(np.isnan(own), whole, own)[leaders] - weighted.nanmean(outside.T)
        race.values[won] = outside[place, won] + level[place]
        race.variances[won] = _variance_of_mean(weighted.influence(metric, chunk[leaders], truth), units)[place]
    usable = ~np.isnan(race.values)
    if not usable.any():
        return None
    value = float(race.values[usable].mean())
    error = float(np.sqrt(race.variances[usable].mean() * overlap_factor(folds)))
    half, unit = Z * error, _unit(metric, info)
    if error <= NO_ERROR * unit:
        half = 3.0 * unit / _size(metric, truth, units)
    lowest, highest = bounds(metric, info.task)
    score = HonestScore(
        value=min(max(value, lowest), highest),
        low=max(value - half, lowest),
        high=min(value + half, highest),
        raw=sign * raw.best,
        trials=seen.trials,
        checkpoints=checkpoints,
        corrects_epoch=seen.whole,
    )
    return Resampled(score, race.leaders[usable])


def honest_score(trials: Iterable[Trial], target: NDArray[Any], info: TableInfo, **settings: Any) -> HonestScore | None:
    """The score alone: arguments and errors are those of :func:`resample`."""
    found = resample(trials, target, info, **settings)
    return None if found is None else found.score


class _Raw:
    """The best score as the sweep reads it, higher is better: of complete trials, and of all as long as none is."""

    def __init__(self) -> None:
        self._best = np.full(4, -np.inf)

    def see(self, own: Floats, whole: Floats, complete: NDArray[np.bool_]) -> None:
        """Candidates' scores, ``[T]``: the sweep's own, those over all rows at once, and who is complete."""
        groups = own[complete], whole[complete], own, whole
        self._best = np.fmax(self._best, [np.fmax.reduce(scores, initial=-np.inf) for scores in groups])

    @property
    def best(self) -> float:
        """The first that is known: own scores before others, complete trials before all."""
        known = self._best[np.isfinite(self._best)]
        return float(known[0]) if len(known) else -np.inf


class _Seen:
    """Counts the trials that go by.

    Attributes:
        trials: How many.
        whole: Whether all that have predictions have them for all checkpoints they reached.
    """

    def __init__(self, checkpoints: int) -> None:
        self._checkpoints = checkpoints
        self.trials = 0
        self.whole = True

    def each(self, trials: Iterable[Trial]) -> Iterator[Trial]:
        """The same trials."""
        for trial in trials:
            self.trials += 1
            reached = self._checkpoints if trial.reached is None else min(trial.reached, self._checkpoints)
            self.whole &= trial.outputs is None or len(trial.outputs) == reached
            yield trial


def _first(trials: Iterator[Trial]) -> tuple[list[Trial], Trial | None]:
    """The trials without predictions that come first, and the first that has some (``None`` if there is none)."""
    failed: list[Trial] = []
    for trial in trials:
        if trial.outputs is not None:
            return failed, trial
        failed.append(trial)
    return failed, None


def _unit(metric: str, info: TableInfo) -> float:
    """What counts as one: the target's standard deviation for its errors."""
    return info.target_scale if metric in ("rmse", "mae") else 1.0


def _size(metric: str, truth: Truth, units: NDArray[np.int64]) -> int:
    """Number of rows, or groups, that a score rests on; where each class counts alike, those of the smallest class."""
    if metric not in BY_CLASS:
        return int(units.max()) + 1
    return min(len(np.unique(units[truth.target == code])) for code in np.unique(truth.target))


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
    trials: Iterable[Trial], shape: tuple[int, ...], rows: NDArray[np.int64], truth: Truth, draws: int
) -> Iterator[_Chunk]:
    """Candidates, as many at a time as fit :data:`CHUNK` numbers.

    Args:
        trials: Of the sweep.
        shape: ``(R, n, O)`` of their predictions at one checkpoint.
        rows: The tested ones.
        truth: Of these.
        draws: B: a chunk's scores are limited too.

    Yields:
        Predictions of the tested rows, ``[T, R, n, O]``; scores, ``[T]``, NaN where unknown; whether each is of a
        complete trial, ``[T]``; and the place of its trial, ``[T]``.
    """
    constant = np.broadcast_to(weighted.constant_output(truth), (1, shape[0], len(rows), shape[2]))
    size = max(1, CHUNK // max(shape[0] * len(rows) * max(shape[2], truth.classes), draws))
    waiting: list[tuple[NDArray[np.floating[Any]], float, bool, int]] = []
    for place, trial in enumerate(trials):
        predicted, own = trial.outputs, trial.scores
        if predicted is not None and predicted.shape[1:] != shape:
            raise ValueError(f"predictions of shape {predicted.shape[1:]} beside {shape}")
        each = constant if predicted is None else predicted[:, :, rows]
        known = np.full(len(each), np.nan) if own is None else np.atleast_1d(np.asarray(own, dtype=np.float64))
        for output, score in zip(each, known, strict=True):
            waiting.append((output, float(score), trial.complete, place))
            if len(waiting) == size:
                yield _stacked(waiting)
                waiting = []
    if waiting:
        yield _stacked(waiting)


def _stacked(candidates: Sequence[tuple[NDArray[np.floating[Any]], float, bool, int]]) -> _Chunk:
    outputs, scores, complete, places = zip(*candidates, strict=True)
    return np.stack(outputs), np.array(scores), np.array(complete), np.array(places)
