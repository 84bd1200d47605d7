"""Copies of a SQLite database: one to keep, and one to work on that takes the original's place as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sweep.store.database import BUSY_SECONDS

_BESIDE = ("", "-wal", "-shm", "-journal")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A copy of a database to work on; left without an error, the copy takes the original's place.

    Nobody writes to the original meanwhile, and it changes in one transaction: a program that dies on the way leaves it
    as it was. The next one removes what the other left of its copy.

    Args:
        path: Of the database. The caller is alone in it (``versions.alone``).

    Raises:
        sqlite3.Error: Somebody else writes to it, or a disk is full.
    """
    copy = path.with_name(f"{path.name}.upgrading")
    _remove(copy)
    try:
        with closing(_connect(path)) as original:
            original.execute("BEGIN IMMEDIATE")
            _copy(path, copy)
            yield copy
            original.execute("ROLLBACK")
            _copy(copy, path)
    finally:
        _remove(copy)


def keep(path: Path, name: str) -> Path:
    """Copies a database to a file beside it, or to one of a similar name where that is taken.

    Returns:
        The file. It is there whole or not at all.

    Raises:
        sqlite3.Error: A disk is full.
    """
    part = path.with_name(f"{name}.part")
    _remove(part)
    try:
        _copy(path, part)
        kept, number = path.with_name(name), 1
        while kept.exists():
            number += 1
            kept = path.with_name(f"{name}.{number}")
        part.replace(kept)
    finally:
        _remove(part)
    return kept


def _copy(source: Path, target: Path) -> None:
    """All of a database in one transaction."""
    # Connections of their own: one that has begun to write cannot be copied from, and would be waited for for ever.
    with closing(_connect(source)) as read, closing(_connect(target)) as written:
        read.backup(written)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)


def _remove(path: Path) -> None:
    for ending in _BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)
