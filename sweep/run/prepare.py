"""A definition brought together with its table: what can be wrong with either is found here, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweep import metrics
from sweep.data import Dataset, load_dataset
from sweep.errors import DefinitionError, UserError
from sweep.folds import Folds, make_folds
from sweep.records import TableInfo, TrainingPlan
from sweep.space.arms import Budget, budget
from sweep.spec.checks import task_rules
from sweep.spec.model import SweepSpec, checkpoint_epochs

KEPT_ROWS = 20_000
"""Rows whose out-of-fold predictions are stored, the same for all trials; of a larger table a random sample."""

KEPT_NUMBERS = 1_200_000
"""Numbers stored of a trial, rows x outputs x repeats x checkpoints, 2 bytes each: 300 MB for 128 trials."""

FEWEST_KEPT_ROWS = 2_000
"""Rows stored however many numbers each has: an honest score must be worth something with many classes too."""

_KEPT_ROWS_STREAM = 0x6B657074  # sets this sample apart from whatever else is drawn from the seed


@dataclass(frozen=True, eq=False)
class Setup:
    """What a sweep works on.

    Attributes:
        spec: The definition.
        data: The table.
        folds: Its splits.
        plan: What all trials share.
        budget: How many trials, in all and for each arm.
    """

    spec: SweepSpec
    data: Dataset
    folds: Folds
    plan: TrainingPlan
    budget: Budget


def prepare(spec: SweepSpec, packed: bytes | None = None) -> Setup:
    """Reads and splits the table of a definition.

    Args:
        spec: The definition.
        packed: The table itself, as it was stored for runners, in place of ``data.source``.

    Raises:
        NotFoundError: There is no such table.
        DataError: The table cannot be used, or not with so many folds.
        DefinitionError: The definition does not fit the table, or asks for more trials than there are configurations;
            or there is more than one of all these problems.
    """
    errors: list[UserError] = []
    trials = data = folds = None
    with _noted(errors):
        trials = budget(spec)
    with _noted(errors):
        data = load_dataset(spec, packed)
    if data is not None:
        folds = _split(spec, data, errors)
    if errors or folds is None:
        raise _together(errors)
    return assemble(spec, data, folds, trials)


def prepare_given(spec: SweepSpec, data: Dataset) -> Setup:
    """The same for a table that is here already, whatever ``data.source`` says.

    Raises:
        DataError: As :func:`prepare`.
        DefinitionError: Likewise.
    """
    errors: list[UserError] = []
    trials = None
    with _noted(errors):
        trials = budget(spec)
    folds = _split(spec, data, errors)
    if errors or folds is None or trials is None:
        raise _together(errors)
    return assemble(spec, data, folds, trials)


def _split(spec: SweepSpec, data: Dataset, errors: list[UserError]) -> Folds | None:
    """The folds of a table that the definition fits; what is in the way is added to ``errors``."""
    why = f", the task of target {data.info.target!r} of {data.info.source}"
    unfit = list(task_rules(spec, data.info.task, why))
    if unfit:
        errors.append(DefinitionError([problem.said(spec.place) for problem in unfit]))
    if any(problem.path == ("validation", "scheme") for problem in unfit):
        return None
    try:
        return make_folds(spec.validation, data, spec.seed)
    except UserError as error:
        errors.append(error)
        return None


def assemble(spec: SweepSpec, data: Dataset, folds: Folds, trials: Budget) -> Setup:
    """The setup of parts that fit each other: what all trials share, and whose predictions are stored."""
    plan = training_plan(spec, data.info)
    folds = replace(folds, kept_rows=kept_rows(data.info.rows, spec.seed, _numbers(data, folds, plan)))
    return Setup(spec, data, folds, plan, trials)


def prediction_bytes(setup: Setup) -> int:
    """Bytes of the out-of-fold predictions that all trials together store, before they are compressed.

    Of trials that a pruner stops, fewer are stored.
    """
    kept = setup.folds.kept_rows
    rows = setup.data.info.rows if kept is None else len(kept)
    return 2 * setup.budget.trials * rows * _numbers(setup.data, setup.folds, setup.plan)


def _numbers(data: Dataset, folds: Folds, plan: TrainingPlan) -> int:
    """Stored of each row and trial: outputs x repeats x checkpoints."""
    return data.info.outputs * folds.repeats * len(plan.predicted_at)


@contextmanager
def _noted(errors: list[UserError]) -> Iterator[None]:
    """A user's mistake does not hide the next one."""
    try:
        yield
    except UserError as error:
        errors.append(error)


def _together(errors: Sequence[UserError]) -> UserError:
    """One error as it is, several as one with all of their lines."""
    if len(errors) == 1:
        return errors[0]
    each = (error.problems if isinstance(error, DefinitionError) else [str(error)] for error in errors)
    return DefinitionError([line for lines in each for line in lines])


def training_plan(spec: SweepSpec, info: TableInfo) -> TrainingPlan:
    """What all trials of a sweep on this table share."""
    training = spec.training
    return TrainingPlan(
        seed=spec.seed,
        epochs=training.epochs,
        batch_size=training.batch_size,
        activation=spec.network.activation,
        init=spec.network.init,
        nesterov=training.nesterov,
        class_weight=training.class_weight,
        checkpoints=checkpoint_epochs(training.epochs, training.checkpoints),
        stop=training.stop,
        metric=spec.validation.metric or metrics.default_metric(info.task),
    )


def kept_rows(rows: int, seed: int, numbers: int = 1) -> NDArray[np.int64] | None:
    """Rows whose out-of-fold predictions are stored.

    Args:
        rows: Of the table.
        seed: Of the sweep.
        numbers: Stored of each row: outputs x repeats x checkpoints.

    Returns:
        Sorted positions of as many rows as the limits above allow, ``[n_kept]`` int64; ``None`` for all.
    """
    most = min(KEPT_ROWS, max(FEWEST_KEPT_ROWS, KEPT_NUMBERS // numbers))
    if rows <= most:
        return None
    chosen = np.random.default_rng([_KEPT_ROWS_STREAM, seed]).choice(rows, most, replace=False)
    return np.sort(chosen).astype(np.int64)
