"""Running a sweep: ask a batch, train it in blocks, save, tell; and again until the budget is met.

One coordinator, this loop, asks and tells; workers only train. A batch is asked as soon as the batches that it has to
see are finished: by ``search.lag`` one before it may still train, and so there is always work waiting for a worker
that becomes free. At a rung the trials of a batch are compared, and the poor ones end there.

What makes it safe to kill at any instant:

1. A trial is asked in one transaction, as RUNNING, with all of its parameters. Half-asked trials do not exist.
2. Its parameters are a function of (seed, number, the finished trials of the batches it sees): asking again gives the
   same. So it may train already while it is being stored.
3. Its results are committed before the study is told. A result that is saved but not told is told, not trained again.
4. What is decided at a rung is committed, with the results of the trials that end there, before it is acted on.
5. Whatever is RUNNING and not saved is trained again under its own number: training is a pure function too.
6. One coordinator runs a sweep, under a lease that every write checks (``lease``).

A database that cannot be reached is waited for, workers that are lost are replaced or waited for.

Ctrl-C and SIGTERM interrupt it anywhere but in the middle of a write (``interrupts``).

The budget counts COMPLETE and PRUNED trials. For a FAIL trial another one is asked at the end, if the space has one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

from optuna.exceptions import StorageInternalError

from sweep.errors import StoppedError, StorageError
from sweep.launch.base import Launcher
from sweep.run.coordinator import Coordinator
from sweep.run.events import Event, Finished, Interrupted, Outcome, Prepared, Trouble, ignore
from sweep.run.lease import keep_lease
from sweep.run.prepare import Setup, prepare
from sweep.run.resume import open_study, register
from sweep.run.study import optuna_storage
from sweep.run.trials import StudyTrials
from sweep.spec.model import SweepSpec
from sweep.store.store import Store

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 600.0
"""For how long a run waits for a database that it could reach before."""


def run_sweep(
    spec: SweepSpec,
    *,
    storage: str,
    launcher: Launcher,
    on_event: Callable[[Event], None] = ignore,
    setup: Setup | None = None,
    wait: bool = True,
    revision: int | None = None,
) -> Outcome:
    """Runs a sweep until its budget is met, or goes on with one that was started before.

    Args:
        spec: The definition.
        storage: Database URL. A SQLite file and all tables are made if they are not there.
        launcher: Trains the blocks. Left open.
        on_event: Called with each event, from this thread. What it raises is logged and goes no further.
        setup: The definition's, if the caller has prepared it already.
        wait: Whether to wait where another run holds the sweep, and does not show whether it still lives.
        revision: Of the order that is carried out, if it is one: the run stops for what was wanted later.

    Raises:
        UserError: Definition, table, database or an earlier sweep of that name do not allow it; nothing was run.
        BusyError: Another run is at work on the sweep, or has taken it over.
        LaunchError: The workers are gone. Everything finished is kept.
        StorageError: The database failed on the way, or somebody else changed the study.
        Interrupted: Ctrl-C. Everything finished is kept.
        StoppedError: Somebody paused, cancelled or deleted the sweep. Everything finished is kept.
    """
    begun, emit = perf_counter(), _guarded(on_event)
    setup = setup or prepare(spec)
    info, folds = setup.data.info, setup.folds
    emit(Prepared(info, folds.folds, folds.repeats, folds.scheme, setup.plan.metric, setup.budget, launcher.workers))

    def trouble(said: str) -> None:
        emit(Trouble(said))

    with Store.open(storage, create=True) as store, optuna_storage(store) as tables:
        found, resumed = register(store, tables, setup, revision)
        run: Coordinator | None = None
        try:
            with keep_lease(store, found, wait=wait, on_wait=trouble, revision=revision) as lease:
                opened = open_study(store, tables, setup, resumed=resumed)
                setup = replace(setup, folds=replace(folds, kept_rows=opened.kept_rows))
                store.patience, store.on_wait, launcher.on_trouble = PATIENCE_SECONDS, trouble, trouble
                trials = StudyTrials(opened.study, tables, store.shown, lease.check, store.patiently, store.fenced)
                run = Coordinator(setup, store, trials, launcher, emit, opened, begun)
                try:
                    run.restore()
                    run.to_the_end(lease.check)
                finally:
                    launcher.cancel()
        except (KeyboardInterrupt, StoppedError) as stop:
            if run is None:
                raise
            store.patience = 0.0
            with suppress(StorageError, StorageInternalError):  # gone meanwhile: then as far as is known here
                run.recount()
            if isinstance(stop, StoppedError):
                raise _stopped(stop, run.outcome()) from None
            raise Interrupted(run.outcome()) from None
        outcome = run.outcome()
    emit(Finished(outcome))
    return outcome


def _stopped(stop: StoppedError, outcome: Outcome) -> StoppedError:
    finished = outcome.complete + outcome.pruned
    return StoppedError(f"{stop}: {finished:,} of {outcome.budget:,} trials are finished; `sweep run` goes on")


def _guarded(on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """A display that fails must not stop a run."""

    def emit(event: Event) -> None:
        try:
            on_event(event)
        except Exception:
            logger.exception("on_event failed on %s", type(event).__name__)

    return emit
