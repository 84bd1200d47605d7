"""Local workers of programs that are not ours: scripts without a main guard, threads, event loops, forked processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import spawn
from pathlib import Path

import dask.config
import pytest

from sweep.errors import LaunchError
from sweep.launch import cluster, forkserver
from sweep.launch.choose import open_launcher
from tests.forked import forked_processes
from tests.launch.suite import DATA, FOLDS, assert_same, make_job
from tests.processes import alive

ROOT = Path(__file__).parents[2]


def run_python(*arguments: str, folder: Path) -> list[str]:
    """What a program prints that ends well, says nothing on standard error and leaves no process behind."""
    command = [sys.executable, "-W", "error", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        printed, errors = process.communicate(timeout=300)
        left = wait_until_empty(process.pid, seconds=10)
    assert (process.returncode, errors) == (0, "")
    assert not left
    return printed.splitlines()


def wait_until_empty(session: int, seconds: float) -> list[int]:
    """Waits, and gives the processes of a session that still run after so many seconds."""
    deadline = time.monotonic() + seconds
    while left := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_of(pid, session)]:  # noqa: PTH208
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return left


def _is_of(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session and alive(pid)
    except ProcessLookupError:
        return False


# --- no main guard ----------------------------------------------------------------------------------------------------

TRAINING = """
print("main", __name__, flush=True)

import os
import signal
import time

from sweep.launch.choose import open_launcher

launcher = open_launcher("local", 2)

from tests.launch.suite import DATA, FOLDS, make_job

pids = set(launcher._client.run(os.getpid).values())
os.kill(min(pids), signal.SIGKILL)
launcher.share(DATA, FOLDS)
for number in range(4):
    launcher.submit(make_job(number))
print(sorted(done.job.numbers[0] for done in launcher.finished()))
deadline = time.monotonic() + 120
while len(launcher._client.nthreads()) < 2 and time.monotonic() < deadline:
    time.sleep(0.02)
replaced = set(launcher._client.run(os.getpid).values())
print(len(replaced), len(replaced - pids))
"""


def test_a_script_without_a_guard_runs_once_and_its_dead_worker_is_replaced(tmp_path: Path) -> None:
    """Also where nobody closes the launcher."""
    (tmp_path / "script.py").write_text(TRAINING)
    assert run_python("script.py", folder=tmp_path) == ["main __main__", "[0, 1, 2, 3]", "2 1"]


STARTING = """
print("main", __name__, flush=True)

from multiprocessing import forkserver, get_context
from sweep.launch import forkserver as ours

ours._MODULES.clear()  # the child needs none
{before}
process = get_context(ours.METHOD).Process(target=print, args=("child",))
process.start()
process.join()
raise SystemExit(process.exitcode)
"""

ANOTHERS_SERVER = "forkserver.set_forkserver_preload(['math']); forkserver.ensure_running(); assert not ours.start()"
DEFAULT_OF_A_LIBRARY = """
from multiprocessing import context, set_start_method
context._concrete_contexts["library"] = get_context("fork")
get_context("fork").__class__._name = "library"
set_start_method("library", force=True)
"""


@pytest.mark.parametrize("how", [("script.py",), ("-m", "package.script"), ("-m", "package")])
@pytest.mark.parametrize("before", ["", ANOTHERS_SERVER], ids=["forked", "spawned"])
def test_workers_do_not_run_the_main_module(how: tuple[str, ...], before: str, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    for name in ("script.py", "package/__init__.py", "package/script.py", "package/__main__.py"):
        (tmp_path / name).write_text("" if "init" in name else STARTING.format(before=before))
    assert run_python(*how, folder=tmp_path) == ["main __main__", "child"]


@pytest.mark.parametrize("before", ["", ANOTHERS_SERVER], ids=["forked", "spawned"])
def test_a_start_method_that_only_the_program_knows(before: str, tmp_path: Path) -> None:
    """As a worker of joblib's has."""
    (tmp_path / "script.py").write_text(STARTING.format(before=before + DEFAULT_OF_A_LIBRARY))
    assert run_python("script.py", folder=tmp_path) == ["main __main__", "child"]


def test_processes_that_others_start_meanwhile_have_their_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/script.py", raising=False)

    def told() -> set[str]:
        return {name for name in spawn.get_preparation_data("one") if name in forkserver._NOT_TOLD}

    complete = spawn.get_preparation_data
    with ThreadPoolExecutor(1) as thread:
        with forkserver._left_out():
            assert told() == set()
            others = thread.submit(told).result()
        assert len(others) == 2
        assert told() == others
    assert spawn.get_preparation_data is complete


# --- where the program is something else than a main thread ----------------------------------------------------------


def test_from_a_thread_in_which_an_event_loop_runs() -> None:
    """As a notebook's does."""

    async def train() -> None:
        with open_launcher("local", 1) as launcher:
            launcher.share(DATA, FOLDS)
            launcher.submit(make_job(0))
            (done,) = launcher.finished()
        with open_launcher("inline") as launcher:
            launcher.share(DATA, FOLDS)
            launcher.submit(make_job(0))
            assert_same(done.results, next(launcher.finished()).results)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, train()).result()


def _start_from_daemon() -> None:
    with pytest.raises(LaunchError, match="cannot start 2 worker processes: this is a worker process itself"):
        cluster.start_local(2)


def test_a_process_that_may_start_none_is_told_so() -> None:
    process = forked_processes().Process(target=_start_from_daemon, daemon=True)
    process.start()
    process.join(30)
    assert process.exitcode == 0


FORKED = """
import os
from multiprocessing import get_context
from sweep.launch import forkserver

forkserver._MODULES.clear()
assert forkserver.start()
pid = os.fork()
assert forkserver.start()
process = get_context(forkserver.METHOD).Process(target=print, args=("child",))
process.start()
process.join()
if pid:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
raise SystemExit(process.exitcode)
"""


def test_a_forked_process_has_a_server_of_its_own(tmp_path: Path) -> None:
    assert run_python("-c", FORKED, folder=tmp_path) == ["child", "child"]


def test_launchers_of_several_threads_leave_dask_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    forked, barrier, name = cluster._Forked(), threading.Barrier(4), "distributed.worker.multiprocessing-method"
    # So long that all of them are there before the first one goes on.
    monkeypatch.setattr(forkserver, "start", lambda: time.sleep(0.05))

    def use() -> None:
        barrier.wait()
        forked.begin()
        barrier.wait()
        forked.end()

    before = dask.config.get(name)
    try:
        with ThreadPoolExecutor(4) as threads:
            for used in [threads.submit(use) for _ in range(4)]:
                used.result()
        assert dask.config.get(name) == before
    finally:
        dask.config.set({name: before})
