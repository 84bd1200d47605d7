"""Everything the other layers read and write in SQL goes through :class:`Store`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import groupby
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import URL, delete, exists, insert, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from sweep.errors import NotFoundError, StorageError
from sweep.records import Hyperparameters, TrialResult
from sweep.store import convert, database, versions
from sweep.store.models import Artifact, Base, Dataset, Fold, Prediction, Sweep, Trial
from sweep.store.rows import ArtifactRecord, DatasetRecord, FoldScores, NewSweep, SweepRecord, TrialRecord

# Trials read at once when all of a sweep's arrays are gone through: at most about 40 MB of stored predictions.
_CHUNK = 16


class Store:
    """Our tables in one database. Open one with :meth:`open`; close it, or use it in a ``with`` statement.

    Every method is one transaction. Whatever the database refuses is a :class:`StorageError` that names it.

    Attributes:
        url: The database URL with its driver settled, password included: what
            ``optuna.storages.RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)`` takes.
        shown: The same for messages, password masked.
        optuna_engine_kwargs: Give Optuna's own connections our patience with a busy database.
    """

    def __init__(self, url: URL, *, create: bool) -> None:
        self._url = url
        self._engine = database.make_engine(url, create=create)
        self._writer = database.writer(self._engine)
        self._axes: dict[str, convert.Axes] = {}
        self.url = database.optuna_url(url)
        self.shown = database.shown_url(url)
        self.optuna_engine_kwargs = database.optuna_engine_kwargs(url)

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Store:
        """Open the database at a URL.

        Args:
            url: ``sqlite:///PATH`` or ``postgresql://…``.
            create: Make the SQLite file and our tables where there are none, and bring older ones up to date.
                Without it opening writes nothing.

        Raises:
            StorageError: The URL cannot be used, the database cannot be reached, is no database, or its tables are
                newer than this program; or older, without ``create``.
            NotFoundError: Without ``create``: there is no such file, or no sweep was ever stored in the database.
        """
        parsed = database.parse_url(url)
        if database.is_sqlite(parsed):
            database.check_file(parsed, create=create)
        store = cls(parsed, create=create)
        try:
            store._settle_version(create=create)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.shown!r})"

    def has_table(self, name: str) -> bool:
        """Whether the database has a table of that name, ours or not."""
        with database.translated(self._url), self._engine.connect() as connection:
            return inspect(connection).has_table(name)

    # --------------------------------------------------------------------------------------------------- sweeps

    def create_sweep(self, sweep: NewSweep, dataset: DatasetRecord) -> str:
        """Store a new sweep, and its data set unless that is known.

        Returns:
            The sweep's key: 128 random bits, hex.

        Raises:
            StorageError: A sweep of that name exists.
            ValueError: The data set is not the one that ``sweep.info`` describes.
        """
        if dataset.content_hash != sweep.info.content_hash or len(dataset.target) != sweep.info.rows:
            raise ValueError(f"{dataset.content_hash} is not the data set of sweep {sweep.name}")
        key, now = secrets.token_hex(16), datetime.now(UTC)
        values = convert.dataset_values(dataset, now)
        # An update that changes nothing, so that the row is locked: a concurrent delete_sweep cannot take it away.
        upsert = self._insert(Dataset, values).on_conflict_do_update(
            index_elements=[Dataset.content_hash], set_={"rows": values["rows"]}
        )
        try:
            with self._writing() as session:
                session.execute(upsert)
                session.add(convert.sweep_row(key, sweep, now))
        except IntegrityError:
            raise StorageError(f"a sweep named {sweep.name} exists already in {self.shown}") from None
        return key

    def sweep(self, name: str) -> SweepRecord | None:
        """The sweep of a name, or ``None``."""
        with self._reading() as session:
            row = session.scalar(select(Sweep).where(Sweep.name == name))
            return None if row is None else convert.sweep_record(row)

    def sweeps(self) -> list[SweepRecord]:
        """All sweeps, oldest first."""
        with self._reading() as session:
            rows = session.scalars(select(Sweep).order_by(Sweep.created_at, Sweep.name))
            return [convert.sweep_record(row) for row in rows]

    def update_trials_budget(self, key: str, trials: int) -> None:
        """Set the budget of a sweep.

        Raises:
            NotFoundError: No sweep has that key.
        """
        change = update(Sweep).where(Sweep.key == key).values(trials=trials, updated_at=datetime.now(UTC))
        with self._writing() as session:
            if session.scalar(change.returning(Sweep.key)) is None:
                raise self._no_sweep(key)

    def delete_sweep(self, key: str) -> None:
        """Remove a sweep and all that hangs on it, and its data set if no other sweep uses it.

        Raises:
            NotFoundError: No sweep has that key.
        """
        with self._writing() as session:
            content_hash = session.scalar(delete(Sweep).where(Sweep.key == key).returning(Sweep.data_hash))
            if content_hash is None:
                raise self._no_sweep(key)
        self._axes.pop(key, None)
        used = exists().where(Sweep.data_hash == content_hash)
        # On its own, so that a sweep created on the same data in this very moment costs nothing but this.
        with suppress(IntegrityError), self._writing() as session:
            session.execute(delete(Dataset).where(Dataset.content_hash == content_hash, ~used))

    def dataset(self, content_hash: str) -> DatasetRecord:
        """Target and groups of a stored data set.

        Raises:
            NotFoundError: No stored sweep is on it.
        """
        with self._reading() as session:
            row = session.get(Dataset, content_hash)
            if row is None:
                raise NotFoundError(f"no data set {content_hash} in {self.shown}")
            return convert.dataset_record(row)

    # --------------------------------------------------------------------------------------------------- trials

    def save_trial(self, key: str, hyperparameters: Hyperparameters, result: TrialResult) -> bool:
        """Store a finished trial: all of it or nothing.

        A trial that is stored already stays as it is: a trial is a pure function, so a second result says the same.

        Returns:
            Whether it was stored now.

        Raises:
            NotFoundError: No sweep has that key, or no longer.
            ValueError: The arrays do not fit the axes of the sweep.
        """
        axes, now = self._axes_of(key), datetime.now(UTC)
        convert.check_trial(axes, result)
        trial = self._insert(Trial, convert.trial_values(key, hyperparameters, result, now))
        folds, predictions = convert.fold_values(key, axes, result), convert.prediction_values(key, result)
        try:
            with self._writing() as session:
                if session.scalar(trial.on_conflict_do_nothing().returning(Trial.number)) is None:
                    return False
                session.execute(insert(Fold), folds)
                session.execute(insert(Prediction), predictions)
                session.execute(update(Sweep).where(Sweep.key == key).values(updated_at=now))
        except IntegrityError:
            raise self._no_sweep(key) from None
        return True

    def saved_numbers(self, key: str) -> set[int]:
        """Numbers of the trials that are stored."""
        with self._reading() as session:
            return set(session.scalars(select(Trial.number).where(Trial.sweep_key == key)))

    def trials(self, key: str) -> list[TrialRecord]:
        """All stored trials in number order, without their arrays."""
        with self._reading() as session:
            rows = session.scalars(select(Trial).where(Trial.sweep_key == key).order_by(Trial.number))
            return [convert.trial_record(row) for row in rows]

    def fold_scores(self, key: str) -> FoldScores:
        """The sweep's metric of every trial and split on validation rows, at each trial's chosen epoch.

        Raises:
            NotFoundError: No sweep has that key.
        """
        splits = self._axes_of(key).shape[0]
        query = select(Fold.trial, Fold.score).where(Fold.sweep_key == key).order_by(Fold.trial, Fold.repeat, Fold.fold)
        with self._reading() as session:
            rows = session.execute(query).all()
        numbers = np.array([number for number, _ in rows[::splits]], dtype=np.int64)
        scores = np.array([score for _, score in rows], dtype=np.float64)  # a null becomes NaN
        return FoldScores(numbers, scores.reshape(len(numbers), splits))

    def fold_metrics(self, key: str, number: int) -> NDArray[np.float64]:
        """``[S, C, 2, Q]`` float64 of one trial, as in :class:`sweep.records.TrialResult`.

        Raises:
            NotFoundError: That trial is not stored.
        """
        axes = self._axes_of(key)
        for _, rows in self._fold_rows(key, [number]):
            return convert.fold_metrics(axes, rows)
        raise self._no_trial(key, number)

    def fold_metrics_all(self, key: str) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Number and :meth:`fold_metrics` of every stored trial, in number order, a few in memory at a time."""
        axes = self._axes_of(key)
        for numbers in self._chunks(key):
            for number, rows in self._fold_rows(key, numbers):
                yield number, convert.fold_metrics(axes, rows)

    def predictions(self, key: str, number: int) -> NDArray[np.float32]:
        """``[P, R, n_kept, O]`` float32 of one trial: out of fold, on the link scale, as exact as float16.

        P is the number of checkpoints they are stored at: 1, the chosen epoch, or all of the sweep's.

        Raises:
            NotFoundError: That trial is not stored.
        """
        for _, rows in self._prediction_rows(key, [number]):
            return convert.predictions(rows)
        raise self._no_trial(key, number)

    def predictions_all(self, key: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Number and :meth:`predictions` of every stored trial, in number order, a few in memory at a time."""
        for numbers in self._chunks(key):
            for number, rows in self._prediction_rows(key, numbers):
                yield number, convert.predictions(rows)

    # --------------------------------------------------------------------------------------------------- artifacts

    def save_artifact(self, key: str, name: str, content: bytes, media_type: str) -> ArtifactRecord:
        """Store a file of a sweep, in place of an earlier one of that name.

        Raises:
            NotFoundError: No sweep has that key.
        """
        record = ArtifactRecord(name, media_type, hashlib.sha256(content).hexdigest(), len(content), datetime.now(UTC))
        changed: dict[str, Any] = {
            "media_type": record.media_type,
            "sha256": record.sha256,
            "size": record.size,
            "bytes": content,
            "created_at": record.created_at,
        }
        upsert = self._insert(Artifact, {"sweep_key": key, "name": name, **changed}).on_conflict_do_update(
            index_elements=[Artifact.sweep_key, Artifact.name], set_=changed
        )
        try:
            with self._writing() as session:
                session.execute(upsert)
        except IntegrityError:
            raise self._no_sweep(key) from None
        return record

    def artifacts(self, key: str) -> list[ArtifactRecord]:
        """The stored files of a sweep, by name, without their bytes."""
        with self._reading() as session:
            rows = session.scalars(select(Artifact).where(Artifact.sweep_key == key).order_by(Artifact.name))
            return [convert.artifact_record(row) for row in rows]

    def artifact(self, key: str, name: str) -> tuple[ArtifactRecord, bytes]:
        """A stored file and its bytes, checked against their SHA-256.

        Raises:
            NotFoundError: The sweep has no file of that name.
            StorageError: The bytes are not those that were stored.
        """
        query = select(Artifact).where(Artifact.sweep_key == key, Artifact.name == name)
        with self._reading() as session:
            row = session.scalar(query.options(undefer(Artifact.content)))
            if row is None:
                raise NotFoundError(f"no file {name} with sweep {key} in {self.shown}")
            record, content = convert.artifact_record(row), row.content
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise StorageError(f"the stored file {name} of sweep {key} is damaged: its SHA-256 differs ({self.shown})")
        return record, content

    # --------------------------------------------------------------------------------------------------- inside

    def _settle_version(self, *, create: bool) -> None:
        with database.translated(self._url):
            state = versions.state_of(self._engine)
        if state == "newer":
            raise StorageError(f"{self.shown} was written by a newer sweep: update this program (dropout-sweep)")
        if state == "current":
            return
        if create:
            versions.upgrade(self._url)
        elif state == "absent":
            raise NotFoundError(f"no sweep in {self.shown}: `sweep run` stores the first one")
        else:
            raise StorageError(f"{self.shown} was written by an older sweep: `sweep run` brings it up to date")

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with database.translated(self._url), Session(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with database.translated(self._url), Session(self._writer) as session, session.begin():
            yield session

    def _insert(self, table: type[Base], values: dict[str, Any]) -> postgresql.Insert | sqlite.Insert:
        """An insert that can say what to do on a conflict. Both dialects spell that alike."""
        if database.is_sqlite(self._url):
            return sqlite.insert(table).values(values)
        return postgresql.insert(table).values(values)

    def _axes_of(self, key: str) -> convert.Axes:
        if key not in self._axes:
            with self._reading() as session:
                row = session.get(Sweep, key)
                if row is None:
                    raise self._no_sweep(key)
                self._axes[key] = convert.axes_of(row)
        return self._axes[key]

    def _chunks(self, key: str) -> Iterator[list[int]]:
        # No transaction stays open while the caller works on what it was given.
        numbers = sorted(self.saved_numbers(key))
        for start in range(0, len(numbers), _CHUNK):
            yield numbers[start : start + _CHUNK]

    def _fold_rows(self, key: str, numbers: Sequence[int]) -> list[tuple[int, list[Fold]]]:
        query = select(Fold).where(Fold.sweep_key == key, Fold.trial.in_(numbers))
        with self._reading() as session:
            rows = session.scalars(query.order_by(Fold.trial, Fold.repeat, Fold.fold)).all()
        return [(number, list(group)) for number, group in groupby(rows, key=lambda row: row.trial)]

    def _prediction_rows(self, key: str, numbers: Sequence[int]) -> list[tuple[int, list[Prediction]]]:
        query = select(Prediction).where(Prediction.sweep_key == key, Prediction.trial.in_(numbers))
        with self._reading() as session:
            rows = session.scalars(query.order_by(Prediction.trial, Prediction.repeat)).all()
        return [(number, list(group)) for number, group in groupby(rows, key=lambda row: row.trial)]

    def _no_sweep(self, key: str) -> NotFoundError:
        return NotFoundError(f"no sweep with key {key} in {self.shown}: deleted?")

    def _no_trial(self, key: str, number: int) -> NotFoundError:
        return NotFoundError(f"no trial {number} of sweep {key} in {self.shown}")
