"""Trials per minute of ``DropoutSweepClassifier`` against ``sweep run``: the same sweep, the same number of workers.

Both are whole processes that take turns, from start to end: Python's imports, workers, the search, the honest
score. The estimator also trains its best configuration on all rows; its table is in an array already.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import optuna

from benchmarks.machine import sonar
from benchmarks.measuring import Ratio, Settings, in_turn, seconds_of
from benchmarks.report import Section
from benchmarks.trial_rate import run_command
from sweep.data import load_dataset
from sweep.spec.definition import load
from sweep.spec.model import plain

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Rates:
    """Whole sweeps of one kind, in order.

    Attributes:
        search: Seconds from the first trial's proposal to the commit of the last, each time.
        process: Seconds from the start of the process to its end.
    """

    search: tuple[float, ...]
    process: tuple[float, ...]


def measure(settings: Settings, changes: Sequence[str] = ()) -> Section:
    """The Sonar definition, with changes."""
    overrides, table = sonar()
    overrides = [*overrides, *changes]
    found: dict[str, list[tuple[float, float]]] = {"command": [], "estimator": [], "in memory": []}

    def command() -> float:
        ran = run_command(overrides, "--cluster", "local", "--workers", str(WORKERS))
        found["command"].append((ran.search, ran.seconds))
        return ran.seconds

    def estimator(kind: str) -> float:
        found[kind].append(fit(overrides, in_memory=kind == "in memory"))
        return found[kind][-1][1]

    in_turn([command, lambda: estimator("estimator"), lambda: estimator("in memory")], settings.rounds)
    rates = {kind: Rates(*zip(*each, strict=True)) for kind, each in found.items()}
    return section(rates, load("sonar", overrides).search.trials, table)


def fit(overrides: Sequence[str], *, in_memory: bool) -> tuple[float, float]:
    """Fits the estimator in a process of its own.

    Returns:
        Seconds of the search, and of the whole process.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        rows, out = Path(folder) / "rows.npz", Path(folder) / "search.json"
        _save(overrides, rows)
        storage = "" if in_memory else f"sqlite:///{Path(folder) / 'sweep.db'}"
        arguments = [json.dumps(parameters(overrides)), str(rows), storage, str(out)]
        seconds = seconds_of(
            lambda: subprocess.run([sys.executable, "-m", "benchmarks.estimator", *arguments], check=True)
        )
        return float(json.loads(out.read_text())), seconds


def parameters(overrides: Sequence[str]) -> dict[str, Any]:
    """Of the estimator, as the definition has them."""
    tables = plain(load("sonar", overrides))
    sections = ("network", "training", "space", "validation", "search")
    given = {key: value for name in sections for key, value in tables[name].items()}
    if given["class_weight"] == "none":
        del given["class_weight"]
    return {**given, "random_state": tables["seed"], "n_jobs": WORKERS}


def section(rates: dict[str, Rates], trials: int, table: str) -> Section:
    """A row for each; the command line is what the others are compared with."""
    names = {"command": "`sweep run`", "estimator": "`DropoutSweepClassifier`", "in memory": "the same, `storage=None`"}
    own = rates["command"]
    rows = [
        (
            names[kind],
            f"{median(one.search):.1f}",
            "1" if one is own else f"**{Ratio.of(own.search, one.search)}**",
            f"{median(one.process):.1f}",
            "1" if one is own else f"{Ratio.of(own.process, one.process)}",
        )
        for kind, one in rates.items()
    ]
    return Section(
        name="estimator",
        title="Trial rate of the estimator",
        header=("", "search, s", "rate, times the command's", "whole process, s", "rate, times the command's"),
        rows=tuple(rows),
        notes=(
            f"{table}: {len(own.search)} sweeps each of {trials} trials with {WORKERS} worker processes, in turn.",
            "Search: from the first proposal to the last commit.",
        ),
        figures={kind: asdict(one) for kind, one in rates.items()},
    )


def _save(overrides: Sequence[str], path: Path) -> None:
    import numpy as np

    data = load_dataset(load("sonar", overrides))
    np.savez(path, X=data.features[:, : len(data.info.features)].numpy(), y=data.original_target())


def _fit(given: str, rows: str, storage: str, out: str) -> None:
    """In the process that is measured."""
    import numpy as np

    from sweep.estimators import DropoutSweepClassifier

    table = np.load(rows)
    fitted = DropoutSweepClassifier(**json.loads(given), storage=storage or None).fit(table["X"], table["y"])
    trials: list[optuna.trial.FrozenTrial] = fitted.study_.trials
    begun = min(trial.datetime_start for trial in trials if trial.datetime_start)
    ended = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    Path(out).write_text(json.dumps((ended - begun).total_seconds()))


if __name__ == "__main__":
    _fit(*sys.argv[1:])
