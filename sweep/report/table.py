"""The report's table of trials: columns, rows, and what each cell sorts by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.figures.palette import SHAPES, marks_of
from sweep.spec.layers import hidden_name, layer_names

NOTHING = "–"

# From a trial to what a cell sorts by (``None``: nothing there) and what it shows.
Getter = Callable[[TrialRow], tuple[float | None, str]]


def chip(summary: SweepSummary, placement: str) -> dict[str, Any]:
    """A placement's name with its mark and colour."""
    mark = marks_of(summary.spec.space.placements)[placement]
    return {"placement": placement, "colour": mark.colour, "shape": SHAPES[mark.shape]}


def trials_table(summary: SweepSummary) -> dict[str, Any]:
    """Columns and rows of the table of trials, best first; what is the same for all trials has no column."""
    metric = summary.metric
    depth = max((len(trial.hyperparameters.hidden) for trial in summary.trials), default=0)
    best_first = "descending" if metric.maximize else "ascending"
    columns: list[dict[str, Any]] = [
        {"title": "Trial", "kind": "number", "first": "ascending", "sorted": None},
        {"title": "Placement", "kind": "", "first": "ascending", "sorted": None},
        {"title": metric.title, "kind": "number", "first": best_first, "sorted": best_first},
        {"title": "±\u00a0folds", "kind": "number", "first": "ascending", "sorted": None},
    ]
    getters = _varying(summary, depth)
    columns += [{"title": title, "kind": "number", "first": "ascending", "sorted": None} for title, _ in getters]
    order = sorted(summary.trials, key=lambda trial: (-trial.score if metric.maximize else trial.score, trial.number))
    rows = [
        [
            _cell(trial.number, str(trial.number)),
            {"kind": "", "value": trial.placement, "text": "", "arm": chip(summary, trial.placement)},
            _cell(trial.score, wording.score(metric, trial.score)),
            _cell(trial.spread, NOTHING if trial.spread is None else wording.spread(metric, trial.spread, trial.score)),
            *(_cell(*getter(trial)) for _, getter in getters),
        ]
        for trial in order
    ]
    return {"columns": columns, "rows": rows}


def _varying(summary: SweepSummary, depth: int) -> list[tuple[str, Getter]]:
    """Titles and getters ``trial → (value, text)`` of the columns in which trials differ."""

    def rate(place: int) -> Getter:
        def get(trial: TrialRow) -> tuple[float | None, str]:
            rates = trial.hyperparameters.dropout
            value = rates[place] if place < len(rates) else 0.0
            return (value, f"{value:.2f}") if value else (None, NOTHING)

        return get

    def plain(name: str) -> Getter:
        def get(trial: TrialRow) -> tuple[float | None, str]:
            value = getattr(trial.hyperparameters, name)
            return (None, "off") if value is None else (value, wording.powers(wording.number(value, trim=False)))

        return get

    def hidden(trial: TrialRow) -> tuple[float | None, str]:
        return float(sum(trial.hyperparameters.hidden)), hidden_name(trial.hyperparameters.hidden)

    candidates: list[tuple[str, Getter]] = [
        ("Hidden", hidden),
        *(
            (f"Dropout {'inputs' if name == 'input' else name.replace('hidden', 'hidden ')}", rate(place))
            for place, name in enumerate(layer_names(depth))
        ),
        ("Learning rate", plain("learning_rate")),
        ("Momentum", plain("momentum")),
        ("Max-norm", plain("max_norm")),
        ("LR decay", plain("lr_decay")),
        ("Weight decay", plain("weight_decay")),
        ("Epoch", lambda trial: (float(trial.epoch), str(trial.epoch))),
        ("Trained to", lambda trial: (float(trial.trained), str(trial.trained))),
        ("Seconds", lambda trial: (trial.seconds, f"{trial.seconds:.1f}")),
    ]
    return [pair for pair in candidates if len({pair[1](trial)[1] for trial in summary.trials}) > 1]


def _cell(value: float | None, text: str) -> dict[str, Any]:
    return {"kind": "number", "value": "" if value is None else repr(value), "text": text, "arm": None}
