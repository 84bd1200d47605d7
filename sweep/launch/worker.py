"""What runs on Dask workers: training, and what the coordinator asks for past their queues.

A worker keeps the tables that were sent to it, by a name made of their content: another sweep of the same table, or
another coordinator, does not send it again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np
from distributed import Worker, get_worker

from sweep.launch.base import BlockDone, Shared, train_shared
from sweep.records import BlockJob

# Tables are kept up to this many, and up to this many bytes; the latest one always is.
KEPT_TABLES = 8
KEPT_BYTES = 2**29
# What has to be the same here and there, as distributions.
PACKAGES = {"sweep": "dropout-sweep", "torch": "torch"}

_tables: OrderedDict[str, Shared] = OrderedDict()


class TableMissing(Exception):  # noqa: N818 - no error: it is sent again
    """The worker does not have the table, any more."""


def versions() -> dict[str, str]:
    """Of what has to be the same on workers and coordinator. Builds of torch (``+cpu``, ``+cu130``) may differ."""
    found = {}
    for name, distribution in PACKAGES.items():
        try:
            found[name] = metadata.version(distribution).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def difference(found: dict[str, str]) -> str | None:
    """What differs from here in the versions of a worker, in words; ``None`` if nothing does."""
    expected = versions()
    differing = [
        f"{name} {found.get(name, 'unknown')}, expected {version}"
        for name, version in expected.items()
        if found.get(name) != version
    ]
    return "; ".join(differing) or None


def content_name(shared: Shared) -> str:
    """SHA-256 (hex) of everything in a table and its folds: whatever could change a number."""
    digest = hashlib.sha256()
    for piece in _pieces(shared):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes | memoryview]:
    """Bytes of which no two different values have the same."""
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield f"{one.name}=".encode()
            yield from _pieces(getattr(value, one.name))
    elif isinstance(value, tuple | list):
        yield f"{len(value)}[".encode()
        for one in value:
            yield from _pieces(one)
    elif value is None or isinstance(value, str | int | float | bool):
        yield f"{value!r};".encode()
    else:  # an array, or a tensor: nothing here imports torch
        array = np.ascontiguousarray(value)
        yield f"{array.dtype.str}{array.shape}:".encode()
        yield array.reshape(-1).view(np.uint8).data


def hello() -> tuple[dict[str, str], list[str]]:
    """Versions of a worker, and names of the tables that it has. Imports nothing."""
    return versions(), list(_tables)


def keep(name: str, shared: Shared) -> None:
    """Has a worker keep a table.

    Raises:
        ValueError: It is another one than its name says: what came is not what was sent.
    """
    if content_name(shared) != name:
        raise ValueError(f"the table {name} came as {content_name(shared)}")
    _tables[name] = shared
    _tables.move_to_end(name)
    while len(_tables) > 1 and (len(_tables) > KEPT_TABLES or sum(map(_bytes, _tables.values())) > KEPT_BYTES):
        _tables.popitem(last=False)


def _bytes(shared: Shared) -> int:
    tensors = (shared.data.features, shared.data.target, *shared.folds.train, *shared.folds.test)
    return sum(tensor.nbytes for tensor in tensors)


def train(name: str, job: BlockJob, device: str, after: BlockDone | None, topic: str, key: str) -> BlockDone:
    """What a task is: a job, with what the earlier job left on the worker.

    Args:
        name: Of the table.
        job: To be trained.
        device: On what.
        after: The block that it goes on from, ``None`` to begin.
        topic: Where to say that the task has begun.
        key: Of the task.

    Raises:
        TableMissing: No such table here.
    """
    get_worker().log_event(topic, key)
    shared = _tables.get(name)
    if shared is None:
        raise TableMissing(name)
    _tables.move_to_end(name)
    return train_shared(shared, job, device, None if after is None else after.state)


def without_state(key: str, dask_worker: Worker) -> BlockDone | None:
    """The records of a finished task, read beside what its worker trains now; ``None`` if it is not here."""
    done: BlockDone | None = dask_worker.data.get(key)
    return None if done is None else replace(done, state=None)
