"""The Optuna study that belongs to a stored sweep, for reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import optuna
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from sweep.analysis.results import Counts
from sweep.run.study import KEY_ATTRIBUTE, quiet
from sweep.store.rows import SweepRecord


@dataclass(frozen=True, slots=True)
class StudyView:
    """A study of one sweep in its storage."""

    storage: RDBStorage
    study_id: int

    def trials(self) -> list[FrozenTrial]:
        """All trials in number order."""
        return self.storage.get_all_trials(self.study_id, deepcopy=False)

    def copy(self) -> optuna.Study:
        """The study in memory: to be kept and pickled, with no connection to the database."""
        with quiet():
            copied = optuna.create_study(
                storage=InMemoryStorage(),
                study_name=self.storage.get_study_name_from_id(self.study_id),
                directions=self.storage.get_study_directions(self.study_id),
                sampler=optuna.samplers.RandomSampler(),
            )
        copied.add_trials(self.trials())
        for key, value in self.storage.get_study_user_attrs(self.study_id).items():
            copied.set_user_attr(key, value)
        return copied


def counts_of(trials: Mapping[str, int]) -> Counts:
    """Trials by state; those that wait to be run count as running.

    Args:
        trials: How many there are, by the name of their state.
    """
    complete, pruned, failed, running, waiting = (
        trials.get(state.name, 0)
        for state in (
            TrialState.COMPLETE,
            TrialState.PRUNED,
            TrialState.FAIL,
            TrialState.RUNNING,
            TrialState.WAITING,
        )
    )
    return Counts(complete, pruned, failed, running + waiting)


def find_studies(storage: RDBStorage | None, sweeps: Iterable[SweepRecord]) -> dict[str, StudyView]:
    """The studies of sweeps by the sweep's key, as :func:`find_study` has them, all read at once."""
    if storage is None:
        return {}
    studies = {study.study_name: study for study in storage.get_all_studies()}
    found = ((sweep.key, studies.get(sweep.name)) for sweep in sweeps)
    return {
        key: StudyView(storage, study._study_id)
        for key, study in found
        if study is not None and study.user_attrs.get(KEY_ATTRIBUTE) == key
    }


def find_study(storage: RDBStorage | None, sweep: SweepRecord) -> StudyView | None:
    """The study of a sweep; ``None`` if it was deleted or renamed, or another one took its name."""
    if storage is None:
        return None
    try:
        study_id = storage.get_study_id_from_name(sweep.name)
    except KeyError:
        return None
    if storage.get_study_user_attrs(study_id).get(KEY_ATTRIBUTE) != sweep.key:
        return None
    return StudyView(storage, study_id)
