"""How large a default sweep of a table is: network, mini-batches, epochs, folds and trials that end within minutes.

Rules of thumb, in the open: the results are written into a definition with their reasons, to be changed there. The
times behind them were measured on one core of a two-core machine (2.1 GHz, AVX-512) and are good to a factor of two.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sweep.records import padded

CORES = 2
"""What the times are for."""

_BUDGET = 180.0  # seconds on CORES cores
_CHECKPOINTS = 12

# A network has seen enough after so many mini-batches: the 300 epochs of 12 that the Sonar tutorial takes are 3,600.
_UPDATES = 15_000
_EPOCHS = (300, 250, 200, 150, 120, 100, 80, 60, 50, 40, 30, 25, 20, 15, 12, 10, 8, 6, 5, 4, 3, 2)
# What is given up, in this order, until so many epochs fit into the time: (trials, halvings of the network, folds of
# tables that are not small, epochs). The last one has to do.
_CONCESSIONS = ((128, 0, 5, 40), (64, 0, 5, 25), (64, 1, 5, 20), (32, 1, 5, 15), (32, 2, 3, 10), (16, 2, 3, 2))
_SMALLEST_FIRST = 32

# Rows below which a mini-batch has so many of them.
_BATCHES = ((1_000, 16), (2_500, 32), (10_000, 64), (30_000, 128), (100_000, 256), (500_000, 512))
_LARGEST_BATCH = 1024

# Rows: up to SMALL 10 folds, beyond _LARGE 3; below _FEW the smallest networks.
_FEW, SMALL, _LARGE = 500, 2_000, 100_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """A default sweep.

    Attributes:
        hidden: Units of each hidden layer.
        batch_size: Rows of a mini-batch.
        epochs: E.
        folds: K.
        trials: Of the whole sweep.
        seconds: Expected time on two cores, right to a factor of two.
    """

    hidden: tuple[int, int]
    batch_size: int
    epochs: int
    folds: int
    trials: int
    seconds: float


def fit(rows: int, features: int, outputs: int, smallest: int | None) -> Sizes:
    """Sizes for a table.

    Args:
        rows: n.
        features: F after encoding.
        outputs: O.
        smallest: Rows of the rarest class; ``None`` for regression.
    """
    batch, most = _batch(rows), _folds(rows, smallest)
    for trials, halvings, few, enough in _CONCESSIONS:
        hidden = _hidden(rows, features, halvings)
        folds = most if rows <= SMALL else min(most, few)
        training = rows - -(-rows // folds)
        steps = max(1, -(-training // batch))
        widths = (features, *hidden, outputs)
        epoch = folds * steps * _step_seconds(widths, min(batch, training), folds)
        evaluations = _CHECKPOINTS * folds * rows * _row_seconds(widths)
        wanted = max(_EPOCHS[-1], _UPDATES / steps)
        affordable = (_BUDGET * CORES / trials - evaluations) / epoch
        if affordable >= min(wanted, enough):
            break
    epochs = _at_most(_EPOCHS, max(_EPOCHS[-1], min(wanted, affordable)))
    return Sizes(hidden, batch, epochs, folds, trials, trials * (epochs * epoch + evaluations) / CORES)


def _hidden(rows: int, features: int, halvings: int) -> tuple[int, int]:
    """As many units as features, a power of two, within bounds that grow with the rows; then half of them."""
    low = 16 if rows < _FEW else _SMALLEST_FIRST
    high = 64 if rows < _BATCHES[1][0] else 128
    first = min(max(low, 1 << (features - 1).bit_length()), high)
    first = max(min(first, _SMALLEST_FIRST), first >> halvings)
    return first, first // 2


def _batch(rows: int) -> int:
    return next((batch for below, batch in _BATCHES if rows < below), _LARGEST_BATCH)


def _folds(rows: int, smallest: int | None) -> int:
    """10 for small tables, 5 for larger ones, 3 for the largest; no more than the rarest class has rows."""
    count = 10 if rows <= SMALL else 5 if rows <= _LARGE else 3
    # A test fold of a regression wants a few rows; so does one of classes too rare to be spread over folds.
    room = rows // 4 if smallest is None or smallest < 2 else smallest
    return max(2, min(count, room))


def _at_most(steps: tuple[int, ...], limit: float) -> int:
    """The largest of these falling numbers within the limit."""
    return next(step for step in steps if step <= limit)


def _step_seconds(widths: tuple[int, ...], batch: int, folds: int) -> float:
    """One mini-batch of one network, in seconds."""
    units = [padded(width) for width in widths]
    parameters, activations = sum(a * b for a, b in itertools.pairwise(units)), batch * sum(units)
    microseconds = 4 + 3.5e-3 * parameters + 1e-4 * batch * parameters + 1.8e-3 * activations
    beyond_cache = 4 * folds * (3 * parameters + 4 * activations) > 1 << 22
    return 1e-6 * microseconds * (2 if beyond_cache else 1)


def _row_seconds(widths: tuple[int, ...]) -> float:
    """One row evaluated once, in seconds."""
    units = [padded(width) for width in widths]
    return 1e-6 * (1 + 2e-4 * sum(a * b for a, b in itertools.pairwise(units)))
