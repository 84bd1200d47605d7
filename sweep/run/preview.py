"""What a definition would run: blocks and time, found by proposing the first batch and training a moment of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sweep import metrics
from sweep.records import BlockJob
from sweep.run.blocks import cut_blocks
from sweep.run.prepare import Setup
from sweep.run.rungs import share_of_epochs
from sweep.space.arms import batch_size
from sweep.space.proposer import Proposer, hyperparameters
from sweep.training.estimate import block_seconds


@dataclass(frozen=True, slots=True)
class Preview:
    """How a sweep would be trained.

    Attributes:
        blocks: Network (units of its hidden layers) to the most trials that would be trained together.
        workers: Blocks trained at the same time.
        device: Of the workers.
        seconds: Estimated time of the whole sweep. Measured for a moment: right to a factor of two or so; too much if
            trials are pruned by the median.
    """

    blocks: Mapping[tuple[int, ...], int]
    workers: int
    device: str
    seconds: float


def preview(setup: Setup, *, workers: int, device: str) -> Preview:
    """Looks ahead. Trains for a few seconds at most; stores nothing."""
    proposer = Proposer(setup.spec, metrics.direction(setup.plan.metric))
    batch = min(batch_size(setup.spec), setup.budget.trials)
    trials = {number: hyperparameters(setup.spec, proposer.propose(number).params) for number in range(batch)}
    shapes: dict[tuple[int, ...], list[tuple[int, ...]]] = defaultdict(list)
    for block in cut_blocks(trials, setup, workers=workers, device=device):
        shapes[trials[block[0]].hidden].append(block)
    largest = {hidden: max(blocks, key=len) for hidden, blocks in shapes.items()}
    busy = 0.0
    for hidden, blocks in shapes.items():
        numbers = largest[hidden]
        job = BlockJob(numbers, tuple(trials[number] for number in numbers), setup.plan)
        seconds = block_seconds(setup.data, setup.folds, job, device)
        busy += seconds * sum(map(len, blocks)) / len(numbers)
    sizes = {hidden: len(numbers) for hidden, numbers in largest.items()}
    wanted = setup.budget.trials
    seconds = busy / min(workers, batch) * wanted / batch * share_of_epochs(setup.spec, wanted)
    return Preview(sizes, workers, device, seconds)
