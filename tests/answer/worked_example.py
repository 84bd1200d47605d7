"""Ten rows, three repeats of five folds (consecutive pairs of rows), two networks: right (1) or wrong (0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _rows(text: str) -> NDArray[np.float64]:
    return np.array([[float(digit) for digit in repeat] for repeat in text.split()])


X = _rows("1101101110 1001111110 1101111011")
Y = _rows("1001001110 1001001100 0011111010")
DIFFERENCE = X - Y
FOLDS = 5
ROPE = 0.01


def by_fold(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fold scores ``[R * k]`` of row scores ``[R, n]``."""
    return np.asarray(values.reshape(len(values), FOLDS, -1).mean(axis=2).ravel())
