"""Frozen records that cross layers. Numbers, strings and numpy arrays only: they pickle, and need no framework.

Letters used for axes, here and in every docstring:

====  ==========================================================================================
n     rows of the table
F     features after encoding
S     splits = repeats x folds, repeat-major: split ``s`` is fold ``s % folds`` of repeat ``s // folds``
R     repeats
T     trials in a block
M     members of a block, S x T
L     hidden layers
C     checkpoints, of a trial those up to the epoch it has reached
P     checkpoints at which predictions are kept: all C where the epoch is chosen among them, else the last alone
Q     metrics of the task, in the order of ``metrics.metrics_for(task)``
O     outputs: 1 for binary and regression, the number of classes otherwise
====  ==========================================================================================
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["binary", "multiclass", "regression"]

ALIGN = 16
"""Widths are padded to a multiple of this: a batched product on unaligned matrices rounds by a matrix's place in the
batch, and a trial's numbers must not depend on its neighbours."""

# Axis 2 of ``TrialResult.metrics``.
TRAIN, VALIDATION = 0, 1


def padded(width: int, multiple: int = ALIGN) -> int:
    """``width`` rounded up to a multiple of ``multiple``."""
    return -(-width // multiple) * multiple


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What is known of a decoded table, without its rows.

    Attributes:
        source: As the definition names it.
        content_hash: SHA-256 (hex) over the decoded features, target and groups.
        rows: n.
        features: Names of the F encoded feature columns, in order.
        target: Name of the target column.
        task: Detected or given.
        classes: Class labels as text, in the order of their codes; the positive class of a binary
            task is the second. Empty for regression.
        target_mean: Mean of a regression target over all rows, in its own units; 0 otherwise.
        target_scale: Its standard deviation (positive); 1 otherwise.
        notes: What was decided about the table and why, a sentence each.
    """

    source: str
    content_hash: str
    rows: int
    features: tuple[str, ...]
    target: str
    task: Task
    classes: tuple[str, ...]
    target_mean: float
    target_scale: float
    notes: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """O, the width of the network's output."""
        return len(self.classes) if self.task == "multiclass" else 1


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The full configuration of one trial, every searched dimension resolved.

    Attributes:
        hidden: Units of each hidden layer, L of them.
        placement: Name of the arm, such as ``"none"``, ``"input"``, ``"hidden"``, ``"all"``, ``"hidden1"``.
        dropout: L + 1 probabilities of dropping a unit in [0, 1): the input first, then after each
            hidden layer; 0 for a layer without dropout.
        learning_rate: Of the first epoch.
        momentum: In [0, 1).
        max_norm: Largest Euclidean norm of a hidden unit's incoming weights; ``None`` for no bound.
        lr_decay: Last / first learning rate, in (0, 1].
        weight_decay: L2 penalty on weights (not on biases), at least 0.
    """

    hidden: tuple[int, ...]
    placement: str
    dropout: tuple[float, ...]
    learning_rate: float
    momentum: float
    max_norm: float | None
    lr_decay: float
    weight_decay: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready form; :meth:`from_dict` reads it back."""
        return {
            "hidden": list(self.hidden),
            "placement": self.placement,
            "dropout": list(self.dropout),
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "max_norm": self.max_norm,
            "lr_decay": self.lr_decay,
            "weight_decay": self.weight_decay,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Hyperparameters:
        """Inverse of :meth:`to_dict`."""
        return cls(**{**plain, "hidden": tuple(plain["hidden"]), "dropout": tuple(plain["dropout"])})


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was chosen: hyperparameters and the epoch to stop at, which belongs to them."""

    params: Hyperparameters
    epoch: int

    @property
    def key(self) -> str:
        """SHA-256 (hex) of what its networks depend on: two placements that drop nothing are one configuration."""
        plain = self.params.to_dict() | {"epoch": self.epoch}
        del plain["placement"]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What all trials of a sweep share. Everything here changes numbers; nothing here says where to compute.

    Attributes:
        seed: Of the sweep. Initial weights, batch order and dropout draws follow from it.
        epochs: E, at least 1.
        batch_size: Rows of a mini-batch.
        activation: ``"relu"``, ``"tanh"`` or ``"sigmoid"``.
        init: ``"glorot_uniform"``, ``"he_uniform"``, ``"normal"`` or ``"torch"``.
        nesterov: Whether momentum is Nesterov's.
        class_weight: ``"none"`` or ``"balanced"``.
        checkpoints: C increasing epoch numbers (1-based, the last is E) at which everything is measured.
        stop: ``"best"``, the checkpoint best in the mean over all splits; or ``"last"``.
        metric: Name of the metric that chooses the epoch and is the trial's score.
    """

    seed: int
    epochs: int
    batch_size: int
    activation: Literal["relu", "tanh", "sigmoid"]
    init: Literal["glorot_uniform", "he_uniform", "normal", "torch"]
    nesterov: bool
    class_weight: Literal["none", "balanced"]
    checkpoints: tuple[int, ...]
    stop: Literal["best", "last"]
    metric: str

    @property
    def predicted_at(self) -> tuple[int, ...]:
        """P epochs whose out-of-fold predictions are kept: all that the trial's epoch is chosen among."""
        return self.checkpoints if self.stop == "best" else self.checkpoints[-1:]


@dataclass(frozen=True, slots=True)
class BlockJob:
    """One unit of work: trials of one shape (equal ``hidden``), all of their splits, trained together.

    Attributes:
        numbers: T trial numbers.
        trials: T configurations, in the order of ``numbers``.
        plan: Shared by all blocks of the sweep.
        until: Epoch after which it stops (1-based, a checkpoint): a rung, where some of its trials may be pruned and
            the others go on in another job. ``None`` for the plan's last.
        repeats: First repeat of the folds that it trains on, and the one after its last; ``None`` for all. What it
            gives of a repeat does not depend on the others.
    """

    numbers: tuple[int, ...]
    trials: tuple[Hyperparameters, ...]
    plan: TrainingPlan
    until: int | None = None
    repeats: tuple[int, int] | None = None

    @property
    def end(self) -> int:
        """The epoch after which it stops."""
        return self.plan.epochs if self.until is None else self.until


@dataclass(frozen=True, slots=True, eq=False)
class TrialResult:
    """What training one trial gave, up to the epoch it has reached. Equal only to itself.

    Attributes:
        number: Trial number.
        epoch: Chosen epoch, one of the plan's checkpoints, at most ``trained``.
        trained: Epochs it was trained for: the plan's, or those up to the rung at which it stands. C and P below
            count the checkpoints up to there.
        score: The plan's metric on validation rows at that epoch, mean over the splits where it is
            defined; in the metric's own direction and the target's own units. Always finite.
        metrics: ``[S, C, 2, Q]`` float64: every metric of every split at every checkpoint, on
            training and validation rows (:data:`TRAIN`, :data:`VALIDATION`). NaN where a metric is
            undefined (ROC AUC of rows of one class).
        predictions: ``[P, R, n_kept, O]`` float32, out of fold, on the link scale: logits for
            classification, units of ``TableInfo.target_scale`` around ``TableInfo.target_mean`` for
            regression. NaN where a repeat leaves a row untested. P: all checkpoints where the epoch is chosen
            among them, else the last alone.
        diverged: Epoch of the checkpoint at which some split was first seen non-finite (from there on
            it is scored as the constant predictor of its training rows); ``None`` if none.
        seconds: The trial's share of its block's wall time.
        lost: Numbers of the splits that diverged, among the S.
    """

    number: int
    epoch: int
    trained: int
    score: float
    metrics: NDArray[np.float64]
    predictions: NDArray[np.float32]
    diverged: int | None
    seconds: float
    lost: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HonestScore:
    """BBC-CV: the expected score of the configuration the sweep would choose (Tsamardinos et al. 2018).

    Attributes:
        value: In the metric's own units and direction.
        low: Lower end of the 95 % interval.
        high: Upper end.
        raw: The best raw score, chosen for being best and therefore too good.
        trials: How many trials the choice was among.
        checkpoints: Among how many the epoch of each trial was chosen; 1 where it was not chosen.
        corrects_epoch: Whether ``value`` is corrected for the choice of the epoch too. Not so where predictions are
            stored at the chosen epoch only, as sweeps begun before version 2 of the tables have them.
    """

    value: float
    low: float
    high: float
    raw: float
    trials: int
    checkpoints: int = 1
    corrects_epoch: bool = True
