"""Nested cross-validation on simulated tables, by the program's own searches, in a temporary database.

Its question is whether *tuning* dropout pays, so what is true of it is about searches. The winners of its outer folds
are what ten searches on tables of (k - 1)/k · n rows chose: what they are worth on fresh tables is what nested
cross-validation scores them for, on the few rows of its outer folds. Their mean over many simulated tables is the
expected outcome of the searches themselves, at no cost but theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np

from benchmarks.simulation import sweeps, truth
from benchmarks.simulation.worlds import WORLDS, World, dataset, realised
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.analysis.summary import summarise
from sweep.answer.choose import choose
from sweep.answer.nested import pose_nested, run_nested
from sweep.answer.nested_records import Nested
from sweep.answer.nested_result import conclude
from sweep.answer.question import Question
from sweep.launch.base import BlockDone
from sweep.launch.inline import InlineLauncher
from sweep.records import BlockJob, Configuration
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup
from sweep.store.store import Store

NESTED = {f"nested-{name}": name for name in ("labels", "placebo", "helps")}
"""Worlds by their name on the command line. A matched control, and so its handicap, has no part in it."""


@dataclass(frozen=True, slots=True)
class NestedCell:
    """What nested cross-validations have in common: the world's name, n, the trials of a search, k outer and inner."""

    nested: str
    rows: int
    trials: int = 40
    folds: int = 5


def simulate(cell: NestedCell, replicate: int) -> dict[str, Any]:
    """One sweep and its nested cross-validation: what they said, and what is true.

    A function of its arguments, but for ``seconds``. Table and sweep are those of the cell without nested.

    Returns:
        Plain JSON. Scores and differences in [-1, 1], not in points.
    """
    begun, world = process_time(), WORLDS[cell.nested]
    rng = np.random.default_rng([world.mode, cell.rows, replicate])
    data = dataset(*world.draw(rng, cell.rows))
    alike = sweeps.Cell(cell.nested, cell.rows, folds=cell.folds, trials=cell.trials)
    setup = sweeps.prepared(alike, data, seed=int(rng.integers(2**31)))
    summary, found = _asked(world, setup)
    if summary.best is None or summary.honest is None:
        raise RuntimeError(f"a sweep without a best trial, or without an honest score: {cell}, {replicate}")
    recalls = _true(world, setup, summary.best, found, rng)
    ones, own = float(data.target.mean()), found.comparison
    chosen = [[recalls[one.configuration] for one in both] for both in found.outer]
    best = recalls[_configuration(summary.best)]
    # Of random labels it is known: no network differs from another.
    gaps = [truth.score(x, 0.5).mean() - truth.score(y, 0.5).mean() for x, y in chosen] if world.signal else [0.0]
    return {
        "cell": asdict(cell),
        "replicate": replicate,
        "seconds": round(process_time() - begun, 2),
        "ones": ones,
        "verdict": found.verdict,
        "method": own.method,
        "difference": own.difference,
        "low": own.low,
        "high": own.high,
        "se": own.se,
        "p": own.p_value,
        "p_pays": found.p_pays,
        "p_equivalent": found.p_equivalent,
        "true": float(np.mean(gaps)),
        "best": {
            "raw": summary.best.score,
            "honest": [summary.honest.value, summary.honest.low, summary.honest.high],
            "nested": found.score.value,
            "nested_ends": [found.score.low, found.score.high],
            "true": float(truth.score(best, 0.5).mean()),
            "true_weighted": float(truth.score(best, ones).mean()),
            "true_outer": float(np.mean([truth.score(x, ones).mean() for x, _ in chosen])),
        },
    }


class _WorldLauncher(InlineLauncher):
    """Trains what a world makes of each trial. A job whose trials have seeds of their own comes back in parts."""

    def __init__(self, world: World, placements: tuple[str, ...]) -> None:
        super().__init__()
        self._world, self._placements = world, placements

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        made = [realised(self._world, params, job.end, "trial", self._placements) for params in job.trials]
        for stream in sorted({network.stream for network in made}):
            own = [place for place, network in enumerate(made) if network.stream == stream]
            numbers = tuple(job.numbers[place] for place in own)
            plan = replace(job.plan, seed=sweeps.stream_seed(job.plan.seed, stream))
            super().submit(replace(job, numbers=numbers, trials=tuple(made[p].params for p in own), plan=plan), after)


def _asked(world: World, setup: Setup) -> tuple[SweepSummary, Nested]:
    """A sweep, and what nested cross-validation says of it."""
    launcher = _WorldLauncher(world, setup.spec.space.placements)
    with launcher, TemporaryDirectory(prefix="validity-") as folder:
        url = f"sqlite:///{Path(folder) / 'sweep.db'}"
        run_sweep(setup.spec, storage=url, launcher=launcher, setup=setup)
        with Store.open(url) as store:
            summary, sweep = summarise(store, setup.spec.name), store.sweep(setup.spec.name)
            if sweep is None:
                raise RuntimeError(f"there is no sweep {setup.spec.name}")
            # As it is posed, but for the table, which is in no file.
            question = Question(sweep, summary, choose(summary), setup, setup.folds, rules=(), missing=0)
            nested = pose_nested(question, store)
            run_nested(nested, store, launcher)
            return summary, conclude(nested, store)


def _true(
    world: World, setup: Setup, best: TrialRow, found: Nested, rng: np.random.Generator
) -> Mapping[Configuration, truth.Floats]:
    """Recalls of the sweep's best and of all winners on the same fresh tables, ``[tables, 2]`` each."""
    placements, every = setup.spec.space.placements, [_configuration(best)]
    every += [winner.configuration for both in found.outer for winner in both]
    # As in ``sweeps``: seeds are those that all have in common, and so is what is trained alike.
    networks = {}
    for one in every:
        network = realised(world, one.params, one.epoch, "trial", placements)
        networks[one] = replace(network, stream=0, params=replace(network.params, placement=""))
    order = list(dict.fromkeys(networks.values()))
    rows = setup.data.info.rows - setup.data.info.rows // setup.folds.folds
    ones = round(rows * float(setup.data.target.mean()))
    tables = truth.TABLES if world.signal else truth.GROUP
    recalls = truth.expected(world, order, setup.plan, rng, rows=rows, ones=ones, tables=tables)
    return {one: recalls[order.index(network)] for one, network in networks.items()}


def _configuration(trial: TrialRow) -> Configuration:
    return Configuration(trial.hyperparameters, trial.epoch)
