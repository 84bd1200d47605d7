"""Where a line of a definition's problems says that it stands."""

from __future__ import annotations

import re

_PLACE = re.compile(r"([a-z_][a-z_0-9]*(?:\.[\w]+|\[\d+\])*)(?=[ :]) ?(.*)", flags=re.DOTALL)
_KNOWN = ("format", "name", "seed", "data", "network", "training", "space", "validation", "search", "chosen")


def parted(line: str) -> tuple[str, str]:
    """The place that a line names, and the rest of it; an empty place where it names none.

    ``space.dropout.high must be below 1, however: 1.5 (the definition)`` stands at ``space.dropout.high``.
    """
    found = _PLACE.match(line)
    if found is None or re.split(r"[.\[]", found[1])[0] not in _KNOWN:
        return "", line
    return found[1], found[2].lstrip(": ").removesuffix(" (the definition)")
