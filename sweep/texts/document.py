"""Text that a file would hold: a definition, a script, a JSON document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from sweep import wording
from sweep.texts import html


class Document(str):
    """A text that knows what it is, and shows itself in a notebook.

    Attributes:
        what: What it is, such as ``"definition of table"``.
        notes: What else to know of it, a sentence each.
    """

    what: str
    notes: tuple[str, ...]

    def __new__(cls, text: str, what: str, notes: Iterable[str] = ()) -> Self:
        """Of a text."""
        made = super().__new__(cls, text)
        made.what, made.notes = what, tuple(notes)
        return made

    def __getnewargs__(self) -> tuple[str, str, tuple[str, ...]]:  # type: ignore[override]  # str has the text alone
        """For copies."""
        return str(self), self.what, self.notes

    def __repr__(self) -> str:
        """What it is, and how long."""
        return f"<{self.what}: {wording.count(len(self.splitlines()), 'line')}>"

    def _repr_html_(self) -> str:
        """Its lines, below the notes."""
        notes = [html.paragraph(note, faint=True) for note in self.notes]
        return html.block(html.paragraph("", bold=self.what), *notes, html.preformatted(self))
