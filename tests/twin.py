"""The plain twin: one split of one trial trained with torch.nn, autograd and torch.optim, and the same draws.

Written for being obviously right, not fast; the stacked block is held equal to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import Hyperparameters, TrainingPlan, padded
from sweep.training.draws import Draws, drop_threshold, keep_probability
from sweep.training.nets import StackedMLP

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def plain_mlp(widths: Sequence[int], activation: str) -> nn.Sequential:
    """Linear and activation in turn, a Linear at the end; ``widths`` are features, hidden units, outputs."""
    modules: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths[:-1]):
        modules += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*modules, nn.Linear(widths[-2], widths[-1]))


def member(stack: StackedMLP, index: int, activation: str) -> nn.Sequential:
    """One member as a plain network with its own copy of the parameters."""
    plain = plain_mlp(stack.widths, activation)
    linears = [module for module in plain if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for linear, weight, bias in zip(linears, stack.weights, stack.biases, strict=True):
            linear.weight.copy_(weight[index, : linear.in_features, : linear.out_features].T)
            linear.bias.copy_(bias[index, 0, : linear.out_features])
    return plain


def twin_outputs(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters, split: int) -> Tensor:
    """Outputs for all rows after the last epoch, ``[n, O]``: logits, or units of the split's own target scaling."""
    torch.set_flush_denormal(True)
    try:
        return _train(data, folds, plan, trial, split)
    finally:
        torch.set_flush_denormal(False)


def _train(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters, split: int) -> Tensor:
    features = len(data.info.features)
    widths = (features, *trial.hidden, data.info.outputs)
    rows = folds.train[split].numpy()
    table = data.features[:, :features].double().numpy()

    mean, std = np.nanmean(table[rows], 0), np.nanstd(table[rows], 0)
    scaled = np.where(std > 1e-6 * np.abs(mean), (table - mean) / np.where(std > 0, std, 1), 0)
    x = torch.from_numpy(np.nan_to_num(scaled, nan=0.0)).float()

    target = data.target.double()
    if data.info.task == "regression":
        target = (target - target[rows].mean()) / target[rows].std(correction=0)

    draws = Draws(plan.seed)
    net = plain_mlp(widths, plan.activation)
    linears = [m for m in net if isinstance(m, nn.Linear)]
    with torch.no_grad():
        for layer, linear in enumerate(linears):
            w, b = draws.initial_layer(split, layer, linear.in_features, linear.out_features, plan.init)
            linear.weight.copy_(torch.from_numpy(w).T)
            linear.bias.copy_(torch.from_numpy(b))
    optimizer = torch.optim.SGD(
        [
            {"params": [m.weight for m in linears], "weight_decay": trial.weight_decay},
            {"params": [m.bias for m in linears], "weight_decay": 0.0},
        ],
        lr=trial.learning_rate,
        momentum=trial.momentum,
        nesterov=plan.nesterov,
    )

    largest = max(len(part) for part in folds.train)
    batch = min(plan.batch_size, largest)
    stacked_batch = padded(batch, 8)
    sizes = [stacked_batch * padded(width) for width in widths[:-1]]
    for epoch in range(plan.epochs):
        for group in optimizer.param_groups:
            group["lr"] = trial.learning_rate * trial.lr_decay ** (epoch / max(1, plan.epochs - 1))
        order = rows[draws.row_order(split, epoch, len(rows))]
        for step in range(-(-len(rows) // batch)):
            part = order[step * batch : (step + 1) * batch]
            bits = np.split(draws.dropout(split, epoch, step, 1, sum(sizes))[0], np.cumsum(sizes)[:-1])
            hidden = x[part]
            for layer, linear in enumerate(linears):
                shape = (stacked_batch, padded(widths[layer]))
                kept = bits[layer].reshape(shape)[: len(part), : widths[layer]] >= drop_threshold(trial.dropout[layer])
                hidden = hidden * torch.from_numpy(kept).float() / keep_probability(trial.dropout[layer])
                hidden = linear(hidden)
                if layer < len(linears) - 1:
                    hidden = ACTIVATIONS[plan.activation]()(hidden)
            # The mean over a full mini-batch, also where the last one is ragged.
            loss = _losses(data, plan, hidden, target, part, rows).sum() / batch
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            if trial.max_norm is not None:
                with torch.no_grad():
                    for linear in linears[:-1]:
                        # torch keeps incoming weights in rows.
                        linear.weight.copy_(torch.renorm(linear.weight, p=2, dim=0, maxnorm=trial.max_norm))
    with torch.no_grad():
        return net(x)  # type: ignore[no-any-return]  # nn.Module calls are untyped


def _losses(
    data: Dataset,
    plan: TrainingPlan,
    output: Tensor,
    target: Tensor,
    part: np.ndarray[tuple[int], np.dtype[np.int64]],
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> Tensor:
    """Loss of every row of the mini-batch, ``[B]``."""
    weight = torch.ones(len(part)) if data.weight is None else data.weight[part]
    if data.info.task == "regression":
        return weight * (output[:, 0] - target[part].float()).square()
    codes = target.long()
    if plan.class_weight == "balanced":
        counts = codes[rows].bincount(minlength=len(data.info.classes))
        weight *= (len(rows) / (len(counts) * counts.double()))[codes[part]].float()
    if data.info.task == "binary":
        return weight * nn.functional.binary_cross_entropy_with_logits(
            output[:, 0], target[part].float(), reduction="none"
        )
    return weight * nn.functional.cross_entropy(output, codes[part], reduction="none")
