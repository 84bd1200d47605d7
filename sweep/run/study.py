"""Optuna's side of a database: opened to run a sweep or only to read, closed again, its failures in our words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage

from sweep.errors import StorageError
from sweep.store.opened import OpenedDatabase

KEY_ATTRIBUTE = "sweep_key"
"""User attribute of a study that holds the key of its sweep."""

_VERSION_TABLE = "version_info"  # of Optuna's tables

_newest: str | None = None


@contextmanager
def optuna_storage(store: OpenedDatabase) -> Iterator[RDBStorage]:
    """Optuna's storage, its tables made if need be; its messages are off inside.

    Raises:
        StorageError: The tables are those of another Optuna, or what happens inside fails in the database.
    """
    with _opened(store, create=True) as storage:
        yield storage


@contextmanager
def open_storage(store: OpenedDatabase) -> Iterator[RDBStorage | None]:
    """The same, creating nothing; ``None`` if Optuna never stored anything there.

    Raises:
        StorageError: As :func:`optuna_storage`.
    """
    if not store.has_table(_VERSION_TABLE):
        yield None
        return
    with _opened(store, create=False) as storage:
        yield storage


def cached(storage: RDBStorage) -> BaseStorage:
    """The same, reading each finished trial once: for a page that asks again and again."""
    return get_storage(storage)  # wraps it as `optuna.load_study` does


def optuna_versions(database: OpenedDatabase) -> tuple[str, str] | None:
    """The version that Optuna's tables are of, and the one that they are to be of; ``None`` without such tables.

    Raises:
        StorageError: They are of a version that this Optuna does not know.
    """
    if not _has_tables(database):
        return None
    with quiet(), translated(database), _connected(database) as storage:
        found, known = storage.get_current_version(), _known_version(storage)
        if found not in storage.get_all_versions():
            raise _unknown(database, found, known)
        return found, known


def upgrade_optuna(database: OpenedDatabase) -> None:
    """Brings Optuna's tables up to date, where there are any.

    Raises:
        StorageError: The database cannot be used.
    """
    if _has_tables(database):
        with quiet(), translated(database), _connected(database) as storage:
            storage.upgrade()


@contextmanager
def _opened(store: OpenedDatabase, *, create: bool) -> Iterator[RDBStorage]:
    with quiet(), translated(store), ExitStack() as stack:
        storage = store.patiently(lambda: stack.enter_context(_settled(store, create=create)))
        yield storage


@contextmanager
def _settled(store: OpenedDatabase, *, create: bool) -> Iterator[RDBStorage]:
    """A storage of our version, its tables made if need be."""
    with ExitStack() as stack:
        with store.alone() if create else nullcontext():  # or two programs would make the same tables at once
            if create and _has_tables(store):
                with _connected(store) as storage:  # nothing is added to those of another version
                    _check_version(store, storage)
            storage = stack.enter_context(_connected(store, create=create))
            _check_version(store, storage)
        yield storage


@contextmanager
def _connected(store: OpenedDatabase, *, create: bool = False) -> Iterator[RDBStorage]:
    """A storage of whatever version."""
    with translated(store):
        storage = RDBStorage(
            store.url,
            engine_kwargs=dict(store.optuna_engine_kwargs),
            skip_compatibility_check=True,  # it would leave connections open
            skip_table_creation=not create,
        )
    store.watch(storage.engine)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _has_tables(store: OpenedDatabase) -> bool:
    """Whether Optuna's tables are there, and not only some of them that a killed program came to make."""
    return store.has_table(_VERSION_TABLE) and store.has_table("alembic_version")


def _check_version(store: OpenedDatabase, storage: RDBStorage) -> None:
    found, known = storage.get_current_version(), _known_version(storage)
    if found == known:
        return
    if found not in storage.get_all_versions():
        raise _unknown(store, found, known)
    raise StorageError(
        f"Optuna {optuna.__version__} cannot use its tables in {store.shown}: they are of an older version ({found}, "
        f"it uses {known}); `sweep storage upgrade` brings them up to date"
    )


def _unknown(store: OpenedDatabase, found: str, known: str) -> StorageError:
    return StorageError(
        f"Optuna {optuna.__version__} cannot use its tables in {store.shown}: they are of version {found}, it knows "
        f"{known} and older ones; a newer Optuna made them, or alembic_version is another program's table"
    )


def _known_version(storage: RDBStorage) -> str:
    """The newest version of its tables that this Optuna knows. It reads all its migrations to tell: asked once."""
    global _newest
    if _newest is None:
        _newest = storage.get_head_version()
    return _newest


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna's messages are off inside."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Its migrations set up logging for the whole program, unless somebody has done so.
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        optuna.logging.set_verbosity(verbosity)


@contextmanager
def translated(store: OpenedDatabase) -> Iterator[None]:
    """Inside, Optuna's word for a failing database is ours.

    Raises:
        StorageError: The database cannot be used.
    """
    try:
        with store.translated():
            yield
    except StorageInternalError as error:
        raise store.failure(error.__cause__ or error) from error
