"""The clerk: a process beside a runner that does what is asked beside sweeps, and takes no time from them.

Estimates, exports and models are jobs in the database (``jobs``), taken under a lease. Each is done in a process of its
own (``errand``), forked from the clerk, which has PyTorch imported and holds nothing that does not outlive a fork: no
thread, and no connection at that moment. Estimates do not wait for a model that trains. Whatever happens to such a
process ends its job, with a reason; whatever happens to the clerk leaves its jobs to the next one.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from time import monotonic
from types import FrameType, TracebackType
from typing import Self

from sweep.errors import SweepError
from sweep.launch import forkserver
from sweep.operate.errand import Do, Done, Errand
from sweep.store.failures import UnreachableError
from sweep.store.service_rows import JobKind, JobRecord
from sweep.store.store import Store

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""After which a job goes to somebody else whose clerk was not heard of."""

POLL_SECONDS = 0.5
AWAY_SECONDS = 5.0  # between two looks where the database is away

LOOK_SECONDS = 10.0  # between two looks whether a clerk lives
ENDING_SECONDS = 10.0  # that it has to give back what it is at

KEPT_JOBS = timedelta(days=7)
KEPT_UPLOADS = timedelta(days=30)
TIDY_SECONDS = 3600.0

LANES: tuple[tuple[JobKind, ...], ...] = (("estimate",), ("export", "fit"))
"""Kinds of which one job at a time is done: whoever waits for an estimate looks at a page."""

NICE = 5
"""A process that trains a sweep has three times the weight of one with this. With 10 an estimate, which somebody waits
for, takes a minute where all processors are busy."""


@dataclass(frozen=True, slots=True)
class Duty:
    """How jobs of a kind are done.

    Attributes:
        do: Does one; a function of a module, so that another process finds it.
        seconds: After which it is given up.
    """

    do: Do
    seconds: float


Duties = Mapping[JobKind, Duty]


class _Lane:
    """One job at a time, of some kinds."""

    def __init__(self, kinds: tuple[JobKind, ...]) -> None:
        self.kinds = kinds
        self.job: JobRecord | None = None
        self.token = secrets.token_hex(16)  # another one for each job
        self.errand: Errand | None = None
        self.outcome: Done | str | None = None
        self.said: str | None = None
        self.renewed = 0.0

    def clear(self) -> None:
        if self.errand is not None:
            self.errand.close()
        self.job = self.errand = self.outcome = self.said = None
        self.token = secrets.token_hex(16)


class Clerk:
    """Does jobs, one of each lane at a time.

    Args:
        storage: Database URL. Its tables are there.
        duties: What it can do.
        lease: Seconds after which a job goes to somebody else.
    """

    def __init__(self, storage: str, duties: Duties, lease: float = LEASE_SECONDS) -> None:
        self._storage, self._duties, self._lease = storage, duties, lease
        self._lanes = [_Lane(tuple(kind for kind in kinds if kind in duties)) for kinds in LANES]
        self._tidied = -TIDY_SECONDS
        self._store: Store | None = None

    def run(self) -> None:
        """Works until its parent ends, or it is interrupted; what is under way then goes back into the queue."""
        parent = parent_process()
        ended = [] if parent is None else [parent.sentinel]
        try:
            while True:
                pause = self._step()
                signs = [sign for lane in self._lanes if lane.errand is not None for sign in lane.errand.signs]
                if pause == AWAY_SECONDS:  # what has ended already, and cannot be delivered, would not let it wait
                    signs = []
                if set(wait([*ended, *signs], pause)) & set(ended):
                    return
        except Exception:  # it may be a job that brings clerks down: it counts as begun, and its lease ends by itself
            for lane in self._lanes:
                lane.clear()
            raise
        finally:
            self._give_back()

    def _step(self) -> float:
        """One look at everything; seconds until the next one."""
        try:
            for lane in self._lanes:
                self._work(lane)
            self._tidy()
        except (SweepError, OSError) as error:  # the database is away, or no process can be started
            logger.debug("the clerk waits: %s", error)
            self._close()
            return AWAY_SECONDS
        return POLL_SECONDS

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store.open(self._storage)
        return self._store

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _work(self, lane: _Lane) -> None:
        if lane.job is None:
            self._take(lane)
        if lane.job is None or lane.errand is None:
            return
        lane.said = lane.errand.said() or lane.said
        if lane.outcome is None:
            lane.outcome = lane.errand.outcome()
        if lane.outcome is None:
            self._renew(lane, lane.job)
        else:
            self._deliver(lane, lane.job, lane.outcome)
            self._take(lane)

    def _take(self, lane: _Lane) -> None:
        job = self._opened().take_job(lane.kinds, lane.token, self._lease)
        if job is None:
            return
        lane.job, lane.renewed = job, monotonic()
        duty = self._duties[job.kind]
        self._close()  # a connection would not outlive the fork
        try:
            lane.errand = Errand(duty.do, self._storage, job, duty.seconds)
        except OSError:  # too many processes, or no room
            token = lane.token
            lane.clear()  # first: a lane with a job and no errand would take no other
            with suppress(SweepError):  # then its lease ends by itself
                self._opened().return_job(job.id, token)
            raise

    def _renew(self, lane: _Lane, job: JobRecord) -> None:
        often = self._lease / 6
        if monotonic() - lane.renewed < (often if lane.said is None else min(often, 1.0)):
            return
        if not self._opened().renew_job(job.id, lane.token, self._lease, lane.said):
            lane.clear()  # it was deleted with its sweep, or taken over while this process could not be seen
            return
        lane.said, lane.renewed = None, monotonic()

    def _deliver(self, lane: _Lane, job: JobRecord, outcome: Done | str) -> None:
        store = self._opened()
        try:
            if isinstance(outcome, str):
                store.fail_job(job.id, lane.token, outcome)
            else:
                store.finish_job(job.id, lane.token, outcome.result, outcome.file)
        except UnreachableError:
            raise  # it is kept, and delivered when the database is back
        except SweepError as error:
            store.fail_job(job.id, lane.token, f"what it gave cannot be stored: {error}")
        lane.clear()

    def _tidy(self) -> None:
        """Drops what nobody will ask for any more."""
        if monotonic() - self._tidied < TIDY_SECONDS:
            return
        now, store = datetime.now(UTC), self._opened()
        store.drop_jobs(before=now - KEPT_JOBS)
        store.drop_uploads(now - KEPT_UPLOADS)
        self._tidied = monotonic()

    def _give_back(self) -> None:
        for lane in self._lanes:
            if lane.job is not None:
                with suppress(SweepError):  # then its lease ends by itself
                    self._opened().return_job(lane.job.id, lane.token)
            lane.clear()
        self._close()


# --- its process ------------------------------------------------------------------------------------------------------


class ClerkProcess:
    """A clerk in a process of its own, which ends with this one. A context manager.

    A thread starts it, since that takes as long as PyTorch is imported, and starts another one where it died. Where
    none can be started, what is asked waits: the log says so once, and it is tried again.

    Args:
        storage: Database URL.
        duties: What it can do.
        lease: As of :class:`Clerk`.
        look: Seconds between two looks whether it lives.

    Attributes:
        pid: Of the process; ``None`` as long as there is none.
    """

    def __init__(self, storage: str, duties: Duties, lease: float = LEASE_SECONDS, look: float = LOOK_SECONDS) -> None:
        self._given, self._look = (storage, duties, lease), look
        self.pid: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sweep-clerk", daemon=True)

    def _keep(self) -> None:
        """The thread."""
        process: BaseProcess | None = None
        told = False
        while not self._over.is_set():
            try:
                if process is None or not process.is_alive():
                    process = self._started()
                    told = False
            except Exception as error:  # whatever it is, sweeps can be run without
                if not told:
                    bug = None if isinstance(error, OSError) else error
                    logger.warning("the clerk cannot be started, what is asked waits: %s", error, exc_info=bug)
                told = True
            self._over.wait(self._look)
        if process is not None:
            process.terminate()
            process.join(ENDING_SECONDS)
            process.kill()
            process.join()
        self.pid = None

    def _started(self) -> BaseProcess:
        # Not a daemon: those may not have children of their own.
        process = forkserver.WorkerProcess(target=_serve, args=self._given, name="sweep-clerk")
        process.start()
        self.pid = process.pid
        return process

    def __enter__(self) -> Self:
        forkserver.start()  # from this thread
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        # One that is only being started has nothing to give back, and is ended by the thread when it is there.
        self._thread.join(0.5 if self.pid is None else ENDING_SECONDS + 5.0)


def _serve(storage: str, duties: Duties, lease: float) -> None:
    def end(_: int, __: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    with suppress(OSError):
        os.nice(NICE)
    Clerk(storage, duties, lease).run()
