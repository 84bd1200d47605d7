"""What :class:`~sweep.store.store.Store` does with trials and their arrays inside its transactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from sweep.records import Hyperparameters, TrialResult
from sweep.store import convert
from sweep.store.models import Base, Fold, Prediction, Rung, Sweep, Trial
from sweep.store.rows import RungDecision

Trained = Sequence[tuple[Hyperparameters, TrialResult]]
"""Trials with what training them gave."""


def upsert(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what to do on a conflict. Both dialects spell that alike."""
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


def insert_trials(session: Session, key: str, axes: convert.Axes, trained: Trained, now: datetime) -> set[int]:
    """Stores those trials that are not stored yet. Gives their numbers."""
    if not trained:
        return set()
    rows = {result.number: convert.trial_values(key, own, result, now) for own, result in trained}
    query = upsert(session, Trial).on_conflict_do_nothing().returning(Trial.number)
    new = set(session.scalars(query, list(rows.values())))
    results = {result.number: result for _, result in trained if result.number in new}.values()
    if results:
        session.execute(insert(Fold), [row for one in results for row in convert.fold_values(key, axes, one)])
        session.execute(insert(Prediction), [row for one in results for row in convert.prediction_values(key, one)])
        session.execute(update(Sweep).where(Sweep.key == key).values(updated_at=now))
    return new


def insert_decisions(session: Session, key: str, decisions: Sequence[RungDecision], now: datetime) -> None:
    """Stores those decisions that are not stored yet."""
    rows = [convert.rung_values(key, decision, now) for decision in decisions]
    if rows:
        session.execute(upsert(session, Rung).on_conflict_do_nothing(), rows)


def fold_rows(session: Session, key: str, numbers: Sequence[int]) -> list[tuple[int, list[Fold]]]:
    """Number and folds of trials, in order."""
    query = select(Fold).where(Fold.sweep_key == key, Fold.trial.in_(numbers))
    return _by_trial(session.scalars(query.order_by(Fold.trial, Fold.repeat, Fold.fold)).all())


def prediction_rows(session: Session, key: str, numbers: Sequence[int]) -> list[tuple[int, list[Prediction]]]:
    """Number and repeats' predictions of trials, in order."""
    query = select(Prediction).where(Prediction.sweep_key == key, Prediction.trial.in_(numbers))
    return _by_trial(session.scalars(query.order_by(Prediction.trial, Prediction.repeat)).all())


def _by_trial(rows: Sequence[Any]) -> list[tuple[int, list[Any]]]:
    return [(number, list(group)) for number, group in groupby(rows, key=lambda row: row.trial)]
