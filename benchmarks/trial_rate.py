"""Trials per minute: the full Sonar sweep against the ways to do it by hand, the same trials on the same cores.

``python -m benchmarks.trial_rate``, or with the others in ``make bench``. See benchmarks/README.md.

Ours is the whole thing, the command ``sweep run``: Python and torch started, the workers started, the table read, TPE,
a Dask worker process per core, every result committed to SQLite. The peers get a sample of the very same trials, one
process per core, and are not charged for starting processes, proposing, or storing anything. They take turns: a whole
sweep, a sample of each peer, another sweep, and so on, so that all meet the same moods of the machine.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import optuna

from benchmarks import keras_peer, plain_loop, skorch_peer
from benchmarks.machine import RESULTS, machine, sonar
from benchmarks.measuring import Ratio, Settings, prepare_process, seconds_of
from benchmarks.report import Section, write
from sweep.records import Hyperparameters
from sweep.run.prepare import Setup, prepare
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec
from sweep.store.rows import TrialRecord
from sweep.store.store import Store

PEERS = {module.WHAT: module.__name__ for module in (plain_loop, skorch_peer, keras_peer) if module.AVAILABLE}
"""Module of every peer that can be run here, by its description: ``train_trial`` cross-validates one trial."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One trial, trained by a peer. ``score`` is the peer's, ``ours`` that of the same trial in the sweep."""

    seconds: float
    score: float
    ours: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A whole sweep, and the samples of its trials that the peers trained after it.

    Attributes:
        trials: Of the sweep.
        seconds: From the start of the command to the end of its process.
        peers: Peer to its sample; without those that had none in this turn.
    """

    trials: int
    seconds: float
    peers: Mapping[str, tuple[Sampled, ...]]

    @property
    def ours(self) -> float:
        """Trials per second of the sweep."""
        return self.trials / self.seconds


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured.

    Attributes:
        table: Note about the table.
        processes: Of either side.
        turns: In order.
    """

    table: str
    processes: int
    turns: tuple[Turn, ...]

    def sample(self, peer: str) -> list[Sampled]:
        """All that a peer has trained."""
        return [sampled for turn in self.turns for sampled in turn.peers.get(peer, ())]

    def rates(self, peer: str) -> list[float]:
        """A peer's trials per second in each turn that it was part of, no process ever idle."""
        samples = [turn.peers[peer] for turn in self.turns if peer in turn.peers]
        return [self.processes / mean(one.seconds for one in sample) for sample in samples]

    def ratio(self, peer: str) -> Ratio:
        """How many times the peer's trial rate ours is, turn by turn."""
        return Ratio.of([turn.ours for turn in self.turns if peer in turn.peers], self.rates(peer))


# --- the command line -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial_rate", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=128, help="of the sweep (128)")
    parser.add_argument("--turns", type=int, default=5, help="how often all are measured (5)")
    parser.add_argument("--full", action="store_true", help="every peer in every turn, and larger samples")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the definition")
    parser.add_argument("--json", type=Path, default=RESULTS / "trial_rate.json", help="file for the figures")
    options = parser.parse_args(arguments)
    facts = machine()
    settings = Settings(full=options.full, rounds=options.turns)
    found = measure(settings, [f"search.trials={options.trials}", *options.set])
    print(f"\n{found.markdown()}\n\n{facts.describe()}")
    write(options.json, facts, [found])
    print(f"\nwritten to {options.json}")


def measure(settings: Settings, changes: Sequence[str] = ()) -> Section:
    """The Sonar definition, with changes."""
    overrides, table = sonar()
    processes = machine().cores
    # Before anything is timed: what is compiled is there, and files are in memory.
    run_command([*overrides, "training.epochs=12", "search.trials=8"], "--workers", f"{processes}")
    overrides = [*overrides, *changes]
    # A trial takes skorch as long as us the whole sweep, and Keras longer.
    samples = {name: 2 * processes if name == plain_loop.WHAT else processes for name in PEERS}
    if not settings.full:
        samples[plain_loop.WHAT] = processes
    often = {plain_loop.WHAT, skorch_peer.WHAT} if settings.full else {plain_loop.WHAT}
    each = [{name: n for name, n in samples.items() if name in often or turn == 0} for turn in range(settings.rounds)]
    if not settings.full:
        each[0].pop(keras_peer.WHAT, None)
    return section(compare(overrides, table, processes, each), load("sonar", overrides))


# --- measuring --------------------------------------------------------------------------------------------------------


def compare(overrides: Sequence[str], table: str, processes: int, samples: Sequence[Mapping[str, int]]) -> Comparison:
    """Runs the sweep as often as there are samples, and after it some of its trials with the peers.

    Args:
        overrides: Of the Sonar definition; a table of two classes.
        table: Note about it.
        processes: Workers, and processes of the peers.
        samples: For each turn, peer to how many trials it trains.
    """
    spec, trained = load("sonar", overrides), Counter[str]()
    names = {name for sample in samples for name in sample}
    with ProcessPoolExecutor(processes, get_context("spawn"), prepare_process) as pool:
        for name in sorted(names):
            list(pool.map(_warm, [PEERS[name]] * 2 * processes, [spec] * 2 * processes))
        turns: list[Turn] = []
        for place, sample in enumerate(samples):
            ran = run_command(overrides, "--workers", f"{processes}")
            print(
                f"turn {place + 1} of {len(samples)}: {len(ran.trials)} trials in {ran.seconds:.1f} s",
                end="",
                flush=True,
            )
            peers: dict[str, tuple[Sampled, ...]] = {}
            for name, count in sample.items():
                order = itertools.cycle(
                    spread(ran.trials, len(ran.trials))
                )  # other trials every time, as long as there are
                own = list(itertools.islice(order, trained[name], trained[name] + count))
                trained[name] += count
                peers[name] = _sampled(pool, PEERS[name], spec, own)
                each = mean(one.seconds for one in peers[name])
                print(f"; {name} {each:.1f} s a trial and process", end="", flush=True)
            print(flush=True)
            turns.append(Turn(len(ran.trials), ran.seconds, peers))
    return Comparison(table, processes, tuple(turns))


@dataclass(frozen=True, slots=True)
class Ran:
    """A whole command.

    Attributes:
        trials: What it has found.
        seconds: From its start to the end of its process, and
        search: of these from the first trial's proposal to the commit of the last.
    """

    trials: tuple[TrialRecord, ...]
    seconds: float
    search: float


def run_command(overrides: Sequence[str], *where: str) -> Ran:
    """Runs ``sweep run sonar`` into a fresh database, with further options that say ``where`` it trains."""
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        storage = f"sqlite:///{Path(folder) / 'sweep.db'}"
        changes = [part for change in overrides for part in ("--set", change)]
        options = ["--storage", storage, "--device", "cpu", "--quiet", *where, *changes]
        program = Path(sys.executable).with_name("sweep")
        seconds = seconds_of(
            lambda: subprocess.run([program, "run", "sonar", *options], check=True, stdout=subprocess.DEVNULL)
        )
        name = load("sonar", overrides).name
        with Store.open(storage) as store:
            sweep = store.sweep(name)
            if sweep is None:
                raise SystemExit("the sweep is not in its database")
            trials = tuple(store.trials(sweep.key))
        study = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    begun = min(trial.datetime_start for trial in study if trial.datetime_start)
    ended = max(trial.datetime_complete for trial in study if trial.datetime_complete)
    return Ran(trials, seconds, (ended - begun).total_seconds())


def spread(trials: Sequence[TrialRecord], count: int) -> list[TrialRecord]:
    """``count`` trials, in turn from each placement: what a trial costs depends on how many layers have dropout."""
    arms: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        arms.setdefault(trial.hyperparameters.placement, []).append(trial)
    rounds = max(map(len, arms.values()))
    ordered = [arm[place] for place in range(rounds) for arm in arms.values() if place < len(arm)]
    return ordered[:count]


def _warm(peer: str, spec: SweepSpec) -> None:
    """Imports and first touches, before anything is timed."""
    setup = prepare(spec)
    short = replace(setup.plan, epochs=1, checkpoints=(1,))
    rates = (0.0,) * (len(spec.network.hidden[0]) + 1)
    trial = Hyperparameters(spec.network.hidden[0], "none", rates, 0.01, 0.9, None, 1.0, 0.0)
    import_module(peer).train_trial(setup.data, setup.folds, short, trial)


def _sampled(pool: Executor, peer: str, spec: SweepSpec, trials: Sequence[TrialRecord]) -> tuple[Sampled, ...]:
    hyperparameters = [trial.hyperparameters for trial in trials]
    found = pool.map(_train, [peer] * len(trials), [spec] * len(trials), hyperparameters)
    return tuple(Sampled(*one, trial.score) for one, trial in zip(found, trials, strict=True))


def _train(peer: str, spec: SweepSpec, trial: Hyperparameters) -> tuple[float, float]:
    """Seconds and score of one trial; reading the table is not counted."""
    setup: Setup = prepare(spec)
    train = import_module(peer).train_trial
    begun = perf_counter()
    score = train(setup.data, setup.folds, setup.plan, trial)
    return perf_counter() - begun, score


# --- saying it --------------------------------------------------------------------------------------------------------


def section(comparison: Comparison, spec: SweepSpec) -> Section:
    """The table, a row for each side."""
    processes, turns = comparison.processes, comparison.turns
    ours, trials = median(turn.ours for turn in turns), turns[0].trials
    whole = f"{len(turns)} times {trials}"
    rows = [(f"`sweep run`, {processes} workers", whole, f"{processes / ours:.2f}", f"{60 * ours:.1f}", "", "")]
    peers = {name for turn in comparison.turns for name in turn.peers}
    for name in [name for name in PEERS if name in peers]:
        sample, rate, ratio = comparison.sample(name), median(comparison.rates(name)), comparison.ratio(name)
        rows.append(
            (
                f"{name}, {processes} processes",
                f"{len(sample)} of these",
                f"{processes / rate:.2f}",
                f"{60 * rate:.2f}",
                f"**{ratio.value:.1f}** ({ratio.low:.1f} to {ratio.high:.1f})",
                f"{mean(one.score for one in sample):.4f} ({mean(one.ours for one in sample):.4f})",
            )
        )
    notes = [
        f"{comparison.table}: {trials} trials of {spec.validation.folds} folds and {spec.training.epochs} epochs, "
        f"mini-batches of {spec.training.batch_size}.",
        f"Ours is the whole command, from the start of Python to the end of its process: {trials / ours:.1f} s. Peers "
        "without start-up, proposals and storage.",
        "Scores: mean raw score of the sample, in brackets ours of the same trials (chosen among the checkpoints).",
    ]
    if not keras_peer.AVAILABLE:
        notes.append(keras_peer.MISSING)
    elif keras_peer.WHAT not in peers:
        notes.append("Keras was left out: it takes minutes a trial (`--full` has it).")
    return Section(
        name="trial_rate",
        title="Trial rate of a whole sweep",
        header=("", "trials", "seconds a trial and process", "trials a minute", "ratio", "scores"),
        rows=tuple(rows),
        notes=tuple(notes),
        figures={**asdict(comparison), "ratios": {name: asdict(comparison.ratio(name)) for name in sorted(peers)}},
    )


if __name__ == "__main__":
    main()
