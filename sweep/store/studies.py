"""How many trials Optuna's studies hold, counted by the database.

Optuna's own way to count reads every trial with its parameters: of a database of many sweeps that takes seconds. Its
tables are only read here, and two columns of one of them.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import column, func, select, table

from sweep.store.opened import OpenedDatabase

_TRIALS = table("trials", column("study_id"), column("state"))


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
