"""What is not a cluster. Those that are: `test_dask.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sweep.errors import UserError
from sweep.launch.choose import open_launcher
from sweep.launch.inline import InlineLauncher


def test_inline() -> None:
    for workers in (None, 1):
        assert isinstance(open_launcher("inline", workers), InlineLauncher)
    with pytest.raises(UserError, match="must be 1, however: 2"):
        open_launcher("inline", 2)


@pytest.mark.parametrize("cluster", ["", "remote", "localhost:8786"])
def test_anything_else(cluster: str) -> None:
    with pytest.raises(UserError, match="must be inline, local or an address"):
        open_launcher(cluster)


def test_launching_needs_no_torch() -> None:
    """Workers can start while the coordinator imports it, which takes seconds."""
    code = "import sys, sweep.launch.choose, sweep.launch.dask; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
