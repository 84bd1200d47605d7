"""The service in tests: in this process without a network, or listening on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from sweep.service.access import digest
from sweep.service.app import create_app
from sweep.service.guard import GuardedApp
from sweep.service.options import ServeOptions
from sweep.service.server import Server, configured

OPERATOR, VIEWER = "operator-token-of-tests-only", "viewer-token-of-tests-only!!"
HOST = "localhost"
NOWHERE = "sqlite:///nowhere/at/all.db"  # what needs no database is tested without


def options(*, login: bool = True, storage: str = NOWHERE, **changes: Any) -> ServeOptions:
    """With a token for each role, or without any; without Optuna's dashboard, in whose place tests mount something."""
    tokens = {digest(OPERATOR): "operator", digest(VIEWER): "viewer"} if login else {}
    return ServeOptions(storage, **{"tokens": tokens, "dashboard": False, **changes})


class Behind:
    """An application of nobody's, to stand behind the guard: it answers whatever comes, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        self.seen.append((scope["method"], scope["path"], size))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"reached"})


def app_with(behind: Behind, *paths: str, **changes: Any) -> GuardedApp:
    """The whole service, with something mounted."""
    app = create_app(options(**changes))
    for path in paths or ("/api",):
        app.router.routes.insert(0, Mount(path, behind))  # before what the service has there
    assert isinstance(app, GuardedApp)
    return app


def in_front(app: FastAPI, routes: int) -> None:
    """Has the last routes that were added come first: the service may have others for the same paths."""
    own = app.router.routes
    own[:0] = [own.pop() for _ in range(routes)]


def client(app: FastAPI, token: str = "", **headers: str) -> TestClient:
    """Somebody, with a token."""
    shown = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(app, base_url=f"http://{HOST}", headers=shown | headers, follow_redirects=False)


@contextmanager
def listening(app: GuardedApp, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a real server of an application; without a database."""
    ready = threading.Event()
    server = Server(configured(app, context), ready.set, app.state.ending.begin)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        assert ready.wait(60)
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """To such a server."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        yield connection


def head(method: str, path: str, *lines: str) -> bytes:
    """Of a request, up to its body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *lines, "", ""]).encode()


def received(connection: socket.socket, end: bytes) -> bytes:
    """What comes, up to something that ends it, of a connection that the other side leaves open until then."""
    found = b""
    while not found.endswith(end):
        part = connection.recv(65536)
        assert part, f"closed after {found!r}"
        found += part
    return found


def answer(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body, as JSON if it is, of a connection that the other side closes."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return parsed(found)


def parsed(found: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of an answer."""
    start, _, body = found.partition(b"\r\n\r\n")
    status, *lines = start.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    is_json = "json" in headers.get("content-type", "")
    return int(status.split()[1]), headers, json.loads(body) if is_json else body
