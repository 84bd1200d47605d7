"""One worker among others that cannot be used; and a coordinator that was itself stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.errors import LaunchError
from sweep.launch import worker
from sweep.launch.board import Board
from sweep.launch.crew import Crew, Known
from sweep.launch.dask import DaskLauncher
from sweep.training.train import train_block
from tests.launch.harm import die, gated, keep_unless_first
from tests.launch.suite import DATA, FOLDS, assert_same, make_job
from tests.launch.test_dask import LONG, address_of, pids_of
from tests.launch.test_faults import be_patient, two_workers, wait_until_begun


@pytest.fixture(scope="module")
def two() -> Iterator[DaskLauncher]:
    with two_workers() as (launcher, _):
        yield launcher


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def test_a_worker_that_stays_silent_does_not_keep_others_from_work(
    two: DaskLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.launch.cluster.CONNECT_SECONDS", 6.0)  # in which a slow machine's worker answers
    first, second = sorted(pids_of(two))
    with stopped(first), DaskLauncher(address=address_of(two)) as launcher:
        launcher.share(DATA, FOLDS)
        jobs = [make_job(0, 1), make_job(2)]
        for job in jobs:
            launcher.submit(job)
        found = {done.job.numbers: done.results for done in launcher.finished()}
        for job in jobs:
            assert_same(found[job.numbers], train_block(DATA, FOLDS, job))
    monkeypatch.setattr("sweep.launch.cluster.CONNECT_SECONDS", 3.0)  # in which its scheduler does
    with stopped(first, second), pytest.raises(LaunchError, match=r"no worker of tcp://\S+ answers within 3 s"):
        DaskLauncher(address=address_of(two))


def test_a_worker_that_cannot_take_the_table_is_left_out(two: DaskLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one with too little memory. Where all were started here, and are alike, it is the end."""
    monkeypatch.setattr("sweep.launch.worker.keep", keep_unless_first)
    other = replace(DATA, info=replace(DATA.info, source="other.csv"))
    told: list[str] = []
    with DaskLauncher(address=address_of(two)) as launcher:
        launcher.on_trouble = told.append
        launcher.share(other, FOLDS)
        jobs = [make_job(number) for number in range(4)]
        for job in jobs:
            launcher.submit(job)
        found = {done.job.numbers: done.results for done in launcher.finished()}
        for job in jobs:
            assert_same(found[job.numbers], train_block(other, FOLDS, job))
        deadline = time.monotonic() + 120
        while not told and time.monotonic() < deadline:  # the other worker may have been quicker
            launcher.submit(make_job(0))
            list(launcher.finished())
        (sentence,) = told
        assert "is not used: the table cannot be sent to it: " in sentence
        assert "too large" in sentence
        assert launcher.workers == 1
    two.share(other, FOLDS)

    def train_until(deadline: float) -> None:
        while time.monotonic() < deadline:  # here too
            two.submit(make_job(0))
            list(two.finished())

    with pytest.raises(LaunchError, match=r"the table cannot be sent to worker .*too large"):
        train_until(time.monotonic() + 120)
    two.cancel()


def test_workers_that_die_of_the_table_one_after_the_other_are_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.launch.worker.keep", die)
    monkeypatch.setattr("sweep.launch.crew.UNREADY_LOST", 3)
    with DaskLauncher(workers=2) as launcher:
        launcher.share(DATA, FOLDS)
        launcher.submit(make_job(0))
        with pytest.raises(LaunchError, match="3 workers in a row were lost as they were made ready"):
            list(launcher.finished())


class Connection:
    """Of a crew that has one worker, which is given up while it is met."""

    status = "running"

    def __init__(self) -> None:
        self.crew: Crew | None = None

    async def run(self, *_: object, workers: list[str]) -> dict[str, object]:
        return {workers[0]: (worker.versions(), [])}

    def submit(self, *_: object, **__: object) -> Connection:
        return self

    async def exception(self) -> None:
        assert self.crew is not None
        self.crew.known["tcp://one"].out = True


def test_a_worker_that_is_given_up_while_it_is_met_gets_no_work() -> None:
    connection, board = Connection(), Board()
    crew = Crew(connection, ["cpu"], False, board, print, lambda: None, lambda *_: None)
    connection.crew = crew
    crew.known["tcp://one"] = Known(1, 0.0, 0.0)
    asyncio.run(crew._meet("tcp://one", 0))
    assert board.seats == {}


def test_a_coordinator_that_was_stopped_takes_no_worker_for_silent_or_hung(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-Z stops it with its workers, for as long as somebody likes; ``fg`` goes on."""
    with two_workers() as (launcher, told), gated(launcher, tmp_path) as go:
        jobs = [make_job(0, **LONG), make_job(1, **LONG)]
        workers = pids_of(launcher)
        for job in jobs:
            launcher.submit(job)
        wait_until_begun(launcher, 2)
        monkeypatch.setattr("sweep.launch.board.UNMEASURED_SECONDS", 12.0)
        monkeypatch.setattr("sweep.launch.board.HUNG_SECONDS", 12.0)
        monkeypatch.setattr("sweep.launch.board.HUNG_TIMES", 0.0)
        monkeypatch.setattr("sweep.launch.crew.SILENT_SECONDS", 12.0)
        everyone = " ".join(map(str, [*workers, os.getpid()]))
        with subprocess.Popen(["/bin/sh", "-c", f"kill -STOP {everyone}; sleep 14; kill -CONT {everyone}"]) as stops:
            looks = 0

            def look() -> None:  # each second
                nonlocal looks
                looks += stops.poll() is not None
                if looks == 3:  # workers were judged since: what is left of the blocks may take its time
                    be_patient(monkeypatch)
                    go()

            found = {done.job.numbers: done.results for done in launcher.finished(look)}
        assert told == []
        assert pids_of(launcher) == workers
        for job in jobs:
            assert_same(found[job.numbers], train_block(DATA, FOLDS, job))
