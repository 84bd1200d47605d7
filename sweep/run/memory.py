"""A database in memory that holds all tables, ours and Optuna's, and nothing in them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sweep.errors import StorageError
from sweep.run.prepare import Setup, prediction_bytes
from sweep.run.study import optuna_storage
from sweep.store.memory import MOST_BYTES, content_of, memory_database
from sweep.store.store import Store
from sweep.wording import count

_lock = threading.Lock()
_empty: bytes | None = None


def _renew_lock() -> None:
    """In a forked process: a thread that is not there may have held it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def prepared_memory() -> Iterator[str]:
    """The URL of a new database in memory: :func:`sweep.store.memory.memory_database` with all tables made.

    To make them takes a tenth of a second, or some. A process makes them once and copies them from then on, in two
    thousandths.

    Raises:
        StorageError: This SQLite is too old.
    """
    with memory_database(_tables()) as url:
        yield url


def check_memory(setup: Setup) -> None:
    """That a database in memory can hold a sweep: one that is full loses all that was trained.

    Predictions are nearly all of it. Compressed they take 92 % of what is counted here, for networks on random features
    and for those that predict well; the rest is room for whatever else is stored.

    Raises:
        StorageError: It may be too large.
    """
    needed = prediction_bytes(setup)
    if needed > MOST_BYTES:
        size = f"{math.ceil(100 * needed / 2**30) / 100:g} GiB of predictions"
        raise StorageError(
            f"storage must name a file, such as sqlite:///sweep.db, or a server, to hold {size} "
            f"({count(setup.budget.trials, 'trial')}), however: None (memory, which holds {MOST_BYTES // 2**30} GiB)"
        )


def _tables() -> bytes:
    """The content of a database without sweeps."""
    global _empty
    with _lock:
        if _empty is None:
            with memory_database() as url:
                with Store.open(url, create=True) as store, optuna_storage(store):
                    pass
                _empty = content_of(url)
        return _empty
