"""Who leads on each bootstrap draw, as candidates come in chunk by chunk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.weighted import Floats

# Scores closer than this, relative to the best one, are ties: sums of the same rows in another order.
TIE = 1e-9


class Race:
    """Who leads on each of B draws, as candidates come in.

    Attributes:
        leaders: ``[B]``: place of the trial that leads, in the order they came; -1 without one.
        values: ``[B]``: what the leader of each draw adds to the value; NaN without one.
        variances: ``[B]``: of the leader's score.
    """

    def __init__(self, draws: int, rng: np.random.Generator) -> None:
        self._best = np.full(draws, -np.inf)
        self._luck = np.full(draws, -1.0)
        self._rng = rng
        self.leaders = np.full(draws, -1)
        self.values = np.full(draws, np.nan)
        self.variances = np.full(draws, np.nan)

    def run(self, goodness: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Let candidates compete with each other and with those before them, ties by chance.

        Args:
            goodness: ``[T, B]``, higher is better; NaN never wins.

        Returns:
            The draws that one of them leads on now, ``[D]``, and which one, ``[D]`` in 0 … T - 1.
        """
        luck = self._rng.random(goodness.shape)
        goodness = np.where(np.isnan(goodness), -np.inf, goodness)
        top = np.maximum(goodness.max(axis=0), self._best)
        tie = top - TIE * np.maximum(np.abs(np.where(np.isfinite(top), top, 0.0)), TIE)
        luck = np.where(goodness >= tie, luck, -1.0)
        by = luck.argmax(axis=0)
        luckiest = luck[by, np.arange(len(by))]
        before = np.where(self._best >= tie, self._luck, -1.0)
        won = np.flatnonzero((luckiest > before) & np.isfinite(top))
        self._best, self._luck = top, np.maximum(luckiest, before)
        return won, by[won]
