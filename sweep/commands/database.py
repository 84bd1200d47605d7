"""Which database a command is about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any

from sweep import settings
from sweep.commands.given import shown
from sweep.errors import StorageError

if TYPE_CHECKING:
    from sweep.store.store import Store


def database_url(storage: str | PathLike[str] | Any | None) -> str:
    """What ``storage`` names, or the environment. A path that is no text is a SQLite file's.

    Raises:
        StorageError: It is neither text nor a path.
    """
    if storage is None or isinstance(storage, str):
        return storage or settings.storage_url()
    if not isinstance(storage, PathLike):
        raise StorageError(f"storage must be a database URL, or the path of a SQLite file, however: {shown(storage)}")
    path = os.fspath(storage)
    if "?" in path:  # begins the options of a URL
        raise StorageError(f"storage must be a path without a question mark, however: {path}")
    return f"sqlite:///{path}"


@contextmanager
def opened(storage: str | PathLike[str] | None) -> Iterator[Store]:
    """The database, for reading: never made here."""
    from sweep.store.store import Store  # SQLAlchemy takes long to import

    with Store.open(database_url(storage)) as store:
        yield store
