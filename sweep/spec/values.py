"""Values of a program as TOML has them: what a definition given from Python, or a change of one, may hold."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def toml_like(value: Any) -> Any:
    """A value as TOML would have it, all through; what TOML has no like of is left as it is.

    Mappings become dictionaries, tuples, ranges and arrays lists, paths text, and NumPy's scalars Python's own. Those
    of less than 64 bits are the decimal that they are shown as: ``np.float32(0.1)`` is 0.1, not 0.10000000149.
    """
    if isinstance(value, Mapping):
        return {str(key): toml_like(content) for key, content in value.items()}
    if isinstance(value, np.ndarray):
        return toml_like(value[()]) if value.ndim == 0 else [toml_like(one) for one in value]
    if isinstance(value, tuple | list | range):
        return [toml_like(one) for one in value]
    if isinstance(value, np.floating):
        return float(np.format_float_scientific(value))
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def is_whole(value: Any, least: int, most: float = math.inf) -> bool:
    """Whether it is a whole number from ``least`` to ``most``, both included, Python's or NumPy's."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(least <= value <= most)
