"""Leases: one coordinator per sweep, whatever happens to it.

A lease is a row of the sweep, with a random token of its holder and an instant at which it ends unless the holder
renews it. Both are compared by the database's own clock alone: those of the machines may differ. Every write of a run
is *fenced* by the token, Optuna's too: its transaction locks the row, and gives up where the token is no longer its
own. So a coordinator that was paused or cut off cannot write after another one has taken over.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, String, and_, cast, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from sweep.errors import BusyError
from sweep.store import statements
from sweep.store.models import Lease
from sweep.store.opened import Fence, OpenedDatabase
from sweep.store.rows import Holder, LeaseRecord

# On PostgreSQL a transaction that holds a lease's row and does nothing for so long is ended.
IDLE_SECONDS = 30


class now(FunctionElement[float]):  # noqa: N801 - reads as SQL's functions do
    """Seconds since the epoch by the clock of the database, float64; on PostgreSQL not frozen by a transaction."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"


class _limited(FunctionElement[str]):  # noqa: N801 - likewise
    """Gives a text. On PostgreSQL the transaction, with its locks, is ended when it does nothing for so long.

    Whoever is stopped, or cut off, in the middle of a write would else keep others from taking over for hours.
    """

    type = String()
    inherit_cache = True


@compiles(_limited, "sqlite")
def _limited_sqlite(element: _limited, compiler: Any, **_: Any) -> str:
    return "''"


@compiles(_limited, "postgresql")
def _limited_postgresql(element: _limited, compiler: Any, **_: Any) -> str:
    return f"set_config('idle_in_transaction_session_timeout', {compiler.process(element.clauses)}, true)"


def _idle() -> ColumnElement[str]:
    return cast(f"{IDLE_SECONDS}s", String)


class Leases(OpenedDatabase):
    """The leases' part of :class:`~sweep.store.store.Store`."""

    def take_lease(self, key: str, holder: Holder, seconds: float, *, after: str | None = None) -> LeaseRecord:
        """Take the lease of a sweep if nobody has it, or whoever had it let it expire.

        Args:
            key: Of the sweep.
            holder: Who asks.
            seconds: After which it expires, unless it is renewed.
            after: Token of a holder that is known to be dead: its lease is taken over before it expires.

        Returns:
            The lease as it is now: the caller's own, by its token, or that of somebody else.

        Raises:
            NotFoundError: No sweep has that key.
        """
        ends = now() + seconds
        taken = {**asdict(holder), "acquired_at": now(), "expires_at": ends}

        def take(session: Session) -> LeaseRecord:
            session.execute(select(_limited(_idle())))
            query = statements.upsert(session, Lease).values({"sweep_key": key, **taken})
            free = or_(Lease.expires_at <= now(), Lease.token == holder.token, Lease.token == (after or ""))
            session.execute(query.on_conflict_do_update(index_elements=[Lease.sweep_key], set_=taken, where=free))
            found = _read(session, key)
            assert found is not None  # noqa: S101 - stored a line above
            return found

        try:
            return self._write(take)
        except IntegrityError:
            raise self._no_sweep(key) from None

    def renew_lease(self, key: str, token: str, seconds: float) -> bool:
        """Put off the end of a lease. An expired one is renewed too, as long as nobody has taken it.

        Returns:
            Whether the lease is the caller's: ``False`` once somebody took it over, or the sweep was deleted.
        """
        change = update(Lease).where(_of(key, token)).values(expires_at=now() + seconds)

        def renew(session: Session) -> bool:
            session.execute(select(_limited(_idle())))
            return session.scalar(change.returning(Lease.token)) is not None

        return self._write(renew)

    def release_lease(self, key: str, token: str) -> None:
        """Give a lease back, if it is still the caller's."""
        self._write(lambda session: session.execute(delete(Lease).where(_of(key, token))))

    def lease(self, key: str) -> LeaseRecord | None:
        """Who holds the lease of a sweep, or held it last without giving it back; ``None`` if nobody does."""
        return self._read(lambda session: _read(session, key))

    def leases(self) -> dict[str, LeaseRecord]:
        """All leases by the key of their sweep."""
        query = select(Lease, now())
        return self._read(lambda session: {row.sweep_key: _record(row, at) for row, at in session.execute(query)})


def fence(key: str, token: str) -> Fence:
    """What a run puts before each of its writes: a check that its lease is still its own, until the write is over.

    Raises:
        BusyError: By what is given: the lease is somebody else's, or the sweep is gone.
    """
    # A share lock: whoever takes the lease over waits until the write is committed. SQLite has one writer anyway.
    query = select(Lease.token, _limited(_idle())).where(_of(key, token)).with_for_update(read=True)

    def check(connection: Session | Connection) -> None:
        if connection.execute(query).one_or_none() is None:
            raise BusyError("the sweep was taken over by another run, or deleted, while this one was paused or cut off")

    return check


def _of(key: str, token: str) -> Any:
    return and_(Lease.sweep_key == key, Lease.token == token)


def _read(session: Session, key: str) -> LeaseRecord | None:
    found = session.execute(select(Lease, now()).where(Lease.sweep_key == key)).one_or_none()
    return None if found is None else _record(*found)


def _record(row: Lease, at: float) -> LeaseRecord:
    return LeaseRecord(
        holder=Holder(row.token, row.machine, row.host, row.pid, row.started),
        acquired_at=row.acquired_at,
        expires_at=row.expires_at,
        seconds_left=row.expires_at - at,
    )
