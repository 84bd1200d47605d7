"""Whether the service is alive, and whether it can do its work: for whoever watches over it."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic
from typing import Literal, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel

from sweep.errors import UserError
from sweep.service.problems import RefusedError
from sweep.service.state import Service, TheService
from sweep.store.failures import brief
from sweep.store.store import Store

logger = logging.getLogger(__name__)

KEPT_SECONDS = 1.0
"""So long a look at the database is good: anybody may ask, without a token."""


class Well(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


class Readiness:
    """What the last look at the database has found."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._until = 0.0
        self._reason: str | None = None

    def reason(self, service: Service) -> str | None:
        """Why the service cannot do its work, in words that name no address; ``None`` if it can."""
        with self._lock:  # one looks, the others wait for what he finds
            if monotonic() >= self._until:
                self._reason = _look(service)
                self._until = monotonic() + KEPT_SECONDS
            return self._reason


def _look(service: Service) -> str | None:
    try:
        with Store.open(service.options.storage):
            return None
    except UserError as error:
        logger.warning("not ready: %s", error)
        return brief(error, service.store.shown)


router = APIRouter(tags=["operation"])


@router.get("/health")
async def health() -> Well:
    """That the process answers. It looks at nothing else: what restarts it would not help a database."""
    return Well()


@router.get("/ready")
def ready(request: Request, service: TheService) -> Well:
    """That the database answers, and has the tables of this version; else 503 with the reason.

    Raises:
        RefusedError: It has not.
    """
    readiness = cast("Readiness", request.app.state.readiness)
    if reason := readiness.reason(service):
        raise RefusedError(503, reason, "not_ready")
    return Well()
