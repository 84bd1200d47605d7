"""The service in this process, for tests of tables that are handed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from sweep.service.app import create_app
from sweep.service.options import ServeOptions
from sweep.service.reader import Limits, Reader
from sweep.service.state import Service


@contextmanager
def client(folder: Path, limits: Limits | None = None, **options: Any) -> Iterator[TestClient]:
    """Somebody who may do everything, at a service with a database in this folder."""
    app = create_app(ServeOptions(storage=f"sqlite:///{folder / 'sweeps.db'}", **options))
    with TestClient(app, base_url="http://localhost", headers={"Origin": "http://localhost"}) as browser:
        if limits is not None:
            service(browser).intake.reader = Reader(limits)
        yield browser


def service(browser: TestClient) -> Service:
    """What requests share."""
    found = browser.app.state.service  # type: ignore[attr-defined]
    assert isinstance(found, Service)
    return found


def hand_in(browser: TestClient, name: str, content: bytes | str) -> dict[str, Any]:
    """An upload that succeeds, as its document."""
    answer = browser.post("/v1/uploads", params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document
