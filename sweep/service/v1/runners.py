"""Who is at work here."""

from __future__ import annotations

from fastapi import APIRouter

from sweep.service.state import TheService
from sweep.service.v1.schemas import Runner, Runners

router = APIRouter(prefix="/v1/runners", tags=["runners"])


@router.get("")
def runners(service: TheService) -> Runners:
    """Runners that were heard of within the last hour, the latest to come last."""
    return Runners(runners=[Runner.of(one) for one in service.store.runners()])
