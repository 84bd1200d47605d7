"""What stands before everything, whatever is mounted behind: here an application that does whatever it is asked."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.websockets import WebSocketDisconnect

from sweep.service import access, bodies, headers
from sweep.service.guard import UPLOADS, GuardedApp, crosses, host_name, origin_of
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
)

SAME = {"Sec-Fetch-Site": "same-origin"}
JSON = {"Content-Type": "application/json"}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING")


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "WRONG_SECONDS", 0.01)
        patch.setattr(bodies, "LINGER_SECONDS", 0.5)
        yield


# ------------------------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("host", "answered"),
    {
        "localhost": True,
        "LOCALHOST:8000": True,
        "localhost.": True,
        "127.0.0.1:8000": True,
        "[::1]:8000": True,
        "evil.example": False,
        "evil.example:8000": False,
        "localhost.evil.example": False,
        "localhost@evil.example": False,
        "evil.example#localhost": False,
        "evil.example/localhost": False,
        "localhost:x": False,
        "[::1": False,
        "192.0.2.1": False,
        "": False,
    }.items(),
)
@pytest.mark.parametrize("login", [False, True])
def test_only_requests_that_name_this_service(host: str, answered: bool, login: bool, behind: Behind) -> None:
    """A name of somebody else's that was pointed here (DNS rebinding) is none."""
    somebody = client(app_with(behind, login=login), OPERATOR, Host=host)
    for path in ("/api/x", "/health"):
        found = somebody.get(path)
        assert found.status_code == (200 if answered else 421)
        assert answered or found.json()["code"] == "host"
    assert bool(behind.seen) == answered


def test_two_hosts_are_none(behind: Behind) -> None:
    somebody = client(app_with(behind, login=False))
    assert somebody.get("/api/x", headers=[("Host", "localhost"), ("Host", "localhost")]).status_code == 421


def test_where_any_host_will_do(behind: Behind) -> None:
    somebody = client(app_with(behind, hosts=frozenset()), VIEWER, Host="sweep.example.org")
    assert somebody.get("/api/x").status_code == 200


@pytest.mark.parametrize(
    ("header", "name"),
    {"a.b:1": "a.b", "[::1]:1": "::1", "A": "a", "u@a": "", "a/b": "", "a?b": "", "a#b": "", "a:b": "", "": ""}.items(),
)
def test_names_in_hosts(header: str, name: str) -> None:
    assert host_name(header) == name


# ------------------------------------------------------------------------------------------------------------- sites

CROSSING: list[tuple[dict[str, str], bool]] = [
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),  # typed by whoever sits there
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),  # such as another port of localhost
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
    ({"Sec-Fetch-Site": "anything"}, False),
    ({"Origin": "http://localhost"}, True),
    ({"Origin": "http://localhost:80"}, True),
    ({"Origin": "http://localhost:3000"}, False),
    ({"Origin": "https://localhost"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "http://localhost.evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
]


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize(("sent", "answered"), CROSSING, ids=str)
def test_changes_from_pages_of_other_sites(sent: dict[str, str], answered: bool, login: bool, behind: Behind) -> None:
    """On the dashboard's routes as on ours, with a session, which browsers send by themselves, and without a login."""
    app = app_with(behind, "/api", "/v1/x", login=login)
    somebody = client(app)
    if login:
        somebody.post("/login", data={"token": OPERATOR}, headers=SAME)
    for method in UNSAFE:
        for path in ("/api/studies/1", "/v1/x/y"):
            found = somebody.request(method, path, headers=sent | JSON)
            assert found.status_code == (200 if answered else 403), (method, found.text)
            assert answered or found.json()["code"] == "cross_site"
    assert bool(behind.seen) == answered
    behind.seen.clear()
    # A token, which no browser sends by itself, changes nothing of that.
    assert client(app, OPERATOR).post("/api/x", headers=sent).status_code == (200 if answered else 403)


def test_a_login_from_another_site_is_refused(behind: Behind) -> None:
    somebody = client(app_with(behind))
    for sent in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {}):
        found = somebody.post("/login", data={"token": OPERATOR}, headers=sent)
        assert (found.status_code, "set-cookie" in found.headers) == (403, False)


@pytest.mark.parametrize(
    ("kind", "answered"),
    {
        "application/x-www-form-urlencoded": False,
        "multipart/form-data; boundary=x": False,
        "text/plain;charset=utf-8": False,
        "TEXT/PLAIN": False,
        "application/json": True,
        "application/octet-stream": True,
        "": False,  # as of a Blob without a type, posted with `no-cors`
        ";": False,
    }.items(),
)
def test_without_a_login_nothing_that_a_form_can_send(kind: str, answered: bool, behind: Behind) -> None:
    """Browsers from before 2020 do not say where a form, or a script's post that need not ask, comes from."""
    somebody = client(app_with(behind, login=False))
    sent = {"Content-Type": kind} if kind else {}
    for content in (b"a=b", b""):  # what is done without a body, such as to pause, too
        found = somebody.post("/api/x", content=content, headers=sent)
        assert found.status_code == (200 if answered else 403), content
    # Those take asking first, whatever their type.
    assert [somebody.request(method, "/api/x").status_code for method in ("DELETE", "PUT", "PATCH")] == [200] * 3


def test_a_session_alone_is_not_enough_to_change_something(behind: Behind) -> None:
    app = app_with(behind)
    somebody = client(app)
    somebody.post("/login", data={"token": OPERATOR}, headers=SAME)
    refused = somebody.delete("/api/x", headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    assert somebody.get("/api/x").status_code == 200
    assert client(app, OPERATOR).delete("/api/x").status_code == 200


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),  # a link
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, False),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, False),
    ],
    ids=str,
)
def test_other_sites_may_lead_here_and_no_more(sent: dict[str, str], answered: bool, behind: Behind) -> None:
    found = client(app_with(behind, login=False)).get("/api/x", headers=sent)
    assert found.status_code == (200 if answered else 403)


def test_the_own_origin_behind_tls(behind: Behind) -> None:
    somebody = client(app_with(behind, login=False, secure=True))
    assert somebody.post("/api/x", headers={"Origin": "https://localhost"}).status_code == 200
    assert somebody.post("/api/x", headers={"Origin": "http://localhost"}).status_code == 403
    assert origin_of("HTTPS://A.B:443/c") == "https://a.b"
    assert origin_of("http://[::1]:8000") == "http://[::1]:8000"
    assert [origin_of(none) for none in ("null", "", "http://a:b", "//a")] == [""] * 4
    # What is no origin is not this service's, even if that were none either.
    assert crosses("POST", Headers({"origin": "null"}), "http://a", has_token=True, login=True)


# ------------------------------------------------------------------------------------------------------------- roles


def test_viewers_look_and_operators_do(behind: Behind) -> None:
    app = app_with(behind, "/api", "/dashboard", "/v1/x", "/anything")
    for prefix in ("/api", "/dashboard", "/v1/x", "/anything"):
        for method in ("GET", "HEAD", "OPTIONS", *UNSAFE):
            path = f"{prefix}/login"
            statuses = [
                client(app, token).request(method, path).status_code for token in (OPERATOR, VIEWER, "wrong", "")
            ]
            safe = method in ("GET", "HEAD", "OPTIONS")
            assert statuses == [200, 200 if safe else 403, 401, 401], (method, path)
            somebody = client(app)
            somebody.post("/login", data={"token": VIEWER}, headers=SAME)
            assert somebody.request(method, path, headers=SAME).status_code == (200 if safe else 403)
    assert client(app, VIEWER).post("/api/x").json()["code"] == "viewer"
    assert {method for method, *_ in behind.seen} == {"GET", "HEAD", "OPTIONS", *UNSAFE}


def test_who_is_nobody_is_told_to_log_in_wherever_he_comes_from(behind: Behind) -> None:
    """And nothing of his is done. Else who forgets his token would be told of pages of other sites."""
    app = app_with(behind)
    for sent in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        for token in ("", "wrong"):
            found = client(app, token).post("/api/x", headers=sent)
            assert (found.status_code, found.json()["code"]) == (401, "login")
    assert behind.seen == []


def test_handlers_know_the_role(behind: Behind) -> None:
    app = app_with(behind)

    @app.get("/v1/role")
    def role(request: Request) -> str:
        return str(request.state.role)

    assert [client(app, token).get("/v1/role").json() for token in (OPERATOR, VIEWER)] == ["operator", "viewer"]
    assert client(app_with(behind, login=False)).get("/login").status_code == 303


def test_who_is_not_logged_in(behind: Behind) -> None:
    somebody = client(app_with(behind, "/api", "/assets", "/loginx"))
    found = somebody.get("/api/x")
    assert (found.status_code, found.json()["code"], found.headers["www-authenticate"]) == (401, "login", "Bearer")
    assert found.headers["content-type"] == "application/problem+json"
    pages = {"Accept": "text/html,*/*;q=0.8"}
    assert somebody.get("/api/x", headers=pages).headers["location"] == "/login?next=/api/x"
    assert somebody.head("/api/x", headers=pages).status_code == 401
    assert somebody.get("/loginx/x").status_code == 401
    assert [somebody.get(path).status_code for path in ("/health", "/login", "/assets/x.js")] == [200] * 3
    assert somebody.get("/v1/openapi.json").status_code == 401
    assert somebody.get("/metrics").status_code == 401


# ------------------------------------------------------------------------------------------------------------ bodies


def receiving(behind: Behind) -> GuardedApp:
    """With little room, and something that takes uploads as they come."""
    app = app_with(behind, upload_bytes=3 * bodies.LARGEST, login=False)

    @app.post(UPLOADS)
    async def upload(request: Request) -> str:
        size = 0
        async for part in request.stream():
            size += len(part)
        behind.seen.append(("POST", UPLOADS, size))
        return "reached"

    in_front(app, 1)
    return app


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[Behind, int]]:
    """A real server of that, and its port."""
    behind = Behind()
    with listening(receiving(behind)) as port:
        yield behind, port


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


CHUNKED = ("Transfer-Encoding: chunked", "Content-Type: application/json")


@pytest.mark.parametrize(("path", "limit"), [("/api/x", bodies.LARGEST), (UPLOADS, 4 * bodies.LARGEST)])
def test_bodies_in_chunks_that_never_end(path: str, limit: int, real: tuple[Behind, int]) -> None:
    """Nothing announces their size: they are counted while they come, and no more of them is taken than is allowed."""
    behind, port = real
    piece = chunk(b"x" * 65536)
    behind.seen.clear()
    with connected(port) as connection:
        connection.sendall(head("POST", path, *CHUNKED))
        for _ in range(limit // 65536 + 1):
            connection.sendall(piece)
        status, headers, problem = answer(connection)
    assert (status, problem["code"], headers["connection"]) == (413, "too_large", "close")
    assert f"at most {limit:,} bytes" in problem["detail"]
    assert behind.seen == []
    with connected(port) as connection:  # what is allowed arrives
        connection.sendall(head("POST", path, *CHUNKED, "Connection: close"))
        for _ in range(limit // 65536):
            connection.sendall(piece)
        connection.sendall(b"0\r\n\r\n")
        assert answer(connection)[0] == 200
    assert behind.seen == [("POST", path, limit)]


@pytest.mark.parametrize("path", ["/api/x", UPLOADS])
def test_a_body_that_is_announced_too_large_is_not_waited_for(path: str, real: tuple[Behind, int]) -> None:
    with connected(real[1]) as connection:
        connection.sendall(head("POST", path, f"Content-Length: {2**33}", "Content-Type: text/csv") + b"x" * 100_000)
        status, headers, problem = answer(connection)
    assert (status, problem["code"], headers["connection"]) == (413, "too_large", "close")


def test_who_sends_all_of_it_reads_the_answer(real: tuple[Behind, int]) -> None:
    """Closed at once the connection would be reset under the client, and the answer lost."""
    size = 24 * 2**20
    with connected(real[1]) as connection:
        connection.sendall(head("POST", "/api/x", f"Content-Length: {size}", *CHUNKED[1:]))
        for _ in range(size // 65536):
            connection.sendall(b"x" * 65536)
        assert answer(connection)[0] == 413


def test_who_asks_first_is_told_at_once(real: tuple[Behind, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 600.0)
    with connected(real[1]) as connection:
        connection.sendall(head("POST", "/api/x", f"Content-Length: {2**33}", "Expect: 100-continue", *CHUNKED[1:]))
        assert answer(connection)[0] == 413


@pytest.mark.parametrize("path", ["/api/x", UPLOADS])
def test_a_request_that_is_cut_in_the_middle(path: str, behind: Behind) -> None:
    with listening(receiving(behind)) as port:
        with connected(port) as connection:
            connection.sendall(head("POST", path, "Content-Length: 1000", *CHUNKED[1:]) + b"half of it")
        with connected(port) as connection:
            connection.sendall(head("POST", path, *CHUNKED) + b"100\r\nhalf of a chunk")
        with connected(port) as connection:  # others are served as before
            connection.sendall(head("GET", "/health", "Connection: close"))
            assert answer(connection)[0] == 200
    assert behind.seen == []  # now that all have ended


@pytest.mark.parametrize("path", ["/api/x", UPLOADS])
def test_a_body_that_trickles(path: str, real: tuple[Behind, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 0.1)
    with connected(real[1]) as connection:
        connection.sendall(head("POST", path, "Content-Length: 1000", *CHUNKED[1:]) + b"x")
        status, headers, problem = answer(connection)
    assert (status, problem["code"], headers["connection"]) == (408, "slow", "close")


def test_whatever_is_made_of_a_body_that_is_refused_it_is_refused(behind: Behind) -> None:
    """Who handles it may take what has come for all of it."""
    app = app_with(behind, login=False, upload_bytes=1)

    @app.post(UPLOADS)
    async def upload(request: Request) -> str:
        with suppress(Exception):
            await request.body()
        return "taken"

    in_front(app, 1)
    found = client(app).post(UPLOADS, content=iter([b"x" * (bodies.LARGEST + 2)]), headers=JSON)
    assert (found.status_code, found.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("length", ["-1", "1e3", "", "9" * 20])
def test_lengths_that_are_none(length: str, behind: Behind) -> None:
    somebody = client(app_with(behind, login=False))
    found = somebody.post("/api/x", headers={"Content-Length": length} | JSON)
    assert (found.status_code, found.json()["code"]) == (400, "length")
    assert behind.seen == []


def test_who_may_not_is_not_read(behind: Behind) -> None:
    """Nothing is read of a request that is refused anyway."""
    with listening(app_with(behind)) as port, connected(port) as connection:
        connection.sendall(head("POST", "/api/x", "Content-Length: 1000", f"Authorization: Bearer {VIEWER}"))
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (403, "close")


# ----------------------------------------------------------------------------------------------------------- headers


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
        found = b""
        while b"first\n\n" not in found:
            found += connection.recv(65536)
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
        found = b""
        while b"first\n\n" not in found:
            found += connection.recv(65536)
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
        assert by_token.recv(65536).endswith(b"first\n\n\r\n")
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
