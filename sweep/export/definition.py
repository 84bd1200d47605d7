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
from sweep.export import about
from sweep.export.about import best_of, facts
from sweep.export.versions import versions
from sweep.spec import toml
from sweep.spec.alone import fixed, for_others, left_out
from sweep.spec.model import MAX_NAME, Chosen, ChosenScore, SweepSpec, plain
from sweep.spec.source import shown_source

SUFFIX = "-best"
"""Added to the name: the exported definition can run beside its sweep, in the same database."""


def best_definition(summary: SweepSummary, *, shared: bool = False) -> SweepSpec:
    """The definition of the best trial alone, every dimension fixed, with a note on how it was chosen.

    Args:
        summary: Of the sweep.
        shared: Whether it is for those who do not sit at this machine: a table that is a file is named without its
            folder, since it will lie beside the definition, and an address without what may be secret in it.

    Raises:
        NotFoundError: No trial has finished.
    """
    name = summary.name[: MAX_NAME - len(SUFFIX)] + SUFFIX
    alone = fixed(summary.spec, best_of(summary).hyperparameters, name)
    # The fingerprint is that of the whole address: it holds again once the secret is written in.
    chosen = replace(alone, chosen=_chosen(summary, alone.fingerprint))
    return for_others(chosen) if shared else chosen


def _chosen(summary: SweepSummary, fingerprint: str) -> Chosen | None:
    """Where the configuration was chosen: in this sweep, or where this one has it from; ``None`` without a choice."""
    if summary.chosen is not None:
        return replace(summary.chosen, fingerprint=fingerprint)
    honest, trials = summary.honest, len(summary.trials)
    if trials < 2:
        return None
    score = None if honest is None else ChosenScore(honest.value, honest.low, honest.high)
    return Chosen(summary.name, trials, summary.info.content_hash, fingerprint, score)


def to_toml(summary: SweepSummary, *, shared: bool = False) -> str:
    """The best configuration as a definition, with scores and versions as comments; ``shared`` as above.

    Raises:
        NotFoundError: No trial has finished.
    """
    best, definition = best_of(summary), best_definition(summary, shared=shared)
    lines = [
        f"Best configuration of the sweep {summary.name}: trial {best.number}, {wording.placement(best.placement)}.",
        _again(best),
        *left_out(summary.spec, definition),
        "",
        *facts(about.for_others(summary) if shared else summary),
    ]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return f"{comments}\n{toml.to_toml(definition)}"


def to_json(summary: SweepSummary, *, shared: bool = False) -> str:
    """The best configuration as one JSON document; its ``definition`` has the keys of the TOML file.

    ``shared`` as above.

    Raises:
        NotFoundError: No trial has finished.
    """
    definition, info = best_definition(summary, shared=shared), summary.info
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


def _again(best: TrialRow) -> str:
    if best.pruned:
        return f"It was stopped early at epoch {best.trained}; `sweep run` on this file trains it to its end."
    return "`sweep run` on this file trains it again, as one trial, and gives the same score."
