"""Files of a sweep, kept in the database: a page, a model, what takes long to compute."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from sweep.errors import NotFoundError, StorageError
from sweep.store import convert, statements
from sweep.store.models import Artifact
from sweep.store.opened import OpenedDatabase
from sweep.store.rows import ArtifactRecord


class Artifacts(OpenedDatabase):
    """The files' part of :class:`~sweep.store.store.Store`."""

    def save_artifact(self, key: str, name: str, content: bytes, media_type: str) -> ArtifactRecord:
        """Store a file of a sweep, in place of an earlier one of that name.

        Raises:
            NotFoundError: No sweep has that key.
        """
        record = ArtifactRecord(name, media_type, hashlib.sha256(content).hexdigest(), len(content), datetime.now(UTC))
        values = asdict(record) | {"bytes": content}
        place = [Artifact.sweep_key, Artifact.name]

        def save(session: Session) -> None:
            upsert = statements.upsert(session, Artifact).values({"sweep_key": key, **values})
            session.execute(upsert.on_conflict_do_update(index_elements=place, set_=values))

        try:
            self._write(save)
        except IntegrityError:
            raise self._no_sweep(key) from None
        return record

    def artifacts(self, key: str) -> list[ArtifactRecord]:
        """The stored files of a sweep, by name, without their bytes."""
        query = select(Artifact).where(Artifact.sweep_key == key).order_by(Artifact.name)
        return self._read(lambda session: [convert.artifact_record(row) for row in session.scalars(query)])

    def artifact(self, key: str, name: str) -> tuple[ArtifactRecord, bytes]:
        """A stored file and its bytes, checked against their SHA-256.

        Raises:
            NotFoundError: The sweep has no file of that name.
            StorageError: The bytes are not those that were stored.
        """
        query = select(Artifact).where(Artifact.sweep_key == key, Artifact.name == name)

        def read(session: Session) -> tuple[ArtifactRecord, bytes]:
            row = session.scalar(query.options(undefer(Artifact.content)))
            if row is None:
                raise NotFoundError(f"no file {name} with sweep {key} in {self.shown}")
            return convert.artifact_record(row), row.content

        record, content = self._read(read)
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise StorageError(f"the stored file {name} of sweep {key} is damaged: its SHA-256 differs ({self.shown})")
        return record, content
