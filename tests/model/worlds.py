"""Finished sweeps over tables with everything in them: gaps, categories, dates, rows without a target."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweep.analysis.results import SweepSummary
from sweep.analysis.summary import summarise
from sweep.launch.inline import InlineLauncher
from sweep.model.folder import FolderTarget
from sweep.model.refit import Refit, choose_trial, refit
from sweep.records import ALIGN, Task
from sweep.run.loop import run_sweep
from sweep.spec.definition import parse
from sweep.store.store import Store
from sweep.tables.encode import Encoded
from sweep.tables.load import load_encoded

DEFINITION = """
name = "{task}"
seed = 3
[data]
source = "{table}"
target = "y"
[network]
hidden = [6, 4]
[training]
epochs = {epochs}
batch_size = 16
checkpoints = 4
stop = "{stop}"
[space]
placement = {{ choices = ["none", "all"] }}
learning_rate = {{ low = 0.05, high = 0.5, log = true }}
max_norm = {{ choices = ["off", 2.0] }}
[validation]
folds = 3
repeats = 2
metric = "{metric}"
[search]
trials = {trials}
sampler = "random"
pruner = "{pruner}"
"""

SETTINGS = {
    "binary": {"epochs": 6, "stop": "best", "metric": "accuracy", "trials": 4, "pruner": "none"},
    "multiclass": {"epochs": 8, "stop": "best", "metric": "log_loss", "trials": 8, "pruner": "halving"},
    "regression": {"epochs": 6, "stop": "last", "metric": "rmse", "trials": 4, "pruner": "none"},
}

COLUMNS = ("age", "dose", "color", "seen", "smokes", "y")


@dataclass(frozen=True)
class World:
    """A finished sweep, named as its task, in a folder of its own."""

    task: Task
    folder: Path

    @property
    def table(self) -> Path:
        return self.folder / "table.csv"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'sweep.db'}"

    def store(self) -> Store:
        return Store.open(self.url)

    def summary(self) -> SweepSummary:
        with self.store() as store:
            return summarise(store, self.task)

    def encoded(self) -> Encoded:
        summary = self.summary()
        return load_encoded(summary.spec.data, None, align=ALIGN)

    def refit(self, ensemble: int = 1, trial: int | None = None, placement: str | None = None) -> Refit:
        with self.store() as store:
            summary = summarise(store, self.task)
            return refit(store, summary, choose_trial(summary, trial, placement), ensemble=ensemble)

    def fit(self, folder: Path, ensemble: int = 1) -> Refit:
        """A model, written to a folder."""
        made = self.refit(ensemble)
        FolderTarget(folder).write(made.model, config=made.config, card=made.card)
        return made


def make_world(task: Task, folder: Path) -> World:
    world = World(task, folder)
    write_rows(world.table, [COLUMNS, *make_rows(task)])
    definition = DEFINITION.format(task=task, table=world.table, **SETTINGS[task])
    run_sweep(parse(definition), storage=world.url, launcher=InlineLauncher())
    return world


def make_rows(task: Task, rows: int = 60, seed: int = 0) -> list[tuple[str, ...]]:
    """Texts of cells; every tenth row has no target, some cells are empty."""
    rng = np.random.default_rng(seed)
    made: list[tuple[str, ...]] = []
    for row in range(rows):
        age, dose, color = rng.normal(50, 10), rng.normal(), str(rng.choice(["red", "green", "blue"]))
        signal = (age - 50) / 10 + dose + (color == "red")
        seen = f"2020-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
        smokes = str(rng.choice(["yes", "no"]))
        target = {
            "binary": "sick" if signal > 0 else "well",
            "multiclass": str(1 + int(signal > -0.5) + int(signal > 0.7)),
            "regression": f"{100 + 10 * signal:.2f}",
        }[task]
        gaps = rng.random(3) < 0.1
        cells = (
            "" if gaps[0] else f"{age:.2f}",
            f"{dose:.3f}",
            "" if gaps[1] else color,
            "" if gaps[2] else seen,
            smokes,
            "" if row % 10 == 9 else target,
        )
        made.append(cells)
    return made


def write_rows(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
