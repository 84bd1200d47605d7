"""Our tables. All are named ``sweep_...`` and hang on the sweep's own key; none refers to a table of Optuna's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

PREFIX = "sweep_"


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC. A naive instant is refused, since nobody could say which one is meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant needs its time zone: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Declarative base. Every constraint has a name, so that a later migration can drop it on either database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read once by DeclarativeBase, which declares it this way
        bytes: LargeBinary,
        datetime: UtcDateTime,
        float: Double,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[int]: JSON,
    }


class Dataset(Base):
    """A table's target and groups, once for all sweeps on the same content."""

    __tablename__ = "sweep_datasets"

    content_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    rows: Mapped[int]
    target: Mapped[bytes]  # [rows], of target_type
    target_type: Mapped[str] = mapped_column(String(3))  # "<f8" or "<i8"
    groups: Mapped[bytes | None]  # [rows] int64
    created_at: Mapped[datetime]


class Sweep(Base):
    """One sweep: its definition and the axes of everything stored for it."""

    __tablename__ = "sweep_sweeps"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(512), unique=True)  # as long as Optuna's study names may be
    format: Mapped[int]
    definition: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64))
    data_hash: Mapped[str] = mapped_column(ForeignKey(Dataset.content_hash), index=True)
    # Not with the data set: the same content may have been read from another file, with other column names.
    info: Mapped[dict[str, Any]]
    trials: Mapped[int]
    metric: Mapped[str] = mapped_column(String(64))
    metrics: Mapped[list[str]]
    checkpoints: Mapped[list[int]]
    folds: Mapped[int]
    repeats: Mapped[int]
    kept_rows: Mapped[bytes | None]  # [n_kept] int64
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Trial(Base):
    """One finished trial."""

    __tablename__ = "sweep_trials"

    sweep_key: Mapped[str] = mapped_column(ForeignKey(Sweep.key, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    placement: Mapped[str] = mapped_column(Text)  # no bound: a subset of layers is named by all of them
    hyperparameters: Mapped[dict[str, Any]]
    epoch: Mapped[int]
    trained: Mapped[int]  # the sweep's last checkpoint, or the rung at which it was stopped
    score: Mapped[float]
    diverged: Mapped[int | None]
    seconds: Mapped[float]
    saved_at: Mapped[datetime]


class Rung(Base):
    """What was decided about a trial at a rung. A trial that goes on is not stored yet: no key refers to it."""

    __tablename__ = "sweep_rungs"

    sweep_key: Mapped[str] = mapped_column(ForeignKey(Sweep.key, ondelete="CASCADE"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    score: Mapped[float]
    kept: Mapped[bool]
    decided_at: Mapped[datetime]


class Fold(Base):
    """One fold of one repeat of a trial."""

    __tablename__ = "sweep_folds"

    sweep_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    repeat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fold: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    score: Mapped[float | None]  # the sweep's metric on validation rows at the chosen epoch; null: undefined
    metrics: Mapped[bytes]  # [C, 2, Q] float64, C the checkpoints that the trial reached

    __table_args__ = (ForeignKeyConstraint([sweep_key, trial], [Trial.sweep_key, Trial.number], ondelete="CASCADE"),)


class Prediction(Base):
    """Out-of-fold predictions of one repeat of a trial, on the link scale.

    At one checkpoint it is the chosen epoch, else all that the trial reached. Revision 0001 knew the chosen epoch only.
    """

    __tablename__ = "sweep_predictions"

    sweep_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    repeat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[int]
    outputs: Mapped[int]
    values: Mapped[bytes]  # [checkpoints, rows, outputs] float16
    checkpoints: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (ForeignKeyConstraint([sweep_key, trial], [Trial.sweep_key, Trial.number], ondelete="CASCADE"),)


class Confirmed(Base):
    """One chosen configuration on one repeat of fresh folds."""

    __tablename__ = "sweep_confirmed"

    sweep_key: Mapped[str] = mapped_column(ForeignKey(Sweep.key, ondelete="CASCADE"), primary_key=True)
    configuration: Mapped[str] = mapped_column(String(64), primary_key=True)
    repeat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hyperparameters: Mapped[dict[str, Any]]
    epoch: Mapped[int]
    rows: Mapped[int]
    outputs: Mapped[int]
    predictions: Mapped[bytes]  # [rows, outputs] float32, on the link scale
    folds: Mapped[int]
    metrics: Mapped[bytes]  # [folds, 2, Q] float64
    lost: Mapped[list[int]]  # folds that diverged
    seconds: Mapped[float]
    saved_at: Mapped[datetime]


class Answer(Base):
    """What a sweep was found to answer, with each number of repeats that it was asked with."""

    __tablename__ = "sweep_answers"

    sweep_key: Mapped[str] = mapped_column(ForeignKey(Sweep.key, ondelete="CASCADE"), primary_key=True)
    choice: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the configurations compared
    repeats: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Artifact(Base):
    """A file made from a sweep: a page, a model."""

    __tablename__ = "sweep_artifacts"

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep_key: Mapped[str] = mapped_column(ForeignKey(Sweep.key, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    content: Mapped[bytes] = mapped_column("bytes", deferred=True)  # not read with a listing
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint(sweep_key, name),)


class Lease(Base):
    """Who runs a sweep. Instants are seconds since the epoch by the clock of the database."""

    __tablename__ = "sweep_leases"

    sweep_key: Mapped[str] = mapped_column(ForeignKey(Sweep.key, ondelete="CASCADE"), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))
    machine: Mapped[str] = mapped_column(String(128))  # tells process ids apart: boot and namespace
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started: Mapped[float]  # the process, after the boot of its host
    acquired_at: Mapped[float]
    expires_at: Mapped[float]


class StoredTable(Base):
    """A table that runners read from the database, as Parquet."""

    __tablename__ = "sweep_tables"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    content: Mapped[bytes] = mapped_column("bytes", deferred=True)
    created_at: Mapped[datetime]


class Order(Base):
    """What is wanted of a sweep: that runners take it, or that it rests. A sweep that was only ever run has none."""

    __tablename__ = "sweep_orders"

    name: Mapped[str] = mapped_column(String(512), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))  # queued, paused, cancelled, failed or done
    revision: Mapped[int]  # grows with every change of state
    priority: Mapped[int]
    definition: Mapped[str] = mapped_column(Text)
    trials: Mapped[int]
    metric: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(Text)  # as it may be shown
    data_hash: Mapped[str | None] = mapped_column(String(64))
    table_sha256: Mapped[str | None] = mapped_column(ForeignKey(StoredTable.sha256), index=True)
    reason: Mapped[str | None] = mapped_column(Text)  # why it failed
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Upload(Base):
    """A table that somebody handed in, and what was seen in it."""

    __tablename__ = "sweep_uploads"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))  # of the file, without folders
    size: Mapped[int]  # of the file as it came
    table_sha256: Mapped[str] = mapped_column(ForeignKey(StoredTable.sha256), index=True)
    detected: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Job(Base):
    """Something asked of runners that is not a sweep: an estimate, a file, an answer."""

    __tablename__ = "sweep_jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)  # whoever asks for the same again gets this job
    kind: Mapped[str] = mapped_column(String(16))
    sweep: Mapped[str | None] = mapped_column(String(512), index=True)  # its name
    request: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), index=True)  # queued, running, done or failed
    attempts: Mapped[int]
    token: Mapped[str | None] = mapped_column(String(32))  # of whoever works at it
    expires_at: Mapped[float]  # its lease, by the clock of the database
    progress: Mapped[str | None] = mapped_column(Text)
    result: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None] = mapped_column(Text)  # why it failed
    file_name: Mapped[str | None] = mapped_column(String(255))
    media_type: Mapped[str | None] = mapped_column(String(255))
    sha256: Mapped[str | None] = mapped_column(String(64))
    content: Mapped[bytes | None] = mapped_column("bytes", deferred=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LogLine(Base):
    """Something that happened to a sweep, in a sentence."""

    __tablename__ = "sweep_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[str] = mapped_column(String(512), index=True)  # its name: it may not have begun
    level: Mapped[str] = mapped_column(String(8))  # info or warning
    trial: Mapped[int | None]
    said: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]

    # Whoever has read up to an id asks for what comes after it: no id is given twice, whatever was deleted.
    __table_args__ = ({"sqlite_autoincrement": True},)


class Runner(Base):
    """A runner that is at work here, or was. Instants are seconds since the epoch by the clock of the database."""

    __tablename__ = "sweep_runners"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    machine: Mapped[str] = mapped_column(String(128))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started: Mapped[float]
    workers: Mapped[str] = mapped_column(Text)  # such as "local"
    doing: Mapped[str | None] = mapped_column(Text)  # name of the sweep that it runs
    since: Mapped[float]
    seen_at: Mapped[float]
