"""Which schema a database has, and bringing it up to ours.

Alembic applies the revisions under ``migrations/``. Its version table is our own, beside Optuna's.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, inspect, text

from sweep.store.database import BUSY_SECONDS, is_sqlite, make_engine, sqlite_path, translated, writer
from sweep.store.models import PREFIX

VERSION_TABLE = "sweep_alembic_version"

# Oldest first; the last one is what models.py describes.
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
HEAD = REVISIONS[-1]

State = Literal["absent", "older", "current", "newer"]

# Any number that is always the same: who holds it on PostgreSQL is migrating this database.
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


def upgrade(url: URL, to: str = HEAD) -> None:
    """Bring a database up to a revision, in one transaction; several processes may try at once.

    Raises:
        StorageError: The database cannot be reached or written.
    """
    engine = make_engine(url, create=True, foreign_keys=False)
    try:
        with _one_at_a_time, translated(url):
            if is_sqlite(url):
                _use_write_ahead_log(url)
            with writer(engine).begin() as connection:
                if not is_sqlite(url):
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
                config = Config()
                config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
                config.attributes["connection"] = connection
                command.upgrade(config, to)
    finally:
        engine.dispose()


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
