"""A run that was interrupted at any point, gone on with: nothing is lost, twice, or another than it would have been."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from sweep.errors import MismatchError
from sweep.launch.base import BlockDone, nothing
from sweep.launch.inline import InlineLauncher
from sweep.run.events import Event, Interrupted, TrialDone
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.run.study import optuna_storage
from sweep.store.store import Store
from tests.run.reference import FAILED, STATES, Begin, Reference, leave, run
from tests.small_sweep import (
    Recorder,
    assert_complete,
    assert_same,
    small_spec,
    what_is_left,
)


def test_interrupted_at_random_points(each: Reference, storage_url: str) -> None:
    """Again and again, with another number of workers each time."""
    draw = random.Random(each.setup.spec.search.sampler)
    interrupted = 0
    while True:
        launcher = Recorder(interrupt_at=draw.randrange(4), workers=draw.randrange(1, 5))
        try:
            outcome = run(each.setup, storage_url, launcher)
            break
        except Interrupted:
            interrupted += 1
    assert interrupted
    assert outcome.complete == each.budget
    assert_same(what_is_left(storage_url), each.left)


def test_a_trial_that_was_told_when_the_interrupt_came_is_counted(
    reference: Reference, monkeypatch: pytest.MonkeyPatch, begun: Begin
) -> None:
    tell = RDBStorage.set_trial_state_values

    def interrupted(*arguments: Any, **settings: Any) -> bool:
        tell(*arguments, **settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(RDBStorage, "set_trial_state_values", interrupted)
    storage = begun(reference)
    with pytest.raises(Interrupted) as stopped:
        run(reference.setup, storage)
    assert stopped.value.outcome.complete == what_is_left(storage).states.count("COMPLETE") == 1


def test_a_launcher_brings_nothing_of_an_interrupted_sweep_to_the_next_one(
    reference: Reference, tmp_path: Path, storage_url: str, begun: Begin
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, TrialDone):
            raise KeyboardInterrupt

    launcher = InlineLauncher()
    with pytest.raises(Interrupted):
        run_sweep(small_spec(tmp_path, "seed=4"), storage=storage_url, launcher=launcher, on_event=stop)
    storage = begun(reference)
    run(reference.setup, storage, launcher)
    assert_same(what_is_left(storage), reference.left)


def resumable(reference: Reference, stored: int, frontier: Sequence[str]) -> list[str]:
    """States of the first ``stored`` trials: of the last two batches those given, before that told."""
    stored = min(stored, reference.budget)
    start = max(0, stored - stored % reference.batch - reference.setup.spec.search.lag * reference.batch)
    return ["told"] * start + list(frontier[: stored - start])


@given(stored=st.integers(0, 17), frontier=st.lists(st.sampled_from(STATES), min_size=10, max_size=10))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_resumed_from_any_state(
    references: dict[str, Reference], begun: Begin, stored: int, frontier: list[str]
) -> None:
    reference = references["tpe"]
    storage, states = begun(reference), resumable(reference, stored, frontier)
    leave(reference, storage, states)
    launcher = Recorder()
    outcome = run(reference.setup, storage, launcher)
    left = what_is_left(storage)
    assert_same(left, reference.left)
    assert_complete(left, reference.budget)
    # What was saved is not trained again, all else is, once.
    stored = len(states)
    assert sorted(launcher.trained) == [n for n in range(reference.budget) if n >= stored or states[n] == "running"]
    assert outcome.told == reference.budget - states.count("told")


@given(stored=st.integers(1, 17), frontier=st.lists(st.sampled_from(STATES + FAILED), min_size=10, max_size=10))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_resumed_with_failed_trials(
    references: dict[str, Reference], begun: Begin, stored: int, frontier: list[str]
) -> None:
    """Others take their place: the budget is met exactly, and no trial is trained, told or asked twice."""
    reference = references["tpe"]
    storage, states = begun(reference), resumable(reference, stored, frontier)
    leave(reference, storage, states)
    launcher = Recorder()
    outcome = run(reference.setup, storage, launcher)
    failed = [number for number, state in enumerate(states) if state in FAILED]
    left = what_is_left(storage)
    asked = reference.budget + len(failed)
    assert left.states == ["FAIL" if number in failed else "COMPLETE" for number in range(asked)]
    assert (outcome.complete, outcome.failed) == (reference.budget, len(failed))
    assert len({tuple(sorted(params.items())) for params in left.params}) == asked
    assert left.params[: len(states)] == reference.left.params[: len(states)]
    untrained = {number for number, state in enumerate(states) if state != "running"}
    assert sorted(launcher.trained) == sorted(set(range(asked)) - untrained)
    assert outcome.told == reference.budget - states.count("told")


def test_killed_before_the_study_was_made_or_marked(reference: Reference, begun: Begin) -> None:
    for half_made in (False, True):
        storage = begun(reference)
        with Store.open(storage) as store, optuna_storage(store) as tables:
            optuna.delete_study(study_name="small", storage=tables)
            if half_made:
                optuna.create_study(study_name="small", storage=tables, direction="maximize")
        run(reference.setup, storage)
        assert_same(what_is_left(storage), reference.left)


def test_a_larger_budget_goes_on_as_if_it_had_been_asked_for_at_once(each: Reference, storage_url: str) -> None:
    first = each.budget - 3
    assert first % each.batch  # it ends in the middle of a batch
    run(each.with_trials(first), storage_url)
    assert_complete(what_is_left(storage_url), first)
    outcome = run(each.setup, storage_url)
    assert (outcome.complete, outcome.told) == (each.budget, 3)
    assert_same(what_is_left(storage_url), each.left)
    with Store.open(storage_url) as store:
        record = store.sweep("small")
        assert record is not None
        assert record.trials == each.budget


def test_another_trial_takes_the_place_of_a_failed_one(reference: Reference, begun: Begin) -> None:
    storage = begun(reference)
    leave(reference, storage, ["told"] * 4 + ["running"] * 2)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.load_study(study_name="small", storage=tables).tell(5, state=TrialState.FAIL)
    outcome = run(reference.setup, storage)
    assert (outcome.complete, outcome.failed) == (reference.budget, 1)
    left = what_is_left(storage)
    assert left.states == ["COMPLETE"] * 5 + ["FAIL"] + ["COMPLETE"] * (reference.budget - 5)
    assert left.params[:6] == reference.left.params[:6]
    assert len({tuple(sorted(params.items())) for params in left.params}) == reference.budget + 1


def test_a_trial_failed_by_somebody_while_it_trains(reference: Reference, storage_url: str) -> None:
    class Meddler(Recorder):
        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            for done in super().finished(waiting):
                if 7 in done.job.numbers:
                    with Store.open(storage_url) as store, optuna_storage(store) as tables:
                        optuna.load_study(study_name="small", storage=tables).tell(7, state=TrialState.FAIL)
                yield done

    outcome = run(reference.setup, storage_url, Meddler())
    assert (outcome.complete, outcome.failed) == (reference.budget, 1)
    assert what_is_left(storage_url).states.count("RUNNING") == 0


def test_a_failed_trial_of_a_space_that_is_used_up(
    tmp_path: Path, storage_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can take its place: the sweep ends without it, and so does a resume."""
    fixed = ("learning_rate=0.1", "momentum=0.9", "max_norm=off", "lr_decay=1.0", "weight_decay=0.0", "placement=input")
    searched = ("dropout={choices = [0.2, 0.5]}",)
    space = [f"space.{one}" for one in fixed + searched]
    setup = prepare(small_spec(tmp_path, *space, "network.hidden=[4]", "search.trials=2"))

    class Meddler(Recorder):
        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            with Store.open(storage_url) as store, optuna_storage(store) as tables:
                optuna.load_study(study_name="small", storage=tables).tell(1, state=TrialState.FAIL)
            yield from super().finished(waiting)

    for launcher in (Meddler(), Recorder()):
        caplog.clear()
        outcome = run(setup, storage_url, launcher)
        assert (outcome.complete, outcome.failed, outcome.budget) == (1, 1, 2)
        assert "small ends with 1 of 2 trials: 1 failed" in caplog.text
    with Store.open(storage_url) as store, optuna_storage(store) as tables:
        optuna.load_study(study_name="small", storage=tables).add_trial(create_trial(value=1.0))
    with pytest.raises(MismatchError, match=r"trial 2 .* \(the space has no more configurations\)"):
        run(setup, storage_url)
