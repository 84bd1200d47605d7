"""``config.toml`` of a model folder: the definition of its trial alone."""

from __future__ import annotations

from dataclasses import replace

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.export.definition import to_toml as best_to_toml
from sweep.spec import toml
from sweep.spec.alone import fixed, for_others, left_out
from sweep.spec.model import MAX_NAME, Chosen, SweepSpec


def config_text(summary: SweepSummary, trial: TrialRow, *, shared: bool = False) -> str:
    """The definition of a trial as TOML: that of the best one is what ``sweep export`` writes.

    Of another trial there is no honest score, and its definition says so, so that none is shown when it is run.
    ``shared`` as of :func:`sweep.export.definition.best_definition`.
    """
    if summary.best is not None and trial.number == summary.best.number:
        return best_to_toml(summary, shared=shared)
    metric, definition = summary.metric, _definition(summary, trial)
    shown = for_others(definition) if shared else definition
    again = "gives the same score" if not trial.pruned else "trains it to its end"
    lines = [
        f"Trial {trial.number} of the sweep {summary.name}: {wording.placement(trial.placement)}.",
        f"`sweep run` on this file trains it again, as one trial, and {again}.",
        *left_out(definition, shown),
        "",
        f"{metric.title}, raw:    {wording.score(metric, trial.score)} ({trial.score!r})",
        f"{metric.title}, honest: not known of this trial, only of the sweep's best",
        f"Chosen epoch: {trial.epoch} of {summary.spec.training.epochs}",
    ]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return f"{comments}\n{toml.to_toml(shown)}"


def _definition(summary: SweepSummary, trial: TrialRow) -> SweepSpec:
    suffix = f"-trial{trial.number}"
    alone = fixed(summary.spec, trial.hyperparameters, summary.name[: MAX_NAME - len(suffix)] + suffix)
    chosen = Chosen(summary.name, len(summary.trials), summary.info.content_hash, alone.fingerprint, None)
    return replace(alone, chosen=chosen)
