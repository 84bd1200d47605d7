"""The header ``Idempotency-Key``: a request that is sent again, since its answer was lost, is answered as before.

Asking for a sweep again gives the same sweep by itself: by its name, its definition and its table. What the header adds
is the time in between: whoever repeats a request is answered as the first time, though somebody may have cancelled the
sweep meanwhile or asked for more trials, which another request would undo or fail at. So keys are remembered in memory,
for as long as clients repeat requests.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from sweep.service.problems import RefusedError

KEPT_SECONDS = 86400.0
MOST_KEYS = 1000
MOST_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Given:
    """An answer.

    Attributes:
        status: Of HTTP.
        content: Its JSON document.
    """

    status: int
    content: bytes


@dataclass(slots=True)
class _Entry:
    body: bytes
    at: float
    given: Given | None = None


class Repeated:
    """Answers by the keys of their requests. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def answer(self, key: str | None, body: bytes, make: Callable[[], Given]) -> Given:
        """What was answered to the key, or else what is made now; nothing is remembered of what fails.

        Args:
            key: From the header; ``None`` without one.
            body: Of the request.
            make: Does what was asked.

        Raises:
            RefusedError: 422, the key came with another body, or is too long; 409, the first request is being answered.
        """
        if key is None:
            return make()
        if not 0 < len(key) <= MOST_LENGTH:
            raise RefusedError(422, f"Idempotency-Key must have 1 to {MOST_LENGTH} characters", "idempotency_key")
        digest = hashlib.sha256(body).digest()
        with self._lock:
            self._forget()
            entry = self._entries.get(key)
            if entry is not None:
                return _known(entry, digest)
            entry = self._entries[key] = _Entry(digest, monotonic())
        try:
            entry.given = make()
        except BaseException:
            with self._lock:
                if self._entries.get(key) is entry:  # else it was forgotten, and another one came with that key
                    del self._entries[key]
            raise
        return entry.given

    def _forget(self) -> None:
        while self._entries:
            oldest = next(iter(self._entries))
            if len(self._entries) < MOST_KEYS and monotonic() - self._entries[oldest].at < KEPT_SECONDS:
                return
            del self._entries[oldest]


def _known(entry: _Entry, digest: bytes) -> Given:
    if entry.body != digest:
        raise RefusedError(422, "this Idempotency-Key came with another request before", "idempotency_key")
    if entry.given is None:
        raise RefusedError(409, "the first request with this Idempotency-Key is being answered", "in_progress")
    return entry.given
