"""What a chosen configuration is worth: trained anew on fresh folds with fresh seeds.

The best score of a search was chosen for being the best and is too good. Here the configuration, its epoch included, is
cross-validated again and again on folds, initial weights, batch orders and dropout draws that the search never used.
"""

from __future__ import annotations

from dataclasses import replace

from sweep.folds import make_folds
from sweep.metrics import mean_over_splits, metrics_for
from sweep.records import VALIDATION, BlockJob, Hyperparameters
from sweep.run.prepare import Setup
from sweep.training.train import train_block

REPEATS = 10
"""Of all folds."""

# Apart from the seeds of searches, which are small. The same for all methods of a seed: their scores are paired.
_FRESH = 1_000_000


def confirmed(setup: Setup, trial: Hyperparameters, epoch: int, repeats: int = REPEATS) -> float:
    """Mean of the definition's metric over fresh repeats of all folds.

    Args:
        setup: Of the search.
        trial: The chosen configuration.
        epoch: Its epoch, one of the plan's checkpoints; the learning rate falls as it did in the search.
        repeats: R, each with other folds.
    """
    seed = _FRESH + setup.spec.seed
    folds = make_folds(replace(setup.spec.validation, repeats=repeats), setup.data, seed)
    plan = replace(setup.plan, seed=seed)
    (result,) = train_block(setup.data, folds, BlockJob((0,), (trial,), plan))
    metric = metrics_for(setup.data.info.task).index(plan.metric)
    scores = result.metrics[:, plan.checkpoints.index(epoch), VALIDATION, metric]
    return float(mean_over_splits(plan.metric, scores))
