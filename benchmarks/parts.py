"""Where the time of a block goes: clocks around the parts of its training, at the Sonar definition.

A block as a sweep trains it, with every checkpoint and score. Each part is charged for its own time only, without that
of the parts it calls. What the clocks cost is measured too: the same block without them takes turns with it.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any

import torch

from benchmarks.machine import sonar
from benchmarks.measuring import Ratio, Settings, in_turn, seconds_of
from benchmarks.report import Section
from benchmarks.shapes import SONAR
from sweep.records import BlockJob
from sweep.run.prepare import prepare
from sweep.spec.definition import load
from sweep.training import train
from sweep.training.block_size import block_trials
from sweep.training.compiled import CompiledPasses
from sweep.training.minibatches import MiniBatches
from sweep.training.scoreboard import Scoreboard
from sweep.training.train import train_block

PRODUCTS = "matrix products"
REST = "the rest: the loop in Python, and memory"

_PARTS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    (PRODUCTS, torch, ("bmm",)),
    ("SGD, momentum, weight decay, max-norm", CompiledPasses, ("update",)),
    ("bias, activation and dropout, forward", CompiledPasses, ("enter", "activate")),
    ("the same, backward", CompiledPasses, ("backward",)),
    ("loss", CompiledPasses, ("lose",)),
    ("random numbers of dropout", MiniBatches, ("dropout",)),
    ("order of rows", MiniBatches, ("rows",)),
    ("gathering and scaling rows", train._Tile, ("_gathered",)),
    ("evaluation at checkpoints", train._Block, ("evaluate",)),
    ("scores", Scoreboard, ("record", "choose", "results")),
    ("beginning: networks, buffers, scaling", train._Block, ("__init__",)),
)
_WHOLE = ("evaluation at checkpoints", "scores")
"""What they call belongs to them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A block, taken to pieces.

    Attributes:
        trials: Of the block.
        member_steps: In all.
        parts: For each part its seconds in each round, of its own.
        clocked: Seconds of the block with clocks in each round, and
        plain: without.
    """

    trials: int
    member_steps: int
    parts: dict[str, tuple[float, ...]]
    clocked: tuple[float, ...]
    plain: tuple[float, ...]


class Clocks:
    """Seconds of each part, without those of the parts that it calls."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._open and self._open[-1] in _WHOLE:
                return function(*args, **kwargs)
            self._open.append(part)
            begun = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = perf_counter() - begun
                self._open.pop()
                self.seconds[part] += took
                if self._open:
                    self.seconds[self._open[-1]] -= took

        return timed

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Inside, all parts are timed."""
        before = [(owner, name, getattr(owner, name), part) for part, owner, names in _PARTS for name in names]
        try:
            for owner, name, function, part in before:
                setattr(owner, name, self.around(part, function))
            yield
        finally:
            for owner, name, function, _ in before:
                setattr(owner, name, function)


def measure(settings: Settings) -> Section:
    """A block of the Sonar definition, as large as the program has it."""
    overrides, table = sonar()
    spec = load("sonar", overrides)
    setup = prepare(spec)
    (hidden,) = spec.network.hidden
    trials = SONAR.work().trials(block_trials(setup.data, setup.folds, hidden, setup.plan))
    job = BlockJob(tuple(range(len(trials))), trials, setup.plan)
    steps = sum(-(-len(rows) // setup.plan.batch_size) for rows in setup.folds.train) * setup.plan.epochs
    found = take(lambda: train_block(setup.data, setup.folds, job), len(trials), steps, settings.rounds)
    return section(found, f"{table}: {setup.plan.epochs} epochs, {setup.folds.splits} folds")


def take(run: Callable[[], object], trials: int, steps: int, rounds: int) -> Found:
    """Takes a block to pieces.

    Args:
        run: Trains it.
        trials: That it has.
        steps: Of a trial.
        rounds: How often.
    """
    found: list[dict[str, float]] = []

    def clocked() -> float:
        clocks = Clocks()
        with clocks.ticking():
            took = seconds_of(run)
        found.append({**clocks.seconds, REST: took - sum(clocks.seconds.values())})
        return took

    run()
    with_clocks, without = in_turn([clocked, lambda: seconds_of(run)], rounds)
    names = (*(part for part, _, _ in _PARTS), REST)
    parts = {name: tuple(each.get(name, 0.0) for each in found) for name in names}
    return Found(trials, trials * steps, parts, tuple(with_clocks), tuple(without))


def section(found: Found, what: str) -> Section:
    """A row for each part, the largest first."""

    def share(seconds: Sequence[float]) -> Ratio:
        return Ratio.of(seconds, found.clocked)

    def micro(seconds: Sequence[float]) -> str:
        return f"{1e6 * median(seconds) / found.member_steps:.2f}"

    rows = []
    for name, seconds in sorted(found.parts.items(), key=lambda part: -median(part[1])):
        of = share(seconds)
        rows.append((name, micro(seconds), f"**{of.value:.1%}** ({of.low:.1%} to {of.high:.1%})"))
    return Section(
        name="parts",
        title="Where the time of a block goes",
        header=("part", "µs of a member-step", "of the whole"),
        rows=(*rows, ("all", micro(found.clocked), "")),
        notes=(
            f"{what}; a block of {found.trials} trials on one core.",
            f"With clocks it takes {Ratio.of(found.clocked, found.plain)} times as long as without.",
        ),
        figures=asdict(found),
    )
