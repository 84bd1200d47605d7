"""Who is at work here: runners say now and then that they are there, and what they do."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sweep.store import statements
from sweep.store.leases import now
from sweep.store.models import Runner
from sweep.store.opened import OpenedDatabase
from sweep.store.rows import Holder
from sweep.store.service_rows import RunnerRecord

FORGET_SECONDS = 3600.0
"""After so long without a word a runner is forgotten."""


class Presence(OpenedDatabase):
    """The runners' part of :class:`~sweep.store.store.Store`."""

    def runner_seen(self, runner: Holder, workers: str, doing: str | None) -> None:
        """A runner says that it is there.

        Args:
            runner: Who.
            workers: Where its blocks run, in words.
            doing: Name of the sweep that it runs.
        """
        values = {**asdict(runner), "workers": workers, "doing": doing, "since": now(), "seen_at": now()}
        news = {"workers": workers, "doing": doing, "seen_at": now()}

        def see(session: Session) -> None:
            upsert = statements.upsert(session, Runner).values(values)
            session.execute(upsert.on_conflict_do_update(index_elements=[Runner.token], set_=news))
            session.execute(delete(Runner).where(Runner.seen_at < now() - FORGET_SECONDS))

        self._write(see)

    def runner_gone(self, token: str) -> None:
        """A runner says that it ends."""
        self._write(lambda session: session.execute(delete(Runner).where(Runner.token == token)))

    def runners(self) -> list[RunnerRecord]:
        """Runners that were heard of within the last hour, the latest to come last."""
        query = select(Runner, now()).where(Runner.seen_at >= now() - FORGET_SECONDS)
        query = query.order_by(Runner.since, Runner.token)

        def read(session: Session) -> list[RunnerRecord]:
            return [
                RunnerRecord(row.host, row.pid, row.workers, row.doing, at - row.since, at - row.seen_at)
                for row, at in session.execute(query)
            ]

        return self._read(read)
