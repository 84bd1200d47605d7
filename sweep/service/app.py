"""Everything of the service put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from sweep.service import access, health, metrics, pages, problems
from sweep.service.dashboard import add_dashboard
from sweep.service.guard import GuardedApp
from sweep.service.options import ServeOptions
from sweep.service.problems import Problem
from sweep.service.state import Service
from sweep.service.v1 import definitions, edits, estimates, jobs, results, runners, sweeps, uploads


def create_app(options: ServeOptions) -> FastAPI:
    """The service as an ASGI application, behind its guard; the database is opened when it starts.

    Raises:
        UserError: At its start, by what starts it: the database cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with Service(options) as service:
            app.state.service = service
            yield

    numbers = metrics.Metrics()
    app = GuardedApp(
        options,
        numbers.observe,
        title="sweep",
        summary="Does dropout help on your table of data, where, and how much?",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # behind a proxy with TLS they would lead to plain HTTP
        docs_url=None,  # its page would load its parts from the network
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        responses={
            "default": {"model": Problem, "description": "What went wrong.", "content": {problems.MEDIA_TYPE: {}}}
        },
    )
    problems.add_handlers(app)
    app.state.readiness, app.state.metrics = health.Readiness(), numbers
    api = (definitions, edits, estimates, uploads, sweeps, results, jobs, runners)
    for module in (access, health, metrics, *api, pages):
        app.include_router(module.router)
    if options.dashboard:
        add_dashboard(app)
    pages.add_error_pages(app)
    return app
