"""Where local workers come from: the right modules, the right signals, and a host program left as it was."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import dask.config
import pytest

from sweep.launch import base, cluster, forkserver
from tests import scratch
from tests.forked import forked_processes

METHOD = "distributed.worker.multiprocessing-method"

SCRIPT = """
from multiprocessing import get_context
from sweep.launch import forkserver

def report():
    import sweep.launch.base
    print(sweep.launch.base.__file__, flush=True)

if __name__ == "__main__":
    assert forkserver.start()
    process = get_context("forkserver").Process(target=report)
    process.start()
    process.join()
    raise SystemExit(process.exitcode)
"""


def test_a_module_in_the_current_folder_is_not_taken_for_one_of_ours(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    for name in ("sweep", "random", "torch"):
        (here / f"{name}.py").write_text("print('taken from the current folder', flush=True)\n")
    (elsewhere / "script.py").write_text(SCRIPT)
    run = [sys.executable, str(elsewhere / "script.py")]
    done = subprocess.run(run, cwd=here, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == base.__file__


def _garbage(reports: Connection) -> None:
    reports.send((gc.isenabled(), gc.get_freeze_count()))


def test_what_was_imported_is_left_alone_and_what_comes_is_looked_through() -> None:
    processes = forked_processes()
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=_garbage, args=(theirs,))
    process.start()
    looked_for, left_alone = ours.recv()
    process.join()
    assert looked_for
    assert left_alone > 100_000


def test_another_ones_server_is_not_used() -> None:
    """Ctrl-C would reach workers that are forked from it."""
    code = "from multiprocessing import forkserver; forkserver.ensure_running(); "
    code += "from sweep.launch import forkserver as ours; assert not ours.start()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


ROOMY = """
import os
import sys
from multiprocessing import forkserver, process
from sweep.launch import forkserver as ours

ours._MODULES = []

if __name__ == "__main__":
    for _ in range(2):  # started again, where it died
        assert ours.start()
        one = ours.WorkerProcess(target=os._exit, args=(7,))
        one.start()
        one.join()
        assert one.exitcode == 7
        os.kill(forkserver._forkserver._forkserver_pid, 9)
        os.waitid(os.P_PID, forkserver._forkserver._forkserver_pid, os.WEXITED | os.WNOWAIT)
    print(os.path.dirname(forkserver._forkserver._forkserver_address))
"""


@pytest.mark.parametrize("long", [False, True])
def test_the_name_of_the_folder_for_temporary_files_may_be_long(tmp_path: Path, *, long: bool) -> None:
    """That of a socket may not, and is in it otherwise."""
    (tmp_path / "script.py").write_text(ROOMY)
    with scratch.folder("room") as room:
        folder = Path(room, "x" * 100 * long)
        folder.mkdir(exist_ok=True)
        environment = {**os.environ, "TMPDIR": str(folder)}
        run = [sys.executable, str(tmp_path / "script.py")]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        used = Path(done.stdout.strip())
        assert (used.parent == folder) is not long
        assert not used.exists()


def test_where_no_server_can_be_started_processes_are_started_one_by_one(tmp_path: Path) -> None:
    """And once it can be, they are forked again."""
    (tmp_path / "script.py").write_text(
        """
import os
from multiprocessing import util
from sweep.launch import forkserver as ours

ours._MODULES = []

def refused(*_):
    raise BlockingIOError(11, "Resource temporarily unavailable")

if __name__ == "__main__":
    start, util.spawnv_passfds = util.spawnv_passfds, refused
    assert not ours.start()
    try:
        ours.WorkerProcess(target=os._exit, args=(7,)).start()
    except BlockingIOError:
        util.spawnv_passfds = start
    assert ours.start()
    one = ours.WorkerProcess(target=os._exit, args=(7,))
    one.start()
    one.join()
    assert one.exitcode == 7
"""
    )
    run = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_dask_is_left_as_it_was() -> None:
    before = dask.config.get(METHOD)
    forked = cluster._Forked()
    forked.begin()
    forked.begin()
    during = dask.config.get(METHOD)
    assert during == forkserver.METHOD
    forked.end()
    assert dask.config.get(METHOD) == during
    forked.end()
    assert dask.config.get(METHOD) == before
