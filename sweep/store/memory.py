"""Databases in memory, for sweeps that need not last.

SQLite's own file system ``memdb``: all connections of this process that open one name have one database, and wait for
each other's locks as for those of a file. (With a shared cache, the older way, they fail at once.) There is no
write-ahead log, so readers and a writer wait for each other, too; the rollback journal is in memory as well.

Such a database is there as long as any connection to it is, in the process that made it alone.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import URL, make_url

from sweep.errors import StorageError

SHOWN = "memory"
"""The name of every such database in messages."""

MOST_BYTES = 2**30
"""What one holds: SQLite's SQLITE_CONFIG_MEMDB_MAXSIZE, which Python cannot set."""

_FIRST_SQLITE = (3, 36)  # whose memdb can be shared


class _Held(NamedTuple):
    """What keeps a database: a connection that does nothing. And the lock of who makes or changes its tables."""

    connection: sqlite3.Connection
    changing: threading.Lock


_held: dict[str, _Held] = {}
_inherited: list[_Held] = []


def _forget() -> None:
    """In a forked process: SQLite's connections must not be used there, nor closed."""
    _inherited.extend(_held.values())
    _held.clear()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def memory_database(content: bytes = b"") -> Iterator[str]:
    """Inside, there is a database in memory, for this process; it is gone when the last one who has it open closes it.

    Args:
        content: That it begins with, from :func:`content_of`; empty for none.

    Returns:
        Its URL, for :meth:`sweep.store.opened.OpenedDatabase.open` in any thread, as often as need be.

    Raises:
        StorageError: This SQLite is too old.
    """
    if sqlite3.sqlite_version_info < _FIRST_SQLITE or not hasattr(sqlite3.Connection, "deserialize"):
        needed = ".".join(map(str, _FIRST_SQLITE))
        raise StorageError(
            f"a database in memory needs SQLite {needed} or newer, however: {sqlite3.sqlite_version}; take a file"
        )
    name = f"file:/sweep-{secrets.token_hex(16)}"
    held = _Held(sqlite3.connect(f"{name}?vfs=memdb", uri=True, check_same_thread=False), threading.Lock())
    if content:
        # What is deserialised is its connection's own: the pages have to be copied.
        with closing(sqlite3.connect(":memory:")) as source:
            source.deserialize(content)
            source.backup(held.connection)
    _held[name] = held
    try:
        yield URL.create("sqlite", database=name, query={"uri": "true", "vfs": "memdb"}).render_as_string()
    finally:
        if _held.pop(name, None) is not None:  # or this is a process that was forked inside
            held.connection.close()


def content_of(url: str) -> bytes:
    """All that a database in memory holds, for :func:`memory_database`. No other connection may be writing to it.

    Raises:
        StorageError: It is not there.
    """
    parsed = make_url(url)
    check(parsed)
    return _held[parsed.database or ""].connection.serialize()


def is_memory(url: URL) -> bool:
    """Whether it is the URL of a database in memory, be it there or not."""
    return url.query.get("vfs") == "memdb"


def check(url: URL) -> None:
    """That a database in memory is there.

    Raises:
        StorageError: It is none of this process, or gone.
    """
    if url.database not in _held:
        raise StorageError(
            "a database in memory is there only inside `memory_database()`, in the process that made it, however: "
            f"{url.render_as_string()} is not"
        )


def changing(url: URL) -> threading.Lock:
    """What a thread holds while it makes or changes tables of a database in memory.

    Raises:
        StorageError: The database is gone.
    """
    check(url)
    return _held[url.database or ""].changing


class Connection(sqlite3.Connection):
    """To a database in memory that is there: SQLite would make an empty one in place of one that is gone.

    Raises:
        sqlite3.OperationalError: It is gone.
    """

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:
        if database.partition("?")[0] not in _held:
            raise sqlite3.OperationalError("it is gone")
        super().__init__(database, *arguments, **options)
        self.execute("PRAGMA temp_store = MEMORY")  # else what is too large to be sorted at once goes to a file
