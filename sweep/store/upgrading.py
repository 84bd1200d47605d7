"""What ``sweep storage upgrade`` needs of our side: what would change, who is at work, and changing it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from sweep.errors import NotFoundError, StorageError
from sweep.store import copies, database, failures, versions
from sweep.store.leases import now
from sweep.store.models import Lease
from sweep.store.opened import OpenedDatabase
from sweep.store.rows import Holder, LeaseRecord


class AnyVersion(OpenedDatabase):
    """A database whose version is not settled: nothing may be asked of it but what is said here, and its tables' names.

    Attributes:
        revision: That our tables are of.
        changes: What leads from there to the newest: each revision in between, and what it brings, oldest first.
    """

    @classmethod
    def find(cls, url: str) -> AnyVersion:
        """The database at a URL, that is to be written.

        Raises:
            StorageError: It cannot be used, or its tables are newer than this program.
            NotFoundError: There is none, or none of ours.
        """
        parsed = database.parse_url(url)
        database.check_file(parsed, create=False)
        database.check_file(parsed, create=True)
        found = cls(parsed, create=False)
        try:
            found.look()
        except BaseException:
            found.close()
            raise
        return found

    def look(self) -> None:
        """Reads the revision, which another program may have changed.

        Raises:
            StorageError: As :meth:`find`.
            NotFoundError: Likewise.
        """
        with self.translated(), self._engine.connect() as connection:
            revision = versions.revision_of(connection)
        if revision is None:
            raise NotFoundError(f"no sweep in {self.shown}: there is nothing to upgrade")
        if revision not in versions.REVISIONS:
            raise StorageError(f"{self.shown} was written by a newer sweep: update this program (dropout-sweep)")
        self.revision = revision
        self.changes = versions.changes(revision)

    def leases(self) -> list[LeaseRecord]:
        """Leases that have not expired; none where the tables are of before there were leases."""

        def read(session: Session) -> list[LeaseRecord]:
            if not inspect(session.connection()).has_table(Lease.__tablename__):
                return []
            columns = (Lease.token, Lease.machine, Lease.host, Lease.pid, Lease.started)
            query = select(*columns, Lease.acquired_at, Lease.expires_at, (Lease.expires_at - now()).label("left"))
            return [
                LeaseRecord(
                    Holder(row.token, row.machine, row.host, row.pid, row.started),
                    acquired_at=row.acquired_at,
                    expires_at=row.expires_at,
                    seconds_left=row.left,
                )
                for row in session.execute(query.where(Lease.expires_at > now()))
            ]

        return self._read(read)

    def change(self, rest: Callable[[OpenedDatabase], None], label: str, say: Callable[[str], None]) -> None:
        """Brings our tables up to date, then the rest.

        In a SQLite file all of it happens at once or not at all, and a copy of what was there is kept. On PostgreSQL
        ours change in one transaction.

        Args:
            rest: Changes tables of others in the database that it is given. It finds itself done, perhaps.
            label: Of what is new, for the name of the copy.
            say: Told of the copy.

        Raises:
            StorageError: The database cannot be written.
        """
        url = self._url
        if not database.is_file(url):
            versions.migrate(url)
            rest(self)
            return
        path = database.sqlite_path(url)
        with failures.translated(url), copies.replaced(path) as copy:
            say(f"the database as it was is kept in {copies.keep(path, f'{path.name}.before-{label}')}")
            work = url.set(database=str(copy))
            versions.migrate(work)
            with closing(OpenedDatabase(work, create=False)) as opened:
                rest(opened)
