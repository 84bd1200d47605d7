"""What the report page says, section by section: from a result record to text, escaped nowhere yet.

The template escapes all of it. Paths of the machine that ran the sweep stay away from the page: of a local table only
the file's name is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from sweep import wording
from sweep.analysis.importance import MIN_TRIALS
from sweep.analysis.results import NO_DROPOUT, ArmResult, SweepSummary, TrialRow
from sweep.figures.palette import marks_of
from sweep.report.table import NOTHING, chip, trials_table
from sweep.spec.layers import hidden_name, layer_names
from sweep.spec.model import SCALARS, Choices, Dimension, Fixed, Range, SweepSpec
from sweep.spec.source import is_local, shown_source

MOST_TIED = 4  # placements that a headline names

Fact = dict[str, Any]


def page(summary: SweepSummary) -> dict[str, Any]:
    """Everything the template needs but the figures."""
    best = summary.best
    return {
        "name": summary.name,
        "metric": summary.metric.title,
        "lede": _lede(summary),
        "unfinished": _unfinished(summary),
        "headline": None if best is None else _headline(summary, best),
        "best": None if best is None else _best(summary, best),
        "arms": [_arm(summary, arm) for arm in summary.arms],
        "rates_line": "best without dropout" if summary.best_without is not None else None,
        "curves_text": _curves_text(summary),
        "importance_text": (
            "How unlike the best trials' values of a parameter are to those of all trials of the placement "
            "(PED-ANOVA). It tells where the good trials lie, not what changing one parameter would do."
        ),
        "importance_missing": (
            f"Too few trials to tell: at least {MIN_TRIALS} of a placement that were trained to their end are "
            "needed, and a searched parameter."
        ),
        "compared": len(summary.trials) > 1,
        "stopped": any(trial.pruned for trial in summary.trials),
        "searched": _searched(summary),
        "notes": summary.info.notes,
        "trials_text": _trials_text(summary),
        **trials_table(summary),
        "footer": _footer(summary),
    }


def _source_name(source: str) -> str:
    """The table as the page names it: of a local file its name alone."""
    return PurePath(source).name if is_local(source) else shown_source(source)


def _lede(summary: SweepSummary) -> str:
    info, validation = summary.info, summary.spec.validation
    table = f"{wording.count(info.rows, 'row')} with {wording.count(len(info.features), 'feature')}"
    if info.task == "regression":
        task = f"predicting {info.target}"
    elif len(info.classes) <= 4:
        task = f"telling {_listed(info.classes)} apart"
    else:
        task = f"telling {len(info.classes)} classes of {info.target} apart"
    repeated = "" if validation.repeats == 1 else f", repeated {validation.repeats} times"
    return (
        f"{table} from {_source_name(info.source)}: {task}. "
        f"Judged by {_in_sentence(summary.metric.title)}{'' if summary.metric.maximize else ' (lower is better)'} in "
        f"{validation.folds}\N{NON-BREAKING HYPHEN}fold cross-validation{repeated}."
    )


def _unfinished(summary: SweepSummary) -> str | None:
    status = summary.status
    if status.state == "done":
        return None
    done = f"{status.counts.finished} of {wording.count(status.budget, 'trial')}"
    return f"This sweep is {status.state}: {done} finished. The numbers below may still change."


def _headline(summary: SweepSummary, best: TrialRow) -> dict[str, Any]:
    metric, honest = summary.metric, summary.honest
    headline: dict[str, Any] = {"title": _title(summary, best), "note": None, "value": None}
    if len(summary.arms) > 1:
        headline["note"] = (
            "This page shows the scores that the choice was made with. Whether dropout helps cannot be read from "
            "them: that takes the chosen networks again, on fresh folds."
        )
    chosen = summary.chosen
    elsewhere = None if chosen is None else wording.chosen_in_words(chosen.sweep, chosen.trials)
    if honest is None:
        why = f"{elsewhere}, which has none" if elsewhere else "it is undefined on every resampling of these rows"
        headline["sentence"] = (
            f"The {_in_sentence(metric.title)} of the choice cannot be corrected for having been chosen: {why}. "
            "Raw scores are too good."
        )
        return headline
    here = f"here it reads {wording.score(metric, honest.raw)}"
    sentence = f"{here}; {elsewhere}" if elsewhere else wording.raw_in_words(metric, honest)
    if _alone(summary):
        sentence = sentence.replace("the sweep's best reads", "its raw score reads", 1)
    return headline | {
        "value": wording.score(metric, honest.value),
        "range": f"({wording.interval(metric, honest.low, honest.high)})",
        "what": f"{metric.title} to expect of it on new rows, with a 95 % interval",
        "sentence": f"{sentence[0].upper()}{sentence[1:]}.",
        "track": _track(summary),
    }


def _alone(summary: SweepSummary) -> bool:
    """Whether there is nothing to compare: one trial."""
    return len(summary.trials) == 1


def _as_good(one: TrialRow, best: TrialRow) -> bool:
    return one.pruned == best.pruned and math.isclose(one.score, best.score, rel_tol=1e-9)


def _title(summary: SweepSummary, best: TrialRow) -> str:
    """Names what was best, and all that were equally good: chance alone put one of them first."""
    if _alone(summary):
        return f"One trial: {wording.placement(best.placement)}"
    of = f"Best of {wording.count(len(summary.trials), 'trial')}"
    tied = [arm.placement for arm in summary.arms if _as_good(arm.best, best)]
    if len(tied) == 1:
        return f"{of}: {wording.placement(best.placement)}"
    if len(tied) > MOST_TIED:
        return f"{of}: {len(tied)} placements tie"
    return f"{of}, a tie: {'; '.join(map(wording.placement, tied))}"


def _track(summary: SweepSummary) -> dict[str, Any]:
    """Positions in percent on a line that holds the interval, the raw best and the baseline."""
    metric, honest = summary.metric, summary.honest
    if honest is None:
        raise ValueError("no honest score to place")
    marks = [honest.low, honest.high, honest.value, honest.raw]
    if summary.baseline is not None:
        marks.append(summary.baseline)
    low, high = min(marks), max(marks)
    length = (high - low) or 1.0

    def at(value: float) -> float:
        return round(2 + 96 * (value - low) / length, 2)

    constant = "always the mean" if summary.info.task == "regression" else "always the same answer"
    return {
        "low": at(honest.low),
        "high": at(honest.high),
        "value": at(honest.value),
        "raw": at(honest.raw),
        "baseline": None if summary.baseline is None else at(summary.baseline),
        "legend": [
            ("value", f"corrected score {wording.score(metric, honest.value)}, 95 % interval"),
            (
                "raw",
                f"{'raw score' if _alone(summary) else 'the best as it reads'}, {wording.score(metric, honest.raw)}",
            ),
            *(
                []
                if summary.baseline is None
                else [("baseline", f"{constant}, {wording.score(metric, summary.baseline)}")]
            ),
        ],
    }


def _best(summary: SweepSummary, best: TrialRow) -> dict[str, Any]:
    own, metric = best.hyperparameters, summary.metric
    sizes = [len(summary.info.features), *own.hidden]
    layers = [
        {
            "name": wording.layer(name),
            "size": wording.count(size, "feature" if place == 0 else "unit"),
            "rate": f"drops {100 * rate:.0f} %" if rate else "no dropout",
            "kept": round(100 * (1 - rate), 2),
        }
        for place, (name, size, rate) in enumerate(zip(layer_names(len(own.hidden)), sizes, own.dropout, strict=True))
    ]
    folds = [score for score in best.folds if math.isfinite(score)]
    facts = [
        _fact("Learning rate", _number(own.learning_rate), "of the first epoch"),
        _fact("Learning-rate decay", _number(own.lr_decay), "last / first"),
        _fact("Momentum", _number(own.momentum)),
        _fact("Max-norm", "off" if own.max_norm is None else _number(own.max_norm)),
        _fact("Weight decay", _number(own.weight_decay)),
        _fact("Epochs", str(best.epoch), f"of {summary.spec.training.epochs}"),
    ]
    if folds:
        spread = f"{wording.bare_score(metric, min(folds))} to {wording.score(metric, max(folds))}"
        facts.append(_fact("Raw score by fold", spread, f"mean {wording.score(metric, best.score)}"))
    words = f"Trial {best.number}: {wording.placement(best.placement)}"
    if sum(_as_good(trial, best) for trial in summary.trials) > 1:
        words += ", the first of those that tie"
    if best.pruned:
        words += f", stopped early at epoch {best.trained}, as every trial so far"
    if best.diverged is not None:
        words += f", scored as a constant from epoch {best.diverged} on where it diverged"
    return {
        "words": words,
        "colour": marks_of(summary.spec.space.placements)[best.placement].colour,
        "layers": layers,
        "facts": facts,
    }


def _arm(summary: SweepSummary, arm: ArmResult) -> dict[str, Any]:
    best = arm.best
    return {
        **chip(summary, arm.placement),
        "drops": arm.placement != NO_DROPOUT,
        "wins": summary.best is not None and _as_good(best, summary.best),
        "score": wording.score(summary.metric, best.score),
        "spread": NOTHING if best.spread is None else wording.spread(summary.metric, best.spread, best.score),
        "rates": _rates(best.hyperparameters.dropout),
        "number": best.number,
        "trials": arm.trials,
        "complete": sum(trial.placement == arm.placement and not trial.pruned for trial in summary.trials),
    }


def _rates(rates: Sequence[float]) -> str:
    """``"0.21 / 0 / 0"``, the input first."""
    return " / ".join(f"{rate:.2f}" if rate else "0" for rate in rates) if any(rates) else NOTHING


def _curves_text(summary: SweepSummary) -> str:
    text = (
        f"{summary.metric.title} on training rows (dotted) and on validation rows (solid): mean over the folds, with "
        "bands of one standard deviation. The vertical line is the trial's epoch."
    )
    if summary.best_with is not None and summary.best_without is not None:
        return f"The best trial with dropout beside the best without. {text}"
    return text


def _trials_text(summary: SweepSummary) -> str:
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


def _searched(summary: SweepSummary) -> list[dict[str, Any]]:
    spec, info = summary.spec, summary.info
    space, training, search, validation = spec.space, spec.training, spec.search, spec.validation
    rates = [_fact("Dropout rate", _dimension(space.dropout) + (", shared by all layers" if space.shared else ""))]
    rates += [_fact(f"· {wording.layer(name).lower()}", _dimension(own)) for name, own in space.dropout_layers.items()]
    searched = [
        _fact("Placement", _listed(space.placements)),
        _fact("Hidden units", _listed([hidden_name(units) for units in spec.network.hidden], "or")),
        *rates,
        *(_fact(wording.parameter(name), _dimension(getattr(space, name))) for name in SCALARS),
    ]
    samplers = {"tpe": "TPE", "random": "random", "qmc": "quasi-random (Sobol)", "grid": "grid"}
    allocation = "each placement has its own" if search.allocation == "equal" else "one for all placements"
    fixed = [
        _fact("Budget", f"{wording.count(summary.status.budget, 'trial')}{_share(summary)}"),
        _fact("Sampler", f"{samplers[search.sampler]}, {allocation}"),
        *([_fact("Pruning", _pruning(spec))] if spec.rungs else []),
        _fact("Training", f"{training.epochs} epochs, mini-batches of {training.batch_size}"),
        _fact("Optimizer", f"SGD with {'Nesterov ' if training.nesterov else ''}momentum"),
        _fact("Activation", spec.network.activation),
        _fact("Initial weights", spec.network.init.replace("_", " ")),
        _fact(
            "Epoch",
            f"best of {len(summary.checkpoints)} checkpoints, by the mean over folds"
            if training.stop == "best"
            else "the last",
        ),
        *([_fact("Class weights", "balanced")] if training.class_weight == "balanced" else []),
        _fact("Folds", f"{validation.folds}" + (f", {validation.repeats} repeats" if validation.repeats > 1 else "")),
        _fact("Seed", str(spec.seed)),
    ]
    table = [
        _fact("Source", _source_name(info.source)),
        _fact("Rows", f"{info.rows:,}"),
        _fact("Features", f"{len(info.features):,} after encoding"),
        _fact("Target", info.target),
        _fact("Task", {"binary": "two classes", "multiclass": "several classes"}.get(info.task, info.task)),
        *([_fact("Classes", _listed(_shortened(info.classes)))] if info.classes else []),
        _fact("Content", f"SHA-256 {info.content_hash[:12]}…"),
    ]
    return [
        {"title": "Space", "facts": searched},
        {"title": "The same for all trials", "facts": fixed},
        {"title": "Table", "facts": table},
    ]


def _pruning(spec: SweepSpec) -> str:
    """By whom, where, and who goes on."""
    search = spec.search
    who = f"the best one in {search.reduction}" if search.pruner == "halving" else "what is no worse than the median"
    at = _listed(list(map(str, spec.rungs)))
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
            return _listed([_value(value) for value in values], "or")
        case Range(low=low, high=high, log=log, step=step):
            how = ", on a log scale" if log else "" if step is None else f" in steps of {_number(step)}"
            return f"{_number(low)} to {_number(high)}{how}"


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return wording.powers(wording.number(value))


def _fact(label: str, value: str, note: str | None = None) -> Fact:
    return {"label": label, "value": value, "note": note}


def _listed(parts: Sequence[str], word: str = "and") -> str:
    """``"a, b and c"``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _shortened(parts: Sequence[str], most: int = 12) -> list[str]:
    return list(parts) if len(parts) <= most else [*parts[: most - 1], f"{len(parts) - most + 1} more"]


def _in_sentence(title: str) -> str:
    """A metric's title in mid sentence: ``"accuracy"``, but ``"ROC AUC"``."""
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def _footer(summary: SweepSummary) -> str:
    when = summary.status.updated_at.strftime("%Y-%m-%d %H:%M UTC")
    return f"dropout-sweep · last trial {when} · definition {summary.fingerprint[:12]}"
