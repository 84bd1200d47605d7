"""A database that holds our tables: opened, its version settled, its transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, event, inspect
from sqlalchemy.orm import Session

from sweep.errors import NotFoundError, StorageError
from sweep.interrupts import held
from sweep.store import database, failures, versions
from sweep.store.patience import Outage, nothing

_T = TypeVar("_T")

Fence = Callable[[Session | Connection], None]
"""Raises what keeps a write from being made."""


class OpenedDatabase:
    """Our tables in one database, as far as every part of :class:`~sweep.store.store.Store` needs it.

    Attributes:
        url: The database URL with its driver settled, password included: what
            ``optuna.storages.RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)`` takes.
        shown: The same for messages, password masked.
        optuna_engine_kwargs: Give Optuna's own connections what ours have.
        patience: Seconds that an outage of the database may last: so long a method goes on trying.
        on_wait: Told when such waiting begins, now and then, and when it is over. What it raises comes out of the
            method.
        fence: Called first in the transaction of every write; what it raises undoes the write.
    """

    def __init__(self, url: URL, *, create: bool) -> None:
        self._url = url
        self._engine = database.make_engine(url, create=create)
        self._writer = database.writer(self._engine)
        self.url = database.optuna_url(url)
        self.shown = database.shown_url(url)
        self.optuna_engine_kwargs = database.optuna_engine_kwargs(url)
        self.patience = 0.0
        self.on_wait: Callable[[str], None] = nothing
        self.fence: Fence | None = None
        self._fenced = False
        self._outage = Outage(self.shown)

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Self:
        """Open the database at a URL.

        Args:
            url: ``sqlite:///PATH``, ``postgresql://…``, or what :func:`sweep.store.memory.memory_database` gives.
            create: Make the SQLite file and our tables where there are none. Without it opening writes nothing.

        Raises:
            StorageError: The URL cannot be used, the database cannot be reached, is no database, holds the tables of
                another program, or its tables are older or newer than this program.
            NotFoundError: Without ``create``: there is no such file, or no sweep was ever stored in the database.
        """
        parsed = database.parse_url(url)
        database.check_file(parsed, create=create)
        store = cls(parsed, create=create)
        try:
            store._settle_version(create=create)
        except BaseException:
            store.close()
            raise
        return store

    def again(self) -> Self:
        """The same database once more, for another thread: with patience and fence of its own."""
        return type(self).open(database.optuna_url(self._url))

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
        return self._read(lambda session: inspect(session.connection()).has_table(name))

    def patiently(self, attempt: Callable[[], _T]) -> _T:
        """What an attempt gives that may fail for an outage of the database: made again until that is over.

        Args:
            attempt: Must be right if it was done before, and only the answer was lost.

        Raises:
            UnreachableError: The outage lasts longer than ``patience``.
        """
        return self._outage.outlast(attempt, self.patience, self.on_wait)

    def alone(self) -> AbstractContextManager[None]:
        """Inside, no other program makes or changes tables here: see :func:`sweep.store.versions.alone`."""
        return versions.alone(self._url, self.on_wait)

    def watch(self, engine: Engine) -> None:
        """Have an engine of another library on this database behave as ours.

        It raises what can be waited for, and :attr:`fence` stands before what it does :meth:`fenced`.
        """
        failures.raise_at_once(engine, self._url)

        @event.listens_for(engine, "begin")
        def _begun(connection: Connection) -> None:
            if self._fenced and self.fence is not None:
                database.lock_for_writing(connection)
                self.fence(connection)

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """Inside, a library that is watched writes: each of its transactions begins with :attr:`fence`."""
        self._fenced = True
        try:
            yield
        finally:
            self._fenced = False

    def translated(self) -> AbstractContextManager[None]:
        """Inside, what a driver raises is a :class:`StorageError`."""
        return failures.translated(self._url)

    def failure(self, error: BaseException) -> StorageError:
        """What a driver, or a library on top of one, says of this database, in our words."""
        return failures.failure(self._url, error)

    def _settle_version(self, *, create: bool) -> None:
        with self.translated():
            state = versions.state_of(self._engine)
            if state == "absent" and create:
                versions.check_ours(self._engine, self.shown)
        if state == "newer":
            raise StorageError(f"{self.shown} was written by a newer sweep: update this program (dropout-sweep)")
        if state == "older":
            raise StorageError(
                f"{self.shown} was written by an older sweep: `sweep storage upgrade` brings it up to date"
            )
        if state == "absent":
            if not create:
                raise NotFoundError(f"no sweep in {self.shown}: `sweep run` stores the first one")
            versions.upgrade(self._url)

    def _read(self, query: Callable[[Session], _T]) -> _T:
        """What a query gives. It may be asked several times."""

        def attempt() -> _T:
            with self.translated(), Session(self._engine) as session:
                return query(session)

        return self.patiently(attempt)

    def _write(self, change: Callable[[Session], _T]) -> _T:
        """What a change gives, made in one transaction.

        It may be made several times: again when it was undone, and again when it was committed and only the answer was
        lost. So it has to be right if it finds itself done already.

        Raises:
            IntegrityError: A constraint was violated.
        """

        def attempt() -> _T:
            with (
                held(),
                self.translated(),
                Session(self._writer) as session,
                session.begin(),
            ):
                if self.fence is not None:
                    self.fence(session)
                return change(session)

        return self.patiently(attempt)

    def _no_sweep(self, key: str) -> NotFoundError:
        return NotFoundError(f"no sweep with key {key} in {self.shown}: deleted?")
