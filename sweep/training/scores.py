"""Metrics of many members at once, in torch; held equal to the numpy versions in ``metrics.py``.

All sums are in float64. Rows are padded to multiples of 16 with weight 0, since vectorised exponentials round
differently in a buffer's tail and a trial's score must not depend on its neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sweep.records import Task, padded

_EPS = torch.finfo(torch.float64).eps
# Classes are ranked as many at a time as this holds; a score takes 80 bytes while it is ranked.
_RANKING_BYTES = 1 << 25


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that all members of a call are scored on.

    Attributes:
        index: ``[N]`` int64, N a multiple of 16; pad places repeat row 0.
        weight: ``[N]`` float64: 1, and 0 at pad places.
        target: ``[N]``: float64 for regression, in the target's units; class codes int64 otherwise.
        classes: Number of classes; 0 for regression.
    """

    index: Tensor
    weight: Tensor
    target: Tensor
    classes: int

    @classmethod
    def of(cls, rows: Tensor, target: Tensor, classes: int) -> Rows:
        """Rows of a table.

        Args:
            rows: Positions, ``[k]`` int64, k at least 1.
            target: Of the whole table, ``[n]``: class codes int64, or float64.
            classes: Number of classes; 0 for regression.
        """
        index = torch.zeros(padded(len(rows)), dtype=torch.int64, device=rows.device)
        index[: len(rows)] = rows
        weight = torch.zeros(len(index), dtype=torch.float64, device=rows.device)
        weight[: len(rows)] = 1.0
        return cls(index, weight, target[index], classes)


def score_members(task: Task, output: Tensor, rows: Rows) -> Tensor:
    """Every metric of the task, in the order of ``metrics.metrics_for(task)``, for T members.

    Shape:
        output: ``[T, N, O]``, the members' outputs for ``rows``: float32 logits of a classifier; float64
            predictions in the target's units for regression. Result: ``[T, Q]`` float64, NaN where a metric
            is undefined.
    """
    match task:
        case "regression":
            return _regression(output[..., 0].double(), rows)
        case "binary":
            logit = output[..., 0].double()
            positive = torch.nn.functional.logsigmoid(logit)
            negative = torch.nn.functional.logsigmoid(-logit)
            log_p = torch.stack([negative, positive], -1)
            return _classification((logit > 0).long(), log_p, logit[..., None], rows)
        case "multiclass":
            log_p = torch.log_softmax(output.double(), -1)
            return _classification(output.argmax(-1), log_p, log_p, rows)


def _regression(predicted: Tensor, rows: Rows) -> Tensor:
    """RMSE, MAE, R2. Shape: ``[T, N]`` -> ``[T, 3]``."""
    count = rows.weight.sum()
    error = (predicted - rows.target) * rows.weight
    sse = error.square().sum(-1)
    mean = (rows.target * rows.weight).sum() / count
    total = ((rows.target - mean).square() * rows.weight).sum()
    # As in scikit-learn, R2 of a constant target is 1 for a perfect prediction and 0 otherwise.
    constant = torch.where(sse == 0, 1.0, 0.0)
    r2 = torch.where(total > 0, 1.0 - sse / total, constant) if count >= 2 else torch.full_like(sse, math.nan)
    return torch.stack([(sse / count).sqrt(), error.abs().sum(-1) / count, r2], -1)


def _classification(predicted: Tensor, log_p: Tensor, ranking: Tensor, rows: Rows) -> Tensor:
    """Accuracy, balanced accuracy, ROC AUC, log loss, F1 (macro), Brier.

    Shape:
        predicted: ``[T, N]`` int64. log_p: ``[T, N, classes]`` float64, overwritten. ranking:
        ``[T, N, 1 or classes]``, what ROC AUC ranks by. Result: ``[T, 6]``.
    """
    # Of what is as large as the outputs, only log_p is held at a time: a worker's memory is made here.
    count = rows.weight.sum()
    hits = (predicted == rows.target) * rows.weight
    none = torch.zeros(len(predicted), rows.classes, dtype=torch.float64, device=predicted.device)
    right = none.scatter_add(1, predicted, hits)  # [T, classes], as the two below: whole numbers, so any order will do
    claimed = none.scatter_add(1, predicted, rows.weight.expand_as(hits))
    actual = none.scatter_add(1, rows.target.expand_as(predicted), rows.weight.expand_as(hits))

    accuracy = hits.sum(-1) / count
    balanced = _mean_where(right / actual, actual > 0)
    f1 = _mean_where(2 * right / (actual + claimed), actual + claimed > 0)
    auc = _roc_auc(ranking, rows)
    truth = rows.target.expand_as(predicted)[..., None]
    likelihood = log_p.gather(-1, truth)[..., 0].clamp(math.log(_EPS), math.log1p(-_EPS))
    log_loss = -(likelihood * rows.weight).sum(-1) / count
    squares = log_p.exp_().scatter_add_(-1, truth, torch.full_like(truth, -1, dtype=torch.float64)).square_()
    # scikit-learn halves the two-class sum, which makes it the mean of (p - y)^2.
    brier = (squares.sum(-1) * rows.weight).sum(-1) / count / (2 if rows.classes == 2 else 1)
    return torch.stack([accuracy, balanced, auc, log_loss, f1, brier], -1)


def _mean_where(values: Tensor, defined: Tensor) -> Tensor:
    """Mean over the last axis of the entries where ``defined``."""
    return torch.where(defined, values, 0.0).sum(-1) / defined.sum(-1)


def _roc_auc(ranking: Tensor, rows: Rows) -> Tensor:
    """Area under the ROC curve; for more than two classes the mean of one against the rest.

    It is the share of (positive, negative) pairs that are ranked rightly, ties counting half
    (Hanley & McNeil 1982). NaN unless every class occurs.

    Shape:
        ranking: ``[T, N, 1]`` (binary) or ``[T, N, classes]``. Result: ``[T]``.
    """
    members, size, groups = ranking.shape
    positives = torch.arange(rows.classes, device=ranking.device)[-groups:]  # the class that each column ranks
    at_once = max(1, _RANKING_BYTES // (80 * members * size))
    parts = zip(torch.split(ranking, at_once, -1), torch.split(positives, at_once), strict=True)
    return torch.cat([_ranked_rightly(part.mT.contiguous(), codes, rows) for part, codes in parts], -1).mean(-1)


def _ranked_rightly(score: Tensor, codes: Tensor, rows: Rows) -> Tensor:
    """Share of the pairs. Shape: ``[T, G, N]``, the class codes ``[G]`` -> ``[T, G]``."""
    positive = (rows.target == codes[:, None]) * rows.weight  # [G, N]
    negative = rows.weight - positive
    ordered, order = score.sort(dim=-1)
    below = torch.nn.functional.pad(negative.expand_as(score).gather(-1, order).cumsum(-1), (1, 0))
    strictly = below.gather(-1, torch.searchsorted(ordered, score))
    at_most = below.gather(-1, torch.searchsorted(ordered, score, right=True))
    pairs = (positive * (strictly + at_most) / 2).sum(-1)
    return pairs / (positive.sum(-1) * negative.sum(-1))
