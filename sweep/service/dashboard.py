"""Optuna's dashboard behind the service's login, on its origin.

It has no login of its own, and no rights: all of its GET and HEAD requests read, and all others write.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, cast

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sweep.run.study import optuna_storage
from sweep.service.headers import VIEWER
from sweep.store.store import Store

PREFIXES = ("/dashboard", "/api", "/static", "/csv", "/artifacts", "/favicon.ico")
"""What it owns at the root, each with everything below it."""

THREADS = 8
"""That answer requests; one that waits for another on the same study takes one, too."""


class Dashboard:
    """The dashboard of one database, opened when it is first asked for. Use it in a ``with`` statement.

    Args:
        store: The database, open for as long as this is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._open.close()
            self._app = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request.

        Raises:
            StorageError: The database cannot be used.
        """
        app = self._app if self._app is not None else await run_in_threadpool(self._opened)
        await app(scope, receive, send)

    def _opened(self) -> ASGIApp:
        with self._lock:
            if self._app is None:
                # Loaded now: whoever never looks at it does not wait for it, nor hold it in memory.
                from a2wsgi import WSGIMiddleware

                from sweep.service.dashboard_app import DashboardApp

                with ExitStack() as stack:
                    tables = stack.enter_context(optuna_storage(self._store))
                    bridge = WSGIMiddleware(cast("Any", DashboardApp(self._store, tables)), THREADS)
                    stack.callback(bridge.executor.shutdown)
                    self._open = stack.pop_all()
                self._app = cast("ASGIApp", bridge)
            return self._app


class _Endpoint:
    """Of the routes: the dashboard of the service that an application belongs to."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dashboard: Dashboard = scope["app"].state.service.dashboard
        own = VIEWER.encode()
        headers = [one for one in scope["headers"] if one[0] != own]  # nobody says it of himself
        if scope.get("state", {}).get("role") == "viewer":
            headers.append((own, b"1"))
        await dashboard({**scope, "headers": headers}, receive, send)


def add_dashboard(app: FastAPI) -> None:
    """Has an application answer whatever the dashboard owns."""
    for prefix in PREFIXES:
        for path in (prefix, f"{prefix}/{{rest:path}}"):
            app.router.routes.append(Route(path, _Endpoint(), include_in_schema=False))
