"""Optuna studies in memory: for a sampler's view of one arm, and for the importance of its parameters."""

from __future__ import annotations

import optuna
from optuna.samplers import RandomSampler

from sweep.metrics import Direction


def study_in_memory(direction: Direction) -> optuna.Study:
    """A study that no database knows of, made without Optuna's line about it. Its own sampler is never asked."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction=direction, sampler=RandomSampler(seed=0))
    finally:
        optuna.logging.set_verbosity(before)
