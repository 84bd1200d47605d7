"""The trials of a sweep in its Optuna study: added as they are asked, reported at rungs, told at the end.

What is written here is written once, however often it is tried: where the database was lost on the way, and with it the
answer, the study is looked at before anything is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.errors import StorageError
from sweep.interrupts import held
from sweep.space.proposer import Proposal
from sweep.store.patience import Patiently, at_once

_T = TypeVar("_T")

REASON_ATTRIBUTE = "failed_because"
"""User attribute of a FAIL trial: why it was given up."""


class StudyTrials:
    """Writes through Optuna's own interface, and notices when somebody else writes too.

    Args:
        study: Of the sweep.
        storage: That it is in.
        where: Name of the database, for messages.
        check: Called before each write. Whatever it raises, such as that the lease is lost, nothing is written then.
        patiently: Tries again while the database cannot be reached.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: BaseStorage,
        where: str,
        check: Callable[[], None] = lambda: None,
        patiently: Patiently = at_once,
    ) -> None:
        self._study, self._storage, self._where, self._check = study, storage, where, check
        self._patiently = patiently
        self._name = study.study_name
        self._study_id = patiently(lambda: storage.get_study_id_from_name(self._name))

    def all(self) -> list[FrozenTrial]:
        """Every trial, in the order of the numbers.

        Raises:
            StorageError: The study is gone.
        """
        with self._there():
            return self._patiently(lambda: self._study.get_trials(deepcopy=False))

    def add(self, proposals: Sequence[Proposal]) -> None:
        """Stores trials as asked: RUNNING, each with all of its parameters or not at all.

        Raises:
            StorageError: Somebody else has added trials, or the study is gone.
        """
        with self._there():
            # Before as well as after: a second run of this sweep would have asked the very same trials. Optuna gives
            # out the numbers: they are ours only if nobody else adds any.
            if len(self.all()) != proposals[0].number:
                raise self._not_alone()
            for one in proposals:
                self._add(one)
            stored = self.all()
        if len(stored) != proposals[-1].number + 1 or any(stored[one.number].params != one.params for one in proposals):
            raise self._not_alone()

    def report(self, number: int, scores: Mapping[int, float]) -> None:
        """Stores scores of a running trial by epoch, as Optuna's intermediate values.

        Raises:
            StorageError: The study is gone.
        """
        if not scores:
            return
        # One that somebody has told in the dashboard has ended: that stands.
        with self._there(), suppress(UpdateFinishedTrialError):
            trial_id = self._trial_id(number)
            for epoch, score in scores.items():
                self._write(partial(self._storage.set_trial_intermediate_value, trial_id, epoch, score))

    def tell(self, number: int, score: float | None) -> FrozenTrial:
        """Ends a trial: COMPLETE with its score; or PRUNED, for ``None``, with the last score reported.

        Returns:
            The trial as it is now. If somebody has told it in the dashboard, that stands.

        Raises:
            StorageError: The study is gone.
        """
        state = TrialState.PRUNED if score is None else TrialState.COMPLETE
        with self._there():
            return self._write(lambda: self._study.tell(number, score, state=state, skip_if_finished=True))

    def fail(self, number: int, reason: str) -> FrozenTrial:
        """Ends a trial as FAIL, with the reason as its user attribute :data:`REASON_ATTRIBUTE`.

        Returns:
            The trial as it is now. If somebody has told it in the dashboard, that stands.

        Raises:
            StorageError: The study is gone.
        """
        with self._there():
            trial_id = self._trial_id(number)
            with suppress(UpdateFinishedTrialError):
                self._write(lambda: self._storage.set_trial_user_attr(trial_id, REASON_ATTRIBUTE, reason))
            return self._write(lambda: self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True))

    def _add(self, proposal: Proposal) -> None:
        params, distributions = dict(proposal.params), dict(proposal.distributions)
        trial = create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
        tried = False

        def add() -> None:
            nonlocal tried
            # The numbers are given out one after the other, and all before this one are there.
            if tried and len(self._study.get_trials(deepcopy=False)) > proposal.number:
                return
            tried = True
            self._study.add_trial(trial)

        self._write(add)

    def _trial_id(self, number: int) -> int:
        return self._patiently(lambda: self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number))

    def _write(self, change: Callable[[], _T]) -> _T:
        """Makes a change that may find itself made already: each attempt only if the check allows it."""

        def attempt() -> _T:
            self._check()
            with held():  # not while it waits
                return change()

        return self._patiently(attempt)

    def _not_alone(self) -> StorageError:
        return StorageError(f"another program adds trials to the study {self._name} in {self._where}")

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, ValueError) as error:  # Optuna's for a study or a trial that is not there
            raise StorageError(
                f"the study {self._name} in {self._where} was changed or deleted while it ran ({error})"
            ) from error
