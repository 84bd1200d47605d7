"""What the guard adds to responses: headers for browsers, compression; streams of events, and how they end."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.datastructures import MutableHeaders
from starlette.websockets import WebSocketDisconnect

from sweep.service import access, bodies, headers
from sweep.service.guard import GuardedApp
from tests.command_line import ROOT
from tests.service.serving import (
    OPERATOR,
    VIEWER,
    Behind,
    answer,
    app_with,
    client,
    connected,
    head,
    in_front,
    listening,
    received,
)

pytestmark = pytest.mark.usefixtures("quick")


def secured(behind: Behind, **changes: Any) -> GuardedApp:
    app = app_with(behind, "/api", "/dashboard", "/static", "/artifacts", "/assets", **changes)

    @app.get("/v1/bug")
    def bug() -> None:
        raise RuntimeError("a bug of a test")

    @app.get("/v1/sweeps/x/report")
    def report() -> HTMLResponse:
        return HTMLResponse("", headers={"Content-Security-Policy": "sandbox allow-scripts;"})

    @app.get("/v1/kept")
    def kept() -> HTMLResponse:
        return HTMLResponse("", headers={"Cache-Control": "max-age=5", "Content-Security-Policy": "default-src 'none'"})

    in_front(app, 3)
    return app


def test_every_response_has_what_browsers_have_to_know(behind: Behind) -> None:
    app = secured(behind)
    found = [
        client(app, OPERATOR).get("/api/x"),
        client(app, OPERATOR).get("/nowhere"),
        client(app, OPERATOR).get("/v1/bug"),
        client(app, OPERATOR).get("/ready"),  # there is no database
        client(app, VIEWER).post("/api/x"),
        client(app).get("/api/x", headers={"Accept": "text/html"}),
        client(app).get("/api/x", headers={"Host": "evil.example"}),
        client(app).get("/login"),
        client(app, OPERATOR).post("/api/x", content=b"x" * (bodies.LARGEST + 1)),
        client(app, OPERATOR).get("/assets/x"),
    ]
    assert [one.status_code for one in found] == [200, 404, 500, 500, 403, 303, 421, 200, 413, 200]
    for one in found:
        sent = one.headers
        assert sent["x-content-type-options"] == "nosniff"
        assert sent["referrer-policy"] == "same-origin"
        assert sent["x-frame-options"] == "DENY"
        assert sent["cross-origin-opener-policy"] == "same-origin"
        assert sent["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in sent["permissions-policy"]
        assert sent["cache-control"] == ("no-cache" if "/assets" in str(one.url) else "no-store")
        assert "frame-ancestors 'none'" in sent["content-security-policy"]
        assert "default-src 'none'" in sent["content-security-policy"]
        assert "strict-transport-security" not in sent
        assert "server" not in sent
        assert not [name for name in sent if name.startswith("access-control-")]
        assert len(sent["x-request-id"]) == 16


def test_policies(behind: Behind) -> None:
    app = secured(behind)
    policies = {
        path: client(app, OPERATOR).get(path).headers["content-security-policy"]
        for path in ("/", "/login", "/api/x", "/dashboard", "/dashboardx", "/static/x", "/v1/x", "/artifacts/1/2")
    }
    assert policies == {
        "/": headers.PAGES,
        "/login": headers.PAGES,
        "/dashboardx": headers.PAGES,
        "/api/x": headers.DASHBOARD,
        "/dashboard": headers.DASHBOARD,
        "/static/x": headers.DASHBOARD,
        "/v1/x": headers.NOTHING,
        "/artifacts/1/2": headers.NOTHING,
    }
    assert "unsafe" not in headers.PAGES + headers.NOTHING
    report = client(app, VIEWER).get("/v1/sweeps/x/report").headers
    assert report["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
    assert report["x-frame-options"] == "SAMEORIGIN"
    kept = client(app, VIEWER).get("/v1/kept").headers
    assert (kept["cache-control"], kept["x-frame-options"]) == ("max-age=5", "DENY")
    assert kept["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_browsers_come_by_tls_again(behind: Behind) -> None:
    found = client(secured(behind, secure=True)).get("/login").headers
    assert found["strict-transport-security"] == "max-age=31536000"


def test_headers_are_completed_once() -> None:
    sent = MutableHeaders({"X-Frame-Options": "ALLOWALL", "x-content-type-options": "no"})
    headers.add_headers(sent, "/", secure=False)
    assert sent.getlist("x-frame-options") == ["DENY"]
    assert sent.getlist("x-content-type-options") == ["nosniff"]


def test_a_bug_is_answered_and_logged_once(behind: Behind, caplog: pytest.LogCaptureFixture) -> None:
    found = client(secured(behind), OPERATOR).get("/v1/bug")
    assert (found.status_code, found.json()["code"]) == (500, "bug")
    assert "a bug of a test" not in found.text
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == ["a bug in sweep"]


# ------------------------------------------------------------------------------------------------ compression, streams


FIRST = b"data: first\n\n\r\n"  # the end of its chunk too


def streaming(behind: Behind, *, login: bool = False) -> GuardedApp:
    app = app_with(behind, login=login)

    async def two() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.Event().wait()

    @app.get("/v1/events")
    def events() -> StreamingResponse:
        return StreamingResponse(two(), media_type="text/event-stream")

    @app.get("/v1/long")
    def long() -> list[int]:
        return list(range(10_000))

    return app


def test_events_come_at_once_uncompressed_and_end_with_the_service(behind: Behind) -> None:
    app = streaming(behind)
    with listening(app) as port, connected(port) as connection:
        connection.sendall(head("GET", "/v1/events", "Accept-Encoding: gzip"))
        found = received(connection, FIRST)
        assert b"content-encoding" not in found.lower()
        app.state.ending.begin()
        while part := connection.recv(65536) if not found.endswith(b"0\r\n\r\n") else b"":
            found += part
        assert found.endswith(b"0\r\n\r\n")  # in good order: browsers come again by themselves


@pytest.mark.parametrize("way", ["logout", "idle", "evicted"])
def test_events_end_with_the_session(way: str, behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WATCH_SECONDS", 0.02)
    app = streaming(behind, login=True)
    guard: access.Access = app.state.access
    session = guard.log_in("viewer")
    shown = f"Cookie: sweep_session={session}"
    with listening(app) as port, connected(port) as connection, connected(port) as by_token:
        connection.sendall(head("GET", "/v1/events", shown))
        by_token.sendall(head("GET", "/v1/events", f"Authorization: Bearer {VIEWER}"))
        found = received(connection, FIRST)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):  # as long as the session lasts, so does it
            connection.recv(1)
        connection.settimeout(60)
        if way == "logout":
            with connected(port) as another:
                another.sendall(head("POST", "/logout", shown, "Origin: http://localhost", "Connection: close"))
                assert answer(another)[0] == 303
        elif way == "idle":  # to listen is not to use it
            monkeypatch.setattr(access, "IDLE_SECONDS", 0.0)
        else:
            monkeypatch.setattr(access, "MOST_SESSIONS", 1)
            guard.log_in("viewer")
        while part := b"" if found.endswith(b"0\r\n\r\n") else connection.recv(65536):
            found += part
        assert found.endswith(b"0\r\n\r\n")
        received(by_token, FIRST)
        by_token.settimeout(0.1)
        with pytest.raises(TimeoutError):
            by_token.recv(1)


def test_what_is_long_is_compressed(behind: Behind) -> None:
    with listening(streaming(behind)) as port, connected(port) as connection:
        connection.sendall(head("GET", "/v1/long", "Accept-Encoding: gzip", "Connection: close"))
        _, sent, body = 0, *answer_raw(connection)
        assert sent["content-encoding"] == "gzip"
        assert "accept-encoding" in sent["vary"].lower()
        assert gzip.decompress(body).startswith(b"[0,1,2")


def answer_raw(connection: Any) -> tuple[dict[str, str], bytes]:
    found = b""
    while part := connection.recv(65536):
        found += part
    start, _, body = found.partition(b"\r\n\r\n")
    lines = start.decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body


def test_there_are_no_web_sockets(behind: Behind) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client(app_with(behind, login=False)).websocket_connect("/api/x"),
    ):
        pytest.fail("accepted")
    assert behind.seen == []


def test_no_address_is_led_to_another_one(behind: Behind) -> None:
    """With a slash too many it is none: behind a proxy with TLS the way to the right one would be plain HTTP."""
    for path in ("/v1/sweeps/", "/login/", "/v1/openapi.json/"):
        found = client(app_with(behind), OPERATOR).get(path)
        assert (found.status_code, "location" in found.headers) == (404, False)


def test_the_document_names_tests_that_are_there() -> None:
    document = (ROOT / "docs" / "security.md").read_text()
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", document))
    assert len(named) > 30
    assert named <= there
