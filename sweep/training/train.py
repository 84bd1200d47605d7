"""The training loop: a block of trials x splits as one stacked network.

Axes, here and in the names of variables::

    T  trials of the block          L  hidden layers
    S  splits (folds x repeats)     H  units of a layer, padded to a multiple of 16
    M  members, S x T:              F  features, padded likewise
       member s * T + t             B  rows of a mini-batch, padded to a multiple of 8
    A  splits that still have a mini-batch left in this epoch: the first A, and their A * T members

The members of a few splits, a *tile*, train through an epoch together, as many as the processor's cache holds.
Nothing here depends on the number, order or hyperparameters of the other trials in the block, nor on the tiles. See
``nets`` for what padding has to do with that, ``draws`` for the random numbers, ``minibatches`` for the order of rows,
``passes`` for what a step does between its matrix products.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import BlockJob, TrialResult, padded
from sweep.training.block_size import tile_splits
from sweep.training.buffers import Buffers, Parameters
from sweep.training.compiled import CompiledPasses
from sweep.training.draws import Draws
from sweep.training.minibatches import MiniBatches, by_length
from sweep.training.nets import StackedMLP
from sweep.training.passes import Array, Passes, TorchPasses
from sweep.training.scaling import Scaling, fit_scaling
from sweep.training.scoreboard import Scoreboard, Scored
from sweep.training.state import BlockState, initial
from sweep.training.targets import Targets

# Rows evaluated at a time. A constant: a product's rounding may depend on its number of rows.
_EVALUATION_ROWS = 256
# What scoring may hold at a time, and what it holds for each output of each row: see `scores`.
_EVALUATION_BYTES, _SCORING_BYTES = 1 << 25, 64
# Mini-batches gathered at a time, in bytes: an epoch of a small table, a few of a large one.
_GATHERED_BYTES = 1 << 20


def train_block(data: Dataset, folds: Folds, job: BlockJob, device: str = "cpu") -> tuple[TrialResult, ...]:
    """Train all trials of a block under cross-validation, from the first epoch to the job's end.

    Args:
        data: The table.
        folds: Its splits.
        job: Trials of one shape and the plan they share.
        device: ``"cpu"`` or ``"cuda:N"``.

    Returns:
        One result per trial, in the order of ``job.trials``.
    """
    return train_segment(data, folds, job, device)[0]


def train_segment(
    data: Dataset,
    folds: Folds,
    job: BlockJob,
    device: str = "cpu",
    state: BlockState | None = None,
    *,
    keep: bool = False,
) -> tuple[tuple[TrialResult, ...], BlockState | None]:
    """The same from wherever the trials stand, up to the job's end, which may be a rung.

    Args:
        data: As for :func:`train_block`, as are the next three.
        folds: Its splits, of which the job may take a part.
        job: Trials of one shape and the plan they share.
        device: ``"cpu"`` or ``"cuda:N"``.
        state: Of a block with all of the job's trials, at a rung; left as it is. ``None`` to begin.
        keep: Whether the networks are wanted at the plan's last epoch, too.

    Returns:
        One result per trial, and where the block stands: ``None`` at the plan's last epoch, unless that is wanted.
    """
    started = time.perf_counter()
    plan = job.plan
    if job.repeats is not None:
        folds = folds.part(*job.repeats)
    with torch.inference_mode(), _exact_arithmetic():
        block = _Block(data.to(device), folds, job, state)
        for epoch in range(0 if state is None else state.epoch, job.end):
            block.train_epoch(epoch)
            if epoch + 1 in plan.checkpoints:
                for split, trials in block.parts():
                    block.board.record(epoch + 1, split, trials, block.evaluate(split, trials))
                block.board.choose(epoch + 1)
        seconds = (time.perf_counter() - started) / len(job.trials) + (0.0 if state is None else state.seconds)
        results = block.board.results(job.numbers, job.end, seconds)
        return results, block.state(seconds) if keep or job.end < plan.epochs else None


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


# --- a block ----------------------------------------------------------------------------------------------------------


class _Block:
    """The stacked networks of a block, tile by tile, and what they score."""

    def __init__(self, data: Dataset, folds: Folds, job: BlockJob, state: BlockState | None) -> None:
        self._data, self._job = data, job
        device = data.features.device
        train = [rows.to(device) for rows in folds.train]
        targets = Targets.of(data, train, balanced=job.plan.class_weight == "balanced")
        state = state and state.of(job.numbers)
        scored = Scored.nothing(data.info, folds, job.plan, len(job.trials)) if state is None else state.scored
        self.board = Scoreboard(targets, folds, job.plan, scored)
        draws, order = Draws(job.plan.seed, folds.first * folds.folds), by_length(folds)
        at_once = tile_splits(data, folds, job, device.type)
        self._tiles: list[_Tile] = []
        for start in range(0, len(order), at_once):
            own = order[start : start + at_once]
            net, velocities = (
                initial(data, job, draws, own) if state is None else state.part(data, job, start, len(own))
            )
            batches = MiniBatches(folds, own, job.plan.batch_size, draws, device)
            scaling = fit_scaling(data.features, [train[split] for split in own])
            self._tiles.append(_Tile(data, job, batches, scaling, targets.reordered(own), net, velocities))
        self._minus_rates = torch.tensor(_minus_rates(job), dtype=torch.float32, device=device)

    def train_epoch(self, epoch: int) -> None:
        """One pass over the training rows of every split. ``epoch`` is 0-based."""
        for tile in self._tiles:
            tile.train_epoch(epoch, self._minus_rates[epoch])

    def parts(self) -> Iterator[tuple[int, slice]]:
        """Split by split, as many trials as are evaluated at a time."""
        per_trial = _SCORING_BYTES * self._data.features.shape[0] * self._data.info.outputs
        at_once, trials = max(1, _EVALUATION_BYTES // per_trial), len(self._job.trials)
        for split in sorted(split for tile in self._tiles for split in tile.order):
            for start in range(0, trials, at_once):
                yield split, slice(start, min(start + at_once, trials))

    def evaluate(self, split: int, trials: slice) -> Tensor:
        """Outputs of some trials' networks of a split for all rows, without dropout, ``[t, n, O]`` float32.

        Args:
            split: Its number.
            trials: Places of t trials.
        """
        return next(tile for tile in self._tiles if split in tile.order).evaluate(split, trials)

    def state(self, seconds: float) -> BlockState:
        """Where they stand at the job's end, ``seconds`` a trial after they began."""
        nets = [(tile.net, tile.velocities) for tile in self._tiles]
        return BlockState.joined(self._job, nets, self.board.scored, seconds)


# --- a tile: a few splits of the block --------------------------------------------------------------------------------


class _Tile:
    """The networks of some splits, and how they move.

    Args:
        data: The table.
        job: The block's.
        batches: Mini-batches of the splits.
        scaling: Of the splits, as are the next three.
        targets: What they learn.
        net: Their networks.
        velocities: Of ``net``.
    """

    def __init__(
        self,
        data: Dataset,
        job: BlockJob,
        batches: MiniBatches,
        scaling: Scaling,
        targets: Targets,
        net: StackedMLP,
        velocities: Parameters,
    ) -> None:
        self._data, self._batches, self._scaling, self._targets = data, batches, scaling, targets
        self._trials = len(job.trials)
        self.order, self.net, self.velocities = batches.order, net, velocities
        self._buffers = Buffers.around(net, velocities, len(self.order), batches.padded_size, job.trials)
        self._active = [batches.active(step) for step in range(batches.steps)]
        kind = CompiledPasses if data.features.device.type == "cpu" else TorchPasses
        self._passes: dict[int, Passes] = {
            splits: kind(self._buffers.first(splits), data.info.task, nesterov=job.plan.nesterov)
            for splits in {*self._active}
        }
        self._draws_per_row = sum(x.shape[2] for x in self._buffers.inputs)
        per_row = 2 * self._draws_per_row + 4 * self._buffers.inputs[0].shape[2]
        rows = batches.padded_size * len(self.order)
        self._at_once = min(max(1, _GATHERED_BYTES // (per_row * rows)), batches.steps)
        # Any draws will do where no trial of the block drops anything.
        shape = self._at_once, len(self.order), batches.padded_size * self._draws_per_row
        drops = any(any(trial.dropout) for trial in job.trials)
        self._no_draws = None if drops else torch.zeros(shape, dtype=torch.int16, device=data.features.device)

    def train_epoch(self, epoch: int, minus_rates: Tensor) -> None:
        """One pass over the training rows of every split.

        Args:
            epoch: 0-based.
            minus_rates: Learning rate of each trial, negated, ``[T]`` float32.
        """
        self._buffers.minus_rate.copy_(minus_rates.repeat(len(self.order)))
        rows = self._batches.rows(epoch)
        for start in range(0, len(self._active), self._at_once):
            steps = range(start, min(start + self._at_once, len(self._active)))
            for at, (x, draws, goal, weight) in enumerate(zip(*self._gathered(epoch, steps, rows), strict=True)):
                active = self._active[start + at]
                passes = self._passes[active]
                self._forward(passes, x[:active], draws[:active])
                passes.lose(goal[:active], weight[:active])
                self._backward(passes, draws[:active])

    def _gathered(self, epoch: int, steps: range, rows: Tensor) -> tuple[Array, ...]:
        """What some mini-batches of an epoch take, ``rows`` being those of all of them: one entry for each step.

        Returns:
            Rows as their splits scale them, ``[steps, S, B, F]``; dropout draws, ``[steps, S, D]``; what the outputs
            should be, and what each row counts, ``[steps, S, B]``.
        """
        own = rows[steps.start : steps.stop]
        x = self._data.features.index_select(0, own.reshape(-1)).view(*own.shape, -1)
        x = self._scaling.apply_(x, has_missing=self._data.has_missing)
        if self._no_draws is None:
            draws = self._batches.dropout(epoch, steps, self._draws_per_row)
        else:
            draws = self._no_draws[: len(steps)]
        goal, weight = self._targets.goals(own)
        weight *= self._batches.weights[steps.start : steps.stop]
        return self._passes[len(self.order)].arrays(x, draws, goal, weight)

    def _forward(self, passes: Passes, x: Array, draws: Array) -> None:
        b = passes.buffers
        passes.enter(x, draws)
        for layer, hidden in enumerate(b.hidden):
            torch.bmm(b.inputs[layer], b.net.weights[layer], out=hidden)
            passes.activate(layer, draws)
        torch.bmm(b.inputs[-1], b.net.weights[-1], out=b.output)

    def _backward(self, passes: Passes, draws: Array) -> None:
        """From the output downwards; a layer moves as soon as its gradient is there, while it is in the cache."""
        b = passes.buffers
        delta = b.output
        for layer in range(b.net.depth, -1, -1):
            inputs_t, weights_t = b.transposed[layer]
            torch.bmm(inputs_t, delta, out=b.gradients[layer])
            if layer > 0:
                delta = torch.bmm(delta, weights_t, out=b.deltas[layer - 1])
                passes.backward(layer - 1, draws)
            passes.update(layer)

    def evaluate(self, split: int, trials: slice) -> Tensor:
        """See :meth:`_Block.evaluate`."""
        place = self.order.index(split)
        first = place * self._trials
        net = self.net.part(first + trials.start, first + trials.stop)
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
