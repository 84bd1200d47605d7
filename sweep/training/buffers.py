"""What a training step reads and writes: the parameters of some splits' networks and the workspace around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sweep.records import Hyperparameters
from sweep.training.draws import drop_threshold, keep_probability
from sweep.training.nets import StackedMLP

Parameters = tuple[tuple[Tensor, Tensor], ...]
"""Weights and biases, or whatever is shaped like them, of each layer, the output layer last."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """State and workspace of A splits of T trials, M = A x T members; tuples run over layers.

    Attributes:
        splits: A.
        net: Weights and biases.
        velocities: Of weights and of biases.
        gradients: Of weights. All layers use one stretch of memory: a layer's gradient is used up before the next
            one's is made, and so stays in the cache.
        inputs: What layer l multiplies, ``[M, B, H]``: the table's rows, then each hidden layer's activations,
            dropout applied.
        transposed: Of each layer, views of ``inputs`` and of its weights, rows and columns exchanged.
        hidden: Activations before dropout, ``[M, B, H]``, per hidden layer. With an activation that says itself
            which units were dropped it is ``inputs``: see :attr:`~sweep.training.nets.Activation.gated`.
        deltas: Gradients with respect to what the hidden layers are activated from, ``[M, B, H]``.
        output: Of the output layer, then the loss's gradient with respect to it, ``[M, B, O]``.
        thresholds: Per layer that dropout may come before, ``[T]`` int16: draws below it drop the unit.
        scales: Likewise, ``[T]`` float32: 1 / keep probability.
        offsets: Where a layer's dropout draws begin among those of a mini-batch.
        momentum: ``[M]`` float32, as are the next three.
        minus_rate: The learning rate, negated.
        weight_decay: L2 penalty.
        max_norm: Infinite for none.
    """

    splits: int
    net: StackedMLP
    velocities: Parameters
    gradients: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    transposed: tuple[tuple[Tensor, Tensor], ...]
    hidden: tuple[Tensor, ...]
    deltas: tuple[Tensor, ...]
    output: Tensor
    thresholds: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    offsets: tuple[int, ...]
    momentum: Tensor
    minus_rate: Tensor
    weight_decay: Tensor
    max_norm: Tensor

    @classmethod
    def around(
        cls, net: StackedMLP, velocities: Parameters, splits: int, batch: int, trials: tuple[Hyperparameters, ...]
    ) -> Buffers:
        """Buffers around parameters. ``batch`` is B."""
        members, device = splits * len(trials), net.weights[0].device

        def rows(width: int) -> Tensor:
            return torch.zeros(members, batch, width, device=device)

        def per_trial(value: Callable[[Hyperparameters], float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor([value(trial) for trial in trials], dtype=dtype, device=device)

        widths = [weight.shape[1] for weight in net.weights]
        inputs = tuple(map(rows, widths))
        scratch = torch.zeros(max(weight.numel() for weight in net.weights), device=device)
        return cls(
            splits=splits,
            net=net,
            velocities=velocities,
            gradients=tuple(scratch[: weight.numel()].view_as(weight) for weight in net.weights),
            inputs=inputs,
            transposed=tuple((x.mT, w.mT) for x, w in zip(inputs, net.weights, strict=True)),
            hidden=inputs[1:] if net.activation.gated else tuple(map(rows, widths[1:])),
            deltas=tuple(map(rows, widths[1:])),
            output=rows(net.weights[-1].shape[2]),
            thresholds=tuple(
                per_trial(lambda t, at=layer: drop_threshold(t.dropout[at]), torch.int16)  # type: ignore[misc]  # mypy does not infer the type of `at`
                for layer in range(len(widths))
            ),
            scales=tuple(
                per_trial(lambda t, at=layer: 1 / keep_probability(t.dropout[at]))  # type: ignore[misc]  # as above
                for layer in range(len(widths))
            ),
            offsets=tuple(batch * sum(widths[:layer]) for layer in range(len(widths))),
            momentum=per_trial(lambda t: t.momentum).repeat(splits),
            minus_rate=torch.zeros(members, device=device),
            weight_decay=per_trial(lambda t: t.weight_decay).repeat(splits),
            max_norm=per_trial(lambda t: float("inf") if t.max_norm is None else t.max_norm).repeat(splits),
        )

    def first(self, splits: int) -> Buffers:
        """The part of the first ``splits`` splits, as views."""
        m = self.output.shape[0] // self.splits * splits

        def cut(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
            return tuple(t[:m] for t in tensors)

        return replace(
            self,
            splits=splits,
            net=self.net.part(0, m),
            velocities=tuple((w[:m], b[:m]) for w, b in self.velocities),
            gradients=cut(self.gradients),
            inputs=cut(self.inputs),
            transposed=tuple((x[:m], w[:m]) for x, w in self.transposed),
            hidden=cut(self.hidden),
            deltas=cut(self.deltas),
            output=self.output[:m],
            momentum=self.momentum[:m],
            minus_rate=self.minus_rate[:m],
            weight_decay=self.weight_decay[:m],
            max_norm=self.max_norm[:m],
        )
