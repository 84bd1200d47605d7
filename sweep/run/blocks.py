"""From a batch, the trials asked together, to blocks, the trials trained together."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sweep.records import Hyperparameters
from sweep.run.prepare import Setup
from sweep.training.block_size import block_trials


def cut_blocks(
    trials: Mapping[int, Hyperparameters], setup: Setup, *, workers: int, device: str
) -> Iterator[tuple[int, ...]]:
    """Trials of one shape each, enough blocks for all workers, the costliest shape first.

    Args:
        trials: By number.
        setup: What the sweep works on.
        workers: How many blocks train at the same time.
        device: Of the workers.

    Returns:
        The numbers of each block's trials.
    """
    shapes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, trial in trials.items():
        shapes[trial.hidden].append(number)
    for hidden in sorted(shapes, key=sum, reverse=True):
        limit = block_trials(setup.data, setup.folds, hidden, setup.plan, device)
        yield from _evenly(shapes[hidden], limit, workers)


def _evenly(numbers: Sequence[int], limit: int, workers: int) -> Iterator[tuple[int, ...]]:
    """Parts of nearly equal size, at most ``limit``, as many as keep all workers busy to the end."""
    blocks = math.ceil(len(numbers) / limit)
    blocks = min(math.ceil(blocks / workers) * workers, len(numbers))
    cuts = [position * len(numbers) // blocks for position in range(blocks + 1)]
    for start, end in itertools.pairwise(cuts):
        yield tuple(numbers[start:end])
