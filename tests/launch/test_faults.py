"""Workers that die, hang, and are killed by what they train: real processes, killed and stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.launch.base import BlockDone
from sweep.launch.dask import DaskLauncher
from sweep.training.train import train_block
from tests.launch.harm import PoisonedLauncher, gated
from tests.launch.suite import DATA, FOLDS, RUNGS, assert_same, make_job
from tests.launch.test_dask import LONG
from tests.processes import wait_until_gone


@contextmanager
def two_workers(kind: type[DaskLauncher] = DaskLauncher) -> Iterator[tuple[DaskLauncher, list[str]]]:
    """A launcher with the table, and what it tells."""
    told: list[str] = []
    with kind(workers=2) as launcher:
        launcher.on_trouble = told.append
        launcher.share(DATA, FOLDS)
        launcher.submit(make_job(5))
        assert len(list(launcher.finished())) == 1  # imported and compiled
        yield launcher, told


def pid_training(launcher: DaskLauncher, number: int) -> int:
    """The process that has a trial."""
    (seat,) = (
        item.seat
        for item in launcher._dispatcher._placed.values()
        if number in item.job.numbers and item.began is not None
    )
    assert seat is not None
    found: int = launcher._client.run(os.getpid, workers=[seat.worker])[seat.worker]
    return found


def wait_until_begun(launcher: DaskLauncher, blocks: int) -> None:
    """Until so many that are held are being worked on."""
    deadline = time.monotonic() + 120
    while sum(item.began is not None for item in list(launcher._dispatcher._placed.values())) < blocks:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_of_two_workers_is_killed_and_only_its_block_runs_again(tmp_path: Path) -> None:
    with two_workers() as (launcher, told), gated(launcher, tmp_path) as go:
        jobs = [make_job(0, 1, **LONG), make_job(2, 3, **LONG), make_job(4)]
        for job in jobs:
            launcher.submit(job)
        wait_until_begun(launcher, 2)
        os.kill(pid_training(launcher, 0), signal.SIGKILL)
        go()
        found = {done.job.numbers: done.results for done in launcher.finished()}
        for job in jobs:
            assert_same(found[job.numbers], train_block(DATA, FOLDS, job))
        (sentence,) = told
        assert "was lost" in sentence
        assert "trials 0, 1" in sentence
        assert "trials 2, 3" not in sentence


def test_a_trial_that_kills_its_workers_is_given_up_and_all_others_are_trained() -> None:
    with two_workers(PoisonedLauncher) as (launcher, told):
        jobs = [replace(make_job(2, 3, 4, **RUNGS), until=4), make_job(0, 1, 5)]
        for job in jobs:
            launcher.submit(job)
        found: list[BlockDone] = list(launcher.finished())
        assert sorted(number for done in found for number in done.job.numbers) == [0, 1, 2, 3, 4, 5]
        for done in found:
            if done.failed is None:
                assert_same(done.results, train_block(DATA, FOLDS, done.job))
        (failed,) = (done for done in found if done.failed is not None)
        assert (failed.job.numbers, failed.job.until, failed.results, failed.state) == ((3,), 4, (), None)
        assert failed.failed == "its worker died or hung 4 times, and trained nothing else at the time"
        assert f"trial 3 is given up: {failed.failed}" in told
        assert jobs[1] in [done.job for done in found]  # never split
        launcher.submit(make_job(2))
        assert [done.job.numbers for done in launcher.finished()] == [(2,)]


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nobody is taken for silent or hung, however slow this machine is."""
    for limit in ("board.UNMEASURED_SECONDS", "board.HUNG_SECONDS", "crew.SILENT_SECONDS"):
        monkeypatch.setattr(f"sweep.launch.{limit}", 1800.0)


@pytest.mark.parametrize("by", ["deadline", "silence"])
def test_a_stopped_worker_is_ended_and_its_block_runs_elsewhere(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_workers() as (launcher, told), gated(launcher, tmp_path) as go:

        def tell(sentence: str) -> None:
            told.append(sentence)
            if "trials 0, 1" in sentence:
                be_patient(monkeypatch)  # the other worker may need longer

        launcher.on_trouble = tell
        job = make_job(0, 1, **LONG)
        launcher.submit(job)
        wait_until_begun(launcher, 1)
        stopped = pid_training(launcher, 0)
        os.kill(stopped, signal.SIGSTOP)
        if by == "deadline":
            monkeypatch.setattr("sweep.launch.board.UNMEASURED_SECONDS", 6.0)
            monkeypatch.setattr("sweep.launch.board.HUNG_SECONDS", 6.0)
            monkeypatch.setattr("sweep.launch.board.HUNG_TIMES", 0.0)
        else:
            monkeypatch.setattr("sweep.launch.crew.SILENT_SECONDS", 5.0)
        go()
        (done,) = launcher.finished()
        assert_same(done.results, train_block(DATA, FOLDS, job))
        (sentence,) = [sentence for sentence in told if "trials 0, 1" in sentence]
        assert ("has trained trials 0, 1 for" if by == "deadline" else "was silent for 5 s") in sentence
        assert sentence.endswith("and is ended; trials 0, 1 run again")
        assert not wait_until_gone({stopped}, seconds=60)
