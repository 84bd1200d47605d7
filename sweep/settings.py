"""What the environment decides: no other module reads a setting from it (those that start processes hand it on).

============================  =========================================================================================
``SWEEP_STORAGE``             database URL used when ``--storage`` is not given
``SWEEP_LOG``                 ``debug``, ``info`` (default for JSON), ``warning`` (default otherwise), ``error``
``SWEEP_LOG_FORMAT``          ``text`` (default) or ``json``: a JSON document a line
``SWEEP_CACHE``               folder for downloaded tables (default ``~/.cache/sweep``)
``SWEEP_SERVER``              URL of a service used when neither ``--server`` nor ``--storage`` is given
``SWEEP_TOKEN``               token that the command line shows it
``SWEEP_OPERATOR_TOKEN``      of ``sweep serve``: who has it may do everything; taken out of the environment when read
``SWEEP_VIEWER_TOKEN``        likewise: who has it may look
============================  =========================================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from sweep.errors import UserError

DEFAULT_STORAGE = "sqlite:///sweep.db"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


def storage_url() -> str:
    """Database URL from ``SWEEP_STORAGE``, else ``sqlite:///sweep.db``."""
    return os.environ.get("SWEEP_STORAGE") or DEFAULT_STORAGE


def log_level() -> str:
    """Log level from ``SWEEP_LOG``, lower case. By default JSON tells more: a program reads it, and sorts it out.

    Raises:
        UserError: The level is not one of :data:`LOG_LEVELS`, or the format is none.
    """
    level = (os.environ.get("SWEEP_LOG") or ("info" if log_format() == "json" else "warning")).lower()
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


def log_format() -> str:
    """``"text"`` or ``"json"``, from ``SWEEP_LOG_FORMAT``.

    Raises:
        UserError: It is neither.
    """
    found = (os.environ.get("SWEEP_LOG_FORMAT") or "text").lower()
    if found not in LOG_FORMATS:
        raise UserError(f"SWEEP_LOG_FORMAT must be {' or '.join(LOG_FORMATS)}, however: {found}")
    return found


def take_tokens() -> dict[str, str]:
    """Tokens by role from ``SWEEP_OPERATOR_TOKEN`` and ``SWEEP_VIEWER_TOKEN``: read once, then no longer there.

    Processes that are started later inherit the environment without them.
    """
    found = {role: os.environ.pop(f"SWEEP_{role.upper()}_TOKEN", "") for role in ("operator", "viewer")}
    return {role: token for role, token in found.items() if token}


def child_environment(storage: str) -> dict[str, str]:
    """The environment of a ``sweep`` that is started by this one.

    Args:
        storage: Database URL. It may hold a password, and what stands in a command line all users of a machine can see.
    """
    return {**os.environ, "SWEEP_STORAGE": storage, "PYTHONPATH": python_path()}


def python_path() -> str:
    """``PYTHONPATH`` of a ``sweep`` that is started by this one: its modules are this one's, installed or not.

    An empty part of it would stand for the folder that the process happens to be in, and is left out.
    """
    ours = str(Path(__file__).absolute().parents[1])
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([ours, *(folder for folder in given if folder and folder != ours)])
