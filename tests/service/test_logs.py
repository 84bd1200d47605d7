"""What is logged, and what never is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from sweep import settings
from sweep.cli.errors import configure_logging
from sweep.commands.display import display
from sweep.commands.run import Teller
from sweep.errors import UserError
from sweep.run.events import Started, TrialFailed, Trouble
from sweep.service import access, logs
from tests.command_line import Program
from tests.service.serving import OPERATOR, VIEWER, Behind, app_with, client


class Lines:
    """What a handler writes."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Everything that `sweep` logs, as JSON."""
    lines = Lines()
    handler = logging.StreamHandler(lines.stream)
    logs.structured(handler)
    logger = logging.getLogger("sweep")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    monkeypatch.setattr(access, "WRONG_SECONDS", 0.01)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_line_for_each_request(written: Lines) -> None:
    app = app_with(Behind())

    @app.get("/v1/things/{name}")
    def thing(name: str) -> str:
        logging.getLogger("sweep.test").warning("looked at %s", name, extra={"sweep": name, "trial": 3, "other": "x"})
        return name

    found = client(app, OPERATOR).get("/v1/things/sonar?q=1")
    inner, line = written.json()
    assert set(line) == {"time", "level", "logger", "message", "request_id", "method", "path", "status", "duration"}
    assert (line["level"], line["message"]) == ("INFO", "GET /v1/things/sonar 200")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/things/sonar", 200)
    assert 0 <= line["duration"] < 60
    assert datetime.fromisoformat(line["time"]).utcoffset() is not None
    # What is logged meanwhile, in the thread of its handler, is known to belong to it.
    assert line["request_id"] == inner["request_id"] == found.headers["x-request-id"]
    assert (inner["sweep"], inner["trial"], inner["message"]) == ("sonar", 3, "looked at sonar")
    assert "other" not in inner


def test_no_line_says_a_secret(written: Lines) -> None:
    """Not where it should be, and not where it should not be."""
    app = app_with(Behind())

    @app.get("/v1/bug")
    def bug() -> None:
        raise RuntimeError("a bug of a test")

    somebody = client(app)
    same = {"Sec-Fetch-Site": "same-origin"}
    somebody.post("/login", data={"token": OPERATOR}, headers=same)
    session = somebody.cookies["sweep_session"]
    wrong = "wrong-token-of-somebody-else"
    somebody.post("/login", data={"token": wrong, "next": f"/?token={wrong}"}, headers=same)
    for path in ("/api/x", "/v1/bug", "/nowhere", f"/api/x?token={OPERATOR}", f"/login?next=/%3Ftoken={VIEWER}"):
        somebody.get(path)
        client(app, OPERATOR).get(path)
        client(app, wrong).get(path)
        client(app, VIEWER).post(path, content=OPERATOR)
    said = written.stream.getvalue()
    assert len(written.json()) > 20
    assert "a bug of a test" in said
    for secret in (OPERATOR, VIEWER, wrong, session, access.digest(OPERATOR), access.digest(session)):
        assert secret not in said


def test_a_path_is_one_line(written: Lines) -> None:
    for path in ("/api/a%0A2026 ERROR made up", "/api/%1b[31m", "/api/\u2028"):
        client(app_with(Behind()), VIEWER).get(path)
    said = [line["message"].rpartition(" ")[0] for line in written.json()]
    assert said == ["GET /api/a%0A2026%20ERROR%20made%20up", "GET /api/%1b[31m", "GET /api/%E2%80%A8"]


def test_the_format(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging(debug=False)  # as text, by an earlier command
    monkeypatch.setenv("SWEEP_LOG_FORMAT", "xml")
    assert program("list", status=2).err == "error: SWEEP_LOG_FORMAT must be text or json, however: xml\n"
    monkeypatch.setenv("SWEEP_LOG_FORMAT", "JSON")
    assert (settings.log_format(), settings.log_level()) == ("json", "info")
    monkeypatch.setenv("SWEEP_LOG", "error")
    assert settings.log_level() == "error"
    monkeypatch.delenv("SWEEP_LOG")
    said = program("runner", "--once", "--cluster", "inline").err
    lines = [json.loads(line) for line in said.splitlines()]
    assert any("runs what is queued in sqlite:///sweep.db" in line["message"] for line in lines)
    monkeypatch.setenv("SWEEP_LOG_FORMAT", "")
    assert (settings.log_format(), settings.log_level()) == ("text", "warning")
    monkeypatch.setenv("SWEEP_LOG", "loud")
    with pytest.raises(UserError, match="SWEEP_LOG must be"):
        settings.log_level()


def test_what_a_run_says_names_its_sweep_and_trial(written: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_LOG_FORMAT", "json")
    with display(quiet=False) as shown:
        shown.doing("starting workers")
        tell = Teller(shown, "cpu")
        tell(Started("sonar", "k" * 16, resumed=False, finished=0, budget=4, best={}))
        tell(Trouble("a worker was lost"))
        tell(TrialFailed(3, "all", "it killed its worker 4 times"))
        shown.doing("stopping workers")
        shown.say("nothing to do")
    assert [(line["level"], line["message"], line.get("sweep"), line.get("trial")) for line in written.json()] == [
        ("INFO", "a worker was lost", "sonar", None),
        ("WARNING", "trial 3 (all) is given up: it killed its worker 4 times", "sonar", 3),
        ("INFO", "nothing to do", None, None),
    ]


def test_libraries_write_where_we_do(written: Lines) -> None:
    library = logging.getLogger("a_library_of_a_test")
    logs.adopt(library.name)
    try:
        library.error("it has failed")
        assert [line["message"] for line in written.json()] == ["it has failed"]
        assert not library.propagate
    finally:
        library.handlers.clear()
