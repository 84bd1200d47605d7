"""How many heaps threads have between them, in a process that answers with many of them for months."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>
_HEAPS = 2


def share_heaps() -> None:
    """Has all threads that are started later share two heaps; to be called before there are any.

    By itself glibc gives each of dozens of threads a heap of its own, up to eight a core, and each keeps what it once
    needed: a process that answers requests then grows for hours without holding anything. Nothing happens where there
    is no glibc.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _HEAPS)
