"""Requests made up from the OpenAPI document: every answer is one that it promises, and none is a failure of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.served import make_sweeps, served, sqlite_in

FEW = 2  # of each operation

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    url = sqlite_in(tmp_path_factory.mktemp("openapi"))
    make_sweeps(url)
    with served(url) as client:
        yield schemathesis.openapi.from_asgi("/v1/openapi.json", client.app)


def test_what_is_answered_is_what_the_document_says(document: Any) -> None:
    # Not with its own decorator, which takes the document when tests are collected: there is no database then.
    for found in document.get_all_operations():
        operation = found.ok()
        if not operation.path.endswith("/live"):  # it has no end
            _check(operation)


def _check(operation: Any) -> None:
    @settings(max_examples=FEW, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
    @given(case=operation.as_strategy(), real=st.booleans())
    def check(case: Any, real: bool) -> None:
        if real and "name" in case.path_parameters:
            case.path_parameters["name"] = "done"
        case.call_and_validate(checks=CHECKS, headers={"Sec-Fetch-Site": "same-origin"})

    check()


def test_everything_is_said_to_be_something(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served(sqlite_in(tmp_path_factory.mktemp("empty"))) as client:
        found = client.get("/v1/openapi.json").json()
    operations = [(path, method, one) for path, methods in found["paths"].items() for method, one in methods.items()]
    assert len(operations) > 20
    for path, method, one in operations:
        assert one.get("summary"), f"{method} {path}"
        assert "default" in one["responses"], f"{method} {path}"
