"""What is different in the kernel of a notebook."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook, and not in a terminal with or without IPython."""
    if "ipykernel" not in sys.modules:  # which a kernel has imported
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def _import_tqdm() -> None:
    """Optuna brings it; imported, it complains of widgets that are not installed, and nothing here has any."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        import_module("tqdm.auto")  # once imported it is quiet


if in_notebook():
    _import_tqdm()
