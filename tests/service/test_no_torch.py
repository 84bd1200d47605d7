"""Handling every route leaves PyTorch unimported: the web process is small, and never trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.service.served import IRIS, make_sweeps

ROOT = Path(__file__).parents[2]

# A call of each route, `{…}` filled in; more calls than one where they take different ways.
CALLS: list[tuple[str, str, str, object]] = [
    ("GET", "/v1/openapi.json", "", None),
    ("GET", "/", "", None),
    ("GET", "/new", "", None),
    ("GET", "/sweeps/{name}", "done", None),
    ("GET", "/sweeps/{name}", "nobody", None),
    ("GET", "/assets/{known}/{name}", "app.css", None),
    ("GET", "/favicon.ico", "", None),
    ("GET", "/health", "", None),
    ("GET", "/ready", "", None),
    ("GET", "/metrics", "", None),
    ("GET", "/login", "", None),
    ("POST", "/login", "", {"token": "x"}),
    ("POST", "/logout", "", None),
    ("GET", "/v1/sweeps", "", None),
    ("POST", "/v1/sweeps", "", {"definition": IRIS}),
    ("GET", "/v1/sweeps/{name}", "done", None),
    ("GET", "/v1/sweeps/{name}/definition", "done", None),
    ("GET", "/v1/sweeps/{name}/trials", "done", None),
    ("GET", "/v1/sweeps/{name}/log", "done", None),
    ("GET", "/v1/sweeps/{name}/live", "nobody", None),  # what there is to hear, test_live listens to
    ("GET", "/v1/sweeps/{name}/figures", "done", None),
    ("GET", "/v1/sweeps/{name}/best", "done", None),
    ("GET", "/v1/sweeps/{name}/answer", "done", None),
    ("GET", "/v1/sweeps/{name}/report", "done", None),
    ("GET", "/v1/sweeps/{name}/exports/toml", "done", None),
    ("GET", "/v1/sweeps/{name}/exports/json", "done", None),
    ("POST", "/v1/sweeps/{name}/exports", "done", {"format": "toml"}),
    ("POST", "/v1/sweeps/{name}/exports", "done", {"format": "onnx"}),
    ("POST", "/v1/sweeps/{name}/answer", "done", {}),
    ("POST", "/v1/sweeps/{name}/extend", "done", {"trials": 20}),
    ("POST", "/v1/sweeps/{name}/pause", "done", None),
    ("POST", "/v1/sweeps/{name}/resume", "done", None),
    ("POST", "/v1/sweeps/{name}/cancel", "done", None),
    ("DELETE", "/v1/sweeps/{name}", "orphaned", None),
    ("GET", "/v1/jobs/{job_id}", 32 * "0", None),
    ("GET", "/v1/jobs/{job_id}/file", 32 * "0", None),
    ("GET", "/v1/runners", "", None),
    ("POST", "/v1/uploads", "?name=t.csv", "a,b,y\n" + "1,2,no\n3,4,yes\n" * 20),
    ("GET", "/v1/uploads/{upload}", 32 * "0", None),
    ("DELETE", "/v1/uploads/{upload}", 32 * "0", None),
    ("POST", "/v1/uploads/{upload}/definition", 32 * "0", {"target": None}),
    ("GET", "/v1/definitions", "", None),
    ("GET", "/v1/definitions/{name}", "sonar", None),
    ("POST", "/v1/definitions/suggest", "", {"source": "sklearn:iris"}),
    ("POST", "/v1/definitions/check", "", {"definition": IRIS}),
    ("POST", "/v1/definitions/edit", "", {"definition": IRIS, "changes": {"search.trials": 8}}),
    ("POST", "/v1/estimates", "", {"definition": IRIS}),
]

# In a fresh interpreter: this one has imported PyTorch long ago.
SCRIPT = """
import json, re, sys
from fastapi.testclient import TestClient
from sweep.service.app import create_app
from sweep.service.options import ServeOptions

def routes(one):
    for route in one:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router.routes)
        for method in sorted(getattr(route, "methods", None) or ()):
            yield method, route.path

storage, calls = json.loads(sys.stdin.read())
app = create_app(ServeOptions(storage=storage, hosts=frozenset({"testserver"})))
said = {}
with TestClient(app, raise_server_exceptions=False, headers={"Sec-Fetch-Site": "same-origin"}) as client:
    for method, path, value, body in calls:
        url = re.sub(r"{[^}]+}", value, path) if "{" in path else path + value
        content = {"content": body.encode()} if isinstance(body, str) else {} if body is None else {"json": body}
        said[f"{method} {url}"] = client.request(method, url, **content).status_code
imported = {"torch", "distributed", "numba", "plotly"} & sys.modules.keys()
print(json.dumps([list(routes(app.routes)), said, sorted(imported)]))
"""


def test_every_route_is_handled_without_torch(sqlite_url: str) -> None:
    make_sweeps(sqlite_url)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([sqlite_url, CALLS]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    routes, said, imported = json.loads(done.stdout)
    handled = {(method, path) for method, path, _, _ in CALLS}
    ours = {(method, path) for method, path in routes if method != "HEAD"}
    assert not ours - handled, "a route without a call here: add one to CALLS"
    assert not {call: status for call, status in said.items() if status >= 500}
    succeeded = {call for call, status in said.items() if status < 300}
    assert {"GET /v1/sweeps/done/report", "GET /v1/sweeps/done/answer", "POST /v1/sweeps"} <= succeeded
    assert not imported
