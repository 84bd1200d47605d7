"""The coordinator of a sweep: asks batches, has their blocks trained, saves and tells, until the budget is met.

``loop`` says what makes it safe to kill at any instant.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from optuna.trial import FrozenTrial, TrialState

from sweep import metrics
from sweep.errors import MismatchError
from sweep.launch.base import BlockDone, Launcher
from sweep.records import BlockJob, Hyperparameters, TrialResult
from sweep.run.blocks import cut_blocks
from sweep.run.events import Best, Event, Outcome, Started, TrialDone, TrialFailed
from sweep.run.prepare import Setup
from sweep.run.resume import Opened
from sweep.run.rungs import Cohort, Rungs, rung_score
from sweep.run.trials import End, StudyTrials
from sweep.space.arms import batch_size
from sweep.space.proposer import Proposal, Proposer, hyperparameters
from sweep.store.rows import TrialRecord
from sweep.store.store import Store

logger = logging.getLogger(__name__)

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


class Coordinator:
    """The state of a run: what of the study is known here, so that it need not be read again.

    Trial numbers are positions in ``_states`` and ``_trials``.

    Args:
        setup: What the sweep works on.
        store: Where it is.
        study: Its trials there.
        launcher: Trains the blocks.
        emit: Is told what happens.
        opened: The sweep.
        begun: When the run began, by ``perf_counter``.
    """

    def __init__(
        self,
        setup: Setup,
        store: Store,
        study: StudyTrials,
        launcher: Launcher,
        emit: Callable[[Event], None],
        opened: Opened,
        begun: float,
    ) -> None:
        self._setup = setup
        self._store = store
        self._study = study
        self._launcher = launcher
        self._emit = emit
        self._opened = opened
        self._begun = begun
        self._name = setup.spec.name
        self._direction = metrics.direction(setup.plan.metric)
        self._proposer = Proposer(setup.spec, self._direction)
        self._rungs = Rungs(setup.spec, self._direction, self._proposer, store.rungs(opened.key))
        self._states: list[TrialState] = []
        self._counts: Counter[TrialState] = Counter()  # of these
        self._first_unfinished = 0  # of these: all before it are finished
        self._trials: list[Hyperparameters] = []
        self._saved: dict[int, TrialRecord] = {}  # by earlier runs
        self._training: set[int] = set()
        self._stopped: list[BlockDone] = []  # at a rung where not all of its trials can be decided yet
        self._best: dict[str, Best] = {}
        self._told = 0

    # --- beginning

    def restore(self) -> None:
        """Takes over what earlier runs left."""
        for trial in self._study.all():
            self._take(trial)
        self._saved = {record.number: record for record in self._store.trials(self._opened.key)}
        for number, record in self._saved.items():
            whole = record.trained == self._setup.plan.epochs
            if whole and number < len(self._states) and self._states[number] == TrialState.COMPLETE:
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
        self._begin_counting(trial.state)
        self._trials.append(hyperparameters(self._setup.spec, trial.params))
        if trial.state.is_finished():
            self._observe(trial.number, End(trial.state, trial.value))
        else:  # a run that was killed may not have come to report everything
            scores = self._rungs.scores(trial.number)
            self._study.report(trial.number, {e: scores[e] for e in scores if e not in trial.intermediate_values})

    # --- the loop

    def to_the_end(self, waiting: Callable[[], None]) -> None:
        """Runs batches until the budget is met.

        Args:
            waiting: Called now and then while workers train. What it raises ends the run.
        """
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
        self._ask_ahead()
        while self._training:
            for done in self._launcher.finished(waiting):
                self._take_in(done)
                del done  # and with it where its networks stand, unless they wait to go on
                self._ask_ahead()
        if self._finished < self._setup.budget.trials:
            logger.warning(
                "%s ends with %d of %d trials: %d failed, and the space has no other configuration left to take their "
                "place",
                self._name,
                self._finished,
                self._setup.budget.trials,
                self._counts[TrialState.FAIL],
            )

    def _ask_ahead(self) -> None:
        """Begins every batch that may begin: all that its proposals see is finished.

        A batch is always the same numbers: what its trials may see depends on it. A larger budget, or a failed trial's
        replacement, may only add to the last one.
        """
        size, batch = batch_size(self._setup.spec), 0
        while True:
            first = self._unfinished()
            batch = max(batch, first // size)
            wanted = self._setup.budget.trials + self._counts[TrialState.FAIL]
            if self._proposer.capacity is not None:
                wanted = min(wanted, self._proposer.capacity)
            start = batch * size
            if start >= wanted or self._proposer.visible(start) > first:
                return
            self._begin(range(start, min(start + size, wanted)))
            batch += 1

    def _begin(self, batch: range) -> None:
        """Asks, trains and tells what of a batch is still to be."""
        proposals = [self._propose(number) for number in batch if number >= len(self._states)]
        left = [n for n in batch if self._states[n] == TrialState.RUNNING and n not in self._training]
        new = {number: self._trials[number] for number in left if number not in self._saved}
        self._rungs.gather(new)
        self._submit(new)
        if proposals:
            self._study.add(proposals)  # while the workers train
        for number in left:
            if number in self._saved:
                self._tell(self._saved[number])

    def _propose(self, number: int) -> Proposal:
        proposal = self._proposer.propose(number)
        self._begin_counting(TrialState.RUNNING)
        self._trials.append(hyperparameters(self._setup.spec, proposal.params))
        return proposal

    def _submit(self, trials: Mapping[int, Hyperparameters]) -> None:
        """Hands trials to the workers, which begin with them."""
        if not trials:
            return
        self._launcher.share(self._setup.data, self._setup.folds)
        self._training |= trials.keys()
        workers, device = self._launcher.workers, self._launcher.device
        for rung in {self._rungs.until(number): None for number in trials}:
            alike = {number: trial for number, trial in trials.items() if self._rungs.until(number) == rung}
            if rung is not None:  # who is compared trains together, as far as may be: no block waits for another then
                alike = dict(sorted(alike.items(), key=lambda item: item[1].placement))
            for block in cut_blocks(alike, self._setup, workers=workers, device=device):
                self._launcher.submit(self._job(block))

    def _job(self, numbers: Sequence[int]) -> BlockJob:
        """Trials of one network and with one rung to come, up to that."""
        trials = tuple(self._trials[number] for number in numbers)
        return BlockJob(tuple(numbers), trials, self._setup.plan, self._rungs.until(numbers[0]))

    def _take_in(self, done: BlockDone) -> None:
        """Saves and tells what a worker brings; at a rung decides who goes on."""
        if done.failed is not None:
            self._fail(done.job.numbers[0], done.failed)
            return
        if done.job.end == self._setup.plan.epochs:
            self._store.save_trials(self._opened.key, [(self._trials[one.number], one) for one in done.results])
            for result in done.results:
                self._tell(result)
            return
        self._stopped.append(done)
        self._rungs.arrive(done.results)
        self._decide_what_can_be()

    def _fail(self, number: int, reason: str) -> None:
        """Gives a trial up that cannot be trained; another one is asked at the end."""
        end = self._study.fail(number, reason)
        self._training.discard(number)
        self._count(number, end.state)
        self._observe(number, end)
        self._rungs.withdraw(number)
        self._emit(TrialFailed(number, self._trials[number].placement, reason))
        self._decide_what_can_be()  # those who waited for it

    def _decide_what_can_be(self) -> None:
        while cohort := self._rungs.ready():
            self._decide(cohort)

    def _decide(self, cohort: Cohort) -> None:
        """Compares trials at a rung: stores what is decided, then acts on it."""
        plan, task = self._setup.plan, self._setup.data.info.task
        scores = {number: rung_score(result, plan, task) for number, result in cohort.arrived.items()}
        decisions = self._rungs.decide(cohort, scores)
        ended = [cohort.arrived[decision.trial] for decision in decisions if not decision.kept]
        self._store.save_rung(self._opened.key, decisions, [(self._trials[one.number], one) for one in ended])
        self._rungs.settle(cohort, decisions)
        self._go_on()
        for decision in decisions:
            self._study.report(decision.trial, {decision.epoch: decision.score})
        for result in ended:
            self._tell(result)

    def _go_on(self) -> None:
        """Submits what is left of the blocks at a rung all of whose trials are decided."""
        waiting: list[BlockDone] = []
        for block in self._stopped:
            kept = {number: self._rungs.kept(number, block.job.end) for number in block.job.numbers}
            if None in kept.values():
                waiting.append(block)
            elif any(kept.values()):
                self._launcher.submit(self._job([number for number, goes_on in kept.items() if goes_on]), after=block)
        self._stopped = waiting

    def _tell(self, result: TrialResult | TrialRecord) -> None:
        """Tells the study what is saved."""
        number, pruned = result.number, result.trained < self._setup.plan.epochs
        score = [*self._rungs.scores(number).values()][-1] if pruned else result.score
        end = self._study.tell(number, score, pruned=pruned)
        self._training.discard(number)
        self._count(number, end.state)
        self._observe(number, end)
        if end.state not in COUNTED:
            return
        self._told += 1
        if end.state == TrialState.COMPLETE and not pruned:
            self._compare(number, result.score)
        self._emit(
            TrialDone(
                number=number,
                placement=self._trials[number].placement,
                score=result.score,
                epoch=result.epoch,
                diverged=result.diverged,
                pruned=pruned,
                seconds=result.seconds,
                finished=self._finished,
                budget=self._setup.budget.trials,
                best=dict(self._best),
            )
        )

    # --- what is known

    def _observe(self, number: int, end: End) -> None:
        pruned = end.state == TrialState.PRUNED
        value = end.value if end.state == TrialState.COMPLETE else None
        self._proposer.observe(number, value, self._rungs.scores(number), pruned=pruned)

    def _compare(self, number: int, score: float) -> None:
        """Keeps the best trial of each placement; of equal ones the first."""
        placement, new = self._trials[number].placement, Best(number, score)
        self._best[placement] = self._better([self._best.get(placement, new), new])

    def _better(self, candidates: Sequence[Best]) -> Best:
        sign = 1 if self._direction == "maximize" else -1
        return max(candidates, key=lambda best: (sign * best.score, -best.number))

    def _begin_counting(self, state: TrialState) -> None:
        """Takes the state of the next trial."""
        self._states.append(state)
        self._counts[state] += 1

    def _count(self, number: int, state: TrialState) -> None:
        """Takes a trial's new state."""
        self._counts[self._states[number]] -= 1
        self._counts[state] += 1
        self._states[number] = state

    def _unfinished(self) -> int:
        """The first trial that has not ended; the number of the next one if all have. No trial begins anew."""
        while self._first_unfinished < len(self._states) and self._states[self._first_unfinished].is_finished():
            self._first_unfinished += 1
        return self._first_unfinished

    @property
    def _finished(self) -> int:
        return sum(self._counts[state] for state in COUNTED)

    def recount(self) -> None:
        """After an interrupt, which may have fallen between telling the study and counting the trial here."""
        for trial in self._study.all():
            if trial.number < len(self._states):
                self._states[trial.number] = trial.state
        self._counts = Counter(self._states)

    def outcome(self) -> Outcome:
        """As things stand."""
        return Outcome(
            name=self._name,
            key=self._opened.key,
            budget=self._setup.budget.trials,
            complete=self._counts[TrialState.COMPLETE],
            pruned=self._counts[TrialState.PRUNED],
            failed=self._counts[TrialState.FAIL],
            told=self._told,
            seconds=perf_counter() - self._begun,
            best=self._better(list(self._best.values())) if self._best else None,
        )
