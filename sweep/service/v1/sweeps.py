"""Sweeps: what there is, what is wanted of each, and what happened to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import PlainTextResponse

from sweep.operate import orders
from sweep.operate.overview import Glance
from sweep.operate.remove import delete as remove
from sweep.service.checking import checked
from sweep.service.problems import RefusedError
from sweep.service.repeated import Given
from sweep.service.state import Service, TheService
from sweep.service.v1.schemas import Done, Line, Log, More, NewSweep, State, Sweep, SweepName, Sweeps, Trial, TrialList
from sweep.spec.alone import for_others, left_out
from sweep.spec.definition import parse
from sweep.spec.source import source_name
from sweep.spec.toml import to_toml
from sweep.store.logbook import MOST_LINES

router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"])

MOST_LISTED = 1000
MOST_AT_ONCE = 10_000
_LARGEST = 2**53  # that every reader of JSON has exactly

_STATES: tuple[State, ...] = ("running", "queued", "paused", "failed", "cancelled", "orphaned", "done")


def _progress(glance: Glance) -> float:
    return glance.status.counts.finished / max(1, glance.status.budget)


_ORDER: dict[str, Callable[[Glance], object]] = {
    "name": lambda glance: glance.status.name.casefold(),
    "created": lambda glance: glance.status.created_at,
    "updated": lambda glance: glance.status.updated_at,
    "state": lambda glance: _STATES.index(glance.status.state),
    "progress": _progress,
}


@router.get("")
def list_sweeps(
    service: TheService,
    q: Annotated[str, Query(max_length=200, description="Stands in the name, the table or the metric.")] = "",
    state: Annotated[State | None, Query(description="Only those.")] = None,
    sort: Annotated[Literal["name", "created", "updated", "state", "progress"], Query()] = "created",
    order: Annotated[Literal["asc", "desc"], Query()] = "desc",
    offset: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=0, le=MOST_LISTED)] = 100,
) -> Sweeps:
    """The sweeps: as they were at most a second ago."""
    wanted = q.casefold()
    found = [one for one in service.snapshots.all().values() if _matches(one, wanted)]
    states = Counter(one.status.state for one in found)
    shown = [one for one in found if state is None or one.status.state == state]
    shown.sort(key=_ORDER[sort], reverse=order == "desc")  # type: ignore[arg-type]  # each has values of one type
    page = [Sweep.of(one) for one in shown[offset : offset + limit]]
    return Sweeps(sweeps=page, total=len(shown), states={name: states[name] for name in _STATES if states[name]})


def _matches(glance: Glance, wanted: str) -> bool:
    status = glance.status
    return any(wanted in text.casefold() for text in (status.name, source_name(status.source), status.metric))


@router.post("", status_code=201, responses={200: {"model": Sweep, "description": "The same was there."}})
def submit(
    new: NewSweep,
    service: TheService,
    idempotency_key: Annotated[
        str | None,
        Header(description="Of one's own making: a request that is sent again with it is answered as the first time."),
    ] = None,
) -> Sweep:
    """Queues a sweep for a runner.

    The same definition on the same table is the same sweep: asked for again, it is taken up where it rests.
    """
    given = service.repeated.answer(idempotency_key, new.model_dump_json().encode(), lambda: _submit(service, new))
    # Said to be a `Sweep` for the document; it is one, as bytes.
    return Response(given.content, given.status, media_type="application/json")  # type: ignore[return-value]


def _submit(service: Service, new: NewSweep) -> Given:
    found = checked(service, new.definition, new.upload, name=new.name, trials=new.trials)
    name = found.spec.name
    there = service.store.order(name) is not None or service.store.sweep(name) is not None
    orders.submit(service.store, found.spec, found.packed, found.task, new.priority)
    service.snapshots.invalidate()
    sweep = Sweep.of(service.snapshots.one(name))
    return Given(200 if there else 201, sweep.model_dump_json().encode())


@router.get("/{name}")
def sweep(name: SweepName, service: TheService) -> Sweep:
    """How far a sweep is."""
    return Sweep.of(service.snapshots.one(name))


@router.delete("/{name}", status_code=204)
def delete(name: SweepName, service: TheService) -> None:
    """Deletes a sweep: its study, its trials, its answer, its place in the queue. One that runs is cancelled first."""
    service.snapshots.one(name)
    try:
        # On a store of its own: while it holds the sweep's lease, nothing else may be written through it.
        with service.store.again() as store:
            remove(store, name)
    finally:
        service.snapshots.invalidate()


@router.post("/{name}/pause")
def pause(name: SweepName, service: TheService) -> Done:
    """Has a sweep rest until it is resumed; whoever runs it stops within seconds, and everything finished is kept."""
    return _done(service, name, lambda: orders.rest(service.store, name, "paused"))


@router.post("/{name}/resume")
def resume(name: SweepName, service: TheService) -> Done:
    """Has runners go on with a sweep that rests or has failed."""
    return _done(service, name, lambda: orders.resume(service.store, name))


@router.post("/{name}/cancel")
def cancel(name: SweepName, service: TheService) -> Done:
    """Gives a sweep up; everything finished is kept."""
    return _done(service, name, lambda: orders.rest(service.store, name, "cancelled"))


@router.post("/{name}/extend")
def extend(name: SweepName, more: More, service: TheService) -> Done:
    """Has runners do more trials."""
    return _done(service, name, lambda: orders.extend(service.store, name, more.trials))


def _done(service: Service, name: str, do: Callable[[], str]) -> Done:
    service.snapshots.one(name)  # or a refusal that lists no other sweeps
    said = do()
    service.snapshots.invalidate()
    return Done(said=said, sweep=Sweep.of(service.snapshots.one(name)))


@router.get(
    "/{name}/definition",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "TOML."}},
)
def definition(name: SweepName, service: TheService) -> PlainTextResponse:
    """The definition as TOML, all defaults spelled out.

    A table that is a file is named without its folder, an address without what may be secret in it.
    """
    order, found = service.store.order(name), service.store.sweep(name)
    text = order.definition if order is not None else None if found is None else found.definition
    if text is None:
        raise RefusedError(404, f"no sweep named {name}")
    whole = parse(text)
    shown = for_others(whole)
    comments = "".join(f"# {line}\n\n" for line in left_out(whole, shown))
    return PlainTextResponse(f"{comments}{to_toml(shown)}")


@router.get("/{name}/trials")
def trials(
    name: SweepName,
    service: TheService,
    after: Annotated[int, Query(ge=-1, le=_LARGEST, description="Number of a trial: those behind it.")] = -1,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 1000,
) -> TrialList:
    """The finished trials by number. Trials finish in another order: one may come in before those that are known."""
    key = service.snapshots.one(name).key
    found = [] if key is None else service.store.trials(key, after, limit)
    return TrialList(trials=[Trial.of(trial) for trial in found])


@router.get("/{name}/log")
def log(
    name: SweepName,
    service: TheService,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="Id of the last line that is known.")] = 0,
) -> Log:
    """What happened to a sweep; of one that has much trouble the latest."""
    service.snapshots.one(name)
    return Log(lines=[Line.of(line) for line in service.store.log_lines(name, after, MOST_LINES)])
