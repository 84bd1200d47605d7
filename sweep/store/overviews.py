"""What is read of all sweeps at once, again and again: small, and of what has not changed nothing twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select

from sweep.store import convert
from sweep.store.models import Answer, Artifact, Sweep, Trial
from sweep.store.opened import OpenedDatabase
from sweep.store.rows import AnswerRecord, SweepHead, TrialRecord


class Overviews(OpenedDatabase):
    """The part of :class:`~sweep.store.store.Store` that reads of many sweeps what one line about each needs."""

    def heads(self) -> list[SweepHead]:
        """What changes of the sweeps, oldest first."""
        query = select(Sweep.key, Sweep.trials, Sweep.updated_at).order_by(Sweep.created_at, Sweep.name)
        return self._read(lambda session: [SweepHead(*row) for row in session.execute(query)])

    def leaders(
        self, keys: Collection[str], *, full: int, maximize: bool, places: int = 1
    ) -> dict[str, dict[str, list[TrialRecord]]]:
        """The best trials of each placement, of those that were trained to their end: by sweep, then by placement.

        Args:
            keys: Of the sweeps.
            full: Epochs of a trial that was trained to its end.
            maximize: Whether a higher score is better.
            places: How many of each placement, from the best on; of equals the earliest comes first.
        """
        better = Trial.score.desc() if maximize else Trial.score
        place = func.row_number().over(partition_by=(Trial.sweep_key, Trial.placement), order_by=(better, Trial.number))
        within = select(Trial.sweep_key, Trial.number, place.label("place")).where(
            Trial.sweep_key.in_(keys), Trial.trained >= full
        )
        first = within.subquery()
        query = (
            select(Trial, first.c.place)
            .join(first, (Trial.sweep_key == first.c.sweep_key) & (Trial.number == first.c.number))
            .where(first.c.place <= places)
            .order_by(Trial.sweep_key, first.c.place)
        )
        found: dict[str, dict[str, list[TrialRecord]]] = {}
        for key, placement, trial in self._read(
            lambda session: [
                (row.sweep_key, row.placement, convert.trial_record(row)) for row in session.scalars(query)
            ]
        ):
            found.setdefault(key, {}).setdefault(placement, []).append(trial)
        return found

    def answered(self) -> dict[str, datetime]:
        """When each sweep that has an answer was last given one, by its key; it may no longer be that of its choice."""
        query = select(Answer.sweep_key, func.max(Answer.created_at)).group_by(Answer.sweep_key)
        return dict(self._read(lambda session: [(key, at) for key, at in session.execute(query)]))

    def artifacts_named(self, name: str) -> dict[str, str]:
        """SHA-256 of the files of a name, by the key of their sweep."""
        query = select(Artifact.sweep_key, Artifact.sha256).where(Artifact.name == name)
        return dict(self._read(lambda session: [(key, sha256) for key, sha256 in session.execute(query)]))

    def answers_all(self, keys: Collection[str]) -> dict[str, list[AnswerRecord]]:
        """All answers of some sweeps, oldest first, by their keys."""
        query = select(Answer).where(Answer.sweep_key.in_(keys)).order_by(Answer.created_at, Answer.repeats)
        found: defaultdict[str, list[AnswerRecord]] = defaultdict(list)
        for key, record in self._read(
            lambda session: [
                (row.sweep_key, AnswerRecord(row.choice, row.repeats, row.document, row.created_at))
                for row in session.scalars(query)
            ]
        ):
            found[key].append(record)
        return dict(found)
