"""Database URLs and engines.

SQLite: a file on a disk of this machine, with a write-ahead log, or what ``memory`` has made; 30 s of patience for
another writer, foreign keys on, and every write takes its lock when it begins: a transaction that reads first and
writes later would fail at once when another one wrote in between, whatever the patience.

PostgreSQL: through psycopg, few connections, each checked before it is used, and given up within half a minute when the
network is cut. What is not in the URL comes from libpq's own places: ``PGPASSWORD``, ``~/.pgpass`` and the like.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from sweep.errors import NotFoundError, StorageError
from sweep.store import memory
from sweep.store.filesystems import network_filesystem

BUSY_SECONDS = 30
CONNECT_SECONDS = 10

# Of libpq (PostgreSQL's manual, "Parameter Key Words"), where the URL does not say otherwise. A connection with nothing
# to do is asked for a sign of life after 10 s, three times, 5 s apart; what was sent and is not acknowledged is waited
# for 30 s. The system's own patience is two hours and a quarter of an hour.
_CONNECTION: dict[str, str | int] = {
    "connect_timeout": CONNECT_SECONDS,
    "fallback_application_name": "sweep",  # PGAPPNAME goes before it
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

# A coordinator needs one connection, now and then two; the dashboard's page asks many things at once.
_POOL: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 2, "max_overflow": 8}

_ALLOWED = "sqlite:///sweep.db or postgresql://user:password@host/database"
_POSTGRES = ("postgresql", "postgresql+psycopg", "postgres")


def parse_url(text: str) -> URL:
    """A database URL with its driver settled: ``sqlite`` or ``postgresql+psycopg``.

    Raises:
        StorageError: It is not a URL, or not one of a file or server that can be used.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not shown where it may hold a password: what cannot be parsed cannot be masked.
        shown = "it" if "@" in text else repr(text)
        raise StorageError(f"storage must be a database URL such as {_ALLOWED}, however: {shown} is none") from None
    if not is_sqlite(url) and text.count("@") > 1:
        # An unescaped one in the password: the rest of the password has become part of the host or the database, where
        # neither we nor a driver would mask it.
        raise StorageError(f"storage must be {_ALLOWED}, however: it has several @ (write those of a password as %40)")
    if url.drivername in _POSTGRES:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StorageError(f"storage must be {_ALLOWED}, however: {shown_url(url)}")
    if memory.is_memory(url):
        memory.check(url)
        return url
    return _checked_sqlite(url.set(drivername="sqlite"))


def shown_url(url: URL) -> str:
    """The URL for messages, its password masked wherever it stands; of a database in memory a word."""
    if memory.is_memory(url):
        return memory.SHOWN
    masked = {name: "***" for name in url.query if "password" in name}
    return url.update_query_dict(masked).render_as_string(hide_password=True)


def optuna_url(url: URL) -> str:
    """The URL as ``optuna.storages.RDBStorage`` takes it, password included."""
    return url.render_as_string(hide_password=False)


def optuna_engine_kwargs(url: URL) -> dict[str, Any]:
    """``engine_kwargs`` for ``optuna.storages.RDBStorage``: as patient with a busy database as we are."""
    if is_sqlite(url):
        return {"connect_args": _sqlite_connection(url)}
    return {**_POOL, "connect_args": _connection(url)}


def is_sqlite(url: URL) -> bool:
    """Whether the database is SQLite's: a file, or in memory."""
    return url.get_backend_name() == "sqlite"


def is_file(url: URL) -> bool:
    """Whether the database is a SQLite file."""
    return is_sqlite(url) and not memory.is_memory(url)


def sqlite_path(url: URL) -> Path:
    """The file of a SQLite URL."""
    return Path(url.database or "")


def files_of(storage: str) -> tuple[Path, ...]:
    """The files of the database of a URL: SQLite's own and those it keeps beside it; none of a server or memory.

    Raises:
        StorageError: As :func:`parse_url`.
    """
    url = parse_url(storage)
    if not is_file(url):
        return ()
    path = sqlite_path(url)
    return (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal")))


def check_file(url: URL, *, create: bool) -> None:
    """Check what can be known of a SQLite file without opening it. Of another database that is nothing.

    Args:
        url: Of the database.
        create: Whether it may be created, and is to be written.

    Raises:
        StorageError: A folder stands in its place, or the folder it should be created in does not exist. With
            ``create``: it lies on a network file system, or it or its folder cannot be written.
        NotFoundError: There is no such file, and it is not to be created.
    """
    if not is_file(url):
        return
    path, shown = sqlite_path(url), shown_url(url)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a folder on the way may not be entered, a name is too long
        raise StorageError(f"the database {shown} cannot be used: {error.strerror}") from None
    if path.is_dir():
        raise StorageError(f"storage must name a file, however: {path} is a folder ({shown})")
    if not create:
        if path.exists():
            return
        raise NotFoundError(f"no database at {path}; `sweep run` creates it ({shown})")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StorageError(f"the folder of the database must exist, however: no {path.parent} ({shown})")
    if kind := network_filesystem(path):
        raise StorageError(
            f"a SQLite database must lie on a disk of this machine, however: {folder} is on a network file system "
            f"({kind}), where SQLite's locks do not hold; take a local folder, or PostgreSQL ({shown})"
        )
    if path.exists() and not os.access(path, os.W_OK):
        raise StorageError(f"the database must be writable, however: {path} is not ({shown})")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(
            f"the folder of the database must be writable, since SQLite keeps its log beside it, however: {folder} is "
            f"not ({shown})"
        )


def make_engine(url: URL, *, create: bool, foreign_keys: bool = True) -> Engine:
    """An engine on a URL from :func:`parse_url`. Nothing is connected yet.

    Args:
        url: Of the database.
        create: Whether connecting may create a SQLite file.
        foreign_keys: Whether SQLite enforces them. Off for migrations only: SQLite changes a table by
            copying and dropping it, and the drop would cascade.

    Raises:
        StorageError: The driver is missing.
    """
    if is_sqlite(url):
        return _sqlite_engine(url, create=create, foreign_keys=foreign_keys)
    try:
        return create_engine(url, connect_args=_connection(url), **_POOL)
    except ImportError as error:
        raise StorageError(
            f"PostgreSQL needs the psycopg driver: pip install 'dropout-sweep[postgres]' ({error})"
        ) from None


def writer(engine: Engine) -> Engine:
    """The same engine, whose transactions take SQLite's write lock when they begin."""
    return engine.execution_options(sweep_begin="BEGIN IMMEDIATE")


def lock_for_writing(connection: Connection) -> None:
    """Has a transaction that begins take SQLite's write lock, on an engine that is not :func:`make_engine`'s."""
    if connection.dialect.name == "sqlite":
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - the only driver there is
        driver.isolation_level = None  # or the module begins one itself, later
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _connection(url: URL) -> dict[str, str | int]:
    return {name: value for name, value in _CONNECTION.items() if name not in url.query}


def _sqlite_connection(url: URL) -> dict[str, Any]:
    """What ``sqlite3.connect`` takes."""
    return {"timeout": BUSY_SECONDS, **({"factory": memory.Connection} if memory.is_memory(url) else {})}


def _checked_sqlite(url: URL) -> URL:
    """Refuse SQLite URLs that two programs would not understand alike."""
    if url.database in (None, "", ":memory:"):
        raise StorageError(f"storage must name a file, such as sqlite:///sweep.db, however: {shown_url(url)}")
    if url.query or url.host:
        raise StorageError(f"storage must be sqlite:/// and a path, nothing else, however: {shown_url(url)}")
    if set("{}") & set(url.database or ""):
        raise StorageError(
            f"the path of the database must be free of braces (Optuna's rule), however: {shown_url(url)}"
        )
    return url


def _sqlite_engine(url: URL, *, create: bool, foreign_keys: bool) -> Engine:
    if is_file(url):
        # SQLite's own URI form is the only one that can say "never create". The path is made absolute, so that a later
        # change of the working directory does not open another file.
        path = quote(str(sqlite_path(url).absolute()))
        query = {"mode": "rwc" if create else "rw", "uri": "true"}
        url = URL.create("sqlite", database=f"file:{path}", query=query)
    engine = create_engine(url, connect_args=_sqlite_connection(url))

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The sqlite3 module would begin transactions on its own, deferred, and not before a table is created.
        connection.isolation_level = None
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sweep_begin", "BEGIN"))

    return engine
