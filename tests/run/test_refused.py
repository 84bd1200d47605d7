"""What a run refuses to go on with, and what it notices on the way."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from sqlalchemy import create_engine

from sweep.data import Dataset
from sweep.errors import MismatchError, StorageError
from sweep.folds import Folds
from sweep.launch.base import BlockDone, nothing
from sweep.run.prepare import prepare
from sweep.run.study import optuna_storage
from sweep.store.store import Store
from tests.contents import everything
from tests.run.reference import Begin, Reference, leave, run
from tests.small_sweep import (
    Recorder,
    assert_same,
    small_spec,
    what_is_left,
    write_table,
)

ROUNDING = {
    "sqlite": [
        "CREATE TRIGGER rounding AFTER INSERT ON trial_params WHEN NEW.param_name = 'momentum' BEGIN "
        "UPDATE trial_params SET param_value = round(param_value, 3) WHERE param_id = NEW.param_id; END"
    ],
    "postgresql": [
        "CREATE FUNCTION rounded() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.param_value := round(NEW.param_value::numeric, 3); RETURN NEW; END'",
        "CREATE TRIGGER rounding BEFORE INSERT ON trial_params FOR EACH ROW "
        "WHEN (NEW.param_name = 'momentum') EXECUTE FUNCTION rounded()",
    ],
}


def test_another_definition_under_the_same_name(reference: Reference, tmp_path: Path, begun: Begin) -> None:
    storage = begun(reference)
    before = everything(storage)
    spec = dataclasses.replace(reference.setup.spec, seed=4)
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=5))
    with pytest.raises(MismatchError) as refused:
        run(prepare(spec), storage)
    assert str(refused.value).splitlines()[1:] == ["  seed: 3 → 4", "  training.epochs: 3 → 5"]
    assert everything(storage) == before


def test_another_table_under_the_same_name(tmp_path: Path, storage_url: str) -> None:
    first = prepare(small_spec(tmp_path, "search.trials=3"))
    run(first, storage_url)
    write_table(tmp_path, seed=1)
    second = prepare(first.spec)
    with pytest.raises(MismatchError) as refused:
        run(second, storage_url)
    for setup in (first, second):
        assert setup.data.info.content_hash in str(refused.value)


def test_the_same_table_by_another_path(reference: Reference, tmp_path: Path, begun: Begin) -> None:
    spec = reference.setup.spec
    copy = shutil.copyfile(spec.data.source, tmp_path / "copy.csv")
    moved = prepare(dataclasses.replace(spec, data=dataclasses.replace(spec.data, source=str(copy))))
    storage = begun(reference)
    assert run(moved, storage).complete == reference.budget
    assert_same(what_is_left(storage), reference.left)


def test_rows_whose_predictions_are_stored_are_settled_when_a_sweep_begins(
    tmp_path: Path, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version may keep others: all trials of a sweep are compared on the same ones."""
    monkeypatch.setattr("sweep.run.prepare.KEPT_ROWS", 10)
    run(prepare(small_spec(tmp_path, "search.trials=3")), storage_url)
    monkeypatch.setattr("sweep.run.prepare.KEPT_ROWS", 20)
    run(prepare(small_spec(tmp_path, "search.trials=6")), storage_url)
    shapes = [predictions.shape for _, _, _, predictions in what_is_left(storage_url).results.values()]
    assert shapes == [(2, 1, 10, 1)] * 6


def test_a_smaller_budget(reference: Reference, begun: Begin) -> None:
    with pytest.raises(MismatchError, match=r"search\.trials may only grow: .* 12 trials, however: 9"):
        run(reference.with_trials(9), begun(reference))


def test_a_study_that_is_not_ours(reference: Reference, storage_url: str) -> None:
    with Store.open(storage_url, create=True) as store, optuna_storage(store) as tables:
        optuna.create_study(study_name="small", storage=tables)
    with pytest.raises(MismatchError, match="the name small belongs to an Optuna study"):
        run(reference.setup, storage_url)
    with Store.open(storage_url) as store:
        assert store.sweeps() == []


def test_a_study_that_took_the_place_of_ours(reference: Reference, begun: Begin) -> None:
    storage = begun(reference)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
        optuna.create_study(study_name="small", storage=tables).add_trial(create_trial(value=1.0))
    with pytest.raises(MismatchError, match="the name small belongs to an Optuna study"):
        run(reference.setup, storage)


def test_a_study_that_was_deleted(reference: Reference, begun: Begin) -> None:
    storage = begun(reference)
    leave(reference, storage, ["told"] * 2)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
    with pytest.raises(MismatchError, match=r"deleted or renamed .* \(2 trials\) are still there"):
        run(reference.setup, storage)


@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.COMPLETE])
def test_a_study_with_trials_of_others(reference: Reference, state: TrialState, begun: Begin) -> None:
    storage = begun(reference)
    leave(reference, storage, ["told"] * 2)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        study.add_trial(create_trial(state=state, value=1.0 if state == TrialState.COMPLETE else None))
    with pytest.raises(MismatchError, match=r"trial 2 of the study small .* was not made by this sweep"):
        run(reference.setup, storage)


def test_a_study_that_changes_while_it_runs(reference: Reference, begun: Begin) -> None:
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
        storage = begun(reference)
        with pytest.raises(StorageError, match=message):
            run(reference.setup, storage, Meddler(storage, delete=delete))


def test_a_second_run_of_the_same_sweep_adds_nothing(reference: Reference, begun: Begin) -> None:
    storage = begun(reference)

    class Overtaken(Recorder):
        """Another run asks the first batch while this one hands it to its workers."""

        def share(self, data: Dataset, folds: Folds) -> None:
            super().share(data, folds)
            leave(reference, storage, ["running"] * reference.batch)

    with pytest.raises(StorageError, match="another program adds trials"):
        run(reference.setup, storage, Overtaken())
    assert what_is_left(storage).params == reference.left.params[: reference.batch]


def test_a_study_that_holds_other_parameters_than_were_asked(
    reference: Reference, tmp_path: Path, begun: Begin
) -> None:
    """The numbers are as expected, but what is stored under them is not what trains."""
    storage = begun(reference)
    with Store.open(storage) as store:
        engine = create_engine(store.url)
    with engine.begin() as connection:
        for statement in ROUNDING[engine.dialect.name]:
            connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(StorageError, match="another program adds trials"):
        run(reference.setup, storage)
    assert what_is_left(storage).results == {}


def test_a_study_with_a_trial_twice(reference: Reference, begun: Begin) -> None:
    storage = begun(reference)
    leave(reference, storage, ["told"] * 3)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        first = reference.trials[0]  # of the arm whose turn it is
        optuna.load_study(study_name="small", storage=tables).add_trial(
            create_trial(state=TrialState.RUNNING, params=first.params, distributions=first.distributions)
        )
    with pytest.raises(MismatchError, match=r"trial 3 of the study small .* must differ from every earlier one"):
        run(reference.setup, storage)
