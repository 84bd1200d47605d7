"""The Optuna study that belongs to a stored sweep, for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from sweep.analysis.results import Counts
from sweep.errors import StorageError
from sweep.store.rows import SweepRecord
from sweep.store.store import Store

KEY_ATTRIBUTE = "sweep_key"
"""User attribute of a study that holds the key of its sweep."""


@dataclass(frozen=True, slots=True)
class StudyView:
    """A study of one sweep in its storage."""

    storage: RDBStorage
    study_id: int

    def counts(self) -> Counts:
        """Trials by state; those that wait to be run count as running."""
        complete, pruned, failed, running, waiting = (
            self.storage.get_n_trials(self.study_id, state)
            for state in (
                TrialState.COMPLETE,
                TrialState.PRUNED,
                TrialState.FAIL,
                TrialState.RUNNING,
                TrialState.WAITING,
            )
        )
        return Counts(complete, pruned, failed, running + waiting)

    def trials(self) -> list[FrozenTrial]:
        """All trials in number order."""
        return self.storage.get_all_trials(self.study_id, deepcopy=False)


@contextmanager
def open_storage(store: Store) -> Iterator[RDBStorage | None]:
    """Optuna's storage in the same database, creating nothing; ``None`` if Optuna never stored anything there.

    Raises:
        StorageError: Its tables are of another version of Optuna.
    """
    try:
        storage = RDBStorage(
            store.url,
            engine_kwargs=dict(store.optuna_engine_kwargs),
            skip_compatibility_check=True,  # below, where the connection can be closed again
            skip_table_creation=True,
        )
    except StorageInternalError:
        yield None
        return
    try:
        found, known = storage.get_current_version(), storage.get_head_version()
        if found != known:
            raise StorageError(
                f"Optuna {optuna.__version__} cannot read its tables in {store.shown}: they are of version {found}, "
                f"it knows {known}; `optuna storage upgrade` may help"
            )
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def find_study(storage: RDBStorage | None, sweep: SweepRecord) -> StudyView | None:
    """The study of a sweep; ``None`` if it was deleted or renamed, or another one took its name."""
    if storage is None:
        return None
    try:
        study_id = storage.get_study_id_from_name(sweep.name)
    except (KeyError, StorageInternalError):
        return None
    if storage.get_study_user_attrs(study_id).get(KEY_ATTRIBUTE) != sweep.key:
        return None
    return StudyView(storage, study_id)
