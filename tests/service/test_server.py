"""The process: where it listens, what it refuses, slow clients, how it ends, and the runner beside it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from sweep.errors import UserError
from sweep.service import beside, server
from sweep.service.server import LOOPBACK_NAMES, Listening, resolve, serve, tls
from tests.command_line import ROOT, Program
from tests.processes import alive, children, wait_until_gone
from tests.service.serving import OPERATOR, VIEWER, connected, head, options

PATIENCE = 120.0


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``sweep serve`` as a process, and the address that it says."""
    code = "from sweep.cli.main import main\nif __name__ == '__main__': main()"
    outside = {key: value for key, value in os.environ.items() if not key.startswith("SWEEP_")}
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", "0", *arguments],
        cwd=folder,
        env={**outside, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.fullmatch(r"sweep is at (https?://\S+/)  \(Ctrl-C ends it\)\n", said)
            assert found, said + process.stderr.read()
            yield process, found[1]
        finally:
            process.kill()


def until(condition: Callable[[], Any]) -> Any:
    """Waits until something is so, and gives it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


# ------------------------------------------------------------------------------------------------------- the beginning


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - what is refused
def test_beyond_loopback_it_takes_a_token(host: str, program: Program) -> None:
    refused = program("serve", "--host", host, "--port", "0", status=2)
    assert refused.err == (
        f"error: to listen on {host}, which others can reach, takes a token (SWEEP_OPERATOR_TOKEN, or --tokens FILE); "
        "without one only loopback is allowed: --host 127.0.0.1\n"
    )
    assert list(program.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "no such host"), "--host must be an address of this machine, however: no such host"),
        (("--host", ""), "however: nothing"),
        (("--tokens", "nowhere"), "the file of tokens cannot be read"),
        (("--tls-cert", "x.pem"), "both --tls-cert and --tls-key"),
        (("--tls-cert", "x.pem", "--tls-key", "y.pem"), "must exist, however: no x.pem"),
        (("--public-host", "a/b"), "--public-host must be a name"),
        (("--public-host", "a.example:80"), "--public-host must be a name"),
        (("--no-runner", "--workers", "2"), "--workers"),
        (("--storage", "sqlite:///no/x.db", "--port", "0"), "the folder of the database must exist"),
        (("--storage", "mysql://u:secret@h/d", "--port", "0"), "storage must be"),
    ],
    ids=str,
)
def test_what_is_refused_before_anything_is_started(
    arguments: tuple[str, ...], said: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_serve", pytest.fail)
    refused = program("serve", *arguments, status=2)
    assert said in refused.err
    assert "secret" not in refused.err
    assert list(program.folder.iterdir()) == []


def test_a_short_token_is_refused(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_VIEWER_TOKEN", "short-and-secret")
    refused = program("serve", status=2)
    assert "SWEEP_VIEWER_TOKEN must have at least 20 characters" in refused.err
    assert "short-and-secret" not in refused.err
    assert "SWEEP_VIEWER_TOKEN" not in os.environ


def test_a_port_that_is_taken(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = program("serve", "--port", str(port), status=2)
    assert refused.err == (
        f"error: port {port} must be free, however: Address already in use (127.0.0.1; --port takes another one)\n"
    )
    assert list(program.folder.iterdir()) == []


def served(monkeypatch: pytest.MonkeyPatch, listening: Listening, **changes: Any) -> tuple[Any, str]:
    """What it would serve, and the address that it says; it listens on loopback in truth."""
    found: list[Any] = []

    async def instead(options: Any, *rest: Any) -> None:
        found.append(options)
        rest[-1]()

    @contextmanager
    def listen(address: Any, port: int) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener

    monkeypatch.setattr(server, "_serve", instead)
    monkeypatch.setattr(server, "_listen", listen)
    serve(options(**changes), listening, found.append)
    return found[0], re.sub(r":\d+/$", "", found[1])


@pytest.mark.parametrize(
    ("host", "login", "public", "hosts", "said"),
    [
        ("127.0.0.1", False, (), LOOPBACK_NAMES, "http://127.0.0.1"),
        ("127.0.0.9", False, (), LOOPBACK_NAMES | {"127.0.0.9"}, "http://127.0.0.9"),
        ("::1", False, (), LOOPBACK_NAMES, "http://[::1]"),
        ("localhost", True, (), LOOPBACK_NAMES, "http://127.0.0.1"),
        ("localhost", False, ("Box.example",), LOOPBACK_NAMES | {"box.example"}, "http://127.0.0.1"),
        ("0.0.0.0", True, (), frozenset(), "http://127.0.0.1"),  # noqa: S104 - not in truth
        ("::", True, ("box.example",), LOOPBACK_NAMES | {"box.example"}, "http://[::1]"),
        ("192.0.2.1", True, ("box.example",), LOOPBACK_NAMES | {"box.example", "192.0.2.1"}, "http://192.0.2.1"),
    ],
)
def test_names_by_which_it_may_be_called(
    host: str,
    login: bool,
    public: tuple[str, ...],
    hosts: frozenset[str],
    said: str,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, address = served(monkeypatch, Listening(host, 0, public_hosts=public), login=login, storage=sqlite_url)
    assert (found.hosts, found.secure, address) == (hosts, False, said)


def test_behind_something_that_speaks_tls(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, address = served(monkeypatch, Listening(behind_tls=True), storage=sqlite_url)
    assert (found.secure, address) == (True, "http://127.0.0.1")


def test_names_are_resolved_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked to be loopback is what is listened on, whatever the name leads to a moment later."""
    asked: list[str] = []

    def turning(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        there = ("127.0.0.1", "192.0.2.7")[min(len(asked), 2) - 1] if host == "turns.example" else host
        return real(there, *rest, **more)

    async def instead(_: Any, listener: socket.socket, *rest: Any) -> None:
        found.append(listener.getsockname()[0])
        rest[-1]()

    real, found = socket.getaddrinfo, list[str]()
    with monkeypatch.context() as context:
        context.setattr(socket, "getaddrinfo", turning)
        context.setattr(server, "_serve", instead)
        serve(options(login=False, storage=sqlite_url), Listening("turns.example", 0), found.append)
        assert asked.count("turns.example") == 1
        with pytest.raises(UserError, match=r"^to listen on 192\.0\.2\.7, which others can reach, takes a token"):
            serve(options(login=False, storage=sqlite_url), Listening("turns.example", 0), found.append)
    assert found[0] == "127.0.0.1"
    assert found[1].startswith("http://127.0.0.1:")
    assert len(found) == 2
    assert resolve("localhost") == ip_address("127.0.0.1")
    assert resolve("::1") == ip_address("::1")
    assert not resolve("::ffff:127.0.0.1").is_loopback or sys.version_info >= (3, 13)


def test_files_of_tls_that_cannot_be_used(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    for files in ((nothing, certificate[1]), (certificate[0], nothing), (certificate[1], certificate[0])):
        with pytest.raises(UserError, match="cannot be used"):
            tls(*files)
    context = tls(*certificate)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


# ------------------------------------------------------------------------------------------------------------- the end


def test_from_beginning_to_end(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """By TLS, with tokens, while clients are in the middle of something: Ctrl-C ends it, and nobody complains."""
    arguments = ("--no-runner", "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    tokens = {"SWEEP_OPERATOR_TOKEN": OPERATOR, "SWEEP_LOG": "info", "SWEEP_LOG_FORMAT": "json"}
    with serving(tmp_path, *arguments, **tokens) as (process, address):
        assert address.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate[0]))
        with urlopen(f"{address}ready", context=context) as found:  # noqa: S310 - loopback
            assert (found.status, "max-age" in found.headers["Strict-Transport-Security"]) == (200, True)
            assert "Server" not in found.headers
        # A client that stays, one in the middle of a head, one in the middle of a body.
        port = int(address.rpartition(":")[2].rstrip("/"))
        with ExitStack() as stack:
            plain = [stack.enter_context(connected(port)) for _ in range(3)]
            each = [stack.enter_context(context.wrap_socket(one, server_hostname="localhost")) for one in plain]
            each[0].sendall(head("GET", "/health"))
            assert each[0].recv(9) == b"HTTP/1.1 "
            each[1].sendall(b"GET /")
            each[2].sendall(
                head("POST", "/v1/uploads", "Content-Length: 9", f"Authorization: Bearer {OPERATOR}") + b"1"
            )
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert OPERATOR not in err
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line for line in lines if line["level"] != "INFO"] == []
    assert [(line["path"], line["status"]) for line in lines][:2] == [("/ready", 200), ("/health", 200)]


def test_sigterm_ends_it_too(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-runner", "--host", "localhost") as (process, address):
        with urlopen(f"{address}health") as found:  # noqa: S310 - loopback
            assert found.read() == b'{"status":"ok"}'
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")


# ---------------------------------------------------------------------------------------------------------- the runner


def runners(process: subprocess.Popen[str]) -> set[int]:
    """Those beside a service."""
    found = {pid for pid in children(process.pid) if alive(pid)}
    return {pid for pid in found if b"follow()" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_a_runner_beside_it(tmp_path: Path) -> None:
    """It knows no token, comes again when it dies, is not hit by Ctrl-C, and never outlives the service."""
    tokens = {"SWEEP_OPERATOR_TOKEN": OPERATOR, "SWEEP_VIEWER_TOKEN": VIEWER}
    with serving(tmp_path, "--workers", "1", **tokens) as (process, _):
        (first,) = until(lambda: runners(process))
        assert os.getpgid(first) == first
        environment = Path(f"/proc/{first}/environ").read_bytes()
        assert b"TOKEN" not in environment
        assert b"SWEEP_STORAGE=sqlite:///sweep.db" in environment
        command = Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")
        assert command[-5:-1] == [b"runner", b"--quiet", b"--workers", b"1"]
        os.kill(first, signal.SIGKILL)
        (second,) = until(lambda: runners(process) - {first})
        process.kill()
        process.wait()
        assert not wait_until_gone([second], PATIENCE)


def test_the_runner_ends_with_the_service(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _):
        found = until(lambda: runners(process))
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
        assert not wait_until_gone(found, 0)
    assert (process.returncode, err) == (0, "")


def test_what_does_not_end_by_itself_is_killed(tmp_path: Path) -> None:
    """With what it has started."""
    code = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "from sweep.service import beside; beside.END_SECONDS = 0.2; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); beside.follow(); "
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        child = int(process.stdout.readline())
        process.stdin.close()
        try:
            assert not wait_until_gone([process.pid, child], PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_it_is_started_again_and_later_each_time(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    slept: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds < 1:  # between two looks whether it lives
            await really(seconds)
            return
        slept.append(seconds)
        if len(slept) == 7:
            raise asyncio.CancelledError

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(beside, "LOOK_SECONDS", 0.02)
    keeper = beside.Beside(["/bin/sh", "-c", "exit 3"], {})
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keeper.keep())
    assert slept == [1, 2, 4, 8, 16, 30, 30]
    assert caplog.messages[0] == "the runner ended with status 3; it is started again in 1 s"


@pytest.mark.parametrize(("host", "beside_it"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])  # noqa: S104
def test_a_runner_by_default_on_loopback(
    host: str, beside_it: bool, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Listening] = []
    monkeypatch.setattr(server, "serve", lambda options, listening, ready: found.append(listening))
    for option in ((), ("--with-runner",), ("--no-runner",)):
        monkeypatch.setenv("SWEEP_OPERATOR_TOKEN", OPERATOR)
        program("serve", "--host", host, *option)
    assert [one.runner is not None for one in found] == [beside_it, True, False]


HEAP = 64 * 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives each thread a heap of its own")
def test_threads_share_heaps(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-runner") as (process, address):

        def ask(_: int) -> int:
            with urlopen(f"{address}v1/sweeps?q=a") as found:  # noqa: S310 - our own address
                return int(found.status)

        with ThreadPoolExecutor(24) as pool:
            assert set(pool.map(ask, range(240))) == {200}
        assert psutil.Process(process.pid).num_threads() > 8
        maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    # A heap of threads has 64 MiB, begins at a multiple of that, and what is not used of it yet may not be read.
    areas = [(int(line[:12], 16), int(line[13:25], 16), line.split()[1]) for line in maps if line[12] == "-"]
    heaps = [
        start
        for (start, end, may), (after, last, rest) in pairwise(areas)
        if (may, rest, end, last) == ("rw-p", "---p", after, start + HEAP) and start % HEAP == 0
    ]
    assert 0 < len(heaps) <= 2
