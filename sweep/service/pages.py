"""What a browser shows. The first view of a page is made here; from then on its script asks ``/v1``.

Templates are in ``dashboards/``. Jinja escapes whatever goes in, and nothing is marked as safe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from sweep import wording
from sweep.figures.palette import SHAPES, marks_of
from sweep.metrics import METRICS
from sweep.operate.presence import SILENT_SECONDS
from sweep.report.templates import environment
from sweep.service import assets
from sweep.service.state import Service, TheService
from sweep.service.v1.schemas import State
from sweep.service.v1.sweeps import list_sweeps
from sweep.service.v1.sweeps import sweep as sweep_document

LIMIT = 100
"""Sweeps on a page."""

SORTS = {"name": "Sweep", "state": "State", "progress": "Trials", "updated": "Last change"}
_COLUMNS = (
    ("name", "Sweep"),
    ("state", "State"),
    ("progress", "Trials"),
    ("", "Best score so far, raw"),
    ("", "Answer"),
    ("updated", "Last change"),
)
_STANDARD = {"q": "", "state": "", "sort": "updated", "order": "desc", "offset": 0}

_USUAL = ("none", "input", "hidden", "all")

router = APIRouter(include_in_schema=False)
router.include_router(assets.router)


@router.api_route("/", methods=["GET", "HEAD"])
def sweeps(
    request: Request,
    service: TheService,
    q: str = "",
    state: str = "",
    sort: str = "updated",
    order: str = "desc",
    offset: str = "0",
) -> Response:
    """All sweeps. What the address asks for and is none is left out, as if it had not been asked for."""
    asked: dict[str, Any] = {
        "q": q[:200],
        "state": state if state in get_args(State) else "",
        "sort": sort if sort in SORTS else "updated",
        "order": "asc" if order == "asc" else "desc",
        "offset": int(offset) if offset.isdecimal() and len(offset) < 10 else 0,
        "limit": LIMIT,
    }
    found = list_sweeps(service, **{**asked, "state": asked["state"] or None}).model_dump(mode="json")
    offset_at, total = asked["offset"], found["total"]
    shown = len(found["sweeps"])
    return _page(
        request,
        "sweeps",
        any=bool(service.snapshots.all()),
        asked=asked,
        rows=[_row(one) for one in found["sweeps"]],
        total=total,
        states=found["states"] | ({asked["state"]: 0} if asked["state"] not in ("", *found["states"]) else {}),
        columns=_COLUMNS,
        sorts=SORTS,
        sort_links={key: _link(asked, sort=key, order=_turned(asked, key), offset=0) for key in SORTS},
        range=f"{offset_at + 1} to {offset_at + shown} of {total}" if shown else "",
        before=_link(asked, offset=max(0, offset_at - LIMIT)) if offset_at else None,
        after=_link(asked, offset=offset_at + LIMIT) if offset_at + LIMIT < total else None,
    )


@router.api_route("/new", methods=["GET", "HEAD"])
def new(request: Request) -> Response:
    """A new sweep."""
    return _page(request, "new")


@router.api_route("/sweeps/{name}", methods=["GET", "HEAD"])
def sweep(request: Request, service: TheService, name: str) -> Response:
    """One sweep.

    Raises:
        RefusedError: 404, there is none of that name.
    """
    document = sweep_document(name, service).model_dump(mode="json")
    view = _row(document)
    first, *rest = re.split(r"(?<=\.) (?=[A-Z])", view["headline"], maxsplit=1)
    return _page(
        request,
        "sweep",
        sweep=document,
        view=view,
        headline=(first, "".join(rest)),
        metric=_metric(document["metric"]),
        begun=ago(datetime.fromisoformat(document["created_at"])),
    )


def add_error_pages(app: FastAPI) -> None:
    """Has browsers that ask for a page see one where programs read a problem.

    To be called once ``app`` has its handlers: each stays, and what it answers becomes a page where that is wanted.
    """

    def with_page(handler: Callable[[Request, Exception], Any]) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            response: Response = await handler(request, error)
            return error_page(request, response) if wants_page(request) else response

        return handle

    for kind, handler in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = with_page(handler)


def wants_page(request: Request) -> bool:
    """Whether somebody looks at a page, and no program asks for a document."""
    return "text/html" in request.headers.get("Accept", "") and not request.scope["path"].startswith("/v1/")


def error_page(request: Request, response: Response) -> Response:
    """The page that says what a problem says."""
    problem = json.loads(bytes(response.body))
    status = response.status_code
    title = "There is no such page" if status == 404 else HTTPStatus(status).phrase
    said = "" if problem["detail"] == HTTPStatus(status).phrase else problem["detail"]
    page = _page(request, "error", status=status, title=title, detail=said or "Perhaps it was moved or deleted.")
    page.status_code = status
    for name in ("Allow", "Retry-After"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def render_page(template: str, **content: Any) -> str:
    """A page as HTML, as those see it who are not logged in unless ``content`` says otherwise.

    Args:
        template: Its file in ``dashboards/``.
        content: What it shows.
    """
    nobody = {"here": "login", "login": False, "writes": False, "dashboard": False}
    return environment().get_template(template).render({"asset": assets.address, **nobody, **content})


def _page(request: Request, name: str, **content: Any) -> HTMLResponse:
    service: Service | None = getattr(request.app.state, "service", None)  # none while it starts or ends
    role = getattr(request.state, "role", None)
    if service is not None and role is not None:
        content |= {
            "here": name,
            "login": bool(service.options.tokens),
            "writes": role == "operator",
            "dashboard": service.options.dashboard,
        }
        if name != "error":  # which may be about the database
            own = None if service.options.runner else _runner_command(service)
            content |= {"runner": _has_runner(service), "runner_command": own}
    return HTMLResponse(render_page(f"{name}.html.j2", **content), headers={"Cache-Control": "no-store"})


def _has_runner(service: Service) -> bool:
    return any(one.silent < SILENT_SECONDS for one in service.store.runners())


def _runner_command(service: Service) -> str:
    """What starts a runner; where people have to log in, the database is not theirs to know."""
    local = service.store.shown.startswith("sqlite:") and not service.options.tokens
    return f"sweep runner --storage {service.store.shown}" if local else "sweep runner --storage …"


# --- rows -------------------------------------------------------------------------------------------------------------


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    """A sweep in words; ``dashboards/table.js`` says the same."""
    trials = document["trials"]
    finished = trials["complete"] + trials["pruned"]
    others = [f"{trials[kind]:,} {kind}" for kind in ("pruned", "failed") if trials[kind]]
    said = f"{finished:,} of {wording.count(trials['budget'], 'trial')}"
    return {
        **{key: document[key] for key in ("name", "source", "state", "updated_at")},
        "budget": trials["budget"],
        "finished": finished,
        "trials": ", ".join([said, *others]),
        "bests": _bests(document),
        "headline": (document["answer"] or {}).get("headline", ""),
        "age": ago(datetime.fromisoformat(document["updated_at"])),
    }


def _bests(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The best raw score of each placement with its mark, and whether it is the best of all."""
    best: Mapping[str, Mapping[str, Any]] = document["best"]
    metric, marks = METRICS[document["metric"]], marks_of(list(best))
    scores = [one["score"] for one in best.values()]
    top = (max if metric.maximize else min)(scores, default=None)
    alike = len(scores) > 1 and len(set(scores)) == 1  # none of them is better
    return [
        {
            **placement_mark(placement, marks[placement].colour, marks[placement].shape),
            "score": wording.score(metric, one["score"]),
            "trial": one["trial"],
            "rates": ", ".join(dict.fromkeys(f"{rate:.2g}" for rate in one["rates"] if rate)),
            "top": one["score"] == top and not alike,
        }
        for placement, one in sorted(best.items(), key=lambda pair: (*_USUAL, pair[0]).index(pair[0]))
    ]


def placement_mark(placement: str, colour: int, shape: int) -> dict[str, Any]:
    """A placement as templates show it."""
    return {"placement": placement, "words": wording.placement(placement), "colour": colour, "shape": SHAPES[shape]}


def _metric(name: str) -> dict[str, str]:
    metric = METRICS[name]
    return {"title": metric.title, "better": "higher is better" if metric.maximize else "lower is better"}


def ago(instant: datetime, now: datetime | None = None) -> str:
    """``"just now"``, ``"12 min ago"``, ``"3 h ago"``, ``"2 days ago"``."""
    seconds = max(0.0, ((now or datetime.now(UTC)) - instant).total_seconds())
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    return f"{seconds // 3600:.0f} h ago" if seconds < 86400 else f"{wording.count(int(seconds // 86400), 'day')} ago"


def _turned(asked: Mapping[str, Any], key: str) -> str:
    if asked["sort"] == key:
        return "desc" if asked["order"] == "asc" else "asc"
    return "asc" if key in ("name", "state") else "desc"


def _link(asked: Mapping[str, Any], **changes: Any) -> str:
    wanted = {key: value for key, value in {**asked, **changes}.items() if value != _STANDARD.get(key, value)}
    return f"/?{urlencode(wanted)}" if wanted else "/"
