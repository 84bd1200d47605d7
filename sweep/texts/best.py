"""The best configuration of a sweep, as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.metrics import Metric
from sweep.records import HonestScore, Hyperparameters
from sweep.spec.layers import hidden_name, layer_names
from sweep.spec.model import Chosen
from sweep.texts import html
from sweep.texts.layout import indented

PLACEMENTS_HEAD = ("PLACEMENT", "TRIALS", "BEST RAW SCORE")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Best:
    """The best configuration of a sweep. Its raw score never stands without the honest one.

    Attributes:
        summary: All there is to know of the sweep.
    """

    summary: SweepSummary

    def __repr__(self) -> str:
        """Trial, placement and honest score alone."""
        summary, best = self.summary, self.summary.best
        if best is None:
            return f"<{summary.name}: no trial has finished yet>"
        value = "undefined" if summary.honest is None else wording.honest_value(summary.metric, summary.honest)
        return f"<{summary.name}: trial {best.number}, {wording.placement(best.placement)}, honest score {value}>"

    def __str__(self) -> str:
        """What ``sweep best`` prints."""
        return best_text(self.summary)

    def _repr_html_(self) -> str:
        """The same for notebooks, and the best of each placement."""
        summary, best = self.summary, self.summary.best
        if best is None:
            return html.block(html.paragraph(best_text(summary)))
        return html.block(
            html.paragraph(heading(summary, best), bold=summary.name),
            html.table(best_rows(summary, best)),
            html.paragraph(
                "The best raw score of each placement. Each was chosen for being good, so all are too good, and their "
                "differences say little: the answer compares them on fresh folds.",
                faint=True,
            ),
            html.table(placement_rows(summary), PLACEMENTS_HEAD),
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``sweep best``."""
        return self.summary.best_to_dict()


def best_text(summary: SweepSummary) -> str:
    """The best configuration with raw and honest score."""
    best, status = summary.best, summary.status
    if best is None:
        return f"{summary.name}: no trial has finished yet ({status.state}, 0 of {status.budget:,})"
    return "\n".join([f"{summary.name}: {heading(summary, best)}", *indented(best_rows(summary, best))])


def best_rows(summary: SweepSummary, best: TrialRow) -> list[tuple[str, str]]:
    """Name and value of the scores and of the configuration."""
    rows = [
        *scores_rows(summary.metric, best.score, summary.honest, summary.chosen),
        ("epoch", f"{best.epoch} of {summary.spec.training.epochs}"),
        *configuration_rows(best.hyperparameters),
    ]
    return [*rows, ("pruning", summary.status.saved)] if summary.status.saved else rows


def placement_rows(summary: SweepSummary) -> list[tuple[str, ...]]:
    """Placement, number of trials and best raw score of each, in the definition's order."""
    return [(arm.placement, f"{arm.trials:,}", wording.score(summary.metric, arm.best.score)) for arm in summary.arms]


def heading(summary: SweepSummary, best: TrialRow) -> str:
    """Which trial is the best, of how many."""
    budget = summary.status.budget
    planned = "" if len(summary.trials) >= budget else f" so far, {budget:,} planned"
    among = f"best {summary.metric.name} of {wording.count(len(summary.trials), 'trial')}{planned}"
    return f"trial {best.number}, {wording.placement(best.placement)} ({among})"


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


def scores_rows(metric: Metric, raw: float, honest: HonestScore | None, chosen: Chosen | None) -> list[tuple[str, str]]:
    """Name and value of the honest score and of the raw one."""
    if honest is None and chosen is not None:
        among = f"{wording.count(chosen.trials, 'trial')} of the sweep {chosen.sweep} on these rows"
        why = f"too good if it was chosen for that: it is one of {among}, and has no honest score"
        return [("honest score", "undefined"), ("raw score", f"{wording.powers(metric.format(raw))}, {why}")]
    if honest is None:
        too_good = f"{wording.powers(metric.format(raw))}, too good: it was chosen for that"
        return [("honest score", "undefined"), ("raw score", too_good)]
    interval = wording.interval(metric, honest.low, honest.high)
    why = wording.raw_in_words(metric, honest).removeprefix(f"the sweep's best reads {wording.score(metric, raw)}")
    why = why if chosen is None else f"; {wording.chosen_in_words(chosen.sweep, chosen.trials)}"
    return [
        ("honest score", f"{wording.score(metric, honest.value)} (95 % interval {interval})"),
        ("raw score", f"{wording.powers(metric.format(raw))}{why}"),
    ]
