"""``sweep report``: the page that shows the results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweep.analysis.summary import summarise
from sweep.answer.nested_stored import known_nested
from sweep.answer.stored import known_answer
from sweep.report.html import render
from sweep.store.store import Store
from sweep.texts import html


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The page of a sweep.

    Attributes:
        name: Of the sweep.
        page: HTML, about 5 MB, which needs no network.
        path: Where it was written; ``None`` if it was not.
    """

    name: str
    page: str
    path: Path | None = None

    def __repr__(self) -> str:
        """Name and place alone."""
        return f"<report on {self.name}{'' if self.path is None else f' in {self.path}'}>"

    def __str__(self) -> str:
        """What ``sweep report`` prints: where it was written, or the page itself."""
        return self.page if self.path is None else str(self.path)

    def _repr_html_(self) -> str:
        """The page in a frame of its own."""
        return html.frame(self.page, f"report on {self.name}")


def report(store: Store, name: str) -> Report:
    """Makes the page; with the answer, if there is one.

    Raises:
        NotFoundError: No sweep has that name.
    """
    found = summarise(store, name)
    return Report(name, render(found, known_answer(store, found), known_nested(store, found)))
