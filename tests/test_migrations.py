"""Migrations, from every revision there ever was, on both databases, with Optuna's tables beside ours."""

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, inspect, text

from sweep.errors import StorageError
from sweep.store import database, versions
from sweep.store.models import Base
from sweep.store.store import Store

pytestmark = pytest.mark.no_tables

_WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_KEY = "0123456789abcdef" * 2
_BLOB = b"\x00\xff"

_PARAMETERS = {
    "hidden": [3], "placement": "all", "dropout": [0.1, 0.2], "learning_rate": 0.1, "momentum": 0.9, "max_norm": None,
    "lr_decay": 1.0, "weight_decay": 0.0,
}  # fmt: skip

# A row of each table as each revision can hold it: table -> column -> value. Parents come first.
_ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "0001": {
        "sweep_datasets": {
            "content_hash": "ab", "rows": 2, "target": _BLOB, "target_type": "<f8", "created_at": _WHEN,
        },
        "sweep_sweeps": {
            "key": _KEY, "name": "one", "format": 1, "definition": "x = 1", "fingerprint": "cd", "data_hash": "ab",
            "info": {}, "trials": 128, "metric": "r2", "metrics": ["r2"], "checkpoints": [5, 10], "folds": 2,
            "repeats": 1, "created_at": _WHEN, "updated_at": _WHEN,
        },
        "sweep_trials": {
            "sweep_key": _KEY, "number": 0, "placement": "all", "hyperparameters": _PARAMETERS, "epoch": 5,
            "score": 0.5, "seconds": 1.5, "saved_at": _WHEN,
        },
        "sweep_folds": {"sweep_key": _KEY, "trial": 0, "repeat": 0, "fold": 1, "score": 0.25, "metrics": _BLOB},
        "sweep_predictions": {
            "sweep_key": _KEY, "trial": 0, "repeat": 0, "rows": 2, "outputs": 1, "values": _BLOB,
        },
        "sweep_artifacts": {
            "sweep_key": _KEY, "name": "a.html", "media_type": "text/html", "sha256": "ef", "size": 2, "bytes": _BLOB,
            "created_at": _WHEN,
        },
    },
}  # fmt: skip
_ROWS["0002"] = _ROWS["0001"] | {"sweep_predictions": {**_ROWS["0001"]["sweep_predictions"], "checkpoints": 2}}

_ROWS["0003"] = _ROWS["0002"] | {
    "sweep_trials": {**_ROWS["0002"]["sweep_trials"], "trained": 10},
    "sweep_rungs": {"sweep_key": _KEY, "trial": 1, "epoch": 5, "score": 0.5, "kept": True, "decided_at": _WHEN},
}
_ROWS["0004"] = _ROWS["0003"] | {
    "sweep_confirmed": {
        "sweep_key": _KEY, "configuration": "12", "repeat": 0, "hyperparameters": _PARAMETERS, "epoch": 5, "rows": 2,
        "outputs": 1, "predictions": _BLOB, "folds": 2, "metrics": _BLOB, "lost": [1], "seconds": 1.5,
        "saved_at": _WHEN,
    },
    "sweep_answers": {
        "sweep_key": _KEY, "choice": "34", "repeats": 20, "document": {"sentence": "It does."}, "created_at": _WHEN,
    },
}  # fmt: skip
_ROWS["0005"] = _ROWS["0004"] | {
    "sweep_leases": {
        "sweep_key": _KEY, "token": "56", "machine": "boot", "host": "here", "pid": 1, "started": 1.5,
        "acquired_at": 2.5, "expires_at": 3.5,
    },
    "sweep_tables": {"sha256": "78", "size": 2, "bytes": _BLOB, "created_at": _WHEN},
    "sweep_orders": {
        "name": "one", "state": "queued", "revision": 1, "priority": 0, "definition": "x = 1", "trials": 128,
        "metric": "r2", "source": "t.csv", "data_hash": "ab", "table_sha256": "78", "created_at": _WHEN,
        "updated_at": _WHEN,
    },
}  # fmt: skip
_ROWS["0006"] = _ROWS["0005"] | {
    "sweep_uploads": {
        "id": "9a", "name": "t.csv", "size": 3, "table_sha256": "78", "detected": {"rows": 2}, "created_at": _WHEN,
    },
    "sweep_jobs": {
        "id": "bc", "key": "bc", "kind": "export", "sweep": "one", "request": {}, "state": "done", "attempts": 1,
        "token": "de", "expires_at": 1.5, "progress": "half", "result": {"a": 1}, "file_name": "a.txt",
        "media_type": "text/plain", "sha256": "f0", "bytes": _BLOB, "created_at": _WHEN, "updated_at": _WHEN,
    },
    "sweep_log": {"id": 1, "sweep": "one", "level": "info", "trial": 3, "said": "begins", "at": _WHEN},
    "sweep_runners": {
        "token": "12", "machine": "boot", "host": "here", "pid": 1, "started": 1.5, "workers": "local", "doing": "one",
        "since": 2.5, "seen_at": 3.5,
    },
}  # fmt: skip


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = database.make_engine(database.parse_url(url), create=True)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _fill(connection: Connection, revision: str) -> None:
    for name, row in _ROWS[revision].items():
        connection.execute(Table(name, MetaData(), autoload_with=connection).insert().values(row))


def _differences(connection: Connection) -> Any:
    options = {"version_table": versions.VERSION_TABLE, "include_object": versions.include_object}
    return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def _tables(connection: Connection, *, ours: bool) -> dict[str, Any]:
    """Every table that is ours (or is not), with its rows, as far as the database itself describes it."""
    names = [name for name in inspect(connection).get_table_names() if name.startswith("sweep_") == ours]
    tables = [Table(name, MetaData(), autoload_with=connection) for name in names]
    return {
        table.name: (
            [(column.name, str(column.type), column.nullable) for column in table.columns],
            connection.execute(table.select()).all(),
        )
        for table in tables
    }


def _optuna(url: str) -> optuna.storages.RDBStorage:
    settled = database.parse_url(url)
    return optuna.storages.RDBStorage(
        database.optuna_url(settled), engine_kwargs=database.optuna_engine_kwargs(settled)
    )


def test_listed_revisions_are_the_scripts_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(versions.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts) == versions.REVISIONS[::-1]
    assert tuple(_ROWS) == versions.REVISIONS, "every revision needs rows to be upgraded with"


@pytest.mark.parametrize("revision", [None, *versions.REVISIONS])
def test_upgrade_from_every_revision_ends_at_the_models(storage_url: str, revision: str | None) -> None:
    url = database.parse_url(storage_url)
    if revision is not None:
        versions.upgrade(url, to=revision)
        with _connected(storage_url) as connection:
            _fill(connection, revision)
    versions.upgrade(url)
    with _connected(storage_url) as connection:
        assert versions.revision_of(connection) == versions.HEAD
        if revision is not None:
            # Nothing may be lost: on SQLite a table is changed by copying it, and dropping it must not cascade.
            rows = {name: found for name, (_, found) in _tables(connection, ours=True).items()}
            assert all(len(rows[name]) == 1 for name in _ROWS[revision])
        assert _differences(connection) == []
        # What Alembic does not compare: names and cascades of keys, primary keys, checked against tables made anew.
        upgraded = _keys(connection)
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        assert upgraded == _keys(connection)


def test_predictions_of_the_first_revision_are_at_one_checkpoint(storage_url: str) -> None:
    """A sweep begun before predictions were kept at all checkpoints can still be read, and gone on with."""
    url = database.parse_url(storage_url)
    versions.upgrade(url, to="0001")
    values = np.arange(2, dtype="<f2")
    with _connected(storage_url) as connection:
        _fill(connection, "0001")
        connection.execute(
            text('UPDATE sweep_predictions SET "values" = :values'), {"values": zlib.compress(values.tobytes())}
        )
    versions.upgrade(url)
    with Store.open(storage_url) as store:
        np.testing.assert_array_equal(store.predictions(_KEY, 0), values.reshape(1, 1, 2, 1))


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_trials_of_before_there_were_rungs_are_complete_and_their_sweeps_have_no_lag(
    storage_url: str, revision: str
) -> None:
    url = database.parse_url(storage_url)
    versions.upgrade(url, to=revision)
    with _connected(storage_url) as connection:
        _fill(connection, revision)
        other = {**_ROWS[revision]["sweep_sweeps"], "key": "f" * 32, "name": "other", "checkpoints": [7]}
        search = '[data]\nsource = "[search]"\n\n[search]\ntrials = 3\npruner = "none"\n'
        for table, row in (
            ("sweep_sweeps", other | {"definition": search}),
            ("sweep_trials", {**_ROWS[revision]["sweep_trials"], "sweep_key": "f" * 32, "number": 4}),
        ):
            connection.execute(Table(table, MetaData(), autoload_with=connection).insert().values(row))
    versions.upgrade(url)
    with Store.open(storage_url) as store:
        assert [(one.number, one.trained) for one in store.trials(_KEY) + store.trials("f" * 32)] == [(0, 10), (4, 7)]
        assert store.rungs(_KEY) == []
    with _connected(storage_url) as connection:
        stored = connection.execute(text("SELECT name, definition FROM sweep_sweeps")).all()
    with_lag = search.replace("\n[search]\n", "\n[search]\nlag = 0\n")
    assert sorted(tuple(row) for row in stored) == [("one", "x = 1"), ("other", with_lag)]


def _keys(connection: Connection) -> dict[str, Any]:
    described = inspect(connection)
    return {
        name: (
            described.get_pk_constraint(name),
            sorted(described.get_foreign_keys(name), key=lambda key: str(key["name"])),
            sorted(described.get_unique_constraints(name), key=lambda key: str(key["name"])),
            sorted(described.get_indexes(name), key=lambda key: str(key["name"])),
        )
        for name in Base.metadata.tables
    }


def test_optuna_and_we_do_not_touch_each_others_tables(storage_url: str) -> None:
    url = database.parse_url(storage_url)
    storage = _optuna(storage_url)
    study = optuna.create_study(storage=storage, study_name="before")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    storage.engine.dispose()
    with _connected(storage_url) as connection:
        before = _tables(connection, ours=False)
        assert "studies" in before
        assert "alembic_version" in before

    versions.upgrade(url)
    with _connected(storage_url) as connection:
        assert _tables(connection, ours=False) == before
        assert _differences(connection) == []  # Optuna's tables are no difference
        _fill(connection, versions.HEAD)
        ours = _tables(connection, ours=True)

    storage = _optuna(storage_url)  # checks its own version, and finds ours no obstacle
    optuna.create_study(storage=storage, study_name="after")
    storage.upgrade()
    optuna.delete_study(study_name="before", storage=storage)
    optuna.delete_study(study_name="after", storage=storage)
    assert optuna.get_all_study_names(storage) == []
    storage.engine.dispose()
    with _connected(storage_url) as connection:
        assert _tables(connection, ours=True) == ours


def test_optuna_may_come_second(storage_url: str) -> None:
    with Store.open(storage_url, create=True) as store:
        storage = optuna.storages.RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)
        study = optuna.create_study(storage=storage, study_name="s")
        study.set_user_attr("key", _KEY)
        assert optuna.load_study(storage=storage, study_name="s").user_attrs == {"key": _KEY}
        storage.engine.dispose()
        assert store.sweeps() == []


def test_newer_database_is_refused_and_left_alone(storage_url: str) -> None:
    Store.open(storage_url, create=True).close()
    with _connected(storage_url) as connection:
        connection.execute(text("UPDATE sweep_alembic_version SET version_num = '9999'"))
    for create in (False, True):
        with pytest.raises(StorageError, match="was written by a newer sweep"):
            Store.open(storage_url, create=create)
    with _connected(storage_url) as connection:
        assert versions.revision_of(connection) == "9999"


@pytest.mark.parametrize("revision", versions.REVISIONS[:-1])
def test_older_tables_are_left_alone_and_the_command_is_named(storage_url: str, revision: str) -> None:
    versions.upgrade(database.parse_url(storage_url), to=revision)
    with _connected(storage_url) as connection:
        before = _tables(connection, ours=True)
    for create in (False, True):
        with pytest.raises(
            StorageError, match="was written by an older sweep: `sweep storage upgrade` brings it up to date"
        ):
            Store.open(storage_url, create=create)
    with _connected(storage_url) as connection:
        assert _tables(connection, ours=True) == before


def test_several_may_open_a_fresh_database_at_once(storage_url: str) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def open_it() -> None:
        start.wait()
        try:
            Store.open(storage_url, create=True).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_programs_that_open_a_fresh_postgresql_database_wait_for_each_other(postgres_url: str) -> None:
    """Two that make the same table at once would collide: the second begins when the first has committed."""
    opening = threading.Thread(target=lambda: Store.open(postgres_url, create=True).close())
    deadline = time.monotonic() + 20
    with _connected(postgres_url) as first:
        first.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": versions._ADVISORY_LOCK})
        opening.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while opening.is_alive() and not first.execute(waiting).scalar() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert opening.is_alive()
        assert not inspect(first).has_table(versions.VERSION_TABLE)
    opening.join()
    with _connected(postgres_url) as connection:
        assert versions.revision_of(connection) == versions.HEAD
