"""docker-compose.yml without Docker: its services as processes of this machine, kept running as Docker keeps them.

The file's commands, environments, health checks, dependencies, restarts and stops are what is run. What is Docker's own
is not there: images, file systems, networks, users. Names of services and ports become free ports of 127.0.0.1; in
place of the image ``postgres`` there is the server of :mod:`tests.postgres`, set up as the image does it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import yaml
from psycopg import sql

from tests.postgres import prepared
from tests.processes import alive, children

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"

# The kernel ends what is started so with the thread that started it, however that went.
_LAUNCHER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execvp(sys.argv[1], sys.argv[1:])"

# Docker's own pauses between restarts: the first, then twice as long each time, unless it ran for so long.
_FIRST_PAUSE, _LONGEST_PAUSE, _WELL_SECONDS = 0.1, 60.0, 10.0

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<rule>:[-?])(?P<rest>[^}]*))?\})")
_PORT = re.compile(r"\b(5432|8080|878[678])\b")


class Unset(Exception):  # noqa: N818 - what Compose says of it, too
    """A variable that the file requires is not set."""


def load(environment: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables replaced, as Compose does it.

    Raises:
        Unset: One without a default is not there, or empty.
        ValueError: It is written in a way that this knows nothing of.
    """

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return _VARIABLE.sub(replacement, value) if isinstance(value, str) else value

    def replacement(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        value = environment.get(found["name"], "")
        if not value and found["rule"] == ":?":
            raise Unset(f"{found['name']}: {found['rest']}")
        return value or found["rest"] or ""

    text = FILE.read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    if strange := [line for line in code.splitlines() if "$" in _VARIABLE.sub("", line)]:
        raise ValueError(f"a variable that is not understood: {strange}")
    loaded: dict[str, Any] = filled(yaml.safe_load(text))
    return loaded


def seconds(duration: str) -> float:
    """Of a duration such as ``30s`` or ``1m``."""
    return float(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


class Container:
    """A process that stands for a container.

    Args:
        name: Of the service, and which of its containers.
        service: What the file says of it.
        command: What it runs.
        environment: All of it.
        check: Its health check, in the file's form; empty where it has none.
        ports: From those in the file to those that it has.
        folder: Where it runs, and where its output goes.

    Attributes:
        statuses: With which it has ended so far; negative where a signal ended it.
    """

    def __init__(
        self,
        name: str,
        service: dict[str, Any],
        command: list[str],
        environment: dict[str, str],
        check: list[str],
        ports: dict[str, str],
        folder: Path,
    ) -> None:
        self.name = name
        self.ports = ports
        self.statuses: list[int] = []
        self._service = service
        self._command = command
        self._environment = environment
        self._check = check
        self._folder = folder
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name=name, daemon=True)

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it wrote."""
        return (self._folder / f"{self.name}.log").read_text()

    def start(self) -> None:
        """Starts it, and from now on again whenever it ends."""
        self._keeper.start()
        self._started.wait()

    def healthy(self) -> bool:
        """Whether its health check succeeds; where there is none, whether it runs."""
        if not self._check:
            return alive(self.pid)
        kind, *command = self._check
        assert kind == "CMD"
        patience = seconds(self._service["healthcheck"]["timeout"])
        try:
            # Found on the container's own path, not on this process's.
            command = ["/usr/bin/env", *command]
            return subprocess.run(command, env=self._environment, timeout=patience, capture_output=True).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def run(self, cwd: Path) -> str:
        """What it prints, run once in another folder."""
        found = subprocess.run(self._command, cwd=cwd, env=self._environment, capture_output=True, text=True)
        assert found.returncode == 0, f"{self._command}\n{found.stdout}{found.stderr}"
        return found.stdout

    def kill(self) -> None:
        """SIGKILL to all of its processes, as ``docker kill`` or the kernel's out-of-memory killer."""
        ended = len(self.statuses)
        for pid in (self.pid, *children(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(self.statuses) > ended, f"{self.name} to be gone", 60)

    def stop(self) -> None:
        """As ``docker compose stop``."""
        self._stopping.set()
        patience = seconds(self._service.get("stop_grace_period", "10s"))
        if alive(self.pid):
            # What the images of this file ask for: postgres for SIGINT.
            os.kill(self.pid, signal.SIGINT if "POSTGRES_DB" in self._environment else signal.SIGTERM)
        self._keeper.join(patience)
        if self._keeper.is_alive():
            self.kill()
            self._keeper.join()

    def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            begun = time.monotonic()
            with (self._folder / f"{self.name}.log").open("ab") as output:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    env=self._environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self._started.set()
            status = self._process.wait()
            with contextlib.suppress(ProcessLookupError):  # a container ends with its first process
                os.killpg(self._process.pid, signal.SIGKILL)
            self.statuses.append(status)
            if self._service["restart"] != "unless-stopped":
                return
            if time.monotonic() - begun > _WELL_SECONDS:
                pause = _FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class Composition:
    """The services of the file, started in their order; a context manager that stops them.

    Args:
        folder: For what they write.
        environment: That the file's variables come from.

    Attributes:
        containers: By service.
        socket: Folder of the database's own socket, where its superuser needs no password.
    """

    def __init__(self, folder: Path, socket: Path, environment: dict[str, str]) -> None:
        self.services: dict[str, dict[str, Any]] = load(environment)["services"]
        self.containers: dict[str, list[Container]] = {}
        self.socket = socket
        self._folder = folder
        # Those that other services ask for; every container has its own of the others.
        self._shared = {port: free_port() for port in ("5432", "8786")}

    def superuser(self, database: str) -> str:
        """URL for the database's superuser, who needs no password on the server's own socket."""
        return f"postgresql://postgres@/{database}?host={self.socket}&port={self._shared['5432']}"

    def __enter__(self) -> Self:
        try:
            self._up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def all(self) -> Iterator[Container]:
        """Every container."""
        for own in self.containers.values():
            yield from own

    def stop(self) -> dict[str, list[list[int]]]:
        """As ``docker compose stop``: who depends on others first.

        Returns:
            All exit statuses that each container has had.
        """
        for containers in reversed(self.containers.values()):
            for container in containers:
                container.stop()
        return {name: [container.statuses for container in own] for name, own in self.containers.items()}

    def run(self, *arguments: str, cwd: Path) -> str:
        """What ``docker compose run --rm sweep ARGUMENTS`` prints, a folder of tables mounted."""
        service = self.services["sweep"]
        container = self._container("sweep", service, [*service["entrypoint"], *arguments])
        return container.run(cwd)

    def _up(self) -> None:
        waiting = {name: service for name, service in self.services.items() if "profiles" not in service}
        while waiting:
            ready = [name for name in waiting if not waiting[name].get("depends_on", {}).keys() & waiting.keys()]
            assert ready, f"services that wait for one another: {list(waiting)}"
            for name in ready:
                service = waiting.pop(name)
                for other, rule in service.get("depends_on", {}).items():
                    assert rule == {"condition": "service_healthy"}
                    self.wait_until_healthy(other)
                self._start(name, service)

    def wait_until_healthy(self, name: str, patience: float = 120) -> None:
        """Until all containers of a service are."""
        for container in self.containers[name]:
            try:
                wait_until(container.healthy, f"{container.name} to be healthy", patience, pause=0.2)
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{container.output}") from None

    def _start(self, name: str, service: dict[str, Any]) -> None:
        self.containers[name] = own = []
        for number in range(1, int(service.get("scale", 1)) + 1):
            container = self._container(f"{name}-{number}", service, service.get("command", []))
            own.append(container)
        for container in own:
            container.start()

    def _container(self, name: str, service: dict[str, Any], command: list[str]) -> Container:
        """With this machine's ports and programs in place of a container's own."""
        ports: dict[str, str] = dict(self._shared)
        hosts = "|".join(self.services)

        def local(text: str) -> str:
            text = re.sub(rf"\b({hosts}):(?=\d)", "127.0.0.1:", text).replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - and not that
            return _PORT.sub(lambda found: ports.setdefault(found[0], free_port()), text)

        environment = {key: local(value) for key, value in service.get("environment", {}).items()}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "TMPDIR": str(self.socket),  # short, as a container's is: names of sockets are
        }
        if service["image"].startswith("postgres:"):
            binaries, command = _postgres(self.socket, service["environment"], self._shared["5432"])
            environment["PATH"] = f"{binaries}:{environment['PATH']}"
        else:
            command = [sys.executable, "-ISc", _LAUNCHER, *map(local, command)]
        check = [local(part) for part in service.get("healthcheck", {}).get("test", [])]
        return Container(name, service, command, environment, check, ports, self._folder)


def _postgres(home: Path, environment: Mapping[str, str], port: str) -> tuple[str, list[str]]:
    """What the image does when there is no database yet; the folder of its programs, and the command of its server."""
    command = [*prepared(home), "-c", f"port={port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        wait_until((home / f".s.PGSQL.{port}.lock").exists, "PostgreSQL", 20)
        wait_until(lambda: _told(home, port, environment), "PostgreSQL", 20)
        server.send_signal(signal.SIGINT)
    # What is committed must outlive the server's death; not that of the machine.
    binaries = next(str(Path(part).parent) for part in command if part.endswith("/postgres"))
    return binaries, [*command, "-c", "listen_addresses=127.0.0.1", "-c", "synchronous_commit=on"]


def _told(home: Path, port: str, environment: Mapping[str, str]) -> bool:
    """Makes user and database, once the server answers."""
    try:
        connection = psycopg.connect(host=str(home), port=port, user="postgres", autocommit=True)
    except psycopg.OperationalError:
        return False
    user, database = sql.Identifier(environment["POSTGRES_USER"]), sql.Identifier(environment["POSTGRES_DB"])
    with connection:
        password = sql.Literal(environment["POSTGRES_PASSWORD"])
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(user, password))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, user))
    return True


def free_port() -> str:
    """One of 127.0.0.1 that nobody listens on.

    Below those that the kernel hands out by itself: a connection would take that of a server that is away for a moment.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


def wait_until(condition: Callable[[], bool], what: str, patience: float, pause: float = 0.05) -> None:
    """Asks again and again.

    Raises:
        TimeoutError: In vain.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(pause)
