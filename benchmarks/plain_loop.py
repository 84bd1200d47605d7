"""The loop that stacked training is measured against: one ``nn.Sequential`` per fold, as a practitioner writes it.

No handicap: tensors in memory and no ``DataLoader``, rows permuted once per epoch, one thread a process, the fused SGD
of PyTorch (the quickest of its three on a CPU), max-norm in place, denormal numbers flushed to zero. It does the same
work as ``sweep.train``, on the device of the table: the same network, epochs, mini-batches and hyperparameters, and
every metric of every fold on training and validation rows at every checkpoint. Only the random draws differ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.metrics import compute, direction, metrics_for
from sweep.records import Hyperparameters, TableInfo, Task, TrainingPlan

Metrics = NDArray[np.float64]

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[Task, Loss] = {
    "binary": lambda output, target: binary_cross_entropy_with_logits(output[:, 0], target),
    "multiclass": cross_entropy,
    "regression": lambda output, target: mse_loss(output[:, 0], target),
}
AVAILABLE = True
WHAT = "plain PyTorch loop"
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def train_trial(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters) -> float:
    """Cross-validates one configuration, fold after fold.

    Returns:
        The plan's metric on validation rows at the checkpoint best in the mean over the folds.
    """
    torch.manual_seed(plan.seed)
    metrics = np.stack([_train_fold(data, folds, plan, trial, split) for split in range(folds.splits)])
    names = metrics_for(data.info.task)
    by_checkpoint = metrics[:, :, 1, names.index(plan.metric)].mean(0)
    return float(by_checkpoint.max() if direction(plan.metric) == "maximize" else by_checkpoint.min())


def _train_fold(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters, split: int) -> Metrics:
    """Every metric at every checkpoint, ``[C, 2, Q]``: on training rows, on validation rows."""
    train, test = folds.train[split], folds.test[split]
    features = data.features[:, : len(data.info.features)]
    mean, std = features[train].mean(0), features[train].std(0, correction=0)
    scaled = (features - mean) / torch.where(std > 0, std, 1.0)
    x, y = scaled[train], data.target[train]
    sides = ((x, y), (scaled[test], data.target[test]))
    centre, spread = 0.0, 1.0
    if data.info.task == "regression":
        centre, spread = float(y.mean()), float(y.std(correction=0))
        y = (y - centre) / spread

    net = network(features.shape[1], data.info.outputs, plan, trial).to(features.device)
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
    loss = LOSSES[data.info.task]
    checkpoints: list[Metrics] = []
    for epoch in range(plan.epochs):
        for group in optimizer.param_groups:
            group["lr"] = trial.learning_rate * trial.lr_decay ** (epoch / max(1, plan.epochs - 1))
        order = torch.randperm(len(x), device=x.device)
        batches = torch.split(x[order], plan.batch_size), torch.split(y[order], plan.batch_size)
        for rows, target in zip(*batches, strict=True):
            optimizer.zero_grad()
            torch.autograd.backward(loss(net(rows), target))
            optimizer.step()
            if trial.max_norm is not None:
                with torch.no_grad():
                    for linear in linears[:-1]:
                        linear.weight.renorm_(2, 0, trial.max_norm)
        if epoch + 1 in plan.checkpoints:
            checkpoints.append(_evaluate(net, data, sides, centre, spread))
    return np.stack(checkpoints)


def network(features: int, outputs: int, plan: TrainingPlan, trial: Hyperparameters) -> nn.Sequential:
    """Dropout layers only where something is dropped; Glorot's initial weights, or PyTorch's own."""
    modules: list[nn.Module] = []
    width = features
    for rate, units in zip(trial.dropout, (*trial.hidden, outputs), strict=True):
        if rate > 0:
            modules.append(nn.Dropout(rate))
        linear = nn.Linear(width, units)
        if plan.init == "glorot_uniform":
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        modules += [linear, ACTIVATIONS[plan.activation]()]
        width = units
    return nn.Sequential(*modules[:-1])


def _evaluate(
    net: nn.Sequential, data: Dataset, sides: tuple[tuple[Tensor, Tensor], ...], centre: float, spread: float
) -> Metrics:
    """Every metric on each side, ``[2, Q]``; a regression's outputs are in units of ``spread`` around ``centre``."""
    net.eval()
    with torch.inference_mode():
        scores = [_scores(data.info, target, net(rows) * spread + centre) for rows, target in sides]
    net.train()
    return np.array(scores)


def _scores(info: TableInfo, target: Tensor, output: Tensor) -> list[float]:
    """Every metric of some rows."""
    match info.task:
        case "binary":
            truth, predicted = target.long(), torch.sigmoid(output[:, 0])
        case "multiclass":
            truth, predicted = target, torch.softmax(output, 1)
        case "regression":
            truth, predicted = (v * info.target_scale + info.target_mean for v in (target, output[:, 0]))
    y, p = truth.cpu().numpy(), np.nan_to_num(predicted.double().cpu().numpy(), nan=0.5)
    return [compute(name, y, p) for name in metrics_for(info.task)]
