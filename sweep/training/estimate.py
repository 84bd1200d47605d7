"""How long a block will train: a moment of it is measured, the rest is reckoned.

A step costs the same wherever it stands in the training, and an evaluation costs the same a row. So a block of the
real shape is trained on few rows, twice, for one epoch and for some: the difference is steps, the rest evaluation.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter, thread_time

import numpy as np
import torch

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import BlockJob
from sweep.training.minibatches import effective_batch_size
from sweep.training.train import train_block

# Mini-batches of an epoch on the sample: where steps are quick, and where two of them are felt.
QUICK, SLOW = 16, 2
# What may be spent on the longer of the two measurements, in seconds.
MOMENT = 0.4
MOST_EPOCHS = 40
# So often both are taken where the longer one was no longer: something else ran during the other.
ATTEMPTS = 3


def block_seconds(data: Dataset, folds: Folds, job: BlockJob, device: str = "cpu") -> float:
    """Estimated seconds of ``train_block`` on the same arguments, an epoch of training or two in itself.

    Args:
        data: The table.
        folds: Its splits.
        job: The block.
        device: As for ``train_block``.
    """
    size = effective_batch_size(folds, job.plan.batch_size)
    few, few_folds = _sample(data, folds, SLOW * size)
    first = _seconds(few, few_folds, job, 1, device)  # also warms up
    if first < MOMENT:
        few, few_folds = _sample(data, folds, QUICK * size)
    short = min(_seconds(few, few_folds, job, 1, device) for _ in range(2 if first < MOMENT else 1))
    for _ in range(ATTEMPTS):
        epochs = max(1, min(MOST_EPOCHS, int(MOMENT / short)))
        longer = _seconds(few, few_folds, job, 1 + epochs, device)
        if longer > short:
            step = (longer - short) / (epochs * _steps(few_folds, size))
            break
        short = min(short, _seconds(few, few_folds, job, 1, device))
    else:
        step = longer / ((1 + epochs) * _steps(few_folds, size))  # too much rather than nothing
    evaluation = max(short - step * _steps(few_folds, size), 0.0) * data.info.rows / few.info.rows
    return step * _steps(folds, size) * job.plan.epochs + evaluation * len(job.plan.checkpoints)


def _seconds(data: Dataset, folds: Folds, job: BlockJob, epochs: int, device: str) -> float:
    """Time of a short training, evaluated once.

    On a processor it is what its one thread took: others may be at work on this machine.
    """
    plan = replace(job.plan, epochs=epochs, checkpoints=(epochs,))
    clock = thread_time if device == "cpu" else perf_counter
    start = clock()
    train_block(data, folds, replace(job, plan=plan), device)
    return clock() - start


def _steps(folds: Folds, size: int) -> int:
    """Mini-batches of an epoch."""
    return -(-max(len(rows) for rows in folds.train) // size)


def _sample(data: Dataset, folds: Folds, rows: int) -> tuple[Dataset, Folds]:
    """At most ``rows`` training rows of each split and as many tested ones, and a table of these alone."""
    train = [_spread(part, rows) for part in folds.train]
    test = [_spread(part, rows) for part in folds.test]
    kept = np.unique(np.concatenate([*train, *test]))
    index = torch.from_numpy(kept).to(data.features.device)
    sample = replace(
        data,
        features=data.features[index],
        target=data.target[index],
        groups=None,
        info=replace(data.info, rows=len(kept)),
    )
    places = [tuple(torch.from_numpy(np.searchsorted(kept, part)) for part in parts) for parts in (train, test)]
    return sample, replace(folds, train=places[0], test=places[1], kept_rows=None)


def _spread(part: torch.Tensor, rows: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Evenly spaced among the rows of a split, which may be sorted by class."""
    places = np.linspace(0, len(part) - 1, min(rows, len(part))).round().astype(np.int64)
    chosen: np.ndarray[tuple[int], np.dtype[np.int64]] = part.cpu().numpy()[places]
    return chosen
