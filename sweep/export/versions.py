"""Which versions of what are installed: part of every export, since scores depend on them."""

from __future__ import annotations

import platform
from importlib import metadata

UNKNOWN = "unknown"

PACKAGES = ("dropout-sweep", "torch", "numpy", "scikit-learn", "pandas", "optuna")
"""What a trial's numbers depend on beside the definition and the table."""


def installed(package: str) -> str:
    """Version of an installed package; ``"unknown"`` in a checkout that is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return UNKNOWN


def versions() -> dict[str, str]:
    """Python and :data:`PACKAGES`, by name."""
    return {"python": platform.python_version(), **{package: installed(package) for package in PACKAGES}}
