"""How long a definition would take: ``/v1/estimates``. A runner's clerk trains for a moment to tell."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from sweep.operate.jobs import AT_HAND, TAKES_A_TABLE, ask_estimate
from sweep.service.bodies import MOST_TEXT
from sweep.service.checking import understood
from sweep.service.problems import RefusedError, Said
from sweep.service.sources import PLACE
from sweep.service.state import TheService
from sweep.service.v1.schemas import ID, In, Job
from sweep.spec.source import kind_of

router = APIRouter(prefix="/v1", tags=["definitions"])


class Wanted(In):
    """A definition that somebody is writing, and the table that was handed in for it."""

    definition: str = Field(max_length=MOST_TEXT, description="TOML.")
    upload: str | None = Field(default=None, pattern=ID)


@router.post("/estimates", status_code=202)
def estimate(wanted: Wanted, service: TheService) -> Job:
    """Asks what a definition would run, and about how long.

    The job gives the document of `sweep check --json`, or `{"problems": […]}`. It takes a table that was handed in, or
    one of scikit-learn's.
    """
    spec, upload = understood(service, wanted.definition, wanted.upload)
    if upload is None and kind_of(spec.data.source) not in AT_HAND:
        raise RefusedError(422, TAKES_A_TABLE, "source", [Said(place=PLACE, said=TAKES_A_TABLE)])
    return Job.of(ask_estimate(service.store, wanted.definition, None if upload is None else upload.table_sha256))
