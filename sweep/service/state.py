"""What requests share."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Annotated, Self, cast

from fastapi import Depends, Request

from sweep.service.dashboard import Dashboard
from sweep.service.intake import Intake
from sweep.service.live import Live
from sweep.service.options import ServeOptions
from sweep.service.reader import remove_left_folders
from sweep.service.renderer import Renderer
from sweep.service.repeated import Repeated
from sweep.service.snapshots import Snapshots
from sweep.store.store import Store


class Service:
    """The database and what is kept beside it, for as long as the service runs. Use it in a ``with`` statement.

    Attributes:
        options: What it was started with.
        store: The database; its methods may be called from several threads.
        intake: Tables that are handed in, and who reads them.
        snapshots: How far sweeps are.
        renderer: Makes reports, figures, summaries.
        live: Who listens to what happens.
        repeated: What was answered to requests that may come again.
        dashboard: Optuna's, on the same database.
    """

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        self._open = ExitStack()
        # A service may be started before anything was ever stored.
        self.store = self._open.enter_context(Store.open(options.storage, create=True))
        remove_left_folders()
        self.intake = Intake(options, self.store)
        self.snapshots = Snapshots(self.store)
        self.renderer = Renderer(options.storage)
        self._open.callback(self.renderer.close)
        self.live = Live(self.store, self.snapshots, self.renderer)
        self._open.callback(self.live.close)
        self.repeated = Repeated()
        self.dashboard = self._open.enter_context(Dashboard(self.store))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


async def service_of(request: Request) -> Service:
    """The service that a request has come to. In the event loop: slow requests may have all threads of the pool."""
    return cast("Service", request.app.state.service)


TheService = Annotated[Service, Depends(service_of)]
"""Of a path operation: the service."""
