"""Optuna's side of a database: opened to run a sweep or only to read, closed again, its failures in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage

from sweep.errors import StorageError
from sweep.store.store import Store

KEY_ATTRIBUTE = "sweep_key"
"""User attribute of a study that holds the key of its sweep."""

_newest: str | None = None


@contextmanager
def optuna_storage(store: Store) -> Iterator[RDBStorage]:
    """Optuna's storage, its tables made if need be; its messages are off inside.

    Raises:
        StorageError: The tables are those of another Optuna, or what happens inside fails in the database.
    """
    with _opened(store, create=True) as storage:
        yield storage


@contextmanager
def open_storage(store: Store) -> Iterator[RDBStorage | None]:
    """The same, creating nothing; ``None`` if Optuna never stored anything there.

    Raises:
        StorageError: As :func:`optuna_storage`.
    """
    if not store.has_table("version_info"):  # Optuna's
        yield None
        return
    with _opened(store, create=False) as storage:
        yield storage


def cached(storage: RDBStorage) -> BaseStorage:
    """The same, reading each finished trial once: for a page that asks again and again."""
    return get_storage(storage)  # wraps it as `optuna.load_study` does


@contextmanager
def _opened(store: Store, *, create: bool) -> Iterator[RDBStorage]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with _translated(store):
            storage = RDBStorage(
                store.url,
                engine_kwargs=dict(store.optuna_engine_kwargs),
                skip_compatibility_check=True,  # below, where the connection can be closed again
                skip_table_creation=not create,
            )
            try:
                _check_version(store, storage)
                yield storage
            finally:
                storage.remove_session()
                storage.engine.dispose()
    finally:
        optuna.logging.set_verbosity(verbosity)


def _check_version(store: Store, storage: RDBStorage) -> None:
    found, known = storage.get_current_version(), _known_version(storage)
    if found != known:
        raise StorageError(
            f"Optuna {optuna.__version__} cannot use its tables in {store.shown}: they are of version {found}, "
            f"it knows {known}; `optuna storage upgrade` may help"
        )


def _known_version(storage: RDBStorage) -> str:
    """The newest version of its tables that this Optuna knows. It reads all its migrations to tell: asked once."""
    global _newest
    if _newest is None:
        _newest = storage.get_head_version()
    return _newest


@contextmanager
def _translated(store: Store) -> Iterator[None]:
    """Turns Optuna's word for a failing database into ours."""
    try:
        yield
    except StorageInternalError as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise StorageError(f"the database {store.shown} cannot be used: {reason}") from error
