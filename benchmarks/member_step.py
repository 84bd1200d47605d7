"""A member-step, one update of one network of a block, against its matrix products alone.

The step is timed as a sweep takes it, through ``train_block``: rows gathered and scaled, dropout drawn, forward,
backward, update and max-norm. Two run lengths are timed and subtracted, so that what is done once a run, start-up
and evaluation, cancels. See ``floor`` for the products, and ``measuring`` for how they take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks import floor
from benchmarks.measuring import Lengths, Ratio, Settings, in_turn
from benchmarks.report import Section
from benchmarks.shapes import SHAPES, SONAR, Shape
from sweep.training.block_size import block_trials

# Of the Sonar definition, to say how many of its trials a minute the steps allow.
_SONAR_EPOCHS = 300


@dataclass(frozen=True, slots=True)
class Point:
    """One shape on one device.

    Attributes:
        network: Widths.
        trials: T of the block that was trained: as many as the program chooses.
        members: M of it.
        best_members: Number of members at which the floor is lowest.
        operations: Floating-point operations of a member-step's products.
        member_steps: Of one epoch of the block.
        step: Seconds of a member-step, in each round.
        same: Of its products alone, with as many members.
        best: Of its products alone, with the best number of members.
        rate: Floating-point operations a second of large matrices.
    """

    network: str
    trials: int
    members: int
    best_members: int
    operations: int
    member_steps: int
    step: tuple[float, ...]
    same: tuple[float, ...]
    best: tuple[float, ...]
    rate: tuple[float, ...]

    @property
    def to_floor(self) -> Ratio:
        """How many times its products a step takes; the products with whatever number of members suits them best."""
        return Ratio.of(self.step, [min(pair) for pair in zip(self.same, self.best, strict=True)])

    def share_of_rate(self, seconds: Sequence[float]) -> Ratio:
        """What part of the machine's rate the products reach in such a time of a member-step."""
        return Ratio.of([self.operations / each for each in seconds], self.rate)


def measure(settings: Settings) -> Section:
    """Every shape."""
    points = {shape.name: take(shape, settings) for shape in SHAPES}
    return section(points, settings.device)


def take(shape: Shape, settings: Settings) -> Point:
    """One shape: step, floor with as many members, floor with the best number of them, machine, and so on."""
    work, device = shape.work(), settings.device
    trials = block_trials(work.data, work.folds, shape.hidden, work.plan(1), device)
    member_steps = trials * work.steps
    same = floor.Products.allocate(work, trials * shape.folds, device)
    best = floor.best_members(work, trials * shape.folds, device, settings.seconds / 20)
    lengths = Lengths.for_seconds(lambda epochs: work.train(trials, epochs, device), settings.seconds)
    steps, best_steps = (floor.steps_for(products, settings.seconds / 4) for products in (same, best))
    step, alone, alone_best, rate = in_turn(
        [
            lambda: lengths.epoch_seconds(lambda epochs: work.train(trials, epochs, device)) / member_steps,
            lambda: same.seconds(steps),
            lambda: best.seconds(best_steps),
            lambda: floor.multiply_rate(device),
        ],
        settings.rounds,
    )
    return Point(
        network=shape.network,
        trials=trials,
        members=same.members,
        best_members=best.members,
        operations=floor.operations(work),
        member_steps=member_steps,
        step=tuple(step),
        same=tuple(alone),
        best=tuple(alone_best),
        rate=tuple(rate),
    )


def section(points: dict[str, Point], device: str) -> Section:
    """The table, a row for each shape."""
    rows = []
    for name, point in points.items():
        epochs = 1 / (median(point.step) * point.member_steps / point.trials)
        rows.append(
            (
                f"{name} {point.network}",
                f"{point.trials} trials, {point.members}",
                f"{_micro(point.step)}",
                f"{_micro(point.same)}",
                f"{_micro(point.best)} ({point.best_members})",
                f"**{point.to_floor}**",
                f"{point.share_of_rate(point.best).value:.0%}",
                f"{point.share_of_rate(point.step).value:.0%}",
                f"{1 / median(point.step):,.0f}",
                f"{epochs:,.1f}",
            )
        )
    rate = median([each for point in points.values() for each in point.rate])
    notes = [
        f"On {device}. Large matrices (`torch.mm`, float32): {rate / 1e9:,.0f} GFLOP/s; the shares are of that.",
        "Products as they run, widths and rows padded. An epoch is one pass of one trial over all of its folds.",
    ]
    if SONAR.name in points:
        sonar = points[SONAR.name]
        per_trial = median(sonar.step) * sonar.member_steps / sonar.trials * _SONAR_EPOCHS
        notes.append(
            f"At this rate the steps of the Sonar definition ({_SONAR_EPOCHS} epochs, {SONAR.folds} folds) allow "
            f"{60 / per_trial:,.1f} trials a minute and process."
        )
    return Section(
        name="member_step",
        title="A member-step against its matrix products",
        header=(
            "shape",
            "block, members",
            "step, µs",
            "products alone, µs",
            "at their best number of members, µs",
            "step / best products",
            "products' share of the machine's rate",
            "the whole step's",
            "member-steps a second",
            "epochs a second",
        ),
        rows=tuple(rows),
        notes=tuple(notes),
        figures={
            "device": device,
            **{
                name: {**asdict(point), "to_floor": asdict(point.to_floor), "steps": _per_second(point)}
                for name, point in points.items()
            },
        },
    )


def _per_second(point: Point) -> float:
    return 1 / median(point.step)


def _micro(seconds: Sequence[float]) -> str:
    return f"{1e6 * median(seconds):.1f}"
