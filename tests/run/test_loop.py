"""The run loop against real databases: the exact budget, and what it tells."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from sweep.analysis.status import status
from sweep.metrics import direction
from sweep.run.events import Event, Finished, Interrupted, Prepared, Started, TrialDone
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.run.study import optuna_storage
from sweep.store.store import Store
from tests.run.reference import Reference, run
from tests.small_sweep import (
    Recorder,
    assert_complete,
    assert_same,
    small_spec,
    what_is_left,
)


def told(storage: str) -> list[float]:
    """The values of a study, all of which are there."""
    values = what_is_left(storage).values
    return [value for value in values if value is not None]


def test_a_run_says_that_it_is_at_work_until_it_ends(reference: Reference, storage_url: str) -> None:
    storage, states = storage_url, []

    def state() -> str:
        with Store.open(storage) as store:
            return status(store, "small").state

    def stop(event: Event) -> None:
        states.append(state())
        if isinstance(event, TrialDone):
            raise KeyboardInterrupt

    setup = reference.setup
    with pytest.raises(Interrupted):
        run_sweep(setup.spec, storage=storage, launcher=Recorder(), setup=setup, on_event=stop)
    assert (states[-1], state()) == ("running", "paused")
    run(setup, storage, Recorder())
    assert state() == "done"


def test_the_budget_is_met_exactly(each: Reference) -> None:
    assert_complete(each.left, each.budget)
    for number, (_, result) in each.trained.items():
        assert each.left.values[number] == result.score == each.left.results[number][1]


def test_arms_take_turns(reference: Reference) -> None:
    placements = [params["placement"] for params in reference.left.params]
    assert placements == ["none", "input", "all"] * 4


def test_a_budget_that_is_no_multiple_of_the_batch(tmp_path: Path, storage_url: str) -> None:
    setup = prepare(small_spec(tmp_path, "search.trials=7", "search.batch=4"))
    assert setup.budget.trials == 9
    outcome = run(setup, storage_url)
    assert (outcome.budget, outcome.complete, outcome.told) == (9, 9, 9)
    assert_complete(what_is_left(storage_url), 9)


def test_what_a_run_tells(tmp_path: Path, storage_url: str, caplog: pytest.LogCaptureFixture) -> None:
    setup = prepare(small_spec(tmp_path, "search.trials=6"))
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        raise RuntimeError("a display that fails")

    outcome = run_sweep(setup.spec, storage=storage_url, launcher=Recorder(), on_event=listen)
    prepared, started, *done, finished = events
    assert isinstance(prepared, Prepared)
    assert (prepared.folds, prepared.scheme, prepared.metric) == (3, "stratified", "accuracy")
    assert isinstance(started, Started)
    assert (started.resumed, started.finished, started.budget, started.best) == (False, 0, 6, {})
    assert [event.finished for event in done if isinstance(event, TrialDone)] == [1, 2, 3, 4, 5, 6]
    assert finished == Finished(outcome)
    assert "on_event failed on TrialDone" in caplog.text

    values = told(storage_url)
    last = events[-2]
    assert isinstance(last, TrialDone)
    assert {name: best.score for name, best in last.best.items()} == {
        "none": max(values[0], values[3]),
        "input": max(values[1], values[4]),
        "all": max(values[2], values[5]),
    }
    assert outcome.best is not None
    assert (outcome.best.number, outcome.best.score) == (values.index(outcome.best.score), max(values))


def test_a_finished_sweep_trains_nothing_more(reference: Reference, storage_url: str) -> None:
    storage = storage_url
    run(reference.setup, storage)
    launcher = Recorder()
    outcome = run(reference.setup, storage, launcher)
    assert (outcome.complete, outcome.told, launcher.jobs) == (reference.budget, 0, [])
    assert_same(what_is_left(storage), reference.left)


def test_the_metric_decides_what_is_best(tmp_path: Path, storage_url: str) -> None:
    assert direction("log_loss") == "minimize"
    setup = prepare(small_spec(tmp_path, "validation.metric=log_loss", "search.trials=6"))
    outcome = run(setup, storage_url)
    assert outcome.best is not None
    assert outcome.best.score == min(told(storage_url))
    with Store.open(storage_url) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        assert study.direction.name == "MINIMIZE"
        assert study.best_value == outcome.best.score


def test_blocks_hold_trials_of_one_shape(reference: Reference, storage_url: str) -> None:
    launcher = Recorder(workers=2)
    run(reference.setup, storage_url, launcher)
    assert all(len({trial.hidden for trial in job.trials}) == 1 for job in launcher.jobs)
    assert_same(what_is_left(storage_url), reference.left)
