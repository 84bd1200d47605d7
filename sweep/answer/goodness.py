"""From predictions to row scores: what every metric's comparison of configurations rests on.

Goodness is a number per row, higher is better. Its mean over the rows is the metric, or stands for it:

=====================  ===========================================================================================
metric                 goodness of row i
=====================  ===========================================================================================
``accuracy``           1 if correct, else 0
``balanced_accuracy``  the same times n / (C · rows of its class), C the classes that occur
``log_loss``           minus its loss; so ``brier`` and ``mae``
``rmse``               minus its squared error: compared is the MSE, see :func:`unit_factor`
``r2``                 minus its squared error / var(y): the mean is R² - 1, and differences are those of R²
``roc_auc``, ``f1``    jackknife pseudo-value (Quenouille 1956; Tukey 1958) of the score of a repeat
=====================  ===========================================================================================

The score θ of a repeat is the mean over its folds of the metric on the fold's test rows. Its pseudo-values are
n·θ - (n-1)·θ(-i), θ(-i) the same without row i, here in closed form and not by n deletions; then shifted so that
their mean is θ exactly (that of the AUC is already, that of F1 nearly). Deletion overstates the spread in small
folds: of the AUC, where a fold tests m rows of a class, by m/(m-1). All other metrics are pooled over the folds of a
repeat: a row counts the same in whichever fold it was tested.

C stands for configurations in shapes, k for folds; the other letters as in :mod:`sweep.records`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.analysis import weighted
from sweep.analysis.weighted import Truth
from sweep.metrics import METRICS, bounds, mean_over_splits

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Goodness:
    """Row scores of several configurations on the same folds.

    Attributes:
        values: ``[C, R, n]``, higher is better; NaN where a row was untested in a repeat, all NaN if not ``exact``.
        constant: ``[n]``, those of the constant prediction of the same n rows: the majority class; class shares for
            log loss and Brier; the mean. 0.5 for ROC AUC. For F1 their mean over the repeats. NaN where a row was
            never tested, all NaN if not ``exact``.
        unit: Size of a row's step in the metric's units (not those of ``values``, for RMSE), for the rule of three:
            configurations that agree on all n rows may differ by 3 · unit / n. The largest step where there is one;
            where loss is unbounded, that between a perfect and the constant prediction: the target's scale, or of log
            loss that of the rarest class.
        exact: Whether the metric has row scores here. If not, what is left is a test on fold scores.
    """

    values: Floats
    constant: Floats
    unit: float
    exact: bool


def goodness(metric: str, outputs: NDArray[np.float32], truth: Truth, fold_of: NDArray[np.int64]) -> Goodness:
    """Row scores of C configurations.

    There are none for ROC AUC where a fold tests fewer than two rows of a class, for F1 where it tests one row alone,
    for R² where the target is constant.

    Args:
        metric: Name, one of ``metrics.METRICS``, of the truth's task.
        outputs: ``[C, R, n, O]`` on the link scale, finite wherever a row was tested.
        truth: Of the same n rows.
        fold_of: ``[R, n]``, in which fold a row was tested in each repeat; -1 for untested (time series).

    Raises:
        ValueError: An output of a tested row is not finite.
    """
    tested = fold_of >= 0
    ever = np.asarray(tested.any(axis=0))
    values = np.full(outputs.shape[:3], np.nan)
    unit = _unit(metric, truth, ever)
    constant = np.full(fold_of.shape, np.nan)
    if not _possible(metric, truth, fold_of):
        return Goodness(values, constant[0], unit, exact=False)
    factors = _factors(metric, truth, ever)
    prediction = weighted.constant_output(truth)[0]
    for repeat, seen in enumerate(tested):
        there = replace(truth, target=truth.target[seen])
        folds = np.unique(fold_of[repeat, seen], return_inverse=True)[1]
        # One block of rows at a time: memory does not grow with configurations or repeats.
        for number, output in enumerate(outputs[:, repeat]):
            rows = output[seen]
            if not np.isfinite(rows).all():
                raise ValueError(f"outputs of tested rows must be finite (configuration {number}, repeat {repeat})")
            values[number, repeat, seen] = _rows(metric, rows, there, folds, factors[seen])
        constant[repeat, seen] = _rows(metric, prediction[seen], there, folds, factors[seen])
    return Goodness(values, weighted.nanmean(constant), unit, exact=True)


def unit_factor(metric: str, mean_x: float, mean_y: float) -> float:
    """What a difference of mean goodness is multiplied by to be in the metric's units.

    1 but for RMSE, where mean goodness is -MSE: RMSE_y - RMSE_x = (MSE_y - MSE_x) / (RMSE_x + RMSE_y), exactly. Two
    perfect predictions differ by 0 whatever the factor, which is 1 then.

    Args:
        metric: Name.
        mean_x: Mean goodness of the one configuration.
        mean_y: Of the other.
    """
    if metric != "rmse":
        return 1.0
    total = math.sqrt(-mean_x) + math.sqrt(-mean_y)
    return 1.0 / total if total > 0 else 1.0


def fold_scores(metric: str, scores: NDArray[np.float64], names: Sequence[str]) -> float:
    """The score shown for a configuration, in the metric's own direction and units.

    Args:
        metric: Name.
        scores: ``[R, k, Q]`` of its test folds; NaN where a metric is undefined.
        names: The Q metrics.

    Returns:
        The mean over the repeats of ``metrics.mean_over_splits``.
    """
    return float(np.mean([mean_over_splits(metric, one) for one in scores[..., names.index(metric)]]))


def rope_of(metric: str, constant_score: float) -> float:
    """Half-width of the region of practical equivalence, in the metric's units, at least 0.

    Args:
        metric: Name.
        constant_score: Of the constant prediction.

    Returns:
        0.01 for metrics that are 1 at best; for losses 1 % of the constant prediction's.
    """
    return 0.01 if METRICS[metric].maximize else 0.01 * constant_score


def constant_score(metric: str, truth: Truth) -> float:
    """The metric of the constant prediction on all rows; where undefined, what the metric's record says of it."""
    everything = np.ones((len(truth.target), 1))
    score = float(weighted.scores(metric, weighted.constant_output(truth)[None], truth, everything)[0, 0])
    return METRICS[metric].constant if math.isnan(score) else score


# --- which metrics have rows, and how much one counts -----------------------------------------------------------------


def _possible(metric: str, truth: Truth, fold_of: NDArray[np.int64]) -> bool:
    """Whether row scores exist: of a statistic of several rows, whether each row can be taken out of its fold."""
    if metric == "r2":
        target = truth.target[(fold_of >= 0).any(axis=0)]
        return bool((target != target[0]).any())
    if metric not in ("roc_auc", "f1"):
        return True
    for folds in fold_of:
        counts = np.zeros((folds.max() + 1, truth.classes), np.int64)
        np.add.at(counts, (folds[folds >= 0], truth.target[folds >= 0]), 1)
        used = counts[counts.any(axis=1)]
        if (used if metric == "roc_auc" else used.sum(axis=1)).min() < 2:
            return False
    return True


def _class_sizes(truth: Truth, ever: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``[classes]``: tested rows of each class."""
    return np.asarray(np.bincount(truth.target[ever], minlength=truth.classes))


def _factors(metric: str, truth: Truth, ever: NDArray[np.bool_]) -> Floats:
    """``[n]``: what ``weighted.row_scores`` is multiplied by. Counts are those of rows tested in any repeat."""
    if metric == "balanced_accuracy":
        sizes = _class_sizes(truth, ever)
        # A class without tested rows has none to weigh.
        of_class = ever.sum() / (np.count_nonzero(sizes) * np.maximum(sizes, 1))
        return np.asarray(of_class[truth.target])
    if metric == "r2":
        return np.full(len(ever), -1.0 / truth.target[ever].var())
    return np.full(len(ever), 1.0 if METRICS[metric].maximize else -1.0)


def _unit(metric: str, truth: Truth, ever: NDArray[np.bool_]) -> float:
    if metric in ("rmse", "mae"):
        return truth.scale
    if metric in ("accuracy", "r2"):
        return 1.0
    if metric == "brier":
        return bounds(metric, truth.task)[1]
    sizes = _class_sizes(truth, ever)
    rarest = float(sizes[sizes > 0].min() / ever.sum())
    if metric == "log_loss":
        return -math.log(rarest)
    if metric == "roc_auc":
        # A row passes all others: of its own class against the rest, and of the rest in every other class's area.
        shares = sizes / ever.sum()
        if truth.task == "binary":
            return 1.0 / rarest
        others = np.delete(shares, np.flatnonzero(shares == rarest)[0])
        return float((1.0 / rarest + (1.0 / (1.0 - others)).sum()) / truth.classes)
    # Recall of the rarest class; F1 moves no more while a class is predicted as often as it occurs.
    return 1.0 / (np.count_nonzero(sizes) * rarest)


# --- one configuration in one repeat ----------------------------------------------------------------------------------


def _rows(metric: str, output: NDArray[np.float32], truth: Truth, folds: NDArray[np.int64], factors: Floats) -> Floats:
    """Goodness ``[n]`` of tested rows: outputs ``[n, O]``, folds ``[n]`` from 0 on without a gap, factors ``[n]``."""
    if metric == "roc_auc":
        return _auc(output, truth, folds)
    if metric == "f1":
        return _f1(output, truth, folds)
    return np.asarray(weighted.row_scores(metric, output[None, None], truth)[0] * factors)


def _pseudo_values(of_fold: Floats, without: Floats, folds: NDArray[np.int64]) -> Floats:
    """Of the mean over folds.

    Args:
        of_fold: ``[k]``, the statistic of each fold.
        without: ``[n]``, that of its fold without the row.
        folds: ``[n]``, the row's.
    """
    values = (len(folds) - 1) * (of_fold[folds] - without) / len(of_fold)
    return np.asarray(values - values.mean() + of_fold.mean())


def _auc(output: NDArray[np.float32], truth: Truth, folds: NDArray[np.int64]) -> Floats:
    """Without a member the area is that of the other members: the mean of their placements (see ``weighted``)."""
    ranking = output if truth.task == "binary" else weighted.probabilities(output[None, None], truth)[0, 0]
    areas, without = [], np.zeros(len(folds))
    for fold in range(folds.max() + 1):
        here = np.flatnonzero(folds == fold)
        pairs = weighted.one_against_rest(ranking[here], replace(truth, target=truth.target[here]))
        of_class = []
        for scores, member in pairs:
            placed = weighted.placements(scores, member)
            area, members = placed[member].mean(), member.sum()
            side = np.where(member, members, len(here) - members)
            without[here] += (side * area - placed) / (side - 1) / len(pairs)
            of_class.append(area)
        areas.append(np.mean(of_class))
    return _pseudo_values(np.array(areas), without, folds)


def _f1(output: NDArray[np.float32], truth: Truth, folds: NDArray[np.int64]) -> Floats:
    """A row stands in the F1 of two classes, its own and the predicted one, or in one alone if they are the same."""
    number, classes = int(folds.max()) + 1, truth.classes
    own = folds * classes + truth.target
    said = folds * classes + weighted.predicted_classes(output[None, None], truth)[0, 0]
    hit = own == said
    size = number * classes
    hits = np.bincount(own[hit], minlength=size)
    members = np.bincount(own, minlength=size) + np.bincount(said, minlength=size)
    f1 = _f1_of(hits, members)
    total = f1.reshape(number, classes).sum(axis=1)
    occur = np.count_nonzero(members.reshape(number, classes), axis=1)  # classes that are true or predicted

    left, left_said = members[own] - 1 - hit, members[said] - 1
    change = _f1_of(hits[own] - hit, left) - f1[own]
    change_said = np.where(hit, 0.0, _f1_of(hits[said], left_said) - f1[said])
    gone = (left == 0).astype(np.int64) + (~hit & (left_said == 0))
    without = (total[folds] + change + change_said) / (occur[folds] - gone)
    return _pseudo_values(total / occur, without, folds)


def _f1_of(hits: NDArray[Any], members: NDArray[Any]) -> Floats:
    """2 TP / (2 TP + FP + FN), ``members`` being the denominator; 0 for a class that does not occur."""
    return np.asarray(2 * hits / np.maximum(members, 1))
