"""Frozen records that go into the store and come out of it. No SQL: any layer above may use them.

Axes are named as in :mod:`sweep.records`. Records that hold arrays compare by identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sweep.records import Configuration, Hyperparameters, TableInfo


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NewSweep:
    """A sweep as it is first stored.

    Attributes:
        name: Unique among the sweeps of a database; also the study's name.
        format: Format number of the definition.
        definition: The definition as canonical TOML text.
        fingerprint: SHA-256 (hex) of what may not change on resume.
        trials: Budget, counted in finished trials.
        info: The table it was started on.
        metric: Metric that chooses; one of ``metrics``.
        metrics: Q names, in the order of axis Q.
        checkpoints: C increasing epoch numbers.
        folds: K, at least 2.
        repeats: R, at least 1; S = R x K.
        kept_rows: Sorted positions of rows whose out-of-fold predictions are stored, ``[n_kept]`` int64;
            ``None`` for all rows.
    """

    name: str
    format: int
    definition: str
    fingerprint: str
    trials: int
    info: TableInfo
    metric: str
    metrics: tuple[str, ...]
    checkpoints: tuple[int, ...]
    folds: int
    repeats: int
    kept_rows: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SweepRecord(NewSweep):
    """A stored sweep.

    Attributes:
        key: 128 random bits, hex. Also a user attribute of the study; never used again after a delete.
        created_at: UTC.
        updated_at: UTC; when a trial was last saved or the budget last changed.
    """

    key: str
    created_at: datetime
    updated_at: datetime

    @property
    def data_hash(self) -> str:
        """Content hash of the table, by which :meth:`Store.dataset` finds its target."""
        return self.info.content_hash


@dataclass(frozen=True, slots=True)
class SweepHead:
    """What changes of a sweep.

    Attributes:
        key: 128 random bits, hex.
        trials: Its budget.
        updated_at: UTC; when a trial was last saved or the budget last changed.
    """

    key: str
    trials: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class DatasetRecord:
    """What scores need of a table after its features are gone.

    Attributes:
        content_hash: SHA-256 (hex) over the decoded features, target and groups.
        target: ``[n]``: int64 class codes, or float64 in the target's own units.
        groups: ``[n]`` int64, or ``None``.
    """

    content_hash: str
    target: NDArray[np.float64] | NDArray[np.int64]
    groups: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A saved trial without its arrays. Fields as in :class:`sweep.records.TrialResult`; ``saved_at`` is UTC."""

    number: int
    hyperparameters: Hyperparameters
    epoch: int
    trained: int
    score: float
    diverged: int | None
    seconds: float
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class RungDecision:
    """What was decided about a trial at a rung.

    Attributes:
        trial: Its number.
        epoch: Of the rung: the checkpoint at which it was compared with other trials.
        score: By which it was compared, finite.
        kept: Whether it goes on; else it ends there.
    """

    trial: int
    epoch: int
    score: float
    kept: bool


@dataclass(frozen=True, slots=True, eq=False)
class ConfirmedRepeat:
    """A chosen configuration on one repeat of fresh folds.

    Attributes:
        configuration: What was trained.
        repeat: From 0.
        predictions: ``[n_kept, O]`` float32, out of fold, on the link scale; NaN where a row is untested.
        metrics: ``[K, 2, Q]`` float64: every metric of every fold, as in :class:`sweep.records.TrialResult`.
        lost: Folds whose network diverged, and was scored as the constant predictor of its training rows.
        seconds: Its share of its block's wall time.
    """

    configuration: Configuration
    repeat: int
    predictions: NDArray[np.float32]
    metrics: NDArray[np.float64]
    lost: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What a sweep was found to answer.

    Attributes:
        choice: SHA-256 (hex) of the configurations that were compared.
        repeats: R, of fresh folds.
        document: All of it, plain values.
        created_at: UTC.
    """

    choice: str
    repeats: int
    document: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class FoldScores:
    """The sweep's metric on validation rows, split by split, at each trial's chosen epoch.

    Attributes:
        numbers: ``[T]`` int64, increasing trial numbers.
        scores: ``[T, S]`` float64; NaN where the metric is undefined.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """A stored file without its bytes.

    Attributes:
        name: Unique within its sweep, such as ``"report.html"``.
        media_type: Such as ``"text/html"``.
        sha256: Of the bytes, hex.
        size: In bytes.
        created_at: UTC.
    """

    name: str
    media_type: str
    sha256: str
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that runs a sweep.

    Attributes:
        token: Random, of this run alone.
        machine: Equal for two processes whose ids can be compared: one boot of one machine, one namespace.
        host: Name of the machine, for people.
        pid: Process id there.
        started: When the process was started, seconds after the boot of its machine.
    """

    token: str
    machine: str
    host: str
    pid: int
    started: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who runs a sweep. Instants are seconds since the epoch by the database's clock.

    Attributes:
        holder: Who.
        acquired_at: Since when.
        expires_at: Until when, unless it is renewed.
        seconds_left: Until then, from the moment at which it was read; negative once it has expired.
    """

    holder: Holder
    acquired_at: float
    expires_at: float
    seconds_left: float


OrderState = Literal["queued", "paused", "cancelled", "failed", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What is wanted of a sweep, as it is first stored.

    Attributes:
        name: Of the sweep.
        definition: As canonical TOML text.
        priority: Runners take the highest first.
        trials: Its budget, rounded as it will run.
        metric: That chooses.
        source: The table, as it may be shown.
        data_hash: SHA-256 (hex) of the decoded table, as in ``TableInfo.content_hash``; ``None`` where nobody looked.
        table_sha256: Of the stored table; ``None`` where runners read the source themselves.
    """

    name: str
    definition: str
    priority: int
    trials: int
    metric: str
    source: str
    data_hash: str | None
    table_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord(NewOrder):
    """What is wanted of a sweep.

    Attributes:
        state: ``"queued"``: runners take it. ``"paused"`` and ``"cancelled"``: it rests, and whoever runs it stops.
            ``"failed"``: it cannot be run, and ``reason`` says why. ``"done"``: its budget was met.
        revision: Grows with every change of the state: a run stops for what was said after it began.
        reason: Why it failed.
        created_at: UTC.
        updated_at: UTC, of the last change.
    """

    state: OrderState
    revision: int
    reason: str | None
    created_at: datetime
    updated_at: datetime
