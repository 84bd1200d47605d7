"""Handling every route leaves PyTorch unimported: the web process is small, and never trains."""

from __future__ import annotations

from pathlib import Path

from tests.service.served import IRIS

ROOT = Path(__file__).parents[2]

# A call of each route, `{…}` filled in; more calls than one where they take different ways.
CALLS = [
    ("GET", "/v1/sweeps", "", None),
    ("POST", "/v1/sweeps", "", {"definition": IRIS}),
    ("GET", "/v1/sweeps/{name}", "done", None),
    ("GET", "/v1/sweeps/{name}/definition", "done", None),
    ("GET", "/v1/sweeps/{name}/trials", "done", None),
    ("GET", "/v1/sweeps/{name}/log", "done", None),
    ("GET", "/v1/sweeps/{name}/figures", "done", None),
    ("GET", "/v1/sweeps/{name}/best", "done", None),
    ("GET", "/v1/sweeps/{name}/answer", "done", None),
    ("GET", "/v1/sweeps/{name}/report", "done", None),
    ("GET", "/v1/sweeps/{name}/exports/toml", "done", None),
    ("GET", "/v1/sweeps/{name}/exports/json", "done", None),
    ("POST", "/v1/sweeps/{name}/exports", "done", {"format": "onnx"}),
    ("POST", "/v1/sweeps/{name}/answer", "done", {}),
    ("POST", "/v1/sweeps/{name}/extend", "done", {"trials": 20}),
    ("POST", "/v1/sweeps/{name}/pause", "done", None),
    ("POST", "/v1/sweeps/{name}/resume", "done", None),
    ("POST", "/v1/sweeps/{name}/cancel", "done", None),
    ("GET", "/v1/sweeps/{name}/live", "nobody", None),  # its stream is read by test_live
    ("DELETE", "/v1/sweeps/{name}", "orphaned", None),
    ("GET", "/v1/jobs/{job_id}", 32 * "0", None),
    ("GET", "/v1/jobs/{job_id}/file", 32 * "0", None),
    ("GET", "/v1/runners", "", None),
    ("GET", "/v1/openapi.json", "", None),
]


def templates(routes: list[object]) -> set[tuple[str, str]]:
    """Method and path of every route, those of routers included."""
    found: set[tuple[str, str]] = set()
    for route in routes:
        path = getattr(route, "path", None)
        for method in getattr(route, "methods", None) or ():
            if isinstance(path, str) and method != "HEAD":
                found.add((method, path))
    return found
