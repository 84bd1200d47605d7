"""What the service and its runner log, as text or as JSON, a document a line.

A line has ``time``, ``level``, ``logger`` and ``message``, and what is known besides: ``sweep``, ``trial``,
``request_id``, ``method``, ``path``, ``status``, ``duration`` (seconds). A path stands without its query. Headers and
bodies are never logged, of a database its name without a password.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

FIELDS = ("sweep", "trial", "request_id", "method", "path", "status", "duration")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being handled, in whatever thread; its response says it as ``X-Request-ID``."""


class _OfRequest(logging.Filter):
    """Adds the id of the request to what is logged while it is handled."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id") and (found := request_id.get()):
            record.request_id = found
        return True


class Json(JsonFormatter):
    """A record as one line of JSON."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the base's name
        """UTC, ISO 8601."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Only what is known: no library can add fields of its own."""
        super().add_fields(log_data, record, message_dict)
        known = {"time", "level", "logger", "message", "exc_info", *FIELDS}
        for name in set(log_data) - known:
            del log_data[name]


def structured(handler: logging.Handler) -> None:
    """Has a handler write JSON."""
    handler.setFormatter(Json())
    handler.addFilter(_OfRequest())


def adopt(name: str) -> None:
    """Has what a library logs go where ours goes, as far as something has failed; at debug level all of it."""
    ours, theirs = logging.getLogger("sweep"), logging.getLogger(name)
    theirs.handlers = list(ours.handlers)
    theirs.propagate = not theirs.handlers
    theirs.setLevel(logging.DEBUG if ours.isEnabledFor(logging.DEBUG) else logging.ERROR)
