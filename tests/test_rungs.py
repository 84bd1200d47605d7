"""Pruning at rungs: who is kept, over whole sweeps, through interrupts and failures, and told to Optuna."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.launch.base import BlockDone, nothing
from sweep.launch.dask import DaskLauncher
from sweep.launch.inline import InlineLauncher
from sweep.metrics import METRICS, metrics_for
from sweep.records import VALIDATION, BlockJob, Hyperparameters, TrialResult
from sweep.run.events import Event, Interrupted, TrialDone
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prepare
from sweep.run.rungs import Rungs, halving, share_of_epochs
from sweep.run.study import optuna_storage
from sweep.run.trials import StudyTrials
from sweep.space.proposer import Proposer
from sweep.store.rows import RungDecision
from sweep.store.store import Store
from sweep.training.train import train_block
from tests.launch.suite import TRIALS
from tests.small_sweep import Recorder, assert_same, small_spec, what_is_left

# Checkpoints at 2, 4, 6 and 8 of 8 epochs, rungs at 2 and 4. Four trials of each of three placements in a batch.
HALVING = (
    "search.pruner=halving",
    "search.reduction=2",
    "search.batch=10",
    "search.trials=24",
    "training.epochs=8",
    "training.checkpoints=4",
)
# Likewise of two placements, in two batches.
SMALL = (*HALVING, "search.batch=8", "search.trials=16", 'space.placement={choices = ["none", "all"]}')
MEDIAN = (*HALVING, "search.pruner=median", "search.batch=6", "search.trials=24", "space.placement=input")


@given(
    scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=12),
    reduction=st.integers(2, 5),
    sign=st.sampled_from([1, -1]),
)
def test_halving_keeps_the_best_of_equal_ones_the_first(scores: list[float], reduction: int, sign: int) -> None:
    trials = dict(enumerate(scores))
    kept = halving(trials, reduction, sign)
    assert len(kept) == math.ceil(len(scores) / reduction)
    assert kept == halving(dict(reversed(trials.items())), reduction, sign)
    for one, other in itertools.product(kept, trials.keys() - kept):
        assert (sign * trials[one], -one) > (sign * trials[other], -other)


def one_arm(tmp_path: Path, *decided: RungDecision) -> tuple[Rungs, Callable[..., None]]:
    """Rungs at epochs 2 and 4, and a function by which trials of one placement join them."""
    spec = small_spec(tmp_path, *HALVING)
    rungs = Rungs(spec, "maximize", Proposer(spec, "maximize"), decided)
    return rungs, lambda *numbers: rungs.gather(dict.fromkeys(numbers, replace(TRIALS[0], placement="all")))


def at(number: int, epoch: int) -> list[TrialResult]:
    return [TrialResult(number, epoch, epoch, 0.5, np.zeros(0), np.zeros(0, np.float32), None, 0.0)]


def test_who_joins_a_batch_later_is_compared_with_who_is_there(tmp_path: Path) -> None:
    rungs, join = one_arm(tmp_path)
    join(1, 5)
    rungs.arrive(at(1, 2))
    join(9, 13)  # 13 belongs to the next batch
    rungs.arrive(at(5, 2))
    assert rungs.ready() is None
    rungs.arrive(at(9, 2))
    cohort = rungs.ready()
    assert cohort is not None
    decisions = rungs.decide(cohort, {1: 0.5, 5: 0.6, 9: 0.7})
    assert [decision.trial for decision in decisions if decision.kept] == [5, 9]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("order", [(5, 9, 10, 13), (10, 13, 5, 9), (13, 9, 10, 5)])
@pytest.mark.parametrize("resumed", [True, False])
def test_who_is_ahead_waits_for_who_joins_a_batch_later(
    tmp_path: Path, resumed: bool, order: Sequence[int], kept: bool
) -> None:
    """Otherwise it would depend on who is quick who is compared with whom."""
    first = [RungDecision(1, 2, 0.5, False), RungDecision(5, 2, 0.6, True), RungDecision(9, 2, 0.7, True)]
    rungs, join = one_arm(tmp_path, *(first if resumed else ()))
    if not resumed:
        join(1, 5, 9)
        for number in (1, 5, 9):
            rungs.arrive(at(number, 2))
        cohort = rungs.ready()
        assert cohort is not None
        rungs.settle(cohort, first)
        join(10, 13)
    else:
        join(5, 9, 10, 13)
    compared = list[tuple[int, set[int]]]()
    for number in order:
        rungs.arrive(at(number, 4 if number in (5, 9) else 2))
        while cohort := rungs.ready():
            compared.append((cohort.rung, cohort.numbers))
            rungs.settle(cohort, [RungDecision(one, cohort.rung, 0.5, kept) for one in sorted(cohort.numbers)])
            if kept and cohort.numbers == {10}:
                rungs.arrive(at(10, 4))
    assert [numbers for _, numbers in compared if 13 not in numbers] == [{10}, {5, 9, 10} if kept else {5, 9}]
    assert (2, {13}) in compared


# --- a whole sweep ----------------------------------------------------------------------------------------------------


Swept = tuple[Setup, str, Recorder]


def sweep(folder: Path, *changes: str) -> Swept:
    """Runs undisturbed."""
    setup = prepare(small_spec(folder, *changes))
    storage, launcher = f"sqlite:///{folder / 'undisturbed.db'}", Recorder()
    with launcher:
        run_sweep(setup.spec, storage=storage, launcher=launcher, setup=setup)
    return setup, storage, launcher


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    return sweep(tmp_path_factory.mktemp("halving"), *SMALL)


@pytest.fixture(scope="module")
def by_median(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    return sweep(tmp_path_factory.mktemp("median"), *MEDIAN)


@pytest.fixture(params=["swept", "by_median"])
def each(request: pytest.FixtureRequest) -> Swept:
    found: Swept = request.getfixturevalue(request.param)
    return found


def decisions(storage: str) -> list[RungDecision]:
    with Store.open(storage) as store:
        record = store.sweep("small")
        assert record is not None
        return store.rungs(record.key)


def test_every_arm_is_pruned_alike(tmp_path: Path, storage_url: str) -> None:
    setup = prepare(small_spec(tmp_path, *HALVING))
    seen: list[TrialDone] = []

    def note(event: Event) -> None:
        if isinstance(event, TrialDone):
            seen.append(event)

    with InlineLauncher() as launcher:
        outcome = run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup, on_event=note)
    assert setup.spec.rungs == (2, 4)
    assert (outcome.complete, outcome.pruned) == (6, 18)  # of four trials two, then one
    assert share_of_epochs(setup.spec, 24) == (4 * 2 + 2 * 2 + 1 * 4) / (4 * 8)
    assert share_of_epochs(setup.spec, 12 + 6) == (16 * 3 + (2 * 2 + 1 * 6) * 3) / (18 * 8)  # the last batch is small
    assert share_of_epochs(setup.spec, 3) == 1  # of one trial one stays
    assert [event.pruned for event in seen].count(True) == 18
    assert seen[-1].finished == outcome.budget == 24
    spent: dict[str, Counter[int]] = defaultdict(Counter)
    with Store.open(storage_url) as store:
        record = store.sweep("small")
        assert record is not None
        for trial in store.trials(record.key):
            spent[trial.hyperparameters.placement][trial.trained] += 1
    assert spent == {arm: Counter({2: 4, 4: 2, 8: 2}) for arm in ("none", "input", "all")}
    # The best of the sweep is among those that were trained to the end.
    assert outcome.best is not None
    assert outcome.best.number in {event.number for event in seen if not event.pruned}


def test_trials_have_the_numbers_they_would_have_had_alone(each: Swept) -> None:
    """And whoever ends at a rung was among the worse there, by those numbers."""
    setup, storage, _ = each
    metric = metrics_for(setup.data.info.task).index(setup.plan.metric)
    at_rungs: dict[tuple[int, int], float] = {}
    with Store.open(storage) as store:
        record = store.sweep("small")
        assert record is not None
        for trial in store.trials(record.key):
            job = BlockJob((trial.number,), (trial.hyperparameters,), setup.plan)
            (alone,) = train_block(setup.data, setup.folds, job)
            reached = setup.plan.checkpoints.index(trial.trained) + 1
            found = store.fold_metrics(record.key, trial.number)
            np.testing.assert_array_equal(found, alone.metrics[:, :reached])
            for place, epoch in enumerate(setup.plan.checkpoints):
                at_rungs[trial.number, epoch] = float(alone.metrics[:, place, VALIDATION, metric].mean())
    decided = decisions(storage)
    assert decided
    assert any(not decision.kept for decision in decided)
    for decision in decided:
        assert decision.score == at_rungs[decision.trial, decision.epoch]


def test_optuna_knows_the_scores_at_rungs(each: Swept) -> None:
    _, storage, _ = each
    reported: dict[int, dict[int, float]] = defaultdict(dict)
    ended = set()
    for decision in decisions(storage):
        reported[decision.trial][decision.epoch] = decision.score
        if not decision.kept:
            ended.add(decision.trial)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        trials = optuna.load_study(study_name="small", storage=tables).get_trials()
    for trial in trials:
        assert trial.intermediate_values == reported[trial.number]
        assert trial.state.name == ("PRUNED" if trial.number in ended else "COMPLETE")
        if trial.number in ended:  # as Optuna's own pruning has it
            assert trial.value == trial.intermediate_values[max(trial.intermediate_values)]


def test_survivors_go_on_where_they_stand(each: Swept) -> None:
    """Nothing is trained twice: the epochs of all jobs are those that the trials were trained for."""
    setup, storage, launcher = each
    spent = 0
    for job, goes_on in zip(launcher.jobs, launcher.gone_on, strict=True):
        begun = max((rung for rung in setup.spec.rungs if rung < job.end), default=0) if goes_on else 0
        spent += (job.end - begun) * len(job.numbers)
    with Store.open(storage) as store:
        record = store.sweep("small")
        assert record is not None
        assert spent == sum(trial.trained for trial in store.trials(record.key))


def test_worker_processes_prune_the_same(swept: Swept, storage_url: str) -> None:
    setup, storage, _ = swept
    with DaskLauncher(workers=2) as launcher:
        run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    assert_same(what_is_left(storage_url), what_is_left(storage))
    assert decisions(storage_url) == decisions(storage)


# --- through everything -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sweep", "interrupt_at"), [("swept", 1), ("swept", 4), ("by_median", 4)])
def test_interrupted_and_gone_on_with(
    sweep: str, interrupt_at: int, storage_url: str, request: pytest.FixtureRequest
) -> None:
    setup, storage, _ = request.getfixturevalue(sweep)
    with Recorder(interrupt_at) as launcher, pytest.raises(Interrupted):
        run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    with Recorder() as launcher:
        run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    assert_same(what_is_left(storage_url), what_is_left(storage))
    assert decisions(storage_url) == decisions(storage)


class Killed(BaseException):
    """As if the process were gone."""


WRITES = (
    (Store, "save_rung", False),
    (Store, "save_rung", True),
    (Store, "save_trials", True),
    (StudyTrials, "report", False),
    (StudyTrials, "tell", False),
    (StudyTrials, "tell", True),
    (StudyTrials, "add", False),
)


@pytest.mark.parametrize(("owner", "name", "after"), WRITES, ids=lambda part: getattr(part, "__name__", str(part)))
def test_gone_before_or_after_any_kind_of_write(
    owner: type, name: str, after: bool, swept: Swept, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second batch for most; the next run goes on to the end."""
    setup, storage, _ = swept
    write: Callable[..., Any] = getattr(owner, name)
    count, at = itertools.count(1), 3 if name in ("report", "tell") else 2

    def stopped(*args: Any, **kwargs: Any) -> Any:
        number = next(count)
        if number == at and not after:
            raise Killed
        result = write(*args, **kwargs)
        if number == at:
            raise Killed
        return result

    with monkeypatch.context() as patched, InlineLauncher() as launcher:
        patched.setattr(owner, name, stopped)
        with pytest.raises(Killed):
            run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    with InlineLauncher() as launcher:
        run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    assert_same(what_is_left(storage_url), what_is_left(storage))
    assert decisions(storage_url) == decisions(storage)


def test_a_trial_that_somebody_fails_while_it_trains(tmp_path: Path, storage_url: str) -> None:
    setup = prepare(small_spec(tmp_path, *HALVING))

    class Meddler(Recorder):
        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            for place, done in enumerate(super().finished(waiting)):
                if place == 0:
                    with Store.open(storage_url) as store, optuna_storage(store) as tables:
                        study = optuna.load_study(study_name="small", storage=tables)
                        study.tell(done.job.numbers[0], state=optuna.trial.TrialState.FAIL)
                yield done

    with Meddler() as launcher:
        outcome = run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    assert (outcome.failed, outcome.complete + outcome.pruned) == (1, 24)


# --- an arm that starts slow and ends best ----------------------------------------------------------------------------


class Curves(InlineLauncher):
    """Networks of which only the learning curve is known: with dropout it starts lower and ends higher."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._jobs: list[BlockJob] = []

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        assert after is None or after.state is not None
        self._jobs.append(job)

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        while self._jobs:
            job = self._jobs.pop(0)
            results = tuple(self._result(*one, job) for one in zip(job.numbers, job.trials, strict=True))
            yield BlockDone(job, results, 1.0, None if job.end == job.plan.epochs else job)

    def _result(self, number: int, trial: Hyperparameters, job: BlockJob) -> TrialResult:
        reached = [epoch for epoch in job.plan.checkpoints if epoch <= job.end]
        slow, best = (0.05, 0.9) if trial.placement == "all" else (0.5, 0.7)
        good = 1 - abs(math.log10(trial.learning_rate) + 1.5) / 10  # the learning rate matters in every arm
        names = metrics_for(self._setup.data.info.task)
        metrics = np.full((self._setup.folds.splits, len(reached), 2, len(names)), 0.5)
        curve = [good * (slow + (best - slow) * epoch / job.plan.epochs) for epoch in reached]
        metrics[:, :, VALIDATION, names.index(job.plan.metric)] = curve
        rows = self._setup.data.info.rows
        predictions = np.zeros((len(reached), 1, rows, 1), np.float32)
        return TrialResult(number, reached[-1], reached[-1], curve[-1], metrics, predictions, None, 0.1)


@pytest.mark.parametrize(
    ("pruner", "allocation", "trials"), [("halving", "equal", 24), ("halving", "sampler", 24), ("median", "equal", 48)]
)
def test_an_arm_that_starts_slow_and_ends_best_is_found(
    pruner: str, allocation: str, trials: int, tmp_path: Path, storage_url: str
) -> None:
    changes = (
        f"search.pruner={pruner}",
        f"search.allocation={allocation}",
        f"search.trials={trials}",
        "search.sampler=random",
    )
    setup = prepare(small_spec(tmp_path, *HALVING, *changes))
    with Curves(setup) as launcher:
        outcome = run_sweep(setup.spec, storage=storage_url, launcher=launcher, setup=setup)
    assert outcome.pruned > 0
    assert outcome.best is not None
    with Store.open(storage_url) as store:
        record = store.sweep("small")
        assert record is not None
        arm = {trial.number: trial.hyperparameters.placement for trial in store.trials(record.key)}
    assert arm[outcome.best.number] == "all"
    assert METRICS[setup.plan.metric].maximize
    early = [decision for decision in decisions(storage_url) if decision.epoch == setup.spec.rungs[0]]
    slow = [d.score for d in early if arm[d.trial] == "all"]
    others = [d.score for d in early if arm[d.trial] != "all"]
    assert max(slow) < min(others)  # compared with the others, none would have been left
