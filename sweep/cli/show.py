"""What commands print about results: text for people. ``output.py`` fits it to a terminal."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.analysis.results import SweepStatus
from sweep.texts.layout import indented, table_text


def json_text(value: Any) -> str:
    """One JSON document; what is not a finite number becomes null."""
    return json.dumps(_without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)


def status_text(status: SweepStatus) -> str:
    """How far a sweep is."""
    counts = status.counts
    parts = [f"{counts.complete:,} complete"]
    parts += [f"{number:,} {name}" for name, number in _others(status) if number]
    rows = [
        ("state", status.state),
        *([("run by", status.holder)] if status.holder else []),
        *([("because", status.reason)] if status.reason else []),
        ("trials", f"{counts.finished:,} of {status.budget:,} ({', '.join(parts)})"),
        *([("pruning", status.saved)] if status.saved else []),
        ("metric", status.metric),
        ("table", status.source),
        ("started", f"{status.created_at:%Y-%m-%d %H:%M} UTC"),
        ("last change", f"{status.updated_at:%Y-%m-%d %H:%M} UTC"),
    ]
    return "\n".join([status.name, *indented(rows)])


def list_text(statuses: Sequence[SweepStatus], width: int | None = None) -> str:
    """One line a sweep; where that is more than ``width``, names too long stand on a line of their own."""
    rows = [("NAME", "STATE", "TRIALS", "METRIC", "TABLE")]
    for status in statuses:
        done = f"{status.counts.finished}/{status.budget}"
        rows.append((status.name, status.state, done, status.metric, status.source))
    rest = table_text([row[1:] for row in rows]).splitlines()
    names = [row[0] for row in rows]
    column = max(map(len, names))
    if width is not None:
        column = min(column, max(len(rows[0][0]), width - 2 - max(map(len, rest))))
    lines = []
    for name, others in zip(names, rest, strict=True):
        lines += [f"{name:{column}}  {others}"] if len(name) <= column else [name, f"{'':{column}}  {others}"]
    return "\n".join(lines)


def after_init(path: Path) -> str:
    """What to do with a definition."""
    file = shlex.quote(str(path))
    return _next_steps(f"sweep check {file}", f"sweep run {file}")


def after_run(name: str, storage: str | None, *, to_answer: bool = True) -> str:
    """What to do with a finished sweep.

    Args:
        name: Of the sweep.
        storage: What ``--storage`` was given, if anything.
        to_answer: Whether placements with and without dropout are there to be compared.
    """
    at = "" if storage is None else f" --storage {shlex.quote(_without_password(storage))}"
    return _next_steps(
        *([f"sweep answer {name}{at}"] if to_answer else []),
        f"sweep report {name}{at}",
        f"sweep export {name} --format toml -o {name}-best.toml{at}",
        f"sweep dashboard{at}",
    )


def _next_steps(*commands: str) -> str:
    return "\n".join(["", "next:", *(f"  {command}" for command in commands)])


def _without_password(storage: str) -> str:
    from sweep.store.database import optuna_url, parse_url, shown_url  # SQLAlchemy takes long to import

    url = parse_url(storage)
    return storage if shown_url(url) == optuna_url(url) else shown_url(url)


def _others(status: SweepStatus) -> Iterable[tuple[str, int]]:
    counts = status.counts
    return ("pruned", counts.pruned), ("failed", counts.failed), ("running", counts.running)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value
