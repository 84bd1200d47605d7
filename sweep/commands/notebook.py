"""How far a running sweep is, below the cell of a notebook: redrawn in place, and taken away at the end.

Rich's live display needs a package of widgets there. What is said stays, in small letters; the bar does not.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from sweep import wording
from sweep.commands.progress import Display, Standing, more, pace_text
from sweep.texts import html

# Between two drawings, in seconds: each is a message to the browser.
EVERY = 0.2


class Notebook(Display):
    """A bar, the pace, and the best raw score of every placement, below the cell."""

    def __init__(self) -> None:
        super().__init__()
        self._said: list[str] = []
        self._doing = ""
        self._drawn = 0.0
        self._handle: Any = None

    def say(self, text: str) -> None:
        """A line, which stays."""
        self._said.append(text)
        self._draw()

    def doing(self, text: str) -> None:
        """Below what was said, until something else takes its place."""
        self._doing, self.standing = text, None
        self._draw()

    def update(self) -> None:
        """Drawn if the last time was a moment ago; what is left out then, the next one shows."""
        if monotonic() - self._drawn >= EVERY:
            self._draw()

    def close(self) -> None:
        """Takes away all but what was said."""
        if self._handle is None:
            return
        self._doing, self.standing = "", None
        self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        content = {"text/html": str(self._html()), "text/plain": "\n".join(self._said)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # as it is
        else:
            self._handle.update(content, raw=True)
        self._drawn = monotonic()

    def _html(self) -> str:
        parts = [html.paragraph(text, faint=True) for text in self._said]
        if self.standing is not None:
            parts += standing_html(self.standing)
        elif self._doing:
            parts.append(html.paragraph(f"{self._doing} …"))
        return html.block(*parts)


def standing_html(standing: Standing) -> list[html.Markup]:
    """The bar with its numbers, and the best raw scores so far."""
    count = f"{standing.done:,} of {wording.count(standing.budget, standing.unit)}"
    pace = pace_text(standing) or f"training the first blocks, {wording.duration(standing.elapsed)}"
    parts = [
        html.paragraph(count, bold=standing.name),
        html.progress(standing.done, standing.budget),
        html.paragraph(pace, faint=True),
    ]
    if standing.best:
        scores = [(name, wording.score(standing.metric, standing.best[name])) for name in standing.shown]
        title = f"best raw {standing.metric.name} so far{more(standing)}"
        parts += [html.paragraph(title, faint=True), html.table(scores)]
    return parts
