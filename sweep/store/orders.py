"""The queue: what is wanted of each sweep, and the tables that runners read from the database."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from sweep.errors import NotFoundError, StorageError
from sweep.store import convert, statements
from sweep.store.models import Job, LogLine, Order, StoredTable, Sweep, Upload
from sweep.store.opened import OpenedDatabase
from sweep.store.rows import NewOrder, OrderRecord, OrderState


class Orders(OpenedDatabase):
    """The queue's part of :class:`~sweep.store.store.Store`."""

    def save_order(self, order: NewOrder, state: OrderState, table: bytes | None = None) -> OrderRecord:
        """Store what is wanted of a sweep, in place of what was wanted before.

        Args:
            order: What is wanted.
            state: From now on.
            table: The stored table, unless the database has it already; its SHA-256 is ``order.table_sha256``.

        Raises:
            ValueError: The table is not the one that the order names.
        """
        if table is not None and hashlib.sha256(table).hexdigest() != order.table_sha256:
            raise ValueError(f"the table of {order.name} is not {order.table_sha256}")
        at = datetime.now(UTC)
        values = {**asdict(order), "state": state, "reason": None, "updated_at": at}

        def save(session: Session) -> OrderRecord:
            if table is not None:
                self._hold_table(session, str(order.table_sha256), table, at)
            insert = statements.upsert(session, Order).values({**values, "revision": 1, "created_at": at})
            changed = {**values, "revision": Order.revision + 1}
            session.execute(insert.on_conflict_do_update(index_elements=[Order.name], set_=changed))
            return convert.order_record(session.scalars(select(Order).where(Order.name == order.name)).one())

        saved = self._write(save)
        self._drop_unused_tables()
        return saved

    def order(self, name: str) -> OrderRecord | None:
        """What is wanted of a sweep; ``None`` if it was only ever run."""

        def read(session: Session) -> OrderRecord | None:
            row = session.get(Order, name)
            return None if row is None else convert.order_record(row)

        return self._read(read)

    def orders(self, states: Collection[OrderState] | None = None) -> list[OrderRecord]:
        """What is wanted of all sweeps, or of those in some states: the highest priority first, then the oldest."""
        query = select(Order).order_by(Order.priority.desc(), Order.created_at, Order.name)
        if states is not None:
            query = query.where(Order.state.in_(states))
        return self._read(lambda session: [convert.order_record(row) for row in session.scalars(query)])

    def set_order(
        self, name: str, state: OrderState, *, reason: str | None = None, revision: int | None = None
    ) -> bool:
        """Change what is wanted of a sweep.

        Args:
            name: Of the sweep.
            state: From now on.
            reason: Why it failed.
            revision: Only if nobody has changed it since it was at this revision.

        Returns:
            Whether it was changed; ``False`` also where nothing is known of it.
        """
        values = {"state": state, "reason": reason, "revision": Order.revision + 1, "updated_at": datetime.now(UTC)}
        change = update(Order).where(Order.name == name).values(values).returning(Order.name)
        if revision is not None:
            change = change.where(Order.revision == revision)
        return self._write(lambda session: session.scalar(change) is not None)

    def delete_order(self, name: str, revision: int) -> None:
        """Forget what was wanted of a sweep, and its table if no other sweep needs that.

        Where nothing else is left of the sweep, its log and what was asked of runners about it go, too.

        Args:
            name: Of the sweep.
            revision: Only if nobody has changed it since it was at this revision.
        """
        query = delete(Order).where(Order.name == name, Order.revision == revision)

        def forget(session: Session) -> None:
            session.execute(query)
            if not session.scalar(select(or_(exists().where(Order.name == name), exists().where(Sweep.name == name)))):
                session.execute(delete(LogLine).where(LogLine.sweep == name))
                session.execute(delete(Job).where(Job.sweep == name))

        self._write(forget)
        self._drop_unused_tables()

    def stored_table(self, sha256: str) -> bytes:
        """A stored table, checked against its SHA-256.

        Raises:
            NotFoundError: It is not there.
            StorageError: Its bytes are not those that were stored.
        """
        query = select(StoredTable).where(StoredTable.sha256 == sha256).options(undefer(StoredTable.content))

        def read(session: Session) -> bytes | None:
            row = session.scalar(query)
            return None if row is None else row.content

        content = self._read(read)
        if content is None:
            raise NotFoundError(f"no table {sha256} in {self.shown}")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StorageError(f"the stored table {sha256} is damaged: its SHA-256 differs ({self.shown})")
        return content

    def _hold_table(self, session: Session, sha256: str, table: bytes, at: datetime) -> None:
        """Stores a table unless it is there; until the transaction is over nobody drops it as unused."""
        row = {"sha256": sha256, "size": len(table), "bytes": table, "created_at": at}
        upsert = statements.upsert(session, StoredTable).values(row)
        # An update that changes nothing, so that the row is locked.
        session.execute(upsert.on_conflict_do_update(index_elements=[StoredTable.sha256], set_={"size": len(table)}))

    def _drop_unused_tables(self) -> None:
        ordered = exists().where(Order.table_sha256 == StoredTable.sha256)
        uploaded = exists().where(Upload.table_sha256 == StoredTable.sha256)
        # On its own, so that an order that takes up such a table in this very moment costs nothing but this.
        with suppress(IntegrityError):
            self._write(lambda session: session.execute(delete(StoredTable).where(~ordered, ~uploaded)))
