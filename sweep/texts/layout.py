"""Text in columns. ``cli/output.py`` fits it to a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table_text(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Columns under each other, two blanks apart; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(indent + line for line in lines)


def indented(rows: Sequence[tuple[str, str]]) -> list[str]:
    """The lines of such a table, two blanks in."""
    return table_text(rows, indent="  ").splitlines()
