"""How a benchmark says what it found: a table in Markdown for people, the same figures as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine


@dataclass(frozen=True, slots=True)
class Section:
    """What one benchmark found.

    Attributes:
        name: Of the benchmark.
        title: What was measured, in a few words.
        header: Of the table.
        rows: Of the table, text.
        notes: Sentences below it.
        figures: Every number, every single time included; plain JSON, no NaN.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    figures: Mapping[str, Any]

    def markdown(self) -> str:
        """The table under its title."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        table = [f"| {' | '.join(cells)} |" for cells in lines]
        return "\n".join([f"## {self.title}", "", *table, "", *(f"- {note}" for note in self.notes)])


def write(path: Path, machine: Machine, sections: Sequence[Section]) -> None:
    """Writes the figures, with the facts of the machine, as one JSON document."""
    write_json(path, {"machine": asdict(machine), **{section.name: section.figures for section in sections}})


def write_json(path: Path, document: Any) -> None:
    """Writes all of it or nothing: whoever is interrupted finds the file of before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    partial.replace(path)
