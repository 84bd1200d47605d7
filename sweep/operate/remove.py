"""Deleting a sweep: its study, its results, its answer, its place in the queue, its jobs and its log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep

import optuna

from sweep.analysis.status import no_sweep
from sweep.analysis.study import find_study
from sweep.errors import BusyError, NotFoundError
from sweep.operate.orders import want
from sweep.run.lease import LEASE_SECONDS, is_held, keep_lease
from sweep.run.study import optuna_storage
from sweep.store.rows import SweepRecord
from sweep.store.store import Store

_POLL_SECONDS = 0.2


def delete(store: Store, name: str, on_wait: Callable[[str], None] = lambda _: None) -> None:
    """Deletes a sweep; one that runs is cancelled first.

    Args:
        store: Where it is.
        name: Of the sweep.
        on_wait: Told for whom it waits.

    Raises:
        NotFoundError: No sweep has that name.
        BusyError: Whoever runs it does not stop.
    """
    if store.sweep(name) is None and store.order(name) is None:
        raise no_sweep(store, name)
    with suppress(NotFoundError):  # deleted by somebody else, in this very moment
        want(store, name, "cancelled")  # from here on no runner takes it, and whoever runs it stops
    sweep = store.sweep(name)
    order = store.order(name)
    if sweep is not None:
        _wait_until_free(store, sweep, on_wait)
        _delete_sweep(store, sweep, on_wait)
    store.drop_jobs(sweep=name)
    store.drop_log(name)
    if order is not None and order.state == "cancelled":  # a sweep of that name that is queued from here on is another
        store.delete_order(name, order.revision)


def _delete_sweep(store: Store, sweep: SweepRecord, on_wait: Callable[[str], None]) -> None:
    # The study first: killed in between, what is left is a sweep without a study, which can be deleted again. Under
    # the lease, so that nobody begins with it meanwhile.
    with suppress(NotFoundError), keep_lease(store, sweep, on_wait=on_wait):
        with optuna_storage(store) as storage:
            if find_study(storage, sweep) is not None:
                optuna.delete_study(study_name=sweep.name, storage=storage)
        store.fence = None  # the lease goes with the sweep
        store.delete_sweep(sweep.key)


def _wait_until_free(store: Store, sweep: SweepRecord, on_wait: Callable[[str], None]) -> None:
    deadline, told = monotonic() + 2 * LEASE_SECONDS, False
    while is_held(lease := store.lease(sweep.key)) and lease is not None:
        if monotonic() > deadline:
            raise BusyError(
                f"the sweep {sweep.name} is still being run by {lease.holder}; it was cancelled, not deleted"
            )
        if not told:
            told = True
            on_wait(f"waiting for {lease.holder} to stop {sweep.name}")
        sleep(_POLL_SECONDS)
