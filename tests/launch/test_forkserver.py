"""Where local workers come from: the right modules, the right signals, and a host program left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.config

from sweep.launch.dask import DaskLauncher

METHOD = "distributed.worker.multiprocessing-method"

SCRIPT = """
from sweep.launch.dask import DaskLauncher

if __name__ == "__main__":
    with DaskLauncher(workers=1) as launcher:
        found = launcher._client.run(lambda: __import__("sweep.launch.base", fromlist=["warm"]).__file__)
        print(*found.values())
"""


def test_a_module_in_the_current_folder_is_not_taken_for_one_of_ours(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    for name in ("sweep", "random", "torch"):
        (here / f"{name}.py").write_text("raise SystemExit('taken from the current folder')\n")
    (elsewhere / "script.py").write_text(SCRIPT)
    run = [sys.executable, str(elsewhere / "script.py")]
    done = subprocess.run(run, cwd=here, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == sys.modules["sweep.launch.base"].__file__


def test_another_ones_server_is_not_used() -> None:
    """Ctrl-C would reach workers that are forked from it."""
    code = "from multiprocessing import forkserver; forkserver.ensure_running(); "
    code += "from sweep.launch import forkserver as ours; assert not ours.start()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_dask_is_left_as_it_was() -> None:
    before = dask.config.get(METHOD)
    first = DaskLauncher(workers=1)
    second = DaskLauncher(workers=1)
    during = dask.config.get(METHOD)
    first.close()
    assert dask.config.get(METHOD) == during
    second.close()
    assert dask.config.get(METHOD) == before
