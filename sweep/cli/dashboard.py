"""``sweep dashboard``: the Optuna dashboard on a storage, for this machine alone.

It has no login, and most of what it offers changes the study. So it listens on loopback, and answers only requests that
name it as loopback: a web page elsewhere whose name was pointed here (DNS rebinding) is refused.
"""

from __future__ import annotations

import contextlib
import socketserver
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna_dashboard

from sweep.errors import NotFoundError, UserError
from sweep.run.study import cached, open_storage
from sweep.store.store import Store

HOST = "127.0.0.1"

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def serve(storage: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves until interrupted.

    Args:
        storage: Database URL.
        port: 0 for any free one.
        ready: Called with the address once it answers.

    Raises:
        NotFoundError: There is no such database, or no study in it.
        StorageError: It cannot be used.
        UserError: The port is taken or not allowed.
    """
    with Store.open(storage) as store, open_storage(store) as tables:
        if tables is None:
            raise NotFoundError(f"no study in {store.shown}: `sweep run` stores the first one")
        application = loopback_only(optuna_dashboard.wsgi(cached(tables)))
        try:
            server = make_server(HOST, port, application, server_class=_Server, handler_class=_Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"port {port} must be free, however: {reason} (--port takes another one)") from error
        with server, contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
            ready(f"http://{HOST}:{server.server_port}/")
            server.serve_forever(poll_interval=0.1)


def loopback_only(application: Application) -> Application:
    """The same application for requests that name loopback as their host."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = str(environ.get("HTTP_HOST", "")).rpartition(":")[0] or environ.get("HTTP_HOST", "")
        if host in (HOST, "localhost"):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"this dashboard answers on loopback only\n"]

    return answer


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request: a page polls while it loads."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing."""
