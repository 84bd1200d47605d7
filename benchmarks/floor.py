"""The floor: the matrix products of a training step and nothing else, and how fast the machine multiplies at all.

No trainer of this design can be quicker than its products: forward of every layer, the gradients of every layer's
weights, and the gradients of every layer's input but the first one's. Here they run alone, one ``torch.bmm(out=)``
each, at the same padded shapes, over and over on the same memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.measuring import seconds_of
from benchmarks.shapes import Work
from sweep.records import padded
from sweep.training.minibatches import ROW_ALIGN, effective_batch_size

# Edge of the square matrices of the rate: so large that calling costs nothing, and done in a fraction of a second.
_EDGE = {"cpu": 1024, "cuda": 8192}
# Most memory that the floor's matrices may take, in bytes.
_MEMORY = {"cpu": 1 << 29, "cuda": 1 << 34}
# Numbers of members that are tried.
_FEW = (1, 2, 4, 8, 10, 16, 20, 32, 40, 64, 80, 128, 160, 256)
_MEMBERS = {"cpu": _FEW, "cuda": (*_FEW, 512, 1024, 2048, 4096, 8192)}


@dataclass(frozen=True, slots=True)
class Products:
    """The products of one step of ``members`` networks. Tuples run over layers.

    Attributes:
        members: M.
        inputs: ``[M, B, H]``: what each layer multiplies.
        weights: ``[M, in, out]``.
        outputs: ``[M, B, out]``; the gradients with respect to them have the same shape.
        deltas: Those gradients.
        gradients: As ``weights``, all in one stretch of memory, since each is used up before the next is made.
    """

    members: int
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    deltas: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]

    @classmethod
    def allocate(cls, work: Work, members: int, device: str = "cpu") -> Products:
        """Matrices of random numbers."""
        rows, widths = _padded(work)
        generator = torch.Generator(device).manual_seed(1)

        def made(*shape: int) -> Tensor:
            return torch.rand(members, *shape, device=device, generator=generator).sub_(0.5)

        layers = list(itertools.pairwise(widths))
        memory = torch.zeros(members * max(a * b for a, b in layers), device=device)
        return cls(
            members=members,
            inputs=tuple(made(rows, a) for a, _ in layers),
            weights=tuple(made(a, b) for a, b in layers),
            outputs=tuple(made(rows, b) for _, b in layers),
            deltas=tuple(made(rows, b) for _, b in layers),
            gradients=tuple(memory[: members * a * b].view(members, a, b) for a, b in layers),
        )

    def step(self) -> None:
        """Every product once."""
        for x, weight, out in zip(self.inputs, self.weights, self.outputs, strict=True):
            torch.bmm(x, weight, out=out)
        for layer in range(len(self.weights) - 1, -1, -1):
            torch.bmm(self.inputs[layer].mT, self.deltas[layer], out=self.gradients[layer])
            if layer > 0:
                torch.bmm(self.deltas[layer], self.weights[layer].mT, out=self.deltas[layer - 1])

    def seconds(self, steps: int) -> float:
        """Of a member-step, in the mean over so many steps."""
        return timed(self.step, steps, str(self.inputs[0].device)) / self.members


def operations(work: Work) -> int:
    """Floating-point operations of a member-step's products, as they run: widths and rows padded."""
    rows, widths = _padded(work)
    layers = [2 * rows * a * b for a, b in itertools.pairwise(widths)]
    return 3 * sum(layers) - layers[0]


def best_members(work: Work, own: int, device: str = "cpu", seconds: float = 0.05) -> Products:
    """The number of members at which the products alone are quickest, ``own`` among those tried, each so long."""
    kind = device.partition(":")[0]
    rows, widths = _padded(work)
    floats = sum(2 * rows * width for width in widths) + 2 * sum(a * b for a, b in itertools.pairwise(widths))
    most = max(1, _MEMORY[kind] // (4 * floats))
    candidates = {members for members in _MEMBERS[kind] if members <= most} | {own}
    times: dict[int, float] = {}
    for members in sorted(candidates):
        products = Products.allocate(work, members, device)
        times[members] = products.seconds(steps_for(products, seconds))
    return Products.allocate(work, min(times, key=times.__getitem__), device)


def steps_for(products: Products, seconds: float) -> int:
    """How many steps take about so long. Runs a few, which also touches the memory."""
    products.seconds(2)
    return max(2, round(seconds / (products.seconds(2) * products.members)))


def multiply_rate(device: str = "cpu", times: int = 10) -> float:
    """Floating-point operations a second of ``torch.mm`` on large square float32 matrices (sgemm), on one thread."""
    edge = _EDGE[device.partition(":")[0]]
    a, b = torch.rand(edge, edge, device=device), torch.rand(edge, edge, device=device)
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    return 2 * edge**3 / timed(lambda: torch.mm(a, b, out=out), times, device)


def timed(action: Callable[[], object], times: int, device: str) -> float:
    """Seconds of an action in the mean; a GPU, which works behind our back, is waited for."""

    def repeated() -> None:
        for _ in range(times):
            action()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    with torch.inference_mode():
        return seconds_of(repeated) / times


def _padded(work: Work) -> tuple[int, list[int]]:
    """B, and the width of every layer from the input to the output, as the trainer has them."""
    rows = padded(effective_batch_size(work.folds, work.shape.batch), ROW_ALIGN)
    return rows, [padded(width) for width in (work.shape.features, *work.shape.hidden, work.data.info.outputs)]
