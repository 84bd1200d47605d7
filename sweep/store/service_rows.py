"""Frozen records of what the service and its runners tell each other. No SQL: any layer above may use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

JobKind = Literal["estimate", "export", "fit", "answer"]
JobState = Literal["queued", "running", "done", "failed"]
Level = Literal["info", "warning"]


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A table that somebody handed in.

    Attributes:
        id: 128 random bits, hex.
        name: Of the file, without folders.
        size: Of the file as it came, in bytes.
        table_sha256: Of the stored table.
        detected: What was seen in it, plain values.
        created_at: UTC.
    """

    id: str
    name: str
    size: int
    table_sha256: str
    detected: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Something asked of runners that is not a sweep.

    Attributes:
        id: 128 random bits, hex.
        key: Whoever asks for the same again gets this job.
        kind: What is asked for.
        sweep: Name of the sweep that it is about; ``None`` if there is none yet.
        request: What else it needs to know, plain values.
        state: ``"done"`` and ``"failed"`` are final, until it is asked for again.
        attempts: How often somebody began.
        progress: How far it is, in words.
        result: Plain values; ``None`` until it is done.
        reason: Why it failed.
        file_name: Of the file it gave; ``None`` if it gave none.
        media_type: Of that file.
        sha256: Of its bytes, hex.
        created_at: UTC.
        updated_at: UTC, of the last change of state or progress.
    """

    id: str
    key: str
    kind: JobKind
    sweep: str | None
    request: Mapping[str, Any]
    state: JobState
    attempts: int
    progress: str | None
    result: Mapping[str, Any] | None
    reason: str | None
    file_name: str | None
    media_type: str | None
    sha256: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that a job gives.

    Attributes:
        name: Without folders.
        media_type: Such as ``"application/zip"``.
        content: Its bytes.
    """

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class LogRecord:
    """Something that happened to a sweep.

    Attributes:
        id: Grows with time.
        level: ``"warning"`` if it costs something.
        trial: Number of the trial it is about; ``None`` if it is about none.
        said: A sentence for people.
        at: UTC.
    """

    id: int
    level: Level
    trial: int | None
    said: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RunnerRecord:
    """A runner.

    Attributes:
        host: Name of its machine.
        pid: Process id there.
        workers: Where its blocks run, in words.
        doing: Name of the sweep that it runs; ``None`` if it waits for one.
        up: Seconds since it began.
        silent: Seconds since it was last heard of.
    """

    host: str
    pid: int
    workers: str
    doing: str | None
    up: float
    silent: float
