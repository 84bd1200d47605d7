"""The command line as a client of a real service: what it prints is what it prints of a database."""

from __future__ import annotations

import http.server
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.service.access import digest
from sweep.store.store import Store
from tests.command_line import DEFINITION, Program, write_table
from tests.service.served import Listening, make_sweeps, runner_for, sqlite_in
from tests.service.serving import OPERATOR, VIEWER


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Its address, and its database: sweeps that no test changes, and those that tests add."""
    storage = sqlite_in(tmp_path_factory.mktemp("remote"))
    make_sweeps(storage)
    with Listening(storage) as listening:
        yield listening.url, storage


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    for key in ("SWEEP_SERVER", "SWEEP_TOKEN", "SWEEP_STORAGE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.chdir(tmp_path)
    return Program(tmp_path, capsys)


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("command", ["status", "best"])
def test_a_finished_sweep_reads_alike(
    command: str, form: tuple[str, ...], service: tuple[str, str], program: Program
) -> None:
    address, storage = service
    remote = program(command, "done", "--server", address, *form)
    assert remote.out == program(command, "done", "--storage", storage, *form).out


def test_the_list_is_the_same(service: tuple[str, str], program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    address, storage = service
    monkeypatch.setenv("SWEEP_SERVER", f"{address}/")
    assert program("list").out == program("list", "--storage", storage).out
    assert program.json("list") == program.json("list", "--storage", storage)


def test_export_and_report(service: tuple[str, str], program: Program) -> None:
    address, storage = service
    for form in ("toml", "json"):
        remote = program("export", "done", "--format", form, "--server", address)
        assert remote.out == program("export", "done", "--format", form, "--storage", storage).out
    program("report", "running", "--server", address)
    assert "<title>" in (program.folder / "running.html").read_text()
    program("export", "done", "-o", "best.toml", "--server", address)
    assert tomllib.loads((program.folder / "best.toml").read_text())["chosen"]["sweep"] == "done"
    program("export", "done", "-o", "best.toml", "--server", address, status=2)  # which is there


def test_from_a_table_to_an_answer(service: tuple[str, str], program: Program) -> None:
    """Handed in, looked at until it is done, asked; and the definition is good beside the table."""
    address, storage = service
    write_table(program.folder / "table.csv")
    (program.folder / "small.toml").write_text(DEFINITION)
    with runner_for(storage):
        ran = program("run", "small.toml", "--server", address)
    assert ran.out == program("best", "small", "--storage", storage).out
    assert f"small is at {address}/sweeps/small" in ran.err
    again = program("run", "small.toml", "--server", address)  # nothing is left to do
    assert again.out == ran.out
    with Store.open(storage) as store:
        sweep = store.sweep("small")
        assert sweep is not None
        assert tomllib.loads(sweep.definition)["data"]["source"] == "table.csv"
    with runner_for(storage):
        answered = program("answer", "small", "--repeats", "2", "--rules", "--server", address)
    assert answered.out == program("answer", "small", "--rules", "--cluster", "inline", "--storage", storage).out
    program("export", "small", "-o", "best.toml", "--server", address)
    once_more = program("run", "best.toml", "--name", "again", "--cluster", "inline", "--storage", "sqlite:///own.db")
    assert "honest score" in once_more.out


def test_what_a_definition_says_of_the_first_row_is_handed_in(service: tuple[str, str], program: Program) -> None:
    """A row of text above a table of text looks like data."""
    address, storage = service
    rows = "".join(f"{'ab'[row % 2]}{row % 5},{'no' if row % 3 else 'yes'}\n" for row in range(40))
    (program.folder / "texts.csv").write_text(f"a0,no\n{rows}")
    definition = 'format = 1\nname = "texts"\n[data]\nsource = "texts.csv"\ntarget = "no"\nheader = true\n'
    (program.folder / "texts.toml").write_text(definition)
    program.json("run", "texts.toml", "--queue", "--server", address)
    with Store.open(storage) as store:
        (upload,) = (one for one in store.uploads() if one.name == "texts.csv")
    assert (upload.detected["asked_header"], upload.detected["table"]["rows"]) == (True, 40)


def test_what_is_wanted_of_a_sweep(service: tuple[str, str], program: Program) -> None:
    address, storage = service
    write_table(program.folder / "table.csv")
    (program.folder / "small.toml").write_text(DEFINITION)
    queued = program.json("run", "small.toml", "--name", "rests", "--queue", "--server", address)
    assert (queued["name"], queued["state"]) == ("rests", "queued")
    assert program("pause", "rests", "--server", address).out == "the sweep rests is paused\n"
    assert program.json("status", "rests", "--server", address)["state"] == "paused"
    stopped = program("run", "small.toml", "--name", "small-2", "--set", "seed=4", "--queue", "--server", address)
    assert "small-2" in stopped.out
    assert "is queued" in program("resume", "rests", "--server", address).out
    assert "is cancelled" in program("cancel", "rests", "--server", address).out
    assert "must be confirmed" in program("delete", "rests", "--server", address, status=2).err
    for name in ("rests", "small-2"):
        assert program("delete", name, "--yes", "--server", address).out == f"deleted {name}\n"
    with Store.open(storage) as store:
        assert store.order("rests") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "nobody", "--server", "{address}"), "no sweep named nobody"),
        (("status", "done", "--server", "{address}", "--storage", "sqlite:///x.db"), "do not go together"),
        (
            ("status", "done", "--server", "ftp://host"),
            "must be a URL such as http://127.0.0.1:8000, however: ftp://host",
        ),
        (("status", "done", "--server", "http://ann:secret@host"), "must be a URL without user and password"),
        (("run", "iris.toml", "--server", "{address}"), "data.source"),
        (("run", "iris.toml", "--server", "{address}", "--workers", "2"), "--workers is for a run here"),
        (("answer", "running", "--server", "{address}"), "running"),
        (("answer", "done", "--server", "{address}", "--device", "cpu"), "--device is for a run here"),
        (
            ("export", "done", "--format", "predictions", "-o", "p.parquet", "--server", "{address}"),
            "as CSV, however: -o p.parquet",
        ),
        (("export", "done", "--format", "onnx", "--server", "{address}"), "must be written to a file"),
    ],
)
def test_a_mistake_is_said_as_it_is_of_a_database(
    arguments: tuple[str, ...], said: str, service: tuple[str, str], program: Program
) -> None:
    (program.folder / "iris.toml").write_text(
        'format = 1\nname = "iris"\n[data]\nsource = "https://example.org/x.csv"\n'
    )
    found = program(*(one.format(address=service[0]) for one in arguments), status=2)
    assert said in found.err
    assert "secret" not in found.err
    assert found.out == ""


def test_nobody_there_and_somebody_else(program: Program) -> None:
    assert "nobody answers at http://127.0.0.1:9" in program("list", "--server", "http://127.0.0.1:9", status=2).err
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{other.server_port}"
        try:
            found = program("list", "--server", address, status=2)
        finally:
            other.shutdown()
            thread.join()
    assert f"{address} must be the address of a `sweep serve`" in found.err


def test_tokens(tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = {digest(OPERATOR): "operator", digest(VIEWER): "viewer"}
    with Listening(sqlite_in(tmp_path), tokens=tokens) as listening:
        address = listening.url
        assert "wants a token" in program("list", "--server", address, status=2).err
        for token, status, said in (
            (VIEWER, 2, "does not allow it"),
            (OPERATOR, 2, "no sweep named nobody"),
            ("not one of those that are known", 2, "must be letters, digits and signs without spaces"),
        ):
            monkeypatch.setenv("SWEEP_TOKEN", token)
            found = program("pause", "nobody", "--server", address, status=status)
            assert said in found.err
            assert token not in found.err
            assert "the token goes to" not in found.err  # this machine's own
        monkeypatch.setenv("SWEEP_TOKEN", VIEWER)
        assert program.json("list", "--server", address) == []
