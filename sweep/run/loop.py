"""Running a sweep: ask a batch, train it in blocks, save, tell; and again until the budget is met.

One coordinator, this loop, asks and tells; workers only train. What makes it safe to kill at any instant:

1. A trial is asked in one transaction, as RUNNING, with all of its parameters. Half-asked trials do not exist.
2. Its parameters are a function of (seed, number, the finished trials of earlier batches): asking again gives the same.
   So it may train already while it is being stored.
3. Its results are committed before the study is told. A result that is saved but not told is told, not trained again.
4. Whatever is RUNNING and not saved is trained again under its own number: training is a pure function too.

The budget counts COMPLETE and PRUNED trials. For a FAIL trial another one is asked at the end, if the space has one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep import metrics
from sweep.errors import MismatchError, StorageError
from sweep.launch.base import Launcher
from sweep.records import BlockJob, Hyperparameters, TrialResult
from sweep.run.blocks import cut_blocks
from sweep.run.events import Best, Event, Finished, Interrupted, Outcome, Prepared, Started, TrialDone, ignore
from sweep.run.prepare import Setup, prepare
from sweep.run.resume import Opened, open_sweep
from sweep.run.study import marked_running, optuna_storage
from sweep.space.proposer import Proposal, Proposer, hyperparameters
from sweep.spec.model import SweepSpec
from sweep.store.rows import TrialRecord
from sweep.store.store import Store

logger = logging.getLogger(__name__)

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


# --- the run ----------------------------------------------------------------------------------------------------------


def run_sweep(
    spec: SweepSpec,
    *,
    storage: str,
    launcher: Launcher,
    on_event: Callable[[Event], None] = ignore,
    setup: Setup | None = None,
) -> Outcome:
    """Runs a sweep until its budget is met, or goes on with one that was started before.

    Args:
        spec: The definition.
        storage: Database URL. A SQLite file and all tables are made if they are not there.
        launcher: Trains the blocks. Left open.
        on_event: Called with each event, from this thread. What it raises is logged and goes no further.
        setup: The definition's, if the caller has prepared it already.

    Raises:
        UserError: Definition, table, database or an earlier sweep of that name do not allow it; nothing was run.
        LaunchError: The workers are gone. Everything finished is kept.
        StorageError: The database failed on the way, or somebody else changed the study.
        Interrupted: Ctrl-C. Everything finished is kept.
    """
    begun, emit = perf_counter(), _guarded(on_event)
    setup = setup or prepare(spec)
    info, folds = setup.data.info, setup.folds
    emit(Prepared(info, folds.folds, folds.repeats, folds.scheme, setup.plan.metric, setup.budget, launcher.workers))
    with Store.open(storage, create=True) as store, optuna_storage(store) as tables:
        opened = open_sweep(store, tables, setup)
        setup = replace(setup, folds=replace(folds, kept_rows=opened.kept_rows))
        run = _Run(setup, store, launcher, emit, opened, begun)
        with marked_running(opened.study):
            try:
                run.restore()
                run.to_the_end()
            except KeyboardInterrupt:
                run.recount()
                raise Interrupted(run.outcome()) from None
            finally:
                launcher.cancel()
        outcome = run.outcome()
    emit(Finished(outcome))
    return outcome


def _guarded(on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """A display that fails must not stop a run."""

    def emit(event: Event) -> None:
        try:
            on_event(event)
        except Exception:
            logger.exception("on_event failed on %s", type(event).__name__)

    return emit


class _Run:
    """The state of a run: what of the study is known here, so that it need not be read again.

    Trial numbers are positions in ``_states`` and ``_trials``.
    """

    def __init__(
        self,
        setup: Setup,
        store: Store,
        launcher: Launcher,
        emit: Callable[[Event], None],
        opened: Opened,
        begun: float,
    ) -> None:
        self._setup = setup
        self._store = store
        self._launcher = launcher
        self._emit = emit
        self._opened = opened
        self._begun = begun
        self._name = setup.spec.name
        self._study = opened.study
        self._direction = metrics.direction(setup.plan.metric)
        self._proposer = Proposer(setup.spec, self._direction)
        self._states: list[TrialState] = []
        self._trials: list[Hyperparameters] = []
        self._saved: dict[int, TrialRecord] = {}  # by earlier runs
        self._best: dict[str, Best] = {}
        self._told = 0

    # --- beginning

    def restore(self) -> None:
        """Takes over what earlier runs left."""
        for trial in self._study.get_trials(deepcopy=False):
            self._take(trial)
        self._saved = {record.number: record for record in self._store.trials(self._opened.key)}
        for number, record in self._saved.items():
            if number < len(self._states) and self._states[number] in COUNTED:
                self._compare(number, record.score)

    def _take(self, trial: FrozenTrial) -> None:
        try:
            if trial.state == TrialState.WAITING:
                raise ValueError("it waits to be run")
            if trial.number == self._proposer.capacity:
                raise ValueError("the space has no more configurations")
            self._proposer.restore(trial.number, trial.params)
        except ValueError as error:
            raise MismatchError(
                f"trial {trial.number} of the study {self._name} in {self._store.shown} was not made by this sweep "
                f"({error}): another program added it; take another name for a new sweep"
            ) from error
        self._states.append(trial.state)
        self._trials.append(hyperparameters(self._setup.spec, trial.params))
        if trial.state.is_finished():
            self._observe(trial)

    # --- the loop

    def to_the_end(self) -> None:
        """Runs batches until the budget is met."""
        self._emit(
            Started(
                name=self._name,
                key=self._opened.key,
                resumed=self._opened.resumed,
                finished=self._finished,
                budget=self._setup.budget.trials,
                best=dict(self._best),
            )
        )
        while batch := self._next_batch():
            proposals = [self._propose(number) for number in batch if number >= len(self._states)]
            left = [number for number in batch if self._states[number] == TrialState.RUNNING]
            self._submit([number for number in left if number not in self._saved])
            self._store_asked(proposals)  # while the workers train
            for number in left:
                if number in self._saved:
                    self._tell(self._saved[number])
            self._collect()
        if self._finished < self._setup.budget.trials:
            logger.warning(
                "%s ends with %d of %d trials: %d failed, and the space has no other configuration left to take their "
                "place",
                self._name,
                self._finished,
                self._setup.budget.trials,
                self._states.count(TrialState.FAIL),
            )

    def _next_batch(self) -> range:
        """Numbers of the first batch in which something is left to do, empty at the end.

        A batch is always the same numbers, whatever was done before: what its trials may see depends on it.
        """
        wanted = self._setup.budget.trials + self._states.count(TrialState.FAIL)
        if self._proposer.capacity is not None:
            wanted = min(wanted, self._proposer.capacity)
        unfinished = (number for number, state in enumerate(self._states) if not state.is_finished())
        first = next(unfinished, len(self._states))
        size = self._setup.spec.search.batch
        start = first - first % size
        return range(start, min(start + size, wanted) if first < wanted else start)

    def _propose(self, number: int) -> Proposal:
        proposal = self._proposer.propose(number)
        self._states.append(TrialState.RUNNING)
        self._trials.append(hyperparameters(self._setup.spec, proposal.params))
        return proposal

    def _store_asked(self, proposals: Sequence[Proposal]) -> None:
        """Stores trials as asked: RUNNING, each with all of its parameters or not at all."""
        if not proposals:
            return
        trials = [
            create_trial(state=TrialState.RUNNING, params=dict(one.params), distributions=dict(one.distributions))
            for one in proposals
        ]
        with self._study_there():
            # Before as well as after: a second run of this sweep would have asked the very same trials.
            self._check_alone(self._study.get_trials(deepcopy=False), len(self._states) - len(proposals))
            for trial in trials:
                self._study.add_trial(trial)
            stored = self._study.get_trials(deepcopy=False)
        self._check_alone(stored, len(self._states))
        if any(stored[one.number].params != one.params for one in proposals):
            raise self._not_alone()

    def _check_alone(self, stored: Sequence[FrozenTrial], expected: int) -> None:
        """Optuna gives out the numbers: they are ours only if nobody else adds trials."""
        if len(stored) != expected:
            raise self._not_alone()

    def _not_alone(self) -> StorageError:
        return StorageError(f"another program adds trials to the study {self._name} in {self._store.shown}")

    def _submit(self, numbers: Sequence[int]) -> None:
        """Hands trials to the workers."""
        if not numbers:
            return
        self._launcher.share(self._setup.data, self._setup.folds)
        trials = {number: self._trials[number] for number in numbers}
        workers, device = self._launcher.workers, self._launcher.device
        for block in cut_blocks(trials, self._setup, workers=workers, device=device):
            job = BlockJob(block, tuple(trials[number] for number in block), self._setup.plan)
            self._launcher.submit(job)

    def _collect(self) -> None:
        """Saves and tells what the workers bring, as they bring it."""
        for done in self._launcher.finished():
            for result in done.results:
                self._store.save_trial(self._opened.key, self._trials[result.number], result)
                self._tell(result)

    def _tell(self, result: TrialResult | TrialRecord) -> None:
        """Tells the study what is saved."""
        number = result.number
        with self._study_there():
            # Finished already if somebody told it in the dashboard: then that stands.
            trial = self._study.tell(number, result.score, skip_if_finished=True)
        self._states[number] = trial.state
        self._observe(trial)
        if trial.state not in COUNTED:
            return
        self._told += 1
        self._compare(number, result.score)
        self._emit(
            TrialDone(
                number=number,
                placement=self._trials[number].placement,
                score=result.score,
                epoch=result.epoch,
                diverged=result.diverged,
                seconds=result.seconds,
                finished=self._finished,
                budget=self._setup.budget.trials,
                best=dict(self._best),
            )
        )

    # --- what is known

    def _observe(self, trial: FrozenTrial) -> None:
        self._proposer.observe(trial.number, trial.value if trial.state in COUNTED else None)

    def _compare(self, number: int, score: float) -> None:
        """Keeps the best trial of each placement; of equal ones the first."""
        placement, new = self._trials[number].placement, Best(number, score)
        self._best[placement] = self._better([self._best.get(placement, new), new])

    def _better(self, candidates: Sequence[Best]) -> Best:
        sign = 1 if self._direction == "maximize" else -1
        return max(candidates, key=lambda best: (sign * best.score, -best.number))

    @property
    def _finished(self) -> int:
        return sum(map(self._states.count, COUNTED))

    def recount(self) -> None:
        """After an interrupt, which may have fallen between telling the study and counting the trial here."""
        for trial in self._study.get_trials(deepcopy=False):
            if trial.number < len(self._states):
                self._states[trial.number] = trial.state

    def outcome(self) -> Outcome:
        """As things stand."""
        return Outcome(
            name=self._name,
            key=self._opened.key,
            budget=self._setup.budget.trials,
            complete=self._states.count(TrialState.COMPLETE),
            pruned=self._states.count(TrialState.PRUNED),
            failed=self._states.count(TrialState.FAIL),
            told=self._told,
            seconds=perf_counter() - self._begun,
            best=self._better(list(self._best.values())) if self._best else None,
        )

    @contextmanager
    def _study_there(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, ValueError) as error:  # Optuna's for a study or a trial that is not there
            raise StorageError(
                f"the study {self._name} in {self._store.shown} was changed or deleted while it ran ({error})"
            ) from error
