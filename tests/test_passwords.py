"""The password of a database is seen nowhere, however much is said and whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.command_line import DEFINITION, ROOT, write_table
from tests.forked import start_forked
from tests.processes import children

pytestmark = pytest.mark.no_tables

SECRET = "s3cr3t-Pa55"  # noqa: S105 - to be looked for
CODE = "from sweep.cli.main import main\nif __name__ == '__main__': main()"


@pytest.fixture
def url(postgres_url: str, postgres_server: Path) -> Iterator[str]:
    """Of a fresh database of a user who has a password, by which alone it lets him in. Without it."""
    name, role = make_url(postgres_url).database, f"me{os.getpid()}"
    with psycopg.connect(host=str(postgres_server), user="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'".encode())
        connection.execute(f"ALTER DATABASE {name} OWNER TO {role}".encode())
        yield make_url(postgres_url).set(username=role).render_as_string()
        connection.execute(f"ALTER DATABASE {name} OWNER TO postgres".encode())
        connection.execute(f"REASSIGN OWNED BY {role} TO postgres".encode())
        with psycopg.connect(host=str(postgres_server), user="postgres", dbname=name) as inside:
            inside.execute(f"DROP OWNED BY {role} CASCADE".encode())
        connection.execute(f"DROP ROLE {role}".encode())


def outside(environment: dict[str, str]) -> dict[str, str]:
    """That of a process which says all there is to say, and knows only the database of ``environment``."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SWEEP_", "PG"))}
    return own | {"SWEEP_LOG": "debug"} | environment


def ran(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status of the program, and all that it said."""
    with start_forked(folder, *arguments, environment=outside(environment)) as process:
        said = process.communicate(timeout=120)
        status = process.returncode
    assert status is not None
    return status, "\n".join(said)


def watched(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """The same of one from the beginning, and the titles of its processes."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder, env=outside(environment) | {"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    titles = set[bytes]()

    def watch() -> None:
        while process.poll() is None:
            try:
                family = {process.pid} | children(process.pid)
                titles.update(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family)
            except OSError:  # one has ended meanwhile
                pass
            time.sleep(0.02)

    watching = threading.Thread(target=watch)
    watching.start()
    out, err = process.communicate()
    watching.join()
    assert len(titles) > 1  # not its own alone
    return process.returncode, "\n".join([out, err, *(title.decode() for title in titles)])


def test_it_is_seen_nowhere(url: str, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    (tmp_path / "small.toml").write_text(DEFINITION)
    with_it = make_url(url).set(password=SECRET).render_as_string(hide_password=False)
    gone = make_url(with_it).update_query_dict({"host": "/nowhere"}).render_as_string(hide_password=False)
    wrong = make_url(with_it).set(username="nobody").render_as_string(hide_password=False)
    for storage, status, *arguments in (
        (with_it, 0, "run", "small.toml", "--workers", "2", "-v"),
        (with_it, 0, "status", "small", "--json", "-v"),
        (with_it, 0, "report", "small", "-v"),
        (with_it, 0, "export", "small", "--format", "json", "-o", "best.json", "-v"),
        (wrong, 2, "list", "-v"),
        (gone, 2, "list", "-v"),
    ):
        start = watched if "--workers" in arguments else ran  # of the others nobody but itself has the environment
        found, seen = start(tmp_path, *arguments, SWEEP_STORAGE=storage)
        assert found == status, seen
        assert SECRET not in seen
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"small.html", "best.json"} <= {path.name for path in written}
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    tables = b"SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'"
    with psycopg.connect(with_it.replace("+psycopg", "")) as connection:
        for (table,) in connection.execute(tables).fetchall():
            row: str
            for (row,) in connection.execute(f"SELECT whole::text FROM {table} AS whole".encode()).fetchall():  # noqa: S608
                assert SECRET not in row
                assert SECRET.encode().hex() not in row


def test_it_need_not_stand_in_the_url(url: str, tmp_path: Path) -> None:
    """libpq has places of its own for it."""
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:*:{SECRET}\n")
    file.chmod(0o600)
    for places in ({"PGPASSWORD": SECRET}, {"PGPASSFILE": str(file)}):
        status, seen = ran(tmp_path, "list", SWEEP_STORAGE=url, **places)
        assert (status, "no sweep in" in seen) == (2, True), seen  # it was let in
        assert SECRET not in seen
    status, seen = ran(tmp_path, "list", SWEEP_STORAGE=url, HOME=str(tmp_path))
    assert (status, "no password supplied" in seen) == (2, True), seen
