from __future__ import annotations

import subprocess
import sys

import pytest

from sweep.errors import UserError
from sweep.launch.choose import open_launcher
from sweep.launch.dask import DaskLauncher
from sweep.launch.inline import InlineLauncher


def test_inline() -> None:
    for workers in (None, 1):
        assert isinstance(open_launcher("inline", workers), InlineLauncher)
    with pytest.raises(UserError, match="must be 1, however: 2"):
        open_launcher("inline", 2)


def test_local_and_an_address() -> None:
    with open_launcher("local", 1) as launcher:
        assert isinstance(launcher, DaskLauncher)
        assert launcher.workers == 1
        with open_launcher(str(launcher._client.scheduler.address)) as second:
            assert isinstance(second, DaskLauncher)


@pytest.mark.parametrize("cluster", ["", "remote", "localhost:8786"])
def test_anything_else(cluster: str) -> None:
    with pytest.raises(UserError, match="must be inline, local or an address"):
        open_launcher(cluster)


def test_inline_does_not_import_dask() -> None:
    code = "import sys; from sweep.launch.choose import open_launcher; open_launcher('inline').close()"
    check = f"{code}; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
