"""From outputs at the checkpoints to trial results: every metric, the chosen epoch, out-of-fold predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sweep.folds import Folds
from sweep.metrics import METRICS, mean_over_splits, metrics_for
from sweep.records import TRAIN, VALIDATION, TrainingPlan, TrialResult
from sweep.training.scores import Rows, score_members
from sweep.training.targets import Targets


class Scoreboard:
    """Collects what a block's networks output at each checkpoint.

    Args:
        targets: Of the table, splits in their own order.
        folds: Its splits.
        plan: Of the sweep.
        trials: T.
    """

    def __init__(self, targets: Targets, folds: Folds, plan: TrainingPlan, trials: int) -> None:
        self._targets, self._folds, self._plan = targets, folds, plan
        names = metrics_for(targets.info.task)
        self._metric = names.index(plan.metric)
        self._sign = 1.0 if METRICS[plan.metric].maximize else -1.0
        self._truth = targets.truth()
        self._constant = targets.constant_outputs()
        device = self._truth.device
        splits, rows = folds.splits, len(self._truth)
        self._metrics = np.full((trials, splits, len(plan.checkpoints), 2, len(names)), math.nan)
        self._diverged = torch.zeros(splits, trials, dtype=torch.bool, device=device)
        self._diverged_at: list[int | None] = [None] * trials
        self._best = np.full(trials, -math.inf)
        self._epoch = [plan.checkpoints[-1]] * trials
        kept = torch.arange(rows) if folds.kept_rows is None else torch.from_numpy(folds.kept_rows)
        self._kept = [_tested(test, kept, rows, device) for test in folds.test]
        shape = (trials, len(plan.predicted_at), folds.repeats, len(kept), targets.info.outputs)
        self._predictions = torch.full(shape, math.nan, device=device)

    def record(self, epoch: int, split: int, trials: slice, outputs: Tensor) -> None:
        """Score one split of some trials at a checkpoint.

        Args:
            epoch: 1-based, one of the plan's checkpoints, in increasing order.
            split: Its number.
            trials: Places of t of the block's trials.
            outputs: ``[t, n, O]`` float32, changed in place where a member has diverged.
        """
        self._replace_diverged_(epoch, split, trials, outputs)
        checkpoint = self._plan.checkpoints.index(epoch)
        for side, part in ((TRAIN, self._folds.train[split]), (VALIDATION, self._folds.test[split])):
            rows = Rows.of(part.to(outputs.device), self._truth, len(self._targets.info.classes))
            predicted = self._targets.in_units(outputs[:, rows.index], split)
            scores = score_members(self._targets.info.task, predicted, rows)
            self._metrics[trials, split, checkpoint, side] = scores.cpu().numpy()
        if epoch in self._plan.predicted_at:
            rows_of, places = self._kept[split]
            predicted = self._targets.standardised(outputs[:, rows_of], split).float()
            at = self._plan.predicted_at.index(epoch)
            self._predictions[trials, at, split // self._folds.folds, places] = predicted

    def choose(self, epoch: int) -> None:
        """Take a checkpoint, all of whose splits and trials are recorded, for the trials that it is the best of."""
        checkpoint = self._plan.checkpoints.index(epoch)
        for trial in range(len(self._best)):
            score = self._sign * self._score(trial, checkpoint)
            # Strictly better: of equally good checkpoints the earliest. "last" takes whichever comes.
            if score > self._best[trial] or self._plan.stop == "last":
                self._best[trial] = score
                self._epoch[trial] = epoch

    def results(self, numbers: Sequence[int], seconds: float) -> tuple[TrialResult, ...]:
        """One result per trial, once all checkpoints are recorded.

        Args:
            numbers: Trial numbers, T of them.
            seconds: Wall time of one trial.
        """
        predictions = self._predictions.cpu().numpy()
        return tuple(
            TrialResult(
                number=number,
                epoch=self._epoch[trial],
                trained=self._plan.epochs,
                score=float(self._sign * self._best[trial]),
                metrics=self._metrics[trial],
                predictions=predictions[trial],
                diverged=self._diverged_at[trial],
                seconds=seconds,
            )
            for trial, number in enumerate(numbers)
        )

    def _replace_diverged_(self, epoch: int, split: int, trials: slice, outputs: Tensor) -> None:
        """From the first non-finite output on, a member counts as the constant predictor of its training rows."""
        diverged = self._diverged[split, trials]
        diverged |= ~outputs.isfinite().all(-1).all(-1)
        if diverged.any():
            outputs.copy_(torch.where(diverged[:, None, None], self._constant[split], outputs))
            for place in diverged.nonzero()[:, 0].tolist():
                trial = trials.start + place
                self._diverged_at[trial] = self._diverged_at[trial] or epoch

    def _score(self, trial: int, checkpoint: int) -> float:
        """The plan's metric on validation rows, mean over the splits where it is defined."""
        values = self._metrics[trial, :, checkpoint, VALIDATION, self._metric]
        return mean_over_splits(self._plan.metric, values)


def _tested(test: Tensor, kept: Tensor, rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of a split's test rows those whose predictions are kept: positions in the table, and among the kept ones."""
    place = torch.full((rows,), -1)
    place[kept] = torch.arange(len(kept))
    found = test[place[test.cpu()] >= 0]
    return found.to(device), place[found].to(device)
