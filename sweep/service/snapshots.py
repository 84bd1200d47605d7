"""How far sweeps are, read once for all who ask."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import monotonic

from sweep.errors import SweepError
from sweep.operate.overview import Glance, Overview
from sweep.service.problems import RefusedError
from sweep.store.store import Store

SECONDS = 1.0
"""So old an answer may be; whoever changes something sees it at once."""


class Snapshots:
    """What was last read of all sweeps. Its methods may be called from several threads: one reads, the others wait."""

    def __init__(self, store: Store) -> None:
        self._store, self._overview = store, Overview(store)
        self._reading, self._changing = threading.Lock(), threading.Lock()
        self._sweeps: dict[str, Glance] = {}
        self._at = -SECONDS  # when the reading of these began
        self._failure: Exception | None = None  # of that reading
        self._changes, self._seen = 0, -1  # how often something was changed; how often when they were read

    def all(self) -> Mapping[str, Glance]:
        """All sweeps by name, oldest first, as they were at most :data:`SECONDS` ago.

        Raises:
            StorageError: The database cannot be used.
        """
        with self._reading:
            if self._seen != self._changes or monotonic() - self._at >= SECONDS:
                with self._changing:
                    changes, at = self._changes, monotonic()
                self._failure = None
                try:
                    self._sweeps = {glance.status.name: glance for glance in self._overview.read()}
                except SweepError as error:  # it may have taken long: those who came meanwhile do not try in turn
                    self._failure, at = error, monotonic()
                self._at, self._seen = at, changes
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return self._sweeps

    def one(self, name: str) -> Glance:
        """A sweep by its name.

        Raises:
            RefusedError: 404, there is none.
            StorageError: The database cannot be used.
        """
        found = self.all().get(name)
        if found is None and (self._store.order(name) or self._store.sweep(name)):  # made elsewhere in this second
            self.invalidate()
            found = self.all().get(name)
        if found is None:
            raise RefusedError(404, f"no sweep named {name}")
        return found

    def invalidate(self) -> None:
        """Something was changed: what is asked for from now on is read after it."""
        with self._changing:
            self._changes += 1
