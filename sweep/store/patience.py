"""Waiting for a database that cannot be reached."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic, sleep
from typing import Protocol, TypeVar

from sweep import wording
from sweep.store.failures import UnreachableError

FIRST_SECONDS = 0.1
MOST_SECONDS = 2.0
"""Between two attempts: doubled from the one to the other, and each up to a half longer or shorter."""

SAY_SECONDS = 10.0
"""Between two sentences that say that it still waits."""

_T = TypeVar("_T")


class Patiently(Protocol):
    """Makes an attempt, and makes it again if need be: :meth:`sweep.store.opened.OpenedDatabase.patiently`."""

    def __call__(self, attempt: Callable[[], _T], /) -> _T:
        """What the attempt gives."""


def at_once(attempt: Callable[[], _T], /) -> _T:
    """Makes an attempt once."""
    return attempt()


def nothing(_: str) -> None:
    """Says nothing."""


class Outage:
    """From the first failure to reach a database to the next success, whichever calls meet them.

    So patience is that with the database, not with each call: when it is used up, calls fail at once until one of them
    succeeds.

    Args:
        shown: Name of the database, for messages.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._since: float | None = None
        self._told = 0.0

    def outlast(self, attempt: Callable[[], _T], seconds: float, on_wait: Callable[[str], None]) -> _T:
        """What an attempt gives, made again while the database cannot be reached.

        Args:
            attempt: Must be right if it was done before, and only the answer was lost.
            seconds: How long an outage may last.
            on_wait: Told when waiting begins, now and then, and when it is over. What it raises comes out.

        Raises:
            UnreachableError: It lasted longer.
        """
        pause = FIRST_SECONDS
        while True:
            try:
                result = attempt()
            except UnreachableError as error:
                self._wait(error, pause, seconds, on_wait)
                pause = min(2 * pause, MOST_SECONDS)
            except Exception:  # an answer, too
                self._since = None
                raise
            else:
                if self._since is not None:
                    since, self._since = self._since, None
                    if self._told:
                        on_wait(f"the database {self._shown} is back after {wording.duration(monotonic() - since)}")
                return result

    def _wait(self, error: UnreachableError, pause: float, seconds: float, on_wait: Callable[[str], None]) -> None:
        now = monotonic()
        if self._since is None:
            self._since, self._told = now, 0.0
        waited = now - self._since
        if waited >= seconds:
            if not self._told:
                raise error
            given_up = UnreachableError(f"{error}; waited {wording.duration(waited)} for it")
            given_up.exit_status = 1  # what was asked for was right
            raise given_up from error
        if not self._told:
            on_wait(f"{error}; waiting for it, {wording.duration(seconds)} at most")
        elif now - self._told >= SAY_SECONDS:
            on_wait(f"still waiting for the database {self._shown}, {wording.duration(waited)} so far")
        else:
            now = self._told
        self._told = now
        # Not all of those that lost it shall come back in the same moment.
        sleep(min(pause * random.uniform(0.5, 1.5), seconds - waited))  # noqa: S311 - no secret
