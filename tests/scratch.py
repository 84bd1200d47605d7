"""Where tests write: in memory where there is room, since a disk that others use, too, costs them minutes.

What they check is what is left when processes die. A machine that loses its power is none of it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - in containers it may be of 64 MB
_ENOUGH = 2 << 30


def scratch() -> Path:
    """A folder that exists, with a short path: that of a socket may have 107 bytes. All users may enter it."""
    usable = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ENOUGH
    return _MEMORY if usable else Path("/tmp")  # noqa: S108 - as above


def folder(name: str) -> tempfile.TemporaryDirectory[str]:
    """A new one there, for a ``with`` statement."""
    return tempfile.TemporaryDirectory(prefix=f"sweep-{name}-", dir=scratch())
