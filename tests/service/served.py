"""A service over a database of made sweeps; a runner where something shall be trained."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import optuna
import uvicorn
from fastapi.testclient import TestClient

from sweep.analysis.summary import summarise
from sweep.answer.choose import choose
from sweep.answer.stored import save_answer
from sweep.commands.progress import Quiet
from sweep.commands.queue import work
from sweep.run.study import optuna_storage
from sweep.service.app import create_app
from sweep.service.options import ServeOptions
from sweep.service.state import Service
from sweep.store.store import Store
from tests.made_answer import helps
from tests.stored_sweep import fill

IRIS = 'format = 1\nname = "iris"\n[data]\nsource = "sklearn:iris"\n[search]\ntrials = 24\n'

PATIENCE = 60.0
"""Seconds for what takes a moment on a machine that does nothing else."""


def make_sweeps(url: str) -> None:
    """``done`` with an answer, ``running``, ``waits`` in the queue, and ``orphaned``."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        fill(url, "done", trials=12, budget=12)
        fill(url, "running", trials=5, running=2, budget=12)
        fill(url, "orphaned", trials=4, budget=12)
        with Store.open(url) as store:
            delete_study(store, "orphaned")
            give_answer(store, "done")
    finally:
        optuna.logging.set_verbosity(verbosity)


def delete_study(store: Store, name: str) -> None:
    """As somebody does it elsewhere."""
    with optuna_storage(store) as storage:
        optuna.delete_study(study_name=name, storage=storage)


def give_answer(store: Store, name: str) -> None:
    """Stores an answer of a finished sweep, made up."""
    sweep = store.sweep(name)
    assert sweep is not None
    save_answer(store, sweep.key, choose(summarise(store, name)), replace(helps(), name=name, arms=helps().arms[:1]))


def options(url: str, **changes: Any) -> ServeOptions:
    return ServeOptions(**{"storage": url, "hosts": frozenset({"testserver", "127.0.0.1"}), **changes})


@contextmanager
def served(url: str) -> Iterator[TestClient]:
    """Asks the application in this process."""
    headers = {"Sec-Fetch-Site": "same-origin"}  # as a page of it
    with TestClient(create_app(options(url)), raise_server_exceptions=False, headers=headers) as client:
        yield client


@contextmanager
def made(url: str) -> Iterator[TestClient]:
    """Asks it over a database of made sweeps."""
    make_sweeps(url)
    with served(url) as client:
        yield client


def got(client: TestClient, path: str, status: int = 200, **params: Any) -> Any:
    """What a question is answered with, as JSON."""
    return _answered(client.get(path, params=params), status)


def asked(client: TestClient, path: str, status: int = 202, **body: Any) -> Any:
    """What a request for something to be done is answered with, as JSON."""
    return _answered(client.post(path, json=body), status)


def _answered(answer: httpx2.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def service_of(client: TestClient) -> Service:
    """What requests share."""
    return cast("Service", cast("object", client.app).state.service)  # type: ignore[attr-defined]


def until(done: Callable[[], bool], what: str) -> None:
    """Waits for something."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Listening:
    """A real server on loopback, in a thread.

    Attributes:
        url: Where it is.
        app: What answers.
        service: What its requests share.
        loop: Its event loop.
    """

    def __init__(self, url: str, **changes: Any) -> None:
        self.app = create_app(options(url, **changes))
        config = uvicorn.Config(self.app, port=0, log_level="warning", lifespan="on", timeout_graceful_shutdown=20)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self.loop: asyncio.AbstractEventLoop | None = None

    def _run(self) -> None:
        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            await self._server.serve()

        asyncio.run(serve())

    def __enter__(self) -> Listening:
        self._thread.start()
        until(lambda: self._server.started or not self._thread.is_alive(), "it does not start")
        assert self._server.started
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.service: Service = self.app.state.service
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        """Asks it to end, as `sweep serve` does: streams first."""
        self.service.live.end()
        self._server.should_exit = True

    def join(self) -> None:
        """Waits until it has ended."""
        self._thread.join(PATIENCE)

    @property
    def tasks(self) -> set[str]:
        """Names of the tasks of its loop that look at sweeps."""
        assert self.loop is not None
        return {task.get_name() for task in asyncio.all_tasks(self.loop) if task.get_name().startswith("live ")}


def client_of(listening: Listening) -> httpx2.Client:
    return httpx2.Client(base_url=listening.url, timeout=PATIENCE, trust_env=False)


def sqlite_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'served.db'}"


@contextmanager
def runner_for(storage: str) -> Iterator[None]:
    """Does what is queued by those inside, once it is."""
    end = threading.Event()

    def wait() -> None:
        with Store.open(storage) as store:
            until(lambda: end.is_set() or bool(store.orders(["queued"]) or store.jobs(states=["queued"])), "an order")
        if not end.is_set():
            work(
                storage,
                cluster="inline",
                workers=None,
                device="cpu",
                poll=0.1,
                once=True,
                jobs=False,
                display=Quiet(),
            )

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
