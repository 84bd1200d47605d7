"""What a test has workers do in place of training, in processes of their own."""

from __future__ import annotations

import os
import signal
import time
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
