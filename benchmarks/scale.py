"""A long sweep: what a trial costs its coordinator with thousands finished before, and how many workers that feeds.

``run_sweep`` itself, with a launcher that makes results up at once, in the size of real ones: whatever time passes is
the coordinator's own and the database's.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import tracemalloc
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import wraps
from pathlib import Path
from statistics import fmean, median, quantiles
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.machine import sonar
from benchmarks.measuring import Settings, fresh_process, held_bytes, prepare_process, seconds_of
from benchmarks.overhead import postgres, sqlite
from benchmarks.report import Section
from sweep.data import Dataset
from sweep.folds import Folds
from sweep.launch.base import BlockDone, Launcher, nothing
from sweep.metrics import metrics_for
from sweep.records import BlockJob, Hyperparameters, TrialResult
from sweep.run.events import Event, TrialDone
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.run.trials import StudyTrials
from sweep.space.proposer import Proposer, hyperparameters
from sweep.spec.definition import load
from sweep.store.store import Store
from sweep.training.train import train_block

COUNTS = (500, 1_000, 2_000, 5_000)
"""Finished trials at which it is looked what one more costs."""

WINDOW = 160
"""So many trials before each of them are taken together: ten batches."""

ASK, SAVE, TELL = ("propose", "add"), ("save", "decide"), ("tell", "report")

_WORKERS = 2
_ROWS, _FEATURES = 208, 60  # of Sonar
_TIMES = 10  # as many rows, for the larger shape
_EPOCHS = 25  # trained of it, with one checkpoint: as dense as twelve in 300

# What is timed, and which trials a call is for: its time is shared out among them.
_CLOCKED: tuple[tuple[str, type, str, Callable[..., list[int]]], ...] = (
    ("propose", Proposer, "propose", lambda number: [number]),
    ("add", StudyTrials, "add", lambda proposals: [one.number for one in proposals]),
    ("save", Store, "save_trials", lambda _, trained: [result.number for _, result in trained]),
    ("decide", Store, "save_rung", lambda _, decisions, __: [decision.trial for decision in decisions]),
    ("tell", StudyTrials, "tell", lambda number, *_: [number]),
    ("report", StudyTrials, "report", lambda number, _: [number]),
)


class MadeUp(Launcher):
    """Makes results up, a different score for each trial, instead of training.

    Attributes:
        seconds: That this took.
        weight: Bytes of the heaviest trial's parameters and score.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.weight = 0
        self._jobs: deque[BlockJob] = deque()
        self._shared: tuple[Dataset, Folds] | None = None

    @property
    def workers(self) -> int:
        """As many as there would be."""
        return _WORKERS

    def share(self, data: Dataset, folds: Folds) -> None:
        """Keeps a reference."""
        self._shared = data, folds

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        """Queues the job; one that goes on from a rung comes first."""
        (self._jobs.append if after is None else self._jobs.appendleft)(job)

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        """Results, as they are asked for."""
        while self._jobs:
            waiting()
            begun, job = perf_counter(), self._jobs.popleft()
            self.weight = max(self.weight, *map(weight, job.trials))
            results = tuple(map(self._result, [job] * len(job.numbers), job.numbers, job.trials))
            self.seconds += perf_counter() - begun
            yield BlockDone(job, results, 0.0)

    def _result(self, job: BlockJob, number: int, trial: Hyperparameters) -> TrialResult:
        if self._shared is None:
            raise RuntimeError("share() comes before submit()")
        data, folds = self._shared
        reached = [epoch for epoch in job.plan.checkpoints if epoch <= job.end]
        kept = data.info.rows if folds.kept_rows is None else len(folds.kept_rows)
        splits, predicted = folds.folds * folds.repeats, min(len(reached), len(job.plan.predicted_at))
        draws = np.random.default_rng([2, number])
        score = 0.8 - abs(trial.learning_rate - 0.05) + float(draws.normal(0, 0.02))
        shape = splits, len(reached), 2, len(metrics_for(data.info.task))
        return TrialResult(
            number=number,
            epoch=job.end,
            trained=job.end,
            score=score,
            metrics=score + draws.normal(0, 0.05, shape),
            predictions=draws.standard_normal((predicted, folds.repeats, kept, data.info.outputs), np.float32),
            diverged=None,
            seconds=0.0,
        )

    def cancel(self) -> None:
        """Empties the queue."""
        self._jobs.clear()

    def close(self) -> None:
        """Likewise."""
        self.cancel()


@dataclass(frozen=True, slots=True)
class Long:
    """A long sweep.

    Attributes:
        seconds: Of each trial by number, for each of what is timed.
        whole: Seconds from the beginning to the end of each trial but those of the launcher, by how many were
            finished then.
        held: Bytes of memory that the process holds, by how many were finished; with ``traced`` those that Python has.
        weight: Bytes of a trial's parameters and score.
    """

    seconds: dict[str, list[float]]
    whole: list[float]
    held: dict[int, int]
    weight: int

    def of(self, names: Sequence[str], count: int) -> list[float]:
        """Seconds of the trials before a number of them, each with all of these together."""
        before = range(max(0, count - WINDOW), count)
        return [sum(self.seconds[name][number] for name in names if name in self.seconds) for number in before]

    def each(self, count: int) -> float:
        """Seconds of a trial with everything, the mean over those before a number of them."""
        first = max(0, count - 1 - WINDOW)
        return (self.whole[count - 1] - self.whole[first]) / (count - 1 - first)


@dataclass(frozen=True, slots=True)
class Fed:
    """A worker's time for a trial, against the coordinator's.

    Attributes:
        shape: In words.
        block: Seconds of a trial in a block on one core.
        coordinator: Seconds of a trial on the coordinator.
    """

    shape: str
    block: float
    coordinator: float

    @property
    def workers(self) -> float:
        """How many make as many trials in a second as the coordinator can take."""
        return self.block / self.coordinator


def run(overrides: Sequence[str], storage: str, counts: Sequence[int], *, traced: bool = False) -> Long:
    """Sonar's sweep with made-up results, up to the last of the counts. In a process of its own.

    Args:
        overrides: Of the definition.
        storage: Database URL.
        counts: Finished trials at which it is looked at memory, increasing.
        traced: Whether memory is that of Python's objects, which takes much longer, and nothing is timed.
    """
    prepare_process()
    spec = load("sonar", (*overrides, f"search.trials={counts[-1]}"))
    seconds: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    whole, held, aside = list[float](), dict[int, int](), 0.0

    def note(event: Event) -> None:
        nonlocal aside
        if not isinstance(event, TrialDone):
            return
        begun = perf_counter()
        whole.append(begun - aside - launcher.seconds)
        if event.finished in counts:
            gc.collect()
            held[event.finished] = tracemalloc.get_traced_memory()[0] if traced else held_bytes()
        aside += perf_counter() - begun

    with ExitStack() as stack:
        launcher = stack.enter_context(MadeUp())
        if traced:
            tracemalloc.start()
            stack.callback(tracemalloc.stop)
        else:
            stack.enter_context(clocked(seconds))
        run_sweep(spec, storage=storage, launcher=launcher, on_event=note)
    plain = {name: [each[number] for number in range(counts[-1])] for name, each in seconds.items()}
    return Long(plain, whole, held, launcher.weight)


@contextmanager
def clocked(seconds: Mapping[str, defaultdict[int, float]]) -> Iterator[None]:
    """Inside, calls of what is timed add to the seconds of the trials that they are for."""

    def around(call: Callable[..., Any], found: defaultdict[int, float], trials: Callable[..., list[int]]) -> Any:
        @wraps(call)
        def timed(self: object, *arguments: Any, **options: Any) -> Any:
            begun = perf_counter()
            try:
                return call(self, *arguments, **options)
            finally:
                took, numbers = perf_counter() - begun, trials(*arguments)
                for number in numbers:
                    found[number] += took / len(numbers)

        return timed

    with ExitStack() as stack:
        for name, owner, method, trials in _CLOCKED:
            stack.enter_context(patch.object(owner, method, around(getattr(owner, method), seconds[name], trials)))
        yield


def weight(trial: Hyperparameters) -> int:
    """Bytes of a trial's parameters, as it has them and by name, and of its score."""
    plain = trial.to_dict()
    numbers = [number for number in (*trial.dropout, *plain.values()) if isinstance(number, float)]
    parts = (trial, trial.dropout, plain, 0.0, *numbers)  # names and units of layers are the same objects in all
    return sum(map(sys.getsizeof, parts))


# --- how many workers -------------------------------------------------------------------------------------------------


def block_seconds(overrides: Sequence[str], epochs: int | None = None) -> float:
    """Seconds of a trial in a block as two workers have it, on one core. In a process of its own.

    Args:
        overrides: Of the Sonar definition.
        epochs: Trained, with one checkpoint, in place of all; the result is for all.
    """
    prepare_process()
    setup = prepare(load("sonar", overrides))
    proposer = Proposer(setup.spec, "maximize")
    numbers = tuple(range(setup.spec.search.batch // _WORKERS))
    trials = tuple(hyperparameters(setup.spec, proposer.propose(number).params) for number in numbers)
    plan = setup.plan if epochs is None else replace(setup.plan, epochs=epochs, checkpoints=(epochs,))
    train_block(setup.data, setup.folds, BlockJob(numbers, trials, replace(plan, epochs=1, checkpoints=(1,))))
    seconds = seconds_of(lambda: train_block(setup.data, setup.folds, BlockJob(numbers, trials, plan)))
    return seconds / len(numbers) * setup.plan.epochs / plan.epochs


def write_larger(path: Path, rows: int) -> list[str]:
    """A table of as many columns as Sonar and more rows, of random numbers; the overrides that give it to a study."""
    rng = np.random.default_rng(3)
    values = rng.standard_normal((rows, _FEATURES)).round(4)
    lines = [",".join([*map(str, row), "MR"[int(row[0] > 0)]]) for row in values]
    path.write_text("\n".join([",".join([*(f"x{place}" for place in range(_FEATURES)), "y"]), *lines, ""]))
    return [f"data.source={path}", "data.target=y"]


def feed(long: Long, count: int, saves: float, shape: str, block: float) -> Fed:
    """How many workers a coordinator can feed late in a sweep.

    Args:
        long: A sweep of the Sonar definition.
        count: After so many finished trials.
        saves: Seconds of saving a trial of the shape, which differs with the size of its results.
        shape: In words.
        block: Seconds of a trial on a worker.
    """
    return Fed(shape, block, long.each(count) - fmean(long.of(SAVE, count)) + saves)


# --- all of it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured.

    Attributes:
        counts: Finished trials at which it was looked.
        sweeps: By database and pruner.
        traced: A sweep whose memory is that of Python's objects.
        fed: For each shape.
    """

    counts: tuple[int, ...]
    sweeps: dict[tuple[str, str], Long]
    traced: Long
    fed: tuple[Fed, ...]


def measure(_: Settings) -> Section:
    """A quarter of an hour: 5,000 trials three times, and fewer of them under the eyes of ``tracemalloc``."""
    return section(take(COUNTS))


def take(counts: tuple[int, ...], epochs: int | None = None) -> Found:
    """Every sweep in a process of its own; ``epochs`` of Sonar's trained, in place of all."""
    overrides, _ = sonar()
    sweeps: dict[tuple[str, str], Long] = {}
    for name, database in (("PostgreSQL", postgres), ("SQLite", sqlite)):
        for pruner in ("none", "halving") if name == "PostgreSQL" else ("none",):
            with database() as storage, fresh_process() as process:
                settings = (*overrides, f"search.pruner={pruner}")
                sweeps[name, pruner] = process.submit(run, settings, storage, counts).result()
            last = sweeps[name, pruner]
            print(f"{name}, pruner {pruner}: {1000 * median(last.of(ASK + TELL, counts[-1])):.1f} ms", flush=True)
    with sqlite() as storage, fresh_process() as process:
        settings = (*overrides, "search.sampler=random")  # which weighs the same, and is quicker
        traced = process.submit(run, settings, storage, counts[:-1], traced=True).result()
    return Found(counts, sweeps, traced, _fed(sweeps["PostgreSQL", "none"], counts[-1], overrides, epochs))


def _fed(long: Long, count: int, overrides: Sequence[str], epochs: int | None) -> tuple[Fed, ...]:
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        larger = write_larger(Path(folder) / "table.csv", _TIMES * _ROWS)
        with fresh_process() as process:
            block = process.submit(block_seconds, overrides, epochs).result()
        with fresh_process() as process:
            larger_block = process.submit(block_seconds, larger, min(_EPOCHS, epochs or _EPOCHS)).result()
        few = min(2 * WINDOW, count)
        with postgres() as storage, fresh_process() as process:
            saved = process.submit(run, (*larger, "search.sampler=random"), storage, (few,)).result()
    return (
        feed(long, count, fmean(long.of(SAVE, count)), "Sonar", block),
        feed(long, count, fmean(saved.of(SAVE, few)), f"{_TIMES} times the rows", larger_block),
    )


def section(found: Found) -> Section:
    """A row for each sweep and count."""
    first, last = found.counts[0], found.counts[-1]

    def ms(seconds: Sequence[float]) -> str:
        return f"{1000 * median(seconds):.1f}"

    rows = tuple(
        (
            name,
            pruner,
            f"{count:,}",
            ms(long.of(("propose",), count)),
            ms(long.of(("add",), count)),
            ms(long.of(TELL, count)),
            f"**{ms(long.of(ASK + TELL, count))}**",
            f"{1000 * quantiles(long.of(ASK + TELL, count), n=20)[-1]:.1f}",
            ms(long.of(SAVE, count)),
            f"{1000 * long.each(count):.1f}",
            f"{(long.held[count] - long.held[first]) / 1e6:+.1f}",
        )
        for (name, pruner), long in found.sweeps.items()
        for count in found.counts
    )
    traced = found.traced
    low, *_, high = traced.held
    each = (traced.held[high] - traced.held[low]) / (high - low)
    return Section(
        name="scale",
        title=f"A trial after {last:,} others",
        header=(
            "database",
            "pruner",
            "finished",
            "propose, ms",
            "add, ms",
            "tell, ms",
            "ask + tell, ms",
            "95th percentile",
            "save, ms",
            "everything, ms",
            f"process, MB above that at {first:,}",
        ),
        rows=rows,
        notes=(
            f"The Sonar definition with TPE and results made up at once; medians of the {WINDOW} trials before, of "
            "everything the mean. Ask: propose and add to the study. Tell: with the scores at rungs.",
            f"Python's objects: {each:,.0f} bytes a trial from {low:,} to {high:,}; its parameters and score are "
            f"{traced.weight:,}.",
            *(
                f"{one.shape}: {one.block:.2f} s of a core to train a trial, {1000 * one.coordinator:.1f} ms of the "
                f"coordinator: **{one.workers:.0f}** workers."
                for one in found.fed
            ),
        ),
        figures={
            "sweeps": {" ".join(key): asdict(long) for key, long in found.sweeps.items()},
            "traced": {"held": traced.held, "weight": traced.weight},
            "fed": [{**asdict(one), "workers": one.workers} for one in found.fed],
        },
    )
