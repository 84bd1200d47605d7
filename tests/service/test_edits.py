"""Definitions changed by way of fields, and how long they would take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.service.served import IRIS, served, service_of


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with served(sqlite_url) as client:
        yield client


def posted(client: TestClient, path: str, status: int, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_field_is_changed_and_the_rest_kept(client: TestClient) -> None:
    text = f"# mine\n{IRIS}"
    found = posted(client, "/v1/definitions/edit", 200, definition=text, changes={"search.trials": 12})
    assert found == {"definition": text.replace("trials = 24", "trials = 12")}


def test_what_cannot_be_changed_is_said_where_it_stands(client: TestClient) -> None:
    problem = posted(client, "/v1/definitions/edit", 422, definition=IRIS, changes={"name.first": 1})
    assert problem["problems"][0]["place"] == "name"
    assert posted(client, "/v1/definitions/edit", 422, definition="[", changes={"seed": 1})["problems"]
    posted(client, "/v1/definitions/edit", 422, definition="x" * (2**16 + 1), changes={"seed": 1})
    posted(client, "/v1/definitions/edit", 422, definition=IRIS, changes={f"data.x{n}": n for n in range(101)})


def test_an_estimate_is_asked_of_a_clerk(client: TestClient) -> None:
    job = posted(client, "/v1/estimates", 202, definition=IRIS)
    assert (job["kind"], job["state"], job["sweep"]) == ("estimate", "queued", None)
    assert posted(client, "/v1/estimates", 202, definition=IRIS)["id"] == job["id"]
    stored = service_of(client).store.job(job["id"])
    assert stored is not None
    assert stored.request == {"definition": IRIS, "table_sha256": None}


def test_what_cannot_be_run_is_not_estimated(client: TestClient) -> None:
    wrong = IRIS.replace("trials = 24", "trials = 0")
    assert posted(client, "/v1/estimates", 422, definition=wrong)["problems"][0]["place"] == "search.trials"
    path = IRIS.replace("sklearn:iris", "/etc/passwd")
    assert posted(client, "/v1/estimates", 422, definition=path)["problems"][0]["place"] == "data.source"
    posted(client, "/v1/estimates", 404, definition=IRIS, upload="0" * 32)
    assert not service_of(client).store.jobs()
