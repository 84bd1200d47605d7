"""Tables that people handed in, kept as Parquet beside those of the queue."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from sweep.store.models import Order, Upload
from sweep.store.orders import Orders
from sweep.store.service_rows import UploadRecord


class Uploads(Orders):
    """The uploads' part of :class:`~sweep.store.store.Store`."""

    def save_upload(self, name: str, size: int, table: bytes, detected: Mapping[str, Any]) -> UploadRecord:
        """Store a table that somebody handed in.

        Args:
            name: Of the file, without folders; at most 255 characters.
            size: Of the file as it came, in bytes.
            table: Parquet, as :mod:`sweep.tables.packed` makes it.
            detected: What was seen in it: plain values.
        """
        sha256, at = hashlib.sha256(table).hexdigest(), datetime.now(UTC)
        record = UploadRecord(secrets.token_hex(16), name, size, sha256, dict(detected), at)

        def save(session: Session) -> None:
            if session.get(Upload, record.id) is not None:
                return
            self._hold_table(session, sha256, table, at)
            session.add(
                Upload(
                    id=record.id,
                    name=name,
                    size=size,
                    table_sha256=sha256,
                    detected=dict(detected),
                    created_at=at,
                )
            )

        self._write(save)
        return record

    def upload(self, upload: str) -> UploadRecord | None:
        """An upload by its id."""

        def read(session: Session) -> UploadRecord | None:
            row = session.get(Upload, upload)
            return None if row is None else _record(row)

        return self._read(read)

    def uploads(self) -> list[UploadRecord]:
        """All uploads, oldest first."""
        query = select(Upload).order_by(Upload.created_at, Upload.id)
        return self._read(lambda session: [_record(row) for row in session.scalars(query)])

    def uploaded_bytes(self) -> int:
        """Bytes of the files of all uploads, as they came; those that hold one table count once, as it is stored."""
        each = select(func.max(Upload.size).label("size")).group_by(Upload.table_sha256).subquery()
        return self._read(lambda session: int(session.scalar(select(func.coalesce(func.sum(each.c.size), 0))) or 0))

    def delete_upload(self, upload: str) -> None:
        """Forget an upload, and its table if no sweep needs that."""
        self._write(lambda session: session.execute(delete(Upload).where(Upload.id == upload)))
        self._drop_unused_tables()

    def drop_uploads(self, before: datetime) -> None:
        """Forget the uploads that came before an instant and whose tables no sweep needs, and those tables."""
        used = exists().where(Order.table_sha256 == Upload.table_sha256)
        self._write(lambda session: session.execute(delete(Upload).where(Upload.created_at < before, ~used)))
        self._drop_unused_tables()


def _record(row: Upload) -> UploadRecord:
    return UploadRecord(row.id, row.name, row.size, row.table_sha256, row.detected, row.created_at)
