"""One shape for whatever goes wrong: ``application/problem+json`` (RFC 9457), with a line for each problem.

``{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no sweep named x; there are: …",
"code": "not_found", "problems": [{"place": "space.dropout.high", "said": "must be below 1, however: 1.5"}]}``
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from sweep.errors import (
    AlreadyThereError,
    BusyError,
    DefinitionError,
    MismatchError,
    NotFoundError,
    StorageError,
    SweepError,
    UserError,
)
from sweep.spec.places import parted
from sweep.store.failures import NoSpaceError, UnreachableError, brief

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5

logger = logging.getLogger(__name__)


class Said(BaseModel):
    """One problem: where it stands, if that is known, and what is wrong."""

    place: str
    said: str


class Problem(BaseModel):
    """What every refusal and every failure answers with."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    problems: list[Said]


class RefusedError(SweepError):
    """A request that cannot be done, with a status of its own."""

    def __init__(self, status: int, detail: str, code: str = "", problems: Sequence[Said] = ()) -> None:
        super().__init__(detail)
        self.status, self.code, self.problems = status, code, tuple(problems)


# The first that fits; what is further down the exception tree comes first.
_STATUS: tuple[tuple[type[SweepError], int], ...] = (
    (UnreachableError, 503),
    (NoSpaceError, 507),
    (AlreadyThereError, 409),
    (MismatchError, 409),
    (BusyError, 409),
    (NotFoundError, 404),
    (StorageError, 500),
    (UserError, 422),
    (SweepError, 500),
)


def status_of(error: SweepError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, RefusedError):
        return error.status
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def said(line: str) -> Said:
    """A line of a definition's problems, parted into its place and the rest.

    ``space.dropout.high must be below 1, however: 1.5 (the definition)`` stands at ``space.dropout.high``.
    """
    place, rest = parted(line)
    return Said(place=place, said=rest)


def problem_of(error: SweepError) -> Problem:
    """An error as it is answered."""
    status = status_of(error)
    if isinstance(error, RefusedError):
        each = list(error.problems)
    else:
        each = [said(line) for line in error.problems] if isinstance(error, DefinitionError) else []
    title = HTTPStatus(status).phrase
    code = (error.code if isinstance(error, RefusedError) else "") or title.lower().replace(" ", "_")
    return Problem(title=title, status=status, detail=str(error), code=code, problems=each)


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem as a response; one that is over soon says when to come again."""
    again = {"Retry-After": str(RETRY_SECONDS)} if problem.status in (429, 503) else {}
    return JSONResponse(problem.model_dump(), problem.status, again | dict(headers or {}), media_type=MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Has an application answer with problems whatever happens."""

    async def on_sweep_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, SweepError)  # noqa: S101 - registered for these alone
        problem = problem_of(error)
        if problem.status >= 500:
            logger.warning("%s", error)
        if isinstance(error, UserError):  # where the database is, is not for all who may look
            problem = problem.model_copy(update={"detail": brief(error, request.app.state.service.store.shown)})
        return answer(problem)

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - likewise
        each = [Said(place=".".join(map(str, one["loc"])), said=str(one["msg"])) for one in error.errors()]
        detail = "; ".join(f"{one.place}: {one.said}" for one in each)
        return answer(problem_of(RefusedError(422, detail, "invalid_request", each)))

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - likewise
        return answer(problem_of(RefusedError(error.status_code, str(error.detail))), error.headers)

    async def on_bug(_: Request, error: Exception) -> JSONResponse:
        logger.error("a bug in sweep", exc_info=error)
        return answer(problem_of(RefusedError(500, "a bug in sweep; the log of the service has more", "bug")))

    app.add_exception_handler(SweepError, on_sweep_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)
