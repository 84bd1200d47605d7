"""Changes of a definition's text that keep the rest of it: comments, order, spaces."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from sweep.errors import DefinitionError
from sweep.spec.schema import SECTIONS, default_range
from sweep.spec.toml import item

_KEY = re.compile(r"[A-Za-z0-9_-]+")


def edited(text: str, changes: Mapping[str, Any]) -> str:
    """The text of a definition with other values.

    Whether they are allowed is for :func:`sweep.spec.definition.parse` to say.

    Args:
        text: TOML.
        changes: Values by key, such as ``{"space.dropout.low": 0.1}``; ``None`` takes a key away, so that its default
            holds.

    Raises:
        DefinitionError: The text is no TOML, or a change cannot be made in it; all of them are listed.
    """
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError) as error:
        complaint = f"the definition must be valid TOML before a field of it can be changed, however: {error}"
        raise DefinitionError([complaint]) from error
    complaints = [said for path, value in changes.items() if (said := _change(document, path, value)) is not None]
    if complaints:
        raise DefinitionError(complaints)
    return tomlkit.dumps(document)


def _change(document: tomlkit.TOMLDocument, path: str, value: Any) -> str | None:
    """Makes one change; what is wrong with it, if it cannot be made."""
    keys = path.split(".")
    if not all(map(_KEY.fullmatch, keys)):
        return f'a change must name a key such as training.epochs, however: "{path}"'
    table: Any = document
    for depth, key in enumerate(keys[:-1], start=1):
        if key not in table:
            if value is None:
                return None
            if depth == 1 and key not in SECTIONS:
                return f'a change must name a key such as training.epochs, however: "{path}"'
            # A section of its own, or a dimension whose default has the other bound.
            table[key] = tomlkit.table() if depth == 1 else item(default_range(keys[:depth]))
        table = table[key]
        if not isinstance(table, MutableMapping):
            return f"{'.'.join(keys[:depth])} must be a table for {path} to be set, however: it is a value"
    if value is None:
        table.pop(keys[-1], None)
        return None
    try:
        table[keys[-1]] = item(value)
    except (TOMLKitError, ValueError, RecursionError):
        return f"{path} must be a value that TOML has, however: it is none"
    return None
