"""How the cost of a member-step and the memory grow: with the members of a block, folds, rows, and processes.

Every point of an axis has a process of its own, in which nothing else was done: its high-water mark is its memory. The
processes of an axis take turns, and each is compared with the axis's first point, round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from statistics import mean, median

from benchmarks import floor
from benchmarks.measuring import (
    Lengths,
    Ratio,
    Settings,
    fresh_process,
    held_bytes,
    in_turn,
    peak_bytes,
    prepare_process,
)
from benchmarks.report import Section
from benchmarks.shapes import SONAR, Shape, with_folds, with_rows
from sweep.training.block_size import block_trials

_MEMBERS = (8, 1, 2, 4, 16, 32, 64)
_FOLDS = (10, 2, 5, 20)
_ROWS = (208, 2_000, 20_000)
_PROCESSES = (1, 2)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of an axis.

    Attributes:
        label: Of the point.
        seconds: In each round: of a member-step; with several at once, divided by how many.
        base: Bytes held before anything was done, and
        peak: at most; 0 where no single process did it all, or it was not looked at.
    """

    label: str
    seconds: tuple[float, ...]
    base: int = 0
    peak: int = 0


def measure(settings: Settings) -> Section:
    """All axes."""
    own = {shape: _own_trials(shape) for shape in {with_folds(SONAR, n) for n in _FOLDS}}
    axes = {
        "trials in a block": [(f"{n}", SONAR, n) for n in _MEMBERS],
        "folds": [(f"{n}", with_folds(SONAR, n), own[with_folds(SONAR, n)]) for n in _FOLDS],
        "rows": [(f"{n:,}", with_rows(SONAR, n), own[SONAR]) for n in _ROWS],
    }
    found = {axis: along(points, settings) for axis, points in axes.items()}
    block = partial(_begin, SONAR, own[SONAR], settings.seconds)
    found["processes at once, a block each"] = at_once(block, _step, _PROCESSES, settings.rounds)
    products = partial(_begin_products, SONAR, own[SONAR], settings.seconds)
    found["processes at once, products alone"] = at_once(products, _step_of_products, _PROCESSES, settings.rounds)
    return section(found)


def _own_trials(shape: Shape) -> int:
    work = shape.work()
    return block_trials(work.data, work.folds, shape.hidden, work.plan(1))


def along(points: Sequence[tuple[str, Shape, int]], settings: Settings) -> list[Point]:
    """Points (label, shape, trials) of an axis, each in a process of its own, in turn."""
    with ExitStack() as stack:
        processes = [stack.enter_context(fresh_process()) for _ in points]
        bases = [
            process.submit(_begin, shape, trials, settings.seconds).result()
            for process, (_, shape, trials) in zip(processes, points, strict=True)
        ]
        takes: list[Callable[[], float]] = [partial(lambda p: p.submit(_step).result(), p) for p in processes]
        times = in_turn(takes, settings.rounds)
        peaks = [process.submit(peak_bytes).result() for process in processes]
    return [
        Point(label, tuple(seconds), base, peak)
        for (label, _, _), seconds, base, peak in zip(points, times, bases, peaks, strict=True)
    ]


class _Measured:
    """What the process of a point measures. Kept between its calls."""

    run: Callable[[int], None]
    lengths: Lengths
    member_steps: int
    products: floor.Products
    steps: int


def _begin(shape: Shape, trials: int, seconds: float) -> int:
    prepare_process()
    work = shape.work()
    base = held_bytes()
    _Measured.run = staticmethod(lambda epochs: work.train(trials, epochs))
    _Measured.lengths = Lengths.for_seconds(_Measured.run, seconds)
    _Measured.member_steps = trials * work.steps
    return base


def _step() -> float:
    return _Measured.lengths.epoch_seconds(_Measured.run) / _Measured.member_steps


def _begin_products(shape: Shape, trials: int, seconds: float) -> None:
    prepare_process()
    _Measured.products = floor.Products.allocate(shape.work(), trials * shape.folds)
    _Measured.steps = floor.steps_for(_Measured.products, seconds)


def _step_of_products() -> float:
    return _Measured.products.seconds(_Measured.steps)


def at_once(begin: Callable[[], object], step: Callable[[], float], counts: Sequence[int], rounds: int) -> list[Point]:
    """The same in so many processes at once, which share nothing but the machine: what it has to give.

    Args:
        begin: Prepares a process.
        step: Seconds of a member-step in it.
        counts: How many processes.
        rounds: Turns.
    """

    def take(count: int) -> float:
        futures = [process.submit(step) for process in processes[:count]]
        return mean(future.result() for future in futures) / count

    with ExitStack() as stack:
        processes = [stack.enter_context(fresh_process()) for _ in range(max(counts))]
        for process in processes:
            process.submit(begin).result()
        times = in_turn([partial(take, count) for count in counts], rounds)
    return [Point(f"{count}", tuple(seconds)) for count, seconds in zip(counts, times, strict=True)]


def section(found: dict[str, list[Point]]) -> Section:
    """A row for each point; the first of an axis is what the others are compared with."""
    rows = []
    for axis, points in found.items():
        for point in points:
            memory = f"{(point.peak - point.base) / 1e6:,.0f}" if point.peak else ""
            ratio = Ratio.of(point.seconds, points[0].seconds)
            rows.append(
                (
                    axis,
                    point.label,
                    f"{1e6 * median(point.seconds):.1f}",
                    "1" if point is points[0] else f"**{ratio}**",
                    memory,
                )
            )
    return Section(
        name="scaling",
        title="Cost against members, folds, rows and processes",
        header=("axis", "", "a member-step, µs", "against the first", "peak above start, MB"),
        rows=tuple(rows),
        notes=(
            f"The Sonar shape {SONAR.network} on random tables. With the number of folds the block changes as the "
            "program chooses it. Memory: of the process that trained, above what Python and the table took before.",
            "With W at once the time is divided by W: what is not 1 / W of the first is what they cost one another.",
        ),
        figures={axis: [asdict(point) for point in points] for axis, points in found.items()},
    )
