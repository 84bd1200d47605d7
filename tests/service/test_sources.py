"""Which tables a definition may name at the service."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sweep.service.options import ServeOptions
from sweep.service.sources import check_source, is_allowed_url, source_problem
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.store.service_rows import UploadRecord

OPEN = ("https://data.example.org/public", "https://other.example/", "openml:")


def spec(source: str) -> SweepSpec:
    return parse(f'name = "x"\n[data]\nsource = {source!r}\n')


def upload(name: str) -> UploadRecord:
    return UploadRecord("0" * 32, name, 1, "0" * 64, {}, datetime.now(UTC))


def allowed(source: str, *starts: str) -> bool:
    return source_problem(source, starts) is None


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "../secret.csv",
        "table.csv",
        "~/table.csv",
        "file:///etc/passwd",
        "memory:x",
        "s3://bucket/t.csv",
        "openml:40",
        "http://169.254.169.254/latest/meta-data",
        "https://data.example.org/public/t.csv",
        "HTTPS://data.example.org/t.csv",
        "C:\\t.csv",
    ],
)
def test_nothing_but_scikit_learns_own_tables_is_allowed_unless_a_list_says_so(source: str) -> None:
    problem = check_source(spec(source), None, ServeOptions(storage="sqlite://"))
    assert problem is not None
    assert problem.place == "data.source"
    assert problem.said.startswith("must be ")
    assert check_source(spec("sklearn:wine"), None, ServeOptions(storage="sqlite://")) is None


def test_no_list_allows_a_file_of_the_server() -> None:
    for source in ("/srv/tables/x.csv", "x.csv", "memory:x"):
        assert not allowed(source, "/srv/tables/", "x", "memory:", "")


def test_a_start_allows_what_lies_below_it() -> None:
    for source in (
        "https://data.example.org/public/t.csv",
        "https://data.example.org/public",
        "https://data.example.org/public?table=3",
        "https://DATA.example.org:443/public/t.csv",
        "https://other.example/any/where.csv",
        "openml:40",
    ):
        assert allowed(source, *OPEN), source
    assert allowed("openml:40", "openml:40")
    assert not allowed("openml:401", "openml:40")


@pytest.mark.parametrize(
    "source",
    [
        "https://data.example.org/private/t.csv",
        "https://data.example.org/publicity/t.csv",
        "https://data.example.org/public/../private/t.csv",
        "https://data.example.org/public/%2e%2e/private/t.csv",
        "https://data.example.org/public/%252e%252e/private/t.csv",
        "https://data.example.org/public/..%5cprivate",
        "https://data.example.org/public\\..\\private",
        "https://data.example.org.evil.example/public/t.csv",
        "https://data.example.org@evil.example/public/t.csv",
        "https://evil.example/https://data.example.org/public",
        "https://evil.example#https://data.example.org/public",
        "http://data.example.org/public/t.csv",
        "https://data.example.org:8443/public/t.csv",
        "https://data.example.org:x/public/t.csv",
        "https://other.example.:99999/t.csv",
        "https://[::1/public",
        "https://data.example.org\t.evil.example/public",
        "https:///public",
    ],
)
def test_no_address_slips_past_the_list(source: str) -> None:
    assert not allowed(source, *OPEN)
    assert not is_allowed_url(source, OPEN)


def test_a_table_that_was_handed_in_is_called_by_its_name() -> None:
    options = ServeOptions(storage="sqlite://", sources=OPEN)
    assert check_source(spec("sonar.csv"), upload("sonar.csv"), options) is None
    for other in ("/etc/passwd", "../sonar.csv", "./sonar.csv", "sklearn:wine", "https://other.example/t.csv"):
        problem = check_source(spec(other), upload("sonar.csv"), options)
        assert problem is not None
        assert problem.said == f"must be 'sonar.csv', the table that was handed in, however: {other}"


def test_no_secret_of_an_address_is_said_again() -> None:
    problem = source_problem("https://ann:secret@host/t.csv?token=secret", ("https://x.example/?key=secret",))
    assert problem is not None
    assert "secret" not in problem.said


def test_what_is_said_of_a_source_is_short() -> None:
    problem = source_problem("x" * 10_000, ())
    assert problem is not None
    assert len(problem.said) < 500


def test_no_file_is_looked_for(tmp_path: Path) -> None:
    """What is there and what is not are answered alike: nobody finds out what the server has."""
    (tmp_path / "there.csv").write_text("a,b\n1,2\n")
    answers = [source_problem(str(tmp_path / name), ()) for name in ("there.csv", "not.csv")]
    assert answers[0] is not None
    assert answers[1] is not None
    assert answers[0].said.replace("there.csv", "not.csv") == answers[1].said
