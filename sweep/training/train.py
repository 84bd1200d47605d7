"""The training loop: a block of trials x splits as one stacked network.

Axes, here and in the names of variables::

    T  trials of the block          L  hidden layers
    S  splits (folds x repeats)     H  units of a layer, padded to a multiple of 16
    M  members, S x T:              F  features, padded likewise
       member s * T + t             B  rows of a mini-batch, padded to a multiple of 8
    A  splits that still have a mini-batch left in this epoch: the first A, and their A * T members

Nothing here depends on the number, order or hyperparameters of the other trials in the block. See ``nets`` for
what padding has to do with that, ``draws`` for the random numbers, ``minibatches`` for the order of rows.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import BlockJob, Hyperparameters, TrialResult, padded
from sweep.training.draws import Draws, drop_threshold, keep_probability
from sweep.training.minibatches import MiniBatches
from sweep.training.nets import StackedMLP
from sweep.training.scaling import fit_scaling
from sweep.training.scoreboard import Scoreboard
from sweep.training.targets import Targets

# Rows evaluated at a time. A constant: a product's rounding may depend on its number of rows.
_EVALUATION_ROWS = 256
# What scoring may hold at a time, and what it holds for each output of each row: see `scores`.
_EVALUATION_BYTES, _SCORING_BYTES = 1 << 25, 64
# Dropout draws made at a time, in bytes: an epoch of a small table, a few mini-batches of a large one.
_DRAW_BYTES = 1 << 21


def train_block(data: Dataset, folds: Folds, job: BlockJob, device: str = "cpu") -> tuple[TrialResult, ...]:
    """Train all trials of a block under cross-validation.

    Args:
        data: The table.
        folds: Its splits.
        job: Trials of one shape and the plan they share.
        device: ``"cpu"`` or ``"cuda:N"``.

    Returns:
        One result per trial, in the order of ``job.trials``.
    """
    started = time.perf_counter()
    plan = job.plan
    with torch.inference_mode(), _exact_arithmetic():
        block = _Block(data.to(device), folds, job)
        board = Scoreboard(block.targets, folds, plan, trials=len(job.trials))
        for epoch in range(plan.epochs):
            block.train_epoch(epoch)
            if epoch + 1 in plan.checkpoints:
                for split, trials in block.parts():
                    board.record(epoch + 1, split, trials, block.evaluate(split, trials))
                board.choose(epoch + 1)
    return board.results(job.numbers, seconds=(time.perf_counter() - started) / len(job.trials))


@contextlib.contextmanager
def _exact_arithmetic() -> Iterator[None]:
    """One thread, so that sums have one order; denormals are zero, since they are slow.

    Afterwards the number of threads is what it was, and denormals count, as is torch's default.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


# --- what a step reads and writes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Buffers:
    """State and workspace of the first A splits; tuples run over layers.

    Attributes:
        splits: A.
        net: Weights and biases.
        velocities: Of weights and of biases, per layer, the output layer included.
        gradients: Of weights and of biases. All layers use one stretch of memory: a layer's gradient is used up
            before the next one's is made, and so stays in the cache.
        inputs: What layer l multiplies, ``[M, B, H]``: the table's rows, then each hidden layer's activations,
            dropout applied.
        hidden: Activations before dropout, ``[M, B, H]``, per hidden layer.
        masks: 0 for a dropped unit and 1 / keep probability for a kept one, shaped as ``inputs``. ``None`` where no
            trial of the block drops; ``inputs`` is the activation itself there.
        deltas: Gradients with respect to ``hidden``.
        output: Of the output layer, then the loss's gradient with respect to it, ``[M, B, O]``.
        momentum: ``[M, 1, 1]``, as are the next three.
        minus_rate: The learning rate, negated.
        weight_decay: ``None`` where no trial has any; for the others of a mixed block adding 0 * w is exact.
        max_norm: Likewise; infinite for the others, and scaling by 1 is exact.
    """

    splits: int
    net: StackedMLP
    velocities: tuple[tuple[Tensor, Tensor], ...]
    gradients: tuple[tuple[Tensor, Tensor], ...]
    inputs: tuple[Tensor, ...]
    hidden: tuple[Tensor, ...]
    masks: tuple[Tensor | None, ...]
    deltas: tuple[Tensor, ...]
    output: Tensor
    momentum: Tensor
    minus_rate: Tensor
    weight_decay: Tensor | None
    max_norm: Tensor | None

    @classmethod
    def allocate(cls, net: StackedMLP, splits: int, batch: int, trials: tuple[Hyperparameters, ...]) -> _Buffers:
        """Buffers for all splits, velocities zero. ``batch`` is B."""
        members, device = splits * len(trials), net.weights[0].device

        def rows(width: int) -> Tensor:
            return torch.zeros(members, batch, width, device=device)

        def per_member(value: Callable[[Hyperparameters], float]) -> Tensor:
            values = torch.tensor([value(trial) for trial in trials], dtype=torch.float32, device=device)
            return values.repeat(splits)[:, None, None]

        widths = [weight.shape[1] for weight in net.weights]
        drops = [any(trial.dropout[layer] > 0 for trial in trials) for layer in range(len(widths))]
        hidden = tuple(rows(width) for width in widths[1:])
        after_dropout = [rows(h.shape[2]) if drop else h for h, drop in zip(hidden, drops[1:], strict=True)]
        memory = torch.zeros(max(weight.numel() for weight in net.weights), device=device)
        bias_memory = torch.zeros(max(bias.numel() for bias in net.biases), device=device)
        return cls(
            splits=splits,
            net=net,
            velocities=tuple((torch.zeros_like(w), torch.zeros_like(b)) for w, b in net.layers()),
            gradients=tuple(
                (memory[: w.numel()].view_as(w), bias_memory[: b.numel()].view_as(b)) for w, b in net.layers()
            ),
            inputs=(rows(widths[0]), *after_dropout),
            hidden=hidden,
            masks=tuple(rows(width) if drop else None for width, drop in zip(widths, drops, strict=True)),
            deltas=tuple(torch.zeros_like(h) for h in hidden),
            output=rows(net.weights[-1].shape[2]),
            momentum=per_member(lambda trial: trial.momentum),
            minus_rate=torch.zeros(members, 1, 1, device=device),
            weight_decay=per_member(lambda t: t.weight_decay) if any(t.weight_decay for t in trials) else None,
            max_norm=per_member(lambda t: float("inf") if t.max_norm is None else t.max_norm)
            if any(t.max_norm is not None for t in trials)
            else None,
        )

    def first(self, splits: int) -> _Buffers:
        """The part of the first ``splits`` splits, as views."""
        m = self.output.shape[0] // self.splits * splits

        def cut(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
            return tuple(t[:m] for t in tensors)

        return _Buffers(
            splits=splits,
            net=self.net.part(0, m),
            velocities=tuple((w[:m], b[:m]) for w, b in self.velocities),
            gradients=tuple((w[:m], b[:m]) for w, b in self.gradients),
            inputs=cut(self.inputs),
            hidden=cut(self.hidden),
            masks=tuple(None if mask is None else mask[:m] for mask in self.masks),
            deltas=cut(self.deltas),
            output=self.output[:m],
            momentum=self.momentum[:m],
            minus_rate=self.minus_rate[:m],
            weight_decay=None if self.weight_decay is None else self.weight_decay[:m],
            max_norm=None if self.max_norm is None else self.max_norm[:m],
        )


# --- a block ----------------------------------------------------------------------------------------------------------


class _Block:
    """The stacked network of a block, and how it moves."""

    def __init__(self, data: Dataset, folds: Folds, job: BlockJob) -> None:
        self._data, self._plan, self._trials = data, job.plan, job.trials
        device = data.features.device
        train = [rows.to(device) for rows in folds.train]
        draws = Draws(job.plan.seed)
        self._minibatches = MiniBatches(folds, job.plan.batch_size, draws, device)
        order = self._minibatches.order
        self.targets = Targets.of(data, train, balanced=job.plan.class_weight == "balanced")
        self._targets = self.targets.reordered(order)
        self._scaling = fit_scaling(data.features, [train[split] for split in order])
        net = StackedMLP.initial(
            draws,
            splits=order,
            trials=len(job.trials),
            widths=(len(data.info.features), *job.trials[0].hidden, data.info.outputs),
            init=job.plan.init,
            activation=job.plan.activation,
            masked_outputs=data.info.task == "multiclass",
            device=device,
        )
        self._all = _Buffers.allocate(net, len(order), self._minibatches.padded_size, job.trials)
        self._views = {
            splits: self._all.first(splits)
            for splits in {*map(self._minibatches.active, range(self._minibatches.steps))}
        }
        self._minus_rates = torch.tensor(_minus_rates(job), dtype=torch.float32, device=device)
        # Per layer, [1, T, 1, 1]: draws below the threshold drop the unit, the others are scaled up.
        rates = [[trial.dropout[layer] for trial in job.trials] for layer in range(net.depth + 1)]
        self._thresholds = [_by_trial([drop_threshold(p) for p in layer], torch.int16, device) for layer in rates]
        self._scales = [_by_trial([1 / keep_probability(p) for p in layer], torch.float32, device) for layer in rates]

    def train_epoch(self, epoch: int) -> None:
        """One pass over the training rows of every split. ``epoch`` is 0-based."""
        batches = self._minibatches
        self._all.minus_rate.copy_(self._minus_rates[epoch].repeat(len(batches.order))[:, None, None])
        rows = batches.rows(epoch)
        widths = [x.shape[2] for x in self._all.inputs]
        at_once = max(1, _DRAW_BYTES // (2 * batches.padded_size * sum(widths) * len(batches.order)))
        dropping = any(mask is not None for mask in self._all.masks)
        for start in range(0, batches.steps, at_once):
            steps = range(start, min(start + at_once, batches.steps))
            draws = batches.dropout(epoch, steps, widths) if dropping else []
            for step in steps:
                b = self._views[batches.active(step)]
                self._draw_masks_(b, [layer[step - start] for layer in draws])
                self._gather_(b, rows[step])
                self._forward_(b)
                self._targets.loss_gradient_(b.output, rows[step, : b.splits], batches.weights[step, : b.splits])
                self._backward_(b)

    def _draw_masks_(self, b: _Buffers, draws: Sequence[Tensor]) -> None:
        """Which units stay, and scaled how. ``draws`` has per layer ``[S, 1, B, H]`` int16."""
        for shared, mask, threshold, scale in zip(draws, b.masks, self._thresholds, self._scales, strict=False):
            if mask is not None:
                by_trial = mask.view(b.splits, -1, *mask.shape[1:])
                torch.ge(shared[: b.splits], threshold, out=by_trial)
                by_trial.mul_(scale)

    def _gather_(self, b: _Buffers, rows: Tensor) -> None:
        """The mini-batch's rows ``[S, B]``, scaled by their split, into every trial's input."""
        rows = rows[: b.splits]
        x = self._data.features.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        x = self._scaling.apply_(x, has_missing=self._data.has_missing)[:, None]
        inputs = b.inputs[0].view(b.splits, -1, *b.inputs[0].shape[1:])
        if (mask := b.masks[0]) is None:
            inputs.copy_(x)
        else:
            torch.mul(x, mask.view_as(inputs), out=inputs)

    def _forward_(self, b: _Buffers) -> None:
        net = b.net
        for layer, hidden in enumerate(b.hidden):
            torch.baddbmm(net.biases[layer], b.inputs[layer], net.weights[layer], out=hidden)
            net.silence_pads_(layer, net.activation.forward_(hidden))
            if (mask := b.masks[layer + 1]) is not None:
                torch.mul(hidden, mask, out=b.inputs[layer + 1])
        torch.baddbmm(net.biases[-1], b.inputs[-1], net.weights[-1], out=b.output)

    def _backward_(self, b: _Buffers) -> None:
        """From the output downwards; a layer moves as soon as its gradient is there, while it is in the cache."""
        delta = b.output
        for layer in range(b.net.depth, -1, -1):
            gradient, bias_gradient = b.gradients[layer]
            torch.bmm(b.inputs[layer].mT, delta, out=gradient)
            torch.sum(delta, 1, keepdim=True, out=bias_gradient)
            if layer > 0:
                below = b.deltas[layer - 1]
                torch.bmm(delta, b.net.weights[layer].mT, out=below)
                if (mask := b.masks[layer]) is not None:
                    below.mul_(mask)
                delta = b.net.activation.backward_(below, b.hidden[layer - 1])
            self._update_(b, layer)

    def _update_(self, b: _Buffers, layer: int) -> None:
        """SGD with momentum as ``torch.optim.SGD`` has it (the learning rate outside the velocity), then max-norm."""
        weight, (gradient, norm) = b.net.weights[layer], b.gradients[layer]
        if b.weight_decay is not None:
            gradient.addcmul_(weight, b.weight_decay)
        for parameter, slope, velocity in zip(
            (weight, b.net.biases[layer]), b.gradients[layer], b.velocities[layer], strict=True
        ):
            torch.addcmul(slope, velocity, b.momentum, out=velocity)
            step = slope.addcmul_(velocity, b.momentum) if self._plan.nesterov else velocity
            parameter.addcmul_(step, b.minus_rate)
        if b.max_norm is not None and layer < b.net.depth:
            # Srivastava et al. 2014, section 5.1: project onto the ball. Column j is unit j's incoming weights.
            # The used-up gradients hold the squares and the norms; vector_norm over dim 1 is ten times slower.
            torch.mul(weight, weight, out=gradient)
            torch.sum(gradient, 1, keepdim=True, out=norm)
            # A squared norm may overflow; without the clamp, infinity over infinity would spoil a trial without a
            # bound: it must not feel that a neighbour has one.
            norm.sqrt_().clamp_(max=torch.finfo(norm.dtype).max)
            weight.mul_(torch.div(b.max_norm, norm, out=norm).clamp_(max=1.0))

    def parts(self) -> Iterator[tuple[int, slice]]:
        """Split by split, as many trials as are evaluated at a time."""
        per_trial = _SCORING_BYTES * self._data.features.shape[0] * self._data.info.outputs
        at_once = max(1, _EVALUATION_BYTES // per_trial)
        for split in range(len(self._minibatches.order)):
            for start in range(0, len(self._trials), at_once):
                yield split, slice(start, min(start + at_once, len(self._trials)))

    def evaluate(self, split: int, trials: slice) -> Tensor:
        """Outputs of some trials' networks of a split for all rows, without dropout, ``[t, n, O]`` float32.

        Args:
            split: Its number.
            trials: Places of t trials.
        """
        place = self._minibatches.order.index(split)
        first = place * len(self._trials)
        net = self._all.net.part(first + trials.start, first + trials.stop)
        scaling = self._scaling.part(place)
        n, count = self._data.features.shape[0], trials.stop - trials.start
        out = torch.empty(count, n, self._data.info.outputs, device=self._data.features.device)
        for low in range(0, n, _EVALUATION_ROWS):
            features = self._data.features[low : low + _EVALUATION_ROWS]
            rows = len(features)
            x = features.new_zeros(1, padded(rows), features.shape[1])
            x[0, :rows] = features
            x = scaling.apply_(x, has_missing=self._data.has_missing).expand(count, -1, -1)
            out[:, low : low + rows] = net.forward(x)[:, :rows, : out.shape[2]]
        return out


def _minus_rates(job: BlockJob) -> list[list[float]]:
    """Negated learning rate of every epoch and trial, ``[E][T]``: falling from the first to lr_decay times it.

    In double precision, value by value: a vectorised power rounds by place.
    """
    last = max(1, job.plan.epochs - 1)
    return [
        [-trial.learning_rate * trial.lr_decay ** (epoch / last) for trial in job.trials]
        for epoch in range(job.plan.epochs)
    ]


def _by_trial(values: Sequence[float], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``[1, T, 1, 1]``."""
    return torch.tensor(values, dtype=dtype, device=device)[None, :, None, None]
