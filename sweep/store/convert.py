"""Between the rows of :mod:`sweep.store.models` and the records that the other layers see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sweep.records import VALIDATION, Configuration, Hyperparameters, TableInfo, TrialResult
from sweep.store.codec import Stored, pack, pack_half, unpack, unpack_half
from sweep.store.models import Artifact, Confirmed, Dataset, Fold, Order, Prediction, Rung, Sweep, Trial
from sweep.store.rows import (
    ArtifactRecord,
    ConfirmedRepeat,
    DatasetRecord,
    NewSweep,
    OrderRecord,
    OrderState,
    RungDecision,
    SweepRecord,
    TrialRecord,
)


@dataclass(frozen=True, slots=True)
class Axes:
    """What places a trial's arrays; fixed when its sweep is created."""

    folds: int
    repeats: int
    checkpoints: tuple[int, ...]
    metrics: tuple[str, ...]
    metric: str

    @property
    def splits(self) -> int:
        """S."""
        return self.folds * self.repeats


def axes_of(row: Sweep) -> Axes:
    """The axes of a sweep."""
    return Axes(row.folds, row.repeats, tuple(row.checkpoints), tuple(row.metrics), row.metric)


def sweep_row(key: str, sweep: NewSweep, now: datetime) -> Sweep:
    """A new sweep as a row."""
    return Sweep(
        key=key,
        name=sweep.name,
        format=sweep.format,
        definition=sweep.definition,
        fingerprint=sweep.fingerprint,
        data_hash=sweep.info.content_hash,
        info=asdict(sweep.info),
        trials=sweep.trials,
        metric=sweep.metric,
        metrics=list(sweep.metrics),
        checkpoints=list(sweep.checkpoints),
        folds=sweep.folds,
        repeats=sweep.repeats,
        kept_rows=None if sweep.kept_rows is None else pack(sweep.kept_rows, "<i8"),
        created_at=now,
        updated_at=now,
    )


def sweep_record(row: Sweep) -> SweepRecord:
    """A stored sweep as a record."""
    info: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.info.items()
    }
    return SweepRecord(
        key=row.key,
        name=row.name,
        format=row.format,
        definition=row.definition,
        fingerprint=row.fingerprint,
        info=TableInfo(**info),
        trials=row.trials,
        metric=row.metric,
        metrics=tuple(row.metrics),
        checkpoints=tuple(row.checkpoints),
        folds=row.folds,
        repeats=row.repeats,
        kept_rows=None if row.kept_rows is None else unpack(row.kept_rows, "<i8", (-1,)),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def dataset_values(dataset: DatasetRecord, now: datetime) -> dict[str, Any]:
    """A data set as column values."""
    kind: Stored = "<f8" if dataset.target.dtype.kind == "f" else "<i8"
    return {
        "content_hash": dataset.content_hash,
        "rows": len(dataset.target),
        "target": pack(dataset.target, kind),
        "target_type": kind,
        "groups": None if dataset.groups is None else pack(dataset.groups, "<i8"),
        "created_at": now,
    }


def dataset_record(row: Dataset) -> DatasetRecord:
    """A stored data set as a record."""
    kind: Stored = "<f8" if row.target_type == "<f8" else "<i8"
    return DatasetRecord(
        content_hash=row.content_hash,
        target=unpack(row.target, kind, (row.rows,)),
        groups=None if row.groups is None else unpack(row.groups, "<i8", (row.rows,)),
    )


def check_trial(axes: Axes, result: TrialResult) -> None:
    """Raise ValueError where a result does not fit the axes of its sweep."""
    if result.trained not in axes.checkpoints:
        allowed = f"must be trained up to one of {axes.checkpoints}"
        raise ValueError(f"trial {result.number} {allowed}, however: {result.trained}")
    reached = axes.checkpoints[: axes.checkpoints.index(result.trained) + 1]
    shape = axes.splits, len(reached), 2, len(axes.metrics)
    if result.metrics.shape != shape:
        raise ValueError(f"metrics of trial {result.number} must be {shape}, however: {result.metrics.shape}")
    known = result.predictions.shape
    if len(known) != 4 or known[0] not in (1, len(reached)) or known[1] != axes.repeats:
        wanted = f"[1 or {len(reached)}, {axes.repeats}, n_kept, O]"
        raise ValueError(f"predictions of trial {result.number} must be {wanted}, however: {known}")
    if result.epoch not in reached:
        raise ValueError(f"epoch of trial {result.number} must be in {reached}, however: {result.epoch}")
    if not math.isfinite(result.score):
        raise ValueError(f"score of trial {result.number} must be finite, however: {result.score}")


def trial_values(key: str, hyperparameters: Hyperparameters, result: TrialResult, now: datetime) -> dict[str, Any]:
    """A finished trial as column values."""
    return {
        "sweep_key": key,
        "number": result.number,
        "placement": hyperparameters.placement,
        "hyperparameters": hyperparameters.to_dict(),
        "epoch": result.epoch,
        "trained": result.trained,
        "score": float(result.score),
        "diverged": result.diverged,
        "seconds": float(result.seconds),
        "saved_at": now,
    }


def trial_record(row: Trial) -> TrialRecord:
    """A stored trial as a record."""
    return TrialRecord(
        number=row.number,
        hyperparameters=Hyperparameters.from_dict(row.hyperparameters),
        epoch=row.epoch,
        trained=row.trained,
        score=row.score,
        diverged=row.diverged,
        seconds=row.seconds,
        saved_at=row.saved_at,
    )


def rung_values(key: str, decision: RungDecision, now: datetime) -> dict[str, Any]:
    """A decision as column values."""
    return {"sweep_key": key, **asdict(decision), "decided_at": now}


def rung_decision(row: Rung) -> RungDecision:
    """A stored decision as a record."""
    return RungDecision(row.trial, row.epoch, row.score, row.kept)


def fold_values(key: str, axes: Axes, result: TrialResult) -> list[dict[str, Any]]:
    """The S folds of a finished trial as column values."""
    chosen = axes.checkpoints.index(result.epoch), VALIDATION, axes.metrics.index(axes.metric)
    return [
        {
            "sweep_key": key,
            "trial": result.number,
            "repeat": split // axes.folds,
            "fold": split % axes.folds,
            "score": None if math.isnan(metrics[chosen]) else float(metrics[chosen]),
            "metrics": pack(metrics, "<f8"),
        }
        for split, metrics in enumerate(result.metrics)
    ]


def fold_metrics(axes: Axes, rows: Sequence[Fold]) -> NDArray[np.float64]:
    """``[S, C, 2, Q]`` from the folds of one trial, in order; C as many checkpoints as it reached."""
    return np.stack([unpack(row.metrics, "<f8", (-1, 2, len(axes.metrics))) for row in rows])


def prediction_values(key: str, result: TrialResult) -> list[dict[str, Any]]:
    """The R repeats' predictions of a finished trial as column values."""
    checkpoints, _, rows, outputs = result.predictions.shape
    return [
        {
            "sweep_key": key,
            "trial": result.number,
            "repeat": repeat,
            "checkpoints": checkpoints,
            "rows": rows,
            "outputs": outputs,
            "values": pack_half(values),
        }
        for repeat, values in enumerate(result.predictions.swapaxes(0, 1))
    ]


def predictions(rows: Sequence[Prediction]) -> NDArray[np.float32]:
    """``[P, R, n_kept, O]`` float32 from the repeats of one trial, in order."""
    shapes = [(row.checkpoints, row.rows, row.outputs) for row in rows]
    return np.stack([unpack_half(row.values, shape) for row, shape in zip(rows, shapes, strict=True)], axis=1)


def confirmed_values(key: str, one: ConfirmedRepeat, now: datetime) -> dict[str, Any]:
    """A repeat of a chosen configuration as column values."""
    rows, outputs = one.predictions.shape
    return {
        "sweep_key": key,
        "configuration": one.configuration.key,
        "repeat": one.repeat,
        "hyperparameters": one.configuration.params.to_dict(),
        "epoch": one.configuration.epoch,
        "rows": rows,
        "outputs": outputs,
        "predictions": pack(one.predictions, "<f4"),
        "folds": len(one.metrics),
        "metrics": pack(one.metrics, "<f8"),
        "lost": list(one.lost),
        "seconds": float(one.seconds),
        "saved_at": now,
    }


def confirmed_repeat(row: Confirmed) -> ConfirmedRepeat:
    """A stored repeat of a chosen configuration as a record."""
    metrics = unpack(row.metrics, "<f8", (-1,))
    return ConfirmedRepeat(
        configuration=Configuration(Hyperparameters.from_dict(row.hyperparameters), row.epoch),
        repeat=row.repeat,
        predictions=unpack(row.predictions, "<f4", (row.rows, row.outputs)),
        metrics=metrics.reshape(row.folds, 2, -1),
        lost=tuple(row.lost),
        seconds=row.seconds,
    )


def artifact_record(row: Artifact) -> ArtifactRecord:
    """A stored file as a record."""
    return ArtifactRecord(row.name, row.media_type, row.sha256, row.size, row.created_at)


def order_record(row: Order) -> OrderRecord:
    """What is wanted of a sweep, as a record."""
    return OrderRecord(
        name=row.name,
        definition=row.definition,
        priority=row.priority,
        trials=row.trials,
        metric=row.metric,
        source=row.source,
        data_hash=row.data_hash,
        table_sha256=row.table_sha256,
        state=cast("OrderState", row.state),
        revision=row.revision,
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
