"""Which file systems a SQLite database must not lie on.

The write-ahead log needs memory that all programs with the file share, which exists within one machine only; and file
locks over a network are known to be granted twice. Either damages a database some day, without an error.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

# As /proc/self/mountinfo calls them. Not among them: 9p, virtiofs and overlay, by which containers and virtual machines
# have their only disk.
NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "lustre", "gpfs", "beegfs", "ceph",
        "glusterfs", "orangefs", "pvfs2", "wekafs", "panfs", "fhgfs", "acfs", "fuse.ceph", "fuse.glusterfs",
        "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.mount-s3", "fuse.gcsfuse", "fuse.goofys", "fuse.juicefs",
        "fuse.davfs2", "fuse.moosefs", "fuse.mfs", "fuse.lizardfs", "fuse.seaweedfs", "fuse.blobfuse2",
        "fuse.curlftpfs",
    }
)  # fmt: skip


def network_filesystem(path: Path) -> str | None:
    """The kind of network file system that a file or folder lies on; ``None`` if it is none, or nobody can tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:  # not on Linux
        return None
    kind = filesystem_of(path.resolve(), mounts)
    return kind if kind in NETWORK else None


def filesystem_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that a file or folder lies on.

    Args:
        path: Absolute, without symbolic links.
        mounts: The text of ``/proc/self/mountinfo``: a line a mount, in the order they were mounted. Its fifth field is
            where; the first one after the hyphen is the type.
    """
    found, depth = None, 0
    for line in mounts.splitlines():
        before, hyphen, after = line.partition(" - ")
        fields = before.split(" ")
        if not hyphen or len(fields) < 5:
            continue
        point = PurePosixPath(_unescaped(fields[4]))
        # Of two at the same place the later one covers the other.
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = after.split(" ")[0], len(point.parts)
    return found


def _unescaped(text: str) -> str:
    r"""Blanks and the like are written as ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
