"""From outputs at the checkpoints to trial results: every metric, the chosen epoch, out-of-fold predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.folds import Folds
from sweep.metrics import METRICS, mean_over_splits, metrics_for
from sweep.records import TRAIN, VALIDATION, TableInfo, TrainingPlan, TrialResult
from sweep.training.scores import Rows, score_members
from sweep.training.targets import Targets


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What is known of T trials so far, changed in place.

    Attributes:
        metrics: ``[T, S, C, 2, Q]`` float64 over all checkpoints of the plan; NaN where none is recorded.
        diverged: ``[T, S]`` bool: which networks are.
        diverged_at: ``[T]`` int64, the epoch at which the first of a trial's was seen to be; 0 for none.
        best: ``[T]`` float64, the score at the chosen epoch times the metric's sign; minus infinity before the first.
        epoch: ``[T]`` int64, chosen; 0 before the first.
        predictions: ``[T, P, R, n_kept, O]`` float32.
    """

    metrics: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    diverged_at: NDArray[np.int64]
    best: NDArray[np.float64]
    epoch: NDArray[np.int64]
    predictions: NDArray[np.float32]

    @classmethod
    def nothing(cls, info: TableInfo, folds: Folds, plan: TrainingPlan, trials: int) -> Scored:
        """Before the first checkpoint."""
        kept = info.rows if folds.kept_rows is None else len(folds.kept_rows)
        predicted = len(plan.checkpoints) if plan.stop == "best" else 1
        return cls(
            np.full((trials, folds.splits, len(plan.checkpoints), 2, len(metrics_for(info.task))), math.nan),
            np.zeros((trials, folds.splits), np.bool_),
            np.zeros(trials, np.int64),
            np.full(trials, -math.inf),
            np.zeros(trials, np.int64),
            np.full((trials, predicted, folds.repeats, kept, info.outputs), math.nan, np.float32),
        )

    def of(self, places: Sequence[int]) -> Scored:
        """Copies of what is known of some of the trials."""
        index = list(places)
        return Scored(
            self.metrics[index],
            self.diverged[index],
            self.diverged_at[index],
            self.best[index],
            self.epoch[index],
            self.predictions[index],
        )


class Scoreboard:
    """Collects what a block's networks output at each checkpoint.

    Args:
        targets: Of the table, splits in their own order.
        folds: Its splits.
        plan: Of the sweep.
        scored: So far.
    """

    def __init__(self, targets: Targets, folds: Folds, plan: TrainingPlan, scored: Scored) -> None:
        self._targets, self._folds, self._plan, self.scored = targets, folds, plan, scored
        self._metric = metrics_for(targets.info.task).index(plan.metric)
        self._sign = 1.0 if METRICS[plan.metric].maximize else -1.0
        self._truth = targets.truth()
        self._constant = targets.constant_outputs()
        rows = len(self._truth)
        kept = np.arange(rows) if folds.kept_rows is None else folds.kept_rows
        self._kept = [_tested(test.cpu().numpy(), kept, rows) for test in folds.test]

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
            self.scored.metrics[trials, split, checkpoint, side] = scores.cpu().numpy()
        rows_of, places = self._kept[split]
        predicted = self._targets.standardised(outputs[:, torch.from_numpy(rows_of).to(outputs.device)], split)
        at = checkpoint if self._plan.stop == "best" else 0
        self.scored.predictions[trials, at, split // self._folds.folds, places] = predicted.float().cpu().numpy()

    def choose(self, epoch: int) -> None:
        """Take a checkpoint, all of whose splits and trials are recorded, for the trials that it is the best of."""
        scored, checkpoint = self.scored, self._plan.checkpoints.index(epoch)
        for trial in range(len(scored.best)):
            values = scored.metrics[trial, :, checkpoint, VALIDATION, self._metric]
            score = self._sign * mean_over_splits(self._plan.metric, values)
            # Strictly better: of equally good checkpoints the earliest. "last" takes whichever comes.
            if score > scored.best[trial] or self._plan.stop == "last":
                scored.best[trial] = score
                scored.epoch[trial] = epoch

    def results(self, numbers: Sequence[int], trained: int, seconds: float) -> tuple[TrialResult, ...]:
        """One result per trial, as things stand at a checkpoint.

        Args:
            numbers: Trial numbers, T of them.
            trained: The checkpoint's epoch.
            seconds: Wall time of one trial.
        """
        scored, reached = self.scored, self._plan.checkpoints.index(trained) + 1
        predicted = reached if self._plan.stop == "best" else 1
        return tuple(
            TrialResult(
                number=number,
                epoch=int(scored.epoch[trial]),
                trained=trained,
                score=float(self._sign * scored.best[trial]),
                # Copies: the next job goes on with the arrays.
                metrics=scored.metrics[trial, :, :reached].copy(),
                predictions=scored.predictions[trial, :predicted].copy(),
                diverged=int(scored.diverged_at[trial]) or None,
                seconds=seconds,
                lost=tuple(np.flatnonzero(scored.diverged[trial]).tolist()),
            )
            for trial, number in enumerate(numbers)
        )

    def _replace_diverged_(self, epoch: int, split: int, trials: slice, outputs: Tensor) -> None:
        """From the first non-finite output on, a member counts as the constant predictor of its training rows."""
        diverged = self.scored.diverged[trials, split]
        diverged |= ~outputs.isfinite().all(-1).all(-1).cpu().numpy()
        if diverged.any():
            outputs[torch.from_numpy(diverged).to(outputs.device)] = self._constant[split]
            at = self.scored.diverged_at[trials]
            at[diverged & (at == 0)] = epoch


def _tested(test: NDArray[np.int64], kept: NDArray[np.int64], rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of a split's test rows those whose predictions are kept: positions in the table, and among the kept ones."""
    place = np.full(rows, -1)
    place[kept] = np.arange(len(kept))
    found = test[place[test] >= 0]
    return found, place[found]
