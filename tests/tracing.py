"""What coverage traces: imports, and while they run the tests that :func:`tests.conftest.is_traced` names.

Traced code takes up to twice as long, that of pytest and of other packages, too. So coverage is off while tests are
collected, between tests, and in tests that add nothing to it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from coverage import Coverage

import sweep


def drop_the_first(config: pytest.Config) -> None:
    """In a process of pytest-xdist: ends the tracing that pytest-cov starts twice there.

    The second time it starts another one, of which alone the results are kept; as often as that one stops, the first
    would go on, and tests that are not to be traced would be traced for nothing.
    """
    first = Coverage.current()
    if first is not None and hasattr(config, "workerinput"):
        first.stop()


class Tracing:
    """Of this process from now on: stopped, but for imports of the package that may come first."""

    def __init__(self, *, imports: bool) -> None:
        self._coverage = Coverage.current()
        if self._coverage is not None:
            if imports:
                _import_everything()
            self._coverage.stop()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Inside it traces, where anything does."""
        if self._coverage is None:
            yield
            return
        self._coverage.start()
        try:
            yield
        finally:
            self._coverage.stop()


def _import_everything() -> None:
    """Modules of the package, whose lines outside of functions run now or never."""
    for module in pkgutil.walk_packages(sweep.__path__, "sweep."):
        # Alembic runs those again and again; the other one is for the process that others are forked from.
        if "migrations" not in module.name and module.name != "sweep.launch.preload":
            importlib.import_module(module.name)
