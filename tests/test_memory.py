"""Databases in memory: the same store, for this process alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.study import StudyDirection
from sqlalchemy import make_url, text

from sweep.analysis.summary import summarise
from sweep.errors import NotFoundError, StorageError
from sweep.run import lease
from sweep.run import memory as run_memory
from sweep.run.events import Interrupted
from sweep.run.memory import prepared_memory
from sweep.run.prepare import Setup, prepare
from sweep.run.study import optuna_storage
from sweep.store import database, failures, memory
from sweep.store.memory import memory_database
from sweep.store.store import Store
from sweep.store.upgrading import AnyVersion
from tests.forked import forked_processes
from tests.run.reference import run
from tests.small_sweep import Recorder, assert_complete, assert_same, small_spec, what_is_left


@pytest.fixture
def url() -> Iterator[str]:
    with prepared_memory() as found:
        yield found


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return prepare(small_spec(tmp_path))


def comparable(storage: str) -> dict[str, Any]:
    """What a summary says of a sweep, but for times, and arrays as lists."""
    with Store.open(storage) as store:
        found = summarise(store, "small")
    trials = tuple(replace(trial, seconds=0.0) for trial in found.trials)
    curves = [
        (number, one.epochs, one.training.tolist(), one.validation.tolist()) for number, one in found.curves.items()
    ]
    return {"trials": trials, "curves": curves, "honest": found.honest, "stability": found.stability}


# --- a sweep ----------------------------------------------------------------------------------------------------------


def test_a_sweep_in_memory_is_that_of_a_file_and_writes_nothing(
    setup: Setup, url: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.0)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.02)  # its thread has a connection, too
    before, again = set(tmp_path.iterdir()), Store.again
    opened: list[str] = []

    def counted(store: Store) -> Store:
        opened.append(store.url)
        return again(store)

    monkeypatch.setattr(Store, "again", counted)
    files = open_files()
    run(setup, url)
    assert opened == [url]
    assert open_files() == files
    assert set(tmp_path.iterdir()) == before
    run(setup, sqlite_url)
    left = what_is_left(url)
    assert_complete(left, 12)
    assert_same(left, what_is_left(sqlite_url))
    assert comparable(url) == comparable(sqlite_url)


def open_files() -> set[str]:
    """Files that this process has open, those too that have no name any more."""
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the folder
            found.add(str(number.readlink()))
    return {one for one in found if one.startswith("/") and not one.startswith(("/proc", "/dev"))}


def test_an_interrupted_sweep_goes_on_in_the_same_memory(setup: Setup, url: str) -> None:
    first = Recorder(interrupt_at=2)
    with pytest.raises(Interrupted):
        run(setup, url, first)
    finished = len(what_is_left(url).results)
    assert 0 < finished < 12
    second = Recorder()
    run(setup, url, second)
    assert_complete(what_is_left(url), 12)
    assert len(second.trained) == 12 - finished


# --- connections ------------------------------------------------------------------------------------------------------


def test_who_comes_while_another_writes_waits(url: str) -> None:
    """As for a file: SQLite's shared cache would fail at once. Readers wait, too: there is no write-ahead log."""
    began, over = threading.Event(), threading.Event()

    def hold() -> None:
        with Store.open(url) as other, database.writer(other._engine).begin():
            began.set()
            over.wait()

    with Store.open(url) as store, optuna_storage(store) as tables, ThreadPoolExecutor(1) as thread:
        attempts: list[Callable[[], object]] = [
            lambda: store.release_lease("0" * 32, "nobody"),
            lambda: tables.create_new_study([StudyDirection.MINIMIZE], "one"),
            store.sweeps,
        ]
        for attempt in attempts:
            began.clear()
            over.clear()
            holding = thread.submit(hold)
            assert began.wait(60)
            threading.Timer(0.2, over.set).start()
            attempt()
            assert over.is_set()
            holding.result()


def test_all_connections_are_set_up(url: str) -> None:
    with Store.open(url) as store, store.again() as again, optuna_storage(store) as tables:
        for engine in (store._engine, again._engine, tables.engine):
            with engine.connect() as connection:
                found = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("temp_store", "journal_mode")}
                assert found == {"temp_store": 2, "journal_mode": "memory"}
                assert connection.scalar(text("PRAGMA busy_timeout")) == database.BUSY_SECONDS * 1000
        with store._engine.connect() as connection:
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert repr(store) == "Store('memory')"


def test_no_files_and_nothing_to_upgrade(url: str) -> None:
    assert database.files_of(url) == ()
    parsed = database.parse_url(url)
    assert database.is_sqlite(parsed)
    assert not database.is_file(parsed)
    for create in (False, True):
        database.check_file(parsed, create=create)
    with closing(AnyVersion.find(url)) as found:
        assert found.changes == []


# --- what there is, and how long --------------------------------------------------------------------------------------


def test_each_is_another_one_and_ends_with_the_last_connection() -> None:
    with memory_database() as one:
        with pytest.raises(NotFoundError, match="no sweep in memory"):
            Store.open(one)
        kept = Store.open(one, create=True)
        with prepared_memory() as other:
            assert other != one
            Store.open(other).close()
    with pytest.raises(StorageError, match="only inside `memory_database"):
        Store.open(one, create=True)
    assert kept.sweeps() == []  # has it open
    kept.close()
    with pytest.raises(StorageError, match="the database memory cannot be used: it is gone"):
        kept.sweeps()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("sqlite:///file:/sweep-0123456789abcdef?uri=true&vfs=memdb", "only inside `memory_database"),
        ("sqlite:///file:mine?mode=memory&cache=shared&uri=true", "sqlite:/// and a path"),
        ("sqlite:///:memory:", "must name a file"),
    ],
)
def test_memory_that_was_not_made_here_is_refused(given: str, says: str) -> None:
    with pytest.raises(StorageError, match=says):
        Store.open(given, create=True)


def test_threads_that_come_first_make_the_tables_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    content_of = memory.content_of

    def counted(url: str) -> bytes:
        made.append(content_of(url))
        return made[-1]

    def use(_: int) -> bool:
        with prepared_memory() as url, Store.open(url) as store:
            return store.has_table("trials")

    monkeypatch.setattr(run_memory, "content_of", counted)
    monkeypatch.setattr(run_memory, "_empty", None)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(use, range(8))) == [True] * 8
    assert len(made) == 1


def test_threads_that_open_one_database_make_its_tables_once() -> None:
    def use(url: str) -> int:
        with Store.open(url, create=True) as store, optuna_storage(store) as tables:
            return len(tables.get_all_studies())

    with memory_database() as url, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(use, [url] * 4)) == [0] * 4


def _fork_inside() -> None:
    """In a process with one thread."""
    with prepared_memory() as url, run_memory._lock:  # as if another thread had it
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)  # should it wait for ever
            try:
                with pytest.raises(StorageError, match="in the process that made it"):
                    Store.open(url)
                with prepared_memory() as other:
                    Store.open(other).close()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        Store.open(url).close()
    raise SystemExit(os.waitstatus_to_exitcode(status))


def test_a_forked_process_has_memory_of_its_own_only() -> None:
    process = forked_processes().Process(target=_fork_inside)
    process.start()
    process.join(30)
    assert process.exitcode == 0


def test_full_memory_is_one_clear_error(url: str) -> None:
    with closing(sqlite3.connect("file:/full?vfs=memdb", uri=True)) as connection:
        connection.execute("PRAGMA max_page_count = 4")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute(f"CREATE TABLE a AS SELECT zeroblob({2**20})")
    said = failures.failure(make_url(url), full.value)
    assert isinstance(said, failures.NoSpaceError)
    assert "the database memory cannot be used" in str(said)
    assert "1 GiB" in str(said)


def test_an_old_sqlite_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 35, 5))
    with pytest.raises(StorageError, match=r"needs SQLite 3\.36 or newer, however: .*; take a file"):
        memory.memory_database().__enter__()
