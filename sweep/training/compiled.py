"""The passes over memory between a step's matrix products, compiled for the CPU (Numba).

Each visits the members one after the other and does all there is to do on a row while it is in the cache, see
benchmarks/README.md. A member's numbers do not depend on its place: the loops over its own rows and units are the same
wherever it stands. Compiling takes seconds, once on a machine: the result is kept beside this file, or in the user's
cache directory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.records import Hyperparameters, Task
from sweep.training.buffers import Buffers
from sweep.training.draws import Draws
from sweep.training.minibatches import ROW_ALIGN
from sweep.training.nets import StackedMLP
from sweep.training.passes import Array, Passes

Floats = NDArray[np.float32]
Bits = NDArray[np.int16]
F = TypeVar("F", bound=Callable[..., Any])

RELU, TANH, SIGMOID = range(3)
_ACTIVATIONS: Final = {"relu": RELU, "tanh": TANH, "sigmoid": SIGMOID}
BINARY, MULTICLASS, REGRESSION = range(3)
_TASKS: Final = {"binary": BINARY, "multiclass": MULTICLASS, "regression": REGRESSION}
_ZERO, _ONE = np.float32(0), np.float32(1)


def _compiled(function: F) -> F:
    """Compiled at its first call. Products may be fused with sums: more exact, and the same for all members."""
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]  # Numba is untyped
    except RuntimeError:  # nowhere to keep it: no home directory, a read-only file system
        return numba.njit(**options)(function)  # type: ignore[no-any-return]  # as above


@_compiled
def _enter(out: Floats, x: Floats, draws: Bits, thresholds: Bits, scales: Floats) -> None:
    """``x`` ``[A, B, F]`` into ``out`` ``[A * T, B, F]``."""
    trials = len(thresholds)
    members, rows, width = out.shape
    for member in range(members):
        split, trial = member // trials, member % trials
        threshold, scale = thresholds[trial], scales[trial]
        for row in range(rows):
            for unit in range(width):
                kept = draws[split, row * width + unit] >= threshold
                out[member, row, unit] = x[split, row, unit] * scale if kept else _ZERO


@_compiled
def _rectify(value: Floats, bias: Floats, draws: Bits, start: int, thresholds: Bits, scales: Floats) -> None:
    """Products ``[M, B, H]`` in place: bias, ReLU, dropout. ``bias`` is ``[M, 1, H]``."""
    trials = len(thresholds)
    members, rows, width = value.shape
    for member in range(members):
        split, trial = member // trials, member % trials
        threshold, scale = thresholds[trial], scales[trial]
        for row in range(rows):
            # A slice: an index that might be negative for all that the compiler knows is not vectorised.
            own = draws[split, start + row * width : start + (row + 1) * width]
            for unit in range(width):
                sum_ = value[member, row, unit] + bias[member, 0, unit]
                # This way round NaN stays NaN, as in PyTorch.
                value[member, row, unit] = _ZERO if sum_ <= _ZERO or own[unit] < threshold else sum_ * scale


@_compiled
def _drop(out: Floats, value: Floats, draws: Bits, start: int, thresholds: Bits, scales: Floats) -> None:
    """Activations ``[M, B, H]`` into ``out`` likewise: dropout."""
    trials = len(thresholds)
    members, rows, width = out.shape
    for member in range(members):
        split, trial = member // trials, member % trials
        threshold, scale = thresholds[trial], scales[trial]
        for row in range(rows):
            own = draws[split, start + row * width : start + (row + 1) * width]
            for unit in range(width):
                out[member, row, unit] = value[member, row, unit] * scale if own[unit] >= threshold else _ZERO


@_compiled
def _lose(output: Floats, bias: Floats, goal: Floats, weight: Floats, outputs: int, task: int) -> None:
    """Products ``[M, B, O]`` in place, of which the first ``outputs`` columns are real. ``goal`` is ``[A, B]``."""
    members, rows, width = output.shape
    trials = members // len(goal)
    for member in range(members):
        split = member // trials
        for row in range(rows):
            values = output[member, row]
            for k in range(outputs):
                values[k] += bias[member, 0, k]
            if task == REGRESSION:
                values[0] = np.float32(2) * weight[split, row] * (values[0] - goal[split, row])
            elif task == BINARY:
                probability = _ONE / (_ONE + np.exp(-values[0]))
                values[0] = weight[split, row] * (probability - goal[split, row])
            else:
                largest = values[0]
                for k in range(1, outputs):
                    largest = max(largest, values[k])
                total = _ZERO
                for k in range(outputs):
                    values[k] = np.exp(values[k] - largest)
                    total += values[k]
                for k in range(outputs):
                    hit = _ONE if k == goal[split, row] else _ZERO
                    values[k] = weight[split, row] * (values[k] / total - hit)
            for k in range(outputs, width):
                values[k] = _ZERO


@_compiled
def _backward(
    delta: Floats, hidden: Floats, draws: Bits, start: int, thresholds: Bits, scales: Floats, kind: int
) -> None:
    """``delta`` ``[M, B * H]`` in place; the derivative in terms of ``hidden`` ``[M, B * H]``."""
    trials, size = len(thresholds), delta.shape[1]
    for member in range(len(delta)):
        split, trial = member // trials, member % trials
        threshold, scale = thresholds[trial], scales[trial]
        if kind == RELU:  # 0 where the unit was dropped, too: no need of the draws
            for k in range(size):
                delta[member, k] = _ZERO if hidden[member, k] <= _ZERO else delta[member, k] * scale
            continue
        own = draws[split, start : start + size]
        for k in range(size):
            value = hidden[member, k]
            slope = _ONE - value * value if kind == TANH else value * (_ONE - value)
            delta[member, k] = delta[member, k] * slope * scale if own[k] >= threshold else _ZERO


@_compiled
def _update(
    weight: Floats,
    velocity: Floats,
    gradient: Floats,
    bias: Floats,
    bias_velocity: Floats,
    delta: Floats,
    momentum: Floats,
    minus_rate: Floats,
    weight_decay: Floats,
    max_norm: Floats,
    scratch: Floats,
    hidden: bool,
    nesterov: bool,
) -> None:
    """Weights ``[M, in, out]`` and biases ``[M, 1, out]`` in place; ``scratch`` ``[out]`` holds sums over rows."""
    members, rows, width = weight.shape
    for member in range(members):
        decay, friction, rate = weight_decay[member], momentum[member], minus_rate[member]
        bound = max_norm[member]
        for unit in range(width):
            scratch[unit] = _ZERO
        for row in range(rows):
            for unit in range(width):
                slope = gradient[member, row, unit] + decay * weight[member, row, unit]
                moved = slope + friction * velocity[member, row, unit]
                velocity[member, row, unit] = moved
                step = slope + friction * moved if nesterov else moved
                new = weight[member, row, unit] + rate * step
                weight[member, row, unit] = new
                scratch[unit] += new * new
        if hidden and bound < np.inf:
            beyond = False
            for unit in range(width):
                norm = np.sqrt(scratch[unit])
                scratch[unit] = bound / norm if bound < norm else _ONE
                beyond |= bound < norm
            if beyond:
                for row in range(rows):
                    for unit in range(width):
                        weight[member, row, unit] *= scratch[unit]
        for unit in range(width):
            scratch[unit] = _ZERO
        for row in range(delta.shape[1]):
            for unit in range(width):
                scratch[unit] += delta[member, row, unit]
        for unit in range(width):
            slope = scratch[unit]
            moved = slope + friction * bias_velocity[member, 0, unit]
            bias_velocity[member, 0, unit] = moved
            bias[member, 0, unit] += rate * (slope + friction * moved if nesterov else moved)


class CompiledPasses(Passes):
    """On the CPU. Tensors and arrays share their memory."""

    def __init__(self, buffers: Buffers, task: Task, *, nesterov: bool) -> None:
        super().__init__(buffers, task, nesterov=nesterov)
        b, net = buffers, buffers.net
        self._dropout = [(t.numpy(), s.numpy()) for t, s in zip(b.thresholds, b.scales, strict=True)]
        self._inputs = [entering.numpy() for entering in b.inputs]
        self._hidden = [hidden.numpy() for hidden in b.hidden]
        self._biases = [bias.numpy() for bias in net.biases]
        self._backwards = [
            (d.flatten(1).numpy(), h.flatten(1).numpy()) for d, h in zip(b.deltas, b.hidden, strict=True)
        ]
        self._kind = _ACTIVATIONS[net.activation.name]
        self._outputs = b.output.numpy(), self._biases[-1]
        self._loss = net.widths[-1], _TASKS[task]
        scratch = np.zeros(max(bias.shape[2] for bias in net.biases), np.float32)
        per_member = (b.momentum.numpy(), b.minus_rate.numpy(), b.weight_decay.numpy(), b.max_norm.numpy(), scratch)
        self._updates: list[tuple[Any, ...]] = []
        for layer, (weight, bias) in enumerate(net.layers()):
            velocity, bias_velocity = b.velocities[layer]
            delta = b.deltas[layer] if layer < net.depth else b.output
            own = (weight, velocity, b.gradients[layer], bias, bias_velocity, delta)
            self._updates.append((*(tensor.numpy() for tensor in own), *per_member, layer < net.depth, nesterov))

    @staticmethod
    def arrays(*tensors: Tensor) -> tuple[Array, ...]:
        """See :class:`~sweep.training.passes.Passes`."""
        return tuple(tensor.numpy() for tensor in tensors)

    def enter(self, x: Floats, draws: Bits) -> None:
        """See :class:`~sweep.training.passes.Passes`."""
        _enter(self._inputs[0], x, draws, *self._dropout[0])

    def activate(self, layer: int, draws: Bits) -> None:
        """See :class:`~sweep.training.passes.Passes`."""
        b = self.buffers
        dropout = draws, b.offsets[layer + 1], *self._dropout[layer + 1]
        if self._kind == RELU:
            _rectify(self._hidden[layer], self._biases[layer], *dropout)
        else:  # PyTorch's vectorised exponential
            hidden = b.hidden[layer].add_(b.net.biases[layer])
            b.net.silence_pads_(layer, b.net.activation.forward_(hidden))
            _drop(self._inputs[layer + 1], self._hidden[layer], *dropout)

    def lose(self, goal: Floats, weight: Floats) -> None:
        """See :class:`~sweep.training.passes.Passes`."""
        _lose(*self._outputs, goal, weight, *self._loss)

    def backward(self, layer: int, draws: Bits) -> None:
        """See :class:`~sweep.training.passes.Passes`."""
        offset = self.buffers.offsets[layer + 1]
        _backward(*self._backwards[layer], draws, offset, *self._dropout[layer + 1], self._kind)

    def update(self, layer: int) -> None:
        """See :class:`~sweep.training.passes.Passes`."""
        _update(*self._updates[layer])


def warm_up() -> None:
    """Has every pass compiled, or read from where it is kept, before there is work."""
    trial = Hyperparameters((1,), "none", (0.0, 0.0), 0.1, 0.0, 1.0, 1.0, 0.0)
    for activation in ("relu", "tanh"):
        net = StackedMLP.initial(
            Draws(0),
            splits=(0,),
            trials=1,
            widths=(1, 1, 1),
            init="torch",
            activation=activation,
            masked_outputs=False,
        )
        velocities = tuple((torch.zeros_like(weight), torch.zeros_like(bias)) for weight, bias in net.layers())
        buffers = Buffers.around(net, velocities, splits=1, batch=ROW_ALIGN, trials=(trial,))
        passes = CompiledPasses(buffers, "binary", nesterov=False)
        x, goals = torch.zeros_like(buffers.inputs[0]), torch.zeros(1, ROW_ALIGN)
        x, draws, goals = passes.arrays(x, torch.zeros(1, 2 * x[0].numel(), dtype=torch.int16), goals)
        passes.enter(x, draws)
        passes.activate(0, draws)
        passes.lose(goals, goals)
        passes.backward(0, draws)
        passes.update(0)
