"""Which schema a database has, and bringing it up to ours.

Alembic applies the revisions under ``migrations/``. Its version table is our own, beside Optuna's.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, inspect, text

from sweep import wording
from sweep.errors import StorageError
from sweep.store import memory
from sweep.store.database import BUSY_SECONDS, is_file, make_engine, shown_url, sqlite_path, writer
from sweep.store.failures import translated
from sweep.store.models import PREFIX
from sweep.store.patience import nothing

VERSION_TABLE = "sweep_alembic_version"

# Oldest first; the last one is what models.py describes.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = REVISIONS[-1]

State = Literal["absent", "older", "current", "newer"]

# Tables by which a database of Optuna's is known, of whatever version. Only their names are looked at.
_OPTUNA = {"studies", "trials", "version_info"}

# Any number that is always the same: who holds it on PostgreSQL makes or changes the tables of this database.
_ADVISORY_LOCK = 0x53_57_45_45_50

# Alembic keeps the migration in progress in module globals.
_one_at_a_time = threading.Lock()


def include_object(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Alembic's filter: whether a table is ours. Optuna's are not seen, let alone touched."""
    return kind != "table" or (name or "").startswith(PREFIX)


def revision_of(connection: Connection) -> str | None:
    """The revision a database is at; ``None`` where our tables were never made."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    # The name is a constant of this module.
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return found


def state_of(engine: Engine) -> State:
    """How the schema of a database stands to ours."""
    with engine.connect() as connection:
        revision = revision_of(connection)
    if revision is None:
        return "absent"
    if revision == HEAD:
        return "current"
    return "older" if revision in REVISIONS else "newer"


def check_ours(engine: Engine, shown: str) -> None:
    """That tables of ours may be made in a database without any: it is empty, or Optuna's.

    Args:
        engine: Of the database; on PostgreSQL the schema is looked at in which tables would be made.
        shown: Its name, for messages.

    Raises:
        StorageError: It is another program's.
    """
    with engine.connect() as connection:
        names = inspect(connection).get_table_names()
    if VERSION_TABLE in names:  # made by another program of ours since somebody looked
        return
    if names and not _OPTUNA.issubset(names):
        some = wording.listed([*sorted(names)[:3], *(["others"] if len(names) > 3 else [])])
        raise StorageError(
            f"the database must be empty, or hold sweeps or Optuna studies, however: {shown} holds the tables of "
            f"another program ({some})"
        )


def changes(revision: str) -> list[tuple[str, str]]:
    """What leads from a revision to the newest: each revision in between, and what it brings, oldest first."""
    known = {script.revision: script for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return [(one, " ".join(known[one].doc.split())) for one in REVISIONS[REVISIONS.index(revision) + 1 :]]


@contextmanager
def alone(url: URL, on_wait: Callable[[str], None] = nothing) -> Iterator[None]:
    """Inside, no other program makes or changes the tables of a database: not ours, nor, through us, Optuna's.

    Nothing is left of it when a process dies.

    Args:
        url: Of the database. The folder of a SQLite file has to be there.
        on_wait: Told when another program has to be waited for.

    Raises:
        StorageError: The database cannot be reached.
    """
    said = f"another program makes or changes the tables of {shown_url(url)}: waiting for it"
    if memory.is_memory(url):  # which no other program can reach
        with memory.changing(url):
            yield
        return
    with _folder_locked(sqlite_path(url), on_wait, said) if is_file(url) else _server_locked(url, on_wait, said):
        yield


def upgrade(url: URL, to: str = HEAD) -> None:
    """Bring a database up to a revision, in one transaction; several processes may try at once.

    Raises:
        StorageError: The database cannot be reached or written.
    """
    with alone(url):
        migrate(url, to)


def migrate(url: URL, to: str = HEAD) -> None:
    """The same for a caller that is :func:`alone`."""
    engine = make_engine(url, create=True, foreign_keys=False)
    try:
        with _one_at_a_time, translated(url):
            if is_file(url):
                _use_write_ahead_log(url)
            with writer(engine).begin() as connection:
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, to)
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@contextmanager
def _folder_locked(path: Path, on_wait: Callable[[str], None], said: str) -> Iterator[None]:
    # Not the file itself: SQLite's own locks on it would be lost when it is closed here. A folder needs no file more.
    folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait(said)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def _server_locked(url: URL, on_wait: Callable[[str], None], said: str) -> Iterator[None]:
    # Held by the session: the work inside is done in transactions of other connections.
    engine = make_engine(url, create=False).execution_options(isolation_level="AUTOCOMMIT")
    try:
        with translated(url):
            connection = engine.connect()
        with connection:
            with translated(url):
                if not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _ADVISORY_LOCK}):
                    on_wait(said)
                    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            yield
    finally:
        engine.dispose()  # and with it the lock


def _use_write_ahead_log(url: URL) -> None:
    """Readers and a writer then do not wait for each other. The file remembers it, for Optuna's connections too."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = sqlite3.connect(sqlite_path(url), timeout=BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()  # unread, it would not be in force
            return
        except sqlite3.OperationalError as error:
            # The change needs the file for itself and SQLite does not wait for that, whatever the timeout.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        finally:
            connection.close()
