"""What the environment decides: the only module that reads it.

============================  ==================================================================
``SWEEP_STORAGE``             database URL used when ``--storage`` is not given
``SWEEP_LOG``                 log level: ``debug``, ``info``, ``warning`` (default), ``error``
``SWEEP_CACHE``               folder for downloaded tables (default ``~/.cache/sweep``)
``SWEEP_SERVER``              URL of a service used when neither ``--server`` nor ``--storage`` is given
``SWEEP_TOKEN``               token that the command line shows it
============================  ==================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from sweep.errors import UserError

DEFAULT_STORAGE = "sqlite:///sweep.db"
LOG_LEVELS = ("debug", "info", "warning", "error")


def storage_url() -> str:
    """Database URL from ``SWEEP_STORAGE``, else ``sqlite:///sweep.db``."""
    return os.environ.get("SWEEP_STORAGE") or DEFAULT_STORAGE


def log_level() -> str:
    """Log level from ``SWEEP_LOG``, lower case.

    Raises:
        UserError: The level is not one of :data:`LOG_LEVELS`.
    """
    level = (os.environ.get("SWEEP_LOG") or "warning").lower()
    if level not in LOG_LEVELS:
        raise UserError(f"SWEEP_LOG must be one of {', '.join(LOG_LEVELS)}, however: {level}")
    return level


def cache_dir() -> Path:
    """Folder for downloaded tables. Not created here."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sweep"
    return Path(os.environ.get("SWEEP_CACHE") or default)


def server_url() -> str | None:
    """URL of the service from ``SWEEP_SERVER``, if there is one."""
    return os.environ.get("SWEEP_SERVER") or None


def server_token() -> str | None:
    """What the command line shows a service, from ``SWEEP_TOKEN``."""
    return os.environ.get("SWEEP_TOKEN") or None
