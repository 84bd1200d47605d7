"""A wide network against the plain loop: seconds per epoch, and how fast the matrix products run inside the step.

Stacking saves the overhead of small operations; a wide network has none. All that can be asked is that nothing is lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict
from statistics import median

from torch.profiler import ProfilerActivity, profile

from benchmarks import floor, plain_loop
from benchmarks.measuring import Lengths, Ratio, Settings, in_turn, prepare_process, seconds_of
from benchmarks.report import Section
from benchmarks.shapes import WIDE, Shape, Work
from sweep.training.block_size import block_trials

_PRODUCTS = ("aten::bmm", "aten::baddbmm", "aten::mm", "aten::addmm")


def measure(settings: Settings) -> Section:
    """The wide shape."""
    return compare(WIDE, settings)


def compare(shape: Shape, settings: Settings) -> Section:
    """One shape: an epoch of the block, an epoch of the plain loop over all folds, one process with one thread each."""
    work, device = shape.work(), settings.device
    trials = block_trials(work.data, work.folds, shape.hidden, work.plan(1), device)

    trials -= trials % 4 if trials > 4 else 0  # whole rounds over the arms, so that both sides have the same shares
    alike, data = min(4, trials), work.data.to(device)

    def ours(epochs: int) -> None:
        work.train(trials, epochs, device)

    def plain(epochs: int) -> None:
        prepare_process()  # ours leaves denormal numbers as PyTorch has them
        for trial in work.trials(alike):
            plain_loop.train_trial(data, work.folds, work.plan(epochs), trial)

    ours_lengths, plain_lengths = (Lengths.for_seconds(run, settings.seconds) for run in (ours, plain))
    epoch, plain_epoch, rate = in_turn(
        [
            lambda: ours_lengths.epoch_seconds(ours) / trials,
            lambda: plain_lengths.epoch_seconds(plain) / alike,
            lambda: floor.multiply_rate(device),
        ],
        settings.rounds,
    )
    total = floor.operations(work) * work.steps
    ratio, whole = Ratio.of(epoch, plain_epoch), Ratio.of([total / seconds for seconds in epoch], rate)
    rows = [
        ("one block", f"{trials} trials, {trials * shape.folds} members", f"{median(epoch):.2f}", f"{whole.value:.0%}"),
        ("plain PyTorch loop", "one network at a time", f"{median(plain_epoch):.2f}", ""),
        ("**block / loop**", "", f"**{ratio}**", ""),
    ]
    figures = {
        "network": shape.network,
        "device": device,
        "trials": trials,
        "operations": total,
        "epoch": epoch,
        "plain_epoch": plain_epoch,
        "rate": rate,
        "ratio": asdict(ratio),
        "step_share": asdict(whole),
    }
    notes = [
        f"{shape.network}, mini-batches of {shape.batch}, {shape.rows:,} rows, {shape.folds} folds; on {device}, one "
        f"thread; an epoch of one trial over all folds. Large matrices: {median(rate) / 1e9:,.0f} GFLOP/s.",
    ]
    if device == "cpu":
        share = products_share(work, trials, ours, ours_lengths.short)
        figures["products"] = share
        rate_reached = share["operations"] / share["seconds"] / median(rate)
        notes.append(
            f"Inside the step (torch's profiler): the products take {share['seconds'] / share['wall']:.0%} of the time "
            f"and run at {rate_reached:.0%} of that rate."
        )
    return Section(
        name="wide",
        title="A wide network against the plain loop",
        header=("", "at a time", "seconds an epoch", "share of the machine's rate"),
        rows=tuple(rows),
        notes=tuple(notes),
        figures=figures,
    )


def products_share(work: Work, trials: int, run: Callable[[int], None], epochs: int) -> dict[str, float]:
    """What torch's profiler sees of the products in a run: their seconds, and their operations; and the run's seconds.

    The few products of the evaluation at the end count in both.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        wall = seconds_of(lambda: run(epochs))  # what is compiled, or Python, is no event of torch's
    seconds = 1e-6 * sum(event.self_cpu_time_total for event in profiled.key_averages() if event.key in _PRODUCTS)
    evaluated = work.shape.folds * work.shape.rows
    forward = _forward_operations(work)
    operations = trials * (epochs * floor.operations(work) * work.steps + forward * evaluated)
    return {"seconds": seconds, "wall": wall, "operations": float(operations)}


def _forward_operations(work: Work) -> int:
    """Of one row, forward only."""
    widths = [work.shape.features, *work.shape.hidden, work.data.info.outputs]
    return sum(2 * a * b for a, b in itertools.pairwise(widths))
