from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from distributed import Future, LocalCluster

from sweep.data import Dataset
from sweep.errors import LaunchError, UserError
from sweep.launch.base import Launcher
from sweep.launch.choose import open_launcher
from sweep.launch.cluster import devices_of
from sweep.launch.dask import DaskLauncher
from sweep.records import BlockJob
from sweep.run.prepare import prepare
from sweep.training.train import train_block
from tests.launch.harm import forget_tables, gated
from tests.launch.suite import DATA, FOLDS, RUNGS, TRIALS, LauncherSuite, assert_same, at_rung, make_job
from tests.processes import alive, children, wait_until_gone
from tests.small_sweep import small_spec
from tests.tables_for_tests import make_plan

ROOT = Path(__file__).parents[2]
LONG: dict[str, Any] = {"epochs": 1000, "checkpoints": (1000,)}  # a second or so
ENDLESS: dict[str, Any] = {"epochs": 10_000_000, "checkpoints": (10_000_000,)}


@pytest.fixture(scope="module")
def local() -> Iterator[DaskLauncher]:
    with open_launcher("local", workers=2) as launcher:
        assert isinstance(launcher, DaskLauncher)
        yield launcher


class TestLocalWorkers(LauncherSuite):
    @pytest.fixture
    def launcher(self, local: DaskLauncher) -> Launcher:
        return local


class TestWorkersOfAScheduler(LauncherSuite):
    @pytest.fixture
    def launcher(self, local: DaskLauncher) -> Iterator[Launcher]:
        with open_launcher(address_of(local)) as launcher:
            assert isinstance(launcher, DaskLauncher)
            yield launcher
        assert local.workers == 2  # left as they were


def address_of(launcher: DaskLauncher) -> str:
    """Of the scheduler behind a launcher."""
    return str(launcher._client.scheduler.address)


def pids_of(launcher: DaskLauncher) -> set[int]:
    """Of its workers."""
    return set(launcher._client.run(os.getpid).values())


def wait_until_training(launcher: DaskLauncher, jobs: int) -> None:
    """Until so many jobs are being worked on."""
    deadline = time.monotonic() + 120
    while blocks_at_work(launcher) < jobs and time.monotonic() < deadline:
        time.sleep(0.02)


def blocks_at_work(launcher: DaskLauncher) -> int:
    return sum(str(key).startswith("sweep-block") for keys in launcher._client.processing().values() for key in keys)


# --- the table travels once -------------------------------------------------------------------------------------------


class CountedDataset(Dataset):
    """Counts how often it is sent, and arrives as what it is."""

    sent = 0

    def __reduce__(self) -> tuple[Any, ...]:
        type(self).sent += 1
        return Dataset, (self.features, self.target, self.groups, self.info, self.has_missing)


def test_the_table_travels_once_whatever_the_number_of_jobs(local: DaskLauncher) -> None:
    data = CountedDataset(DATA.features + 1, DATA.target, None, DATA.info, False)
    CountedDataset.sent = 0
    local.share(data, FOLDS)
    for number in range(6):
        local.submit(make_job(number))
    local.share(data, FOLDS)
    assert len(list(local.finished())) == 6
    assert CountedDataset.sent == 2  # once to each worker


def test_a_table_of_the_same_content_is_not_sent_again(local: DaskLauncher) -> None:
    """Not for another coordinator, nor for a later run; another table is not taken for it."""
    local.share(DATA, FOLDS)
    local.submit(make_job(0))
    assert len(list(local.finished())) == 1
    with open_launcher(address_of(local)) as other:
        for added, sent in ((0.0, 0), (0.5, 2)):
            data = CountedDataset(DATA.features + added, DATA.target, None, DATA.info, False)
            CountedDataset.sent = 0
            other.share(data, FOLDS)
            jobs = [make_job(1), make_job(2)]
            for job in jobs:
                other.submit(job)
            for done in other.finished():
                assert_same(done.results, train_block(data, FOLDS, done.job))
            assert CountedDataset.sent == sent
    local.submit(make_job(1))
    (done,) = local.finished()
    assert_same(done.results, train_block(DATA, FOLDS, make_job(1)))


def test_a_table_that_a_worker_has_dropped_is_sent_again(local: DaskLauncher) -> None:
    local.share(DATA, FOLDS)
    local.submit(make_job(0))
    assert len(list(local.finished())) == 1
    local._client.run(forget_tables)
    for number in range(3):
        local.submit(make_job(number))
    assert len(list(local.finished())) == 3


def test_a_job_is_small(tmp_path: Path) -> None:
    """Also where the rows whose predictions are stored are a sample of the table."""
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["a,y", *(f"{row % 977},{'yes' if row % 2 else 'no'}" for row in range(50_000)), ""]))
    setup = prepare(small_spec(tmp_path))
    assert setup.folds.kept_rows is not None
    trials = tuple(TRIALS[number] for number in range(4))
    assert len(pickle.dumps(BlockJob((0, 1, 2, 3), trials, setup.plan))) < 2000


def test_plans_can_be_compared() -> None:
    assert make_plan("binary") == make_plan("binary") != make_plan("binary", seed=12)
    assert len({make_plan("binary"), make_plan("binary")}) == 1


# --- states of blocks at a rung ---------------------------------------------------------------------------------------


def held(launcher: DaskLauncher) -> set[str]:
    """Keys of blocks that workers hold."""
    keys = {str(key) for keys in launcher._client.has_what().values() for key in keys}
    return {key for key in keys if key.startswith("sweep-block")}


def wait_until_held(launcher: DaskLauncher, count: int) -> None:
    gc.collect()  # an exception and its frames
    deadline = time.monotonic() + 120
    while len(held(launcher)) != count:
        assert time.monotonic() < deadline, held(launcher)
        time.sleep(0.02)


def test_a_state_stays_on_its_worker_as_long_as_its_block_is_there(local: DaskLauncher) -> None:
    local.share(DATA, FOLDS)
    first = at_rung(local, 0, 1)
    second = at_rung(local, 2)
    assert isinstance(first.state, Future)
    wait_until_held(local, 2)
    del second
    wait_until_held(local, 1)

    # Also while the iteration in which it finished goes on: a whole batch may come in between.
    local.submit(replace(make_job(0, 1, **RUNGS), until=4), after=first)
    finished = local.finished()
    later = next(finished)
    wait_until_held(local, 2)
    del first
    wait_until_held(local, 1)
    del later
    wait_until_held(local, 0)
    assert list(finished) == []


def test_an_exception_keeps_no_state(local: DaskLauncher) -> None:
    local.share(DATA, FOLDS)
    done = at_rung(local, 0)
    local.submit(make_job(5, **RUNGS), after=done)  # is not in that block
    with pytest.raises(ValueError, match="not in"):
        list(local.finished())
    wait_until_held(local, 1)
    del done
    wait_until_held(local, 0)


def test_cancelling_drops_states(local: DaskLauncher) -> None:
    local.share(DATA, FOLDS)
    done = at_rung(local, 0)
    wait_until_held(local, 1)
    local.cancel()
    wait_until_held(local, 0)
    assert done.state is not None


@pytest.mark.parametrize("turns", range(1, 13))
def test_cancelling_as_a_result_is_asked_for_loses_no_later_one(
    local: DaskLauncher, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That many turns of the event loop after its job has ended."""
    dispatcher, loop = local._dispatcher, local._client.loop.asyncio_loop
    fill, withdrawn = dispatcher._fill, Event()

    def fill_and_withdraw() -> None:
        fill()
        if any(item.holder is not None for item in dispatcher._placed.values()):
            loop.call_soon(withdraw, turns)

    def withdraw(turns: int) -> None:
        if turns > 1:
            loop.call_soon(withdraw, turns - 1)
            return
        for item in list(dispatcher._placed.values()):
            dispatcher._withdraw(item)
        withdrawn.set()

    local.share(DATA, FOLDS)
    with monkeypatch.context() as patch:
        patch.setattr(dispatcher, "_fill", fill_and_withdraw)
        local.submit(make_job(0))
        assert withdrawn.wait(120)
        local.cancel()
    deadline = time.monotonic() + 120

    def in_time() -> None:
        assert time.monotonic() < deadline

    local.submit(make_job(5))
    assert [done.job.numbers for done in local.finished(in_time)] == [(5,)]


def test_the_records_of_a_rung_do_not_wait_for_what_its_worker_trains_next() -> None:
    with DaskLauncher(workers=1) as launcher:
        launcher.share(DATA, FOLDS)
        launcher.submit(replace(make_job(0, **RUNGS), until=2))
        launcher.submit(make_job(1, **ENDLESS))
        done = next(launcher.finished())
        assert_same(done.results, train_block(DATA, FOLDS, done.job))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_state_that_dies_with_its_worker_is_made_again(workers: int) -> None:
    """With one worker the table is lost too."""
    with DaskLauncher(workers=workers) as launcher:
        launcher.share(DATA, FOLDS)
        plan: dict[str, Any] = {"epochs": 1000, "checkpoints": (2, 4, 1000)}
        done = at_rung(launcher, 0, 1, 2, **plan)
        assert isinstance(done.state, Future)
        kill_holder(launcher, done.state)
        job = replace(make_job(2, 0, **plan), until=4)
        launcher.submit(job, after=done)
        (done,) = launcher.finished()
        assert_same(done.results, train_block(DATA, FOLDS, job))

        job = make_job(0, **plan)
        launcher.submit(job, after=done)
        kill_workers(launcher)  # while it trains, and with them the state and what that came from
        (last,) = launcher.finished()
        assert_same(last.results, train_block(DATA, FOLDS, job))


def kill_holder(launcher: DaskLauncher, state: Future) -> None:
    """Kills the workers that have it."""
    holders = launcher._client.who_has([state])[state.key]
    pids = set(launcher._client.run(os.getpid, workers=list(holders)).values())
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert not wait_until_gone(pids, seconds=60)


# --- interrupted and dying workers ------------------------------------------------------------------------------------


def test_workers_ignore_an_interrupt(local: DaskLauncher, tmp_path: Path) -> None:
    before = pids_of(local)
    local.share(DATA, FOLDS)
    with gated(local, tmp_path) as go:
        for number in range(2):
            local.submit(make_job(number, **LONG))
        wait_until_training(local, 2)
        for pid in before:
            os.kill(pid, signal.SIGINT)
        go()
        assert len(list(local.finished())) == 2
    assert pids_of(local) == before


def test_a_job_survives_its_only_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = DaskLauncher(workers=1)
    trouble: list[str] = []
    launcher.on_trouble = trouble.append
    launcher.share(DATA, FOLDS)
    jobs = [make_job(0, 1, **LONG), make_job(2)]
    with gated(launcher, tmp_path) as go:
        for job in jobs:
            launcher.submit(job)
        first = kill_workers(launcher)  # and with it the only copy of the table
        go()
        done = {one.job.numbers: one.results for one in launcher.finished()}
    for job in jobs:
        assert_same(done[job.numbers], train_block(DATA, FOLDS, job))
    second = pids_of(launcher)
    assert not second & first
    (told,) = trouble
    assert "was lost; trials 0, 1, trial 2 run again" in told

    for pid in second:  # with nothing to do, and the table again
        os.kill(pid, signal.SIGKILL)
    assert not wait_until_gone(second, seconds=60)
    launcher.share(DATA, FOLDS)
    launcher.submit(jobs[1])
    assert len(list(launcher.finished())) == 1

    # Closing is quick in the middle of a block, and can be done twice. Who else used the scheduler is told.
    monkeypatch.setattr("sweep.launch.dask.BACK_SECONDS", 1.0)
    other = DaskLauncher(address=address_of(launcher))
    other.on_trouble = trouble.append
    other.share(DATA, FOLDS)
    other.submit(make_job(0, **ENDLESS))
    wait_until_training(launcher, 1)
    last = pids_of(launcher)
    start = time.monotonic()
    launcher.close()
    launcher.close()
    assert time.monotonic() - start < 60  # and the other's job has no end
    assert not any(map(alive, last))
    with other, pytest.raises(LaunchError, match="connection to the Dask scheduler is lost"):
        list(other.finished())
    assert "waiting up to 1 s for its scheduler" in trouble[-1]


def test_a_job_that_somebody_else_withdraws_is_trained_again(local: DaskLauncher, tmp_path: Path) -> None:
    local.share(DATA, FOLDS)
    job = make_job(3, 4, **LONG)
    with gated(local, tmp_path) as go:
        local.submit(job)
        wait_until_training(local, 1)
        local._client.cancel([item.future for item in local._dispatcher._placed.values()], force=True)
        go()
        (done,) = local.finished()
    assert_same(done.results, train_block(DATA, FOLDS, job))


def test_workers_that_do_not_come_back_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.launch.dask.NONE_SECONDS", 1.0)
    with DaskLauncher(workers=1) as launcher:
        launcher.share(DATA, FOLDS)
        assert launcher._cluster is not None
        for guard in list(launcher._cluster.workers.values()):
            launcher._cluster.sync(guard.close)
        assert not launcher._client.nthreads()
        launcher.submit(make_job(2))
        assert [done.job.numbers for done in launcher.finished()] == [(2,)]


def kill_workers(launcher: DaskLauncher) -> set[int]:
    """Kills all workers, once a job is being worked on; gives the processes that they were."""
    wait_until_training(launcher, 1)
    pids = pids_of(launcher)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert not wait_until_gone(pids, seconds=60)
    return pids


# --- nothing is left behind -------------------------------------------------------------------------------------------


def start_coordinator(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.launch.coordinator", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_workers_end_when_the_coordinator_is_killed() -> None:
    with start_coordinator() as coordinator:
        assert coordinator.stdout is not None
        assert coordinator.stdout.readline() == "ready\n"
        family = children(coordinator.pid)
        assert len(family) >= 2
        coordinator.kill()
        coordinator.wait()
        assert not wait_until_gone(family, seconds=30)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["localhost:8786", "http://localhost:1", "tcp://127.0.0.1", "tcp://127.0.0.1:port"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="address") as refused:
        DaskLauncher(address=address)
    assert address in str(refused.value)


def test_an_address_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.launch.cluster.CONNECT_SECONDS", 1.0)
    with pytest.raises(LaunchError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 within 1 s"):
        DaskLauncher(address="tcp://127.0.0.1:9")


def test_an_address_of_something_else(local: DaskLauncher) -> None:
    worker = next(iter(local._client.nthreads()))
    with pytest.raises(LaunchError, match="what answers is a Worker"):
        DaskLauncher(address=worker)


def test_workers_without_this_package(local: DaskLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'sweep'")

    monkeypatch.setattr("sweep.launch.cluster.reach", missing)
    with pytest.raises(LaunchError, match="cannot use this version of sweep: No module named 'sweep'"):
        DaskLauncher(address=address_of(local))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs workers without CUDA")
def test_workers_without_the_device(local: DaskLauncher) -> None:
    """Said at once, before a sweep is stored."""
    address = address_of(local)
    with pytest.raises(UserError, match=f"a worker of {address} cannot train: the device must exist.*cuda:0") as error:
        DaskLauncher(address=address, device="cuda:0")
    assert "sees no CUDA device" in str(error.value)


def test_a_scheduler_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.launch.cluster.CONNECT_SECONDS", 3.0)  # a slow machine's scheduler answers in time
    with (
        LocalCluster(
            n_workers=0, scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"}, processes=True
        ) as empty,
        pytest.raises(LaunchError, match="has no workers"),
    ):
        DaskLauncher(address=empty.scheduler_address)


def test_by_default_each_core_has_a_worker_and_each_cuda_device() -> None:
    assert devices_of("cpu", None, 3, 0) == ("cpu",) * 3
    assert devices_of("cpu", 2, 8, 4) == ("cpu", "cpu")
    assert devices_of("cuda", None, 8, 3) == ("cuda:0", "cuda:1", "cuda:2")
    assert devices_of("cuda", 3, 8, 2) == ("cuda:0", "cuda:1", "cuda:0")
    assert devices_of("cuda:1", None, 8, 3) == ("cuda:1",)
    assert devices_of("cuda:1", 2, 8, 3) == ("cuda:1", "cuda:1")
    assert devices_of("cuda", None, 8, 0) == ("cuda:0",)  # which says that there is none


def test_the_number_of_workers_must_make_sense(local: DaskLauncher) -> None:
    with pytest.raises(UserError, match="at least 1, however: 0"):
        DaskLauncher(workers=0)
    with pytest.raises(UserError, match="has its own"):
        DaskLauncher(workers=2, address=address_of(local))
