"""Metrics of many trials on many weighted samples of rows at once.

A bootstrap is a column of counts: ``weights[i, b]`` says how often row ``i`` stands in sample ``b``. Every metric
here is a function of such counts, so that 2,000 bootstraps of 128 trials are a few matrix products and not
256,000 calls. Only the area under the ROC curve goes trial by trial, over sorted rows.

A metric is either a mean of row scores (accuracy, log loss, Brier, MAE), a function of a few such means (balanced
accuracy, F1, RMSE, R²), or a statistic of ranks (ROC AUC). Its *influence values* are its derivative by the rows'
weights, the infinitesimal jackknife (Jaeckel 1972; Efron 1982, §6.3): ``metric + influence[i]`` are pseudo-values,
and the variance of the metric over samples of n rows is about their variance / n. For a mean of row scores they are
exactly the centred row scores, for the AUC those of DeLong et al. (1988).

Letters as in :mod:`sweep.records`, and B for samples. T counts the trials of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.records import TableInfo, Task

Floats = NDArray[np.float64]

# Probabilities are kept this far from 0 and 1 in log loss, as scikit-learn does for float64.
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Truth:
    """What predictions are compared with.

    Attributes:
        task: Binary, multiclass or regression.
        target: ``[n]`` class codes (int64), or the regression target in its own units (float64).
        classes: Number of classes; 0 for regression.
        mean: Added to regression predictions after scaling.
        scale: Units of the regression predictions.
    """

    task: Task
    target: NDArray[Any]
    classes: int
    mean: float
    scale: float

    @classmethod
    def of(cls, target: NDArray[Any], info: TableInfo) -> Truth:
        """Rows ``[n]`` of a table's target, with what the table says of it."""
        if info.task == "regression":
            return cls(info.task, target.astype(np.float64), 0, info.target_mean, info.target_scale)
        return cls(info.task, target.astype(np.int64), len(info.classes), 0.0, 1.0)


def scores(metric: str, outputs: NDArray[np.floating[Any]], truth: Truth, weights: NDArray[np.floating[Any]]) -> Floats:
    """The metric of every trial on every weighted sample.

    Args:
        metric: Name, as in ``metrics.metrics_for``.
        outputs: ``[T, R, n, O]`` on the link scale; NaN for a row untested in a repeat.
        truth: Of the same n rows.
        weights: ``[n, B]``, at least 0. AUC and F1 are computed in their precision: float32 halves the cost, and holds
            counts of rows exactly. The rest is computed in float64.

    Returns:
        ``[T, B]``; the mean over repeats. NaN where the metric is undefined on the sample: no rows, or for ROC AUC
        rows of one class only, for R² a constant target.
    """
    if metric == "roc_auc":
        return _each_trial(outputs, truth, lambda out: _auc(out, truth, weights))
    if metric == "f1":
        return _f1(outputs, truth, weights)
    rows = row_scores(metric, outputs, truth)
    if metric == "balanced_accuracy":
        return _balanced(rows, truth, weights)
    means = _ratio(rows @ weights, weights.sum(axis=0))
    if metric == "rmse":
        return np.sqrt(means)
    if metric == "r2":
        return 1.0 - _ratio(means, _weighted_variance(truth.target, weights))
    return means


def influence(metric: str, outputs: NDArray[np.floating[Any]], truth: Truth) -> Floats:
    """Influence values of the metric on all rows: what a row adds to it beyond the average row.

    Args:
        metric: Name.
        outputs: ``[T, R, n, O]`` on the link scale; NaN for a row untested in a repeat.
        truth: Of the same n rows.

    Returns:
        ``[T, n]``, mean 0 over the rows.
    """
    everything = np.ones((len(truth.target), 1))
    if metric == "roc_auc":
        return _each_trial(outputs, truth, lambda out: _auc_influence(out, truth))
    if metric == "f1":
        return _f1_influence(outputs, truth)
    rows = row_scores(metric, outputs, truth)
    if metric == "balanced_accuracy":
        return _balanced_influence(rows, truth)
    centred: Floats = rows - rows.mean(axis=1, keepdims=True)
    if metric == "rmse":
        # d sqrt(m) = dm / (2 sqrt(m)); a perfect trial has no spread either.
        return _ratio(centred, 2.0 * np.sqrt(rows.mean(axis=1, keepdims=True)), otherwise=0.0)
    if metric == "r2":
        variance = _weighted_variance(truth.target, everything)
        spread = np.square(truth.target - truth.target.mean()) - variance
        of_r2: Floats = (rows.mean(axis=1, keepdims=True) * spread / variance - centred) / variance
        return of_r2
    return centred


def row_scores(metric: str, outputs: NDArray[np.floating[Any]], truth: Truth) -> Floats:
    """Row scores whose mean over rows is the metric, or the part of it that is a mean.

    Correct or not (1 or 0) for accuracy and balanced accuracy, squared errors for RMSE and R².

    Args:
        metric: Name; not ``"roc_auc"`` or ``"f1"``, which have none.
        outputs: ``[T, R, n, O]`` on the link scale; NaN for a row untested in a repeat.
        truth: Of the same n rows.

    Returns:
        ``[T, n]``, averaged over the repeats that tested the row.
    """
    if truth.task == "regression":
        errors = outputs[..., 0] * truth.scale + truth.mean - truth.target
        each = np.abs(errors) if metric == "mae" else np.square(errors)
    elif metric in ("accuracy", "balanced_accuracy"):
        each = (predicted_classes(outputs, truth) == truth.target).astype(np.float64)
    elif metric == "log_loss":
        each = -np.log(np.clip(_true_class(probabilities(outputs, truth), truth), EPS, 1.0 - EPS))
    elif metric == "brier":
        each = _brier(probabilities(outputs, truth), truth)
    else:
        raise ValueError(f"no row scores for metric {metric!r}")
    return _over_repeats(each, tested(outputs))


def tested(outputs: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """``[T, R, n]``: whether the row was predicted in the repeat."""
    seen: NDArray[np.bool_] = ~np.isnan(outputs[..., 0])
    return seen


def predicted_classes(outputs: NDArray[np.floating[Any]], truth: Truth) -> NDArray[np.int64]:
    """``[T, R, n]`` class codes; meaningless where untested."""
    if truth.task == "binary":
        # Probability above one half, as scikit-learn's classifiers decide.
        return (outputs[..., 0] > 0).astype(np.int64)
    codes: NDArray[np.int64] = np.argmax(np.nan_to_num(outputs), axis=-1)
    return codes


def probabilities(outputs: NDArray[np.floating[Any]], truth: Truth) -> Floats:
    """``[T, R, n, classes]`` from logits (sigmoid for one output, softmax for several)."""
    logits = outputs.astype(np.float64)
    if truth.task == "binary":
        with np.errstate(over="ignore"):
            positive = 1.0 / (1.0 + np.exp(-logits))
            return np.concatenate([1.0 / (1.0 + np.exp(logits)), positive], axis=-1)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def constant_output(truth: Truth) -> NDArray[np.float32]:
    """``[1, n, O]``: always the class shares, or the mean; what a trial without predictions is scored as."""
    n = len(truth.target)
    if truth.task == "regression":
        return np.full((1, n, 1), (truth.target.mean() - truth.mean) / truth.scale, dtype=np.float32)
    shares = np.clip(np.bincount(truth.target, minlength=truth.classes) / n, EPS, 1.0)
    logits = np.log(shares)
    if truth.task == "binary":
        logits = logits[1:] - logits[:1]
    return np.broadcast_to(logits.astype(np.float32), (1, n, len(logits)))


def _ratio(numerator: Floats, denominator: Floats, otherwise: float = np.nan) -> Floats:
    """The quotient, or ``otherwise`` where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient: Floats = np.divide(numerator, denominator, out=np.full(shape, otherwise), where=denominator != 0)
    return quotient


def _over_repeats(each: Floats, seen: NDArray[np.bool_]) -> Floats:
    return _ratio(np.where(seen, each, 0.0).sum(axis=1), seen.sum(axis=1).astype(np.float64))


def _weighted_variance(target: Floats, weights: NDArray[np.floating[Any]]) -> Floats:
    """``[B]`` population variances, over centred values so that a large mean costs no digits."""
    centred = target - target.mean()
    total = weights.sum(axis=0)
    mean = _ratio(centred @ weights, total)
    # A constant sample leaves rounding noise, which is no variance.
    variance = _ratio(np.square(centred) @ weights, total) - np.square(mean)
    return np.where(variance > EPS * np.square(centred).max(), variance, 0.0)


def _true_class(shares: Floats, truth: Truth) -> Floats:
    index = np.broadcast_to(truth.target[:, None], (*shares.shape[:-1], 1))
    return np.take_along_axis(shares, index, axis=-1)[..., 0]


def _brier(shares: Floats, truth: Truth) -> Floats:
    """Squared distance to the truth: of the positive class for two classes, summed over classes for more."""
    distance = np.square(shares - np.eye(truth.classes)[truth.target])
    each: Floats = distance[..., 1] if truth.task == "binary" else distance.sum(axis=-1)
    return each


def _balanced(correct: Floats, truth: Truth, weights: NDArray[np.floating[Any]]) -> Floats:
    """Mean recall over the classes that stand in the sample."""
    recalls = np.full((truth.classes, len(correct), weights.shape[1]), np.nan)
    for code in range(truth.classes):
        of_class = truth.target == code
        recalls[code] = _ratio(correct[:, of_class] @ weights[of_class], weights[of_class].sum(axis=0))
    return nanmean(recalls)


def _balanced_influence(correct: Floats, truth: Truth) -> Floats:
    values = np.zeros_like(correct)
    present = np.unique(truth.target)
    for code in present:
        of_class = truth.target == code
        recall = correct[:, of_class].mean(axis=1, keepdims=True)
        values[:, of_class] = (correct[:, of_class] - recall) / (of_class.mean() * len(present))
    return values


def _f1(outputs: NDArray[np.floating[Any]], truth: Truth, weights: NDArray[np.floating[Any]]) -> Floats:
    """Mean over the classes that are true or predicted somewhere in the sample."""
    repeats = []
    for said, seen in _said(outputs, truth):
        each = []
        for code in range(truth.classes):
            is_said, is_true = (said == code) & seen, (truth.target == code) & seen
            of_class = truth.target == code
            hits = 2.0 * (is_said[:, of_class].astype(weights.dtype) @ weights[of_class])
            members = is_said.astype(weights.dtype) @ weights + is_true.astype(weights.dtype) @ weights
            each.append(_ratio(hits.astype(np.float64), members))
        repeats.append(nanmean(np.stack(each)))
    return nanmean(np.stack(repeats))


def _f1_influence(outputs: NDArray[np.floating[Any]], truth: Truth) -> Floats:
    trials, repeats, n = outputs.shape[:3]
    total = np.zeros((trials, n))
    for said, seen in _said(outputs, truth):
        values, present = np.zeros((trials, n)), np.zeros((trials, 1))
        for code in range(truth.classes):
            is_said, is_true = (said == code) & seen, (truth.target == code) & seen
            hits, members = 2.0 * (is_said & is_true), is_said.astype(np.float64) + is_true
            size = members.sum(axis=1, keepdims=True)
            score = _ratio(hits.sum(axis=1, keepdims=True), size, otherwise=0.0)
            values += _ratio(hits - score * members, size, otherwise=0.0) * n
            present += size > 0
        total += _ratio(values, present, otherwise=0.0) / repeats
    return total


def _said(outputs: NDArray[np.floating[Any]], truth: Truth) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Of every repeat the predicted classes ``[T, n]``, and ``[1, n]`` which rows it tested: the same of all trials."""
    for repeat in range(outputs.shape[1]):
        part = outputs[:, [repeat]]
        yield predicted_classes(part, truth)[:, 0], tested(part[:1])[:, 0]


def _each_trial(outputs: NDArray[np.floating[Any]], truth: Truth, of_trial: Any) -> Floats:
    shares = probabilities(outputs, truth) if truth.task == "multiclass" else outputs
    return np.stack([of_trial(one) for one in shares])


def one_against_rest(out: NDArray[np.floating[Any]], truth: Truth) -> list[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """Ranking scores ``[n]`` and membership ``[n]`` of each class; for two classes only the positive one."""
    if truth.task == "binary":
        return [(out[:, 0], truth.target == 1)]
    return [(out[:, code], truth.target == code) for code in range(truth.classes)]


def _auc(out: NDArray[np.floating[Any]], truth: Truth, weights: NDArray[np.floating[Any]]) -> Floats:
    """``[B]`` for one trial's ``[R, n, O]``: mean over repeats of the mean over classes (one against the rest)."""
    repeats = []
    for one in out:
        seen = ~np.isnan(one[:, 0])
        pairs = one_against_rest(one, truth)
        repeats.append(np.mean([_auc_of_class(ranks, m & seen, ~m & seen, weights) for ranks, m in pairs], axis=0))
    return np.asarray(np.mean(repeats, axis=0))


def _auc_of_class(
    ranking: NDArray[Any], member: NDArray[np.bool_], other: NDArray[np.bool_], weights: NDArray[np.floating[Any]]
) -> Floats:
    """Chance that a member ranks above another row, half a point for a tie, in each weighted sample."""
    # Summing up one side costs ten times what looking up the other one does: the smaller one is summed up.
    if member.sum() < other.sum():
        return 1.0 - _chance_above(ranking, np.flatnonzero(other), np.flatnonzero(member), weights)
    return _chance_above(ranking, np.flatnonzero(member), np.flatnonzero(other), weights)


def _chance_above(
    ranking: NDArray[Any], upper: NDArray[np.int64], lower: NDArray[np.int64], weights: NDArray[np.floating[Any]]
) -> Floats:
    """``[B]``: chance that one of the rows ``upper`` ranks above one of the rows ``lower``."""
    lower = lower[np.argsort(ranking[lower])]
    below = np.zeros((len(lower) + 1, weights.shape[1]), weights.dtype)
    np.cumsum(weights[lower], axis=0, out=below[1:])
    left = np.searchsorted(ranking[lower], ranking[upper], side="left")
    right = np.searchsorted(ranking[lower], ranking[upper], side="right")
    inside = weights[upper]
    wins = np.einsum("ib,ib->b", inside, below[left])
    ties = np.flatnonzero(left < right)
    if len(ties):
        wins = wins + np.einsum("ib,ib->b", inside[ties], below[right[ties]] - below[left[ties]]) / 2.0
    pairs = inside.sum(axis=0, dtype=np.float64) * below[-1]
    return _ratio(wins.astype(np.float64), pairs)


def _auc_influence(out: NDArray[np.floating[Any]], truth: Truth) -> Floats:
    """``[n]`` for one trial's ``[R, n, O]``: DeLong's placements, scaled to the mean over all rows."""
    n = out.shape[1]
    total = np.zeros(n)
    for one in out:
        seen = ~np.isnan(one[:, 0])
        pairs = one_against_rest(one, truth)
        for ranking, member in pairs:
            total[seen] += _placement_influence(ranking[seen], member[seen]) * n / (seen.sum() * len(pairs) * len(out))
    return total


def placements(ranking: NDArray[Any], member: NDArray[np.bool_]) -> Floats:
    """Share of the other side that each row ``[n]`` is on the right side of, ties by half; no side may be empty.

    Of members the share of non-members below, of non-members the share of members above (DeLong et al. 1988). The
    mean over either side is the area under the ROC curve.
    """
    placed = np.empty(len(ranking))
    placed[member] = _share_below(ranking[member], ranking[~member])
    placed[~member] = 1.0 - _share_below(ranking[~member], ranking[member])
    return placed


def _placement_influence(ranking: NDArray[Any], member: NDArray[np.bool_]) -> Floats:
    """Influence ``[n]`` of each row on the chance that a member ranks above a non-member; 0 if a side is empty."""
    if member.all() or not member.any():
        return np.zeros(len(ranking))
    placed = placements(ranking, member)
    scaled: Floats = (placed - placed[member].mean()) / np.where(member, member.mean(), 1.0 - member.mean())
    return scaled


def _share_below(values: NDArray[Any], among: NDArray[Any]) -> Floats:
    """For each value the share of ``among`` below it, ties by half."""
    ordered = np.sort(among)
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return np.asarray((left + right) / (2.0 * len(ordered)))


def nanmean(stacked: Floats) -> Floats:
    """Mean over the first axis of what is defined there, NaN where nothing is."""
    defined = ~np.isnan(stacked)
    return _ratio(np.where(defined, stacked, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))
