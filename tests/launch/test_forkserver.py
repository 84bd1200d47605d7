"""Where local workers come from: the right modules, the right signals, and a host program left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.config

from sweep.launch import base, cluster, forkserver

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
    done = subprocess.run(run, cwd=here, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == base.__file__


def test_another_ones_server_is_not_used() -> None:
    """Ctrl-C would reach workers that are forked from it."""
    code = "from multiprocessing import forkserver; forkserver.ensure_running(); "
    code += "from sweep.launch import forkserver as ours; assert not ours.start()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


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
