"""The trials of a sweep in its Optuna study: added as they are asked, reported at rungs, told at the end.

What is written here is written once, however often it is tried: where the database was lost on the way, and with it the
answer, the study is looked at before anything is done again.

What a trial costs here does not depend on how many there are. So Optuna's storage is asked itself: a ``Study`` reads a
trial twice to tell it, and keeps whatever it has read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class End:
    """How a trial stands in the study after it was told.

    Attributes:
        state: COMPLETE, PRUNED or FAIL.
        value: Its score, of a PRUNED one that at its last rung; ``None`` for FAIL.
    """

    state: TrialState
    value: float | None


class StudyTrials:
    """Writes through Optuna's own interface, and notices when somebody else writes too.

    Args:
        study: Of the sweep.
        storage: That it is in.
        where: Name of the database, for messages.
        check: Called before each write. Whatever it raises, such as that the lease is lost, nothing is written then.
        patiently: Tries again while the database cannot be reached.
        fenced: What each write is done in.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: BaseStorage,
        where: str,
        check: Callable[[], None] = lambda: None,
        patiently: Patiently = at_once,
        fenced: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._storage, self._where, self._check = storage, where, check
        self._patiently, self._fenced = patiently, fenced
        self._ids: dict[int, int] = {}  # of the running trials, by number
        self._name = study.study_name
        self._study_id = patiently(lambda: storage.get_study_id_from_name(self._name))

    def all(self) -> list[FrozenTrial]:
        """Every trial, in the order of the numbers.

        Raises:
            StorageError: The study is gone.
        """
        with self._there():
            return self._patiently(lambda: self._storage.get_all_trials(self._study_id, deepcopy=False))

    def add(self, proposals: Sequence[Proposal]) -> None:
        """Stores trials as asked: RUNNING, each with all of its parameters or not at all.

        Raises:
            StorageError: Somebody else has added trials, or the study is gone.
        """
        with self._there():
            # Before as well as after: a second run of this sweep would have asked the very same trials. Optuna gives
            # out the numbers: they are ours only if nobody else adds any.
            self._check_end(proposals[0].number)
            for one in proposals:
                self._add(one)
            stored = self._stored(proposals)
            self._check_end(proposals[-1].number + 1)
        if any(stored[one.number].params != one.params for one in proposals):
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

    def tell(self, number: int, score: float, *, pruned: bool = False) -> End:
        """Ends a trial: COMPLETE with its score; or PRUNED, with its score at the rung where it stopped.

        Returns:
            How it is now. If somebody has told it in the dashboard, that stands.

        Raises:
            StorageError: The study is gone.
        """
        with self._there():
            return self._end(number, TrialState.PRUNED if pruned else TrialState.COMPLETE, score)

    def fail(self, number: int, reason: str) -> End:
        """Ends a trial as FAIL, with the reason as its user attribute :data:`REASON_ATTRIBUTE`.

        Returns:
            How it is now. If somebody has told it in the dashboard, that stands.

        Raises:
            StorageError: The study is gone.
        """
        with self._there():
            trial_id = self._trial_id(number)
            with suppress(UpdateFinishedTrialError):
                self._write(lambda: self._storage.set_trial_user_attr(trial_id, REASON_ATTRIBUTE, reason))
            return self._end(number, TrialState.FAIL, None)

    def _end(self, number: int, state: TrialState, value: float | None) -> End:
        trial_id = self._trial_id(number)

        def end() -> End:
            with suppress(UpdateFinishedTrialError):  # by somebody else, or by an attempt before
                if self._storage.set_trial_state_values(trial_id, state, None if value is None else [value]):
                    return End(state, value)
            trial = self._storage.get_trial(trial_id)
            return End(trial.state, trial.value)

        found = self._write(end)
        self._ids.pop(number, None)
        return found

    def _add(self, proposal: Proposal) -> None:
        params, distributions = dict(proposal.params), dict(proposal.distributions)
        trial = create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
        tried = False

        def add() -> None:
            nonlocal tried
            # The numbers are given out one after the other, and all before this one are there.
            if tried and self._find(proposal.number) is not None:
                return
            tried = True
            self._ids[proposal.number] = self._storage.create_new_trial(self._study_id, trial)

        self._write(add)

    def _stored(self, proposals: Sequence[Proposal]) -> dict[int, FrozenTrial]:
        """Trials just added, as they are in the study."""
        states = (TrialState.RUNNING,)
        running = self._patiently(lambda: self._storage.get_all_trials(self._study_id, deepcopy=False, states=states))
        stored = {trial.number: trial for trial in running}
        for one in proposals:
            if one.number not in stored:  # told in the dashboard in this very moment
                stored[one.number] = self._patiently(partial(self._storage.get_trial, self._trial_id(one.number)))
        return stored

    def _check_end(self, end: int) -> None:
        """That the study holds the trials with a number below this one, and no others.

        Numbers are given out one after the other: it holds this many if the last is there and the next is not.
        """
        last = end == 0 or self._patiently(lambda: self._find(end - 1)) is not None
        if not last:
            self._patiently(lambda: self._storage.get_study_name_from_id(self._study_id))  # says if it is gone
        if not last or self._patiently(lambda: self._find(end)) is not None:
            raise self._not_alone()

    def _trial_id(self, number: int) -> int:
        if number not in self._ids:
            find = self._storage.get_trial_id_from_study_id_trial_number
            self._ids[number] = self._patiently(lambda: find(self._study_id, number))
        return self._ids[number]

    def _find(self, number: int) -> int | None:
        """The id of a trial; ``None`` if the study has none of that number."""
        with suppress(KeyError):
            return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return None

    def _write(self, change: Callable[[], _T]) -> _T:
        """Makes a change that may find itself made already: each attempt only if the check allows it."""

        def attempt() -> _T:
            self._check()
            with held(), self._fenced():  # not while it waits
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
