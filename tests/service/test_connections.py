"""Connections: slow clients, too many of them, and those who speak something else."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from fastapi import Response
from fastapi.responses import StreamingResponse

from sweep.service import connections
from sweep.service.server import tls
from tests.service.serving import Behind, answer, app_with, connected, head, listening, received

LARGE = 24 * 2**20  # more than the system's buffers hold
PATIENCE = 30.0


def test_a_head_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 3600.0)
    with listening(app_with(Behind(), login=False)) as port:
        with connected(port) as connection:  # also one that was used before
            connection.sendall(head("GET", "/health"))
            received(connection, b'{"status":"ok"}')
            monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
            connection.sendall(b"GET /heal")
            assert connection.recv(1) == b""
        for said in (b"", b"GET /heal", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "):
            with connected(port) as connection:
                connection.sendall(said)
                assert connection.recv(1) == b""


def test_a_head_that_is_too_long() -> None:
    with listening(app_with(Behind(), login=False)) as port, connected(port) as connection:
        connection.sendall(head("GET", "/health")[:-2] + b"X: " + b"x" * 2 * connections.HEADER_BYTES)
        assert answer(connection)[0] == 400


@contextmanager
def client_that_holds_little(port: int, size: int = 4096) -> Iterator[socket.socket]:
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", port))
        yield connection


def over(connection: socket.socket, seconds: float, *, reading: int = 0) -> bool:
    """Whether the other side breaks off meanwhile, as seen without reading, or while a few bytes are read."""
    polled, deadline = select.poll(), time.monotonic() + seconds
    polled.register(connection, 0)
    while time.monotonic() < deadline:
        if polled.poll(50):
            return True
        if reading:
            with suppress(ConnectionError):
                connection.recv(reading)
    return False


@pytest.mark.parametrize(
    ("path", "reading", "told"),
    [("/v1/whole", 0, True), ("/v1/whole", 0, False), ("/v1/parts", 0, True), ("/v1/parts", 4096, True)],
)
def test_who_does_not_read_is_left(path: str, reading: int, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of an answer, and when all of it was written and the connection is closed on our side; who reads
    too little, too; also where the system does not tell what waits in its buffer."""
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.5)
    if reading:
        monkeypatch.setattr(connections, "SLOWEST", 2**20)  # bytes a second: more than he takes
    if not told:
        monkeypatch.setattr("termios.TIOCOUTQ", -1)
    app, ended = app_with(Behind(), login=False), threading.Event()

    @app.get("/v1/whole")
    def whole() -> Response:
        return Response(bytes(LARGE), media_type="application/octet-stream")

    async def for_ever() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(65536)
                await asyncio.sleep(0)  # who has left is noticed in between
        finally:
            ended.set()

    @app.get("/v1/parts")
    async def parts() -> StreamingResponse:
        return StreamingResponse(for_ever(), media_type="application/octet-stream")

    with listening(app) as port, client_that_holds_little(port) as connection:
        connection.sendall(head("GET", path, "Connection: close"))
        connection.recv(1)
        assert over(connection, PATIENCE, reading=reading)
        assert path == "/v1/whole" or ended.wait(PATIENCE)


def test_who_does_not_read_is_left_by_tls_too(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.5)
    app = app_with(Behind(), login=False)

    @app.get("/v1/whole")
    def whole() -> Response:
        return Response(bytes(LARGE), media_type="application/octet-stream")

    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        listening(app, tls(*certificate)) as port,
        client_that_holds_little(port) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head("GET", "/v1/whole"))
        connection.recv(1)
        assert over(connection, PATIENCE)


def test_who_reads_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor who waits for the next event, for as long as there is none."""
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 1.0)
    app = app_with(Behind(), login=False)

    @app.get("/v1/whole")
    def whole() -> Response:
        return Response(bytes(2**21), media_type="application/octet-stream")

    async def two() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.sleep(2 * connections.UNREAD_SECONDS)
        yield "data: second\n\n"

    @app.get("/v1/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(two(), media_type="text/event-stream")

    with listening(app) as port, connected(port) as listener, client_that_holds_little(port, 2**16) as connection:
        listener.sendall(head("GET", "/v1/events", "Connection: close"))
        connection.sendall(head("GET", "/v1/whole"))
        got, began = 0, time.monotonic()
        while got < 2**21:
            part = connection.recv(8192)
            assert part
            got += len(part)
            time.sleep(0.01)
        assert time.monotonic() - began > 2 * connections.UNREAD_SECONDS
        assert b"second" in answer(listener)[2]


def test_too_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes then is told so; and nothing, once there are too many of those."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(connections, "MOST_REFUSED", 1)
    with listening(app_with(Behind(), login=False)) as port, ExitStack() as stack:
        *_, third = [stack.enter_context(connected(port)) for _ in range(3)]
        beyond = stack.enter_context(connected(port))
        with suppress(ConnectionError):
            assert beyond.recv(1) == b""
        third.sendall(head("GET", "/health", "Connection: close"))
        status, headers, problem = answer(third)
        assert (status, problem["code"], headers["retry-after"]) == (503, "busy", "5")
        assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")


def test_nothing_is_left_of_a_connection() -> None:
    """Such as something that looks at it for ever."""

    def there() -> int:
        gc.collect()
        return sum(type(one) is connections.Patient for one in gc.get_objects())

    with listening(app_with(Behind(), login=False)) as port:
        with connected(port) as connection:
            connection.sendall(head("GET", "/health"))
            received(connection, b'{"status":"ok"}')
            assert there()
        deadline = time.monotonic() + PATIENCE
        while there():
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_is_no_http() -> None:
    """It is answered with the headers that all answers have."""
    with listening(app_with(Behind(), login=False)) as port, connected(port) as connection:
        connection.sendall(b"GET <script> HTTP/9\r\n\r\n")
        status, headers, problem = answer(connection)
        assert (status, problem["code"], headers["content-type"]) == (400, "no_http", "application/problem+json")
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
