"""What the answer rests on: chosen configurations on fresh folds; and the answers that were given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sweep.store import convert, statements
from sweep.store.models import Answer, Confirmed
from sweep.store.opened import OpenedDatabase
from sweep.store.rows import AnswerRecord, ConfirmedRepeat


class Confirmations(OpenedDatabase):
    """The answer's part of :class:`~sweep.store.store.Store`."""

    def save_confirmed(self, key: str, trained: Sequence[ConfirmedRepeat]) -> None:
        """Store repeats of chosen configurations: all of them or none.

        One that is stored already stays as it is: training is a pure function, so a second result says the same.

        Raises:
            NotFoundError: No sweep has that key, or no longer.
        """
        now = datetime.now(UTC)
        rows = [convert.confirmed_values(key, one, now) for one in trained]
        if not rows:
            return
        try:
            self._write(
                lambda session: session.execute(statements.upsert(session, Confirmed).on_conflict_do_nothing(), rows)
            )
        except IntegrityError:
            raise self._no_sweep(key) from None

    def confirmed_repeats(self, key: str) -> Mapping[str, frozenset[int]]:
        """Repeats that are stored of each configuration, by its key."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        query = select(Confirmed.configuration, Confirmed.repeat).where(Confirmed.sweep_key == key)
        for configuration, repeat in self._read(lambda session: session.execute(query).all()):
            found[configuration].add(repeat)
        return {configuration: frozenset(repeats) for configuration, repeats in found.items()}

    def confirmed(self, key: str, configuration: str, repeats: int) -> list[ConfirmedRepeat]:
        """The first ``repeats`` repeats of a configuration, as far as they are stored, in order."""
        query = (
            select(Confirmed)
            .where(Confirmed.sweep_key == key, Confirmed.configuration == configuration, Confirmed.repeat < repeats)
            .order_by(Confirmed.repeat)
        )
        return self._read(lambda session: [convert.confirmed_repeat(row) for row in session.scalars(query)])

    def save_answer(self, key: str, choice: str, repeats: int, document: dict[str, Any]) -> None:
        """Store an answer, in place of an earlier one of the same choice with as many repeats.

        Raises:
            NotFoundError: No sweep has that key, or no longer.
        """
        place = {"sweep_key": key, "choice": choice, "repeats": repeats}
        values = {"document": document, "created_at": datetime.now(UTC)}

        def save(session: Session) -> None:
            upsert = statements.upsert(session, Answer).values(place | values)
            session.execute(upsert.on_conflict_do_update(index_elements=list(place), set_=values))

        try:
            self._write(save)
        except IntegrityError:
            raise self._no_sweep(key) from None

    def answers(self, key: str) -> list[AnswerRecord]:
        """All answers of a sweep, oldest first."""
        query = select(Answer).where(Answer.sweep_key == key).order_by(Answer.created_at, Answer.repeats)

        def read(session: Session) -> list[AnswerRecord]:
            rows = session.scalars(query)
            return [AnswerRecord(row.choice, row.repeats, row.document, row.created_at) for row in rows]

        return self._read(read)
