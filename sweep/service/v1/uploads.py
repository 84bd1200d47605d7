"""Tables that are handed in: ``/v1/uploads``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from sweep.service.checking import upload_of
from sweep.service.intake import safe_name
from sweep.service.problems import RefusedError
from sweep.service.reader import Suggested, TableSeen
from sweep.service.state import Service, TheService
from sweep.service.v1.schemas import In
from sweep.store.service_rows import UploadRecord

router = APIRouter(prefix="/v1", tags=["uploads"])


class Upload(BaseModel):
    """A table that was handed in, with a definition for it; without one where the target has to be chosen first."""

    id: str
    name: str
    size: int
    created_at: str
    table: TableSeen
    definition: str | None
    target: str | None
    others: list[str]
    notes: list[str]


class Wanted(In):
    """What is to be predicted: the name of a column or its position, ``null`` to guess it."""

    target: str | int | None = None


class Suggestion(BaseModel):
    """A definition for a table."""

    definition: str
    name: str
    target: str
    others: list[str]
    notes: list[str]
    table: TableSeen


@router.post(
    "/uploads",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def hand_in(
    request: Request,
    service: TheService,
    name: Annotated[str, Query(description="Of the file; what stands before its last slash is left out.")] = "",
    header: Annotated[bool | None, Query(description="Whether its first row names the columns.")] = None,
) -> Upload:
    """Takes a table, the request's body as it is: CSV, TSV, Parquet or Arrow, plain or ``.gz``."""
    own = safe_name(name)
    try:
        async with service.intake.received(request, own) as (folder, size):
            seen, packed = await run_in_threadpool(service.intake.reader.detect, folder, own, header)
            detected = seen.model_dump() | {"asked_header": header}
            # Before its room is given back: it counts as coming, or as stored.
            return _document(await run_in_threadpool(service.store.save_upload, own, size, packed, detected))
    except ClientDisconnect:
        raise RefusedError(400, "the upload was cut off", "cut_off") from None


@router.get("/uploads/{upload}")
def one(upload: str, service: TheService) -> Upload:
    """What was seen in a table when it was handed in."""
    return _document(upload_of(service, upload))


@router.delete("/uploads/{upload}", status_code=204)
def forget(upload: str, service: TheService) -> Response:
    """Forgets a table; sweeps that were made of it keep theirs."""
    service.store.delete_upload(upload_of(service, upload).id)
    return Response(status_code=204)


@router.post("/uploads/{upload}/definition")
def definition_for(upload: str, wanted: Wanted, service: TheService) -> Suggestion:
    """Suggests a definition that predicts another column."""
    record = upload_of(service, upload)
    return suggestion(_suggested(service, record, wanted.target))


def suggestion(seen: Suggested) -> Suggestion:
    """As it is answered.

    Raises:
        RefusedError: 422, it cannot be told which column is to be predicted.
    """
    if seen.definition is None or seen.target is None:
        raise RefusedError(422, "; ".join(seen.notes), "target")
    return Suggestion(
        **seen.model_dump(exclude={"header", "definition", "target"})
        | {"definition": seen.definition, "target": seen.target}
    )


def _suggested(service: Service, record: UploadRecord, target: str | int | None) -> Suggested:
    if target is None:  # that was done when it came
        return Suggested.model_validate(record.detected)
    table = service.store.stored_table(record.table_sha256)
    return service.intake.reader.suggest(record.name, table, target, record.detected["asked_header"])


def _document(record: UploadRecord) -> Upload:
    detected: dict[str, Any] = dict(record.detected)
    return Upload(
        **{key: detected[key] for key in ("table", "definition", "target", "others", "notes")},
        id=record.id,
        name=record.name,
        size=record.size,
        created_at=record.created_at.isoformat(),
    )
