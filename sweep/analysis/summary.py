"""From the store to result records.

::

    with Store.open("sqlite:///sweep.db") as store:
        summary = summarise(store, "sonar")

A sweep whose study was deleted or renamed elsewhere keeps its trials: it is *orphaned*, and only what Optuna alone
knows (trials under way, importance) is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from sweep.analysis import weighted
from sweep.analysis.honest_sweep import Read, kept_rows, read_arrays
from sweep.analysis.importance import importance
from sweep.analysis.results import (
    ArmResult,
    Curves,
    SweepStatus,
    SweepSummary,
    TrialRow,
    arms_of,
    best_trial,
)
from sweep.analysis.stability import stability_of
from sweep.analysis.status import no_sweep, status_of
from sweep.analysis.study import find_study
from sweep.analysis.weighted import Truth
from sweep.errors import NotFoundError
from sweep.metrics import METRICS
from sweep.records import TRAIN, VALIDATION, HonestScore
from sweep.run.study import open_storage
from sweep.space.arms import budget
from sweep.spec.definition import parse
from sweep.spec.model import Chosen, SweepSpec
from sweep.store.rows import DatasetRecord, SweepRecord
from sweep.store.store import Store


def summarise(store: Store, name: str) -> SweepSummary:
    """Everything there is to show of a sweep.

    The first time after a trial has finished it goes through the out-of-fold predictions of all trials: seconds.

    Raises:
        NotFoundError: No sweep has that name; the message lists those there are.
    """
    sweep = _sweep(store, name)
    spec = parse(sweep.definition)
    with open_storage(store) as storage:
        study = find_study(storage, sweep)
        asked = [] if study is None else study.trials()
        how_far = status_of(store, sweep, study)
    trials = _trials(store, sweep, asked)
    dataset = store.dataset(sweep.data_hash)
    failed = sum(trial.state == TrialState.FAIL for trial in asked)
    chosen = _chosen(spec, sweep)
    # Of a configuration chosen elsewhere nothing is resampled here: it has the honest score of that choice.
    read = read_arrays(store, sweep, spec, dataset, trials, failed) if trials and chosen is None else Read(None)
    trials = tuple(replace(trial, training=read.training.get(trial.number)) for trial in trials)
    summary = _shown(store, sweep, spec, how_far, trials, _arms(spec, trials, asked, sweep.metric))
    best = summary.best
    return replace(
        summary,
        honest=read.score if best is None or chosen is None else _honest_elsewhere(chosen, best),
        baseline=_baseline(sweep, dataset),
        chosen=chosen,
        stability=None if best is None else stability_of(read.wins, trials, spec.space.placements, best),
    )


def so_far(store: Store, name: str) -> SweepSummary:
    """What can be shown of a sweep while it runs, in a fraction of a second: its trials, and the arms' best curves.

    All scores are raw: ``honest``, ``baseline``, ``stability`` and importance are left out, and so are ``folds`` and
    ``training`` of the trials.

    Raises:
        NotFoundError: No sweep has that name, or it has not begun.
    """
    sweep = _sweep(store, name)
    spec = parse(sweep.definition)
    with open_storage(store) as storage:
        study = find_study(storage, sweep)
        how_far = status_of(store, sweep, study)
        # Only where some failed can one of these have been saved as well.
        asked = study.trials() if study is not None and how_far.counts.failed else []
    trials = _trials(store, sweep, asked, folds=False)
    return _shown(store, sweep, spec, how_far, trials, arms_of(trials, spec.space.placements, METRICS[sweep.metric]))


def _shown(
    store: Store,
    sweep: SweepRecord,
    spec: SweepSpec,
    how_far: SweepStatus,
    trials: tuple[TrialRow, ...],
    arms: tuple[ArmResult, ...],
) -> SweepSummary:
    """What is shown at any time; nothing is worked out of predictions."""
    return SweepSummary(
        status=how_far,
        spec=spec,
        fingerprint=sweep.fingerprint,
        info=sweep.info,
        checkpoints=sweep.checkpoints,
        note=_note(spec, sweep.trials),
        trials=trials,
        arms=arms,
        best=best_trial(trials, METRICS[sweep.metric]),
        honest=None,
        baseline=None,
        curves={arm.best.number: _curves(store, sweep, arm.best.number) for arm in arms},
    )


def _chosen(spec: SweepSpec, sweep: SweepRecord) -> Chosen | None:
    """How the configuration was chosen elsewhere, if that was on these rows and nothing of it was changed since."""
    chosen = spec.chosen
    # Exported before there was a lag, which means nothing to a single trial: without one.
    known = sweep.fingerprint, replace(spec, search=replace(spec.search, lag=0)).fingerprint
    if chosen is None or chosen.content_hash != sweep.data_hash or chosen.fingerprint not in known:
        return None
    return chosen


def _honest_elsewhere(chosen: Chosen, best: TrialRow) -> HonestScore | None:
    """The honest score of the choice: one trial alone does not know that it was chosen."""
    score = chosen.honest_score
    return None if score is None else HonestScore(score.value, score.low, score.high, best.score, chosen.trials)


def _sweep(store: Store, name: str) -> SweepRecord:
    sweep = store.sweep(name)
    if sweep is not None:
        return sweep
    if (order := store.order(name)) is not None:
        raise NotFoundError(f"the sweep {name} has not begun ({order.state}): there is nothing to show of it yet")
    raise no_sweep(store, name)


def _trials(
    store: Store, sweep: SweepRecord, asked: Sequence[FrozenTrial], *, folds: bool = True
) -> tuple[TrialRow, ...]:
    scores: dict[int, list[float]] | None = None
    if folds:
        by_fold = store.fold_scores(sweep.key)
        scores = dict(zip(by_fold.numbers.tolist(), by_fold.scores.tolist(), strict=True))
    pruned = {trial.number for trial in asked if trial.state == TrialState.PRUNED}
    # Told so by somebody in the study while it trained: that stands, whatever was saved.
    failed = {trial.number for trial in asked if trial.state == TrialState.FAIL}
    return tuple(
        TrialRow(
            number=trial.number,
            hyperparameters=trial.hyperparameters,
            score=trial.score,
            folds=() if scores is None else tuple(scores[trial.number]),
            epoch=trial.epoch,
            seconds=trial.seconds,
            diverged=trial.diverged,
            trained=trial.trained,
            # Saved is before told, and a study can be lost: how far it was trained says so too.
            pruned=trial.number in pruned or trial.trained < sweep.checkpoints[-1],
        )
        for trial in store.trials(sweep.key)
        if trial.number not in failed
        and (scores is None or trial.number in scores)  # not so if saved between the two reads
    )


def _arms(
    spec: SweepSpec, trials: Sequence[TrialRow], asked: Sequence[FrozenTrial], metric: str
) -> tuple[ArmResult, ...]:
    by_placement: dict[str, list[FrozenTrial]] = {}
    for trial in asked:
        by_placement.setdefault(str(trial.params.get("placement")), []).append(trial)
    shares = {placement: importance(own, METRICS[metric]) for placement, own in by_placement.items()}
    return arms_of(trials, spec.space.placements, METRICS[metric], shares)


def _baseline(sweep: SweepRecord, dataset: DatasetRecord) -> float | None:
    truth = Truth.of(dataset.target[kept_rows(sweep)], sweep.info)
    rows = np.ones((len(truth.target), 1))
    value = float(weighted.scores(sweep.metric, weighted.constant_output(truth)[None], truth, rows)[0, 0])
    return value if math.isfinite(value) else None


def _curves(store: Store, sweep: SweepRecord, number: int) -> Curves:
    values = store.fold_metrics(sweep.key, number)[..., sweep.metrics.index(sweep.metric)]
    return Curves(sweep.checkpoints[: values.shape[1]], values[:, :, TRAIN], values[:, :, VALIDATION])


def _note(spec: SweepSpec, trials: int) -> str | None:
    """Why the budget is not as written."""
    planned = budget(spec)
    if planned.trials != trials:  # more were wanted on a resume
        planned = budget(replace(spec, search=replace(spec.search, trials=trials)))
    return planned.note
