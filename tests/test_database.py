"""Everything that can be wrong with a storage URL or the database behind it: one clear error each."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from sweep.errors import NotFoundError, StorageError
from sweep.store import database, versions
from sweep.store.store import Store

pytestmark = pytest.mark.no_tables


@pytest.mark.parametrize(
    ("given", "settled"),
    [
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("sqlite+pysqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("postgresql://u:p@h:5/d", "postgresql+psycopg://u:p@h:5/d"),
        ("postgres://u@h/d?sslmode=require", "postgresql+psycopg://u@h/d?sslmode=require"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("postgresql://u:p%40q@h/d", "postgresql+psycopg://u:p%40q@h/d"),
    ],
)
def test_driver_is_settled(given: str, settled: str) -> None:
    url = database.parse_url(given)
    assert database.optuna_url(url) == settled
    assert database.parse_url(settled) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sweep.db", "must be a database URL such as sqlite:///sweep.db .*'sweep.db' is none"),
        ("", "must be a database URL"),
        ("postgresql://u:secret@h:port/d", "must be a database URL"),
        ("//u:secret@h/d", "must be a database URL"),
        ("mysql://u:secret@h/d", r"mysql://u:\*\*\*@h/d"),
        ("postgresql+asyncpg://u:secret@h/d", r"asyncpg://u:\*\*\*@h/d"),
        ("postgresql://u:se@secret@h/d", "write those of a password as %40"),
        ("postgresql://u:s@se/secret@h/d", "write those of a password as %40"),
        ("mysql://u:se@secret@h/d", "write those of a password as %40"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite://folder/a.db", "sqlite:/// and a path"),
        ("sqlite:///a.db?mode=ro", "sqlite:/// and a path"),
        ("sqlite:///a{b}.db", "free of braces"),
    ],
)
def test_unusable_url_is_refused(url: str, says: str) -> None:
    with pytest.raises(StorageError, match=says) as caught:
        Store.open(url, create=True)
    assert "secret" not in str(caught.value)


def test_password_is_shown_nowhere(postgres_url: str) -> None:
    url = make_url(postgres_url).set(password="secret")  # noqa: S106 - a password that must not be seen
    with Store.open(url.render_as_string(hide_password=False), create=True) as store:
        assert "secret" in store.url
        assert "secret" not in store.shown + repr(store)
        with pytest.raises(NotFoundError) as caught:
            store.delete_sweep("0" * 32)
    assert "secret" not in str(caught.value)
    assert "secret" not in database.shown_url(make_url("postgresql://h/d?password=secret"))


def test_wrong_password_is_one_clear_error(postgres_url: str, postgres_server: Path) -> None:
    role = f"r{os.getpid()}"
    with psycopg.connect(host=str(postgres_server), user="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    url = make_url(postgres_url).set(username=role, password="secret")  # noqa: S106 - the wrong one
    with pytest.raises(StorageError, match="password authentication failed") as caught:
        Store.open(url.render_as_string(hide_password=False), create=True)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)

    # With the right one, what it may not do is an error of the same kind: it may log in, but not create tables.
    url = url.set(password="right")  # noqa: S106 - the right one
    with pytest.raises(StorageError, match="permission denied for schema public"):
        Store.open(url.render_as_string(hide_password=False), create=True)


def test_server_that_is_not_there(tmp_path: Path) -> None:
    for url in (f"postgresql://u:secret@/d?host={tmp_path}", "postgresql://u:secret@127.0.0.1:1/d"):
        start = time.monotonic()
        with pytest.raises(StorageError, match=r"cannot be used: .*connection") as caught:
            Store.open(url)
        assert "secret" not in str(caught.value)
        assert time.monotonic() - start < database.CONNECT_SECONDS + 5


def test_database_that_is_not_there(postgres_url: str) -> None:
    with pytest.raises(StorageError, match='database "nowhere" does not exist'):
        Store.open(make_url(postgres_url).set(database="nowhere").render_as_string(), create=True)


def test_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r"pip install 'dropout-sweep\[postgres\]'"):
        Store.open("postgresql://u@h/d")


def test_reading_never_creates(sqlite_url: str, tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(NotFoundError, match=r"no database at .*sweep\.db; `sweep run` creates it"):
        Store.open(sqlite_url)
    assert list(tmp_path.iterdir()) == []

    path = tmp_path / "sweep.db"
    path.touch()
    with pytest.raises(NotFoundError, match="no sweep in"):
        Store.open(sqlite_url)
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]

    with pytest.raises(NotFoundError, match="no sweep in"):
        Store.open(postgres_url)


def test_file_that_vanished_is_not_created_by_a_reader(sqlite_url: str, tmp_path: Path) -> None:
    Store.open(sqlite_url, create=True).close()
    with Store.open(sqlite_url) as store:
        store._engine.dispose()
        (tmp_path / "sweep.db").unlink()
        with pytest.raises(StorageError, match="unable to open database file"):
            store.sweeps()
    assert not (tmp_path / "sweep.db").exists()


def test_file_that_cannot_be_a_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is a text, and a long enough one to see that it is no database\n" * 10)
    for create in (False, True):
        with pytest.raises(StorageError, match="file is not a database"):
            Store.open(f"sqlite:///{tmp_path}/text.db", create=create)
        with pytest.raises(StorageError, match="is a folder"):
            Store.open(f"sqlite:///{tmp_path}", create=create)
    with pytest.raises(StorageError, match=r"the folder of the database must exist, however: no .*/nowhere"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/a.db", create=True)


def test_name_that_no_file_can_have() -> None:
    for create in (False, True):
        with pytest.raises(StorageError, match="cannot be used: File name too long"):
            Store.open(f"sqlite:///{'a' * 300}.db", create=create)


def test_folder_that_cannot_be_written() -> None:
    # Not even root may write here.
    with pytest.raises(StorageError, match=r"sqlite:////proc/sweep\.db cannot be used: unable to open database file"):
        Store.open("sqlite:////proc/sweep.db", create=True)


def test_damaged_file_is_one_clear_error(sqlite_url: str, tmp_path: Path) -> None:
    Store.open(sqlite_url, create=True).close()
    path = tmp_path / "sweep.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StorageError, match="malformed"):
        Store.open(sqlite_url)


def test_path_may_hold_anything_but_braces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "with space, 100% #1 é ü ?"
    folder.mkdir()
    # A question mark begins the query of a URL, so such a folder can only be reached by a relative path.
    monkeypatch.chdir(folder)
    with Store.open("sqlite:///my sweep #1 100%.db", create=True) as store:
        monkeypatch.chdir(tmp_path)  # what was opened stays what it is
        store._engine.dispose()
        assert store.sweeps() == []
    assert (folder / "my sweep #1 100%.db").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_sqlite_is_set_up_for_two_writers(sqlite_url: str, tmp_path: Path) -> None:
    with Store.open(sqlite_url, create=True) as store, store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    # The file itself remembers: Optuna's connections use it too.
    plain = sqlite3.connect(tmp_path / "sweep.db")
    assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plain.close()


def test_opening_waits_for_a_reader_of_a_file_without_write_ahead_log(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As Optuna alone would have left it, a dashboard reading it at this moment.
    other = sqlite3.connect(tmp_path / "sweep.db", isolation_level=None, check_same_thread=False)
    for table in ("studies", "trials", "version_info"):
        other.execute(f"CREATE TABLE {table} (id INTEGER)")
    other.execute("BEGIN")
    other.execute("SELECT * FROM studies").fetchall()
    monkeypatch.setattr(versions, "BUSY_SECONDS", 0.05)
    with pytest.raises(StorageError, match="database is locked"):
        Store.open(sqlite_url, create=True)
    monkeypatch.undo()
    done = threading.Timer(0.2, other.close)
    done.start()
    Store.open(sqlite_url, create=True).close()
    done.join()


def test_a_write_holds_the_file_from_its_first_read_on(sqlite_url: str, tmp_path: Path) -> None:
    def write(session: Session) -> None:
        session.execute(text("SELECT count(*) FROM sweep_sweeps"))
        # Were this one let in between, our write would be refused at once, without any waiting.
        other = sqlite3.connect(tmp_path / "sweep.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("DELETE FROM sweep_sweeps")
        other.close()

    with Store.open(sqlite_url, create=True) as store:
        store._write(write)


def test_a_lock_held_too_long_is_one_clear_error(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(sqlite_url, create=True).close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "sweep.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Store.open(sqlite_url) as store:
        assert store.sweeps() == []  # readers do not wait for a writer
        with pytest.raises(StorageError, match="database is locked"):
            store.update_trials_budget("0" * 32, 1)
    other.close()


def test_only_the_store_knows_sqlalchemy_and_nothing_heavy_comes_with_it() -> None:
    code = "import sys, sweep.store.store; print({'torch', 'optuna', 'sklearn', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_tables_that_another_program_of_ours_has_just_made_are_not_a_strangers(storage_url: str) -> None:
    """Two that begin at once on an empty database: one of them looks, finds nothing, and looks again."""
    with Store.open(storage_url, create=True) as store:
        versions.check_ours(store._engine, store.shown)
