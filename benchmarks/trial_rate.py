"""Trials per minute: the full Sonar sweep against the ways to do it by hand, the same trials on the same cores.

``python -m benchmarks.trial_rate``, or with the others in ``make bench``. See benchmarks/README.md.

Ours is the whole thing, in a process of its own: Python and torch started, the workers started, the table read, TPE,
a Dask worker process per core, every result committed to SQLite. The peers get a sample of the very same trials, one
process per core, and are not charged for starting processes, proposing, or storing anything. They take turns: a part
of the sweep, a sample of each peer, and so on, so that all meet the same moods of the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from subprocess import PIPE, Popen
from time import perf_counter

from benchmarks import keras_peer, plain_loop, skorch_peer
from benchmarks.machine import RESULTS, ROOT, machine, sonar
from benchmarks.measuring import Settings, prepare_process
from benchmarks.metered import Meter
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
    """A part of the sweep, and the samples of its trials that the peers trained after it.

    Attributes:
        trials: Of the sweep in this part.
        seconds: Wall time; of the first part with everything that has to be started, of the last with its end.
        peers: Peer to its sample; without those that had none in this turn.
    """

    trials: int
    seconds: float
    peers: Mapping[str, tuple[Sampled, ...]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured.

    Attributes:
        table: Note about the table.
        processes: Of either side.
        turns: In order.
        meter: Of the whole sweep.
    """

    table: str
    processes: int
    turns: tuple[Turn, ...]
    meter: Meter

    @property
    def ours(self) -> float:
        """Trials per second of the whole sweep."""
        return sum(turn.trials for turn in self.turns) / self.seconds

    @property
    def seconds(self) -> float:
        """Of the whole sweep."""
        return sum(turn.seconds for turn in self.turns)

    def sample(self, peer: str) -> list[Sampled]:
        """All that a peer has trained."""
        return [sampled for turn in self.turns for sampled in turn.peers.get(peer, ())]

    def rate(self, peer: str) -> float:
        """A peer's trials per second, no process ever idle."""
        return self.processes / mean(sampled.seconds for sampled in self.sample(peer))

    def ratio(self, peer: str) -> float:
        """How many times the peer's trial rate ours is."""
        return self.ours / self.rate(peer)

    def ratios(self, peer: str) -> tuple[float, ...]:
        """The same, turn by turn."""
        return tuple(
            turn.trials / turn.seconds * mean(sampled.seconds for sampled in turn.peers[peer]) / self.processes
            for turn in self.turns
            if peer in turn.peers
        )


# --- the command line -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial_rate", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=128, help="of the sweep (128)")
    parser.add_argument("--turns", type=int, default=5, help="parts the sweep is divided into (5)")
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
    overrides, processes = [*overrides, *changes], machine().cores
    # skorch takes as long as ten of our batches, and Keras as long as a whole sweep.
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
    """Runs the sweep in parts, and after each of them some of its trials with the peers.

    Args:
        overrides: Of the Sonar definition; a table of two classes.
        table: Note about it.
        processes: Workers, and processes of the peers.
        samples: For each part, peer to how many trials it trains.
    """
    spec = load("sonar", overrides)
    names = {name for sample in samples for name in sample}
    with (
        tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder,
        ProcessPoolExecutor(processes, get_context("spawn"), prepare_process) as pool,
    ):
        for name in sorted(names):
            list(pool.map(_warm, [PEERS[name]] * 2 * processes, [spec] * 2 * processes))
        storage, budget = f"sqlite:///{Path(folder) / 'sweep.db'}", prepare(spec).budget.trials
        totals = parts(budget, len(samples), spec.search.batch)
        turns: list[Turn] = []
        begun = perf_counter()
        with Popen(
            [sys.executable, "-m", "benchmarks.sweep_in_parts", storage, str(processes), *overrides],
            stdin=PIPE,
            stdout=PIPE,
            text=True,
            cwd=ROOT,
        ) as sweep:
            for place, sample in enumerate(samples):
                begun = perf_counter() if place else begun
                answer = _go_on(sweep, totals[place], last=place == len(samples) - 1)
                seconds = perf_counter() - begun
                first = sum(turn.trials for turn in turns)
                new = [trial for trial in _trials(storage, spec.name) if trial.number >= first]
                peers = {name: _sampled(pool, PEERS[name], spec, spread(new, count)) for name, count in sample.items()}
                turns.append(Turn(len(new), seconds, peers))
                print(f"part {place + 1} of {len(samples)}: {len(new)} trials in {seconds:.1f} s", end="")
                for name, sampled in peers.items():
                    print(f"; {name} {mean(one.seconds for one in sampled):.1f} s a trial and process", end="")
                print(flush=True)
    return Comparison(table, processes, tuple(turns), Meter(**json.loads(answer)))


def parts(budget: int, count: int, batch: int) -> list[int]:
    """Totals after each part of a sweep. At the end of a batch where there are enough: in a cut one workers wait."""
    unit = batch if budget >= count * batch else 1
    return [min(budget, -(-budget * place // (count * unit)) * unit) for place in range(1, count + 1)]


def _go_on(sweep: Popen[str], trials: int, *, last: bool) -> str:
    """Has the sweep's process train up to so many trials, and end if these are the last.

    Raises:
        RuntimeError: It has ended before.
    """
    if sweep.stdin is None or sweep.stdout is None:
        raise RuntimeError("the process of the sweep has no pipes")
    sweep.stdin.write(f"{trials}\n")
    sweep.stdin.flush()
    answer = sweep.stdout.readline()
    if last:
        sweep.stdin.close()
        answer = sweep.stdout.readline()
        sweep.wait()
    if not answer:
        raise RuntimeError(f"the process of the sweep ended with status {sweep.wait()}")
    return answer


def _trials(storage: str, name: str) -> tuple[TrialRecord, ...]:
    with Store.open(storage) as store:
        sweep = store.sweep(name)
        if sweep is None:
            raise SystemExit("the sweep is not in its database")
        return tuple(store.trials(sweep.key))


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
    processes, meter = comparison.processes, comparison.meter
    trials, ours = sum(turn.trials for turn in comparison.turns), comparison.ours
    rows = [(f"`sweep run`, {processes} workers", f"{trials}", f"{processes / ours:.2f}", f"{60 * ours:.1f}", "", "")]
    peers = {name for turn in comparison.turns for name in turn.peers}
    for name in [name for name in PEERS if name in peers]:
        sample, rate, ratios = comparison.sample(name), comparison.rate(name), comparison.ratios(name)
        rows.append(
            (
                f"{name}, {processes} processes",
                f"{len(sample)} of these",
                f"{processes / rate:.2f}",
                f"{60 * rate:.2f}",
                f"**{comparison.ratio(name):.1f}** ({min(ratios):.1f} to {max(ratios):.1f} by turn)",
                f"{mean(one.score for one in sample):.4f} ({mean(one.ours for one in sample):.4f})",
            )
        )
    share = meter.training / processes / comparison.seconds
    notes = [
        f"{comparison.table}: {trials} trials of {spec.validation.folds} folds and {spec.training.epochs} epochs, "
        f"mini-batches of {spec.training.batch_size}.",
        f"Ours with everything: {comparison.seconds:.1f} s from the start of Python to the last commit and the end of "
        f"the workers; workers trained for {share:.0%} of it. Peers without start-up, proposals and storage.",
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
        figures={**asdict(comparison), "ratios": {name: comparison.ratio(name) for name in sorted(peers)}},
    )


if __name__ == "__main__":
    main()
