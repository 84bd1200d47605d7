"""Trials per minute: the full Sonar sweep against a plain PyTorch loop over the same trials on the same cores.

``make bench``, or ``python -m benchmarks.trial_rate``: four to five minutes on two cores. See benchmarks/README.md.

Ours is the whole thing: ``run_sweep`` with TPE, a Dask worker process per core, every result committed to SQLite.
The loop gets a sample of the very same trials, one process per core, and is not charged for starting processes,
proposing, or storing anything. The two take turns: a part of the sweep, a part of the sample, and so on, so that both
meet the same moods of the machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from time import perf_counter

from benchmarks import plain_loop
from benchmarks.machine import RESULTS, Machine, machine, sonar
from sweep.launch.base import Launcher
from sweep.launch.dask import DaskLauncher
from sweep.records import Hyperparameters
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prepare
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec
from sweep.store.rows import TrialRecord
from sweep.store.store import Store


@dataclass(frozen=True, slots=True)
class Turn:
    """A part of the sweep, and the sample of its trials that the plain loop trained after it.

    Attributes:
        trials: Of the sweep in this part.
        seconds: Wall time of ``run_sweep``.
        plain: Of each trial of the sample, wall seconds of the loop.
        scores: Of the sample: (ours, the loop's).
    """

    trials: int
    seconds: float
    plain: tuple[float, ...]
    scores: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured.

    Attributes:
        machine: On which.
        table: Note about the table.
        processes: Of either side.
        turns: In order.
    """

    machine: Machine
    table: str
    processes: int
    turns: tuple[Turn, ...]

    @property
    def ours(self) -> float:
        """Trials per second of the whole sweep."""
        return sum(turn.trials for turn in self.turns) / sum(turn.seconds for turn in self.turns)

    @property
    def plain(self) -> float:
        """Trials per second of the loop, no process ever idle."""
        return self.processes / mean(seconds for turn in self.turns for seconds in turn.plain)

    @property
    def ratio(self) -> float:
        """How many times the plain loop's trial rate ours is."""
        return self.ours / self.plain

    @property
    def ratios(self) -> tuple[float, ...]:
        """The same, turn by turn."""
        return tuple(turn.trials / turn.seconds * mean(turn.plain) / self.processes for turn in self.turns)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    options = _options(arguments)
    facts = machine()
    overrides, table = sonar()
    spec = load("sonar", [*overrides, f"search.trials={options.trials}", *options.set])
    print(f"{facts.describe()}\n{table}; {spec.search.trials} trials, {spec.validation.folds} folds, ", end="")
    print(f"{spec.training.epochs} epochs, batch {spec.training.batch_size}\n", flush=True)
    comparison = measure(spec, facts, table, turns=options.turns, sample=options.sample)
    print(report(comparison))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**asdict(comparison), "ratio": comparison.ratio}, indent=2) + "\n")
    print(f"\nwritten to {options.json}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial_rate", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=128, help="of the sweep (128)")
    parser.add_argument("--turns", type=int, default=4, help="parts the sweep is divided into (4)")
    parser.add_argument("--sample", type=int, default=4, help="trials of the plain loop after each part (4)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the definition")
    parser.add_argument("--json", type=Path, default=RESULTS / "trial_rate.json", help="file for the figures")
    return parser.parse_args(arguments)


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(spec: SweepSpec, facts: Machine, table: str, *, turns: int, sample: int) -> Comparison:
    """Runs the sweep in ``turns`` parts, and after each of them ``sample`` of its trials in the plain loop."""
    setup = prepare(spec)
    if setup.data.info.task != "binary":
        raise SystemExit("the plain loop is for two classes")
    taken: list[Turn] = []
    context = get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder,
        DaskLauncher(facts.cores) as launcher,
        ProcessPoolExecutor(facts.cores, context, plain_loop.prepare_process) as pool,
    ):
        list(pool.map(_warm, [spec] * 4 * facts.cores))
        storage = f"sqlite:///{Path(folder) / 'sweep.db'}"
        for turn in range(1, turns + 1):
            part = replace(spec, search=replace(spec.search, trials=setup.budget.trials * turn // turns))
            taken.append(_turn(part, storage, launcher, pool, sample, first=sum(turn.trials for turn in taken)))
            print(f"part {turn} of {turns}: {taken[-1].trials} trials in {taken[-1].seconds:.1f} s; ", end="")
            print(f"plain loop {mean(taken[-1].plain):.1f} s a trial and process", flush=True)
    return Comparison(facts, table, facts.cores, tuple(taken))


def _turn(spec: SweepSpec, storage: str, launcher: Launcher, pool: Executor, sample: int, first: int) -> Turn:
    """Goes on with the sweep up to ``spec.search.trials``, then trains some of the new trials again, plainly."""
    begun = perf_counter()
    run_sweep(spec, storage=storage, launcher=launcher)
    seconds = perf_counter() - begun
    with Store.open(storage) as store:
        sweep = store.sweep(spec.name)
        if sweep is None:
            raise SystemExit("the sweep is not in its database")
        new = [trial for trial in store.trials(sweep.key) if trial.number >= first]
    chosen = spread(new, sample)
    plain = list(pool.map(_plain, [spec] * len(chosen), [trial.hyperparameters for trial in chosen]))
    scores = tuple((trial.score, score) for trial, (_, score) in zip(chosen, plain, strict=True))
    return Turn(len(new), seconds, tuple(time for time, _ in plain), scores)


def spread(trials: Sequence[TrialRecord], count: int) -> list[TrialRecord]:
    """``count`` trials, in turn from each placement: what a trial costs depends on how many layers have dropout."""
    arms: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        arms.setdefault(trial.hyperparameters.placement, []).append(trial)
    rounds = max(map(len, arms.values()))
    ordered = [arm[place] for place in range(rounds) for arm in arms.values() if place < len(arm)]
    return ordered[:count]


def _warm(spec: SweepSpec) -> None:
    """Imports and first touches, before anything is timed."""
    setup = prepare(spec)
    short = replace(setup.plan, epochs=1, checkpoints=(1,))
    trial = Hyperparameters(spec.network.hidden[0], "none", (0.0, 0.0, 0.0), 0.01, 0.9, None, 1.0, 0.0)
    plain_loop.train_trial(setup.data, setup.folds, short, trial)


def _plain(spec: SweepSpec, trial: Hyperparameters) -> tuple[float, float]:
    """Seconds and score of one trial in the plain loop; reading the table is not counted."""
    setup: Setup = prepare(spec)
    begun = perf_counter()
    score = plain_loop.train_trial(setup.data, setup.folds, setup.plan, trial)
    return perf_counter() - begun, score


# --- saying it --------------------------------------------------------------------------------------------------------


def report(comparison: Comparison) -> str:
    """The figures as a table in Markdown."""
    turns, processes = comparison.turns, comparison.processes
    trials, sample = sum(turn.trials for turn in turns), sum(len(turn.plain) for turn in turns)
    ours, plain = (mean(pair[side] for turn in turns for pair in turn.scores) for side in (0, 1))
    return "\n".join(
        [
            "",
            "| | trials | seconds a trial and process | trials a minute |",
            "|---|---|---|---|",
            f"| `sweep run sonar`, {processes} workers | {trials} | {processes / comparison.ours:.2f} "
            f"| {60 * comparison.ours:.1f} |",
            f"| plain PyTorch loop, {processes} processes | {sample} of these | {processes / comparison.plain:.2f} "
            f"| {60 * comparison.plain:.1f} |",
            f"| **ratio** | | | **{comparison.ratio:.1f}** ({min(comparison.ratios):.1f} to "
            f"{max(comparison.ratios):.1f} by turn) |",
            "",
            f"{comparison.machine.describe()}. {comparison.table}.",
            f"Mean raw score of the {sample} trials in both: {100 * ours:.2f} % here, {100 * plain:.2f} % in the plain "
            "loop (its own random draws).",
        ]
    )


if __name__ == "__main__":
    main()
