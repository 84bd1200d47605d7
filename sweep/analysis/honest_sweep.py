"""The honest score of a stored sweep: its candidates come from the database, and the result is kept there.

It takes seconds to compute, and ``best``, ``report`` and ``export`` all show it. As a function of the finished trials
it is stored beside them, as an artifact of the sweep that says which trials it is of.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.honest import Trial, honest_score
from sweep.analysis.results import TrialRow
from sweep.errors import NotFoundError, StorageError
from sweep.metrics import mean_over_splits
from sweep.records import VALIDATION, HonestScore
from sweep.spec.model import SweepSpec
from sweep.store.rows import DatasetRecord, SweepRecord
from sweep.store.store import Store

ARTIFACT = "honest-score.json"

# To be counted up when the same predictions give another score: what is stored then counts no more.
_VERSION = 1


def honest_of(
    store: Store, sweep: SweepRecord, spec: SweepSpec, dataset: DatasetRecord, trials: Sequence[TrialRow], failed: int
) -> HonestScore | None:
    """BBC-CV over the finished trials, computed once for each set of them.

    Args:
        store: Where they are. A database that cannot be written is no hindrance.
        sweep: Theirs.
        spec: Its definition.
        dataset: Its target and groups.
        trials: The finished ones, in number order.
        failed: How many others failed: each counts as the constant prediction.
    """
    known = [[trial.number, trial.trained, trial.pruned] for trial in trials]
    of = hashlib.sha256(json.dumps([_VERSION, failed, known]).encode()).hexdigest()
    with suppress(NotFoundError, StorageError, ValueError, KeyError, TypeError):  # not there, or not as we write it
        stored = json.loads(store.artifact(sweep.key, ARTIFACT)[1])
        if stored["of"] == of:
            return None if stored["score"] is None else HonestScore(**stored["score"])
    rows = kept_rows(sweep)
    found = honest_score(
        _candidates(store, sweep, trials, failed),
        dataset.target[rows],
        sweep.info,
        metric=sweep.metric,
        folds=sweep.folds,
        groups=None if dataset.groups is None else dataset.groups[rows],
        checkpoints=len(sweep.checkpoints) if spec.training.stop == "best" else 1,
    )
    document = {"of": of, "score": None if found is None else asdict(found)}
    with suppress(NotFoundError, StorageError):  # deleted meanwhile, or nobody may write
        store.save_artifact(sweep.key, ARTIFACT, json.dumps(document).encode(), "application/json")
    return found


def kept_rows(sweep: SweepRecord) -> NDArray[np.int64]:
    """Rows whose predictions are stored."""
    return np.arange(sweep.info.rows) if sweep.kept_rows is None else sweep.kept_rows


def _candidates(store: Store, sweep: SweepRecord, trials: Sequence[TrialRow], failed: int) -> Iterator[Trial]:
    known = {trial.number: trial for trial in trials}
    metric = sweep.metrics.index(sweep.metric)
    # Trials saved while this reads are not known, so the two stay in step.
    predictions = (values for number, values in store.predictions_all(sweep.key) if number in known)
    metrics = (found for found in store.fold_metrics_all(sweep.key) if found[0] in known)
    for outputs, (number, values) in zip(predictions, metrics, strict=True):
        trial = known[number]
        scores = [trial.score]  # where they are kept at one checkpoint alone, it is the chosen epoch
        if len(outputs) > 1:
            by_checkpoint = values[:, :, VALIDATION, metric].T
            scores = [mean_over_splits(sweep.metric, splits) for splits in by_checkpoint]
        yield Trial(outputs, scores, reached=values.shape[1], complete=not trial.pruned)
    yield from [Trial(None, [math.nan], complete=False)] * failed
