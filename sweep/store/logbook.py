"""The log of a sweep: what happened to it, in sentences. Short: of a sweep that has much trouble the latest is kept."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from sweep.store.codec import storable
from sweep.store.models import LogLine, Order, Sweep
from sweep.store.opened import OpenedDatabase
from sweep.store.service_rows import Level, LogRecord

MOST_LINES = 1000
"""Kept of a sweep."""


class Logbook(OpenedDatabase):
    """The log's part of :class:`~sweep.store.store.Store`."""

    def log(self, sweep: str, said: str, level: Level = "info", trial: int | None = None) -> None:
        """Add a line to the log of a sweep; of one that nothing is known of, or no longer, nothing is stored.

        Where an answer of the database is lost, it may stand there twice.

        Args:
            sweep: Its name.
            said: A sentence.
            level: ``"warning"`` if it costs something.
            trial: Number of the trial it is about.
        """
        row = {"sweep": sweep, "level": level, "trial": trial, "said": storable(said), "at": datetime.now(UTC)}
        last = select(LogLine.id).where(LogLine.sweep == sweep).order_by(LogLine.id.desc())
        surplus = last.offset(MOST_LINES).limit(1).scalar_subquery()

        def add(session: Session) -> None:
            _in_turn(session, sweep)
            if not _is_known(session, sweep):
                return
            session.execute(insert(LogLine).values(row))
            session.execute(delete(LogLine).where(LogLine.sweep == sweep, LogLine.id <= surplus))

        self._write(add)

    def log_lines(self, sweep: str, after: int = 0, limit: int = MOST_LINES) -> list[LogRecord]:
        """The log of a sweep, oldest first: of the lines after one the latest ``limit``.

        Whoever goes on from the last line that it was given misses none: lines come in the order of their ids.

        Args:
            sweep: Its name.
            after: ``id`` of the last line that is known already.
            limit: At most so many.
        """
        query = select(LogLine).where(LogLine.sweep == sweep, LogLine.id > after)
        query = query.order_by(LogLine.id.desc()).limit(limit)

        def read(session: Session) -> list[LogRecord]:
            return [
                LogRecord(row.id, cast("Level", row.level), row.trial, row.said, row.at)
                for row in session.scalars(query)
            ]

        return self._read(read)[::-1]

    def drop_log(self, sweep: str) -> None:
        """Forget the log of a sweep."""
        self._write(lambda session: session.execute(delete(LogLine).where(LogLine.sweep == sweep)))


def _in_turn(session: Session, sweep: str) -> None:
    """Until the transaction is over, nobody else adds to the log of this sweep.

    PostgreSQL gives ids before it commits: of two who write at the same time the later one may be seen first, and a
    reader that has it would never ask for the earlier one. SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"sweep log {sweep}".encode()).digest()[:8], signed=True)
        session.execute(select(func.pg_advisory_xact_lock(key)))


def _is_known(session: Session, sweep: str) -> bool:
    """Whether there is a sweep of a name, or an order: whoever deletes the last of them waits for this transaction."""
    places = (select(Sweep.key).where(Sweep.name == sweep), select(Order.name).where(Order.name == sweep))
    return any(session.scalar(one.with_for_update(read=True, key_share=True)) is not None for one in places)
