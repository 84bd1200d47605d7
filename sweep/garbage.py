"""How often Python looks for garbage that refers to itself, in processes that import much.

What is imported stays: hundreds of thousands of objects, which Python by itself looks through again whenever a quarter
as many have come. That takes a fifth of the time that a command takes to start.
"""

from __future__ import annotations

import gc

_SELDOM = 100  # times the middle generation is looked through before all of it may be: 10 by default


def look_seldom() -> None:
    """To be called before anything is imported; for the rest of the process's life."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _SELDOM)
