"""Definitions changed by way of fields, and their comments kept: ``/v1/definitions/edit``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from sweep.service.bodies import MOST_TEXT
from sweep.service.v1.schemas import In, Out
from sweep.spec.edits import edited

MOST_CHANGES = 100

router = APIRouter(prefix="/v1", tags=["definitions"])


class Edit(In):
    """A definition, and what is to be changed in it."""

    definition: str = Field(max_length=MOST_TEXT, description="TOML.")
    changes: dict[str, Any] = Field(
        max_length=MOST_CHANGES,
        description="Values by key; null takes a key away, so that its default holds.",
        examples=[{"space.dropout.low": 0.1, "search.trials": 64}],
    )


class Edited(Out):
    """The definition as it is then."""

    definition: str


@router.post("/definitions/edit")
def edit(wanted: Edit) -> Edited:
    """Changes values in the text of a definition, and keeps the rest of it. Whether they are allowed, a check says."""
    return Edited(definition=edited(wanted.definition, wanted.changes))
