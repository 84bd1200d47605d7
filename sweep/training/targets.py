"""The target's side of training: what outputs should be, class weights, a regression target scaled inside its split.

The losses themselves are never computed, only their gradients: see :meth:`sweep.training.passes.Passes.lose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sweep.data import Dataset
from sweep.records import TableInfo


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of a table as the networks of each split see them.

    Attributes:
        info: Of the table.
        target: ``[n]``: class codes int64; for regression float32, standardised over all rows as ``Dataset`` has it.
        mean: ``[S]`` float64: for regression the mean of ``target`` over the split's training rows; otherwise 0.
        std: ``[S]`` float64: their standard deviation, 1 where they are constant; otherwise 1.
        shares: ``[S, classes]`` float64: class shares of the split's training rows, never quite 0 or 1.
        class_weight: ``[S, classes]`` float32, rows / (classes x rows of the class) as scikit-learn's
            "balanced"; ``None`` for no weighting.
        row_weight: ``[n]`` float32, of the table; ``None`` where all rows count alike.
    """

    info: TableInfo
    target: Tensor
    mean: Tensor
    std: Tensor
    shares: Tensor
    class_weight: Tensor | None
    row_weight: Tensor | None

    @classmethod
    def of(cls, data: Dataset, train: Sequence[Tensor], *, balanced: bool) -> Targets:
        """Fit on the training rows of each split, ``[n_train]`` int64 each."""
        device = data.target.device
        if data.info.task == "regression":
            parts = [data.target[rows].double() for rows in train]
            std = torch.stack([part.std(correction=0) for part in parts])
            return cls(
                data.info,
                data.target,
                mean=torch.stack([part.mean() for part in parts]),
                std=torch.where(std > 0, std, 1.0),
                shares=torch.zeros(len(train), 0, device=device),
                class_weight=None,
                row_weight=data.weight,
            )
        codes = data.target.long()
        counts = torch.stack([codes[rows].bincount(minlength=len(data.info.classes)) for rows in train]).double()
        rows_of = counts.sum(1, keepdim=True)
        # A class that training never saw counts half a row: log loss of the constant predictor stays finite.
        seen = counts.clamp(min=0.5)
        return cls(
            data.info,
            codes,
            mean=torch.zeros(len(train), dtype=torch.float64, device=device),
            std=torch.ones(len(train), dtype=torch.float64, device=device),
            shares=seen / seen.sum(1, keepdim=True),
            class_weight=(rows_of / (counts.shape[1] * counts.clamp(min=1))).float() if balanced else None,
            row_weight=data.weight,
        )

    def reordered(self, order: Sequence[int]) -> Targets:
        """The same for splits in another order."""
        index = torch.tensor(order, device=self.mean.device)
        weight = self.class_weight
        return replace(
            self,
            mean=self.mean[index],
            std=self.std[index],
            shares=self.shares[index],
            class_weight=None if weight is None else weight[index],
        )

    def goals(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What the outputs for some rows should be, and how much each row counts.

        Shape:
            rows: ``[steps, S, B]`` int64. Result: likewise, float32 both: class codes, or the scaled target; what
            the row counts, by its class and by itself.
        """
        target = self.target[rows]
        if self.info.task == "regression":
            goal = ((target.double() - self.mean[:, None]) / self.std[:, None]).float()
        else:
            goal = target.float()
        weight = torch.ones_like(goal) if self.row_weight is None else self.row_weight[rows]
        if self.class_weight is not None:
            weight = weight * self.class_weight.expand(len(rows), -1, -1).gather(2, target)
        return goal, weight

    def constant_outputs(self) -> Tensor:
        """Outputs of the constant predictor of each split's training rows, ``[S, O]`` float32, on the link scale."""
        match self.info.task:
            case "binary":
                share = self.shares[:, 1:]
                return (share / (1 - share)).log().float()
            case "multiclass":
                return self.shares.log().float()
            case "regression":
                return torch.zeros(len(self.mean), 1, device=self.mean.device)

    def in_units(self, output: Tensor, split: int) -> Tensor:
        """Outputs of one split's networks as predictions: float64 in the target's own units, or the logits as they are.

        Shape:
            output: ``[..., O]`` float32.
        """
        if self.info.task != "regression":
            return output
        return self.standardised(output, split) * self.info.target_scale + self.info.target_mean

    def standardised(self, output: Tensor, split: int) -> Tensor:
        """The same in units of ``TableInfo.target_scale`` around ``TableInfo.target_mean``, as they are stored."""
        if self.info.task != "regression":
            return output
        return output.double() * self.std[split] + self.mean[split]

    def truth(self) -> Tensor:
        """``[n]``: class codes int64, or float64 in the target's own units."""
        if self.info.task != "regression":
            return self.target
        return self.target.double() * self.info.target_scale + self.info.target_mean
