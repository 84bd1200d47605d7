"""What every export says of the best configuration: its scores, never the raw one alone, and where it comes from."""

from __future__ import annotations

from dataclasses import replace

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.errors import NotFoundError
from sweep.export.literals import one_line
from sweep.export.versions import versions
from sweep.spec import alone
from sweep.spec.source import source_name


def best_of(summary: SweepSummary) -> TrialRow:
    """The trial that is exported.

    Raises:
        NotFoundError: No trial has finished.
    """
    if summary.best is None:
        raise NotFoundError(f"no trial of sweep {summary.name} has finished yet: there is nothing to export")
    return summary.best


def for_others(summary: SweepSummary) -> SweepSummary:
    """The summary as those may see it who do not sit at this machine: no folder of it, no secret of an address.

    The table cannot be read by it any more, and its fingerprint may be another one.
    """
    info = replace(summary.info, source=source_name(summary.info.source))
    return replace(summary, spec=alone.for_others(summary.spec), info=info)


def facts(summary: SweepSummary) -> list[str]:
    """Scores, chosen epoch, table and versions, a line each, which holds no line break.

    Raises:
        NotFoundError: No trial has finished.
    """
    best, metric, info = best_of(summary), summary.metric, summary.info
    return [
        f"{metric.title}, raw:    {wording.score(metric, best.score)} ({best.score!r})",
        f"{metric.title}, honest: {_honest_in_words(summary)}",
        *_elsewhere(summary),
        f"Chosen epoch: {best.epoch} of {summary.spec.training.epochs}",
        f"Table: {one_line(info.source)}, {wording.count(info.rows, 'row')}, SHA-256 {info.content_hash}",
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions().items())}",
    ]


def _honest_in_words(summary: SweepSummary) -> str:
    honest, metric = summary.honest, summary.metric
    if honest is None:
        return "not defined for this sweep"
    return f"{wording.score(metric, honest.value)} (95 % interval {wording.interval(metric, honest.low, honest.high)})"


def _elsewhere(summary: SweepSummary) -> list[str]:
    chosen = summary.chosen
    return [] if chosen is None else [f"Chosen in the sweep {chosen.sweep}, among {chosen.trials:,} trials."]
