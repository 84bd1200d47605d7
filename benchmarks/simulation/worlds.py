"""Where simulated tables come from, and what dropout does there.

A *source* draws rows of 20 features and two classes. A *world* is a source, with what the arms of a sweep really train:
in a placebo world an arm that is named after a placement of dropout drops nothing, so that every verdict is false.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.data import Dataset
from sweep.records import Hyperparameters, TableInfo, padded

FEATURES = 20

# Of the signal source, in standard deviations of a feature, and a share.
_PLAIN, _SHIFT, _FLIPPED = 0.3, 0.45, 0.15

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Features ``[n, FEATURES]`` and class codes ``[n]``."""


@dataclass(frozen=True, slots=True)
class World:
    """One world.

    Attributes:
        mode: First number of every seed in it.
        title: For tables.
        signal: Whether features say anything of the class. If not, all networks are right in half of the cases.
        placebo: Whether the arms drop nothing, and differ from the control by their seeds alone.
        handicap: What the learning rate of a matched control is multiplied with.
    """

    mode: int
    title: str
    signal: bool = True
    placebo: bool = False
    handicap: float = 1.0

    @property
    def null(self) -> bool:
        """Whether dropout does nothing, so that *helps* and *hurts* are false."""
        return self.placebo or not self.signal

    def draw(self, rng: np.random.Generator, rows: int) -> Rows:
        """Rows of the source.

        With signal the class moves the first ten features by 0.3 standard deviations to one side. The next five move by
        0.45 with a hidden sign, the last five with the product of class and sign: these two groups tell the class
        together, neither alone. Of the labels 15 % are flipped, which networks learn by heart.
        """
        codes = rng.integers(0, 2, rows)
        features = rng.normal(size=(rows, FEATURES))
        if not self.signal:
            return features, codes
        signs, hidden = 2 * codes - 1, 2 * rng.integers(0, 2, rows) - 1
        features[:, :10] += _PLAIN * signs[:, None]
        features[:, 10:15] += _SHIFT * hidden[:, None]
        features[:, 15:] += _SHIFT * (hidden * signs)[:, None]
        return features, np.where(rng.random(rows) < _FLIPPED, 1 - codes, codes)

    def draw_with(self, rng: np.random.Generator, rows: int, ones: int) -> Rows:
        """As many rows of which ``ones`` are of class 1."""
        features, codes = self.draw(rng, 2 * rows + 200)
        while min(np.bincount(codes, minlength=2) - (rows - ones, ones)) < 0:
            more = self.draw(rng, rows)
            features, codes = np.concatenate([features, more[0]]), np.concatenate([codes, more[1]])
        chosen = np.concatenate([np.flatnonzero(codes == 0)[: rows - ones], np.flatnonzero(codes == 1)[:ones]])
        return features[chosen], codes[chosen]


WORLDS = {
    "labels": World(1, "random labels", signal=False),
    "placebo": World(2, "placebo, seeds of its own", placebo=True),
    "handicap": World(3, "placebo, matched control with a fifth of the learning rate", placebo=True, handicap=0.2),
    "helps": World(4, "dropout helps"),
}

Role = Literal["trial", "matched"]


@dataclass(frozen=True, slots=True)
class Network:
    """What is really trained in place of a configuration.

    Attributes:
        params: Hyperparameters.
        epoch: To stop at.
        stream: Whose seeds it has: 0 for those that all have in common.
    """

    params: Hyperparameters
    epoch: int
    stream: int = 0


def realised(world: World, params: Hyperparameters, epoch: int, role: Role, placements: tuple[str, ...]) -> Network:
    """The network of a configuration.

    Args:
        world: Where.
        params: As the sweep has them.
        epoch: Likewise.
        role: A trial of the sweep, or a winner's matched control.
        placements: Of the sweep, the one without dropout first.
    """
    if role == "matched":
        return Network(replace(params, learning_rate=params.learning_rate * world.handicap), epoch)
    if not world.placebo:
        return Network(params, epoch)
    nothing = replace(params, dropout=(0.0,) * len(params.dropout))
    return Network(nothing, epoch, placements.index(params.placement))


def dataset(features: NDArray[np.float64], codes: NDArray[np.int64]) -> Dataset:
    """A table of a source."""
    matrix = np.zeros((len(codes), padded(FEATURES)), np.float32)
    matrix[:, :FEATURES] = features
    info = TableInfo(
        source="simulated",
        content_hash="",
        rows=len(codes),
        features=tuple(f"x{place}" for place in range(1, FEATURES + 1)),
        target="y",
        task="binary",
        classes=("0", "1"),
        target_mean=0.0,
        target_scale=1.0,
        notes=(),
    )
    return Dataset(torch.from_numpy(matrix), torch.from_numpy(codes.astype(np.float32)), None, info, has_missing=False)
