"""Which hyperparameters decided between a good and a poor trial, arm by arm.

PED-ANOVA (Watanabe, Bansal & Hutter 2023), Optuna's fast evaluator: how unlike the best trials' values of a
parameter are to those of all trials of the arm. It says where the sampler's good trials lie, not what would happen
if one changed a single parameter; with few trials it is rough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.metrics import Metric
from sweep.space.memory import study_in_memory

# PED-ANOVA compares the best tenth with the rest. Its authors ask for at least five trials in that tenth; below 50
# trials five is more than a tenth, and below MIN_TRIALS it is no longer "the best".
TOP_SHARE = 0.1
TOP_TRIALS = 5
MIN_TRIALS = 15


def importance(trials: Sequence[FrozenTrial], metric: Metric) -> tuple[tuple[str, float], ...]:
    """Importance of the searched parameters of one arm.

    Args:
        trials: The arm's complete trials, with one value each; pruned ones have no comparable value and are ignored.
        metric: That chooses.

    Returns:
        Parameter name and share, together 1, largest first; equal shares by name. Empty with fewer than
        :data:`MIN_TRIALS` complete trials, without a searched parameter, or when no trial is better than another.
    """
    from optuna.importance import PedAnovaImportanceEvaluator  # brings scikit-learn's forests

    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    searched = _searched(complete)
    if len(complete) < MIN_TRIALS or not searched or len({trial.value for trial in complete}) < 2:
        return ()
    study = _study(complete, searched, metric)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(TOP_SHARE, TOP_TRIALS / len(complete)))
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(searched))
    if sum(shares.values()) <= 0:
        return ()
    return tuple(sorted(((name, float(share)) for name, share in shares.items()), key=lambda pair: (-pair[1], pair[0])))


def _searched(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Parameters with more than one possible value; not the placement, which an arm is."""
    return {
        name: distribution
        for trial in trials
        for name, distribution in trial.distributions.items()
        if name != "placement" and not distribution.single()
    }


def _study(trials: Sequence[FrozenTrial], searched: Mapping[str, BaseDistribution], metric: Metric) -> Study:
    """A study in memory that holds these trials and these parameters alone."""
    study = study_in_memory(metric.direction)
    for trial in trials:
        params = {name: value for name, value in trial.params.items() if name in searched}
        known = {name: searched[name] for name in params}
        study.add_trial(create_trial(params=params, distributions=known, value=trial.value))
    return study
