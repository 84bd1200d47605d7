"""How many trials Optuna's studies hold, counted by the database.

Optuna's own way to count reads every trial with its parameters: of a database of many sweeps that takes seconds. And
its way to list studies reads all that was ever noted of them. Its tables are only read here, and few of their columns.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import and_, column, func, select, table

from sweep.store.opened import OpenedDatabase

_TRIALS = table(
    "trials",
    column("study_id"),
    column("state"),
    column("trial_id"),
    column("datetime_start"),
    column("datetime_complete"),
)
_STUDIES = table("studies", column("study_id"), column("study_name"))
_NOTES = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))


class Studies(OpenedDatabase):
    """The part of :class:`~sweep.store.store.Store` that counts Optuna's trials."""

    def study_trials(self, study_id: int | None = None) -> dict[int, dict[str, int]]:
        """How many trials there are of each state, such as ``"COMPLETE"``, by the id of the study.

        Studies without trials are left out. Optuna's tables must be there.

        Args:
            study_id: Of the only study to look at; ``None`` for all.
        """
        query = select(_TRIALS.c.study_id, _TRIALS.c.state, func.count()).group_by(_TRIALS.c.study_id, _TRIALS.c.state)
        if study_id is not None:
            query = query.where(_TRIALS.c.study_id == study_id)
        found: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for study, state, trials in self._read(lambda session: session.execute(query).all()):
            found[study][str(state)] = trials
        return dict(found)

    def noted_studies(self, attribute: str) -> dict[str, tuple[int, str]]:
        """Of the studies that have a user attribute: name to id and the attribute's value.

        Optuna's tables must be there.

        Args:
            attribute: Its name; its value is a text.
        """
        noted = and_(_NOTES.c.study_id == _STUDIES.c.study_id, _NOTES.c.key == attribute)
        query = select(_STUDIES.c.study_name, _STUDIES.c.study_id, _NOTES.c.value_json).join(_NOTES, noted)
        rows = self._read(lambda session: session.execute(query).all())
        return {name: (study, json.loads(value)) for name, study, value in rows}

    def study_mark(self, study_id: int) -> tuple[tuple[Any, ...], ...]:
        """Something that changes whenever a trial of a study is added, begun or ended.

        A trial that has ended stays as it is; what is stored of one under way may change without it.

        Returns:
            For each state, in order: its name, how many trials there are, and of them the first and the last id, start
            and end. Of ``"RUNNING"`` and ``"WAITING"`` trials there are some if they are named.
        """
        trial = _TRIALS.c
        ends = [
            edge(of)
            for of in (trial.trial_id, trial.datetime_start, trial.datetime_complete)
            for edge in (func.min, func.max)
        ]
        query = select(trial.state, func.count(), *ends).where(trial.study_id == study_id).group_by(trial.state)
        return self._read(lambda session: tuple(sorted((str(row[0]), *row[1:]) for row in session.execute(query))))
