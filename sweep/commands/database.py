"""Which database a command is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sweep import settings

if TYPE_CHECKING:
    from sweep.store.store import Store


def database_url(storage: str | None) -> str:
    """What ``--storage`` names, or the environment."""
    return storage or settings.storage_url()


@contextmanager
def opened(storage: str | None) -> Iterator[Store]:
    """The database, for reading: never made here."""
    from sweep.store.store import Store  # SQLAlchemy takes long to import

    with Store.open(database_url(storage)) as store:
        yield store
