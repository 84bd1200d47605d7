"""Jobs: what is asked of runners that is not a sweep. Taken under a lease by the database's own clock."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, undefer

from sweep.errors import NotFoundError, StorageError
from sweep.store import statements
from sweep.store.codec import storable
from sweep.store.leases import now
from sweep.store.models import Job
from sweep.store.opened import OpenedDatabase
from sweep.store.service_rows import JobFile, JobKind, JobRecord, JobState

MOST_ATTEMPTS = 2
"""So often a job is begun; whoever works at it may die for no fault of the job's."""


class Jobs(OpenedDatabase):
    """The jobs' part of :class:`~sweep.store.store.Store`."""

    def ask_job(
        self,
        kind: JobKind,
        request: Mapping[str, Any],
        *,
        sweep: str | None = None,
        key: str | None = None,
        anew: bool = False,
    ) -> JobRecord:
        """Ask runners for something.

        Args:
            kind: What.
            request: What they need to know: plain values.
            sweep: Name of the sweep that it is about.
            key: Where a job of that key is there already, it is given, whatever else it was asked with; one that
                failed is queued anew. At most 64 characters; ``None`` for a job of its own.
            anew: Whether one that is done is queued anew, too: what it gave has made room for something else.
        """
        own, at = secrets.token_hex(16), datetime.now(UTC)
        fresh = {"state": "queued", "attempts": 0, "token": None, "expires_at": 0.0, "progress": None, "reason": None}
        row = {"id": own, "key": key or own, "kind": kind, "sweep": sweep, "request": dict(request), **fresh}
        ended = ["failed", "done"] if anew else ["failed"]
        again = (
            update(Job)
            .where(Job.key == row["key"], Job.state.in_(ended))
            .values({**fresh, "result": None, "updated_at": at})
        )

        def ask(session: Session) -> JobRecord:
            insert = statements.upsert(session, Job).values({**row, "created_at": at, "updated_at": at})
            # An update that changes nothing, so that the row is locked: nobody drops it before it is read.
            session.execute(insert.on_conflict_do_update(index_elements=[Job.key], set_={"key": row["key"]}))
            session.execute(again)
            return _record(session.scalars(select(Job).where(Job.key == row["key"])).one())

        return self._write(ask)

    def keep_done_job(
        self, kind: JobKind, request: Mapping[str, Any], file: JobFile, *, sweep: str | None = None, key: str
    ) -> JobRecord:
        """Store what was done at once, as a job that is done; where one of that key is there, it gets the file.

        Args:
            kind: What.
            request: What it needed to know: plain values.
            file: What it gave.
            sweep: Name of the sweep that it is about.
            key: At most 64 characters.
        """
        at = datetime.now(UTC)
        done = {"state": "done", "attempts": 1, "token": None, "expires_at": 0.0, "progress": None, "reason": None}
        done |= {"result": {}, "updated_at": at, **_file_values(file)}
        done["bytes"] = done.pop("content")  # the name of its column
        row = {"id": secrets.token_hex(16), "key": key, "kind": kind, "sweep": sweep, "request": dict(request), **done}

        def keep(session: Session) -> JobRecord:
            insert = statements.upsert(session, Job).values({**row, "created_at": at})
            session.execute(insert.on_conflict_do_update(index_elements=[Job.key], set_=done))
            return _record(session.scalars(select(Job).where(Job.key == key)).one())

        return self._write(keep)

    def take_job(self, kinds: Collection[JobKind], token: str, seconds: float) -> JobRecord | None:
        """Take the oldest job that nobody works at, or whose worker let its lease expire.

        One that was begun :data:`MOST_ATTEMPTS` times, and never ended, fails.

        Args:
            kinds: To choose from.
            token: Random, for this one job.
            seconds: After which its lease expires, unless it is renewed.
        """
        at = datetime.now(UTC)
        lapsed = and_(Job.state == "running", Job.expires_at <= now())
        mine = and_(Job.state == "running", Job.token == token)  # by a call before this one, whose answer was lost
        any_left = select(exists().where(Job.kind.in_(kinds), or_(Job.state == "queued", lapsed, mine)))
        if not self._read(lambda session: session.scalar(any_left)):
            return None  # so a look at nothing is no write, which others would wait for
        spent = update(Job).where(lapsed, Job.kind.in_(kinds), Job.attempts >= MOST_ATTEMPTS)
        reason = f"whoever worked at it died, {MOST_ATTEMPTS} times"
        free = (
            select(Job.id)
            .where(Job.kind.in_(kinds), or_(Job.state == "queued", lapsed))
            .order_by(Job.created_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        begun = {"state": "running", "token": token, "expires_at": now() + seconds, "progress": None, "updated_at": at}

        def take(session: Session) -> JobRecord | None:
            found = session.scalar(select(Job).where(mine))
            if found is None:
                session.execute(spent.values(state="failed", reason=reason, token=None, updated_at=at))
                if (chosen := session.scalar(free)) is None:
                    return None
                taken = {**begun, "attempts": Job.attempts + 1}
                session.execute(update(Job).where(Job.id == chosen).values(taken))
                found = session.scalars(select(Job).where(Job.id == chosen)).one()
            return _record(found)

        return self._write(take)

    def renew_job(self, job: str, token: str, seconds: float, progress: str | None = None) -> bool:
        """Put off the end of a job's lease, and say how far it is.

        Returns:
            Whether the job is still the caller's: it may have been taken over or deleted.
        """
        values: dict[str, Any] = {"expires_at": now() + seconds}
        if progress is not None:
            values |= {"progress": storable(progress), "updated_at": datetime.now(UTC)}
        return self._change_job(job, token, values)

    def finish_job(self, job: str, token: str, result: Mapping[str, Any], file: JobFile | None = None) -> bool:
        """Store what a job gave.

        Returns:
            Whether it was still the caller's; else nothing is stored.
        """
        values: dict[str, Any] = {"state": "done", "result": dict(result), "updated_at": datetime.now(UTC)}
        if file is not None:
            values |= _file_values(file)
        return self._change_job(job, token, values)

    def fail_job(self, job: str, token: str, reason: str) -> bool:
        """Store why a job cannot be done. Gives whether it was still the caller's."""
        values = {"state": "failed", "reason": storable(reason), "updated_at": datetime.now(UTC)}
        return self._change_job(job, token, values)

    def return_job(self, job: str, token: str) -> None:
        """Put a job back into the queue, as if nobody had begun: whoever worked at it was asked to stop.

        One that has ended stays as it is.
        """
        change = {"state": "queued", "token": None, "attempts": Job.attempts - 1, "progress": None}
        own = and_(Job.id == job, Job.token == token, Job.state == "running")
        self._write(lambda session: session.execute(update(Job).where(own).values(change)))

    def job(self, job: str) -> JobRecord | None:
        """A job by its id."""
        found = self._read_jobs(select(Job).where(Job.id == job))
        return found[0] if found else None

    def jobs(self, *, sweep: str | None = None, states: Collection[JobState] | None = None) -> list[JobRecord]:
        """Jobs, oldest first.

        Args:
            sweep: Name of the sweep that they are about; ``None`` for all.
            states: Those in one of them; ``None`` for all.
        """
        query = select(Job).order_by(Job.created_at, Job.id)
        if sweep is not None:
            query = query.where(Job.sweep == sweep)
        if states is not None:
            query = query.where(Job.state.in_(states))
        return self._read_jobs(query)

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs there are of each state that any has."""
        query = select(Job.state, func.count()).group_by(Job.state)
        rows = self._read(lambda session: session.execute(query).all())
        return {cast("JobState", state): jobs for state, jobs in rows}

    def job_file(self, job: str) -> JobFile:
        """The file that a job gave, checked against its SHA-256.

        Raises:
            NotFoundError: There is no such job, or it gave none.
            StorageError: The bytes are not those that were stored.
        """
        query = select(Job).where(Job.id == job, Job.content.is_not(None)).options(undefer(Job.content))
        row = self._read(lambda session: session.scalar(query))
        if row is None or row.content is None:
            raise NotFoundError(f"no file of job {job} in {self.shown}")
        if hashlib.sha256(row.content).hexdigest() != row.sha256:
            raise StorageError(f"the stored file of job {job} is damaged: its SHA-256 differs ({self.shown})")
        return JobFile(row.file_name or job, row.media_type or "application/octet-stream", row.content)

    def drop_jobs(self, *, sweep: str | None = None, before: datetime | None = None) -> None:
        """Forget jobs, those about a sweep or those that ended before an instant; both together: both have to hold.

        Raises:
            ValueError: Neither is given.
        """
        if sweep is None and before is None:
            raise ValueError("which jobs are to be dropped must be said")
        wanted = []
        if sweep is not None:
            wanted.append(Job.sweep == sweep)
        if before is not None:
            wanted += [Job.updated_at < before, Job.state.in_(["done", "failed"])]
        self._write(lambda session: session.execute(delete(Job).where(*wanted)))

    def _change_job(self, job: str, token: str, values: Mapping[str, Any]) -> bool:
        named = {"content": Job.content}
        columns = {named.get(name, name): value for name, value in values.items()}
        # The token stays: a change that was made, and whose answer was lost, finds itself done.
        own = and_(Job.id == job, Job.token == token)
        change = update(Job).where(own).values(columns).returning(Job.id)
        return self._write(lambda session: session.scalar(change) is not None)

    def _read_jobs(self, query: Select[Job]) -> list[JobRecord]:
        return self._read(lambda session: [_record(row) for row in session.scalars(query)])


def _file_values(file: JobFile) -> dict[str, Any]:
    """A file as values of a job."""
    sha256 = hashlib.sha256(file.content).hexdigest()
    return {"file_name": file.name, "media_type": file.media_type, "sha256": sha256, "content": file.content}


def _record(row: Job) -> JobRecord:
    return JobRecord(
        id=row.id,
        key=row.key,
        kind=cast("JobKind", row.kind),
        sweep=row.sweep,
        request=row.request,
        state=cast("JobState", row.state),
        attempts=row.attempts,
        progress=row.progress,
        result=row.result,
        reason=row.reason,
        file_name=row.file_name,
        media_type=row.media_type,
        sha256=row.sha256,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
