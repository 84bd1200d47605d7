"""A sweep and its study in the database: made, or found again and checked to be the same.

A sweep is three things, made one after the other, and a kill may come in between: our own row with a random key; an
Optuna study of the same name; the key as an attribute of that study. What is only half made is completed. What belongs
to something else is refused, and left as it is.

The row comes first, and of several runs that begin at once one makes it. All that follows is done under the lease of
the sweep (``lease``).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import RDBStorage

from sweep import metrics
from sweep.data import Dataset
from sweep.errors import AlreadyThereError, MismatchError, StorageError
from sweep.run.prepare import Setup
from sweep.run.same import check
from sweep.run.study import KEY_ATTRIBUTE
from sweep.spec.alone import anywhere
from sweep.spec.source import source_name
from sweep.spec.toml import to_toml
from sweep.store.rows import DatasetRecord, NewSweep, SweepRecord
from sweep.store.store import Store

TABLE_ATTRIBUTE = "table"
"""User attribute of a study: its table, in words."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A sweep that can be run.

    Attributes:
        key: Of the sweep.
        study: Its study.
        resumed: Whether it was there already.
        kept_rows: Rows whose predictions are stored, as they were settled when it began: ``[n_kept]`` int64, or
            ``None`` for all.
    """

    key: str
    study: optuna.Study
    resumed: bool
    kept_rows: NDArray[np.int64] | None


def register(store: Store, storage: RDBStorage, setup: Setup, revision: int | None = None) -> tuple[SweepRecord, bool]:
    """The sweep of the definition's name: stored now, or found and checked to be this one.

    Args:
        store: Where it is, or will be.
        storage: Where its study is.
        setup: Definition and table.
        revision: Of the order that is carried out, if it is one.

    Returns:
        The sweep, and whether it was there already.

    Raises:
        MismatchError: A sweep of that name was started with another definition, on another table or with a larger
            budget; or the name is that of a study which no sweep made.
        StoppedError: It is not stored, and its order was changed or deleted.
        StorageError: The database cannot be used.
    """
    name = setup.spec.name
    found = store.sweep(name)
    if found is None and name in optuna.get_all_study_names(storage):
        found = store.sweep(name)  # unless it has been begun in this very moment
        if found is None:
            raise _foreign(name, store)
    resumed = found is not None
    if found is None:
        with suppress(AlreadyThereError):  # begun by another run in this very moment
            store.create_sweep(_new_sweep(setup), _dataset_record(setup.data), revision=revision)
        found = store.sweep(name)
        if found is None:
            raise StorageError(f"the sweep {name} was deleted from {store.shown} as it began")
    check_same(found, setup)
    return found, resumed


def open_study(store: Store, storage: RDBStorage, setup: Setup, *, resumed: bool) -> Opened:
    """The study of a sweep that is registered and whose lease is held: made now, or found.

    Raises:
        MismatchError: Meanwhile the sweep was given a larger budget; or the study of that name is not its own, or gone.
        StorageError: The database cannot be used, or the sweep was deleted meanwhile.
    """
    found = store.sweep(setup.spec.name)
    if found is None:
        raise StorageError(f"the sweep {setup.spec.name} was deleted from {store.shown} as it began")
    check_same(found, setup)
    study = _find_study(store, storage, setup, found)
    if setup.budget.trials > found.trials:
        store.update_trials_budget(found.key, setup.budget.trials)
    return Opened(found.key, study, resumed=resumed, kept_rows=found.kept_rows)


def check_same(found: SweepRecord, setup: Setup) -> None:
    """That a stored sweep may be gone on with under this definition, on this table. Raises as :func:`same.check`."""
    info = setup.data.info
    check(found, setup.spec, trials=setup.budget.trials, data_hash=info.content_hash, source=info.source)


def _new_sweep(setup: Setup) -> NewSweep:
    spec, plan, info = setup.spec, setup.plan, setup.data.info
    return NewSweep(
        name=spec.name,
        format=spec.format,
        definition=to_toml(anywhere(spec)),
        fingerprint=spec.fingerprint,
        trials=setup.budget.trials,
        info=info,
        metric=plan.metric,
        metrics=metrics.metrics_for(info.task),
        checkpoints=plan.checkpoints,
        folds=setup.folds.folds,
        repeats=setup.folds.repeats,
        kept_rows=setup.folds.kept_rows,
    )


def _dataset_record(data: Dataset) -> DatasetRecord:
    # Which of the two it is depends on the task, and no type says so.
    target = cast("NDArray[np.float64] | NDArray[np.int64]", data.original_target())
    return DatasetRecord(data.info.content_hash, target, data.groups)


# --- the study --------------------------------------------------------------------------------------------------------


def _create_study(store: Store, storage: RDBStorage, setup: Setup, key: str) -> optuna.Study:
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=setup.spec.name,
            direction=metrics.direction(setup.plan.metric),
            sampler=optuna.samplers.RandomSampler(),  # is never asked: proposals come from `space`
        )
    except DuplicatedStudyError:
        raise _foreign(setup.spec.name, store) from None
    return _claim(study, setup, key)


def _claim(study: optuna.Study, setup: Setup, key: str) -> optuna.Study:
    study.set_user_attr(KEY_ATTRIBUTE, key)
    # For those who open the study with Optuna's own tools.
    folds = setup.folds
    study.set_user_attr("metric", setup.plan.metric)
    study.set_user_attr(TABLE_ATTRIBUTE, _table(setup))
    repeats = f", {folds.repeats} times" if folds.repeats > 1 else ""
    study.set_user_attr("validation", f"{folds.folds} folds ({folds.scheme}){repeats}")
    return study


def _table(setup: Setup) -> str:
    """The table in words: of a file its name alone, since dashboards show them to whoever may look."""
    info = setup.data.info
    return f"{source_name(info.source)}: {info.rows} rows, {len(info.features)} features, {info.task}"


def _find_study(store: Store, storage: RDBStorage, setup: Setup, found: SweepRecord) -> optuna.Study:
    saved = len(store.saved_numbers(found.key))
    if found.name not in optuna.get_all_study_names(storage):
        if saved:
            raise MismatchError(
                f"the Optuna study of the sweep {found.name} was deleted or renamed in {store.shown}: its results "
                f"({saved} trials) are still there, but it cannot go on; take another name"
            )
        return _create_study(store, storage, setup, found.key)  # killed before it was made
    study = optuna.load_study(study_name=found.name, storage=storage, sampler=optuna.samplers.RandomSampler())
    attributes = study.user_attrs
    if not (attributes or saved or study.get_trials(deepcopy=False)):
        return _claim(study, setup, found.key)  # killed before it had the key
    if attributes.get(KEY_ATTRIBUTE) != found.key:
        raise _foreign(found.name, store)
    if TABLE_ATTRIBUTE in attributes and attributes[TABLE_ATTRIBUTE] != _table(setup):  # with its folder, once
        study.set_user_attr(TABLE_ATTRIBUTE, _table(setup))
    return study


def _foreign(name: str, store: Store) -> MismatchError:
    return MismatchError(
        f"the name {name} belongs to an Optuna study in {store.shown} that this sweep did not make; take another name"
    )
