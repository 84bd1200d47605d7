"""Optuna studies in memory: for a sampler's and a pruner's view of one arm, and for the importance of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from sweep.metrics import Direction


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended.

    Attributes:
        value: Its score; ``None`` if it failed. Of a pruned one it is not used.
        intermediate: Its scores at rungs by epoch (1-based). A pruned one is ranked by the last of them.
        pruned: Whether it was stopped at a rung.

    Raises:
        ValueError: A score is not finite.
    """

    value: float | None
    intermediate: Mapping[int, float] = field(default_factory=dict)
    pruned: bool = False

    def __post_init__(self) -> None:
        for score in (self.value, *self.intermediate.values()):
            if score is not None and not math.isfinite(score):
                raise ValueError(f"a trial's score must be finite, however: {score}")

    @property
    def state(self) -> TrialState:
        """As Optuna has it."""
        if self.pruned:
            return TrialState.PRUNED
        return TrialState.FAIL if self.value is None else TrialState.COMPLETE


def study_in_memory(direction: Direction, storage: BaseStorage | None = None) -> optuna.Study:
    """A study that no database knows of, made without Optuna's line about it. Its own sampler is never asked.

    Args:
        direction: Of its values.
        storage: An ``InMemoryStorage``, for a caller that needs to have it.
    """
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction=direction, sampler=RandomSampler(seed=0), storage=storage)
    finally:
        optuna.logging.set_verbosity(before)
