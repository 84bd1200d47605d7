"""The made sweep, pruned: three rounds of halving, the best third of each placement's sixteen go on."""

from __future__ import annotations

from dataclasses import replace

from sweep.analysis.results import Counts, Epochs, SweepSummary, TrialRow, arms_of, best_trial
from sweep.spec.definition import parse
from tests.made_sweep import DEFINITION, made_summary

RUNGS = (25, 100)


def pruned_summary(trials: int = 128, metric: str = "accuracy", *, complete: bool = True) -> SweepSummary:
    """A sweep of which one trial in nine of each placement was trained to its end; ``complete``: or none."""
    made = made_summary(trials, metric)
    spec = parse(DEFINITION + 'pruner = "halving"\n')
    assert spec.rungs == RUNGS
    rows: list[TrialRow] = []
    for arm in made.arms:
        own = [trial for trial in made.trials if trial.placement == arm.placement]
        sign = -1 if made.metric.maximize else 1
        for place, trial in enumerate(sorted(own, key=lambda trial: sign * trial.score)):
            until = 300 if place < len(own) / 9 else 100 if place < len(own) / 3 else 25
            rows.append(_stopped(made, trial, until if complete else min(until, 100)))
    rows.sort(key=lambda trial: trial.number)
    pruned = sum(trial.pruned for trial in rows)
    status = replace(
        made.status,
        counts=Counts(complete=trials - pruned, pruned=pruned, failed=0, running=0),
        epochs=Epochs(sum(trial.trained for trial in rows), trials * 300),
    )
    best = best_trial(rows, made.metric)
    curves = dict(made.curves)
    for trial in rows:
        whole, reached = curves[trial.number], sum(epoch <= trial.trained for epoch in made.checkpoints)
        curves[trial.number] = replace(
            whole,
            epochs=whole.epochs[:reached],
            training=whole.training[:, :reached],
            validation=whole.validation[:, :reached],
        )
    arms = arms_of(rows, spec.space.placements, made.metric)
    honest = None if made.honest is None or best is None else replace(made.honest, raw=best.score)
    return replace(
        made, spec=spec, status=status, trials=tuple(rows), arms=arms, best=best, honest=honest, curves=curves
    )


def _stopped(made: SweepSummary, trial: TrialRow, until: int) -> TrialRow:
    """The trial as it was at an epoch: its score there is that of its curve."""
    if until == 300:
        return trial
    at = made.curves[trial.number].validation[:, made.checkpoints.index(until)]
    return replace(trial, epoch=until, trained=until, pruned=True, score=float(at.mean()), folds=tuple(at.tolist()))
