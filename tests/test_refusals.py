"""What cannot be used is refused by every command alike: one clear error, exit status 2, nothing written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData, create_engine, text

from sweep.store.store import Store
from tests.command_line import RUN, Program

pytestmark = pytest.mark.no_tables

COMMANDS: dict[str, tuple[str, ...]] = {
    "run": RUN,
    "queue": ("run", "small.toml", "--queue"),
    "runner": ("runner", "--once", "--cluster", "inline"),
    "status": ("status", "small"),
    "answer": ("answer", "small", "--cluster", "inline"),
    "delete": ("delete", "small", "--yes"),
}


def contents(url: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        tables = MetaData()
        tables.reflect(connection)
        found = {table.name: list(connection.execute(table.select())) for table in tables.sorted_tables}
    engine.dispose()
    return found


def newer(url: str) -> None:
    Store.open(url, create=True).close()
    change(url, "UPDATE sweep_alembic_version SET version_num = '9999'")


def not_ours(url: str) -> None:
    change(url, "CREATE TABLE invoices (id INTEGER)", "INSERT INTO invoices VALUES (7)")


def change(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def refused(small: Program) -> Callable[..., None]:
    """Checks that a command is refused in one line, and leaves the folder as it is."""

    def check(*arguments: str, words: str) -> None:
        before = sorted(path.name for path in small.folder.iterdir())
        result = small(*arguments, status=2)
        assert result.out == ""
        # Commands say what they are at, each on a line of its own, before they meet it.
        *_, last = result.err.splitlines()
        assert last.startswith("error: ")
        assert words in last
        assert "secret" not in result.err
        assert sorted(path.name for path in small.folder.iterdir()) == before

    return check


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("make", "words"), [(newer, "was written by a newer sweep"), (not_ours, "invoices")])
def test_a_database_that_is_newer_or_not_ours(
    make: Callable[[str], None], words: str, command: str, storage_url: str, refused: Callable[..., None]
) -> None:
    make(storage_url)
    before = contents(storage_url)
    if make is not_ours and command in ("status", "answer", "delete"):
        words = "no sweep in"
    refused(*COMMANDS[command], "--storage", storage_url, words=words)
    assert contents(storage_url) == before


@pytest.fixture(scope="module")
def guarded(postgres_server: Path) -> Iterator[str]:
    """URL of a database that wants a password, which is another one."""
    with psycopg.connect(host=str(postgres_server), user="postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'the right one'")
        yield f"postgresql://guarded:secret@/postgres?host={postgres_server}"
        connection.execute("DROP ROLE guarded")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_password(command: str, guarded: str, refused: Callable[..., None]) -> None:
    refused(*COMMANDS[command], "--storage", guarded, words="password authentication failed")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_address_where_there_is_no_database(command: str, refused: Callable[..., None]) -> None:
    refused(*COMMANDS[command], "--storage", "postgresql://ann:secret@127.0.0.1:1/sweep", words="127.0.0.1")


@pytest.mark.parametrize("command", ["run", "answer"])
def test_an_address_where_there_is_no_cluster(
    command: str, small: Program, refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.launch.cluster.CONNECT_SECONDS", 1.0)
    if command == "answer":
        small(*RUN)
        with closing(sqlite3.connect(small.folder / "sweep.db")) as connection:
            before = list(connection.iterdump())
    arguments = ("run", "small.toml") if command == "run" else ("answer", "small")
    refused(*arguments, "--cluster", "tcp://127.0.0.1:1", words="no Dask scheduler answers at tcp://127.0.0.1:1")
    if command == "answer":
        with closing(sqlite3.connect(small.folder / "sweep.db")) as connection:
            assert list(connection.iterdump()) == before
