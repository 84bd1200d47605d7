"""Changes of a definition that are given beside its file: ``training.epochs=20`` each."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from sweep.spec.schema import default_range
from sweep.spec.source import absolute_source
from sweep.spec.values import toml_like

# Taken as they stand when they are not in quotes: a study may be called 2024.
_TEXT_KEYS = frozenset({"name", "data.source", "data.groups", "data.positive", "validation.metric"})


class Changes:
    """What was changed in the tables of a definition, and by which option of the command line.

    Attributes:
        complaints: What is wrong with the changes themselves.
    """

    def __init__(self, tables: dict[str, Any]) -> None:
        self.complaints: list[str] = []
        self._tables = tables
        self._options: dict[str, str] = {}  # by key, also of the tables that were made for it
        self._given: dict[str, tuple[str, str]] = {}  # text and option by key

    def apply(self, overrides: Iterable[str], option: str = "--set") -> None:
        """Make changes in place. Of two with the same option the later one holds, as in other programs."""
        for override in overrides:
            path, equals, text = override.partition("=")
            keys = [key.strip() for key in path.split(".")]
            path = ".".join(keys)
            if not equals or not all(keys):
                self.complaints.append(f'an override must read key.path=value, however: "{override}" ({option})')
                continue
            self._give(keys, text.strip(), _value(path, text.strip()), option)

    def apply_values(self, values: Mapping[str, Any], option: str) -> None:
        """The same with values that are values already, as a program gives them."""
        for path, value in values.items():
            keys = [key.strip() for key in str(path).split(".")]
            if all(keys):
                self._give(keys, str(value), toml_like(value), option)
            else:
                self.complaints.append(
                    f'a change must name a key such as training.epochs, however: "{path}" ({option})'
                )

    def place(self, key: str, otherwise: str) -> str:
        """Where the value of a key comes from: the option that set it, or its table."""
        for changed, option in self._options.items():
            if key == changed or key.startswith((f"{changed}.", f"{changed}[")):
                return option
        return otherwise

    def _give(self, keys: list[str], text: str, value: Any, option: str) -> None:
        path = ".".join(keys)
        before, by = self._given.setdefault(path, (text, option))
        if by != option:
            self.complaints.append(f"{path} must be set once, however: {before} ({by}) and {text} ({option})")
        else:
            self._set(keys, value, option)

    def _set(self, keys: list[str], value: Any, option: str) -> None:
        table: Any = self._tables
        for depth, key in enumerate(keys[:-1], start=1):
            if isinstance(table, dict) and key not in table:
                table[key] = default_range(keys[:depth])
                self._options[".".join(keys[:depth])] = option
            table = table[key] if isinstance(table, dict) else None
        path, parent = ".".join(keys), ".".join(keys[:-1])
        if not isinstance(table, dict):
            self.complaints.append(f"{parent} must be a table for {path} to be set, however: it is a value ({option})")
            return
        if path == "data.source" and isinstance(value, str):
            value = absolute_source(value, None)
        table[keys[-1]] = value
        self._options[path] = option


def _value(path: str, text: str) -> Any:
    """The value of a change: TOML if it is that, else the text itself."""
    if path in _TEXT_KEYS and not text.startswith(('"', "'")):
        return text
    with contextlib.suppress(ValueError, RecursionError):
        parsed = tomllib.loads(f"value = {text}")
        if set(parsed) == {"value"}:
            return parsed["value"]
    return text
