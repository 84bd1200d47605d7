"""Fixtures for tests of the run loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Databases
from tests.run.reference import SWEEPS, Begin, Reference, Templates, make_reference


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reference]:
    return {sampler: make_reference(sampler, tmp_path_factory.mktemp(sampler)) for sampler in SWEEPS}


@pytest.fixture
def reference(references: dict[str, Reference]) -> Reference:
    return references["random"]


@pytest.fixture(params=SWEEPS)
def each(request: pytest.FixtureRequest, references: dict[str, Reference]) -> Reference:
    return references[request.param]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("begun"))


@pytest.fixture(params=["sqlite", "postgresql"])
def begun(request: pytest.FixtureRequest, templates: Templates, tmp_path: Path) -> Iterator[Begin]:
    """Makes databases in which a sweep is stored, and nothing asked: the test runs once on each kind."""
    if request.param == "sqlite":
        yield lambda reference: templates.copied_file(reference, tmp_path)
        return
    databases: Databases = request.getfixturevalue("databases")
    made: list[str] = []

    def copy(reference: Reference) -> str:
        made.append(templates.copied_database(reference, databases))
        return made[-1]

    yield copy
    for url in made:
        databases.drop(url)
