"""The loop that stacked training is measured against: one ``nn.Sequential`` per fold, as a practitioner writes it.

No handicap: tensors in memory and no ``DataLoader``, rows permuted once per epoch, one thread a process, the fused SGD
of PyTorch (the quickest of its three on a CPU), max-norm in place, denormal numbers flushed to zero. It does the same
work as ``sweep.train``: the same network, epochs, mini-batches and hyperparameters, and every metric of every fold
on training and validation rows at every checkpoint. Only the random draws differ. Binary classification alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.metrics import compute, metrics_for
from sweep.records import Hyperparameters, TrainingPlan

Metrics = NDArray[np.float64]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def prepare_process() -> None:
    """What a process does before its first trial."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def train_trial(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters) -> float:
    """Cross-validates one configuration, fold after fold.

    Returns:
        The plan's metric on validation rows at the checkpoint best in the mean over the folds.
    """
    torch.manual_seed(plan.seed)
    metrics = np.stack([_train_fold(data, folds, plan, trial, split) for split in range(folds.splits)])
    chosen = metrics_for(data.info.task).index(plan.metric)
    return float(metrics[:, :, 1, chosen].mean(0).max())


def _train_fold(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters, split: int) -> Metrics:
    """Every metric at every checkpoint, ``[C, 2, Q]``: on training rows, on validation rows."""
    train, test = folds.train[split], folds.test[split]
    features = data.features[:, : len(data.info.features)]
    mean, std = features[train].mean(0), features[train].std(0, correction=0)
    scaled = (features - mean) / torch.where(std > 0, std, 1.0)
    x, y = scaled[train], data.target[train]
    sides = ((x, y), (scaled[test], data.target[test]))

    net = _network(features.shape[1], plan, trial)
    linears = [module for module in net if isinstance(module, nn.Linear)]
    optimizer = torch.optim.SGD(
        [
            {"params": [linear.weight for linear in linears], "weight_decay": trial.weight_decay},
            {"params": [linear.bias for linear in linears], "weight_decay": 0.0},
        ],
        lr=trial.learning_rate,
        momentum=trial.momentum,
        nesterov=plan.nesterov,
        fused=True,
    )
    checkpoints: list[Metrics] = []
    for epoch in range(plan.epochs):
        for group in optimizer.param_groups:
            group["lr"] = trial.learning_rate * trial.lr_decay ** (epoch / max(1, plan.epochs - 1))
        order = torch.randperm(len(x))
        batches = torch.split(x[order], plan.batch_size), torch.split(y[order], plan.batch_size)
        for rows, target in zip(*batches, strict=True):
            optimizer.zero_grad()
            torch.autograd.backward(binary_cross_entropy_with_logits(net(rows)[:, 0], target))
            optimizer.step()
            if trial.max_norm is not None:
                with torch.no_grad():
                    for linear in linears[:-1]:
                        linear.weight.renorm_(2, 0, trial.max_norm)
        if epoch + 1 in plan.checkpoints:
            checkpoints.append(_evaluate(net, data, sides))
    return np.stack(checkpoints)


def _network(features: int, plan: TrainingPlan, trial: Hyperparameters) -> nn.Sequential:
    """Dropout layers only where something is dropped; Glorot's initial weights, or PyTorch's own."""
    modules: list[nn.Module] = []
    width = features
    for rate, units in zip(trial.dropout, (*trial.hidden, 1), strict=True):
        if rate > 0:
            modules.append(nn.Dropout(rate))
        linear = nn.Linear(width, units)
        if plan.init == "glorot_uniform":
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        modules += [linear, ACTIVATIONS[plan.activation]()]
        width = units
    return nn.Sequential(*modules[:-1])


def _evaluate(net: nn.Sequential, data: Dataset, sides: tuple[tuple[Tensor, Tensor], ...]) -> Metrics:
    """Every metric on each side, ``[2, Q]``."""
    net.eval()
    with torch.inference_mode():
        outputs = [torch.sigmoid(net(rows)[:, 0]).double().numpy() for rows, _ in sides]
    net.train()
    names = metrics_for(data.info.task)
    scores = [
        [compute(name, target.numpy().astype(np.int64), np.nan_to_num(output, nan=0.5)) for name in names]
        for output, (_, target) in zip(outputs, sides, strict=True)
    ]
    return np.array(scores)
