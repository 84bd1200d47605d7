"""What the answer rests on: chosen configurations on fresh folds; and the answers that were given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

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
            with self._writing() as session:
                session.execute(statements.upsert(session, Confirmed).on_conflict_do_nothing(), rows)
        except IntegrityError:
            raise self._no_sweep(key) from None

    def confirmed_repeats(self, key: str) -> Mapping[str, frozenset[int]]:
        """Repeats that are stored of each configuration, by its key."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        with self._reading() as session:
            query = select(Confirmed.configuration, Confirmed.repeat).where(Confirmed.sweep_key == key)
            for configuration, repeat in session.execute(query):
                found[configuration].add(repeat)
        return {configuration: frozenset(repeats) for configuration, repeats in found.items()}

    def confirmed(self, key: str, configuration: str, repeats: int) -> list[ConfirmedRepeat]:
        """The first ``repeats`` repeats of a configuration, as far as they are stored, in order."""
        query = select(Confirmed).where(
            Confirmed.sweep_key == key, Confirmed.configuration == configuration, Confirmed.repeat < repeats
        )
        with self._reading() as session:
            return [convert.confirmed_repeat(row) for row in session.scalars(query.order_by(Confirmed.repeat))]

    def save_answer(self, key: str, choice: str, repeats: int, document: dict[str, Any]) -> None:
        """Store an answer, in place of an earlier one of the same choice with as many repeats.

        Raises:
            NotFoundError: No sweep has that key, or no longer.
        """
        place = {"sweep_key": key, "choice": choice, "repeats": repeats}
        values = {"document": document, "created_at": datetime.now(UTC)}
        try:
            with self._writing() as session:
                upsert = statements.upsert(session, Answer).values(place | values)
                session.execute(upsert.on_conflict_do_update(index_elements=list(place), set_=values))
        except IntegrityError:
            raise self._no_sweep(key) from None

    def answers(self, key: str) -> list[AnswerRecord]:
        """All answers of a sweep, oldest first."""
        query = select(Answer).where(Answer.sweep_key == key).order_by(Answer.created_at, Answer.repeats)
        with self._reading() as session:
            rows = session.scalars(query)
            return [AnswerRecord(row.choice, row.repeats, row.document, row.created_at) for row in rows]
