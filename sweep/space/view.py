"""What a sampler sees of an arm's trials: a study in memory, which forgets what would only slow it down.

Optuna's TPE goes through all trials at every draw: with 5,000 in one arm an ask would take a tenth of a second. It
learns from the best 25 at most, and of the others it gives the late ones more weight than the early ones. So of an arm
with thousands of trials it is shown the best and the latest. Which ones follows from the trials that it may see, and
from nothing else.

All of it is in memory, and so a trial weighs little more than its parameters and its score.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import copy
from datetime import datetime
from typing import Any, Final, Self

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from sweep.metrics import Direction
from sweep.space.memory import Ended, study_in_memory

WINDOW: Final = 1000
"""Of the finished trials the latest are seen, at least so many and fewer than twice as many."""

BEST: Final = 100
"""Of the earlier ones the best are seen, so many."""


_BEGUN: Final = datetime(2000, 1, 1)


class _Light(FrozenTrial):
    """A trial that is not copied with all it refers to.

    Optuna's study copies what it is given, a distribution for each parameter too, though nobody changes any of it:
    ten times what the parameters and the score weigh.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy(self)


def _trial(
    state: TrialState,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    value: float | None = None,
    scores: dict[int, float] | None = None,
) -> FrozenTrial:
    """A trial of these very parameters and distributions."""
    return _Light(
        number=-1,  # given by the study that takes it
        trial_id=-1,
        state=state,
        value=value,
        datetime_start=_BEGUN,
        datetime_complete=_BEGUN if state.is_finished() else None,
        params=params,
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values=scores or {},
    )


class Shown:
    """A study in memory: what is shown of an arm at a time.

    Args:
        direction: Of the scores.

    Attributes:
        study: For samplers.
        drawn_for: Samplers want a running trial to draw for, and leave it out of what they learn from. It is always
            this one: a new one each time would be one more for them to go through ever after.
    """

    def __init__(self, direction: Direction) -> None:
        self._storage = InMemoryStorage()
        self.study: Study = study_in_memory(direction, self._storage)
        self.study.ask()
        self.drawn_for: FrozenTrial
        (self.drawn_for,) = self.study.get_trials()
        self._count = 1

    def add(self, trial: FrozenTrial) -> int:
        """Takes a trial, running or finished, and gives its place: what :meth:`tell` knows it by."""
        self.study.add_trial(trial)
        self._count += 1
        return self._count - 1

    def tell(self, place: int, ended: Ended) -> None:
        """Finishes a running trial."""
        if ended.pruned:
            study = self._storage.get_study_id_from_name(self.study.study_name)
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(study, place)
            for epoch, score in sorted(ended.intermediate.items()):
                self._storage.set_trial_intermediate_value(trial_id, epoch, score)
        self.study.tell(place, ended.value if ended.state == TrialState.COMPLETE else None, state=ended.state)


class View:
    """The trials of an arm, of which a sampler learns.

    Args:
        direction: Of the scores.

    Attributes:
        shown: What samplers see.
    """

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._running: dict[int, FrozenTrial] = {}  # by number, increasing
        self._count = 0  # of those told
        self._leading: list[FrozenTrial] = []  # of those told: the best are among them
        self.shown = Shown(direction)
        self._places: dict[int, int] = {}  # of a running trial in what is shown
        # What will be shown next is made meanwhile, a little at each trial: at once it would take a tenth of a second.
        self._next: Shown | None = None  # which few arms ever need
        self._coming: deque[FrozenTrial] = deque()

    def add(self, number: int, params: dict[str, Any], space: dict[str, BaseDistribution]) -> None:
        """Takes a trial as running; numbers increase. Keeps ``params`` and ``space``, which must not change."""
        self._running[number] = _trial(TrialState.RUNNING, params, space)
        self._places[number] = self.shown.add(self._running[number])

    def tell(self, number: int, ended: Ended) -> None:
        """Finishes the first of the running trials: they are told in the order of their numbers."""
        trial = self._running.pop(number)
        value = ended.value if ended.state == TrialState.COMPLETE else None
        last = max(ended.intermediate, default=None)
        told = _trial(
            ended.state,
            trial.params,
            trial.distributions,
            # Optuna gives a pruned one its last intermediate value when it is told.
            ended.intermediate[last] if ended.pruned and last is not None else value,
            dict(ended.intermediate),
        )
        self._count += 1
        self._leading.append(told)
        if len(self._leading) > 2 * BEST:  # nor are all of them kept
            self._leading = self._best(self._leading)
        windows, rest = divmod(self._count, WINDOW)
        if self._count > WINDOW:
            self._coming.append(told)
            self._bring(2)  # the best of before wait there, too
        if windows > 1 and not rest:
            self.shown, self._next = self._bring(len(self._coming)), None
            self._places = {number: self.shown.add(running) for number, running in self._running.items()}
        else:
            self.shown.tell(self._places.pop(number), ended)
        if not rest:
            self._coming = deque(self._best(self._leading))

    def _bring(self, trials: int) -> Shown:
        self._next = self._next or Shown(self._direction)
        for _ in range(min(trials, len(self._coming))):
            self._next.add(self._coming.popleft())
        return self._next

    def _best(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The best complete ones, in their own order; of equal ones the first."""
        sign = -1 if self._direction == "maximize" else 1
        complete = {place: trial for place, trial in enumerate(trials) if trial.state == TrialState.COMPLETE}
        ranked = sorted(complete, key=lambda place: (sign * (complete[place].value or 0.0), place))
        return [complete[place] for place in sorted(ranked[:BEST])]
