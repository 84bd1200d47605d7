"""What commands do with ``--server``: the same, but a service has the database and its runner does the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sweep import wording
from sweep.analysis.results import Counts, Epochs, SweepStatus
from sweep.commands.client import Client, path_of
from sweep.commands.progress import Display, Standing
from sweep.errors import SweepError
from sweep.metrics import METRICS
from sweep.spec.model import SweepSpec
from sweep.spec.source import is_local, local_file
from sweep.spec.toml import to_toml
from sweep.tables.sources import local_path

_OVER = ("done", "paused", "cancelled", "failed", "orphaned")


def status(client: Client, name: str) -> SweepStatus:
    """How far a sweep is.

    Raises:
        NotFoundError: No sweep has that name.
    """
    return status_of(client.get(path_of("sweeps", name)))


def statuses(client: Client) -> tuple[SweepStatus, ...]:
    """How far every sweep is, oldest first."""
    found: list[SweepStatus] = []
    while True:
        page = client.get("/sweeps", sort="created", order="asc", offset=len(found), limit=500)
        found += [status_of(one) for one in page["sweeps"]]
        if not page["sweeps"] or len(found) >= page["total"]:
            return tuple(found)


def submit(client: Client, spec: SweepSpec, priority: int, display: Display) -> SweepStatus:
    """Hands in a table that is a file here, and the definition.

    Raises:
        UserError: The service takes neither or not both: the message says why.
    """
    upload = None
    if is_local(spec.data.source):
        file = local_path(spec.data.source, spec.base_dir)
        display.doing(f"handing in {local_file(spec.data.source, spec.base_dir)}")
        table = client.upload(file, header=spec.data.header)
        upload = table["id"]
        spec = replace(spec, data=replace(spec.data, source=table["name"]))
    display.doing("handing in the definition")
    return status_of(client.post("/sweeps", {"definition": to_toml(spec), "upload": upload, "priority": priority}))


def follow(client: Client, name: str, display: Display) -> SweepStatus:
    """Tells how far a sweep is, until it rests.

    Raises:
        SweepError: It failed, or somebody had it rest.
        KeyboardInterrupt: Ctrl-C; the sweep goes on.
    """
    path = path_of("sweeps", name)

    def look(document: Mapping[str, Any]) -> None:
        found = status_of(document)
        if found.state == "queued" and not found.counts.finished:
            if display.standing is None:
                display.doing("queued: waiting for a runner")
            return
        best = {placement: one["score"] for placement, one in document["best"].items()}
        if display.standing is None:
            standing = Standing(name, METRICS[found.metric], found.budget, found.counts.finished, best=best)
            display.begin(standing)
        display.standing.take(found.counts.finished, best)  # type: ignore[union-attr]  # begun a line above
        display.update()

    try:
        found = status_of(client.wait_for(path, lambda document: document["state"] in _OVER, on_look=look))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: the sweep {name} goes on at {client.address}; `sweep cancel` ends it"
        ) from None
    if found.state == "failed":
        raise SweepError(f"the sweep {name} failed: {found.reason}")
    if found.state != "done":
        raise SweepError(
            f"the sweep {name} is {found.state}: {found.counts.finished} of {found.budget} trials are finished"
        )
    return found


def answer(client: Client, name: str, request: Mapping[str, Any], display: Display) -> None:
    """Has the runner train what an answer lacks.

    Raises:
        SweepError: It cannot be had.
    """
    display.doing("asking for the answer")
    _job(client, client.post(path_of("sweeps", name, "answer"), request), display)


def export(client: Client, name: str, form: str, trial: int | None, ensemble: int | None, display: Display) -> bytes:
    """The best configuration in some form.

    Raises:
        SweepError: It cannot be made.
    """
    request = {"format": form, "trial": trial, "ensemble": ensemble}
    done = _job(client, client.post(path_of("sweeps", name, "exports"), request), display)
    return client.file(path_of("jobs", done["id"], "file"))


def _job(client: Client, job: Mapping[str, Any], display: Display) -> Mapping[str, Any]:
    told = ""

    def look(document: Mapping[str, Any]) -> None:
        nonlocal told
        doing = document["progress"] or ("waiting for a runner" if document["state"] == "queued" else "at work")
        if doing != told:
            told = doing
            display.doing(doing)

    try:
        found: Mapping[str, Any] = client.wait_for(
            path_of("jobs", job["id"]), lambda document: document["state"] in ("done", "failed"), on_look=look
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: the work goes on at {client.address}; the same command waits for it"
        ) from None
    if found["state"] == "failed":
        raise SweepError(str(found["reason"]))
    return found


def status_of(document: Mapping[str, Any]) -> SweepStatus:
    """How far a sweep is, from its document."""
    trials, epochs = document["trials"], document["epochs"]
    return SweepStatus(
        name=document["name"],
        state=document["state"],
        budget=trials["budget"],
        counts=Counts(trials["complete"], trials["pruned"], trials["failed"], trials["running"]),
        epochs=Epochs(epochs["trained"], epochs["full"]),
        metric=document["metric"],
        source=document["source"],
        created_at=datetime.fromisoformat(document["created_at"]),
        updated_at=datetime.fromisoformat(document["updated_at"]),
        holder=document["holder"],
        reason=document["reason"],
    )


def queued(found: SweepStatus) -> str:
    """What came of handing a sweep in, in words."""
    return f"{found.name} is {found.state}, {wording.count(found.budget, 'trial')}"
