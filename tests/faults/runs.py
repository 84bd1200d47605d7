"""Runs of a sweep in processes of their own, to be killed, stopped and raced."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from sweep.cli.errors import interruptible
from sweep.errors import SweepError
from sweep.launch.inline import InlineLauncher
from sweep.run import lease
from sweep.run.events import Event, Interrupted, Started, TrialDone
from sweep.run.loop import run_sweep
from sweep.spec.model import SweepSpec
from tests.forked import forked_processes, hear_interrupts

HELD_AT = 16
"""A run that is held begins or finishes trials so many times, and goes on when it is told to."""


def _run(spec: SweepSpec, storage: str, reports: Connection, lease_seconds: float | None, held: bool) -> None:
    hear_interrupts()
    if lease_seconds is not None:
        lease.LEASE_SECONDS, lease.RENEW_SECONDS = lease_seconds, lease_seconds / 6

    events = 0

    def report(event: Event) -> None:
        nonlocal events
        if isinstance(event, Started | TrialDone):
            reports.send(("event", type(event).__name__))
            events += 1
            if held and events == HELD_AT:
                reports.recv()

    try:
        with interruptible():
            outcome = run_sweep(spec, storage=storage, launcher=InlineLauncher(), on_event=report)
    except Interrupted as stopped:
        reports.send(("interrupted", stopped.outcome.complete + stopped.outcome.pruned))
    except SweepError as error:
        reports.send((type(error).__name__, str(error)))
    else:
        reports.send(("done", outcome.told))


@dataclass(frozen=True)
class Run:
    """A run in a process of its own."""

    process: ForkServerProcess
    reports: Connection

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def wait_for_events(self, count: int) -> None:
        """Until it has begun or finished trials so many times: fewer than :data:`HELD_AT`."""
        assert count < HELD_AT
        for _ in range(count):
            kind, value = self.reports.recv()
            assert kind == "event", (kind, value)

    def go_on(self) -> None:
        """Where it is held, or when it comes there."""
        self.reports.send(None)

    def result(self, seconds: float = 120) -> tuple[str, Any]:
        """``"done"`` and the trials it told, ``"interrupted"`` and those finished, or an error and what it says."""
        while self.reports.poll(seconds):
            kind, value = self.reports.recv()
            if kind != "event":
                return kind, value
        raise TimeoutError(f"the run says nothing for {seconds} s")

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        os.kill(self.pid, number)


@contextmanager
def started(spec: SweepSpec, storage: str, lease_seconds: float | None = None, held: bool = True) -> Iterator[Run]:
    """A run that is killed in the end, if it has not ended.

    Args:
        spec: The definition.
        storage: Database URL.
        lease_seconds: For a lease of another length.
        held: Whether it waits in the middle for :meth:`Run.go_on`: what is done to it comes before its end, however
            slow the one is that does it.
    """
    processes = forked_processes()
    ours, theirs = processes.Pipe()
    process = processes.Process(target=_run, args=(spec, storage, theirs, lease_seconds, held))
    process.start()
    theirs.close()
    try:
        yield Run(process, ours)
    finally:
        process.kill()
        process.join()
        ours.close()
