"""A sweep of small trials over a table of thirty rows, and what a run of it left in the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

from sweep.launch.base import BlockDone, nothing
from sweep.launch.inline import InlineLauncher
from sweep.records import BlockJob, Hyperparameters, TrialResult
from sweep.run.study import optuna_storage
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.store.store import Store

DEFINITION = """
format = 1
name = "small"
seed = 3
[data]
source = "{table}"
target = "y"
[network]
hidden = {{ choices = [[4], [6, 3]] }}
[training]
epochs = 3
batch_size = 8
checkpoints = 2
[space]
placement = {{ choices = ["none", "input", "all"] }}
dropout = {{ low = 0.05, high = 0.7 }}
learning_rate = {{ low = 0.003, high = 0.5, log = true }}
momentum = {{ low = 0.5, high = 0.99 }}
max_norm = {{ choices = ["off", 2.0] }}
[validation]
folds = 3
[search]
trials = 12
batch = 5
sampler = "random"
"""


def write_table(folder: Path, seed: int = 0) -> Path:
    """A CSV file of thirty rows; the class follows the first column."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(30, 3)).round(4)
    lines = [f"{a},{b},{c},{'yes' if a + b / 2 > 0 else 'no'}" for a, b, c in features]
    path = folder / "table.csv"
    path.write_text("\n".join(["a,b,c,y", *lines, ""]))
    return path


def small_spec(folder: Path, *overrides: str) -> SweepSpec:
    """The definition over a table in this folder."""
    path = folder / "table.csv"
    if not path.exists():
        write_table(folder)
    return parse(DEFINITION.format(table=path), None, overrides)


def wait_for_trials(database: Path, wanted: int) -> None:
    """Until so many trials are stored by another process."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if database.exists():
            try:
                with Store.open(f"sqlite:///{database}") as store:
                    if any(len(store.saved_numbers(sweep.key)) >= wanted for sweep in store.sweeps()):
                        return
            except Exception:  # noqa: S110 - being made at this moment
                pass
        time.sleep(0.05)
    pytest.fail("no trial was finished")


@dataclass(frozen=True)
class Left:
    """What a sweep left.

    Attributes:
        states: Of the study's trials.
        params: Likewise.
        values: Likewise.
        results: Number to what is stored of a trial: chosen epoch, score, metrics, predictions.
    """

    states: list[str]
    params: list[dict[str, Any]]
    values: list[float | None]
    results: dict[int, tuple[int, float, NDArray[np.float64], NDArray[np.float32]]]


def what_is_left(storage: str, name: str = "small") -> Left:
    """Reads a sweep back."""
    with Store.open(storage) as store, optuna_storage(store) as tables:
        trials = optuna.load_study(study_name=name, storage=tables).get_trials(deepcopy=False)
        record = store.sweep(name)
        assert record is not None
        results = {
            trial.number: (
                trial.epoch,
                trial.score,
                store.fold_metrics(record.key, trial.number),
                store.predictions(record.key, trial.number),
            )
            for trial in store.trials(record.key)
        }
    return Left([t.state.name for t in trials], [t.params for t in trials], [t.value for t in trials], results)


def assert_same(found: Left, expected: Left) -> None:
    """Bit for bit: parameters, values, every stored number."""
    assert found.states == expected.states
    assert found.params == expected.params
    assert found.values == expected.values
    assert found.results.keys() == expected.results.keys()
    for number, (epoch, score, metrics, predictions) in expected.results.items():
        assert found.results[number][:2] == (epoch, score)
        np.testing.assert_array_equal(found.results[number][2], metrics)
        np.testing.assert_array_equal(found.results[number][3], predictions)


def assert_complete(left: Left, budget: int) -> None:
    """Exactly the budget, nothing unfinished, no two alike."""
    assert left.states == ["COMPLETE"] * budget
    assert len({tuple(sorted(params.items())) for params in left.params}) == budget
    assert sorted(left.results) == list(range(budget))


Trained = dict[int, tuple[Hyperparameters, TrialResult]]


class Recorder(InlineLauncher):
    """Trains for real, remembers what it trained, and is interrupted before one of its results, as by Ctrl-C.

    Nothing is trained twice: a trial only goes on from where it was.

    Args:
        interrupt_at: Which result: 0 for the first.
        workers: That it claims to have.

    Attributes:
        jobs: All that were submitted.
        gone_on: For each of them, whether it goes on from an earlier one.
        trained: The trials of what was handed out, as far as they were trained.
    """

    def __init__(self, interrupt_at: int | None = None, workers: int = 1) -> None:
        super().__init__()
        self.jobs: list[BlockJob] = []
        self.gone_on: list[bool] = []
        self.trained: Trained = {}
        self._countdown = interrupt_at
        self._workers = workers

    @property
    def workers(self) -> int:
        return self._workers

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        self.jobs.append(job)
        self.gone_on.append(after is not None)
        super().submit(job, after)

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        for done in super().finished(waiting):
            if self._countdown is not None:
                if self._countdown == 0:
                    raise KeyboardInterrupt
                self._countdown -= 1
            for number, trial, result in zip(done.job.numbers, done.job.trials, done.results, strict=True):
                assert number not in self.trained or self.trained[number][1].trained < result.trained
                self.trained[number] = trial, result
            yield done
