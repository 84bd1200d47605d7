"""What the report page says, section by section: from a result record to text, escaped nowhere yet.

The template escapes all of it. Paths of the machine that ran the sweep stay away from the page: of a local table only
the file's name is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sweep import wording
from sweep.analysis.importance import MIN_TRIALS
from sweep.analysis.results import NO_DROPOUT, ArmResult, SweepSummary, TrialRow
from sweep.answer.nested_records import Nested
from sweep.answer.records import Answer
from sweep.figures.palette import marks_of
from sweep.report.answer_section import answer_section, untested
from sweep.report.details import footer, searched, trials_text
from sweep.report.facts import as_good, fact, number
from sweep.report.headline import headline
from sweep.report.nested_section import nested_section
from sweep.report.rules_section import rules_section
from sweep.report.table import NOTHING, chip, trials_table
from sweep.spec.layers import layer_names
from sweep.spec.source import source_name


def page(summary: SweepSummary, answer: Answer | None = None, nested: Nested | None = None) -> dict[str, Any]:
    """Everything the template needs but the figures."""
    best = summary.best
    return {
        "name": summary.name,
        "metric": summary.metric.title,
        "lede": _lede(summary),
        "unfinished": _unfinished(summary),
        "answer": None if answer is None else answer_section(summary, answer),
        "rules": None if answer is None else rules_section(summary, answer),
        "nested": None if nested is None else nested_section(summary, nested),
        "untested": None if answer is not None else untested(summary),
        "headline": None if best is None else headline(summary, best, answer),
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
        "searched": searched(summary),
        "notes": summary.info.notes,
        "trials_text": trials_text(summary),
        **trials_table(summary),
        "footer": footer(summary),
    }


def _lede(summary: SweepSummary) -> str:
    info, validation = summary.info, summary.spec.validation
    table = f"{wording.count(info.rows, 'row')} with {wording.count(len(info.features), 'feature')}"
    if info.task == "regression":
        task = f"predicting {info.target}"
    elif len(info.classes) <= 4:
        task = f"telling {wording.listed(info.classes)} apart"
    else:
        task = f"telling {len(info.classes)} classes of {info.target} apart"
    metric = wording.in_sentence(summary.metric.title)
    repeated = "" if validation.repeats == 1 else f", repeated {validation.repeats} times"
    return (
        f"{table} from {source_name(info.source)}: {task}. "
        f"Judged by {metric}{'' if summary.metric.maximize else ' (lower is better)'} in "
        f"{validation.folds}\N{NON-BREAKING HYPHEN}fold cross-validation{repeated}."
    )


def _unfinished(summary: SweepSummary) -> str | None:
    status = summary.status
    if status.state == "done":
        return None
    done = f"{status.counts.finished} of {wording.count(status.budget, 'trial')}"
    return f"This sweep is {status.state}: {done} finished. The numbers below may still change."


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
        fact("Learning rate", number(own.learning_rate), "of the first epoch"),
        fact("Learning-rate decay", number(own.lr_decay), "last / first"),
        fact("Momentum", number(own.momentum)),
        fact("Max-norm", "off" if own.max_norm is None else number(own.max_norm)),
        fact("Weight decay", number(own.weight_decay)),
        fact("Epochs", str(best.epoch), f"of {summary.spec.training.epochs}"),
    ]
    if folds:
        spread = f"{wording.bare_score(metric, min(folds))} to {wording.score(metric, max(folds))}"
        facts.append(fact("Raw score by fold", spread, f"mean {wording.score(metric, best.score)}"))
    words = f"Trial {best.number}: {wording.placement(best.placement)}"
    if sum(as_good(trial, best) for trial in summary.trials) > 1:
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
        "wins": summary.best is not None and as_good(best, summary.best),
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
