"""Trained networks as arrays, and what they say of rows. NumPy alone: they are used where there is no PyTorch, too.

Letters for axes as in ``records``; S counts the networks of an ensemble here, which is what splits are to training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sweep.records import Task

Floats = NDArray[np.float64]

MOST_NETWORKS: Final = 1000
"""Of an ensemble."""

# Rows that go through the networks at a time: what they need in between stays small, whatever the table.
_ROWS = 4096


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


def _sigmoid(x: Floats) -> Floats:
    # Of a number far below 0 the exponential is infinite, and what comes out is 0, as it should be.
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


ACTIVATIONS: Final[dict[str, Callable[[Floats], Floats]]] = {"relu": _relu, "tanh": np.tanh, "sigmoid": _sigmoid}


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """S trained networks of one configuration, which differ by their random numbers: an ensemble, or just one.

    Attributes:
        task: Says what outputs are.
        activation: Key of :data:`ACTIVATIONS`.
        dropout: L + 1 rates, the input first: what they were trained with, and what :meth:`sampled` drops.
        weights: L + 1 arrays ``[S, in, out]`` float32; column j holds the incoming weights of unit j.
        biases: L + 1 arrays ``[S, out]`` float32.
        mean: ``[F]`` float32, taken off the features; what a missing value is filled in with.
        inv_std: ``[F]`` float32, what is left is multiplied by it; 0 for a feature that was constant.
        target_mean: Of the rows of a regression it was trained on, in the target's units; 0 otherwise.
        target_std: Their standard deviation; 1 otherwise.
    """

    task: Task
    activation: str
    dropout: tuple[float, ...]
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    mean: NDArray[np.float32]
    inv_std: NDArray[np.float32]
    target_mean: float = 0.0
    target_std: float = 1.0

    @property
    def members(self) -> int:
        """S."""
        return len(self.weights[0])

    @property
    def diverged(self) -> int:
        """How many of them diverged in training, and predict a constant: no input counts for those."""
        return sum(not any(weight[member].any() for weight in self.weights) for member in range(self.members))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(weight.shape[2] for weight in self.weights[:-1])

    def outputs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """What each network says of rows, all of its units at work.

        Args:
            features: ``[n, F]`` float32, NaN where missing.

        Returns:
            ``[S, n, O]``: logits of a classifier, or predictions in the target's units.
        """
        parts = [self._forward(x, lambda _, hidden: hidden) for x in self._scaled(features)]
        return np.concatenate(parts, axis=1)

    def sampled(self, features: NDArray[np.float32], passes: int, rng: np.random.Generator) -> Iterator[Floats]:
        """The same with dropout on, as in training: draws from an approximate posterior (Gal & Ghahramani 2016).

        Args:
            features: ``[n, F]`` float32, NaN where missing.
            passes: How many; the networks take turns.
            rng: Draws the masks, other ones for each row.

        Yields:
            ``[n, O]`` of each pass, see :meth:`outputs`.
        """

        def drop(layer: int, values: Floats) -> Floats:
            rate = self.dropout[layer]
            if not rate:
                return values
            return np.where(rng.random(values.shape) < rate, 0.0, values / (1 - rate))

        for number in range(passes):
            one = self.part(number % self.members)
            yield np.concatenate([one._forward(x, drop)[0] for x in one._scaled(features)])

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Class probabilities ``[n, classes]``, or predictions of a regression ``[n]``: the mean over the networks."""
        mean: Floats = self._said(self.outputs(features)).mean(0)
        return mean

    def spread(self, features: NDArray[np.float32], passes: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Mean and standard deviation, over passes with dropout on, of what :meth:`predict` gives.

        Args:
            features: ``[n, F]`` float32, NaN where missing.
            passes: At least 1.
            rng: See :meth:`sampled`.
        """
        each = map(self._said, self.sampled(features, passes, rng))
        first = next(each)
        # Around the first pass: a mean that is large against the spread does not cancel it.
        total, squares = np.zeros_like(first), np.zeros_like(first)
        for said in each:
            total += said - first
            squares += (said - first) ** 2
        return first + total / passes, np.sqrt(np.maximum(squares / passes - (total / passes) ** 2, 0.0))

    def _said(self, outputs: Floats) -> Floats:
        """Outputs ``[..., n, O]`` as probabilities ``[..., n, classes]``, or predictions ``[..., n]``."""
        return outputs[..., 0] if self.task == "regression" else probabilities(self.task, outputs)

    def part(self, member: int) -> Networks:
        """One of the networks alone."""
        chosen = slice(member, member + 1)
        return Networks(
            self.task,
            self.activation,
            self.dropout,
            tuple(weight[chosen] for weight in self.weights),
            tuple(bias[chosen] for bias in self.biases),
            self.mean,
            self.inv_std,
            self.target_mean,
            self.target_std,
        )

    def _scaled(self, features: NDArray[np.float32]) -> Iterator[Floats]:
        """Rows as the networks see them, some at a time; at least one part, though there be no rows.

        What is said of a row does not depend on the rows beside it, to 15 digits: that takes double precision.
        """
        for low in range(0, max(1, len(features)), _ROWS):
            x = (features[low : low + _ROWS] - self.mean) * self.inv_std
            yield np.nan_to_num(x, copy=False, nan=0.0).astype(np.float64)

    def _forward(self, x: Floats, between: Callable[[int, Floats], Floats]) -> NDArray[np.float64]:
        """``[rows, F]`` to ``[S, rows, O]``; ``between`` changes what goes into a layer, 0 the first."""
        act = ACTIVATIONS[self.activation]
        values = between(0, np.broadcast_to(x, (self.members, *x.shape)))
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weight + bias[:, None]
            if layer < len(self.weights) - 1:
                values = between(layer + 1, act(values))
        return values * self.target_std + self.target_mean if self.task == "regression" else values


def probabilities(task: Task, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Class probabilities from logits, which sum to 1.

    Args:
        task: ``"binary"``, whose one logit is that of the second class, or ``"multiclass"``.
        outputs: ``[..., O]``.

    Returns:
        ``[..., classes]``.
    """
    if task == "binary":
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=-1)
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares
