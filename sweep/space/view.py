"""What a sampler sees of an arm's trials: a study in memory, which forgets what would only slow it down.

Optuna's TPE goes through all trials at every draw: with 5,000 in one arm an ask would take a tenth of a second. It
learns from the best 25 at most, and of the others it gives the late ones more weight than the early ones. So of an arm
with thousands of trials it is shown the best and the latest. Which ones follows from the trials that it may see, and
from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.metrics import Direction
from sweep.space.memory import Ended, study_in_memory

WINDOW: Final = 1000
"""Of the finished trials the latest are seen, at least so many and fewer than twice as many."""

BEST: Final = 100
"""Of the earlier ones the best are seen, so many."""


class View:
    """The trials of an arm, of which a sampler learns.

    Args:
        direction: Of the scores.

    Attributes:
        study: For samplers.
        drawn_for: Samplers want a running trial to draw for, and leave it out of what they learn from. It is always
            this one: a new one each time would be one more for them to go through ever after.
    """

    study: Study
    drawn_for: FrozenTrial

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._running: dict[int, FrozenTrial] = {}  # by number, increasing
        self._told: list[FrozenTrial] = []
        self._start = 0
        self._show([])

    def add(self, number: int, params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> None:
        """Takes a trial as running; numbers increase."""
        self._running[number] = create_trial(state=TrialState.RUNNING, params=dict(params), distributions=dict(space))
        self._run(number)

    def tell(self, number: int, ended: Ended) -> None:
        """Finishes the first of the running trials: they are told in the order of their numbers."""
        trial = self._running.pop(number)
        value = ended.value if ended.state == TrialState.COMPLETE else None
        last = max(ended.intermediate, default=None)
        self._told.append(
            create_trial(
                state=ended.state,
                # Optuna gives a pruned one its last intermediate value when it is told.
                value=ended.intermediate[last] if ended.pruned and last is not None else value,
                params=trial.params,
                distributions=trial.distributions,
                intermediate_values=dict(ended.intermediate),
            )
        )
        start = max(0, len(self._told) // WINDOW - 1) * WINDOW
        if start != self._start:
            self._start = start
            self._show([*self._best(self._told[:start]), *self._told[start:]])
            return
        place = self._places.pop(number)
        if ended.pruned:
            study = self._storage.get_study_id_from_name(self.study.study_name)
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(study, place)
            for epoch, score in sorted(ended.intermediate.items()):
                self._storage.set_trial_intermediate_value(trial_id, epoch, score)
        self.study.tell(place, value, state=ended.state)

    def _show(self, told: Sequence[FrozenTrial]) -> None:
        """Begins a study with these finished trials, and with those that run."""
        self._storage = InMemoryStorage()
        self.study = study_in_memory(self._direction, self._storage)
        self.study.ask()
        (self.drawn_for,) = self.study.get_trials()
        for trial in told:
            self.study.add_trial(trial)
        self._count = 1 + len(told)
        self._places: dict[int, int] = {}  # of a running trial in the study
        for number in self._running:
            self._run(number)

    def _run(self, number: int) -> None:
        self.study.add_trial(self._running[number])
        self._places[number] = self._count
        self._count += 1

    def _best(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The best complete ones, in their own order; of equal ones the first."""
        sign = -1 if self._direction == "maximize" else 1
        complete = {place: trial for place, trial in enumerate(trials) if trial.state == TrialState.COMPLETE}
        ranked = sorted(complete, key=lambda place: (sign * (complete[place].value or 0.0), place))
        return [complete[place] for place in sorted(ranked[:BEST])]
