"""What commands print about results: text for people. ``output.py`` fits it to a terminal."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepStatus, SweepSummary
from sweep.metrics import Metric
from sweep.records import HonestScore, Hyperparameters
from sweep.spec.layers import hidden_name, layer_names
from sweep.spec.model import Chosen


def json_text(value: Any) -> str:
    """One JSON document; what is not a finite number becomes null."""
    return json.dumps(_without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)


def best_text(summary: SweepSummary) -> str:
    """The best configuration with raw and honest score."""
    best, metric, status = summary.best, summary.metric, summary.status
    if best is None:
        return f"{summary.name}: no trial has finished yet ({status.state}, 0 of {status.budget:,})"
    rows = [
        *scores_rows(metric, best.score, summary.honest, summary.chosen),
        ("epoch", f"{best.epoch} of {summary.spec.training.epochs}"),
        *configuration_rows(best.hyperparameters),
    ]
    if status.saved:
        rows.append(("pruning", status.saved))
    planned = "" if len(summary.trials) >= status.budget else f" so far, {status.budget:,} planned"
    among = f"best {metric.name} of {wording.count(len(summary.trials), 'trial')}{planned}"
    heading = f"{summary.name}: trial {best.number}, {wording.placement(best.placement)} ({among})"
    return "\n".join([heading, *_indented(rows)])


def configuration_rows(own: Hyperparameters) -> list[tuple[str, str]]:
    """Name and value of each hyperparameter; of dropout only the layers that have it."""
    rates = [
        (f"dropout {layer}", wording.number(rate))
        for layer, rate in zip(layer_names(len(own.hidden)), own.dropout, strict=True)
        if rate > 0
    ]
    return [
        ("hidden", hidden_name(own.hidden)),
        *rates,
        ("learning_rate", wording.number(own.learning_rate)),
        ("momentum", wording.number(own.momentum)),
        ("max_norm", "off" if own.max_norm is None else wording.number(own.max_norm)),
        ("lr_decay", wording.number(own.lr_decay)),
        ("weight_decay", wording.number(own.weight_decay)),
    ]


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
    return "\n".join([status.name, *_indented(rows)])


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


def table_text(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Columns under each other, two blanks apart; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(indent + line for line in lines)


def scores_rows(metric: Metric, raw: float, honest: HonestScore | None, chosen: Chosen | None) -> list[tuple[str, str]]:
    """Name and value of the honest score and of the raw one."""
    elsewhere = "" if chosen is None else f"; {wording.chosen_in_words(chosen.sweep, chosen.trials)}"
    if honest is None:
        too_good = f"{wording.powers(metric.format(raw))}, too good: it was chosen for that"
        return [("honest score", "undefined"), ("raw score", too_good + elsewhere)]
    interval = wording.interval(metric, honest.low, honest.high)
    why = wording.raw_in_words(metric, honest).removeprefix(f"the sweep's best reads {wording.score(metric, raw)}")
    why = elsewhere or why
    return [
        ("honest score", f"{wording.score(metric, honest.value)} (95 % interval {interval})"),
        ("raw score", f"{wording.powers(metric.format(raw))}{why}"),
    ]


def _next_steps(*commands: str) -> str:
    return "\n".join(["", "next:", *(f"  {command}" for command in commands)])


def _without_password(storage: str) -> str:
    from sweep.store.database import optuna_url, parse_url, shown_url  # SQLAlchemy takes long to import

    url = parse_url(storage)
    return storage if shown_url(url) == optuna_url(url) else shown_url(url)


def _others(status: SweepStatus) -> Iterable[tuple[str, int]]:
    counts = status.counts
    return ("pruned", counts.pruned), ("failed", counts.failed), ("running", counts.running)


def _indented(rows: Sequence[tuple[str, str]]) -> list[str]:
    return table_text(rows, indent="  ").splitlines()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value
