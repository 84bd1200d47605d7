"""The log of a sweep: what is worth a line, and that no run ever waits for one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from sweep.errors import BusyError, LaunchError, SweepError
from sweep.launch.base import Launcher
from sweep.operate import chronicle
from sweep.operate.chronicle import MOST_DIVERGED, MOST_TROUBLE, Chronicle
from sweep.operate.runner import Runner
from sweep.run.events import Finished, Outcome, Started, TrialDone, TrialFailed, Trouble
from sweep.store.failures import UnreachableError
from sweep.store.store import Store
from tests.command_line import Program
from tests.operate.queued import FEW, PATIENCE, After, has_begun, log, looks_often, queue, rest, resume, work
from tests.small_sweep import write_table
from tests.test_orders import ORDER, TABLE

DONE = Finished(Outcome("one", "k", 12, 10, 2, 0, 8, 95.0, None))


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a run waits for the whole log, however slow the disk is."""
    monkeypatch.setattr(chronicle, "CLOSING_SECONDS", PATIENCE)


@pytest.fixture
def storage(storage_url: str) -> str:
    with Store.open(storage_url) as store:
        store.save_order(ORDER, "queued", TABLE)
    return storage_url


def started(finished: int, *, resumed: bool) -> Started:
    return Started("one", "k", resumed, finished, 12, {})


def trial(number: int, diverged: int | None = None) -> TrialDone:
    return TrialDone(number, "all", 0.5, 3, diverged, False, 1.0, number + 1, 12, {})


def test_what_is_worth_a_line(storage: str) -> None:
    with Chronicle(storage, "one", "me") as tell:
        tell(started(4, resumed=True))
        tell(trial(0))
        tell(trial(7, diverged=2))
        tell(Trouble("a worker was lost"))
        tell(TrialFailed(8, "all", "it killed its worker 4 times"))
        tell(DONE)
    with Store.open(storage) as store:
        lines = [(line.level, line.trial, line.said) for line in store.log_lines("one")]
    assert lines == [
        ("info", None, "goes on, run by me: 4 of 12 trials are finished"),
        ("warning", 7, "trial 7 (all) diverged: seen at epoch 2"),
        ("warning", None, "a worker was lost"),
        ("warning", 8, "trial 8 (all) is given up: it killed its worker 4 times"),
        ("info", None, "done: 12 of 12 trials are finished, 8 of them in 2 min"),
    ]


def test_however_many_trials_diverge_lines_are_few(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        store.save_order(ORDER, "queued", TABLE)
    with Chronicle(sqlite_url, "one", "me") as tell:
        tell(started(0, resumed=False))
        for number in range(3 * MOST_TROUBLE):
            tell(trial(number))
            tell(trial(number, diverged=1))
            tell(Trouble("a worker was lost"))
    lines = log(sqlite_url, "one")
    diverged = [line for line in lines if "diverged" in line]
    assert len(diverged) == MOST_DIVERGED
    assert diverged[-1].endswith("; further ones are not noted")
    assert lines[-1] == "a worker was lost; what further trouble there is is not noted"
    assert len(lines) == 1 + MOST_DIVERGED + MOST_TROUBLE


INTERRUPTED = "interrupted: the database cannot be reached, or is busy"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyboardInterrupt("interrupted: 4 of 12 trials are finished"), "interrupted: 4 of 12 trials are finished"),
        (LaunchError("no worker is left"), "interrupted: no worker is left"),
        (SweepError("the table has changed"), "failed: the table has changed"),
        (ZeroDivisionError("of all things"), "failed: ZeroDivisionError (a bug in sweep)"),
        (UnreachableError("the database x cannot be used: no route"), INTERRUPTED),
        (BusyError("another run is at work"), None),  # and this is its log
    ],
)
def test_how_a_run_ended(sqlite_url: str, error: BaseException, said: str | None) -> None:
    with Store.open(sqlite_url) as store:
        store.save_order(ORDER, "queued", TABLE)
    for queued in (False, True):  # of a sweep that another one has begun, this one says nothing
        with pytest.raises(type(error)), Chronicle(sqlite_url, "one", "me", queued=queued):
            raise error
    assert log(sqlite_url, "one") == ([] if said is None else [said])


def test_what_has_not_changed_is_not_noted_again(tmp_path: Path, sqlite_url: str) -> None:
    """A night without workers is one line, and a run that finds nothing to do none."""

    def lacking(reason: str) -> Callable[[], Launcher]:
        def workers() -> Launcher:
            raise LaunchError(reason)

        return workers

    queue(sqlite_url, tmp_path, *FEW)
    attempts = iter([lacking("none"), lacking("none"), lacking("none"), lacking("old")])
    runner = Runner(sqlite_url, lambda: next(attempts)(), lambda _: None)
    for _ in range(4):
        with pytest.raises(LaunchError):
            runner._take_one()
    assert log(sqlite_url)[1:] == ["interrupted: none", "interrupted: old"]
    with Chronicle(sqlite_url, "small", "me") as tell:
        tell(Finished(replace(DONE.outcome, told=0)))
    assert len(log(sqlite_url)) == 3


def test_a_run_does_not_wait_for_its_log(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is locked by somebody else, or gone: lines are written when it can be, and nothing else happens."""
    monkeypatch.setattr(chronicle, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(chronicle, "CLOSING_SECONDS", 0.2)
    with Store.open(storage) as store, store.again() as other:
        with _locked(other) as connection:
            begin = time.monotonic()
            with Chronicle(storage, "one", "me") as tell:
                tell(started(0, resumed=False))
                tell(DONE)
            assert time.monotonic() - begin < 20  # a locked database is waited for 30 s
            connection.rollback()
        deadline = time.monotonic() + 60
        while len(store.log_lines("one")) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(store.log_lines("one")) == 2
    with Chronicle("postgresql+psycopg://ann:secret@/nothing?host=/nowhere", "one", "me", queued=True) as tell:
        tell(DONE)


def _locked(store: Store) -> Connection:
    """A connection that has the sweep's row, or on SQLite everything, for itself."""
    connection = store._writer.connect()
    connection.begin()
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SELECT * FROM sweep_orders FOR UPDATE")
    return connection


# --- of real runs -----------------------------------------------------------------------------------------------------


def test_from_the_queue_to_the_end(tmp_path: Path, storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noticed = looks_often(monkeypatch)
    queue(storage_url, tmp_path, priority=3)

    def pause() -> None:
        has_begun(storage_url)
        rest(storage_url, "paused")

    work(storage_url, on_event=After(4, pause, noticed))
    resume(storage_url)
    work(storage_url)
    lines = log(storage_url)
    stops = lines.pop(3)
    assert re.fullmatch(r"stops: the sweep small was paused: \d+ of 12 trials are finished", stops)
    finished = int(re.findall(r"\d+", stops)[0])
    assert lines[:4] == [
        "queued by WHO: 12 trials, priority 3",
        "begins, run by a runner, WHO: 0 of 12 trials are finished",
        "paused by WHO",
        "resumed by WHO",
    ]
    assert lines[4] == f"goes on, run by a runner, WHO: {finished} of 12 trials are finished"
    assert re.fullmatch(rf"done: 12 of 12 trials are finished, {12 - finished} of them in .*", lines[5])
    assert len(lines) == 6


def test_one_that_cannot_be_run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.tables.packed.LARGEST", 0)  # so that runners read the file
    queue(sqlite_url, tmp_path, *FEW)
    write_table(tmp_path, seed=1)
    work(sqlite_url)
    assert log(sqlite_url)[1].startswith("failed: table.csv is not the table that was queued")
    with Store.open(sqlite_url) as store:
        assert [line.level for line in store.log_lines("small")] == ["info", "warning"]


def test_of_a_run_from_the_command_line(small: Program) -> None:
    run = ("run", "small.toml", "--cluster", "inline")
    small(*run)
    small(*run, "--set", "seed=4", status=2)  # is not what is there
    storage = f"sqlite:///{small.folder / 'sweep.db'}"
    begins, done = log(storage)
    assert begins == "begins, run by `sweep run`, WHO: 0 of 4 trials are finished"
    assert done.startswith("done: 4 of 4 trials are finished, 4 of them in ")
