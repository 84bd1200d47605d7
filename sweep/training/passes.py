"""The passes over memory between a step's matrix products.

On a CPU they cost more than the products: each PyTorch operation reads and writes whole tensors for one multiplication
or comparison. :mod:`sweep.training.compiled` does each of these passes at one go; :class:`TorchPasses` says the same in
PyTorch, for CUDA devices, and for tests to hold the compiled ones to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, assert_never

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sweep.records import Task
from sweep.training.buffers import Buffers

Array = Any
"""A tensor, or a NumPy array: whichever the passes' own ``arrays`` gives."""


class Passes(ABC):
    """The passes of a step over the buffers of A splits of T trials.

    Args:
        buffers: What they read and write.
        task: Says which loss.
        nesterov: Whether momentum is Nesterov's.
    """

    def __init__(self, buffers: Buffers, task: Task, *, nesterov: bool) -> None:
        self.buffers: Final = buffers
        self.task: Final = task
        self.nesterov: Final = nesterov

    @staticmethod
    @abstractmethod
    def arrays(*tensors: Tensor) -> tuple[Array, ...]:
        """Tensors as the passes want them: cut into mini-batches, they are what :meth:`enter` and others take."""

    @abstractmethod
    def enter(self, x: Array, draws: Array) -> None:
        """The mini-batch's rows, dropout applied, into every trial's input.

        Shape:
            x: ``[A, B, F]`` float32, scaled. draws: ``[A, D]`` int16, those of all layers one after the other.
        """

    @abstractmethod
    def activate(self, layer: int, draws: Array) -> None:
        """From products to the next layer's input: bias, activation, dropout.

        Args:
            layer: A hidden one, 0 the first. Its products are in ``hidden[layer]``.
            draws: As for :meth:`enter`.
        """

    @abstractmethod
    def lose(self, goal: Array, weight: Array) -> None:
        """``output``, products as yet, becomes the gradient of each member's mean loss with respect to it.

        Binary cross-entropy on a logit, cross-entropy on logits, squared error. Pad columns become 0.

        Shape:
            goal: ``[A, B]`` float32: class codes, or the scaled target. weight: likewise: what the row counts in the
            mean over the mini-batch, 0 where no row stands.
        """

    @abstractmethod
    def backward(self, layer: int, draws: Array) -> None:
        """``deltas[layer]``, a gradient by the next layer's input, becomes that by what the layer is activated from."""

    @abstractmethod
    def update(self, layer: int) -> None:
        """One step of a layer by its gradient: SGD with momentum, then max-norm.

        SGD is as ``torch.optim.SGD`` has it, the learning rate outside the velocity; there is no weight decay on
        biases. Max-norm (Srivastava et al. 2014, section 5.1) projects a hidden unit's incoming weights onto a ball;
        it does not concern the output layer.

        Args:
            layer: 0 the first, L the output layer. ``gradients[layer]`` is used up. The gradient of the biases is
                the sum over rows of ``deltas[layer]``, or of ``output``.
        """


class TorchPasses(Passes):
    """In PyTorch, an operation at a time."""

    @staticmethod
    def arrays(*tensors: Tensor) -> tuple[Array, ...]:
        """See :class:`Passes`."""
        return tensors

    def enter(self, x: Tensor, draws: Tensor) -> None:
        """See :class:`Passes`."""
        b = self.buffers
        self._drop(x[:, None], b.inputs[0], 0, draws)

    def activate(self, layer: int, draws: Tensor) -> None:
        """See :class:`Passes`."""
        b = self.buffers
        hidden = b.hidden[layer].add_(b.net.biases[layer])
        b.net.silence_pads_(layer, b.net.activation.forward_(hidden))
        self._drop(self._by_split(hidden), b.inputs[layer + 1], layer + 1, draws)

    def lose(self, goal: Tensor, weight: Tensor) -> None:
        """See :class:`Passes`."""
        b = self.buffers
        output, outputs = b.output.add_(b.net.biases[-1]), b.net.widths[-1]
        real = self._by_split(output)[..., :outputs]  # [A, T, B, O]
        aim = goal[:, None, :, None]
        match self.task:
            case "binary":
                real.sigmoid_()
            case "multiclass":
                real.copy_(real.softmax(-1))
                aim = one_hot(goal.long(), outputs)[:, None]
            case "regression":
                weight = 2 * weight
            case unknown:
                assert_never(unknown)
        real.sub_(aim).mul_(weight[:, None, :, None])
        output[..., outputs:].zero_()

    def backward(self, layer: int, draws: Tensor) -> None:
        """See :class:`Passes`."""
        b = self.buffers
        delta = b.deltas[layer]
        self._drop(self._by_split(delta), delta, layer + 1, draws)
        b.net.activation.backward_(delta, b.hidden[layer])

    def update(self, layer: int) -> None:
        """See :class:`Passes`."""
        b = self.buffers
        delta = b.deltas[layer] if layer < b.net.depth else b.output
        weight, bias = b.net.weights[layer], b.net.biases[layer]
        gradient = b.gradients[layer].addcmul_(weight, _per_member(b.weight_decay))
        for parameter, slope, velocity in zip(
            (weight, bias), (gradient, delta.sum(1, keepdim=True)), b.velocities[layer], strict=True
        ):
            torch.addcmul(slope, velocity, _per_member(b.momentum), out=velocity)
            step = slope.addcmul_(velocity, _per_member(b.momentum)) if self.nesterov else velocity
            parameter.addcmul_(step, _per_member(b.minus_rate))
        if layer < b.net.depth:
            # Column j is unit j's incoming weights. vector_norm over dim 1 is ten times slower.
            norm = torch.mul(weight, weight, out=gradient).sum(1, keepdim=True).sqrt_()
            bound = _per_member(b.max_norm)
            # Infinity over infinity, of weights that have diverged, is no bound either.
            weight.mul_(torch.where(bound < norm, bound / norm, 1.0))

    def _drop(self, value: Tensor, out: Tensor, layer: int, draws: Tensor) -> None:
        """``value`` ``[A, T or 1, B, H]`` into ``out`` ``[M, B, H]``: 0 where dropped, else scaled up."""
        b, (rows, width) = self.buffers, out.shape[1:]
        start = b.offsets[layer]
        shared = draws[:, start : start + rows * width].view(-1, 1, rows, width)
        kept = shared >= b.thresholds[layer][:, None, None]
        self._by_split(out).copy_(torch.where(kept, value * b.scales[layer][:, None, None], 0.0))

    def _by_split(self, tensor: Tensor) -> Tensor:
        """``[M, B, H]`` as ``[A, T, B, H]``."""
        return tensor.view(self.buffers.splits, -1, *tensor.shape[1:])


def _per_member(values: Tensor) -> Tensor:
    """``[M]`` as ``[M, 1, 1]``."""
    return values[:, None, None]
