"""The training loop: a block of trials x splits as one stacked network.

Axes, here and in the names of variables::

    T  trials of the block          L  hidden layers
    S  splits (folds x repeats)     H  units of a layer, padded to a multiple of 16
    M  members, S x T:              F  features, padded likewise
       member s * T + t             B  rows of a mini-batch, padded to a multiple of 8
    A  splits that still have a mini-batch left in this epoch: the first A

Splits are worked on in order of falling number of training rows, so that those which still have rows left at any
step are the first A of them, and a step works on a view of the first A * T members. A split beyond its own last
mini-batch therefore takes no step at all. Mini-batches are always full: the ragged last one is filled with rows
of weight 0, and its loss is divided by the full batch size all the same.

Nothing here depends on the number, order or hyperparameters of the other trials in the block; see ``nets`` for
what padding has to do with that, and ``draws`` for the random numbers.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sweep.data import Dataset
from sweep.draws import Draws, drop_threshold, keep_probability
from sweep.folds import Folds
from sweep.nets import StackedMLP, padded
from sweep.records import BlockJob, Hyperparameters, TrainingPlan, TrialResult
from sweep.scaling import fit_scaling
from sweep.scoreboard import Scoreboard
from sweep.targets import Targets

_ROW_ALIGN = 8
# Rows evaluated at a time. A constant: a product's rounding may depend on its number of rows.
_EVALUATION_ROWS = 256
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
        data = data.to(device)
        block = _Block(data, folds, job)
        board = Scoreboard(block.targets, folds, plan, trials=len(job.trials))
        for epoch in range(plan.epochs):
            block.train_epoch(epoch)
            if epoch + 1 in plan.checkpoints:
                board.record(epoch + 1, block.evaluate())
    return board.results(job.numbers, seconds=(time.perf_counter() - started) / len(job.trials))


@contextlib.contextmanager
def _exact_arithmetic() -> Iterator[None]:
    """One thread, so that sums have one order; denormals are zero, since they are slow. Restored afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


# --- the size of a block ----------------------------------------------------------------------------------------------


def block_trials(data: Dataset, folds: Folds, hidden: Sequence[int], plan: TrainingPlan, device: str = "cpu") -> int:
    """How many trials to train together: as many as keep their working set in the cache. At least 1.

    The choice changes the speed and no number. On a GPU the limit is a share of its memory.
    """
    widths = [padded(w) for w in (data.features.shape[1], *hidden, data.info.outputs)]
    parameters = sum(a * b for a, b in itertools.pairwise(widths))
    rows = padded(min(plan.batch_size, max(len(rows) for rows in folds.train)), _ROW_ALIGN)
    # Weights, velocities and gradients; about four buffers per activation.
    floats = len(folds.train) * (3 * parameters + 4 * rows * sum(widths))
    if device.startswith("cuda"):
        capacity = torch.cuda.get_device_properties(device).total_memory // 8
    else:
        capacity = 2 * _l2_bytes()
    return int(max(1, capacity // (4 * floats)))


def _l2_bytes() -> int:
    """Size of one core's L2 cache in bytes; 1 MiB where Linux does not say."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return 1 << 20


# --- a block ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Buffers:
    """What one step reads and writes, for the first A splits. Lists run over layers, the output layer last.

    The inputs of layer l are ``inputs[l]``: the table's rows, then each hidden layer's activations, dropout
    applied. ``hidden[l]`` are activations before dropout; ``kept[l]`` is 0 for a dropped unit and
    1 / keep probability for a kept one. Where no trial of the block drops, ``kept[l]`` is ``None`` and
    ``inputs[l]`` is the activation itself.
    """

    splits: int
    net: StackedMLP
    velocity: tuple[Tensor, ...]
    gradient: tuple[Tensor, ...]
    bias_velocity: tuple[Tensor, ...]
    bias_gradient: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]  # [M, B, H]
    hidden: tuple[Tensor, ...]  # [M, B, H]
    kept: tuple[Tensor | None, ...]  # [M, B, H]
    output: Tensor  # [M, B, O]
    deltas: tuple[Tensor, ...]  # [M, B, H]: gradients with respect to hidden[l]
    momentum: Tensor  # [M, 1, 1], as are the four below
    minus_rate: Tensor
    weight_decay: Tensor | None
    max_norm: Tensor | None


class _Block:
    """State of the stacked network of a block, and how it moves."""

    def __init__(self, data: Dataset, folds: Folds, job: BlockJob) -> None:
        self._data = data
        self._plan = plan = job.plan
        self._trials = job.trials
        # Stable, so that equal folds keep their order; position in `_order` -> split.
        self._order = sorted(range(len(folds.train)), key=lambda s: -len(folds.train[s]))
        self._train = [folds.train[s].to(self._device) for s in self._order]
        self._rows = [len(rows) for rows in self._train]
        self._batch = min(plan.batch_size, max(self._rows))
        self._batch_padded = padded(self._batch, _ROW_ALIGN)
        self._steps = [-(-rows // self._batch) for rows in self._rows]

        balanced = plan.class_weight == "balanced"
        self.targets = Targets.of(data, [rows.to(self._device) for rows in folds.train], balanced=balanced)
        self._loss = self.targets.reordered(self._order)
        self._scaling = fit_scaling(data.features, self._train)
        self._draws = Draws(plan.seed)
        self._all = self._allocate(job.trials)
        self._views = {len(self._order): self._all}
        self._rates = self._learning_rates()
        self._weights = self._row_weights()

    @property
    def _device(self) -> torch.device:
        return self._data.features.device

    def _allocate(self, trials: tuple[Hyperparameters, ...]) -> _Buffers:
        features = len(self._data.info.features)
        S, T, B = len(self._order), len(trials), self._batch_padded
        net = StackedMLP.initial(
            self._draws,
            splits=self._order,
            trials=T,
            widths=(features, *trials[0].hidden, self._data.info.outputs),
            init=self._plan.init,
            activation=self._plan.activation,
            masked_outputs=self._data.info.task == "multiclass",
            device=self._device,
        )

        def rows(width: int) -> Tensor:
            return torch.zeros(S * T, B, width, device=self._device)

        def per_member(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=self._device).repeat(S)[:, None, None]

        widths_in = [w.shape[1] for w in net.weights]
        drops = [any(trial.dropout[layer] > 0 for trial in trials) for layer in range(net.depth + 1)]
        hidden = tuple(rows(width) for width in widths_in[1:])
        # The two regularisers are left out where no trial of the block has them; for the others of a mixed
        # block adding 0 * w and scaling by 1 are exact.
        return _Buffers(
            splits=S,
            net=net,
            velocity=tuple(torch.zeros_like(w) for w in net.weights),
            gradient=tuple(torch.zeros_like(w) for w in net.weights),
            bias_velocity=tuple(torch.zeros_like(b) for b in net.biases),
            bias_gradient=tuple(torch.zeros_like(b) for b in net.biases),
            inputs=(
                rows(widths_in[0]),
                *(rows(h.shape[2]) if d else h for h, d in zip(hidden, drops[1:], strict=True)),
            ),
            hidden=hidden,
            kept=tuple(rows(width) if drop else None for width, drop in zip(widths_in, drops, strict=True)),
            output=rows(net.weights[-1].shape[2]),
            deltas=tuple(rows(width) for width in widths_in[1:]),
            momentum=per_member([trial.momentum for trial in trials]),
            minus_rate=torch.zeros(S * T, 1, 1, device=self._device),
            weight_decay=per_member([t.weight_decay for t in trials]) if any(t.weight_decay for t in trials) else None,
            max_norm=per_member([float("inf") if t.max_norm is None else t.max_norm for t in trials])
            if any(t.max_norm is not None for t in trials)
            else None,
        )

    def _first(self, splits: int) -> _Buffers:
        """The buffers of the first ``splits`` splits, as views."""
        if splits not in self._views:
            full, m = self._all, splits * len(self._trials)

            def cut(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
                return tuple(t[:m] for t in tensors)

            self._views[splits] = _Buffers(
                splits=splits,
                net=full.net.first(m),
                velocity=cut(full.velocity),
                gradient=cut(full.gradient),
                bias_velocity=cut(full.bias_velocity),
                bias_gradient=cut(full.bias_gradient),
                inputs=cut(full.inputs),
                hidden=cut(full.hidden),
                kept=tuple(None if k is None else k[:m] for k in full.kept),
                output=full.output[:m],
                deltas=cut(full.deltas),
                momentum=full.momentum[:m],
                minus_rate=full.minus_rate[:m],
                weight_decay=None if full.weight_decay is None else full.weight_decay[:m],
                max_norm=None if full.max_norm is None else full.max_norm[:m],
            )
        return self._views[splits]

    def _learning_rates(self) -> Tensor:
        """Negated learning rate of every epoch and trial, ``[E, T]`` float32.

        In Python's double precision, value by value: a vectorised power rounds by place.
        """
        last = max(1, self._plan.epochs - 1)
        rates = [
            [-trial.learning_rate * trial.lr_decay ** (epoch / last) for trial in self._trials]
            for epoch in range(self._plan.epochs)
        ]
        return torch.tensor(rates, dtype=torch.float32, device=self._device)

    def _row_weights(self) -> Tensor:
        """Weight of every place in every mini-batch, ``[steps, S, B]``: 1 / batch size, and 0 where no row stands."""
        place = torch.arange(max(self._steps) * self._batch).view(-1, 1, self._batch)
        full = (place < torch.tensor(self._rows)[:, None]).float() / self._batch
        return torch.nn.functional.pad(full, (0, self._batch_padded - self._batch)).to(self._device)

    # --- an epoch -------------------------------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> None:
        """One pass over the training rows of every split. ``epoch`` is 0-based."""
        self._all.minus_rate.copy_(self._rates[epoch].repeat(len(self._order))[:, None, None])
        rows = self._visits(epoch)
        for first in range(0, max(self._steps), self._draw_steps):
            last = min(first + self._draw_steps, max(self._steps))
            draws = self._dropout_draws(epoch, first, last)
            for step in range(first, last):
                active = self._first(sum(steps > step for steps in self._steps))
                self._step(active, rows[step], self._weights[step], None if draws is None else draws[step - first])

    def _visits(self, epoch: int) -> Tensor:
        """Rows of every mini-batch, ``[steps, S, B]`` int64; places without a row hold row 0, at weight 0."""
        S, steps = len(self._order), max(self._steps)
        visits = np.zeros((S, steps * self._batch), dtype=np.int64)
        for place, split in enumerate(self._order):
            visits[place, : self._rows[place]] = self._train_numpy[place][
                self._draws.row_order(split, epoch, self._rows[place])
            ]
        full = np.zeros((steps, S, self._batch_padded), dtype=np.int64)
        full[:, :, : self._batch] = visits.reshape(S, steps, self._batch).swapaxes(0, 1)
        return torch.from_numpy(full).to(self._device)

    @cached_property
    def _train_numpy(self) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        return [rows.cpu().numpy() for rows in self._train]

    # --- dropout draws --------------------------------------------------------------------------------------------

    @cached_property
    def _draw_sizes(self) -> list[int]:
        """Draws of one split's mini-batch for the input and each hidden layer."""
        return [self._batch_padded * x.shape[2] for x in self._all.inputs]

    @cached_property
    def _draw_steps(self) -> int:
        """Mini-batches whose draws are made at once."""
        return max(1, _DRAW_BYTES // (2 * sum(self._draw_sizes) * len(self._order)))

    def _dropout_draws(self, epoch: int, first: int, last: int) -> Tensor | None:
        """Draws of mini-batches ``first`` to ``last`` (excluded), ``[steps, S, draws]`` int16; ``None`` if unused."""
        if all(kept is None for kept in self._all.kept):
            return None
        per_step = sum(self._draw_sizes)
        draws = np.empty((last - first, len(self._order), per_step), dtype=np.int16)
        for place, split in enumerate(self._order):
            draws[:, place] = self._draws.dropout(split, epoch, first, last - first, per_step)
        return torch.from_numpy(draws).to(self._device)

    @cached_property
    def _thresholds(self) -> list[Tensor]:
        """Draws below which a unit is dropped, per layer ``[1, T, 1, 1]`` int16."""
        return [
            torch.tensor([drop_threshold(t.dropout[layer]) for t in self._trials], dtype=torch.int16)[
                None, :, None, None
            ].to(self._device)
            for layer in range(len(self._draw_sizes))
        ]

    @cached_property
    def _scales(self) -> list[Tensor]:
        """Inverted scaling, 1 / keep probability, per layer ``[1, T, 1, 1]`` float32."""
        return [
            torch.tensor([1.0 / keep_probability(t.dropout[layer]) for t in self._trials], dtype=torch.float32)[
                None, :, None, None
            ].to(self._device)
            for layer in range(len(self._draw_sizes))
        ]

    def _draw_kept_(self, b: _Buffers, draws: Tensor) -> None:
        """Fill ``kept`` from the step's draws ``[S, draws]`` int16."""
        T = len(self._trials)
        for layer, part in enumerate(torch.split(draws[: b.splits], self._draw_sizes, dim=1)):
            if (kept := b.kept[layer]) is not None:
                by_trial = kept.view(b.splits, T, *kept.shape[1:])
                shared = part.view(b.splits, 1, *kept.shape[1:])
                torch.ge(shared, self._thresholds[layer], out=by_trial)
                by_trial.mul_(self._scales[layer])

    # --- a step ---------------------------------------------------------------------------------------------------

    def _step(self, b: _Buffers, rows: Tensor, weights: Tensor, draws: Tensor | None) -> None:
        """One mini-batch for the first A splits.

        Shape:
            rows: ``[S, B]`` int64. weights: ``[S, B]``. draws: ``[S, draws]`` int16.
        """
        if draws is not None:
            self._draw_kept_(b, draws)
        self._gather_(b, rows)
        self._forward_(b)
        self._loss.loss_gradient_(b.output, rows[: b.splits], weights[: b.splits])
        self._backward_(b)
        self._update_(b)

    def _gather_(self, b: _Buffers, rows: Tensor) -> None:
        """The mini-batch's rows, scaled by their split, into every trial's input."""
        x = self._data.features.index_select(0, rows[: b.splits].reshape(-1)).view(b.splits, *rows.shape[1:], -1)
        self._scaling.apply_(x, has_missing=self._data.has_missing)
        inputs = b.inputs[0].view(b.splits, len(self._trials), *x.shape[1:])
        if (kept := b.kept[0]) is None:
            inputs.copy_(x[:, None])
        else:
            torch.mul(x[:, None], kept.view_as(inputs), out=inputs)

    def _forward_(self, b: _Buffers) -> None:
        net = b.net
        for layer, hidden in enumerate(b.hidden):
            torch.baddbmm(net.biases[layer], b.inputs[layer], net.weights[layer], out=hidden)
            net.silence_pads_(layer, net.activation.forward_(hidden))
            if (kept := b.kept[layer + 1]) is not None:
                torch.mul(hidden, kept, out=b.inputs[layer + 1])
        torch.baddbmm(net.biases[-1], b.inputs[-1], net.weights[-1], out=b.output)

    def _backward_(self, b: _Buffers) -> None:
        """From the gradient with respect to the output, which stands in ``output``, to those of the parameters."""
        delta = b.output
        for layer in range(b.net.depth, -1, -1):
            torch.bmm(b.inputs[layer].mT, delta, out=b.gradient[layer])
            torch.sum(delta, 1, keepdim=True, out=b.bias_gradient[layer])
            if layer > 0:
                below = b.deltas[layer - 1]
                torch.bmm(delta, b.net.weights[layer].mT, out=below)
                if (kept := b.kept[layer]) is not None:
                    below.mul_(kept)
                delta = b.net.activation.backward_(below, b.hidden[layer - 1])

    def _update_(self, b: _Buffers) -> None:
        """SGD with momentum as ``torch.optim.SGD`` has it (the learning rate outside the velocity), then max-norm."""
        if b.weight_decay is not None:
            for weight, gradient in zip(b.net.weights, b.gradient, strict=True):
                gradient.addcmul_(weight, b.weight_decay)
        for parameters, velocities, gradients in (
            (b.net.weights, b.velocity, b.gradient),
            (b.net.biases, b.bias_velocity, b.bias_gradient),
        ):
            for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                torch.addcmul(gradient, velocity, b.momentum, out=velocity)
                step = gradient.addcmul_(velocity, b.momentum) if self._plan.nesterov else velocity
                parameter.addcmul_(step, b.minus_rate)
        if b.max_norm is not None:
            # Gradients are used up: their buffers hold the squares and the norms, nothing is allocated.
            for weight, square, norm in zip(b.net.weights[:-1], b.gradient, b.bias_gradient, strict=False):
                # Srivastava et al. 2014, section 5.1: project onto the ball. Column j is unit j's incoming
                # weights. vector_norm over dim 1 is ten times slower than this.
                torch.mul(weight, weight, out=square)
                torch.sum(square, 1, keepdim=True, out=norm)
                weight.mul_(torch.div(b.max_norm, norm.sqrt_(), out=norm).clamp_(max=1.0))

    # --- evaluation -----------------------------------------------------------------------------------------------

    def evaluate(self) -> Tensor:
        """Outputs for all rows of the table without dropout, ``[S, T, n, O]`` float32, splits in their own order."""
        S, T = len(self._order), len(self._trials)
        n, outputs = self._data.features.shape[0], self._data.info.outputs
        out = torch.empty(S, T, n, outputs, device=self._device)
        for low in range(0, n, _EVALUATION_ROWS):
            x = self._data.features[low : low + _EVALUATION_ROWS]
            rows = x.shape[0]
            x = torch.nn.functional.pad(x, (0, 0, 0, padded(rows) - rows)).repeat(S, 1, 1)
            x = self._scaling.apply_(x, has_missing=self._data.has_missing)
            y = self._all.net.forward(x.repeat_interleave(T, 0)).view(S, T, padded(rows), -1)
            out[self._order, :, low : low + rows] = y[:, :, :rows, :outputs]
        return out
