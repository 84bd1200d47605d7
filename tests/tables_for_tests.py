"""Small tables made in memory, and hyperparameters for them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from sweep.data import Dataset
from sweep.folds import Folds, Scheme, make_folds
from sweep.records import Hyperparameters, TableInfo, Task, TrainingPlan, padded
from sweep.spec.model import ValidationSpec


def make_dataset(
    task: Task, rows: int = 60, features: int = 5, classes: int = 3, missing: float = 0.0, seed: int = 0
) -> Dataset:
    """A learnable table: the target follows the first two features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3.0, 2.0, (rows, features)).astype(np.float32)
    signal = x[:, 0] - x[:, 1 % features] + rng.normal(0, 0.5, rows)
    names: tuple[str, ...] = ()
    mean, scale = 0.0, 1.0
    if task == "regression":
        mean, scale = 100.0, 10.0
        target = torch.from_numpy(signal.astype(np.float32))
    else:
        count = 2 if task == "binary" else classes
        codes = (signal.argsort().argsort() * count // rows).astype(np.int64)
        names = tuple(f"class {c}" for c in range(count))
        target = torch.from_numpy(codes.astype(np.float32) if task == "binary" else codes)
    x[rng.random(x.shape) < missing] = np.nan
    matrix = np.zeros((rows, padded(features)), dtype=np.float32)
    matrix[:, :features] = x
    info = TableInfo(
        source="made",
        content_hash=f"made-{task}-{rows}-{features}-{classes}-{missing}-{seed}",
        rows=rows,
        features=tuple(f"x{j}" for j in range(features)),
        target="y",
        task=task,
        classes=names,
        target_mean=mean,
        target_scale=scale,
        notes=(),
    )
    return Dataset(torch.from_numpy(matrix), target, None, info, has_missing=missing > 0)


def make_splits(
    data: Dataset, folds: int = 3, repeats: int = 1, scheme: Scheme | Literal["auto"] = "auto", seed: int = 1
) -> Folds:
    """Splits of a table."""
    spec = ValidationSpec(folds=folds, repeats=repeats, scheme=scheme, metric=None)
    return make_folds(spec, data, seed)


def make_plan(task: Task, **changes: Any) -> TrainingPlan:
    """A short plan; the score is accuracy, or RMSE."""
    settings: dict[str, Any] = {
        "seed": 11,
        "epochs": 4,
        "batch_size": 13,
        "activation": "relu",
        "init": "glorot_uniform",
        "nesterov": False,
        "class_weight": "none",
        "checkpoints": (2, 4),
        "stop": "best",
        "metric": "rmse" if task == "regression" else "accuracy",
    }
    return TrainingPlan(**{**settings, **changes})


def make_trial(hidden: tuple[int, ...] = (7, 5), **changes: Any) -> Hyperparameters:
    """Dropout everywhere, max-norm, decay: every term of the update at work."""
    settings: dict[str, Any] = {
        "hidden": hidden,
        "placement": "all",
        "dropout": (0.2, *([0.4] * len(hidden))),
        "learning_rate": 0.1,
        "momentum": 0.9,
        "max_norm": 1.2,
        "lr_decay": 0.3,
        "weight_decay": 0.01,
    }
    return Hyperparameters(**{**settings, **changes})


def random_trials(count: int, hidden: tuple[int, ...], seed: int = 0) -> tuple[Hyperparameters, ...]:
    """Trials that differ in everything that may differ inside a block, some without dropout or max-norm."""
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(count):
        rates = rng.uniform(0.05, 0.7, len(hidden) + 1) * (rng.random(len(hidden) + 1) < 0.6)
        trials.append(
            make_trial(
                hidden,
                dropout=tuple(float(r) for r in rates),
                learning_rate=float(np.exp(rng.uniform(np.log(0.003), np.log(0.5)))),
                momentum=float(rng.uniform(0.0, 0.99)),
                max_norm=float(rng.uniform(0.5, 4)) if rng.random() < 0.6 else None,
                lr_decay=float(rng.uniform(0.01, 1.0)),
                weight_decay=float(rng.uniform(0, 0.01)) if rng.random() < 0.5 else 0.0,
            )
        )
    return tuple(trials)
