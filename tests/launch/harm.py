"""What a test has workers do in place of training, in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Worker

from sweep.launch import worker
from sweep.launch.base import BlockDone, Shared
from sweep.launch.dask import DaskLauncher
from sweep.launch.worker import keep

POISON = 3


def train_or_die(name: str, job: Any, *more: Any) -> BlockDone:
    """Trial 3 kills the process that trains it, as one that needs more memory than there is."""
    done = worker.train(name, job, *more)
    if POISON in job.numbers:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return done


class PoisonedLauncher(DaskLauncher):
    _train = staticmethod(train_or_die)


def train_and_wait(gate: Path, name: str, job: Any, *more: Any) -> BlockDone:
    """Gives what it trained once the gate is open."""
    done = worker.train(name, job, *more)
    while not gate.exists():
        time.sleep(0.01)
    return done


@contextmanager
def gated(launcher: DaskLauncher, folder: Path) -> Iterator[Callable[[], None]]:
    """Blocks submitted inside do not end, however slow the test is, before it calls what it is given; or ends.

    A fresh folder takes the gate.
    """
    gate, train = folder / "open", launcher._dispatcher._train
    launcher._dispatcher._train = partial(train_and_wait, gate)
    try:
        yield gate.touch
    finally:
        gate.touch()
        launcher._dispatcher._train = train


def forget_tables() -> None:
    """As when others took their place."""
    worker._tables.clear()


def keep_unless_first(name: str, shared: Shared, dask_worker: Worker) -> None:
    """The first worker has too little memory for a table."""
    if dask_worker.name == 0:
        raise MemoryError("too large")
    keep(name, shared)


def die(*_: object) -> None:
    """As a worker that runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
