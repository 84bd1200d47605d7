"""Values as Python source, laid out as a formatter would.

What a user wrote (names of columns, levels, the source of the table) enters a script through :func:`literal`, and so
stays data: whatever it holds, it is one string of the script. :func:`in_docstring` is for text in docstrings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

WIDTH = 120
"""Columns of a line."""

_FEWEST = 4  # names that differ by a number alone, before they are worth a loop
_NUMBERED = re.compile(r"([A-Za-z_ ]*)(0|[1-9]\d*)")


class Source(str):
    """Text that is Python source already. All else is written as a literal."""

    __slots__ = ()


def literal(value: Any) -> Source:
    """A value on one line: numbers, texts, ``None``, and lists, tuples, sets and dictionaries of them."""
    match value:
        case Source():
            return value
        case str():
            written = repr(value)
            return Source(written if "'" in value or '"' in value else f'"{written[1:-1]}"')
        case list():
            return Source(f"[{', '.join(map(literal, value))}]")
        case tuple():
            return Source(f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})")
        case set() | frozenset():
            return Source(f"{{{', '.join(map(literal, sorted(value)))}}}" if value else "set()")
        case dict():
            return Source(f"{{{', '.join(f'{literal(key)}: {literal(own)}' for key, own in value.items())}}}")
        case _:
            return Source(repr(value))


def assignment(name: str, value: Any, comment: str = "") -> Source:
    """``NAME = value``, over as many lines as it takes.

    Args:
        name: Of the constant.
        value: As for :func:`literal`.
        comment: At the end of the line, ours: a literal of more than one line has none.
    """
    if isinstance(value, list) and (loop := _as_loop(value)):
        value = loop
    line = f"{name} = {literal(value)}"
    if len(line) > WIDTH:
        return Source(f"{name} = {_exploded(value, 0)}")
    return Source(f"{line}  # {comment}" if comment else line)


def call(function: str, arguments: Sequence[str], before: str = "", after: str = "", indent: int = 0) -> Source:
    """A call on one line, or with its arguments on a line of their own, or each of them.

    Args:
        function: Its name.
        arguments: Source of each.
        before: What stands before it on the line.
        after: What follows it at once.
        indent: Blanks before each line but the first, whose blanks the caller writes.
    """
    inside = ", ".join(arguments)
    if indent + len(f"{before}{function}({inside}){after}") <= WIDTH:
        return Source(f"{before}{function}({inside})")
    margin = " " * indent
    if indent + 4 + len(inside) <= WIDTH:
        return Source(f"{before}{function}(\n{margin}    {inside}\n{margin})")
    lines = "".join(f"{margin}    {argument},\n" for argument in arguments)
    return Source(f"{before}{function}(\n{lines}{margin})")


def one_line(text: str) -> str:
    """Text that cannot end a comment: anything unprintable is escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def in_docstring(text: str) -> str:
    """Text, of one line, that cannot end a docstring and stands for itself there."""
    return "".join(
        f"\\{character}" if character in '\\"' else character if character.isprintable() else ascii(character)[1:-1]
        for character in text
    )


def _exploded(value: Any, indent: int) -> str:
    """An entry a line."""
    margin = " " * (indent + 4)
    match value:
        case list() | set() | frozenset() if value:
            open_, close = "[]" if isinstance(value, list) else "{}"
            entries = [str(literal(entry)) for entry in (value if isinstance(value, list) else sorted(value))]
        case dict() if value:
            open_, close = "{}"
            entries = []
            for key, own in value.items():
                entry = f"{literal(key)}: {literal(own)}"
                too_long = len(margin) + len(entry) + 1 > WIDTH
                entries.append(f"{literal(key)}: {_exploded(own, indent + 4)}" if too_long else entry)
        case _:
            return literal(value)
    return "\n".join([open_, *(f"{margin}{entry}," for entry in entries), " " * indent + close])


def _as_loop(values: list[Any]) -> Source | None:
    """``[f"x{n}" for n in range(1, 61)]`` for x1 to x60; ``None`` for other lists."""
    found = [_NUMBERED.fullmatch(value) for value in values if isinstance(value, str)]
    matches = [match for match in found if match is not None]
    if not len(values) == len(matches) >= _FEWEST:
        return None
    first = int(matches[0][2])
    if [(match[1], int(match[2])) for match in matches] != [
        (matches[0][1], first + place) for place in range(len(values))
    ]:
        return None
    return Source(f'[f"{matches[0][1]}{{n}}" for n in range({first}, {first + len(values)})]')
