"""A sweep as the run loop leaves it in a database, made up: nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from sweep.metrics import metrics_for
from sweep.records import VALIDATION, TableInfo, TrialResult
from sweep.run.lease import this_process
from sweep.run.study import KEY_ATTRIBUTE
from sweep.space.proposer import hyperparameters
from sweep.space.samplers import distributions
from sweep.spec.definition import parse
from sweep.spec.toml import to_toml
from sweep.store.rows import DatasetRecord, NewSweep
from sweep.store.store import Store

N, FOLDS, CHECKPOINTS = 60, 3, (5, 10)
TRIALS = 32
METRICS = metrics_for("binary")
DEFINITION = """
format = 1
name = "made"
[data]
source = "made.csv"
target = "y"
[network]
hidden = [8]
[training]
epochs = 10
checkpoints = 2
[space]
momentum = 0.9
max_norm = "off"
lr_decay = 1.0
weight_decay = 0.0
placement = { choices = ["none", "input"] }
dropout = { low = 0.05, high = 0.5 }
learning_rate = { low = 0.01, high = 0.5, log = true }
[validation]
folds = 3
[search]
trials = 31
"""
SPEC = parse(DEFINITION)
INFO = TableInfo("made.csv", "ab" * 32, N, ("a", "b"), "y", "binary", ("no", "yes"), 0.0, 1.0, ("it was so",))
TARGET = np.arange(N) % 2


def result(number: int) -> TrialResult:
    """Better with a larger number; the last third of the trials predict well."""
    rng = np.random.default_rng(number)
    metrics = rng.random((FOLDS, len(CHECKPOINTS), 2, len(METRICS)))
    link = ((TARGET * 2 - 1) * (0.2 + 0.05 * number) + rng.normal(size=N)).astype(np.float32)
    metrics[:, 1, VALIDATION, 0] = ((link > 0) == TARGET).reshape(FOLDS, -1).mean(axis=1)
    return TrialResult(
        number=number,
        epoch=10,
        trained=CHECKPOINTS[-1],
        score=float(metrics[:, 1, VALIDATION, 0].mean()),
        metrics=metrics,
        predictions=link[None, None, :, None],
        diverged=5 if number == 3 else None,
        seconds=0.25,
    )


def at_all_checkpoints(number: int) -> TrialResult:
    """The same with its predictions at the other checkpoint, which are noise."""
    one, noise = result(number), np.random.default_rng([1, number]).normal(size=(1, 1, N, 1)).astype(np.float32)
    return replace(one, predictions=np.concatenate([noise, one.predictions]))


def fill(
    url: str,
    name: str = "made",
    trials: int = TRIALS,
    running: int = 0,
    failed: int = 0,
    budget: int = TRIALS,
    result: Callable[[int], TrialResult] = result,
    kept_rows: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> None:
    """A sweep as the run loop leaves it: trials saved, then told."""
    rng = np.random.default_rng(0)
    with Store.open(url, create=True) as store:
        new = NewSweep(
            name=name,
            format=1,
            definition=to_toml(SPEC).replace('"made"', f'"{name}"'),
            fingerprint=SPEC.fingerprint,
            trials=budget,
            info=INFO,
            metric="accuracy",
            metrics=METRICS,
            checkpoints=CHECKPOINTS,
            folds=FOLDS,
            repeats=1,
            kept_rows=kept_rows,
        )
        key = store.create_sweep(new, DatasetRecord(INFO.content_hash, TARGET, groups))
        storage = RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        study.set_user_attr(KEY_ATTRIBUTE, key)
        if running:
            store.take_lease(key, this_process(), 3600.0)  # nobody renews it, however long a test takes
        for number in range(trials):
            placement = ("none", "input")[number % 2]
            params = {
                "placement": placement,
                "hidden": "8",
                "learning_rate": float(rng.uniform(0.01, 0.5)),
                "momentum": 0.9,
                "max_norm": "off",
                "lr_decay": 1.0,
                "weight_decay": 0.0,
            } | ({"dropout_input": float(rng.uniform(0.05, 0.5))} if placement == "input" else {})
            saved = result(number)
            store.save_trials(key, [(hyperparameters(SPEC, params), saved)])
            study.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.PRUNED if saved.trained < CHECKPOINTS[-1] else TrialState.COMPLETE,
                    params=params,
                    distributions=distributions(SPEC, params),
                    value=saved.score,
                )
            )
        for state, count in ((TrialState.RUNNING, running), (TrialState.FAIL, failed)):
            for _ in range(count):
                study.add_trial(optuna.trial.create_trial(state=state))
        storage.remove_session()
        storage.engine.dispose()
