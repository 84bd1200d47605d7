"""Definitions: those that come with the program, one for a table, and what is wrong with one: ``/v1/definitions``."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from sweep.errors import DefinitionError, UserError
from sweep.service.checking import column_problems, placed, understood
from sweep.service.problems import RefusedError, Said, said
from sweep.service.sources import source_problem
from sweep.service.state import TheService
from sweep.service.v1.schemas import In
from sweep.service.v1.uploads import Suggestion, suggestion
from sweep.spec.definition import parse, shipped_definitions
from sweep.spec.model import plain

router = APIRouter(prefix="/v1", tags=["definitions"])


class Shipped(BaseModel):
    """A definition that comes with the program."""

    name: str
    summary: str
    source: str


class ShippedList(BaseModel):
    """All of them."""

    definitions: list[Shipped]


class Text(BaseModel):
    """A definition as it stands in its file."""

    name: str
    definition: str


class Source(In):
    """A table that needs not be handed in, such as ``sklearn:iris``, and what to predict of it."""

    source: str
    target: str | int | None = None


class Written(In):
    """A definition that somebody is writing, and the table that was handed in for it."""

    definition: str
    upload: str | None = None


class Report(BaseModel):
    """What is wrong with a definition, each where it stands; and what it says, once nothing is."""

    problems: list[Said]
    name: str | None
    fields: dict[str, Any] | None


@router.get("/definitions")
def shipped() -> ShippedList:
    """The definitions that come with the program and whose table everybody can read."""
    found = []
    for name, path in shipped_definitions().items():
        text = path.read_text(encoding="utf-8")
        spec = parse(text, path)
        if source_problem(spec.data.source, ()) is None:
            found.append(Shipped(name=name, summary=_summary(text), source=spec.data.source))
    return ShippedList(definitions=found)


@router.get("/definitions/{name}")
def text_of(name: str) -> Text:
    """One of them, as it stands in its file."""
    known = shipped_definitions()
    if name not in known:
        raise RefusedError(404, f"no shipped definition {name[:100]!r}; there are: {', '.join(known)}")
    return Text(name=name, definition=known[name].read_text(encoding="utf-8"))


@router.post("/definitions/suggest")
def suggest(wanted: Source, service: TheService) -> Suggestion:
    """Suggests a definition for a table that needs not be handed in."""
    allowed = service.options.sources
    if problem := source_problem(wanted.source, allowed):
        raise RefusedError(422, f"{problem.place} {problem.said}", "source", [problem])
    try:
        return suggestion(service.intake.reader.suggest(wanted.source, None, wanted.target, sources=allowed))
    except UserError as error:
        raise RefusedError(422, str(error), "table", [placed(str(error), wanted.source)]) from error


@router.post("/definitions/check")
def check(written: Written, service: TheService) -> Report:
    """Says what is wrong with a definition, from its text and what was seen in its table; at once."""
    try:
        spec, upload = understood(service, written.definition, written.upload)
    except DefinitionError as error:
        return Report(problems=[said(line) for line in error.problems], name=None, fields=None)
    except RefusedError as error:
        if not error.problems:
            raise
        return Report(problems=list(error.problems), name=None, fields=None)
    problems = column_problems(spec, upload)
    return Report(problems=problems, name=spec.name, fields=None if problems else plain(spec))


def _summary(text: str) -> str:
    """The first sentence of the comment at the head of a definition."""
    head = re.match(r"(?:#.*\n)+", text)
    words = " ".join(line.lstrip("# ") for line in head[0].splitlines()) if head else ""
    return re.split(r"(?<=[.!?]) (?=[A-Z])", words)[0]
