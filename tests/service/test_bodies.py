"""Bodies of requests before the guard: too large, too slow, cut off, of no length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from fastapi import Request

from sweep.service import bodies
from sweep.service.guard import UPLOADS, GuardedApp
from tests.service.serving import (
    VIEWER,
    Behind,
    answer,
    app_with,
    client,
    connected,
    head,
    in_front,
    listening,
    parsed,
    received,
)

JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.usefixtures("quick")


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
def test_bodies_in_chunks_that_never_end(
    path: str, limit: int, real: tuple[Behind, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing announces their size: they are counted while they come, and no more of them is taken than is allowed."""
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 600.0)  # the answer comes before that
    behind, port = real
    piece = chunk(b"x" * 65536)
    behind.seen.clear()
    with connected(port) as connection:
        connection.sendall(head("POST", path, *CHUNKED))
        for _ in range(limit // 65536 + 1):
            connection.sendall(piece)
        status, headers, problem = parsed(received(connection, b"}"))
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
def test_a_body_that_is_announced_too_large_is_not_waited_for(
    path: str, real: tuple[Behind, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 600.0)
    with connected(real[1]) as connection:
        connection.sendall(head("POST", path, f"Content-Length: {2**33}", "Content-Type: text/csv") + b"x" * 100_000)
        status, headers, problem = parsed(received(connection, b"}"))
    assert (status, problem["code"], headers["connection"]) == (413, "too_large", "close")


def test_who_sends_all_of_it_reads_the_answer(real: tuple[Behind, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed at once the connection would be reset under the client, and the answer lost."""
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 60.0)
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
