"""The honest score of a stored sweep: its candidates come from the database, and the result is kept there.

It takes seconds to compute, and ``best``, ``report`` and ``export`` all show it. As a function of the finished trials
it is stored beside them, as an artifact of the sweep that says which trials it is of. With it is kept what else only
the trials' arrays tell: who wins the draws, and the scores on training rows.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.honest import Trial, resample
from sweep.analysis.results import TrialRow
from sweep.errors import NotFoundError, StorageError
from sweep.metrics import mean_over_splits
from sweep.records import TRAIN, VALIDATION, HonestScore
from sweep.spec.model import SweepSpec
from sweep.store.rows import DatasetRecord, SweepRecord
from sweep.store.store import Store

ARTIFACT = "honest-score.json"

# To be counted up when the same predictions give something else: what is stored then counts no more.
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Read:
    """What the arrays of a sweep's trials say.

    Attributes:
        score: The honest score, if there is one.
        wins: Trial number to the bootstrap draws it wins; only those that win any. Failed trials are not among them.
        training: Trial number to its metric on training rows at the chosen epoch, mean over folds.
    """

    score: HonestScore | None
    wins: Mapping[int, int] = field(default_factory=dict)
    training: Mapping[int, float] = field(default_factory=dict)


def read_arrays(
    store: Store, sweep: SweepRecord, spec: SweepSpec, dataset: DatasetRecord, trials: Sequence[TrialRow], failed: int
) -> Read:
    """BBC-CV over the finished trials, and training scores; computed once for each set of them.

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
            score = None if stored["score"] is None else HonestScore(**stored["score"])
            return Read(score, dict(stored["wins"]), dict(stored["training"]))
    rows = kept_rows(sweep)
    training: dict[int, float] = {}
    candidates = _candidates(store, sweep, trials, failed, training)
    found = resample(
        candidates,
        dataset.target[rows],
        sweep.info,
        metric=sweep.metric,
        folds=sweep.folds,
        groups=None if dataset.groups is None else dataset.groups[rows],
        checkpoints=len(sweep.checkpoints) if spec.training.stop == "best" else 1,
    )
    for _ in candidates:  # those it did not need, for their training scores
        pass
    wins = Counter([] if found is None else found.winners.tolist())
    read = Read(
        None if found is None else found.score,
        {trials[place].number: wins[place] for place in sorted(wins) if place < len(trials)},
        training,
    )
    document = {
        "of": of,
        "score": None if read.score is None else asdict(read.score),
        "wins": list(read.wins.items()),
        "training": list(training.items()),
    }
    with suppress(NotFoundError, StorageError):  # deleted meanwhile, or nobody may write
        store.save_artifact(sweep.key, ARTIFACT, json.dumps(document).encode(), "application/json")
    return read


def kept_rows(sweep: SweepRecord) -> NDArray[np.int64]:
    """Rows whose predictions are stored."""
    return np.arange(sweep.info.rows) if sweep.kept_rows is None else sweep.kept_rows


def _candidates(
    store: Store, sweep: SweepRecord, trials: Sequence[TrialRow], failed: int, training: dict[int, float]
) -> Iterator[Trial]:
    """The trials in their order, then the failed ones; on the way ``training`` fills with their training scores."""
    known = {trial.number: trial for trial in trials}
    metric = sweep.metrics.index(sweep.metric)
    # Trials saved while this reads are not known, so the two stay in step.
    predictions = (values for number, values in store.predictions_all(sweep.key) if number in known)
    metrics = (found for found in store.fold_metrics_all(sweep.key) if found[0] in known)
    for outputs, (number, values) in zip(predictions, metrics, strict=True):
        trial = known[number]
        at_chosen = values[:, sweep.checkpoints.index(trial.epoch), TRAIN, metric]
        training[number] = mean_over_splits(sweep.metric, at_chosen)
        scores = [trial.score]  # where they are kept at one checkpoint alone, it is the chosen epoch
        if len(outputs) > 1:
            by_checkpoint = values[:, :, VALIDATION, metric].T
            scores = [mean_over_splits(sweep.metric, splits) for splits in by_checkpoint]
        yield Trial(outputs, scores, reached=values.shape[1], complete=not trial.pruned)
    yield from [Trial(None, [math.nan], complete=False)] * failed
