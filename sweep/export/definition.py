"""The best configuration as text: a definition that trains it again, and a JSON document about it.

Both hold every key that changes numbers, so that ``sweep run`` on the exported definition gives the same score again,
bit for bit on one CPU type. The raw score never stands alone: the honest one stands beside it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.errors import NotFoundError
from sweep.export.versions import versions
from sweep.spec import toml
from sweep.spec.alone import fixed
from sweep.spec.model import MAX_NAME, Chosen, ChosenScore, SweepSpec, plain
from sweep.spec.source import shown_source

SUFFIX = "-best"
"""Added to the name: the exported definition can run beside its sweep, in the same database."""


def best_definition(summary: SweepSummary) -> SweepSpec:
    """The definition of the best trial alone, every dimension fixed, with a note on how it was chosen.

    Raises:
        NotFoundError: No trial has finished.
    """
    name = summary.name[: MAX_NAME - len(SUFFIX)] + SUFFIX
    alone = fixed(summary.spec, _best(summary).hyperparameters, name)
    return replace(alone, chosen=_chosen(summary, alone.fingerprint))


def _chosen(summary: SweepSummary, fingerprint: str) -> Chosen | None:
    """Where the configuration was chosen: in this sweep, or where this one has it from; ``None`` without a choice."""
    if summary.chosen is not None:
        return replace(summary.chosen, fingerprint=fingerprint)
    honest, trials = summary.honest, len(summary.trials)
    if trials < 2:
        return None
    score = None if honest is None else ChosenScore(honest.value, honest.low, honest.high)
    return Chosen(summary.name, trials, summary.info.content_hash, fingerprint, score)


def to_toml(summary: SweepSummary) -> str:
    """The best configuration as a definition, with scores and versions as comments.

    Raises:
        NotFoundError: No trial has finished.
    """
    best, metric, info = _best(summary), summary.metric, summary.info
    lines = [
        f"Best configuration of the sweep {summary.name}: trial {best.number}, {wording.placement(best.placement)}.",
        _again(best),
        "",
        f"{metric.title}, raw:    {wording.score(metric, best.score)} ({best.score!r})",
        f"{metric.title}, honest: {_honest_in_words(summary)}",
        *_elsewhere(summary),
        f"Chosen epoch: {best.epoch} of {summary.spec.training.epochs}",
        f"Table: {_one_line(info.source)}, {wording.count(info.rows, 'row')}, SHA-256 {info.content_hash}",
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions().items())}",
    ]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return f"{comments}\n{toml.to_toml(best_definition(summary))}"


def to_json(summary: SweepSummary) -> str:
    """The best configuration as one JSON document; its ``definition`` has the keys of the TOML file.

    Raises:
        NotFoundError: No trial has finished.
    """
    definition, info = best_definition(summary), summary.info
    document: dict[str, Any] = {
        "sweep": summary.name,
        **{key: value for key, value in summary.best_to_dict().items() if key != "name"},
        "trials": len(summary.trials),
        "data": {
            "source": shown_source(definition.data.source),
            "content_hash": info.content_hash,
            "rows": info.rows,
            "features": list(info.features),
            "target": info.target,
            "task": info.task,
            "classes": list(info.classes),
        },
        "versions": versions(),
        "definition": plain(definition),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _best(summary: SweepSummary) -> TrialRow:
    if summary.best is None:
        raise NotFoundError(f"no trial of sweep {summary.name} has finished yet: there is nothing to export")
    return summary.best


def _again(best: TrialRow) -> str:
    if best.pruned:
        return f"It was stopped early at epoch {best.trained}; `sweep run` on this file trains it to its end."
    return "`sweep run` on this file trains it again, as one trial, and gives the same score."


def _honest_in_words(summary: SweepSummary) -> str:
    honest, metric = summary.honest, summary.metric
    if honest is None:
        return "not defined for this sweep"
    return f"{wording.score(metric, honest.value)} (95 % interval {wording.interval(metric, honest.low, honest.high)})"


def _elsewhere(summary: SweepSummary) -> list[str]:
    chosen = summary.chosen
    return [] if chosen is None else [f"Chosen in the sweep {chosen.sweep}, among {chosen.trials:,} trials."]


def _one_line(text: str) -> str:
    """Text that cannot end a comment: anything unprintable is escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
