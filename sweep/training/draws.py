"""Every random number of training, as a function of (seed, purpose, split, epoch) and nothing else.

All trials of a sweep draw the same numbers (common random numbers), whatever block, worker or process they
are trained in, so that two trials differ only by their hyperparameters. The generator is counter-based
(Philox, Salmon et al. 2011): an address is written into its counter, so every epoch and every mini-batch can
be reached directly, nothing is carried from one to the next, and a resume is exact. Draws are made on the CPU:
a GPU receives the same numbers.

A dropout draw is a uniform 16-bit integer. It is thresholded at each trial's own rate, so a unit that one
trial keeps at rate 0.5 is kept by every trial with a lower rate. Rates are therefore multiples of 2**-16;
:func:`keep_probability` gives the probability that is really used, for the inverted scaling.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

# The purpose, part of an address.
_INIT, _ORDER, _DROPOUT = 0, 1, 2

# Draws are signed, in [-32768, 32767]: torch compares int16 quickly, and knows little of uint16.
LEVELS: Final = 1 << 16
_LOWEST: Final = -(1 << 15)

# One step of Philox's counter makes four 64-bit words, sixteen draws.
DRAWS_PER_COUNT: Final = 16


def drop_threshold(rate: float) -> int:
    """The unit is dropped when its draw is below this number, in [-32768, 32767].

    Args:
        rate: Probability of dropping, in [0, 1).
    """
    return min(round(rate * LEVELS), LEVELS - 1) + _LOWEST


def keep_probability(rate: float) -> float:
    """1 - rate with the rate rounded to a multiple of 2**-16, as the draws resolve it."""
    return 1.0 - (drop_threshold(rate) - _LOWEST) / LEVELS


class Draws:
    """The random numbers of one sweep.

    Args:
        seed: Of the sweep, at least 0.
        first_split: Added to every split: where a part of the folds begins.
    """

    def __init__(self, seed: int, first_split: int = 0) -> None:
        self._first_split = first_split
        self._key = np.asarray(np.random.SeedSequence(seed).generate_state(2, np.uint64), dtype=np.uint64)
        self._bits = np.random.Philox(key=self._key)
        self._rng = np.random.Generator(self._bits)

    def _seek(self, purpose: int, split: int, detail: int, count: int = 0) -> None:
        """Move the generator to an address. ``count`` is in units of :data:`DRAWS_PER_COUNT` draws."""
        counter = np.array([count, detail, self._first_split + split, purpose], dtype=np.uint64)
        self._bits.state = {
            "bit_generator": "Philox",
            "state": {"counter": counter, "key": self._key},
            "buffer": np.zeros(4, dtype=np.uint64),
            "buffer_pos": 4,  # empty: the next draw starts a new count
            "has_uint32": 0,
            "uinteger": 0,
        }

    def initial_layer(
        self, split: int, layer: int, fan_in: int, fan_out: int, init: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Initial weights ``[fan_in, fan_out]`` and biases ``[fan_out]`` of one layer of one split, float32.

        Equal for all trials whose layer has this place and shape. ``glorot_uniform`` (Glorot & Bengio 2010)
        and ``he_uniform`` (He et al. 2015) have zero biases; ``normal`` is N(0, 0.05) with zero biases, as in
        Keras; ``torch`` is that of ``torch.nn.Linear``: weights and biases uniform within 1/sqrt(fan_in).

        Raises:
            ValueError: Unknown ``init``.
        """
        self._seek(_INIT, split, layer)
        shape = (fan_in, fan_out)
        bias = np.zeros(fan_out)
        match init:
            case "glorot_uniform":
                weight = self._rng.uniform(-1.0, 1.0, shape) * math.sqrt(6.0 / (fan_in + fan_out))
            case "he_uniform":
                weight = self._rng.uniform(-1.0, 1.0, shape) * math.sqrt(6.0 / fan_in)
            case "normal":
                weight = self._rng.normal(0.0, 0.05, shape)
            case "torch":
                weight = self._rng.uniform(-1.0, 1.0, shape) / math.sqrt(fan_in)
                bias = self._rng.uniform(-1.0, 1.0, fan_out) / math.sqrt(fan_in)
            case _:
                raise ValueError(f"unknown init: {init}")
        return weight.astype(np.float32), bias.astype(np.float32)

    def row_order(self, split: int, epoch: int, rows: int) -> NDArray[np.int64]:
        """Order in which an epoch (0-based) visits the ``rows`` training rows of a split, ``[rows]`` int64."""
        self._seek(_ORDER, split, epoch)
        return self._rng.permutation(rows)

    def dropout(self, split: int, epoch: int, first_step: int, steps: int, per_step: int) -> NDArray[np.int16]:
        """The dropout draws of ``steps`` mini-batches from ``first_step`` on (0-based), ``[steps, per_step]`` int16.

        Args:
            split: 0-based.
            epoch: 0-based.
            first_step: Mini-batch of the epoch, 0-based.
            steps: How many mini-batches.
            per_step: Draws of one mini-batch over all of its layers, a multiple of :data:`DRAWS_PER_COUNT`.
        """
        self._seek(_DROPOUT, split, epoch, first_step * per_step // DRAWS_PER_COUNT)
        words = self._bits.random_raw(steps * per_step // 4)
        return words.view(np.int16).reshape(steps, per_step)
