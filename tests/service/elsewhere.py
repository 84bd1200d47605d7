"""Another server, on loopback, which tables are fetched from; and all that a service tells whoever looks."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from sweep.commands.clerk import duties
from sweep.errors import SweepError
from sweep.operate.clerk import LANES
from sweep.store.store import Store
from tests.service.served import until
from tests.service.test_live import Stream


class Elsewhere:
    """A server that counts who asks. A context manager.

    Attributes:
        url: Where it is.
        tables: What it answers, by path; other paths are not found.
        leads_to: In place of any answer, where it sends whoever asks.
        asked: Paths with queries, in the order of asking.
    """

    def __init__(self, **tables: str) -> None:
        self.tables = {f"/{name}.csv": text for name, text in tables.items()}
        self.leads_to: str | None = None
        self.asked: list[str] = []
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                here.asked.append(self.path)
                content = here.tables.get(self.path.partition("?")[0])
                if here.leads_to is not None:
                    self.send_response(302)
                    self.send_header("Location", here.leads_to)
                    content = ""
                else:
                    self.send_response(200 if content is not None else 404)
                body = (content or "").encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reach_loopback(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Has this process and those that it starts fetch from loopback directly, and know nothing fetched earlier."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SWEEP_CACHE", str(folder / "cache"))


def do_jobs(storage: str, folder: Path) -> dict[str, str | None]:
    """Does what a clerk has been asked for, in this process: why each was not done, by its id."""
    reasons: dict[str, str | None] = {}
    with Store.open(storage) as store:
        while (job := store.take_job(LANES[0] + LANES[1], "a token of tests", 600.0)) is not None:
            own = folder / job.id
            own.mkdir()
            try:
                done = duties(None)[job.kind].do(storage, job, own, lambda _: None)
            except SweepError as error:
                reasons[job.id] = str(error)
                store.fail_job(job.id, "a token of tests", str(error))
            else:
                reasons[job.id] = None
                store.finish_job(job.id, "a token of tests", done.result, done.file)
    return reasons


def all_that_is_told(app: FastAPI, client: httpx2.Client, sweeps: list[str], jobs: list[str]) -> dict[str, str]:
    """What every GET route of a service answers, by path; files in archives one by one."""
    told: dict[str, str] = {}
    values = {"job_id": jobs, "upload": ["0" * 32]}
    paths = set(_paths(app.routes))
    assert {"/v1/sweeps/{name}/definition", "/v1/jobs/{job_id}/file", "/dashboard"} <= paths
    for path in sorted(paths):
        key = (re.findall(r"{(\w+)", path) or [""])[-1]
        names = ["sonar"] if path.startswith("/v1/definitions/") else sweeps
        for value in values.get(key, names if key == "name" else [""]):
            address = re.sub(r"{[^}]+}", value, path)
            if address.endswith("/live"):
                told[address] = _heard(client, address)
            elif not path.startswith("/assets/"):
                _tell(told, client, address)
    for study in client.get("/api/studies").json()["study_summaries"]:
        for address in ("/api/studies", f"/api/studies/{study['study_id']}", f"/csv/{study['study_id']}"):
            _tell(told, client, address)
    return told


def _paths(routes: Any) -> Iterator[str]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _paths(route.original_router.routes)
        elif "GET" in (getattr(route, "methods", None) or {"GET"}):
            yield route.path


def _tell(told: dict[str, str], client: httpx2.Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code < 500, answer.text
    told[address] = f"{answer.headers}\n{answer.content.decode(errors='replace')}"
    if answer.content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            for name in archive.namelist():
                told[f"{address}: {name}"] = archive.read(name).decode(errors="replace")


def _heard(client: httpx2.Client, address: str) -> str:
    """The first things that somebody hears who listens."""
    stream = Stream(client, address)
    until(lambda: bool(stream.of("status") and stream.of("log")), f"nothing is heard of {address}")
    stream.close()
    return str([(event.name, event.data) for event in stream.heard])
