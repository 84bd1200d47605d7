"""Stacked multilayer perceptrons.

A stack holds the parameters of M networks of one shape. Its matrix products are batched over the members
(``torch.bmm``), which is what makes many small networks cheap. Widths are padded to multiples of
:data:`~sweep.records.ALIGN`. Pad units have zero weights and stay exactly zero; pad outputs of a classifier have bias
-1e30, hence probability zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from sweep.records import padded
from sweep.training.draws import Draws

_NEVER: Final = -1e30


@dataclass(frozen=True, slots=True)
class Activation:
    """A hidden activation.

    Attributes:
        name: Its key in :data:`ACTIVATIONS`.
        forward_: In place on the pre-activation.
        backward_: ``(gradient, activation)``: multiplies the gradient, in place, by the derivative written in
            terms of the activation's value.
        keeps_zero: Whether it is 0 at 0, as pad units must be.
        gated: Whether its value after dropout says all that the derivative needs: 0 where that is 0, too.
    """

    name: str
    forward_: Callable[[Tensor], Tensor]
    backward_: Callable[[Tensor, Tensor], Tensor]
    keeps_zero: bool
    gated: bool = False


def _relu_backward_(gradient: Tensor, value: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(gradient, value, 0, grad_input=gradient)  # type: ignore[no-any-return]  # aten overloads are untyped


def _tanh_backward_(gradient: Tensor, value: Tensor) -> Tensor:
    return torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=gradient)  # type: ignore[no-any-return]  # as above


def _sigmoid_backward_(gradient: Tensor, value: Tensor) -> Tensor:
    return torch.ops.aten.sigmoid_backward.grad_input(gradient, value, grad_input=gradient)  # type: ignore[no-any-return]  # as above


ACTIVATIONS: Final = {
    "relu": Activation("relu", torch.relu_, _relu_backward_, keeps_zero=True, gated=True),
    "tanh": Activation("tanh", torch.tanh_, _tanh_backward_, keeps_zero=True),
    "sigmoid": Activation("sigmoid", torch.sigmoid_, _sigmoid_backward_, keeps_zero=False),
}


@dataclass(frozen=True, slots=True)
class StackedMLP:
    """Parameters of M networks: L hidden layers and a linear output layer each.

    Members stand split by split: member ``s * T + t`` is trial ``t`` of split ``s``.

    Attributes:
        weights: L + 1 tensors ``[M, in, out]`` float32, padded; column j holds the incoming weights of unit j.
        biases: L + 1 tensors ``[M, 1, out]`` float32, padded.
        widths: Unpadded: features, hidden units of each layer, outputs.
        activation: Of the hidden layers.

    Example:
        >>> stack = StackedMLP.initial(Draws(seed=7), splits=(0, 1), trials=3, widths=(5, 8, 1), init="torch",
        ...                            activation="relu", masked_outputs=False)
        >>> stack.forward(torch.zeros(6, 16, 16)).shape
        torch.Size([6, 16, 16])
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    widths: tuple[int, ...]
    activation: Activation

    @classmethod
    def initial(
        cls,
        draws: Draws,
        *,
        splits: Sequence[int],
        trials: int,
        widths: Sequence[int],
        init: str,
        activation: str,
        masked_outputs: bool,
        device: torch.device | str = "cpu",
    ) -> StackedMLP:
        """Initial parameters: those of a split are the same for all trials.

        Args:
            draws: Of the sweep.
            splits: Numbers of the S splits, in the order in which members stand.
            trials: T.
            widths: Features, hidden units of each layer, outputs.
            init: Name of the initialisation, see :meth:`Draws.initial_layer`.
            activation: Key of :data:`ACTIVATIONS`.
            masked_outputs: Give pad outputs a bias of -1e30, so that a softmax over the padded width is the
                softmax over the real one.
            device: Where the parameters live.
        """
        weights, biases = [], []
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            weight = torch.zeros(len(splits), padded(fan_in), padded(fan_out))
            bias = torch.zeros(len(splits), 1, padded(fan_out))
            for place, split in enumerate(splits):
                w, b = draws.initial_layer(split, layer, fan_in, fan_out, init)
                weight[place, :fan_in, :fan_out] = torch.from_numpy(w)
                bias[place, 0, :fan_out] = torch.from_numpy(b)
            if masked_outputs and layer == len(widths) - 2:
                bias[:, :, fan_out:] = _NEVER
            weights.append(weight.repeat_interleave(trials, 0).to(device))
            biases.append(bias.repeat_interleave(trials, 0).to(device))
        return cls(tuple(weights), tuple(biases), tuple(widths), ACTIVATIONS[activation])

    @property
    def depth(self) -> int:
        """L, the number of hidden layers."""
        return len(self.weights) - 1

    def layers(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Weights and biases of each layer, the output layer last."""
        return zip(self.weights, self.biases, strict=True)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs without dropout, as at test time.

        Shape:
            x: ``[M, B, in]`` float32, padded, B a multiple of 8. Result: ``[M, B, out]``, padded.
        """
        for layer in range(self.depth):
            x = torch.baddbmm(self.biases[layer], x, self.weights[layer])
            x = self.silence_pads_(layer, self.activation.forward_(x))
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])

    def silence_pads_(self, layer: int, hidden: Tensor) -> Tensor:
        """Zero the pad units of a hidden layer, which a sigmoid would set to 1/2. In place.

        Shape:
            hidden: ``[..., out]`` of this layer, padded.
        """
        if not self.activation.keeps_zero and hidden.shape[-1] > self.widths[layer + 1]:
            hidden[..., self.widths[layer + 1] :].zero_()
        return hidden

    def part(self, start: int, stop: int) -> StackedMLP:
        """A view of the members from ``start`` to before ``stop``."""
        return StackedMLP(
            tuple(w[start:stop] for w in self.weights),
            tuple(b[start:stop] for b in self.biases),
            self.widths,
            self.activation,
        )
