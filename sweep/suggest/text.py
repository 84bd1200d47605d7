"""Lines of a commented definition: keys with their reasons beside them, comments of any text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import tomlkit

from sweep.wording import duration

_WIDTH = 110
_BESIDE = 32


def key_line(key: str, value: Any, why: str = "") -> list[str]:
    """``key = value  # why``; beside a long value, or if itself long, the reason stands above."""
    line = f"{key} = {toml_value(value)}"
    if not why:
        return [line]
    beside = f"{line:<{_BESIDE}} # {_printable(why)}"
    return [beside] if len(line) <= _BESIDE and len(beside) <= _WIDTH else [*comment(why), line]


def toml_value(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}" if "." in f"{value:g}" or "e" in f"{value:g}" else f"{value:.1f}"
    return str(tomlkit.item(value).as_string())


def quoted(name: str) -> str:
    """A name in quotes, on one line whatever it holds."""
    return toml_value(name)


def several(names: Sequence[str]) -> str:
    """The first eight names in quotes, and how many more there are."""
    return ", ".join(map(quoted, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def comment(text: str) -> list[str]:
    """A comment of as many lines as it takes."""
    return textwrap.wrap(_printable(text), _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def bullets(texts: Iterable[str]) -> list[str]:
    """A comment with one item for each text."""
    wrapped = (
        textwrap.wrap(_printable(text), _WIDTH, initial_indent="# - ", subsequent_indent="#   ", break_long_words=False)
        for text in texts
    )
    return [line for lines in wrapped for line in lines]


def rough_duration(seconds: float) -> str:
    """A time known to a factor of two: ``"1 to 4 min"`` for 2 min, ``"less than a minute"``."""
    low, high = max(1, int(seconds / 120)), math.ceil(seconds / 30)
    if high < 2:
        return "less than a minute"
    return f"{low} to {high} min" if high < 120 else f"{duration(60 * low)} to {duration(60 * high)}"


def _printable(text: str) -> str:
    """Without line breaks and control characters, which a TOML comment must not have."""
    return "".join(character if character.isprintable() else " " for character in text)
