"""The mini-batches of a block: which rows, at which weight, with which dropout draws.

They are the same for every trial. Splits are put in order of falling number of training rows, so that those
which still have rows left at any step are the first of them; a split beyond its own last mini-batch takes no part.
Mini-batches are always full: the ragged last one is filled with rows of weight 0, and its loss is divided by the
full batch size all the same, or a last batch of four rows would move the networks as far as one of sixteen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sweep.folds import Folds
from sweep.records import padded
from sweep.training.draws import Draws

# Rows of a mini-batch are padded to a multiple of this: as for widths, but 8 do.
ROW_ALIGN: Final = 8


def effective_batch_size(folds: Folds, batch_size: int) -> int:
    """``batch_size``, or the largest number of training rows of any split if that is smaller."""
    return min(batch_size, folds.longest)


def by_length(folds: Folds) -> list[int]:
    """Numbers of the splits, those with the most training rows first."""
    # sorted() is stable: splits of one length keep their order.
    return sorted(range(folds.splits), key=lambda split: -len(folds.train[split]))


class MiniBatches:
    """Mini-batches of some splits.

    Args:
        folds: All splits.
        order: Numbers of those that are meant, S of them, in the order of :func:`by_length`.
        batch_size: As defined.
        draws: Of the sweep.
        device: Where the tensors go.

    Attributes:
        order: As given.
        size: Rows of a mini-batch.
        padded_size: The same, padded: B in every shape.
        steps: Mini-batches of an epoch of the longest of the splits.
        weights: ``[steps, S, B]`` float32: 1 / size, and 0 where no row stands.
    """

    def __init__(self, folds: Folds, order: Sequence[int], batch_size: int, draws: Draws, device: torch.device) -> None:
        self._draws, self._device = draws, device
        self.order: Final = tuple(order)
        self._train = [folds.train[split].cpu().numpy() for split in order]
        self._lengths = [len(rows) for rows in self._train]
        self.size: Final = effective_batch_size(folds, batch_size)
        self.padded_size: Final = padded(self.size, ROW_ALIGN)
        self.steps: Final = -(-self._lengths[0] // self.size)
        self.weights: Final = self._row_weights()

    def active(self, step: int) -> int:
        """A, how many splits still have a mini-batch at this step: the first A."""
        return sum(length > step * self.size for length in self._lengths)

    def rows(self, epoch: int) -> Tensor:
        """Rows of every mini-batch of an epoch (0-based), ``[steps, S, B]`` int64; row 0 where none stands."""
        visits = np.zeros((len(self.order), self.steps * self.size), dtype=np.int64)
        for place, (split, rows) in enumerate(zip(self.order, self._train, strict=True)):
            visits[place, : len(rows)] = rows[self._draws.row_order(split, epoch, len(rows))]
        full = np.zeros((self.steps, len(self.order), self.padded_size), dtype=np.int64)
        full[:, :, : self.size] = visits.reshape(len(self.order), self.steps, self.size).swapaxes(0, 1)
        return torch.from_numpy(full).to(self._device)

    def dropout(self, epoch: int, steps: range, per_row: int) -> Tensor:
        """Dropout draws of some mini-batches of an epoch, ``[steps, S, B * per_row]`` int16.

        Args:
            epoch: 0-based.
            steps: Consecutive mini-batches.
            per_row: Draws for a row of a mini-batch: one for each unit, padded ones too.
        """
        each = self.padded_size * per_row
        draws = np.empty((len(steps), len(self.order), each), dtype=np.int16)
        for place, split in enumerate(self.order):
            draws[:, place] = self._draws.dropout(split, epoch, steps.start, len(steps), each)
        return torch.from_numpy(draws).to(self._device)

    def _row_weights(self) -> Tensor:
        place = torch.arange(self.steps * self.size).view(-1, 1, self.size)
        full = (place < torch.tensor(self._lengths)[:, None]).float() / self.size
        return torch.nn.functional.pad(full, (0, self.padded_size - self.size)).to(self._device)
