"""``sweep storage upgrade``: from the first schema there was, with Optuna's tables beside ours, whatever happens."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import optuna
import pytest
from alembic import command
from sqlalchemy import Engine, event, inspect, text

from sweep.cli import errors as cli_errors
from sweep.errors import BusyError, NotFoundError, StorageError
from sweep.run.study import open_storage, optuna_storage
from sweep.run.upgrade import plan_upgrade, upgrade
from sweep.store import database, versions
from sweep.store.store import Store
from tests.command_line import RUN, Program
from tests.forked import forked_processes
from tests.test_migrations import _KEY, _connected, _fill, _tables

pytestmark = pytest.mark.no_tables

OLD, NEW = "v3.0.0.c", "v3.2.0.a"


def _upgrade_alone(url: str, kill_at: str, reports: Connection) -> None:
    """In a process of its own, and killed as it is about to do something."""

    def die(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if kill_at and kill_at in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", die)
    plan = upgrade(url, reports.send, lambda plan: reports.send("begins"))
    reports.send("nothing to do" if plan.empty else "done")


def make_old(url: str, *, ours: str = "0001", older_optuna: bool = True) -> None:
    """A database as the first version left it: a row in each table of ours, three trials of Optuna's beside them."""
    settled = database.parse_url(url)
    versions.upgrade(settled, to=ours)
    with _connected(url) as connection:
        _fill(connection, ours)
    storage = optuna.storages.RDBStorage(
        database.optuna_url(settled), engine_kwargs=database.optuna_engine_kwargs(settled)
    )
    study = optuna.create_study(storage=storage, study_name="one")
    study.set_user_attr("sweep_key", _KEY)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    if older_optuna:
        with storage.engine.begin() as connection:
            # What Optuna 3.2 brought: its own way back looks for an index of another name.
            connection.exec_driver_sql("DROP INDEX ix_trials_study_id")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v3.0.0.d'")
        handler = logging.NullHandler()  # or its migrations set up logging
        logging.getLogger().addHandler(handler)
        command.downgrade(storage._version_manager._create_alembic_config(), OLD)
        logging.getLogger().removeHandler(handler)
    storage.remove_session()
    storage.engine.dispose()


def check_new(url: str) -> None:
    """That all of it is there, and can be used."""
    with Store.open(url) as store, open_storage(store) as tables:
        assert store.saved_numbers(_KEY) == {0}
        assert [trial.trained for trial in store.trials(_KEY)] == [10]
        assert tables is not None
        assert tables.get_current_version() == NEW
        study = optuna.load_study(storage=tables, study_name="one")
        assert [trial.number for trial in study.trials] == [0, 1, 2]
        study.add_trial(optuna.trial.create_trial(value=0.5))


class Upgrade:
    """In a process of its own, killed as it is about to execute what has ``kill_at`` in it."""

    def __init__(self, url: str, kill_at: str = "") -> None:
        processes = forked_processes()
        self._reports, theirs = processes.Pipe(duplex=False)
        self._process = processes.Process(target=_upgrade_alone, args=(url, kill_at, theirs))
        self._process.start()
        theirs.close()

    def next(self) -> str:
        """What it says next."""
        assert self._reports.poll(60)
        said: str = self._reports.recv()
        return said

    def ended(self) -> tuple[int | None, list[str]]:
        """Its exit status, negative where a signal ended it, and what it still said."""
        said = []
        with contextlib.suppress(EOFError):
            while True:
                said.append(self.next())
        self._process.join(60)
        self._reports.close()
        return self._process.exitcode, said


def test_from_the_first_schema(storage_url: str, program: Program) -> None:
    make_old(storage_url)
    before = _all_tables(storage_url)
    at = ("--storage", storage_url)
    planned = program("storage", "upgrade", "--dry-run", *at).out
    assert "sweep's tables from revision 0001 to 0006\n    0002  Predictions at all checkpoints" in planned
    assert "  Optuna's tables from version v3.0.0.c to v3.2.0.a" in planned
    assert _all_tables(storage_url) == before

    done = program("storage", "upgrade", *at)
    assert done.out.startswith(planned)
    assert done.out.endswith(" is up to date\n")
    check_new(storage_url)
    assert "nothing to do: " in program("storage", "upgrade", *at).out
    assert "nothing to do: " in program("storage", "upgrade", "--dry-run", *at).out


def _all_tables(url: str) -> list[dict[str, object]]:
    with _connected(url) as connection:
        return [_tables(connection, ours=ours) for ours in (True, False)]


def test_a_copy_of_a_sqlite_database_is_kept(sqlite_url: str, tmp_path: Path) -> None:
    make_old(sqlite_url)
    before = _all_tables(sqlite_url)
    (tmp_path / "sweep.db.before-0006").write_text("somebody else's")
    said = list[str]()
    upgrade(sqlite_url, said.append, lambda _: None)
    kept = tmp_path / "sweep.db.before-0006.2"
    assert said == [f"the database as it was is kept in {kept}"]
    assert _all_tables(f"sqlite:///{kept}") == before
    assert {path.name for path in tmp_path.iterdir()} == {"sweep.db", "sweep.db.before-0006", kept.name}


@pytest.mark.parametrize("command_line", [RUN, ("answer", "one"), ("list",), ("status", "one"), ("best", "one")])
def test_every_command_names_it_and_leaves_an_older_database_alone(
    command_line: tuple[str, ...], small: Program, sqlite_url: str
) -> None:
    make_old(sqlite_url)
    before = _all_tables(sqlite_url)
    told = small(*command_line, "--storage", sqlite_url, status=2).err
    assert "was written by an older sweep: `sweep storage upgrade` brings it up to date" in told
    assert _all_tables(sqlite_url) == before


def test_optunas_tables_alone_may_be_older(storage_url: str, program: Program) -> None:
    make_old(storage_url, ours=versions.HEAD)
    before = _all_tables(storage_url)
    with Store.open(storage_url, create=True) as store:
        for opened in (open_storage, optuna_storage):
            with pytest.raises(StorageError, match=r"of an older version .*; `sweep storage upgrade` brings"):
                opened(store).__enter__()
    assert _all_tables(storage_url) == before
    done = program("storage", "upgrade", "--storage", storage_url).out
    assert "sweep's tables" not in done
    assert "Optuna's tables from version v3.0.0.c to v3.2.0.a" in done
    check_new(storage_url)


def test_two_at_once(storage_url: str) -> None:
    make_old(storage_url)
    both = [one.ended() for one in [Upgrade(storage_url), Upgrade(storage_url)]]
    assert [status for status, _ in both] == [0, 0]
    assert sorted(said[-1] for _, said in both) == ["done", "nothing to do"]
    check_new(storage_url)


def test_the_second_says_that_it_waits(storage_url: str) -> None:
    make_old(storage_url)
    with versions.alone(database.parse_url(storage_url)):
        process = Upgrade(storage_url)
        assert "another program makes or changes the tables of" in process.next()
        assert plan_upgrade(storage_url).revision == "0001"
    assert process.ended()[1][-1] == "done"
    check_new(storage_url)


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("sqlite_url", "ALTER TABLE sweep_predictions"),
        ("sqlite_url", "trial_values"),
        ("postgres_url", "sweep_answers"),
        ("postgres_url", "trials_study_id"),
    ],
)
def test_killed_in_the_middle(kind: str, moment: str, request: pytest.FixtureRequest) -> None:
    storage_url: str = request.getfixturevalue(kind)
    make_old(storage_url)
    before = _all_tables(storage_url)
    killed, said = Upgrade(storage_url, moment).ended()
    assert "begins" in said
    assert killed == -signal.SIGKILL
    if storage_url.startswith("sqlite"):
        assert _all_tables(storage_url) == before  # all at once, or nothing
    assert Upgrade(storage_url).ended()[1][-1] == "done"
    check_new(storage_url)
    if storage_url.startswith("sqlite"):
        folder = Path(database.parse_url(storage_url).database or "").parent
        assert not [path.name for path in folder.iterdir() if "upgrading" in path.name or "part" in path.name]


def test_a_program_that_writes_is_waited_for(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(sqlite_url)
    monkeypatch.setattr("sweep.store.copies.BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "sweep.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="database is locked"):
        upgrade(sqlite_url, lambda _: None, lambda _: None)
    other.close()
    assert [path.name for path in tmp_path.iterdir() if "upgrading" in path.name] == []
    upgrade(sqlite_url, lambda _: None, lambda _: None)
    check_new(sqlite_url)


@pytest.mark.parametrize(("ends_in", "refused"), [(30.0, True), (-1.0, False)])
def test_a_run_that_is_at_work_is_left_alone(storage_url: str, ends_in: float, refused: bool) -> None:
    make_old(storage_url, ours=versions.HEAD)
    with _connected(storage_url) as connection:
        connection.execute(text("UPDATE sweep_leases SET expires_at = :at"), {"at": time.time() + ends_in})
    before = _all_tables(storage_url)
    if refused:
        with pytest.raises(BusyError, match=r"a run is at work in .*: process 1 on here; nothing was changed"):
            upgrade(storage_url, lambda _: None, lambda _: None)
        assert _all_tables(storage_url) == before
        assert plan_upgrade(storage_url).optuna == (OLD, NEW)
    else:
        upgrade(storage_url, lambda _: None, lambda _: None)
        check_new(storage_url)


# --- not ours ---------------------------------------------------------------------------------------------------------


def _write(url: str, *statements: str) -> None:
    with _connected(url) as connection:
        for statement in statements:
            connection.execute(text(statement))


FOREIGN = ("CREATE TABLE alembic_version (version_num VARCHAR(32))", "CREATE TABLE studies (id INTEGER)",
           "INSERT INTO alembic_version VALUES ('9f1c')")  # fmt: skip


def test_another_programs_database_is_left_alone(storage_url: str, small: Program) -> None:
    _write(storage_url, *FOREIGN)
    before = _all_tables(storage_url)
    at = ("--storage", storage_url)
    told = small(*RUN, *at, status=2).err
    assert "holds the tables of another program (alembic_version and studies)" in told
    assert "no sweep in" in small("storage", "upgrade", *at, status=2).err
    assert "no sweep in" in small("list", *at, status=2).err
    assert _all_tables(storage_url) == before


def test_another_schema_of_such_a_database_will_do(postgres_url: str) -> None:
    _write(postgres_url, *FOREIGN, "CREATE SCHEMA mine")
    url = f"{postgres_url}&options=-csearch_path%3Dmine"
    with Store.open(url, create=True) as store, optuna_storage(store) as tables:
        optuna.create_study(storage=tables, study_name="one")
        assert store.sweeps() == []
    assert plan_upgrade(url).empty
    with _connected(postgres_url) as connection:
        assert sorted(inspect(connection).get_table_names()) == ["alembic_version", "studies"]


def test_migrations_of_another_program_beside_ours_are_not_gone_on_with(storage_url: str) -> None:
    """It came later, and calls its version table as Optuna does."""
    Store.open(storage_url, create=True).close()
    with Store.open(storage_url) as store, optuna_storage(store):
        pass
    _write(storage_url, "UPDATE alembic_version SET version_num = '9f1c'")
    before = _all_tables(storage_url)
    told = "of version 9f1c, it knows v3.2.0.a and older ones"
    with Store.open(storage_url) as store, pytest.raises(StorageError, match=told):
        optuna_storage(store).__enter__()
    for tried in (plan_upgrade, _upgrade):
        with pytest.raises(StorageError, match=told):
            tried(storage_url)
    assert _all_tables(storage_url) == before


def _upgrade(url: str) -> object:
    return upgrade(url, lambda _: None, lambda _: None)


@pytest.mark.parametrize("tried", [plan_upgrade, _upgrade])
def test_newer_and_absent_ones(tried: Callable[[str], object], storage_url: str) -> None:
    with pytest.raises(NotFoundError):
        tried(storage_url)
    Store.open(storage_url, create=True).close()
    _write(storage_url, "UPDATE sweep_alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="was written by a newer sweep"):
        tried(storage_url)


def test_logging_is_left_as_it_was(sqlite_url: str) -> None:
    """Optuna's migrations would set it up for the whole program, and switch off what is there."""
    make_old(sqlite_url)
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        upgrade(sqlite_url, lambda _: None, lambda _: None)
        assert root.handlers == []
        assert not cli_errors.logger.disabled
    finally:
        root.handlers = handlers
