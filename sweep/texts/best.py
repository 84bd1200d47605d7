"""The best configuration of a sweep, as text."""

from __future__ import annotations

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.metrics import Metric
from sweep.records import HonestScore, Hyperparameters
from sweep.spec.layers import hidden_name, layer_names
from sweep.spec.model import Chosen
from sweep.texts.layout import indented


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
    return "\n".join([heading, *indented(rows)])


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
