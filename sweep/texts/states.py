"""How far sweeps are, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from sweep import wording
from sweep.analysis.results import SweepStatus
from sweep.texts import html
from sweep.texts.layout import indented, table_text

HEAD = ("NAME", "STATE", "TRIALS", "METRIC", "TABLE")
NOTHING = "no sweep yet: sweep run stores the first one"


@dataclass(frozen=True, slots=True, repr=False)
class Status:
    """How far a sweep is.

    Attributes:
        sweep: The same in numbers.
        queued: Whether it was to be queued, which is what is said of it then.
    """

    sweep: SweepStatus
    queued: bool = False

    @property
    def state(self) -> str:
        """Such as ``"done"``, ``"running"`` or ``"queued"``."""
        return self.sweep.state

    def __repr__(self) -> str:
        """State and trials alone."""
        return f"<{self.sweep.name}: {self.state}, {_done(self.sweep)} trials>"

    def __str__(self) -> str:
        """What ``sweep status`` prints; of a sweep that was to be queued, what ``sweep run --queue`` does."""
        return queued_text(self.sweep) if self.queued else status_text(self.sweep)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        said = [html.paragraph(queued_text(self.sweep))] if self.queued else []
        return html.block(html.paragraph("", bold=self.sweep.name), *said, html.table(status_rows(self.sweep)))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``sweep status``."""
        return self.sweep.to_dict()


@dataclass(frozen=True, slots=True, repr=False)
class Sweeps(Sequence[Status]):
    """The sweeps of a database, oldest first."""

    sweeps: tuple[SweepStatus, ...]

    @overload
    def __getitem__(self, place: int) -> Status: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Status]: ...
    def __getitem__(self, place: int | slice) -> Status | Sequence[Status]:
        """One of them, or a few."""
        if isinstance(place, slice):
            return Sweeps(self.sweeps[place])
        return Status(self.sweeps[place])

    def __len__(self) -> int:
        """How many there are."""
        return len(self.sweeps)

    def __repr__(self) -> str:
        """Names alone."""
        return f"<{wording.count(len(self), 'sweep')}{': ' if self.sweeps else ''}{', '.join(self.names)}>"

    def __str__(self) -> str:
        """What ``sweep list`` prints."""
        return list_text(self.sweeps)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return html.block(
            html.table([_cells(one) for one in self.sweeps], HEAD) if self.sweeps else html.paragraph(NOTHING)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sweeps."""
        return tuple(one.name for one in self.sweeps)

    def to_dict(self) -> list[dict[str, Any]]:
        """The JSON document of ``sweep list``: a list of those of ``sweep status``."""
        return [one.to_dict() for one in self.sweeps]


def status_text(status: SweepStatus) -> str:
    """How far a sweep is."""
    return "\n".join([status.name, *indented(status_rows(status))])


def status_rows(status: SweepStatus) -> list[tuple[str, str]]:
    """Name and value of what there is to say."""
    counts = status.counts
    parts = [f"{counts.complete:,} complete"]
    parts += [f"{number:,} {name}" for name, number in _others(status) if number]
    return [
        ("state", status.state),
        *([("run by", status.holder)] if status.holder else []),
        *([("because", status.reason)] if status.reason else []),
        ("trials", f"{counts.finished:,} of {status.budget:,} ({', '.join(parts)})"),
        *([("pruning", status.saved)] if status.saved else []),
        ("metric", status.metric),
        ("table", status.source),
        ("started", f"{status.created_at:%Y-%m-%d %H:%M} UTC"),
        ("last change", f"{status.updated_at:%Y-%m-%d %H:%M} UTC"),
    ]


def list_text(statuses: Sequence[SweepStatus], width: int | None = None) -> str:
    """One line a sweep; where that is more than ``width``, names too long stand on a line of their own."""
    if not statuses:
        return NOTHING
    rows = [HEAD, *map(_cells, statuses)]
    rest = table_text([row[1:] for row in rows]).splitlines()
    names = [row[0] for row in rows]
    column = max(map(len, names))
    if width is not None:
        column = min(column, max(len(rows[0][0]), width - 2 - max(map(len, rest))))
    lines = []
    for name, others in zip(names, rest, strict=True):
        lines += [f"{name:{column}}  {others}"] if len(name) <= column else [name, f"{'':{column}}  {others}"]
    return "\n".join(lines)


def queued_text(found: SweepStatus) -> str:
    """What has become of a sweep that was to be queued."""
    name = found.name
    match found.state:
        case "done":
            return f"nothing to do: all {found.budget:,} trials of {name} are finished"
        case "running":
            return f"{name} is being run by {found.holder}; `sweep runner` does what is left when that ends"
        case _:
            return f"{name} is queued: `sweep runner` runs it, `sweep status {name}` shows how far it is"


def _cells(status: SweepStatus) -> tuple[str, str, str, str, str]:
    return status.name, status.state, _done(status), status.metric, status.source


def _done(status: SweepStatus) -> str:
    return f"{status.counts.finished}/{status.budget}"


def _others(status: SweepStatus) -> Iterable[tuple[str, int]]:
    counts = status.counts
    return ("pruned", counts.pruned), ("failed", counts.failed), ("running", counts.running)
