"""One configuration trained on all rows of a table: what is left to do once it has been chosen.

An ensemble is one block: its networks are to the training loop what splits are, each with draws of its own, and here
all of them train on the same rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.networks import Networks
from sweep.records import BlockJob, Configuration, TrainingPlan
from sweep.training.scaling import fit_scaling
from sweep.training.scoreboard import Scored
from sweep.training.state import BlockState
from sweep.training.targets import Targets
from sweep.training.train import train_segment

logger = logging.getLogger(__name__)

_STOPS = 10
"""How often it is told how far training is: to stop somewhere costs an evaluation of all rows."""


def train_whole(
    data: Dataset,
    configuration: Configuration,
    plan: TrainingPlan,
    *,
    members: int = 1,
    device: str = "cpu",
    on_epoch: Callable[[int], None] | None = None,
) -> Networks:
    """Trains networks on all rows.

    Member m has the draws that split m of a sweep with the plan's seed has. One that diverges becomes the constant
    predictor of the rows, as it is scored in a sweep; a warning is logged.

    Args:
        data: The table.
        configuration: Hyperparameters, and the epoch to stop at: at most the plan's last, over which the learning rate
            falls.
        plan: What a sweep's trials share; checkpoints and ``stop`` do not matter here.
        members: S, networks that differ by their random numbers.
        device: ``"cpu"`` or ``"cuda:N"``.
        on_epoch: Is told, a few times, the epoch that has been trained (1-based), the last one included. The numbers
            are the same, bit for bit.
    """
    epoch, rows = configuration.epoch, torch.arange(data.info.rows)
    stops = (epoch,) if on_epoch is None else tuple(_stops(epoch))
    plan = replace(plan, checkpoints=tuple(sorted({*stops, plan.epochs})), stop="last")
    # Each network is a repeat of one fold, which tests what it trains on. Nobody wants its predictions of that.
    folds = Folds((rows,) * members, (rows,) * members, 1, members, "kfold", kept_rows=np.empty(0, np.int64))
    job = BlockJob((0,), (configuration.params,), plan, until=epoch)
    state: BlockState | None = None
    lost: tuple[int, ...] = ()
    for stop in stops:
        if state is not None:  # what an earlier stop saw must not count: in one go there is none
            state = replace(state, scored=Scored.nothing(data.info, folds, plan, 1))
        (result,), state = train_segment(data, folds, replace(job, until=stop), device, state, keep=True)
        lost = result.lost
        if on_epoch is not None:
            on_epoch(stop)
    assert state is not None  # noqa: S101 - it is kept
    networks = _networks(data, job, state)
    if lost:
        logger.warning("%d of %d networks diverged; they predict a constant", len(lost), members)
        networks = _silenced(networks, data, lost)
    return networks


def _stops(epoch: int) -> Iterator[int]:
    """At most :data:`_STOPS` epochs, evenly spaced, the last is ``epoch``."""
    stops = min(epoch, _STOPS)
    yield from (number * epoch // stops for number in range(1, stops + 1))


def _networks(data: Dataset, job: BlockJob, state: BlockState) -> Networks:
    """From padded tensors to arrays of the widths that count."""
    everywhere = [torch.arange(data.info.rows, device=data.features.device)]
    scaling, targets = fit_scaling(data.features, everywhere), _targets(data)
    params, features = job.trials[0], len(data.info.features)
    widths = (features, *params.hidden, data.info.outputs)
    scale = data.info.target_scale
    return Networks(
        task=data.info.task,
        activation=job.plan.activation,
        dropout=params.dropout,
        weights=tuple(
            _array(weight[:, 0, : widths[layer], : widths[layer + 1]])
            for layer, (weight, _) in enumerate(state.parameters)
        ),
        biases=tuple(_array(bias[:, 0, 0, : widths[layer + 1]]) for layer, (_, bias) in enumerate(state.parameters)),
        mean=_array(scaling.mean[0, :features]),
        inv_std=_array(scaling.inv_std[0, :features]),
        target_mean=float(targets.mean[0]) * scale + data.info.target_mean,
        target_std=float(targets.std[0]) * scale,
    )


def _silenced(networks: Networks, data: Dataset, lost: tuple[int, ...]) -> Networks:
    """The same with a constant for those that diverged."""
    members = list(lost)
    weights = tuple(weight.copy() for weight in networks.weights)
    biases = tuple(bias.copy() for bias in networks.biases)
    for parameters in (*weights, *biases):
        parameters[members] = 0
    biases[-1][members] = _array(_targets(data).constant_outputs()[0])
    return replace(networks, weights=weights, biases=biases)


def _targets(data: Dataset) -> Targets:
    return Targets.of(data, [torch.arange(data.info.rows, device=data.target.device)], balanced=False)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.cpu().numpy()
    return np.ascontiguousarray(values)
