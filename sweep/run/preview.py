"""What a definition would run: blocks and time, found by proposing the first batch and training a moment of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweep import metrics
from sweep.records import BlockJob, Hyperparameters
from sweep.run.loop import split
from sweep.run.prepare import Setup
from sweep.space.proposer import Proposer, hyperparameters
from sweep.training.block_size import block_trials
from sweep.training.estimate import block_seconds


@dataclass(frozen=True, slots=True)
class Preview:
    """How a sweep would be trained.

    Attributes:
        blocks: Network (units of its hidden layers) to the most trials that would be trained together.
        workers: Blocks trained at the same time.
        device: Of the workers.
        seconds: Estimated time of the whole sweep. Measured for a moment: right to a factor of two or so.
    """

    blocks: Mapping[tuple[int, ...], int]
    workers: int
    device: str
    seconds: float


def preview(setup: Setup, *, workers: int, device: str) -> Preview:
    """Looks ahead. Trains for a few seconds at most; stores nothing."""
    proposer = Proposer(setup.spec, metrics.direction(setup.plan.metric))
    batch = min(setup.spec.search.batch, setup.budget.trials)
    trials = [hyperparameters(setup.spec, proposer.propose(number).params) for number in range(batch)]
    shapes: dict[tuple[int, ...], list[Hyperparameters]] = {}
    for trial in trials:
        shapes.setdefault(trial.hidden, []).append(trial)
    blocks: dict[tuple[int, ...], int] = {}
    busy = 0.0
    for hidden, alike in shapes.items():
        limit = block_trials(setup.data, setup.folds, hidden, setup.plan, device)
        cut = list(split(range(len(alike)), limit, workers))
        largest = max(cut, key=len)
        blocks[hidden] = len(largest)
        job = BlockJob(largest, tuple(alike[place] for place in largest), setup.plan)
        seconds = block_seconds(setup.data, setup.folds, job, device)
        busy += seconds * sum(len(block) for block in cut) / len(largest)
    at_once = min(workers, sum(len(alike) for alike in shapes.values()))
    return Preview(blocks, workers, device, busy / at_once * setup.budget.trials / batch)
