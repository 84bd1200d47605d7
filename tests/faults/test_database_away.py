"""PostgreSQL that is away for a while, or hangs: it costs waiting, not results. One that dies: ``test_outages``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sweep.launch.inline import InlineLauncher
from sweep.run.loop import run_sweep
from sweep.spec.model import SweepSpec
from tests import scratch
from tests.faults.runs import started
from tests.postgres import prepared
from tests.small_sweep import Left, assert_same, small_spec, what_is_left

AWAY_SECONDS = 30.0
"""As long as the lease of a run, and longer than any timeout of a connection."""


class Server:
    """PostgreSQL of this test alone, on a socket, that can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self._home, self._command = home, [*prepared(home), "-c", "synchronous_commit=on"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self._home}"

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with (self._home / "log").open("a") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        deadline = time.monotonic() + 120
        while True:
            try:
                psycopg.connect(host=str(self._home), user="postgres").close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._home / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(timeout=120)

    def freeze(self, number: signal.Signals) -> None:
        """Stops or continues the server and every process of it."""
        assert self._process is not None
        family = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in [self._process.pid, *map(int, family)]:
            os.kill(pid, number)


@pytest.fixture
def server() -> Iterator[Server]:
    with scratch.folder("away") as home:
        own = Server(Path(home))
        own.start()
        try:
            yield own
        finally:
            if own.runs:
                own.freeze(signal.SIGCONT)
                own.end(signal.SIGINT)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> SweepSpec:
    changes = (
        "search.trials=24",
        "search.batch=6",
        "search.sampler=tpe",
        "search.pruner=halving",
        "search.reduction=2",
    )
    return small_spec(tmp_path_factory.mktemp("away"), *changes, "training.epochs=4", "training.checkpoints=4")


@pytest.fixture(scope="module")
def undisturbed(spec: SweepSpec, tmp_path_factory: pytest.TempPathFactory) -> Left:
    storage = f"sqlite:///{tmp_path_factory.mktemp('undisturbed') / 'sweep.db'}"
    run_sweep(spec, storage=storage, launcher=InlineLauncher())
    return what_is_left(storage)


def test_away_for_half_a_minute(server: Server, spec: SweepSpec, undisturbed: Left) -> None:
    """Longer than the lease: nobody else has taken the sweep, so the run goes on with it."""
    with started(spec, server.url) as run:
        run.wait_for_events(6)
        server.end(signal.SIGINT)
        run.go_on()
        time.sleep(AWAY_SECONDS)
        assert run.process.is_alive()
        server.start()
        assert run.result()[0] == "done"
    assert_same(what_is_left(server.url), undisturbed)


def test_an_interrupt_does_not_wait_for_it(server: Server, spec: SweepSpec, undisturbed: Left) -> None:
    """Whoever stops a run that waits for its database gets it stopped, and goes on later."""
    with started(spec, server.url) as run:
        run.wait_for_events(6)
        server.end(signal.SIGINT)
        run.go_on()
        time.sleep(2)
        assert run.process.is_alive()
        run.send(signal.SIGINT)
        told, finished = run.result()  # it stays away
        assert told == "interrupted"
        assert finished >= 5  # one of the events is the start
    server.start()
    run_sweep(spec, storage=server.url, launcher=InlineLauncher())
    assert_same(what_is_left(server.url), undisturbed)


def test_a_server_that_hangs(server: Server, spec: SweepSpec, undisturbed: Left) -> None:
    """It accepts connections and says nothing, as one whose disk does: what waits goes on when it does."""
    with started(spec, server.url) as run:
        run.wait_for_events(6)
        server.freeze(signal.SIGSTOP)
        run.go_on()
        time.sleep(3)
        assert run.process.is_alive()
        server.freeze(signal.SIGCONT)
        assert run.result()[0] == "done"
    assert_same(what_is_left(server.url), undisturbed)
