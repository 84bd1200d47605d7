"""Tables that are handed in: of any size, any name, any content, and cut off at any byte."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import uvicorn
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from sweep.service import intake
from sweep.service.app import create_app
from sweep.service.intake import MOST_NAME, safe_name
from sweep.service.options import ServeOptions
from sweep.service.reader import Limits
from sweep.spec.definition import parse
from sweep.spec.source import kind_of
from sweep.store.store import Store
from tests.service.service_app import client, hand_in, service
from tests.service.serving import head

SONAR = Path(__file__).parents[2].parent / "shared" / "data" / "sonar.csv"
TABLE = "a,b,y\n" + "".join(f"{row},{row % 7},{'no' if row % 3 else 'yes'}\n" for row in range(40))
WAIT = 60.0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("service")) as browser:
        yield browser


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


# --- what is said of a table ------------------------------------------------------------------------------------------


def test_a_table_is_looked_at_kept_and_forgotten(browser: TestClient) -> None:
    document = hand_in(browser, "data/small table.csv", TABLE)
    assert (document["name"], document["size"]) == ("small table.csv", len(TABLE))
    assert document["table"] == {
        "rows": 40,
        "task": "binary",
        "target": "y",
        "columns": [
            {"name": "a", "kind": "number", "missing": 0, "distinct": 40, "task": "regression"}
            | {"examples": ["0", "1", "2", "3", "4"]},
            {"name": "b", "kind": "number", "missing": 0, "distinct": 7, "task": "classification"}
            | {"examples": ["0", "1", "2", "3", "4"]},
            {"name": "y", "kind": "boolean", "missing": 0, "distinct": 2, "task": "classification"}
            | {"examples": ["0", "1"]},
        ],
    }
    spec = parse(document["definition"])
    assert (spec.name, spec.data.source, spec.data.target) == ("small-table", "small table.csv", "y")
    place = f"/v1/uploads/{document['id']}"
    assert browser.get(place).json() == document

    other = browser.post(f"{place}/definition", json={"target": "a"}).json()
    assert (other["target"], other["table"]["task"]) == ("a", "regression")
    assert parse(other["definition"]).data.target == "a"
    same = browser.post(f"{place}/definition", json={}).json()
    assert same["definition"] == document["definition"]
    wrong = browser.post(f"{place}/definition", json={"target": "z"})
    assert wrong.status_code == 422
    assert "there is no column 'z'" in wrong.json()["detail"]

    assert browser.delete(place).status_code == 204
    assert browser.get(place).status_code == browser.delete(place).status_code == 404
    assert document["id"] not in {one.id for one in service(browser).store.uploads()}


@pytest.mark.skipif(not SONAR.exists(), reason=f"no {SONAR.name} beside the project (../shared/data)")
def test_sonar_without_a_header(browser: TestClient) -> None:
    document = hand_in(browser, "sonar.csv", SONAR.read_bytes())
    assert (document["table"]["rows"], len(document["table"]["columns"])) == (208, 61)
    assert (document["target"], document["table"]["task"]) == ("column61", "binary")
    assert 'source = "sonar.csv"' in document["definition"]


def test_where_nothing_says_what_to_predict_the_user_is_asked(browser: TestClient) -> None:
    table = "id,when\n" + "".join(f"k{row},2020-01-{row % 28 + 1:02}\n" for row in range(40))
    document = hand_in(browser, "t.csv", table)
    assert document["definition"] is None
    assert document["target"] is None
    assert "which column is to be predicted cannot be told" in document["notes"][0]
    assert "--" not in document["notes"][0]  # that is for the command line
    assert [column["kind"] for column in document["table"]["columns"]] == ["text", "date"]
    assert document["table"]["columns"][1]["examples"][0].startswith("2020-01-")


def test_columns_are_shown_as_they_are_read_in_the_end(browser: TestClient) -> None:
    rents = "".join(
        f"{500 + row},{row % 90 + 10};{'k.A.' if row % 10 == 3 else f'{row},5'};{row % 2}\n" for row in range(60)
    )
    document = hand_in(browser, "t.csv", f"rent;area;y\n{rents}")
    (area,) = [column for column in document["table"]["columns"] if column["name"] == "area"]
    assert (area["kind"], area["missing"]) == ("number", 6)


def test_a_first_row_is_data_or_names_as_the_user_says(browser: TestClient) -> None:
    answer = browser.post("/v1/uploads", params={"name": "t.csv", "header": "false"}, content=TABLE)
    document = answer.json()
    assert [column["name"] for column in document["table"]["columns"]] == ["column1", "column2", "column3"]
    assert document["table"]["rows"] == 41
    assert parse(document["definition"]).data.header is False


# --- what is no table -------------------------------------------------------------------------------------------------


def test_rubbish_is_refused_in_one_sentence(browser: TestClient) -> None:
    for name, content, said in (
        (
            "r.csv",
            bytes(range(256)) * 400,
            "r.csv: is not text (it holds NUL bytes); allowed are CSV, TSV, Parquet",
        ),
        ("r.parquet", b"PAR1" + bytes(range(256)), "r.parquet: the file is damaged or incomplete"),
        ("r.csv.gz", gzip.compress(TABLE.encode())[:-30], "r.csv.gz: the gzip file is damaged or incomplete"),
    ):
        answer = browser.post("/v1/uploads", params={"name": name}, content=content)
        assert answer.status_code == 422, name
        assert answer.json()["detail"].startswith(said), answer.json()["detail"]
        assert "sweep-table-" not in answer.text
    empty = browser.post("/v1/uploads?name=e.csv")
    assert (empty.status_code, empty.json()["detail"]) == (422, "e.csv: the file is empty")


def test_a_bomb_goes_off_in_the_reader_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of 80 MB, which any reader without a limit takes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bomb = gzip.compress(b"a,b,y\n" + b"1.5,2.5,0\n1.5,2.5,1\n" * 4_000_000, 1)
    assert len(bomb) < 2**20
    with client(tmp_path, Limits(memory=640 * 2**20)) as browser:
        answer = browser.post("/v1/uploads?name=b.csv.gz", content=bomb)
        assert (answer.status_code, answer.json()["code"]) == (422, "too_much")
        assert answer.json()["detail"].startswith("reading b.csv.gz took more than 0.625 GiB of memory, which")
        assert hand_in(browser, "t.csv", TABLE)["target"] == "y"
    assert not list(tmp_path.glob("sweep-table-*"))


def test_ten_thousand_columns(browser: TestClient) -> None:
    names = ",".join(f"c{place}" for place in range(10_000))
    rows = (",".join(str((row * place) % 17) for place in range(10_000)) + f",{'ab'[row % 2]}\n" for row in range(12))
    document = hand_in(browser, "wide.csv", f"{names},y\n" + "".join(rows))
    assert len(document["table"]["columns"]) == 10_001
    assert document["target"] == "y"


def test_formulas_and_script_are_text(browser: TestClient) -> None:
    script, formula = "<script>alert(1)</script>", '=HYPERLINK("http://x")'
    quoted = '"' + formula.replace('"', '""') + '"'
    rows = "".join(f"{row},{quoted if row % 2 else '@SUM(A1)'},{script if row % 3 else 'no'}\n" for row in range(40))
    document = hand_in(browser, f"{script}.csv", f'{script},{quoted},"y`""\'"\n' + rows)
    assert document["name"] == "script>.csv"  # what stands before a slash is a folder
    columns = document["table"]["columns"]
    assert [column["name"] for column in columns] == [script, formula, "y`\"'"]
    assert sorted(columns[1]["examples"]) == [formula, "@SUM(A1)"]
    assert sorted(columns[2]["examples"]) == [script, "no"]
    assert parse(document["definition"]).data.target == "y`\"'"
    answer = browser.get(f"/v1/uploads/{document['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text) == document


def test_what_no_database_takes_is_refused_or_replaced(browser: TestClient) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    def parquet(name: str, cell: str) -> bytes:
        sink = pa.BufferOutputStream()
        table = pa.table({name: [cell if row % 2 else "b" for row in range(40)], "y": [row % 2 for row in range(40)]})
        pyarrow.parquet.write_table(table, sink)
        return bytes(sink.getvalue())

    shown = hand_in(browser, "t.parquet", parquet("x", "a\0b"))["table"]["columns"][0]["examples"]
    assert sorted(shown) == ["a\N{REPLACEMENT CHARACTER}b", "b"]
    answer = browser.post("/v1/uploads?name=t.parquet", content=parquet("x\0", "a"))
    assert answer.status_code == 422
    assert "the name of column 1 must be text" in answer.json()["detail"]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sonar.csv", "sonar.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\t.csv", "t.csv"),
        ("/", "table"),
        ("", "table"),
        (".", "table"),
        ("..", "table"),
        ("a/..", "table"),
        ("...", "table"),
        ("\0", "table"),
        ("a\0b\r\n.csv", "ab.csv"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}vsc.t", "vsc.t"),
        ("~root", "_root"),
        ("~", "_"),
        ("sklearn:iris", "sklearn-iris"),
        ("OpenML:40", "OpenML-40"),
        ("exp:1.csv", "exp:1.csv"),
        ("Grösse 1.csv", "Grösse 1.csv"),
        (".hidden.csv", ".hidden.csv"),
    ],
)
def test_names_of_files(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@given(st.text(max_size=400))
def test_a_name_is_that_of_a_file_here(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name.encode()) <= MOST_NAME
    assert Path(name).name == name
    assert kind_of(name) == "file"
    assert safe_name(name) == name
    assert Path(name).expanduser() == Path(name)


def test_a_long_name_keeps_its_ending() -> None:
    name = safe_name("ä" * 400 + ".csv.gz")
    assert name.endswith("ä.csv.gz")
    assert len(name.encode()) in (MOST_NAME - 1, MOST_NAME)


def test_no_name_meets_a_file_of_the_reader(browser: TestClient) -> None:
    for name in ("table.parquet", "../ask.json"):
        document = hand_in(browser, name, TABLE)
        assert document["table"]["rows"] == 40
        assert document["name"] == name.removeprefix("../")


# --- sizes, and requests that are cut off: over a socket --------------------------------------------------------------


@contextmanager
def served(
    folder: Path, monkeypatch: pytest.MonkeyPatch, most: int = 256 << 20, stored: int = 1 << 40
) -> Iterator[int]:
    """The service on a port of its own; temporary files go to ``folder / "tmp"``."""
    (folder / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    options = ServeOptions(storage=f"sqlite:///{folder / 'sweeps.db'}", upload_bytes=most, stored_bytes=stored)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(options), log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT)
        listening.close()
        assert not list((folder / "tmp").iterdir())


def begun(*lines: str) -> bytes:
    """The head of a request that hands a table in."""
    return head("POST", "/v1/uploads?name=t.csv", "Content-Type: text/csv", *lines)


def request(port: int, body: bytes | Iterator[bytes], headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused before it is sent
        connection.request(
            "POST", "/v1/uploads?name=t.csv", body, {"Content-Type": "text/csv", **headers}, encode_chunked=True
        )
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, document


def test_300_mb_are_refused_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most, piece, taken = 256 << 20, bytes(1 << 20), 0
    process = psutil.Process()

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(300):
            taken += 1
            if taken % 16 == 0:
                largest.append(process.memory_info().rss)
            yield b"100000\r\n" + piece + b"\r\n"
        yield b"0\r\n\r\n"

    with served(tmp_path, monkeypatch, most) as port:
        # At once, where it says how much it is.
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as line:
            line.sendall(begun("Content-Length: 314572800"))
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")
        largest = [process.memory_info().rss]
        # As soon as it is more, where it does not.
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as line:
            line.sendall(begun("Transfer-Encoding: chunked"))
            with pytest.raises((BrokenPipeError, ConnectionResetError, StopIteration)):  # noqa: PT012
                for chunk in pieces():
                    line.sendall(chunk)
                raise StopIteration
            assert taken >= 256
    assert max(largest) - largest[0] < 48 << 20
    with Store.open(f"sqlite:///{tmp_path / 'sweeps.db'}") as store:
        assert store.uploads() == []


def test_a_limit_is_said_with_the_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chunked() -> Iterator[bytes]:
        yield bytes(60_000)
        yield bytes(60_000)

    with served(tmp_path, monkeypatch, most=100_000, stored=100_100) as port:
        status, problem = request(port, bytes(100_001), {})
        assert (status, problem["code"]) == (413, "too_large")
        assert problem["detail"].startswith("a table may have at most 100,000 bytes here; a compressed one")
        status, problem = request(port, chunked(), {"Transfer-Encoding": "chunked"})
        assert (status, problem["code"]) == (413, "too_large")
        status, _ = request(port, TABLE.encode(), {})
        assert status == 201
        status, problem = request(port, bytes(100_000), {})
        assert (status, problem["code"]) == (507, "full")
        assert "there is no room for this one: those that no sweep was made of go after 7 days" in problem["detail"]


def test_an_upload_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "AT_ONCE", 1)
    with served(tmp_path, monkeypatch) as port:
        for half in (b"", b"a,b\n" * (3 << 18)):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as line:
                line.sendall(begun("Content-Length: 10000000") + half)
                wait_until(lambda: any((tmp_path / "tmp").iterdir()))
            wait_until(lambda: not any((tmp_path / "tmp").iterdir()))
        # The only place is free again, and the bytes of that one are not counted any more.
        assert request(port, TABLE.encode(), {})[0] == 201
    with Store.open(f"sqlite:///{tmp_path / 'sweeps.db'}") as store:
        assert [upload.name for upload in store.uploads()] == ["t.csv"]


def test_an_upload_that_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "WAIT_SECONDS", 0.2)
    with (
        served(tmp_path, monkeypatch) as port,
        socket.create_connection(("127.0.0.1", port), timeout=WAIT) as line,
    ):
        line.sendall(begun("Content-Length: 1000") + b"half")
        assert line.recv(100).startswith(b"HTTP/1.1 408 ")


def test_others_wait_until_one_is_received(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(service(browser).intake, "_free", asyncio.Semaphore(0))
    answer = browser.post("/v1/uploads?name=t.csv", content=TABLE)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


def test_old_ones_go_when_others_come(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old = service(browser).store.save_upload("old.csv", 1, b"table", {})
    monkeypatch.setattr(intake, "KEPT", 0 * intake.KEPT)
    new = hand_in(browser, "new.csv", TABLE)
    assert [upload.id for upload in service(browser).store.uploads()] == [new["id"]]
    assert browser.get(f"/v1/uploads/{old.id}").status_code == 404
