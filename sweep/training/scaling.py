"""Scaling fitted on the training rows of each split, and on nothing else.

Features are imputed with the mean and standardised to mean 0 and variance 1; a missing value is therefore a
zero. Nothing is scaled ahead: the table stays as it is, and a mini-batch is scaled when it is gathered, so that
one copy of the table serves all splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Numbers worked on at a time in double precision, a few copies of them: 4 MB each.
_CHUNK = 1 << 19

# Less than this is no spread. Tables bring columns to sizes from 2^-60 to 2^60, so what is scaled stays finite.
_LEAST = 2.0**-64


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean and reciprocal standard deviation of every column, per split.

    A column that is constant (or all missing) in a split's training rows has ``inv_std`` 0 there: it is 0 in
    that split's networks, also for validation rows in which it is not constant (a level of a category that
    training never saw).

    Attributes:
        mean: ``[S, Fp]`` float32.
        inv_std: ``[S, Fp]`` float32; 0 for pad columns.
    """

    mean: Tensor
    inv_std: Tensor

    def apply_(self, x: Tensor, *, has_missing: bool) -> Tensor:
        """Scale gathered rows in place; missing values become 0.

        Shape:
            x: ``[..., S, B, Fp]`` float32.
        """
        x.sub_(self.mean[:, None]).mul_(self.inv_std[:, None])
        return x.nan_to_num_(nan=0.0) if has_missing else x

    def part(self, place: int) -> Scaling:
        """That of one split alone."""
        return Scaling(self.mean[place : place + 1], self.inv_std[place : place + 1])


def fit_scaling(features: Tensor, train: Sequence[Tensor]) -> Scaling:
    """Fit on the training rows of each split (population variance, as scikit-learn's ``StandardScaler``).

    Args:
        features: ``[n, Fp]`` float32, NaN where missing.
        train: Training rows of each split, ``[n_train]`` int64.
    """
    moments = [_moments(features, rows) for rows in train]
    mean = torch.stack([m for m, _ in moments])
    std = torch.stack([s for _, s in moments])
    # Of equal float32 numbers a sum in double precision is exact, and so is their mean: the deviation is 0, not nearly.
    constant = std < _LEAST
    inv_std = torch.where(constant, 0.0, 1.0 / torch.where(constant, 1.0, std))
    return Scaling(mean.float(), inv_std.float())


def _moments(features: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the present values of each column, ``[Fp]`` float64 each.

    Two passes: the one-pass formula cancels where the mean is large against the spread.
    """
    count = torch.zeros(features.shape[1], dtype=torch.float64, device=features.device)
    total, squares = torch.zeros_like(count), torch.zeros_like(count)
    parts = torch.split(rows, max(1, _CHUNK // features.shape[1]))
    for chunk in parts:
        x = features.index_select(0, chunk).double()
        count += x.isfinite().sum(0)
        total += x.nansum(0)
    mean = total / count.clamp(min=1)
    for chunk in parts:
        squares += (features.index_select(0, chunk).double() - mean).square().nansum(0)
    return mean, (squares / count.clamp(min=1)).sqrt()
