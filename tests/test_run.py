"""The run loop against real databases: the exact budget, and any interruption without a trace."""

from __future__ import annotations

import dataclasses
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.analysis.status import status
from sweep.data import Dataset
from sweep.errors import MismatchError, StorageError
from sweep.folds import Folds
from sweep.launch.base import BlockDone, Launcher, nothing
from sweep.launch.inline import InlineLauncher
from sweep.metrics import direction
from sweep.run.events import Event, Finished, Interrupted, Outcome, Prepared, Started, TrialDone
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prepare
from sweep.run.study import optuna_storage
from sweep.store.store import Store
from tests.small_sweep import (
    Left,
    Recorder,
    Trained,
    assert_complete,
    assert_same,
    small_spec,
    what_is_left,
    write_table,
)

# TPE draws at random until an arm has ten finished trials: one arm, so that it comes to think.
SWEEPS = {
    "tpe": ("search.sampler=tpe", "space.placement=all", "search.trials=18", "search.batch=4"),
    "random": ("search.sampler=random", "search.trials=12", "search.batch=5"),
}


@dataclass(frozen=True)
class Reference:
    """An undisturbed run on SQLite.

    Attributes:
        setup: Of the sweep.
        left: What it left.
        trials: Those of its study.
        trained: Everything it trained.
        empty: A database in which the sweep is stored, and nothing asked.
    """

    setup: Setup
    left: Left
    trials: list[FrozenTrial]
    trained: Trained
    empty: Path

    @property
    def budget(self) -> int:
        return self.setup.budget.trials

    @property
    def batch(self) -> int:
        return self.setup.spec.search.batch

    def begun(self, folder: Path) -> str:
        """URL of a copy of ``empty``."""
        return f"sqlite:///{shutil.copyfile(self.empty, folder / 'begun.db')}"

    def with_trials(self, trials: int) -> Setup:
        """The same with another budget."""
        spec = self.setup.spec
        return prepare(dataclasses.replace(spec, search=dataclasses.replace(spec.search, trials=trials)))


def make_reference(sampler: str, folder: Path) -> Reference:
    setup = prepare(small_spec(folder, *SWEEPS[sampler]))
    storage = f"sqlite:///{folder / 'undisturbed.db'}"
    launcher = Recorder()
    run(setup, storage, launcher)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        trials = optuna.load_study(study_name="small", storage=tables).get_trials()

    def stop(event: Event) -> None:
        if isinstance(event, Started):
            raise KeyboardInterrupt

    empty = folder / "empty.db"
    with pytest.raises(Interrupted):
        run_sweep(setup.spec, storage=f"sqlite:///{empty}", launcher=Recorder(), setup=setup, on_event=stop)
    return Reference(setup, what_is_left(storage), trials, launcher.trained, empty)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reference]:
    return {sampler: make_reference(sampler, tmp_path_factory.mktemp(sampler)) for sampler in SWEEPS}


@pytest.fixture
def reference(references: dict[str, Reference]) -> Reference:
    return references["random"]


@pytest.fixture(params=SWEEPS)
def each(request: pytest.FixtureRequest, references: dict[str, Reference]) -> Reference:
    return references[request.param]


def run(setup: Setup, storage: str, launcher: Launcher | None = None) -> Outcome:
    return run_sweep(setup.spec, storage=storage, launcher=launcher or Recorder(), setup=setup)


def told(storage: str) -> list[float]:
    """The values of a study, all of which are there."""
    values = what_is_left(storage).values
    return [value for value in values if value is not None]


# --- an undisturbed run -----------------------------------------------------------------------------------------------


def test_a_run_says_that_it_is_at_work_until_it_ends(reference: Reference, tmp_path: Path) -> None:
    storage, states = f"sqlite:///{tmp_path / 'sweep.db'}", []

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


def test_a_budget_that_is_no_multiple_of_the_batch(tmp_path: Path, sqlite_url: str) -> None:
    setup = prepare(small_spec(tmp_path, "search.trials=7", "search.batch=4"))
    assert setup.budget.trials == 9
    outcome = run(setup, sqlite_url)
    assert (outcome.budget, outcome.complete, outcome.told) == (9, 9, 9)
    assert_complete(what_is_left(sqlite_url), 9)


def test_what_a_run_tells(tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    setup = prepare(small_spec(tmp_path, "search.trials=6"))
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        raise RuntimeError("a display that fails")

    outcome = run_sweep(setup.spec, storage=sqlite_url, launcher=Recorder(), on_event=listen)
    prepared, started, *done, finished = events
    assert isinstance(prepared, Prepared)
    assert (prepared.folds, prepared.scheme, prepared.metric) == (3, "stratified", "accuracy")
    assert isinstance(started, Started)
    assert (started.resumed, started.finished, started.budget, started.best) == (False, 0, 6, {})
    assert [event.finished for event in done if isinstance(event, TrialDone)] == [1, 2, 3, 4, 5, 6]
    assert finished == Finished(outcome)
    assert "on_event failed on TrialDone" in caplog.text

    values = told(sqlite_url)
    last = events[-2]
    assert isinstance(last, TrialDone)
    assert {name: best.score for name, best in last.best.items()} == {
        "none": max(values[0], values[3]),
        "input": max(values[1], values[4]),
        "all": max(values[2], values[5]),
    }
    assert outcome.best is not None
    assert (outcome.best.number, outcome.best.score) == (values.index(outcome.best.score), max(values))


def test_a_finished_sweep_trains_nothing_more(reference: Reference, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'sweep.db'}"
    run(reference.setup, storage)
    launcher = Recorder()
    outcome = run(reference.setup, storage, launcher)
    assert (outcome.complete, outcome.told, launcher.jobs) == (reference.budget, 0, [])
    assert_same(what_is_left(storage), reference.left)


def test_the_metric_decides_what_is_best(tmp_path: Path, sqlite_url: str) -> None:
    assert direction("log_loss") == "minimize"
    setup = prepare(small_spec(tmp_path, "validation.metric=log_loss", "search.trials=6"))
    outcome = run(setup, sqlite_url)
    assert outcome.best is not None
    assert outcome.best.score == min(told(sqlite_url))
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        assert study.direction.name == "MINIMIZE"
        assert study.best_value == outcome.best.score


# --- interrupted and gone on with -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sampler", "database"), [("random", "sqlite_url"), ("tpe", "postgres_url")])
def test_interrupted_at_random_points(
    sampler: str, database: str, references: dict[str, Reference], request: pytest.FixtureRequest
) -> None:
    """Again and again, with another number of workers each time; on both databases."""
    reference = references[sampler]
    storage: str = request.getfixturevalue(database)
    draw = random.Random(sampler)
    interrupted = 0
    while True:
        launcher = Recorder(interrupt_at=draw.randrange(4), workers=draw.randrange(1, 5))
        try:
            outcome = run(reference.setup, storage, launcher)
            break
        except Interrupted:
            interrupted += 1
    assert interrupted
    assert outcome.complete == reference.budget
    assert_same(what_is_left(storage), reference.left)


def test_a_trial_that_was_told_when_the_interrupt_came_is_counted(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = RDBStorage.set_trial_state_values

    def interrupted(*arguments: Any, **settings: Any) -> bool:
        tell(*arguments, **settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(RDBStorage, "set_trial_state_values", interrupted)
    storage = reference.begun(tmp_path)
    with pytest.raises(Interrupted) as stopped:
        run(reference.setup, storage)
    assert stopped.value.outcome.complete == what_is_left(storage).states.count("COMPLETE") == 1


def test_a_launcher_brings_nothing_of_an_interrupted_sweep_to_the_next_one(
    reference: Reference, tmp_path: Path, sqlite_url: str
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, TrialDone):
            raise KeyboardInterrupt

    launcher = InlineLauncher()
    with pytest.raises(Interrupted):
        run_sweep(small_spec(tmp_path, "seed=4"), storage=sqlite_url, launcher=launcher, on_event=stop)
    storage = reference.begun(tmp_path)
    run(reference.setup, storage, launcher)
    assert_same(what_is_left(storage), reference.left)


STATES = ("running", "saved", "told")


@given(stored=st.integers(0, 17), frontier=st.lists(st.sampled_from(STATES), min_size=10, max_size=10))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_resumed_from_any_state(
    references: dict[str, Reference], tmp_path: Path, stored: int, frontier: list[str]
) -> None:
    """The first ``stored`` trials were asked; of the last two batches they are in the given states, before told."""
    reference = references["tpe"]
    storage = reference.begun(tmp_path)
    stored = min(stored, reference.budget)
    start = max(0, stored - stored % reference.batch - reference.setup.spec.search.lag * reference.batch)
    states = ["told"] * start + frontier[: stored - start]
    leave(reference, storage, states)

    launcher = Recorder()
    outcome = run(reference.setup, storage, launcher)
    left = what_is_left(storage)
    assert_same(left, reference.left)
    assert_complete(left, reference.budget)
    # What was saved is not trained again, all else is, once.
    assert sorted(launcher.trained) == [n for n in range(reference.budget) if n >= stored or states[n] == "running"]
    assert outcome.told == reference.budget - states.count("told")


def leave(reference: Reference, storage: str, states: Sequence[str]) -> None:
    """Leaves a database as a killed run would."""
    with Store.open(storage) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        record = store.sweep("small")
        assert record is not None
        for number, state in enumerate(states):
            trial = reference.trials[number]
            study.add_trial(
                create_trial(state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions)
            )
            if state in ("saved", "told"):
                store.save_trials(record.key, [reference.trained[number]])
            if state == "told":
                study.tell(number, trial.value)


def test_killed_before_the_study_was_made_or_marked(reference: Reference, tmp_path: Path) -> None:
    for half_made in (False, True):
        storage = reference.begun(tmp_path)
        with Store.open(storage) as store, optuna_storage(store) as tables:
            optuna.delete_study(study_name="small", storage=tables)
            if half_made:
                optuna.create_study(study_name="small", storage=tables, direction="maximize")
        run(reference.setup, storage)
        assert_same(what_is_left(storage), reference.left)


def test_a_larger_budget_goes_on_as_if_it_had_been_asked_for_at_once(each: Reference, sqlite_url: str) -> None:
    first = each.budget - 3
    assert first % each.batch  # it ends in the middle of a batch
    run(each.with_trials(first), sqlite_url)
    assert_complete(what_is_left(sqlite_url), first)
    outcome = run(each.setup, sqlite_url)
    assert (outcome.complete, outcome.told) == (each.budget, 3)
    assert_same(what_is_left(sqlite_url), each.left)
    with Store.open(sqlite_url) as store:
        record = store.sweep("small")
        assert record is not None
        assert record.trials == each.budget


def test_another_trial_takes_the_place_of_a_failed_one(reference: Reference, tmp_path: Path) -> None:
    storage = reference.begun(tmp_path)
    leave(reference, storage, ["told"] * 4 + ["running"] * 2)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.load_study(study_name="small", storage=tables).tell(5, state=TrialState.FAIL)
    outcome = run(reference.setup, storage)
    assert (outcome.complete, outcome.failed) == (reference.budget, 1)
    left = what_is_left(storage)
    assert left.states == ["COMPLETE"] * 5 + ["FAIL"] + ["COMPLETE"] * (reference.budget - 5)
    assert left.params[:6] == reference.left.params[:6]
    assert len({tuple(sorted(params.items())) for params in left.params}) == reference.budget + 1


def test_a_trial_failed_by_somebody_while_it_trains(reference: Reference, sqlite_url: str) -> None:
    class Meddler(Recorder):
        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            for done in super().finished(waiting):
                if 7 in done.job.numbers:
                    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
                        optuna.load_study(study_name="small", storage=tables).tell(7, state=TrialState.FAIL)
                yield done

    outcome = run(reference.setup, sqlite_url, Meddler())
    assert (outcome.complete, outcome.failed) == (reference.budget, 1)
    assert what_is_left(sqlite_url).states.count("RUNNING") == 0


def test_a_failed_trial_of_a_space_that_is_used_up(
    tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can take its place: the sweep ends without it, and so does a resume."""
    fixed = ("learning_rate=0.1", "momentum=0.9", "max_norm=off", "lr_decay=1.0", "weight_decay=0.0", "placement=input")
    searched = ("dropout={choices = [0.2, 0.5]}",)
    space = [f"space.{one}" for one in fixed + searched]
    setup = prepare(small_spec(tmp_path, *space, "network.hidden=[4]", "search.trials=2"))

    class Meddler(Recorder):
        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
                optuna.load_study(study_name="small", storage=tables).tell(1, state=TrialState.FAIL)
            yield from super().finished(waiting)

    for launcher in (Meddler(), Recorder()):
        caplog.clear()
        outcome = run(setup, sqlite_url, launcher)
        assert (outcome.complete, outcome.failed, outcome.budget) == (1, 1, 2)
        assert "small ends with 1 of 2 trials: 1 failed" in caplog.text
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        optuna.load_study(study_name="small", storage=tables).add_trial(create_trial(value=1.0))
    with pytest.raises(MismatchError, match=r"trial 2 .* \(the space has no more configurations\)"):
        run(setup, sqlite_url)


# --- refused ----------------------------------------------------------------------------------------------------------


def test_another_definition_under_the_same_name(reference: Reference, tmp_path: Path) -> None:
    storage = reference.begun(tmp_path)
    before = reference.empty.read_bytes()
    spec = dataclasses.replace(reference.setup.spec, seed=4)
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=5))
    with pytest.raises(MismatchError) as refused:
        run(prepare(spec), storage)
    assert str(refused.value).splitlines()[1:] == ["  seed: 3 → 4", "  training.epochs: 3 → 5"]
    assert (tmp_path / "begun.db").read_bytes() == before


def test_another_table_under_the_same_name(tmp_path: Path, sqlite_url: str) -> None:
    first = prepare(small_spec(tmp_path, "search.trials=3"))
    run(first, sqlite_url)
    write_table(tmp_path, seed=1)
    second = prepare(first.spec)
    with pytest.raises(MismatchError) as refused:
        run(second, sqlite_url)
    for setup in (first, second):
        assert setup.data.info.content_hash in str(refused.value)


def test_the_same_table_by_another_path(reference: Reference, tmp_path: Path) -> None:
    spec = reference.setup.spec
    copy = shutil.copyfile(spec.data.source, tmp_path / "copy.csv")
    moved = prepare(dataclasses.replace(spec, data=dataclasses.replace(spec.data, source=str(copy))))
    storage = reference.begun(tmp_path)
    assert run(moved, storage).complete == reference.budget
    assert_same(what_is_left(storage), reference.left)


def test_rows_whose_predictions_are_stored_are_settled_when_a_sweep_begins(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version may keep others: all trials of a sweep are compared on the same ones."""
    monkeypatch.setattr("sweep.run.prepare.KEPT_ROWS", 10)
    run(prepare(small_spec(tmp_path, "search.trials=3")), sqlite_url)
    monkeypatch.setattr("sweep.run.prepare.KEPT_ROWS", 20)
    run(prepare(small_spec(tmp_path, "search.trials=6")), sqlite_url)
    shapes = [predictions.shape for _, _, _, predictions in what_is_left(sqlite_url).results.values()]
    assert shapes == [(2, 1, 10, 1)] * 6


def test_a_smaller_budget(reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match=r"search\.trials may only grow: .* 12 trials, however: 9"):
        run(reference.with_trials(9), reference.begun(tmp_path))


def test_a_study_that_is_not_ours(reference: Reference, sqlite_url: str) -> None:
    with Store.open(sqlite_url, create=True) as store, optuna_storage(store) as tables:
        optuna.create_study(study_name="small", storage=tables)
    with pytest.raises(MismatchError, match="the name small belongs to an Optuna study"):
        run(reference.setup, sqlite_url)
    with Store.open(sqlite_url) as store:
        assert store.sweeps() == []


def test_a_study_that_took_the_place_of_ours(reference: Reference, tmp_path: Path) -> None:
    storage = reference.begun(tmp_path)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
        optuna.create_study(study_name="small", storage=tables).add_trial(create_trial(value=1.0))
    with pytest.raises(MismatchError, match="the name small belongs to an Optuna study"):
        run(reference.setup, storage)


def test_a_study_that_was_deleted(reference: Reference, tmp_path: Path) -> None:
    storage = reference.begun(tmp_path)
    leave(reference, storage, ["told"] * 2)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
    with pytest.raises(MismatchError, match=r"deleted or renamed .* \(2 trials\) are still there"):
        run(reference.setup, storage)


@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.COMPLETE])
def test_a_study_with_trials_of_others(reference: Reference, tmp_path: Path, state: TrialState) -> None:
    storage = reference.begun(tmp_path)
    leave(reference, storage, ["told"] * 2)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        study.add_trial(create_trial(state=state, value=1.0 if state == TrialState.COMPLETE else None))
    with pytest.raises(MismatchError, match=r"trial 2 of the study small .* was not made by this sweep"):
        run(reference.setup, storage)


def test_a_study_that_changes_while_it_runs(reference: Reference, tmp_path: Path) -> None:
    class Meddler(Recorder):
        def __init__(self, storage: str, *, delete: bool) -> None:
            super().__init__()
            self._storage, self._delete = storage, delete

        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            for done in super().finished(waiting):
                yield done
                self._meddle()

        def _meddle(self) -> None:
            with Store.open(self._storage) as store, optuna_storage(store) as tables:
                if self._delete:
                    optuna.delete_study(study_name="small", storage=tables)
                else:
                    optuna.load_study(study_name="small", storage=tables).ask()

    for delete, message in ((False, "another program adds trials"), (True, "changed or deleted while it ran")):
        storage = reference.begun(tmp_path)
        with pytest.raises(StorageError, match=message):
            run(reference.setup, storage, Meddler(storage, delete=delete))


def test_a_second_run_of_the_same_sweep_adds_nothing(reference: Reference, tmp_path: Path) -> None:
    storage = reference.begun(tmp_path)

    class Overtaken(Recorder):
        """Another run asks the first batch while this one hands it to its workers."""

        def share(self, data: Dataset, folds: Folds) -> None:
            super().share(data, folds)
            leave(reference, storage, ["running"] * reference.batch)

    with pytest.raises(StorageError, match="another program adds trials"):
        run(reference.setup, storage, Overtaken())
    assert what_is_left(storage).params == reference.left.params[: reference.batch]


def test_a_study_that_holds_other_parameters_than_were_asked(reference: Reference, tmp_path: Path) -> None:
    """The numbers are as expected, but what is stored under them is not what trains."""
    storage = reference.begun(tmp_path)
    with closing(sqlite3.connect(tmp_path / "begun.db")) as connection:
        connection.execute(
            "CREATE TRIGGER rounding AFTER INSERT ON trial_params WHEN NEW.param_name = 'momentum' BEGIN "
            "UPDATE trial_params SET param_value = round(param_value, 3) WHERE param_id = NEW.param_id; END"
        )
    with pytest.raises(StorageError, match="another program adds trials"):
        run(reference.setup, storage)
    assert what_is_left(storage).results == {}


def test_a_study_with_a_trial_twice(reference: Reference, tmp_path: Path) -> None:
    storage = reference.begun(tmp_path)
    leave(reference, storage, ["told"] * 3)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        first = reference.trials[0]  # of the arm whose turn it is
        optuna.load_study(study_name="small", storage=tables).add_trial(
            create_trial(state=TrialState.RUNNING, params=first.params, distributions=first.distributions)
        )
    with pytest.raises(MismatchError, match=r"trial 3 of the study small .* must differ from every earlier one"):
        run(reference.setup, storage)


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_blocks_hold_trials_of_one_shape(reference: Reference, sqlite_url: str) -> None:
    launcher = Recorder(workers=2)
    run(reference.setup, sqlite_url, launcher)
    assert all(len({trial.hidden for trial in job.trials}) == 1 for job in launcher.jobs)
    assert_same(what_is_left(sqlite_url), reference.left)
