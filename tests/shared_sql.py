"""Compiled SQL that all engines of a test process share.

SQLAlchemy keeps what it has compiled by engine. A program has few of them and keeps them; tests have thousands, and
would compile the same statements again and again.
"""

from __future__ import annotations

from collections import UserDict
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine


class _Compiled(UserDict[tuple[Any, ...], Any]):
    """By the name of the dialect, in place of the engine's own object of it, which is the first of a key."""

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return super().__getitem__((key[0].name, *key[1:]))

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and super().__contains__((key[0].name, *key[1:]))


_COMPILED = _Compiled()


def share() -> None:
    """From now on."""
    event.listen(Engine, "engine_connect", _connected)


def _connected(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED)
