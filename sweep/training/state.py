"""Where the networks of a block stand: at the beginning, or at a rung, where some may go on without the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sweep.data import Dataset
from sweep.records import BlockJob
from sweep.training.buffers import Parameters
from sweep.training.draws import Draws
from sweep.training.nets import ACTIVATIONS, StackedMLP
from sweep.training.scoreboard import Scored


@dataclass(frozen=True, slots=True, eq=False)
class BlockState:
    """A block at a rung. Nothing in it is changed after it is made.

    Attributes:
        numbers: T trial numbers.
        epoch: The rung's.
        parameters: Weights and biases of each layer, ``[S, T, ...]`` float32, splits in the order of ``by_length``.
        velocities: Theirs, likewise.
        scored: What is known of the trials.
        seconds: Wall time that each of them took so far: their shares of their blocks'.
    """

    numbers: tuple[int, ...]
    epoch: int
    parameters: Parameters
    velocities: Parameters
    scored: Scored
    seconds: float

    @classmethod
    def joined(
        cls, job: BlockJob, parts: Sequence[tuple[StackedMLP, Parameters]], scored: Scored, seconds: float
    ) -> BlockState:
        """From the networks and velocities of all splits, some splits in each part."""
        trials = len(job.trials)

        def whole(tensors: Sequence[Tensor]) -> Tensor:
            return torch.cat([tensor.view(-1, trials, *tensor.shape[1:]) for tensor in tensors])

        def layers(stacks: Sequence[Parameters]) -> Parameters:
            return tuple(
                (whole([w for w, _ in layer]), whole([b for _, b in layer])) for layer in zip(*stacks, strict=True)
            )

        nets = [tuple(net.layers()) for net, _ in parts]
        return cls(job.numbers, job.end, layers(nets), layers([own for _, own in parts]), scored, seconds)

    def __sizeof__(self) -> int:
        """Bytes: a scheduler sends the job that goes on from a state to where the state lies."""
        tensors = [t for stack in (self.parameters, self.velocities) for layer in stack for t in layer]
        return sum(t.nbytes for t in tensors) + self.scored.metrics.nbytes + self.scored.predictions.nbytes

    def of(self, numbers: Sequence[int]) -> BlockState:
        """That of some of the trials, in the order of ``numbers``: copies."""
        places = [self.numbers.index(number) for number in numbers]

        def chosen(parameters: Parameters) -> Parameters:
            return tuple((w[:, places], b[:, places]) for w, b in parameters)

        scored = self.scored.of(places)
        own = chosen(self.parameters), chosen(self.velocities)
        return BlockState(tuple(numbers), self.epoch, *own, scored, self.seconds)

    def part(self, data: Dataset, job: BlockJob, start: int, splits: int) -> tuple[StackedMLP, Parameters]:
        """Networks of the ``splits`` splits from ``start`` on, and their velocities. They share the memory."""

        def cut(parameters: Parameters) -> Parameters:
            device, end = data.features.device, start + splits
            return tuple(
                (w[start:end].flatten(0, 1).to(device), b[start:end].flatten(0, 1).to(device)) for w, b in parameters
            )

        weights, biases = zip(*cut(self.parameters), strict=True)
        net = StackedMLP(weights, biases, _widths(data, job), ACTIVATIONS[job.plan.activation])
        return net, cut(self.velocities)


def initial(data: Dataset, job: BlockJob, draws: Draws, order: Sequence[int]) -> tuple[StackedMLP, Parameters]:
    """Networks of some splits as they begin, and their velocities, which are 0."""
    net = StackedMLP.initial(
        draws,
        splits=order,
        trials=len(job.trials),
        widths=_widths(data, job),
        init=job.plan.init,
        activation=job.plan.activation,
        masked_outputs=data.info.task == "multiclass",
        device=data.features.device,
    )
    return net, tuple((torch.zeros_like(w), torch.zeros_like(b)) for w, b in net.layers())


def _widths(data: Dataset, job: BlockJob) -> tuple[int, ...]:
    """Features, units of each hidden layer, outputs."""
    return len(data.info.features), *job.trials[0].hidden, data.info.outputs
