"""Metrics: their names, directions and numpy versions, equal to scikit-learn's.

One record a metric, in :data:`METRICS`; :func:`compute` works on the rows of one split. The batched versions that the
training loop uses are in ``training/scores.py`` and are held equal to these.

=====================  ==============  =====================================================================
name                   direction       as ``sklearn.metrics``
=====================  ==============  =====================================================================
``accuracy``           maximize        ``accuracy_score``
``balanced_accuracy``  maximize        ``balanced_accuracy_score``: mean recall of the classes that occur
``roc_auc``            maximize        ``roc_auc_score``; more than two classes: one against the rest, mean
``log_loss``           minimize        ``log_loss(labels=all classes)``, natural logarithm
``f1``                 maximize        ``f1_score(average="macro")``, also for two classes
``brier``              minimize        ``brier_score_loss``: in [0, 1] for two classes, [0, 2] for more
``rmse``               minimize        ``root_mean_squared_error``, in units of the target
``mae``                minimize        ``mean_absolute_error``, in units of the target
``r2``                 maximize        ``r2_score``
=====================  ==============  =====================================================================

A class is predicted where its probability is largest, the first of equals: for two classes, class 1 where its
probability is above 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["maximize", "minimize"]
Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.int64]

UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As definitions, tables and exports spell it.
        title: For people.
        direction: Which way is better.
        family: Kind of task it is for.
        percent: Whether it is a share that reads best as a percentage.
        best: Value of a perfect prediction.
        worst: Bound on the other side, which no prediction exceeds; infinite where there is none. That of the Brier
            score is for more than two classes, see :func:`bounds`.
        constant: Value that counts where the metric is undefined, as of a constant prediction; NaN where it is always
            defined.
    """

    name: str
    title: str
    direction: Direction
    family: Literal["classification", "regression"]
    percent: bool
    best: float
    worst: float
    constant: float = math.nan

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return self.direction == "maximize"

    def format(self, value: float) -> str:
        """``"86.04 %"`` for shares, ``"0.912"`` for other bounded scores, ``"53.28"`` in units of a target."""
        if not math.isfinite(value):
            return UNDEFINED
        if self.percent:
            return f"{100 * value:.2f} %"
        return _significant(value) if self.name in ("rmse", "mae") else f"{value:.3f}"


def _significant(value: float) -> str:
    """Four significant digits, never in exponent form between 0.0001 and 10 million."""
    if value == 0:
        return "0"
    digits = 3 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, digits)}f}" if -4 <= digits <= 8 else f"{value:.3e}"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", "maximize", "classification", percent=True, best=1.0, worst=0.0),
        Metric(
            "balanced_accuracy", "Balanced accuracy", "maximize", "classification", percent=True, best=1.0, worst=0.0
        ),
        Metric("roc_auc", "ROC AUC", "maximize", "classification", percent=False, best=1.0, worst=0.0, constant=0.5),
        Metric("log_loss", "Log loss", "minimize", "classification", percent=False, best=0.0, worst=math.inf),
        Metric("f1", "F1 (macro)", "maximize", "classification", percent=False, best=1.0, worst=0.0),
        Metric("brier", "Brier score", "minimize", "classification", percent=False, best=0.0, worst=2.0),
        Metric("rmse", "RMSE", "minimize", "regression", percent=False, best=0.0, worst=math.inf),
        Metric("mae", "MAE", "minimize", "regression", percent=False, best=0.0, worst=math.inf),
        Metric("r2", "R²", "maximize", "regression", percent=False, best=1.0, worst=-math.inf, constant=0.0),
    )
}


def metrics_for(task: str) -> tuple[str, ...]:
    """Names of the Q metrics recorded for a task, in the order of axis Q of every stored array.

    Args:
        task: ``"binary"``, ``"multiclass"``, ``"classification"`` (either of the two) or ``"regression"``.
    """
    family = "regression" if task == "regression" else "classification"
    return tuple(name for name, metric in METRICS.items() if metric.family == family)


def default_metric(task: str) -> str:
    """The metric of a definition that names none: accuracy, or RMSE."""
    return "rmse" if task == "regression" else "accuracy"


def direction(metric: str) -> Direction:
    """Which way is better."""
    return METRICS[metric].direction


def bounds(metric: str, task: str) -> tuple[float, float]:
    """Smallest and largest value a prediction can get; infinite where there is none."""
    record = METRICS[metric]
    # Of two classes the Brier score counts one.
    worst = 1.0 if metric == "brier" and task == "binary" else record.worst
    return min(record.best, worst), max(record.best, worst)


def mean_over_splits(metric: str, values: Floats) -> float:
    """Score of a trial from those of its splits.

    Args:
        metric: Name.
        values: ``[S]``; NaN where the metric is undefined on a split.

    Returns:
        The mean over the splits where it is defined; where it is on none, what a constant prediction gets.
    """
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else METRICS[metric].constant


def compute(metric: str, y_true: NDArray[Any], output: NDArray[Any]) -> float:
    """One metric on the rows of one split.

    Args:
        metric: Name, one of :data:`METRICS`.
        y_true: ``[n]`` class codes 0 … C-1, or regression targets.
        output: Probabilities ``[n, C]``; for two classes also ``[n]`` or ``[n, 1]``, that of class 1. For
            regression predictions ``[n]`` or ``[n, 1]``.

    Returns:
        The value; NaN where the metric is undefined: no rows, a non-finite output, ROC AUC where a class does
        not occur or is alone, R² of fewer than two rows.
    """
    prediction = np.asarray(output)
    if prediction.ndim == 2 and prediction.shape[1] == 1:
        prediction = prediction[:, 0]
    if len(y_true) == 0 or not np.isfinite(prediction).all():
        return math.nan
    if METRICS[metric].family == "regression":
        return float(_REGRESSION[metric](np.asarray(y_true, np.float64), prediction.astype(np.float64)))
    if prediction.ndim == 1:
        prediction = np.stack([1 - prediction, prediction], axis=1)
    return float(_CLASSIFICATION[metric](np.asarray(y_true).astype(np.int64), prediction))


# --- classification: y [n] codes, p [n, C] probabilities --------------------------------------------------------------


def _confusion(y: Codes, p: Floats) -> NDArray[np.int64]:
    """``[C, C]`` counts: true class by predicted class."""
    classes = p.shape[1]
    return np.bincount(y * classes + p.argmax(axis=1), minlength=classes * classes).reshape(classes, classes)


def _accuracy(y: Codes, p: Floats) -> float:
    return float((p.argmax(axis=1) == y).mean())


def _balanced_accuracy(y: Codes, p: Floats) -> float:
    counts = _confusion(y, p)
    occurs = counts.sum(axis=1) > 0
    return float((np.diag(counts)[occurs] / counts.sum(axis=1)[occurs]).mean())


def _f1(y: Codes, p: Floats) -> float:
    """Mean over the classes that occur or are predicted of 2 TP / (2 TP + FP + FN)."""
    counts = _confusion(y, p)
    either = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * np.diag(counts)[either > 0] / either[either > 0]).mean())


def _log_loss(y: Codes, p: Floats) -> float:
    """Probabilities are clipped to [eps, 1 - eps], eps the machine precision of their type, as scikit-learn does."""
    precise = p if p.dtype == np.float32 else p.astype(np.float64)
    eps = np.finfo(precise.dtype).eps
    own = np.clip(precise[np.arange(len(y)), y], eps, 1 - eps)
    return float(-np.log(own.astype(np.float64)).mean())


def _brier(y: Codes, p: Floats) -> float:
    error = p.astype(np.float64)
    error[np.arange(len(y)), y] -= 1
    total = float((error * error).sum(axis=1).mean())
    return total / 2 if p.shape[1] == 2 else total


def _roc_auc(y: Codes, p: Floats) -> float:
    if p.shape[1] == 2:
        return _binary_auc(y == 1, p[:, 1])
    return float(np.mean([_binary_auc(y == code, p[:, code]) for code in range(p.shape[1])]))


def _binary_auc(positive: NDArray[np.bool_], score: Floats) -> float:
    """Mann-Whitney: the share of (positive, negative) pairs in the right order, ties counting half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return math.nan
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2  # mean rank, from 1, of each distinct score
    wins = rank[place][positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


# --- regression: y and f [n], in units of the target ------------------------------------------------------------------


def _rmse(y: Floats, f: Floats) -> float:
    return math.sqrt(np.square(y - f).mean())


def _mae(y: Floats, f: Floats) -> float:
    return float(np.abs(y - f).mean())


def _r2(y: Floats, f: Floats) -> float:
    """1 - SSE / SST. Rows of one value: 1 if all are hit, else 0, as scikit-learn does."""
    if len(y) < 2:
        return math.nan
    residual, total = float(np.square(y - f).sum()), float(np.square(y - y.mean()).sum())
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


_CLASSIFICATION: dict[str, Callable[[Codes, Floats], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "f1": _f1,
    "brier": _brier,
}
_REGRESSION: dict[str, Callable[[Floats, Floats], float]] = {"rmse": _rmse, "mae": _mae, "r2": _r2}
