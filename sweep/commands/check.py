"""``sweep check``: the table, the task, the folds, the arms, the space, and how long it would take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepStatus
from sweep.commands.run import stored_status
from sweep.launch.cluster import local_devices
from sweep.metrics import METRICS
from sweep.run.prepare import Setup, prepare
from sweep.run.preview import Preview, preview
from sweep.space.arms import batch_size
from sweep.spec.layers import hidden_name, layer_names
from sweep.spec.model import SCALARS, Choices, Dimension, Fixed, SweepSpec, plain
from sweep.texts import html
from sweep.texts.layout import table_text
from sweep.training.device import resolve

Rows = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Checked:
    """What a definition would run.

    Attributes:
        setup: The definition with its table, folds and budget.
        ahead: How it would be trained, and about how long.
        stored: The sweep of its name, if there is one.
    """

    setup: Setup
    ahead: Preview
    stored: SweepStatus | None

    def __repr__(self) -> str:
        """The budget and the time alone."""
        trials = wording.count(self.setup.budget.trials, "trial")
        return f"<{self.setup.spec.name}: {trials}, about {wording.duration(self.ahead.seconds)}>"

    def __str__(self) -> str:
        """What ``sweep check`` prints."""
        parts = [f"{self._title}\n"]
        parts += [f"{heading}\n{table_text(rows, indent='  ')}\n" for heading, rows in self._sections()]
        return "\n".join(parts).rstrip()

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        rows = [
            (heading if not place else "", *row) for heading, rows in self._sections() for place, row in enumerate(rows)
        ]
        return html.block(html.paragraph(self._title), html.table(rows))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``sweep check``."""
        info, folds, budget = self.setup.data.info, self.setup.folds, self.setup.budget
        return {
            "name": self.setup.spec.name,
            "table": {
                "source": info.source,
                "rows": info.rows,
                "features": len(info.features),
                "target": info.target,
                "task": info.task,
                "classes": list(info.classes),
                "content_hash": info.content_hash,
                "notes": list(info.notes),
            },
            "validation": {
                "folds": folds.folds,
                "repeats": folds.repeats,
                "scheme": folds.scheme,
                "metric": self.setup.plan.metric,
            },
            "trials": {"budget": budget.trials, "per_placement": dict(budget.per_arm), "note": budget.note},
            "checkpoints": list(self.setup.plan.checkpoints),
            "rungs": list(self.setup.spec.rungs),
            "estimate": {
                "seconds": self.ahead.seconds,
                "workers": self.ahead.workers,
                "device": self.ahead.device,
                "block_trials": {hidden_name(hidden): trials for hidden, trials in self.ahead.blocks.items()},
            },
            "definition": plain(self.setup.spec),
            "stored": None if self.stored is None else self.stored.to_dict(),
        }

    @property
    def _title(self) -> str:
        return f"{self.setup.spec.name}: the definition is sound"

    def _sections(self) -> list[tuple[str, Rows]]:
        setup = self.setup
        return [
            ("table", _table(setup)),
            ("training", _training(setup)),
            ("validation", _validation(setup)),
            ("space", _space(setup)),
            ("trials", _trials(setup)),
            ("time", _time(setup, self.ahead, self.stored)),
        ]


def check(spec: SweepSpec, storage: str | None, packed: bytes | None = None, workers: int | None = None) -> Checked:
    """Prepares a definition as a run would, and trains for a moment to see how long that would take.

    Args:
        spec: The definition.
        storage: Database URL. Nothing is stored. ``None``: whether a sweep of that name is there does not matter.
        packed: The table itself, as it was stored for runners, in place of ``data.source``.
        workers: That would run it; ``None`` for one a core, or one a device.

    Raises:
        UserError: Definition, table or an earlier sweep of that name do not allow it.
    """
    setup, device = prepare(spec, packed), resolve("auto")
    stored = None if storage is None else stored_status(setup, storage)
    return Checked(setup, preview(setup, workers=len(local_devices(device, workers)), device=device), stored)


def _table(setup: Setup) -> Rows:
    info = setup.data.info
    size = f"{wording.count(info.rows, 'row')}, {wording.count(len(info.features), 'feature')}"
    rows = [("source", info.source), ("size", size), ("target", f"{info.target} ({info.task})")]
    if info.classes:
        rows.append(("classes", ", ".join(info.classes[:12]) + (", …" if len(info.classes) > 12 else "")))
    notes = [("notes" if not place else "", note) for place, note in enumerate(info.notes)]
    return [*rows, *notes]


def _training(setup: Setup) -> Rows:
    network, training = setup.spec.network, setup.spec.training
    hidden = ", ".join(hidden_name(units) for units in network.hidden)
    batch = f"mini-batches of {training.batch_size}"
    epochs = ", ".join(map(str, setup.plan.checkpoints))
    rows = [
        ("network", f"{len(setup.data.info.features)} inputs, hidden {hidden}, {network.activation}, {network.init}"),
        ("epochs", f"{training.epochs} of {batch}, SGD{' with Nesterov momentum' if training.nesterov else ''}"),
        ("measured at", f"epoch {epochs}"),
        ("scored at", "the best of these epochs" if training.stop == "best" else "the last epoch"),
    ]
    return rows if training.class_weight == "none" else [*rows, ("classes", "weighted to count the same")]


def _validation(setup: Setup) -> Rows:
    folds, metric = setup.folds, METRICS[setup.plan.metric]
    repeats = "" if folds.repeats == 1 else f", repeated {folds.repeats} times"
    better = "higher" if metric.maximize else "lower"
    return [
        ("folds", f"{folds.folds} ({folds.scheme}){repeats}"),
        ("metric", f"{metric.name}, {better} is better"),
    ]


def _space(setup: Setup) -> Rows:
    space = setup.spec.space
    layers = layer_names(max(map(len, setup.spec.network.hidden)))
    rows = [("dropout", _dimension(space.dropout) + (", one rate for all layers" if space.shared else ""))]
    rows += [(f"dropout {layer}", _dimension(space.rate(layer))) for layer in layers if layer in space.dropout_layers]
    for name in SCALARS:
        rows.append((name, _dimension(getattr(space, name))))
    return rows


def _trials(setup: Setup) -> Rows:
    budget, search = setup.budget, setup.spec.search
    batch = min(batch_size(setup.spec), budget.trials)
    rows = [("in all", f"{budget.trials}, asked {batch} at a time ({search.sampler})")]
    if search.allocation == "equal":
        rows += [(name, f"{count} ({wording.placement(name)})") for name, count in budget.per_arm.items()]
    else:
        rows.append(("placements", f"{', '.join(setup.spec.space.placements)}: as the sampler likes"))
    if rungs := setup.spec.rungs:
        rows.append(("pruned", f"by {search.pruner} at epoch {', '.join(map(str, rungs))}"))
    return [*rows, ("note", budget.note)] if budget.note else rows


def _time(setup: Setup, ahead: Preview, stored: SweepStatus | None) -> Rows:
    blocks = ", ".join(
        f"{wording.count(trials, 'trial')} × {wording.count(setup.folds.splits, 'fold')} of {hidden_name(hidden)}"
        for hidden, trials in ahead.blocks.items()
    )
    workers = f"{wording.count(ahead.workers, 'worker')} ({ahead.device})"
    rows = [
        ("blocks", f"up to {blocks} train together"),
        ("estimate", f"about {wording.duration(ahead.seconds)} on {workers}; measured for a moment, so roughly"),
    ]
    if stored is None:
        return [*rows, ("stored", "nothing yet: sweep run starts it")]
    if stored.state in ("queued", "running"):
        by = "a `sweep runner` runs it" if stored.holder is None else f"{stored.holder} runs it"
        return [
            *rows,
            ("stored", f"{stored.counts.finished} of {stored.budget} trials are finished, {stored.state}: {by}"),
        ]
    finished = f"{stored.counts.finished} of {wording.count(setup.budget.trials, 'trial')} are finished"
    return [*rows, ("stored", f"{finished}: sweep run {'changes nothing' if _done(setup, stored) else 'goes on'}")]


def _done(setup: Setup, stored: SweepStatus) -> bool:
    return stored.counts.finished >= setup.budget.trials


def _dimension(dimension: Dimension) -> str:
    """``"0.003 to 0.5, logarithmic"``."""
    if isinstance(dimension, Fixed):
        return f"{dimension.value} (fixed)"
    if isinstance(dimension, Choices):
        return " | ".join(map(str, dimension.values))
    steps = "" if dimension.step is None else f" in steps of {dimension.step}"
    return f"{dimension.low} to {dimension.high}{', logarithmic' if dimension.log else ''}{steps}"
