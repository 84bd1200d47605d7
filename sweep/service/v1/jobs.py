"""Jobs: what was asked of runners that is not a sweep, and the files they gave."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Response

from sweep.service.problems import RefusedError
from sweep.service.state import TheService
from sweep.service.v1.schemas import ID, Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

JobId = Annotated[str, Path(pattern=ID, description="Of the job.")]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}, "*/*": {}},
        "description": "The file.",
    }
}


@router.get("/{job_id}")
def job(job_id: JobId, service: TheService) -> Job:
    """How far a job is."""
    found = service.store.job(job_id)
    if found is None:
        raise RefusedError(404, f"no job {job_id}, or it is gone: ask again for what it gave")
    return Job.of(found)


@router.get("/{job_id}/file", response_class=Response, responses=_FILE)
def file(job_id: JobId, service: TheService) -> Response:
    """The file that a job gave."""
    found = service.store.job(job_id)
    if found is None or found.file_name is None:
        raise RefusedError(404, f"no file of a job {job_id}")
    given = service.store.job_file(job_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(given.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(given.content, media_type=given.media_type, headers=headers)
