"""The shapes that are measured: a table of random numbers and a network each, made from a fixed seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from sweep.data import Dataset
from sweep.folds import Folds, make_folds
from sweep.metrics import default_metric
from sweep.records import BlockJob, Hyperparameters, TableInfo, Task, TrainingPlan, padded
from sweep.spec.model import ValidationSpec
from sweep.training.train import train_block

_SEED = 20

# Dropout in the four arms of a sweep, input and hidden layers: a block holds trials of all of them.
# The one that costs most comes first: a wide network is alone in its block.
_ARMS = (("all", 0.2, 0.4), ("none", 0.0, 0.0), ("input", 0.2, 0.0), ("hidden", 0.0, 0.4))


@dataclass(frozen=True, slots=True)
class Shape:
    """A table and a network.

    Attributes:
        name: For tables of results.
        task: Kind of target.
        rows: n.
        features: F.
        hidden: Units of each hidden layer.
        classes: Of the target; 0 for regression.
        batch: Rows of a mini-batch.
        folds: K.
    """

    name: str
    task: Task
    rows: int
    features: int
    hidden: tuple[int, ...]
    classes: int
    batch: int
    folds: int

    @property
    def network(self) -> str:
        """Widths, such as ``60-60-30-1``."""
        outputs = self.classes if self.task == "multiclass" else 1
        return "-".join(map(str, (self.features, *self.hidden, outputs)))

    def work(self) -> Work:
        """The table, split."""
        data = _table(self)
        validation = ValidationSpec(folds=self.folds, repeats=1, scheme="auto", metric=None)
        return Work(self, data, make_folds(validation, data, _SEED))


@dataclass(frozen=True, slots=True)
class Work:
    """A shape with its table: what both sides of a comparison train on."""

    shape: Shape
    data: Dataset
    folds: Folds

    def plan(self, epochs: int) -> TrainingPlan:
        """Evaluates once, after the last epoch."""
        return TrainingPlan(
            seed=_SEED,
            epochs=epochs,
            batch_size=self.shape.batch,
            activation="relu",
            init="glorot_uniform",
            nesterov=False,
            class_weight="none",
            checkpoints=(epochs,),
            stop="last",
            metric=default_metric(self.shape.task),
        )

    def trials(self, count: int) -> tuple[Hyperparameters, ...]:
        """As a sweep's block has them: all arms in turn, each trial with its own rates, max-norm and decay."""
        depth = len(self.shape.hidden)
        trials = []
        for number in range(count):
            name, visible, hidden = _ARMS[number % len(_ARMS)]
            trials.append(
                Hyperparameters(
                    hidden=self.shape.hidden,
                    placement=name,
                    dropout=(visible, *[hidden] * depth),
                    learning_rate=0.005 * (1 + number % 7),
                    momentum=0.5 + 0.05 * (number % 5),
                    max_norm=3.0 + number % 3,
                    lr_decay=0.1,
                    weight_decay=0.0,
                )
            )
        return tuple(trials)

    def train(self, trials: int, epochs: int, device: str = "cpu") -> None:
        """One block of so many trials."""
        job = BlockJob(tuple(range(trials)), self.trials(trials), self.plan(epochs))
        train_block(self.data, self.folds, job, device)

    @property
    def steps(self) -> int:
        """Member-steps of one trial in one epoch: mini-batches of all splits, each with one update."""
        return sum(-(-len(rows) // self.shape.batch) for rows in self.folds.train)


SONAR = Shape("sonar", "binary", 208, 60, (60, 30), 2, 16, 10)
SMALL = Shape("small", "binary", 569, 30, (16,), 2, 32, 10)
WIDE = Shape("wide", "multiclass", 20_000, 784, (1024, 1024), 10, 128, 2)
DEEP = Shape("deep", "multiclass", 5_000, 100, (256,) * 4, 10, 64, 5)
REGRESSION = Shape("regression", "regression", 506, 13, (64, 32), 0, 32, 10)
SHAPES = (SONAR, SMALL, DEEP, REGRESSION, WIDE)


def with_rows(shape: Shape, rows: int) -> Shape:
    """The same network on a longer table."""
    return replace(shape, rows=rows)


def with_folds(shape: Shape, folds: int) -> Shape:
    """The same table in other splits."""
    return replace(shape, folds=folds)


def _table(shape: Shape) -> Dataset:
    """Normal features; a target that follows a random direction, so that training neither stops nor diverges."""
    rng = np.random.default_rng(_SEED)
    matrix = np.zeros((shape.rows, padded(shape.features)), np.float32)
    matrix[:, : shape.features] = rng.standard_normal((shape.rows, shape.features), np.float32)
    signal = matrix[:, : shape.features] @ rng.standard_normal(shape.features, np.float32)
    signal += rng.standard_normal(shape.rows, np.float32) * signal.std() / 2
    mean, scale = 0.0, 1.0
    if shape.task == "regression":
        mean, scale = float(signal.mean()), float(signal.std())
        target = torch.from_numpy(((signal - mean) / scale).astype(np.float32))
    else:
        codes = torch.from_numpy(signal.argsort().argsort() * shape.classes // shape.rows)
        target = codes.float() if shape.task == "binary" else codes
    info = TableInfo(
        source="made",
        content_hash=f"made-{shape.name}",
        rows=shape.rows,
        features=tuple(f"x{column}" for column in range(shape.features)),
        target="y",
        task=shape.task,
        classes=tuple(str(code) for code in range(shape.classes)),
        target_mean=mean,
        target_scale=scale,
        notes=(),
    )
    return Dataset(torch.from_numpy(matrix), target, None, info, has_missing=False)
