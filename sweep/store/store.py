"""Everything the other layers read and write in SQL goes through :class:`Store`."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import URL, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sweep.errors import AlreadyThereError, NotFoundError, StoppedError
from sweep.store import convert, statements
from sweep.store.artifacts import Artifacts
from sweep.store.confirmations import Confirmations
from sweep.store.jobs import Jobs
from sweep.store.leases import Leases
from sweep.store.logbook import Logbook
from sweep.store.models import Dataset, Fold, Order, Rung, Sweep, Trial
from sweep.store.overviews import Overviews
from sweep.store.presence import Presence
from sweep.store.rows import (
    DatasetRecord,
    FoldScores,
    NewSweep,
    RungDecision,
    SweepRecord,
    TrialRecord,
)
from sweep.store.studies import Studies
from sweep.store.uploads import Uploads

# Trials read at once when all of a sweep's arrays are gone through: at most about 40 MB of stored predictions.
_CHUNK = 16


class Store(Artifacts, Confirmations, Jobs, Leases, Logbook, Overviews, Presence, Studies, Uploads):
    """Our tables in one database. Open one with :meth:`open`; close it, or use it in a ``with`` statement.

    Every method is one transaction. Whatever the database refuses is a :class:`StorageError` that names it.
    Attributes as of :class:`~sweep.store.opened.OpenedDatabase`.
    """

    def __init__(self, url: URL, *, create: bool) -> None:
        super().__init__(url, create=create)
        self._axes: dict[str, convert.Axes] = {}

    # --------------------------------------------------------------------------------------------------- sweeps

    def create_sweep(self, sweep: NewSweep, dataset: DatasetRecord, *, revision: int | None = None) -> str:
        """Store a new sweep, and its data set unless that is known.

        Args:
            sweep: Of a new name.
            dataset: That it is on.
            revision: Of the order that is carried out, if it is one: where it was changed, nothing is stored.

        Returns:
            The sweep's key: 128 random bits, hex.

        Raises:
            StorageError: A sweep of that name exists.
            StoppedError: The order is another one by now, or gone.
            ValueError: The data set is not the one that ``sweep.info`` describes.
        """
        if dataset.content_hash != sweep.info.content_hash or len(dataset.target) != sweep.info.rows:
            raise ValueError(f"{dataset.content_hash} is not the data set of sweep {sweep.name}")
        # Made before anything is written, so that a row with this key is known for ours.
        key, at = secrets.token_hex(16), datetime.now(UTC)
        values = convert.dataset_values(dataset, at)
        # An update that changes nothing, so that the row is locked: a concurrent delete_sweep cannot take it away.
        locked = {"rows": values["rows"]}

        def create(session: Session) -> None:
            if session.get(Sweep, key) is not None:
                return
            if revision is not None:
                # Locked, so that whoever deletes the order finds the sweep afterwards, and deletes it, too.
                now = select(Order.revision).where(Order.name == sweep.name).with_for_update(read=True)
                if session.scalar(now) != revision:
                    raise StoppedError(f"the sweep {sweep.name} was deleted or changed before it began")
            upsert = statements.upsert(session, Dataset).values(values)
            session.execute(upsert.on_conflict_do_update(index_elements=[Dataset.content_hash], set_=locked))
            session.add(convert.sweep_row(key, sweep, at))

        try:
            self._write(create)
        except IntegrityError:
            raise AlreadyThereError(f"a sweep named {sweep.name} exists already in {self.shown}") from None
        return key

    def sweep(self, name: str) -> SweepRecord | None:
        """The sweep of a name, or ``None``."""

        def read(session: Session) -> SweepRecord | None:
            row = session.scalar(select(Sweep).where(Sweep.name == name))
            return None if row is None else convert.sweep_record(row)

        return self._read(read)

    def sweeps(self, keys: Collection[str] | None = None) -> list[SweepRecord]:
        """All sweeps, or those of some keys, oldest first."""
        query = select(Sweep).order_by(Sweep.created_at, Sweep.name)
        if keys is not None:
            query = query.where(Sweep.key.in_(keys))
        return self._read(lambda session: [convert.sweep_record(row) for row in session.scalars(query)])

    def update_trials_budget(self, key: str, trials: int) -> None:
        """Set the budget of a sweep.

        Raises:
            NotFoundError: No sweep has that key.
        """
        change = update(Sweep).where(Sweep.key == key).values(trials=trials, updated_at=datetime.now(UTC))
        if self._write(lambda session: session.scalar(change.returning(Sweep.key))) is None:
            raise self._no_sweep(key)

    def delete_sweep(self, key: str) -> None:
        """Remove a sweep and all that hangs on it, and its data set if no other sweep uses it.

        Raises:
            NotFoundError: No sweep has that key.
        """
        # Read first: whoever does not find it where it is deleted may have deleted it, and the answer was lost.
        content_hash = self._read(lambda session: session.scalar(select(Sweep.data_hash).where(Sweep.key == key)))
        if content_hash is None:
            raise self._no_sweep(key)
        self._write(lambda session: session.execute(delete(Sweep).where(Sweep.key == key)))
        self._axes.pop(key, None)
        used = exists().where(Sweep.data_hash == content_hash)
        unused = delete(Dataset).where(Dataset.content_hash == content_hash, ~used)
        # On its own, so that a sweep created on the same data in this very moment costs nothing but this.
        with suppress(IntegrityError):
            self._write(lambda session: session.execute(unused))

    def dataset(self, content_hash: str) -> DatasetRecord:
        """Target and groups of a stored data set.

        Raises:
            NotFoundError: No stored sweep is on it.
        """

        def read(session: Session) -> DatasetRecord:
            row = session.get(Dataset, content_hash)
            if row is None:
                raise NotFoundError(f"no data set {content_hash} in {self.shown}")
            return convert.dataset_record(row)

        return self._read(read)

    # --------------------------------------------------------------------------------------------------- trials

    def save_trials(self, key: str, trained: statements.Trained) -> set[int]:
        """Store finished trials, such as those of a block: all of them or none.

        A trial that is stored already stays as it is: a trial is a pure function, so a second result says the same.

        Returns:
            Numbers of those that were stored now.

        Raises:
            NotFoundError: No sweep has that key, or no longer.
            ValueError: The arrays of a trial do not fit the axes of the sweep.
        """
        return self._save(key, trained)

    def save_rung(self, key: str, decisions: Sequence[RungDecision], pruned: statements.Trained) -> None:
        """Store what was decided at a rung about trials that were compared, and the results of those that end there.

        All of it or nothing. A decision that is stored already stays as it is, and so does a trial.

        Args:
            key: Of the sweep.
            decisions: One for each trial that was compared.
            pruned: The trials that are not kept.

        Raises:
            NotFoundError: No sweep has that key, or no longer.
            ValueError: ``pruned`` are not the trials that are not kept, at their rung; or the arrays of one do not fit
                the axes of the sweep.
        """
        ended = {(decision.trial, decision.epoch) for decision in decisions if not decision.kept}
        found = {(result.number, result.trained) for _, result in pruned}
        if found != ended:
            raise ValueError(f"pruned (trial, epoch) must be those not kept, {sorted(ended)}, however: {sorted(found)}")
        self._save(key, pruned, decisions)

    def rungs(self, key: str) -> list[RungDecision]:
        """What was decided at the rungs of a sweep, by epoch and trial."""
        query = select(Rung).where(Rung.sweep_key == key).order_by(Rung.epoch, Rung.trial)
        return self._read(lambda session: [convert.rung_decision(row) for row in session.scalars(query)])

    def saved_numbers(self, key: str) -> set[int]:
        """Numbers of the trials that are stored."""
        query = select(Trial.number).where(Trial.sweep_key == key)
        return self._read(lambda session: set(session.scalars(query)))

    def trained_epochs(self, key: str) -> dict[int, int]:
        """Epochs, and how many of the stored trials were trained for so many, increasing."""
        return self.trained_epochs_all([key]).get(key, {})

    def trained_epochs_all(self, keys: Sequence[str] | None = None) -> dict[str, dict[int, int]]:
        """The same of many sweeps, by their key; those without trials are left out.

        Args:
            keys: Of the sweeps; ``None`` for all.
        """
        query = select(Trial.sweep_key, Trial.trained, func.count()).group_by(Trial.sweep_key, Trial.trained)
        if keys is not None:
            query = query.where(Trial.sweep_key.in_(keys))
        found: dict[str, dict[int, int]] = {}
        for key, trained, trials in self._read(lambda session: session.execute(query.order_by(Trial.trained)).all()):
            found.setdefault(key, {})[trained] = trials
        return found

    def trials_saved_since(self, since: datetime) -> int:
        """How many trials of all sweeps were stored from an instant on, by the clocks of those who stored them."""
        query = select(func.count()).select_from(Trial).where(Trial.saved_at >= since)
        return self._read(lambda session: session.scalar(query) or 0)

    def trials(self, key: str, after: int = -1, limit: int | None = None) -> list[TrialRecord]:
        """Stored trials in number order, without their arrays: all, or the first ``limit`` of those ``after`` one."""
        query = select(Trial).where(Trial.sweep_key == key, Trial.number > after).order_by(Trial.number).limit(limit)
        return self._read(lambda session: [convert.trial_record(row) for row in session.scalars(query)])

    def fold_scores(self, key: str) -> FoldScores:
        """The sweep's metric of every trial and split on validation rows, at each trial's chosen epoch.

        Raises:
            NotFoundError: No sweep has that key.
        """
        splits = self._axes_of(key).splits
        query = select(Fold.trial, Fold.score).where(Fold.sweep_key == key).order_by(Fold.trial, Fold.repeat, Fold.fold)
        rows = self._read(lambda session: session.execute(query).all())
        numbers = np.array([number for number, _ in rows[::splits]], dtype=np.int64)
        scores = np.array([score for _, score in rows], dtype=np.float64)  # a null becomes NaN
        return FoldScores(numbers, scores.reshape(len(numbers), splits))

    def fold_metrics(self, key: str, number: int) -> NDArray[np.float64]:
        """``[S, C, 2, Q]`` float64 of one trial, as in :class:`sweep.records.TrialResult`: C are those it reached.

        Raises:
            NotFoundError: That trial is not stored.
        """
        axes = self._axes_of(key)
        for _, rows in self._read(lambda session: statements.fold_rows(session, key, [number])):
            return convert.fold_metrics(axes, rows)
        raise self._no_trial(key, number)

    def fold_metrics_all(self, key: str) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Number and :meth:`fold_metrics` of every stored trial, in number order, a few in memory at a time."""
        axes = self._axes_of(key)
        for numbers in self._chunks(key):
            for number, rows in self._read(partial(statements.fold_rows, key=key, numbers=numbers)):
                yield number, convert.fold_metrics(axes, rows)

    def predictions(self, key: str, number: int) -> NDArray[np.float32]:
        """``[P, R, n_kept, O]`` float32 of one trial: out of fold, on the link scale, as exact as float16.

        P is the number of checkpoints they are stored at: 1, the chosen epoch, or all that the trial reached.

        Raises:
            NotFoundError: That trial is not stored.
        """
        for _, rows in self._read(lambda session: statements.prediction_rows(session, key, [number])):
            return convert.predictions(rows)
        raise self._no_trial(key, number)

    def predictions_all(self, key: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Number and :meth:`predictions` of every stored trial, in number order, a few in memory at a time."""
        for numbers in self._chunks(key):
            for number, rows in self._read(partial(statements.prediction_rows, key=key, numbers=numbers)):
                yield number, convert.predictions(rows)

    # --------------------------------------------------------------------------------------------------- inside

    def _save(self, key: str, trained: statements.Trained, decisions: Sequence[RungDecision] = ()) -> set[int]:
        axes, now = self._axes_of(key), datetime.now(UTC)
        for _, result in trained:
            convert.check_trial(axes, result)
        stored: set[int] = set()

        def save(session: Session) -> None:
            statements.insert_decisions(session, key, decisions, now)
            # Those of an attempt before, too, whose answer was lost.
            stored.update(statements.insert_trials(session, key, axes, trained, now))

        try:
            self._write(save)
        except IntegrityError:
            raise self._no_sweep(key) from None
        return stored

    def _axes_of(self, key: str) -> convert.Axes:

        def read(session: Session) -> convert.Axes:
            row = session.get(Sweep, key)
            if row is None:
                raise self._no_sweep(key)
            return convert.axes_of(row)

        if key not in self._axes:
            self._axes[key] = self._read(read)
        return self._axes[key]

    def _chunks(self, key: str) -> Iterator[list[int]]:
        # No transaction stays open while the caller works on what it was given.
        numbers = sorted(self.saved_numbers(key))
        for start in range(0, len(numbers), _CHUNK):
            yield numbers[start : start + _CHUNK]

    def _no_trial(self, key: str, number: int) -> NotFoundError:
        return NotFoundError(f"no trial {number} of sweep {key} in {self.shown}")
