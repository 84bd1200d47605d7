"""The Optuna dashboard: who is answered, where it listens, and what it waits for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import pytest

from sweep.cli import dashboard
from sweep.errors import NotFoundError, StorageError, UserError
from sweep.run.study import optuna_storage
from sweep.service.dashboard_answers import loopback_only
from sweep.store.store import Store
from tests.command_line import start


def make_tables(storage: str) -> None:
    """Ours and Optuna's, empty."""
    with Store.open(storage, create=True) as store, optuna_storage(store):
        pass


def application(_: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"here"]


@pytest.mark.parametrize(
    ("host", "answered"),
    {
        "localhost:8080": True,
        "localhost": True,
        "LOCALHOST": True,
        "127.0.0.1:8080": True,
        "127.0.0.1": True,
        "[::1]:8080": True,
        "[::1]": True,
        "": False,
        "evil.example": False,
        "evil.example:8080": False,
        "localhost.evil.example:8080": False,
        "127.0.0.1.evil.example": False,
        "localhost@evil.example": False,
        "evil.example#localhost": False,
        "192.0.2.1:8080": False,
        "0.0.0.0:8080": False,
        "[::1": False,
        "[::]": False,
    }.items(),
)
def test_only_requests_that_name_loopback_are_answered(host: str, answered: bool) -> None:
    """Browsers send the name that the page's address has, whatever it points to."""
    said: list[str] = []
    body = loopback_only(application)({"HTTP_HOST": host}, lambda status, _: said.append(status))
    assert (said == ["200 OK"], b"here" in body) == (answered, answered)


def served(
    storage: str, host: str, monkeypatch: pytest.MonkeyPatch, *, wait: bool = False
) -> tuple[list[str], list[str], list[str]]:
    """Where it listens, the address that it names and what else it says; it listens on 127.0.0.1 in truth."""
    asked: list[str] = []

    def on_loopback(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        return make_server("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(dashboard, "make_server", on_loopback)
    ready: list[str] = []
    said: list[str] = []

    def end(address: str) -> None:
        ready.append(address.rpartition(":")[0])
        raise KeyboardInterrupt

    dashboard.serve(storage, host, 0, wait=wait, ready=end, say=said.append)
    return asked, ready, said


def test_it_warns_where_others_can_reach_it(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables(sqlite_url)
    assert served(sqlite_url, "127.0.0.1", monkeypatch) == (["127.0.0.1"], ["http://127.0.0.1"], [])
    # The address that it names is one that can be opened: all of a machine's are none.
    asked, ready, said = served(sqlite_url, "0.0.0.0", monkeypatch)  # noqa: S104 - on loopback in truth
    assert (asked, ready) == (["0.0.0.0"], ["http://127.0.0.1"])  # noqa: S104 - likewise
    assert len(said) == 1
    assert "without a login" in said[0]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6(tmp_path: Path) -> None:
    make_tables(f"sqlite:///{tmp_path / 'sweep.db'}")
    with start(tmp_path, "dashboard", "--host", "::1", "--port", "0") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        process.terminate()
    assert address.startswith("http://[::1]:")


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("localhost", "--host must be an IP address"),
        ("", "nothing"),
        ("192.0.2.1", r"port 8080 must be free.*\(192\.0\.2\.1;"),
    ],
)
def test_an_address_that_is_none_or_not_this_machines(host: str, said: str, sqlite_url: str) -> None:
    make_tables(sqlite_url)
    with pytest.raises(UserError, match=said):
        dashboard.serve(sqlite_url, host, 8080, wait=False, ready=pytest.fail, say=lambda _: None)


@pytest.mark.no_tables
def test_it_waits_for_a_database_and_for_tables_in_it(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_ours() -> None:
        with Store.open(sqlite_url, create=True):
            pass

    # What happens while it sleeps, one after the other.
    happens: Iterator[Callable[[], None]] = iter(
        [lambda: None, make_ours, lambda: None, lambda: make_tables(sqlite_url)]
    )
    monkeypatch.setattr(dashboard, "sleep", lambda _: next(happens)())
    _, ready, said = served(sqlite_url, "127.0.0.1", monkeypatch, wait=True)
    assert ready == ["http://127.0.0.1"]
    # Each reason once.
    assert [text[:23] for text in said] == ["waiting: no database at", "waiting: no study in sq"]


@pytest.mark.no_tables
def test_without_being_told_to_wait_it_does_not(sqlite_url: str) -> None:
    with pytest.raises(NotFoundError, match="no database at"):
        dashboard.serve(sqlite_url, "127.0.0.1", 0, wait=False, ready=pytest.fail, say=pytest.fail)


def test_it_waits_for_nothing_that_can_never_be(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="storage must be"):
        dashboard.serve("mysql://x/y", "127.0.0.1", 0, wait=True, ready=pytest.fail, say=pytest.fail)
