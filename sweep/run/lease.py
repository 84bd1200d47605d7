"""One coordinator per sweep: taking the lease, keeping it, and noticing that it is lost.

A thread renews the lease every few seconds, and looks at what is wanted of the sweep meanwhile. The run asks
:meth:`KeptLease.check` while it waits and before it writes to the study. Beyond that each transaction checks the lease
itself, ours and Optuna's (:func:`sweep.store.leases.fence`).
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, sleep

import psutil

from sweep import wording
from sweep.errors import BusyError, NotFoundError, StoppedError, StorageError
from sweep.store.leases import fence
from sweep.store.rows import Holder, LeaseRecord, OrderRecord, SweepRecord
from sweep.store.store import Store

LEASE_SECONDS = 30.0
"""After which a lease ends that nobody renews: how long a crash on another machine is waited for."""

RENEW_SECONDS = 5.0
"""Between two renewals: how soon a run stops that is paused or cancelled, and a live holder is told from a dead one."""

_POLL_SECONDS = 0.5
_SAME_START_SECONDS = 2.0  # of ticks, and of the second in which the boot is given


def this_process() -> Holder:
    """This process, with a token of its own for each call."""
    return Holder(
        token=secrets.token_hex(16),
        machine=_machine(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started=_started(psutil.Process()),
    )


def is_dead(holder: Holder) -> bool:
    """Whether a holder certainly runs no longer: seen from its own machine only."""
    if holder.machine != _machine():
        return False
    try:
        process = psutil.Process(holder.pid)
        same = abs(_started(process) - holder.started) < _SAME_START_SECONDS
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # or hidden: those of other users may be
        return not _exists(holder.pid)
    except psutil.AccessDenied:
        return False


def _started(process: psutil.Process) -> float:
    """Seconds after the boot: what is given as a time of day moves with the clock."""
    return float(process.create_time() - psutil.boot_time())


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def is_held(lease: LeaseRecord | None) -> bool:
    """Whether a run is at work under a lease, as far as can be seen from here."""
    return lease is not None and lease.seconds_left > 0 and not is_dead(lease.holder)


def _machine() -> str:
    """Equal where process ids can be compared: the boot of a machine, and the namespace of its process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: then nobody's death is certain
        return secrets.token_hex(16)


def _clock() -> float:
    """Seconds that go on while this process is stopped, and while its machine sleeps."""
    return clock_gettime(CLOCK_BOOTTIME)


class KeptLease:
    """A lease that this process has and keeps. Made by :func:`keep_lease`."""

    def __init__(self, store: Store, sweep: SweepRecord, holder: Holder, revision: int | None) -> None:
        self.key, self.holder = sweep.key, holder
        self._name, self._store, self._ordered = sweep.name, store, revision is not None
        order = store.order(sweep.name)
        self._revision = revision if revision is not None else 0 if order is None else order.revision
        self._renewed = _clock()
        self._lost: BusyError | None = None
        self._stop: StoppedError | None = None
        self._look_at(order)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sweep-lease", daemon=True)

    def check(self) -> None:
        """Call it while waiting, and before each write to the study.

        Raises:
            BusyError: Another run has taken over, or the sweep was deleted.
            StoppedError: Somebody has paused or cancelled the sweep.
            StorageError: Whether the lease is still this run's cannot be found out.
        """
        if self._lost is None and _clock() - self._renewed > LEASE_SECONDS:
            # The thread could not: this process was stopped, or the database was away.
            try:
                self._renew(self._store)
            except BusyError:  # by the fence, which knows no more
                self._lost = self._taken_over(self._store)
        for error in (self._lost, self._stop):
            if error is not None:
                raise error

    def _renew(self, store: Store) -> None:
        asked = _clock()
        if store.renew_lease(self.key, self.holder.token, LEASE_SECONDS):
            self._renewed = asked
        else:
            self._lost = self._taken_over(store)

    def _taken_over(self, store: Store) -> BusyError:
        now = store.lease(self.key)
        if now is not None:
            return BusyError(f"the sweep {self._name} was taken over by {now.holder} while this run could not be seen")
        if store.sweep(self._name) is None:
            return BusyError(f"the sweep {self._name} was deleted while it ran")
        return BusyError(f"another run took over the sweep {self._name} while this one could not be seen")

    def _keep(self) -> None:
        """The thread."""
        store: Store | None = None
        try:
            while not self._over.wait(RENEW_SECONDS if store is None else self._next()):
                with suppress(StorageError, NotFoundError):  # the run itself says what it meets
                    # Opened late: a run of a few seconds needs none. Of its own: patience and fence are the run's.
                    store = store or self._store.again()
                    self._renew(store)
                    self._look_at(store.order(self._name))
                if self._lost is not None:
                    return
        finally:
            if store is not None:
                store.close()

    def _next(self) -> float:
        """Seconds until the lease is to be renewed; soon again where it failed."""
        return max(_POLL_SECONDS, RENEW_SECONDS - (_clock() - self._renewed))

    def _look_at(self, order: OrderRecord | None) -> None:
        if order is None and self._ordered:
            self._stop = StoppedError(f"the sweep {self._name} was deleted")
        if order is not None and order.revision > self._revision:
            self._revision = order.revision
            if order.state in ("paused", "cancelled"):
                self._stop = StoppedError(f"the sweep {self._name} was {order.state}")

    def begin(self) -> None:
        """Starts renewing."""
        self._thread.start()

    def end(self) -> None:
        """Stops renewing, and gives the lease back."""
        self._over.set()
        self._thread.join()
        # What ended the run may be what is in the way: then nothing is waited for, and the lease expires by itself.
        before, self._store.patience = self._store.patience, 0.0
        try:
            with suppress(StorageError, BusyError):
                self._store.release_lease(self.key, self.holder.token)
        finally:
            self._store.patience = before


@contextmanager
def keep_lease(
    store: Store,
    sweep: SweepRecord,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] = lambda _: None,
    revision: int | None = None,
) -> Iterator[KeptLease]:
    """Inside, this process is the only coordinator of a sweep, and all writes of the store check that it is.

    A holder that died on this machine is taken over at once. Of one elsewhere that is as good as known to be dead,
    and of one that does not show, the lease is waited for.

    Args:
        store: Where the sweep is. Its ``fence`` is set inside.
        sweep: Which.
        wait: Whether to wait for a lease that nobody renews.
        on_wait: Told once who holds it, and for how long.
        revision: Of what was wanted of the sweep when the run was decided on: it stops for what was said later; of this
            moment if ``None``.

    Raises:
        BusyError: A live process holds it, or ``wait`` is false and somebody does.
        NotFoundError: The sweep was deleted meanwhile.
        StorageError: The database cannot be used.
    """
    holder = this_process()
    try:
        _take(store, sweep, holder, wait=wait, on_wait=on_wait)
        kept = KeptLease(store, sweep, holder, revision)
    except BaseException:  # Ctrl-C may come when it is taken already
        with suppress(StorageError):
            store.release_lease(sweep.key, holder.token)
        raise
    kept.begin()
    before, store.fence = store.fence, fence(sweep.key, holder.token)
    try:
        yield kept
    finally:
        store.fence = before
        kept.end()


def _take(store: Store, sweep: SweepRecord, holder: Holder, *, wait: bool, on_wait: Callable[[str], None]) -> None:
    seen: LeaseRecord | None = None
    dead: str | None = None
    while True:
        lease = store.take_lease(sweep.key, holder, LEASE_SECONDS, after=dead)
        other = lease.holder
        if other.token == holder.token:
            return
        if is_dead(other):
            dead = other.token
            continue
        renewed = seen is not None and seen.holder.token == other.token and lease.expires_at > seen.expires_at
        if renewed or not wait:
            raise BusyError(f"the sweep {sweep.name} is being run by {other}; nothing was changed")
        if seen is None or seen.holder.token != other.token:
            seen = lease
            seconds = wording.duration(max(1.0, lease.seconds_left))
            on_wait(f"waiting for {other}, which runs {sweep.name} or has died: at most {seconds}")
        sleep(_POLL_SECONDS)
