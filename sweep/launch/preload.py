"""What the fork server imports before anything else: it starts sooner, and what it forks shares more memory with it.

For nobody else: to import it is to change how the process looks for garbage, and those that are forked from it.

Nothing in the server itself becomes garbage. What a forked process has from it that process need not look through
either: that would take time, and would copy the memory that the two share.
"""

from __future__ import annotations

import gc
import os


def _begin() -> None:
    """In a forked process: what is there stays; what comes is looked through."""
    gc.freeze()
    gc.enable()


gc.disable()
os.register_at_fork(after_in_child=_begin)
