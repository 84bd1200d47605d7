"""Deleting: nothing of a sweep is left, and nothing of another one is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweep.analysis.summary import summarise
from sweep.errors import BusyError, NotFoundError, StoppedError
from sweep.launch.inline import InlineLauncher
from sweep.operate import remove
from sweep.operate.remove import delete
from sweep.run.events import Event, Prepared, Started
from sweep.run.lease import keep_lease, this_process
from sweep.run.loop import run_sweep
from sweep.run.study import optuna_storage
from sweep.store.models import Base
from sweep.store.rows import RungDecision
from sweep.store.service_rows import JobFile
from sweep.store.store import Store
from tests.contents import everything
from tests.operate.queued import After, looks_often, queue, rest, status, work
from tests.small_sweep import small_spec
from tests.test_store import confirmed

FEW = ("search.trials=6", "training.epochs=2")


@pytest.fixture
def other(tmp_path: Path, storage_url: str) -> str:
    """A database with another finished sweep on the same table, from the queue too."""
    queue(storage_url, tmp_path, "name=other", *FEW)
    work(storage_url)
    with Store.open(storage_url) as store:
        summarise(store, "other")  # its honest score is kept
    return storage_url


def remove_sweep(storage: str, name: str = "small") -> list[str]:
    said: list[str] = []
    with Store.open(storage) as store:
        delete(store, name, said.append)
    return said


def queued(storage: str, folder: Path) -> None:
    queue(storage, folder, *FEW)


def finished(storage: str, folder: Path) -> None:
    queue(storage, folder, *FEW)
    work(storage)
    with Store.open(storage) as store:
        summarise(store, "small")


def only_run(storage: str, folder: Path) -> None:
    run_sweep(small_spec(folder, *FEW), storage=storage, launcher=InlineLauncher())


def paused(storage: str, folder: Path) -> None:
    queue(storage, folder, *FEW, "search.batch=3", "search.pruner=median")
    with pytest.MonkeyPatch.context() as patch:
        work(storage, on_event=After(3, lambda: rest(storage, "paused"), looks_often(patch)))
    assert status(storage).state == "paused"


def orphaned(storage: str, folder: Path) -> None:
    finished(storage, folder)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
    assert status(storage).state == "orphaned"


def used(storage: str, folder: Path) -> None:
    """With something in every table that knows of sweeps."""
    finished(storage, folder)
    with Store.open(storage) as store:
        sweep = store.sweep("small")
        assert sweep is not None
        key = sweep.key
        store.log("small", "trial 3 diverged", "warning", 3)
        store.ask_job("answer", {}, sweep="small")
        store.keep_done_job("export", {}, JobFile("a", "text/plain", b"x"), sweep="small", key="k")
        store.save_artifact(key, "nested.json", b"{}", "application/json")
        store.save_answer(key, "ab", 2, {})
        store.save_confirmed(key, [confirmed(0)])
        store.save_rung(key, [RungDecision(0, 1, 0.5, kept=True)], [])
        store.take_lease(key, this_process(), 0.0)
    tables = Base.metadata.tables
    about = {name for name, table in tables.items() if {"sweep", "sweep_key"}.intersection(table.columns.keys())}
    kept = everything(storage)
    found = {name for name in tables if any("small" in row or key in row for row in kept[name])}
    assert found == about | {"sweep_sweeps", "sweep_orders"}


@pytest.mark.parametrize("make", [queued, finished, used, only_run, paused, orphaned])
def test_nothing_is_left_of_it_and_all_of_others(make: Callable[[str, Path], None], other: str, tmp_path: Path) -> None:
    before = everything(other)
    assert set(Base.metadata.tables) < set(before)
    make(other, tmp_path)
    assert everything(other) != before
    assert remove_sweep(other) == []
    assert everything(other) == before
    with (
        Store.open(other) as store,
        pytest.raises(NotFoundError, match=r"no sweep named small in .*; there are: other"),
    ):
        delete(store, "small")


def test_nothing_at_all_is_left_of_the_only_one(tmp_path: Path, postgres_url: str) -> None:
    finished(postgres_url, tmp_path)
    remove_sweep(postgres_url)
    left = {name for name, rows in everything(postgres_url).items() if rows}
    assert left <= {"alembic_version", "sweep_alembic_version", "version_info"}
    queue(postgres_url, tmp_path, *FEW, "seed=4")  # the name is free again
    work(postgres_url)
    assert status(postgres_url).state == "done"


@pytest.mark.parametrize("by", ["runner", "run"])
def test_one_that_is_being_run_stops_first(
    by: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = looks_often(monkeypatch)
    before = everything(other)
    begun, told = threading.Event(), threading.Event()
    said: list[str] = []

    def at_work(event: Event) -> None:
        if isinstance(event, Started):
            begun.set()
            assert told.wait(60)
            assert noticed.wait(60)

    def tell(what: str) -> None:
        said.append(what)
        told.set()

    def run() -> None:
        if by == "runner":
            work(other, on_event=at_work)
        else:
            with pytest.raises(StoppedError, match="cancelled"):
                run_sweep(small_spec(tmp_path), storage=other, launcher=InlineLauncher(), on_event=at_work)

    if by == "runner":
        queue(other, tmp_path)
    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    with Store.open(other) as store:
        delete(store, "small", tell)
    thread.join(60)
    assert len(said) == 1
    assert said[0].startswith("waiting for process ")
    assert everything(other) == before


def test_one_that_a_runner_is_about_to_begin_does_not_come_back(other: str, tmp_path: Path) -> None:
    before = everything(other)
    queue(other, tmp_path)

    def meanwhile(event: Event) -> None:
        if isinstance(event, Prepared):  # nothing is stored of it yet, so nobody is waited for
            assert remove_sweep(other) == []

    assert work(other, on_event=meanwhile) == [
        "small: begins, or goes on",
        "the sweep small was deleted or changed before it began",
    ]
    assert everything(other) == before


def test_one_that_does_not_stop_is_cancelled_and_kept(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(sqlite_url, tmp_path)
    monkeypatch.setattr(remove, "LEASE_SECONDS", 0.3)
    with Store.open(sqlite_url) as store:
        sweep = store.sweep("small")
        assert sweep is not None
        with keep_lease(store, sweep):
            held = r"the sweep small is still being run by process \d+ on \S+; it was cancelled, not deleted"
            with pytest.raises(BusyError, match=held):
                remove_sweep(sqlite_url)
    assert status(sqlite_url).counts.finished == 6


def test_killed_in_between_it_can_be_deleted_again(other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(other)
    finished(other, tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Store, "delete_sweep", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_sweep(other)
    assert status(other).state == "orphaned"
    remove_sweep(other)
    assert everything(other) == before


def test_one_that_is_queued_meanwhile_stays_queued(
    tmp_path: Path, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(storage_url, tmp_path, *FEW)
    work(storage_url)
    delete_sweep = remove._delete_sweep

    def meanwhile(*arguments: Any) -> None:
        delete_sweep(*arguments)
        queue(storage_url, tmp_path, *FEW)

    monkeypatch.setattr(remove, "_delete_sweep", meanwhile)
    remove_sweep(storage_url)
    assert status(storage_url).state == "queued"
    work(storage_url)
    assert status(storage_url).state == "done"
