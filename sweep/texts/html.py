"""Results as HTML for notebooks. Whatever is put in is text: it is escaped here.

Colours, fonts and sizes are those of the page around, so that a result reads in light and in dark notebooks. Styles
stand at each element, since notebooks have styles for tables of their own.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

FAINT = "opacity:.7"

_CELL = "text-align:left;vertical-align:baseline;padding:.15em 1.6em .15em 0"
_CELL += ";background:none;border:none;white-space:inherit"
_HEAD = f"{_CELL};font-weight:normal;{FAINT};font-size:.9em"


class Markup(str):
    """What is HTML already."""

    __slots__ = ()


def text(content: str) -> Markup:
    """Text as it is; markup unchanged."""
    return content if isinstance(content, Markup) else Markup(html.escape(content))


def broken(content: str, at: str) -> Markup:
    """Text on two lines, the second one faint, where it holds what it is broken at."""
    first, found, second = content.partition(at)
    below = f'<br><span style="{FAINT}">{text((found + second).strip())}</span>' if found else ""
    return Markup(text(first) + below)


def block(*parts: str) -> Markup:
    """Parts under each other, no wider than one likes to read."""
    inner = "".join(text(part) for part in parts)
    return Markup(f'<div style="max-width:60em;line-height:1.45">{inner}</div>')


def paragraph(content: str, *, bold: str = "", faint: bool = False) -> Markup:
    """A paragraph.

    Args:
        content: Of it.
        bold: What stands before it.
        faint: Whether it is less than the rest.
    """
    style = f"margin:.5em 0;{FAINT};font-size:.9em" if faint else "margin:.5em 0"
    start = f"<b>{text(bold)}</b> " if bold else ""
    return Markup(f'<p style="{style}">{start}{text(content)}</p>')


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = (), *, wrap: bool = False) -> Markup:
    """A table; without a head its first column names the rows, and the others are wrapped.

    Args:
        rows: Cells, as many in each row.
        head: Names of columns, in capitals as commands print them, or as they are.
        wrap: Whether lines are broken in a table with a head, too; else it scrolls where a page is too narrow.
    """
    start = ""
    if head:
        names = "".join(f'<th style="{_HEAD}">{text(name.lower() if name.isupper() else name)}</th>' for name in head)
        start = f"<thead><tr>{names}</tr></thead>"
    lines = []
    for row in rows:
        first = _CELL if head else _HEAD
        cells = [f'<td style="{_CELL if place else first}">{text(cell)}</td>' for place, cell in enumerate(row)]
        lines.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    style = "border-collapse:collapse;margin:0;font-variant-numeric:tabular-nums;font-size:1em"
    style += ";white-space:nowrap" if head and not wrap else ""
    whole = f'<table style="{style}">{start}<tbody>{"".join(lines)}</tbody></table>'
    return Markup(f'<div style="overflow-x:auto;margin:.6em 0">{whole}</div>')


def progress(done: int, whole: int) -> Markup:
    """A bar."""
    return Markup(f'<progress value="{done}" max="{whole}" style="width:100%;max-width:32em"></progress>')


def preformatted(content: str) -> Markup:
    """Text with its line breaks, which scrolls where it is long."""
    return Markup(f'<pre style="max-height:32em;overflow:auto;margin:.5em 0">{text(content)}</pre>')


def frame(page: str, title: str) -> Markup:
    """A whole page inside another: its scripts run, and reach nothing of the page around.

    Args:
        page: HTML.
        title: Of the frame, for those who do not see it.
    """
    style = "width:100%;height:42em;border:1px solid rgba(128,128,128,.4);border-radius:4px"
    return Markup(
        f'<iframe title="{html.escape(title)}" sandbox="allow-scripts" style="{style}" srcdoc="{html.escape(page)}">'
        "</iframe>"
    )
