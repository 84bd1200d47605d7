"""A database that holds our tables: opened, its version settled, its transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import URL, inspect
from sqlalchemy.orm import Session

from sweep.errors import NotFoundError, StorageError
from sweep.interrupts import held
from sweep.store import database, versions


class OpenedDatabase:
    """Our tables in one database, as far as every part of :class:`~sweep.store.store.Store` needs it.

    Attributes:
        url: The database URL with its driver settled, password included: what
            ``optuna.storages.RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)`` takes.
        shown: The same for messages, password masked.
        optuna_engine_kwargs: Give Optuna's own connections our patience with a busy database.
    """

    def __init__(self, url: URL, *, create: bool) -> None:
        self._url = url
        self._engine = database.make_engine(url, create=create)
        self._writer = database.writer(self._engine)
        self.url = database.optuna_url(url)
        self.shown = database.shown_url(url)
        self.optuna_engine_kwargs = database.optuna_engine_kwargs(url)

    @classmethod
    def open(cls, url: str, *, create: bool = False, upgrade: bool = False) -> Self:
        """Open the database at a URL.

        Args:
            url: ``sqlite:///PATH`` or ``postgresql://…``.
            create: Make the SQLite file and our tables where there are none, and bring older ones up to date.
                Without it opening writes nothing.
            upgrade: Bring older tables up to date, and make nothing.

        Raises:
            StorageError: The URL cannot be used, the database cannot be reached, is no database, or its tables are
                newer than this program; or older, without ``create`` or ``upgrade``.
            NotFoundError: Without ``create``: there is no such file, or no sweep was ever stored in the database.
        """
        parsed = database.parse_url(url)
        if database.is_sqlite(parsed):
            database.check_file(parsed, create=create)
        store = cls(parsed, create=create)
        try:
            store._settle_version(create=create, upgrade=upgrade)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown!r})"

    def has_table(self, name: str) -> bool:
        """Whether the database has a table of that name, ours or not."""
        with database.translated(self._url), self._engine.connect() as connection:
            return inspect(connection).has_table(name)

    def _settle_version(self, *, create: bool, upgrade: bool) -> None:
        with database.translated(self._url):
            state = versions.state_of(self._engine)
        if state == "newer":
            raise StorageError(f"{self.shown} was written by a newer sweep: update this program (dropout-sweep)")
        if state == "current":
            return
        if create or (upgrade and state == "older"):
            versions.upgrade(self._url)
        elif state == "absent":
            raise NotFoundError(f"no sweep in {self.shown}: `sweep run` stores the first one")
        else:
            raise StorageError(
                f"{self.shown} was written by an older sweep: `sweep run` or `sweep answer` brings it up to date"
            )

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with database.translated(self._url), Session(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with held(), database.translated(self._url), Session(self._writer) as session, session.begin():
            yield session

    def _no_sweep(self, key: str) -> NotFoundError:
        return NotFoundError(f"no sweep with key {key} in {self.shown}: deleted?")
