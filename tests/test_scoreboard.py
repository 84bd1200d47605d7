"""What a block's outputs at its checkpoints come to: the chosen epoch, divergence, splits without a metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import TrialResult
from sweep.training.scoreboard import Scoreboard, Scored
from sweep.training.targets import Targets
from tests.tables_for_tests import make_dataset, make_plan, make_splits

DATA = make_dataset("binary", rows=30)
FOLDS = make_splits(DATA)
RIGHT = (DATA.target * 2 - 1)[:, None]  # logits
NOT_FINITE = torch.full_like(RIGHT, math.inf)


def scored(*checkpoints: Tensor | list[Tensor], data: Dataset = DATA, folds: Folds = FOLDS, **plan: Any) -> TrialResult:
    """The result of one trial with these outputs, ``[n, 1]``, at epochs 1, 2, …: of every split, or split by split."""
    epochs = tuple(range(1, len(checkpoints) + 1))
    settings = make_plan("binary", epochs=len(epochs), checkpoints=epochs, **plan)
    board = Scoreboard(
        Targets.of(data, folds.train, balanced=False), folds, settings, Scored.nothing(data.info, folds, settings, 1)
    )
    for epoch, outputs in zip(epochs, checkpoints, strict=True):
        for split in range(folds.splits):
            output = outputs if isinstance(outputs, Tensor) else outputs[split]
            board.record(epoch, split, slice(0, 1), output[None].clone())
        board.choose(epoch)
    (result,) = board.results((0,), epochs[-1], seconds=1.0)
    return result


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_of_equally_good_checkpoints_the_first_is_chosen(metric: str) -> None:
    checkpoints = (-RIGHT, RIGHT, RIGHT, -RIGHT)
    assert scored(*checkpoints, metric=metric).epoch == 2
    assert scored(*checkpoints, metric=metric, stop="last").epoch == 4


def test_what_has_diverged_stays_so_although_it_is_finite_again() -> None:
    result = scored(RIGHT, NOT_FINITE, RIGHT)
    np.testing.assert_array_equal(result.predictions[2], result.predictions[1])
    np.testing.assert_array_equal(result.metrics[:, 2], result.metrics[:, 1])
    assert result.metrics[:, 2, :, 0].max() < 1
    assert (result.diverged, result.epoch, result.score) == (2, 1, 1.0)


def test_a_trial_has_diverged_when_the_first_of_its_splits_has() -> None:
    assert scored(RIGHT, [RIGHT, NOT_FINITE, RIGHT], [NOT_FINITE, RIGHT, RIGHT], RIGHT).diverged == 2
    assert scored(RIGHT, RIGHT).diverged is None


@pytest.mark.parametrize(("positives", "score"), [(18, 1.0), (15, 0.5)])
def test_splits_without_the_metric_do_not_count(positives: int, score: float) -> None:
    """Rows in the order of their class: of five splits of five rows one holds both classes, or none does."""
    target = (torch.arange(30) >= 30 - positives).float()
    data = Dataset(DATA.features, target, None, DATA.info, has_missing=False)
    folds = make_splits(data, folds=5, scheme="timeseries")
    result = scored((target * 2 - 1)[:, None], data=data, folds=folds, metric="roc_auc")
    assert result.score == score
