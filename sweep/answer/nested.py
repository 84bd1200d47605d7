"""Nested cross-validation: does *tuning dropout* pay on data like this?

The verdicts of an answer are about the networks that one sweep chose. This is about choosing: on the training rows of
each outer fold run two sweeps of equal budget, one as the definition says, one without dropout. The winner of each, its
epoch with it, is trained once on all of these rows and predicts the fold's test rows, which nothing was chosen with
(Varma & Simon 2006). Both sweeps have the same inner folds and seeds.

They run in a temporary database. Kept is what each came to, as soon as it is there: whoever interrupts loses one sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.results import NO_DROPOUT, SweepSummary
from sweep.answer.choose import check_outer
from sweep.answer.confirm import check_trained
from sweep.answer.nested_records import SIDES, Side
from sweep.answer.nested_stored import Place, Searched, save_searched, stored_places
from sweep.answer.question import Question
from sweep.errors import DataError, UserError
from sweep.folds import Folds, make_folds
from sweep.launch.base import Launcher
from sweep.records import VALIDATION, BlockJob, Configuration
from sweep.run.events import Event, TrialDone
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, assemble
from sweep.space.arms import arms, budget
from sweep.spec.model import SweepSpec
from sweep.store.rows import SweepRecord
from sweep.store.store import Store

_NESTED_STREAM = 0x6E6573746564  # sets these folds and draws apart from those of the sweep and of its answer

# Seconds of a search beside its training: a database is made for it, and its winner is trained once more.
_AROUND = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class NestedQuestion:
    """What nested cross-validation works on.

    Attributes:
        sweep: As it is stored.
        summary: Of it.
        setup: Definition and table; its folds are the sweep's own.
        folds: The outer ones: one repeat.
        trials: Of each search.
        missing: Searches whose outcome is still to be found, in the order in which they run.
    """

    sweep: SweepRecord
    summary: SweepSummary
    setup: Setup
    folds: Folds
    trials: dict[Side, int]
    missing: tuple[Place, ...]

    @property
    def outer(self) -> int:
        """Number of outer folds."""
        return self.folds.folds

    @property
    def places(self) -> tuple[Place, ...]:
        """All searches, in the order in which they run."""
        return tuple(_places(self.outer))

    def estimated_seconds(self, workers: int) -> float:
        """Time that what is missing takes, as the sweep's own trials took it: on fewer rows, divided by the workers."""
        every = self.summary.trials
        without = [trial.seconds for trial in every if trial.placement == NO_DROPOUT]
        each = {"all": sum(trial.seconds for trial in every) / len(every), "none": sum(without) / len(without)}
        busy = sum(each[side] * self.trials[side] for _, side in self.missing)
        return busy * (1 - 1 / self.outer) / workers + _AROUND * len(self.missing)


@dataclass(frozen=True, slots=True)
class NestedProgress:
    """How far it is, what was done at earlier times included: trials, and whole searches, which are kept."""

    done: int
    trials: int
    searched: int
    searches: int


def pose_nested(question: Question, store: Store, outer: int | None = None) -> NestedQuestion:
    """What nested cross-validation of a finished sweep is.

    Args:
        question: That the sweep is asked.
        store: Where it is.
        outer: Number of outer folds; ``None`` for as many as the definition's folds.

    Raises:
        UserError: It is a time series, or there are fewer than two outer folds.
        DataError: The table cannot be split twice.
    """
    sweep, setup = question.sweep, question.setup
    validation = setup.spec.validation
    number = validation.folds if outer is None else outer
    if setup.folds.scheme == "timeseries":
        raise UserError(
            f"the sweep {sweep.name} is on a time series: nested cross-validation needs folds that leave out any rows, "
            "and one history has none; ask without it"
        )
    check_outer(number, nested=True)
    try:
        folds = make_folds(replace(validation, folds=number, repeats=1), setup.data, _seed(setup.spec.seed))
    except DataError as error:
        raise DataError(f"the rows cannot be split into {number} outer folds: {error}") from None
    trials: dict[Side, int] = {side: budget(_spec(setup.spec, sweep.trials, 0, side)).trials for side in SIDES}
    stored = stored_places(store, sweep.key, number, sweep.trials)
    missing = tuple(place for place in _places(number) if place not in stored)
    found = NestedQuestion(sweep, question.summary, setup, folds, trials, missing)
    for place in missing:
        if place[1] == "all":
            inner_setup(found, place)  # what cannot be split is known before anything runs
    return found


def run_nested(
    nested: NestedQuestion,
    store: Store,
    launcher: Launcher,
    on_progress: Callable[[NestedProgress], None] = lambda _: None,
) -> None:
    """Runs the searches whose outcome is not yet stored.

    Args:
        nested: Which ones.
        store: Where the sweep is, and outcomes are kept.
        launcher: Trains the blocks. Left open.
        on_progress: Called when it begins, as trials finish, and as outcomes are saved.

    Raises:
        LaunchError: The workers are gone. Every outcome that is there is kept.
        StorageError: A database failed.
        KeyboardInterrupt: Ctrl-C. Every outcome that is there is kept.
    """
    missing, places = nested.missing, nested.places
    done = sum(nested.trials[side] for fold, side in places if (fold, side) not in missing)
    progress = NestedProgress(done, nested.outer * sum(nested.trials.values()), len(places) - len(missing), len(places))
    on_progress(progress)
    for place in missing:
        before = progress

        def tell(event: Event, before: NestedProgress = before) -> None:
            if isinstance(event, TrialDone):
                on_progress(replace(before, done=before.done + event.finished))

        found = search(nested, place, launcher, tell)
        save_searched(store, nested.sweep.key, nested.outer, nested.sweep.trials, place, found)
        progress = replace(before, done=before.done + nested.trials[place[1]], searched=before.searched + 1)
        on_progress(progress)


def search(
    nested: NestedQuestion, place: Place, launcher: Launcher, on_event: Callable[[Event], None] = lambda _: None
) -> Searched:
    """One search on the training rows of an outer fold, and its winner on the fold's test rows.

    Args:
        nested: What it is part of.
        place: Which one.
        launcher: Trains the blocks. Left open.
        on_event: As for :func:`run_sweep`.
    """
    inner = inner_setup(nested, place)
    with TemporaryDirectory(prefix="sweep-nested-", ignore_cleanup_errors=True) as folder:
        url = f"sqlite:///{Path(folder) / 'search.db'}"
        outcome = run_sweep(inner.spec, storage=url, launcher=launcher, on_event=on_event, setup=inner)
        with Store.open(url) as store:
            trials = {trial.number: trial for trial in store.trials(outcome.key)}
    if outcome.best is None:
        raise RuntimeError(f"no trial of a search was trained to its end: {place}")
    best = trials[outcome.best.number]
    configuration = Configuration(best.hyperparameters, best.epoch)
    predictions, metrics, diverged = _refit(nested, place[0], configuration, launcher)
    return Searched(configuration, best.score, len(trials), predictions, metrics, diverged)


def inner_setup(nested: NestedQuestion, place: Place) -> Setup:
    """What a search works on: the training rows of an outer fold, as a table of their own, split anew.

    Raises:
        DataError: They cannot be split so.
    """
    fold, side = place
    spec = _spec(nested.setup.spec, nested.sweep.trials, fold, side)
    data = nested.setup.data.part(nested.folds.train[fold])
    try:
        folds = make_folds(spec.validation, data, spec.seed)
    except DataError as error:
        raise DataError(
            "nested cross-validation splits the rows twice, and the training rows of outer fold "
            f"{fold + 1} of {nested.outer} are too few for the folds of the definition (more outer folds leave more): "
            f"{error}"
        ) from None
    return assemble(spec, data, folds, budget(spec))


def _refit(
    nested: NestedQuestion, fold: int, configuration: Configuration, launcher: Launcher
) -> tuple[NDArray[np.float32], NDArray[np.float64], bool]:
    """A winner trained once on all training rows of an outer fold.

    Returns:
        As in :class:`Searched`: predictions and metrics of the test rows, and whether it diverged.
    """
    setup, folds = nested.setup, nested.folds
    train, test = folds.train[fold], folds.test[fold]
    alone = Folds((train,), (test,), folds=1, repeats=1, scheme=folds.scheme, kept_rows=test.numpy())
    plan = replace(
        setup.plan,
        seed=_seed(setup.spec.seed, fold, 1),
        stop="last",
        checkpoints=tuple(sorted({configuration.epoch, setup.plan.epochs})),
    )
    launcher.share(setup.data, alone)
    try:
        launcher.submit(BlockJob((0,), (configuration.params,), plan, until=configuration.epoch))
        (done,) = launcher.finished()
        check_trained(done)
        (result,) = done.results
    finally:
        launcher.cancel()
    return result.predictions[-1, 0], result.metrics[0, -1, VALIDATION], bool(result.lost)


def _spec(spec: SweepSpec, trials: int, fold: int, side: Side) -> SweepSpec:
    """The definition of a search."""
    space = spec.space
    if side == "none":
        space = replace(space, placements=(NO_DROPOUT,), dropout_layers={})
    found = replace(
        spec, seed=_seed(spec.seed, fold, 0), space=space, search=replace(spec.search, trials=trials), chosen=None
    )
    sizes = [arm.size for arm in arms(found)]
    most = None if None in sizes else sum(size for size in sizes if size is not None)
    if most is None or most >= trials:
        return found
    return replace(found, search=replace(found.search, trials=most))


def _seed(*numbers: int) -> int:
    """Of outer folds, from the sweep's; with an outer fold, and 0 or 1, of its searches or of their winners."""
    return int(np.random.SeedSequence([_NESTED_STREAM, *numbers]).generate_state(1)[0])


def _places(outer: int) -> Iterator[Place]:
    for fold in range(outer):
        for side in SIDES:
            yield fold, side
