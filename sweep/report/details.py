"""The details of the report: what was searched, the table, and how the trials went."""

from __future__ import annotations

from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.report.facts import fact, number, shortened
from sweep.spec.layers import hidden_name
from sweep.spec.model import SCALARS, Choices, Dimension, Fixed, Range, SweepSpec
from sweep.spec.source import source_name


def searched(summary: SweepSummary) -> list[dict[str, Any]]:
    """The definition in groups of labelled values."""
    spec, info = summary.spec, summary.info
    space, training, search, validation = spec.space, spec.training, spec.search, spec.validation
    rates = [fact("Dropout rate", _dimension(space.dropout) + (", shared by all layers" if space.shared else ""))]
    rates += [fact(f"· {wording.layer(name).lower()}", _dimension(own)) for name, own in space.dropout_layers.items()]
    searched = [
        fact("Placement", wording.listed(space.placements)),
        fact("Hidden units", wording.listed([hidden_name(units) for units in spec.network.hidden], "or")),
        *rates,
        *(fact(wording.parameter(name), _dimension(getattr(space, name))) for name in SCALARS),
    ]
    samplers = {"tpe": "TPE", "random": "random", "qmc": "quasi-random (Sobol)", "grid": "grid"}
    allocation = "each placement has its own" if search.allocation == "equal" else "one for all placements"
    fixed = [
        fact("Budget", f"{wording.count(summary.status.budget, 'trial')}{_share(summary)}"),
        fact("Sampler", f"{samplers[search.sampler]}, {allocation}"),
        *([fact("Pruning", _pruning(spec))] if spec.rungs else []),
        fact("Training", f"{training.epochs} epochs, mini-batches of {training.batch_size}"),
        fact("Optimizer", f"SGD with {'Nesterov ' if training.nesterov else ''}momentum"),
        fact("Activation", spec.network.activation),
        fact("Initial weights", spec.network.init.replace("_", " ")),
        fact(
            "Epoch",
            f"best of {len(summary.checkpoints)} checkpoints, by the mean over folds"
            if training.stop == "best"
            else "the last",
        ),
        *([fact("Class weights", "balanced")] if training.class_weight == "balanced" else []),
        fact("Folds", f"{validation.folds}" + (f", {validation.repeats} repeats" if validation.repeats > 1 else "")),
        fact("Seed", str(spec.seed)),
    ]
    table = [
        fact("Source", source_name(info.source)),
        fact("Rows", f"{info.rows:,}"),
        fact("Features", f"{len(info.features):,} after encoding"),
        fact("Target", info.target),
        fact("Task", {"binary": "two classes", "multiclass": "several classes"}.get(info.task, info.task)),
        *([fact("Classes", wording.listed(shortened(info.classes)))] if info.classes else []),
        fact("Content", f"SHA-256 {info.content_hash[:12]}…"),
    ]
    return [
        {"title": "Space", "facts": searched},
        {"title": "The same for all trials", "facts": fixed},
        {"title": "Table", "facts": table},
    ]


def trials_text(summary: SweepSummary) -> str:
    """What became of the trials."""
    counts = summary.status.counts
    parts = [summary.status.saved or f"{wording.count(counts.finished, 'trial')} finished"]
    diverged = sum(trial.diverged is not None for trial in summary.trials)
    if diverged:
        parts.append(f"{diverged} diverged in some fold and were scored there as a constant prediction")
    if counts.failed:
        parts.append(f"{counts.failed} failed and were replaced")
    seconds = sum(trial.seconds for trial in summary.trials)
    parts.append(f"{wording.duration(seconds)} of training in all")
    return f"{'; '.join(parts)}. Scores are raw, ± is the standard deviation over folds."


def footer(summary: SweepSummary) -> str:
    """The last line of the page."""
    when = summary.status.updated_at.strftime("%Y-%m-%d %H:%M UTC")
    return f"dropout-sweep · last trial {when} · definition {summary.fingerprint[:12]}"


def _pruning(spec: SweepSpec) -> str:
    """By whom, where, and who goes on."""
    search = spec.search
    who = f"the best one in {search.reduction}" if search.pruner == "halving" else "what is no worse than the median"
    at = wording.listed(list(map(str, spec.rungs)))
    return f"{search.pruner} at {'epoch' if len(spec.rungs) == 1 else 'the epochs'} {at}: {who} of a placement goes on"


def _share(summary: SweepSummary) -> str:
    """How the budget falls to the arms, and why it is not as written."""
    arms = len(summary.spec.space.placements)
    even = summary.spec.search.allocation == "equal" and summary.status.budget % arms == 0 and arms > 1
    if summary.note is not None:
        return f" ({summary.note})"
    return f", {summary.status.budget // arms} each" if even else ""


def _dimension(dimension: Dimension) -> str:
    match dimension:
        case Fixed(value=value):
            return _value(value)
        case Choices(values=values):
            return wording.listed([_value(value) for value in values], "or")
        case Range(low=low, high=high, log=log, step=step):
            how = ", on a log scale" if log else "" if step is None else f" in steps of {number(step)}"
            return f"{number(low)} to {number(high)}{how}"


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)
