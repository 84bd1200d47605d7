"""Sweeps of small trials in a queue, and runners that train in this process."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sweep.analysis import status as analysis
from sweep.analysis.results import SweepStatus
from sweep.launch.base import Launcher
from sweep.launch.inline import InlineLauncher
from sweep.operate import chronicle, orders
from sweep.operate.answers import Answer
from sweep.operate.runner import Runner
from sweep.run import lease
from sweep.run.events import Event, TrialDone, ignore
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.spec.model import SweepSpec
from sweep.store.rows import OrderRecord
from sweep.store.store import Store
from sweep.tables.packed import pack
from tests.small_sweep import Left, small_spec, what_is_left

PATIENCE = 120.0
"""Seconds for a log to be written, on the busiest of disks."""

FEW = ("search.trials=3", "training.epochs=2")


def queue(storage: str, folder: Path, *overrides: str, priority: int = 0) -> SweepSpec:
    """Queues the small sweep, changed a little, and gives its definition."""
    spec = small_spec(folder, *overrides)
    task = prepare(spec).data.info.task
    with Store.open(storage, create=True) as store:
        orders.submit(store, spec, pack(spec.data, spec.base_dir), task, priority)
    return spec


def work(
    storage: str,
    workers: Callable[[], AbstractContextManager[Launcher]] = InlineLauncher,
    on_event: Callable[[Event], None] = ignore,
    answer: Answer | None = None,
) -> list[str]:
    """Runs what is queued, and waits for the log; what the runner said."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as context:
        context.setattr(chronicle, "CLOSING_SECONDS", PATIENCE)
        Runner(storage, workers, said.append, on_event, poll=0.05, answer=answer).run(once=True)
    return said


def log(storage: str, name: str = "small") -> list[str]:
    """What happened to a sweep, without who did it."""
    with Store.open(storage) as store:
        lines = [line.said for line in store.log_lines(name)]
    return [re.sub(r"\bprocess \d+ on [^\s:]+|(?<= by )[^\s:]+ on [^\s:]+", "WHO", line) for line in lines]


def has_begun(storage: str, name: str = "small") -> None:
    """Waits for the line that says so: a run does not."""
    deadline = time.monotonic() + PATIENCE
    while not any(line.startswith("begins") for line in log(storage, name)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(storage: str, name: str = "small") -> SweepStatus:
    with Store.open(storage) as store:
        return analysis.status(store, name)


def order(storage: str, name: str = "small") -> OrderRecord:
    with Store.open(storage) as store:
        found = store.order(name)
    assert found is not None
    return found


def rest(storage: str, state: orders.Rest, name: str = "small") -> str:
    with Store.open(storage) as store:
        return orders.rest(store, name, state)


def resume(storage: str, name: str = "small") -> str:
    with Store.open(storage) as store:
        return orders.resume(store, name)


def looks_often(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Has runs notice within a moment what is wanted of their sweep; set once one has noticed that it is to stop."""
    noticed, look_at = threading.Event(), lease.KeptLease._look_at

    def look(kept: lease.KeptLease, found: OrderRecord | None) -> None:
        look_at(kept, found)
        if kept._stop is not None:
            noticed.set()

    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(lease.KeptLease, "_look_at", look)
    return noticed


class After:
    """Does something once a number of trials are finished.

    Args:
        trials: How many.
        action: What.
        noticed: What is then waited for, if anything.
    """

    def __init__(self, trials: int, action: Callable[[], object], noticed: threading.Event | None = None) -> None:
        self._trials, self._action, self._noticed = trials, action, noticed

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialDone) and event.finished == self._trials:
            self._action()
            assert self._noticed is None or self._noticed.wait(60)


def undisturbed(folder: Path, *overrides: str) -> Left:
    storage = f"sqlite:///{folder / 'undisturbed.db'}"
    run_sweep(small_spec(folder, *overrides), storage=storage, launcher=InlineLauncher())
    return what_is_left(storage)


def begun(said: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in said if line.endswith(": begins, or goes on")]


def never() -> Launcher:
    raise AssertionError("there was nothing to do")
