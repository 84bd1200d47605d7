"""Disks under a SQLite database: full, read-only, elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.errors import StorageError
from sweep.launch.inline import InlineLauncher
from sweep.run.loop import run_sweep
from sweep.store import database
from sweep.store.filesystems import NETWORK, filesystem_of
from sweep.store.store import Store
from tests.command_line import ROOT
from tests.small_sweep import assert_complete, assert_same, small_spec, what_is_left

pytestmark = pytest.mark.no_tables

MOUNT, UMOUNT = (shutil.which(name) or "/nowhere" for name in ("mount", "umount"))

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /home rw,relatime shared:2 master:1 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/me/scratch rw - xfs /dev/sdb rw
32 27 0:42 / /mnt/with\040blank rw - fuse.sshfs me@there:/ rw
33 27 0:43 / /twice rw - cifs //there/here rw
34 27 0:44 / /twice rw - tmpfs tmpfs rw
not a mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/sweep.db", "ext4"),
        ("/homes/sweep.db", "ext4"),
        ("/home/me/sweep.db", "nfs4"),
        ("/home/me/scratch/deep/sweep.db", "xfs"),
        ("/mnt/with blank/sweep.db", "fuse.sshfs"),
        ("/twice/sweep.db", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_and_latest_mount(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind
    assert filesystem_of(Path(path), "") is None


def test_containers_and_local_disks_are_no_network() -> None:
    assert {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "lustre", "gpfs", "beegfs", "ceph", "afs"} <= NETWORK
    assert not {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "9p", "virtiofs", "fuse.overlayfs"} & NETWORK


def test_a_network_file_system_is_refused_before_anything_is_written(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "network_filesystem", lambda _: "nfs4")
    with pytest.raises(StorageError, match=r"is on a network file system \(nfs4\), .* take a local folder, or Postgre"):
        Store.open(sqlite_url, create=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_cannot_be_written_is_said(what: str, sqlite_url: str, tmp_path: Path) -> None:
    Store.open(sqlite_url, create=True).close()
    tmp_path.chmod(0o555 if what == "folder" else 0o777)
    (tmp_path / "sweep.db").chmod(0o666 if what == "folder" else 0o444)
    told = f"however: {tmp_path if what == 'folder' else tmp_path / 'sweep.db'} is not"
    # Root may write anywhere: somebody else tries it.
    code = (
        "import os, sys\n"
        "from sweep.store.store import Store\n"
        "from sweep.errors import StorageError\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: Store.open(sys.argv[1], create=True)\n"
        "except StorageError as error: print(error)\n"
    )
    for folder in tmp_path.parents[:3]:  # the last one beside other test processes
        folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", code, sqlite_url], capture_output=True, text=True, cwd=ROOT)
    tmp_path.chmod(0o755)
    assert "be writable" in done.stdout, done
    assert told in done.stdout


def test_a_full_disk_is_one_clear_error_and_the_sweep_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not Path(MOUNT).exists():
        pytest.skip("there is no mount")
    mounted = subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be made here: {mounted.stderr.decode().strip()}")
    spec = small_spec(tmp_path, "search.trials=60")
    full, undisturbed = f"sqlite:///{disk / 'sweep.db'}", f"sqlite:///{tmp_path / 'undisturbed.db'}"
    try:
        with pytest.raises(StorageError, match=r"sweep\.db cannot be used: .*all that was stored is kept") as caught:
            run_sweep(spec, storage=full, launcher=InlineLauncher())
        assert caught.value.exit_status == 1
        subprocess.run([MOUNT, "-o", "remount,size=20m", disk], check=True)
        run_sweep(spec, storage=full, launcher=InlineLauncher())
        run_sweep(spec, storage=undisturbed, launcher=InlineLauncher())
        left = what_is_left(full)
    finally:
        subprocess.run([UMOUNT, disk], check=True)
    assert_complete(left, 60)
    assert_same(left, what_is_left(undisturbed))
