"""What a sweep has come to: live, as figures, as its best configuration, as an answer, a report, a file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from sweep.operate.jobs import ask_answer, ask_export
from sweep.service.problems import RefusedError
from sweep.service.renderer import Made
from sweep.service.state import TheService
from sweep.service.v1.schemas import Answer, Best, Export, Figures, Job, Question, SweepName
from sweep.store.service_rows import JobFile

router = APIRouter(prefix="/v1/sweeps/{name}", tags=["results"])

AT_ONCE: dict[str, str] = {"toml": "application/toml", "json": "application/json"}
"""Formats that take no training, and their media types."""

_LARGEST = 2**53

# Of the page itself, which says that its own two scripts may run, by their hashes. In a sandbox: it has no origin, and
# so neither the cookies nor the API of ours.
_POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/plain": {"schema": {"type": "string"}}},
        "description": "As JSON, or as the program prints it.",
    }
}
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The same as before."}}


def _file(media_type: str, kind: str = "string") -> dict[int | str, dict[str, Any]]:
    return {
        200: {"content": {media_type: {"schema": {"type": kind}}}, "description": "The file."},
        **_UNCHANGED,
    }


Known = Annotated[str | None, Header(alias="If-None-Match", description="ETag of what is known.")]


async def _listening(
    request: Request,
    name: SweepName,
    service: TheService,
    last_event_id: Annotated[str | None, Header(description="Id of the last line of the log that is known.")] = None,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="The same, for the first time.")] = 0,
) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
    """Refuses before the stream begins, and ends when the response does, however that comes about."""
    known = int(last_event_id) if last_event_id and re.fullmatch(r"[0-9]{1,15}", last_event_id) else after
    await service.live.check(name)
    async with service.live.listener(name, known, request.state.who) as events:
        yield events


@router.get(
    "/live",
    response_class=EventSourceResponse,
    responses={200: {"description": "Server-sent events: `status`, `log`, `figures`, `gone`."}},
)
async def live(
    events: Annotated[AsyncIterator[ServerSentEvent], Depends(_listening)],
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a sweep, as it happens.

    `status` (a sweep) at once and whenever it has changed, `log` (a line, with its id) for each line, the latest
    thousand to begin with; `figures` (`{"version": …}`) when there are newer ones, `gone` when the sweep was deleted.
    """
    async for event in events:
        yield event


@router.get("/figures", response_model=Figures, responses=_UNCHANGED)
def figures(name: SweepName, service: TheService, request: Request, known: Known = None) -> Response:
    """Best so far, learning curves, score against rate: of a sweep that runs, too. Scores are raw."""
    made = service.renderer.made(service.snapshots.one(name), "figures")
    return _answered(made, "application/json", known, request)


@router.get("/best", response_model=Best, responses=_TEXT | _UNCHANGED)
def best(name: SweepName, service: TheService, request: Request, known: Known = None) -> Response:
    """The best configuration with its honest score; with `Accept: text/plain` as the program prints it."""
    glance = service.snapshots.one(name)
    if _wants_text(request):
        return _answered(service.renderer.made(glance, "best_text"), PlainTextResponse.media_type, known, request)
    return _answered(service.renderer.made(glance, "best"), "application/json", known, request)


@router.get("/answer", response_model=Answer, responses=_TEXT | _UNCHANGED)
def answer(
    name: SweepName,
    service: TheService,
    request: Request,
    rules: Annotated[bool, Query(description="Whether the text has rules of thumb in full.")] = False,
    nested: Annotated[bool, Query(description="Whether it has nested cross-validation in full.")] = False,
    known: Known = None,
) -> Response:
    """The answer, if there is one; with `Accept: text/plain` as the program prints it."""
    glance = service.snapshots.one(name)
    if glance.answer is None:  # it may have come within this second
        service.snapshots.invalidate()
        glance = service.snapshots.one(name)
    if glance.answer is None:
        raise RefusedError(404, f"the sweep {name} has no answer yet", "not_found")
    if _wants_text(request):
        made = service.renderer.made(glance, "answer_text", {"rules": rules, "nested": nested})
        return _answered(made, PlainTextResponse.media_type, known, request)
    return _answered(service.renderer.made(glance, "answer"), "application/json", known, request)


@router.post("/answer", status_code=202)
def ask(name: SweepName, question: Question, service: TheService) -> Job:
    """Asks a runner for the answer: what was chosen is trained again on fresh folds."""
    service.snapshots.one(name)
    job = ask_answer(
        service.store,
        name,
        repeats=question.repeats,
        rules=question.rules,
        nested=question.nested,
        outer=question.outer,
    )
    service.snapshots.invalidate()
    return Job.of(job)


@router.get("/report", response_class=HTMLResponse, responses=_file("text/html"))
def report(name: SweepName, service: TheService, request: Request, known: Known = None) -> Response:
    """The page that shows the results, about 5 MB; in a sandbox of its own."""
    made = service.renderer.made(service.snapshots.one(name), "report")
    found = _POLICY.search(made.content, 0, 4096)
    own = found[1].decode() if found else "default-src 'none'"
    response = _answered(made, HTMLResponse.media_type, known, request)
    response.headers["Content-Security-Policy"] = f"sandbox allow-scripts; {own}; frame-ancestors 'self'"
    return response


@router.post("/exports", status_code=202, responses={200: {"model": Job, "description": "It is done."}})
def export(name: SweepName, wanted: Export, service: TheService, response: Response) -> Job:
    """Asks for the best configuration in another form. TOML and JSON are there at once."""
    glance = service.snapshots.one(name)
    if wanted.format in AT_ONCE and wanted.trial is None and wanted.ensemble is None:
        what: Literal["toml", "json"] = "toml" if wanted.format == "toml" else "json"
        made = service.renderer.made(glance, what)
        file = JobFile(f"{name}-best.{what}", AT_ONCE[what], made.content)
        request = {"format": what, "trial": None, "ensemble": None}
        key = f"{what}-{glance.key}-{made.version}"
        job = service.store.keep_done_job("export", request, file, sweep=name, key=key)
    else:
        job = ask_export(service.store, name, wanted.format, wanted.trial, wanted.ensemble)
    service.snapshots.invalidate()
    if job.state == "done":
        response.status_code = 200
    return Job.of(job)


@router.get("/exports/toml", response_class=Response, responses=_file("application/toml"))
def export_toml(name: SweepName, service: TheService, request: Request, known: Known = None) -> Response:
    """The best configuration as a definition of one trial: run, it gives the same score."""
    return _attached(service, name, "toml", known, request)


@router.get("/exports/json", response_class=Response, responses=_file("application/json", "object"))
def export_json(name: SweepName, service: TheService, request: Request, known: Known = None) -> Response:
    """The best configuration as a JSON document."""
    return _attached(service, name, "json", known, request)


def _attached(
    service: TheService, name: str, what: Literal["toml", "json"], known: str | None, request: Request
) -> Response:
    made = service.renderer.made(service.snapshots.one(name), what)
    response = _answered(made, AT_ONCE[what], known, request)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-best.{what}"'
    return response


def _answered(made: Made, media_type: str | None, known: str | None, request: Request) -> Response:
    """With an ETag: what the asker has already is not sent again. Compressed as it is kept, if he takes that."""
    tag = f"{made.version}-text" if media_type == PlainTextResponse.media_type else made.version
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if known is not None and headers["ETag"] in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(made.content, media_type=media_type, headers=headers)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding"}
    return Response(made.packed, media_type=media_type, headers=headers)


def _wants_text(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "text/plain" in accepted and "json" not in accepted
