"""The trials of a study as a run writes them: what that costs, and what others may do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from optuna.trial import TrialState
from sqlalchemy import event

from sweep.errors import StorageError
from sweep.run.study import optuna_storage
from sweep.run.trials import End, StudyTrials
from sweep.space.proposer import Proposal, Proposer
from sweep.store.store import Store
from tests.small_sweep import small_spec

BATCH = 5


@pytest.fixture
def made(tmp_path: Path, storage_url: str) -> Iterator[SimpleNamespace]:
    """Trials of a study, Optuna's own view of it, and what proposes them."""
    with Store.open(storage_url, create=True) as store, optuna_storage(store) as tables:
        study = optuna.create_study(storage=tables, study_name="small", direction="maximize")
        trials = StudyTrials(study, tables, store.shown)
        spec = small_spec(
            tmp_path, "search.trials=400", "network.hidden=[4]", "space.placement=all"
        )  # equally many parameters
        yield SimpleNamespace(trials=trials, study=study, tables=tables, proposer=Proposer(spec, "maximize"))


def batch(made: SimpleNamespace, first: int) -> list[Proposal]:
    """The next ones, all before them told."""
    for number in range(max(0, first - BATCH), first):
        made.proposer.observe(number, 0.5)
    return [made.proposer.propose(number) for number in range(first, first + BATCH)]


def add_and_tell(made: SimpleNamespace, first: int) -> None:
    made.trials.add(batch(made, first))
    for number in range(first, first + BATCH):
        made.trials.report(number, {1: 0.25})
        assert made.trials.tell(number, 0.5) == End(TrialState.COMPLETE, 0.5)


def test_a_batch_reads_as_much_with_many_trials_as_with_few(made: SimpleNamespace) -> None:
    read: list[int] = []

    def asked(*_: object) -> None:
        read[-1] += 1

    def loaded(*_: object) -> None:
        read[-1] += 1000

    event.listen(made.tables.engine, "after_cursor_execute", asked)
    event.listen(BaseModel, "load", loaded, propagate=True)
    try:
        for first in range(0, 100, BATCH):
            read.append(0)
            add_and_tell(made, first)
    finally:
        event.remove(BaseModel, "load", loaded)
    assert read[0] > 1000
    assert read[2] == read[-1]
    assert [trial.value for trial in made.trials.all()] == [0.5] * 100


def test_a_trial_of_somebody_else_is_noticed(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last of ours, and before the next."""
    add_and_tell(made, 0)
    create, count = RDBStorage.create_new_trial, iter(range(BATCH))

    def create_late(*arguments: object) -> int:
        trial_id = create(*arguments)  # type: ignore[arg-type]  # as it is called
        if next(count) == BATCH - 1:
            made.study.enqueue_trial({})
        return trial_id

    ours = batch(made, BATCH)
    with monkeypatch.context() as patched:
        patched.setattr(RDBStorage, "create_new_trial", create_late)
        with pytest.raises(StorageError, match="another program adds trials"):
            made.trials.add(ours)
    assert [trial.state for trial in made.trials.all()[2 * BATCH :]] == [TrialState.WAITING]
    for number in range(BATCH, 2 * BATCH):
        made.proposer.observe(number, 0.5)
    late = [made.proposer.propose(number) for number in range(2 * BATCH, 3 * BATCH)]
    with pytest.raises(StorageError, match="another program adds trials"):
        made.trials.add(late)
    assert len(made.trials.all()) == 2 * BATCH + 1  # nothing of it


def test_a_trial_told_in_the_dashboard_as_it_is_added_is_still_ours(
    made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = RDBStorage.create_new_trial

    def create_told(*arguments: object) -> int:
        trial_id = create(*arguments)  # type: ignore[arg-type]  # as it is called
        made.tables.set_trial_state_values(trial_id, TrialState.FAIL)
        return trial_id

    monkeypatch.setattr(RDBStorage, "create_new_trial", create_told)
    made.trials.add(batch(made, 0))
    assert made.trials.tell(0, 0.5) == End(TrialState.FAIL, None)  # that stands
    made.trials.report(1, {1: 0.25})
    assert made.trials.fail(1, "it kills workers") == End(TrialState.FAIL, None)
    assert [trial.user_attrs for trial in made.trials.all()] == [{}] * BATCH


def test_a_study_that_is_gone_is_said(made: SimpleNamespace) -> None:
    add_and_tell(made, 0)
    ours = batch(made, BATCH)
    optuna.delete_study(study_name="small", storage=made.tables)
    with pytest.raises(StorageError, match="was changed or deleted while it ran"):
        made.trials.add(ours)
    for change in (lambda: made.trials.tell(3, 0.5), lambda: made.trials.report(3, {1: 0.5}), made.trials.all):
        with pytest.raises(StorageError, match="was changed or deleted while it ran"):
            change()
