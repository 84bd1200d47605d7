"""Answers that a runner is asked for: taken under a lease, trained by its workers, and never lost on the way.

Every run that is finished is stored with the sweep, so whoever takes the job up goes on where it was.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sweep.errors import LaunchError, StoppedError, SweepError
from sweep.interrupts import held
from sweep.operate.jobs import RUNNERS
from sweep.operate.reasons import bug, without_places
from sweep.operate.repeating import Repeating
from sweep.store.failures import NoSpaceError, UnreachableError
from sweep.store.service_rows import JobRecord
from sweep.store.store import Store

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""After which another runner takes a job whose runner was not heard of."""

RENEW_SECONDS = 5.0

MOST_LOSSES = 3
"""So often one answer may lose all workers."""

Say = Callable[[str], None]

Answer = Callable[[JobRecord, Say], Mapping[str, Any]]
"""Answers what a job asks, as plain values, and tells how far it is; what telling raises comes out of it."""


class Answers:
    """Takes jobs that ask for answers, one at a time.

    Args:
        storage: Database URL. Its tables are there.
        answer: Trains what is missing.
        say: Told in sentences what it does.
    """

    def __init__(self, storage: str, answer: Answer, say: Say) -> None:
        self._storage, self._answer, self._say = storage, answer, say
        self._token = secrets.token_hex(16)  # another one for each job
        self._losses: dict[str, int] = {}

    def take_one(self, doing: Callable[[str | None], None]) -> bool:
        """Does the oldest job; whether there was one.

        Args:
            doing: Told the name of the sweep.

        Raises:
            LaunchError: The workers are gone; the job is back in the queue.
            UnreachableError: The database is.
            NoSpaceError: It is full; likewise.
            KeyboardInterrupt: The job is back in the queue, and everything finished is kept.
        """
        job: JobRecord | None = None
        try:
            with held(), Store.open(self._storage) as store:
                job = store.take_job(RUNNERS, self._token, LEASE_SECONDS)
            if job is None:
                return False
            doing(job.sweep)
            self._work(job)
        except BaseException:
            if job is not None:
                self._give_back(job)
            raise
        finally:
            if job is not None:
                self._token = secrets.token_hex(16)
        return True

    def _work(self, job: JobRecord) -> None:
        self._say(f"{job.sweep}: its answer is asked for")
        try:
            kept = _KeptJob(job, self._token)
            renewed = Repeating(self._storage, kept.renew, RENEW_SECONDS, "sweep-job")
            with renewed, without_places(self._storage, job.sweep):
                result = self._answer(job, kept.says)
        except StoppedError as error:  # it is not ours any more
            self._say(f"{job.sweep}: {error}")
        except LaunchError as error:
            self._losses[job.id] = times = self._losses.get(job.id, 0) + 1
            if times < MOST_LOSSES:
                raise
            self._fail(job, f"{error} ({times} times)")
        except (UnreachableError, NoSpaceError):
            raise
        except SweepError as error:
            self._fail(job, str(error))
        except Exception as error:  # an answer that nobody thought of must not keep sweeps from running
            logger.exception("a bug in sweep")
            self._fail(job, bug(error))
        else:
            with Store.open(self._storage) as store:
                store.finish_job(job.id, self._token, result)
            self._losses.pop(job.id, None)
            self._say(f"{job.sweep}: answered")

    def _fail(self, job: JobRecord, reason: str) -> None:
        self._losses.pop(job.id, None)
        self._say(f"{job.sweep}: no answer: {reason}")
        with Store.open(self._storage) as store:
            store.fail_job(job.id, self._token, reason)

    def _give_back(self, job: JobRecord) -> None:
        with suppress(SweepError), Store.open(self._storage) as store:  # else its lease ends by itself
            store.return_job(job.id, self._token)


class _KeptJob:
    """Renews the lease of a job, and stores how far it is."""

    def __init__(self, job: JobRecord, token: str) -> None:
        self._job, self._token = job, token
        self._said: str | None = None
        self._lost = False

    def says(self, text: str) -> None:
        """How far it is.

        Raises:
            StoppedError: It was deleted, or somebody else is at it.
        """
        self._said = text
        if self._lost:
            raise StoppedError("the answer is not asked for any more, or was taken over")

    def renew(self, store: Store) -> None:
        """To be called from time to time."""
        self._lost = self._lost or not store.renew_job(self._job.id, self._token, LEASE_SECONDS, self._said)
