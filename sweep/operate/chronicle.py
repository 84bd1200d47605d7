"""The log of a sweep: what happened to it, for those who were not there.

Lines are few, whatever the number of trials, and are written by a thread: a run never waits for its log, and a database
that does not take a line costs the line alone.
"""

from __future__ import annotations

import getpass
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sweep import wording
from sweep.errors import BusyError, LaunchError, StoppedError, SweepError
from sweep.operate.reasons import reason_of
from sweep.run.events import Event, Finished, Started, TrialDone, TrialFailed, Trouble
from sweep.store.failures import NoSpaceError, UnreachableError
from sweep.store.service_rows import Level
from sweep.store.store import Store

MOST_DIVERGED = 24
"""Lines about trials that diverged, of one run; where learning rates are high, every third one does."""

MOST_TROUBLE = 100
"""Lines about trouble, of one run."""

MOST_WAITING = 2 * (MOST_DIVERGED + MOST_TROUBLE)
"""Lines that wait for a database; the oldest are given up."""

AGAIN_SECONDS = 2.0  # after which a line is tried again
CLOSING_SECONDS = 2.0  # that the end of a run waits for its last lines


def note(store: Store, name: str, said: str, level: Level = "info") -> None:
    """Writes a line now, if the database takes it."""
    with suppress(SweepError):
        store.log(name, said, level)


def somebody() -> str:
    """Whoever uses this program, for people: ``"ann on host"``."""
    host = socket.gethostname()
    try:
        return f"{getpass.getuser()} on {host}"
    except (KeyError, OSError):  # containers may have a user without a name
        return f"somebody on {host}"


@dataclass(frozen=True, slots=True)
class _Line:
    said: str
    level: Level
    trial: int | None


class Chronicle:
    """Writes the log of a sweep while it runs, from its events. A context manager, which notes how it ended.

    Args:
        storage: Database URL.
        name: Of the sweep.
        who: Runs it, in words.
        queued: Whether it is known before it begins, since it was queued.
        noted: What the last line says that workers lack: a night without any is one line.
    """

    def __init__(self, storage: str, name: str, who: str, *, queued: bool = False, noted: str | None = None) -> None:
        self._storage, self._name, self._who = storage, name, who
        self._known, self._noted = queued, noted
        self._diverged = self._trouble = 0
        self._lines: deque[_Line] = deque(maxlen=MOST_WAITING)
        self._news, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """Notes what is worth a line."""
        if isinstance(event, Started):
            self._known, self._noted = True, None
            self._begins(event)
        elif isinstance(event, Trouble):
            self._trouble += 1
            if self._trouble <= MOST_TROUBLE:
                more = "" if self._trouble < MOST_TROUBLE else "; what further trouble there is is not noted"
                self._add(f"{event.said}{more}", "warning")
        elif isinstance(event, TrialFailed):
            self._add(f"trial {event.number} ({event.placement}) is given up: {event.reason}", "warning", event.number)
        elif isinstance(event, TrialDone) and event.diverged is not None:
            self._diverges(event, event.diverged)
        elif isinstance(event, Finished) and event.outcome.told:  # else nothing was left to do
            outcome = event.outcome
            finished = f"{outcome.complete + outcome.pruned:,} of {wording.count(outcome.budget, 'trial')}"
            now = f"{outcome.told:,} of them in {wording.duration(outcome.seconds)}"
            self._add(f"done: {finished} are finished, {now}")

    def _begins(self, event: Started) -> None:
        if event.finished < event.budget:
            how = "goes on" if event.resumed else "begins"
            trials = f"{event.finished:,} of {wording.count(event.budget, 'trial')} are finished"
            self._add(f"{how}, run by {self._who}: {trials}")

    def _diverges(self, event: TrialDone, epoch: int) -> None:
        self._diverged += 1
        if self._diverged <= MOST_DIVERGED:
            said = f"trial {event.number} ({event.placement}) diverged: seen at epoch {epoch}"
            more = "" if self._diverged < MOST_DIVERGED else "; further ones are not noted"
            self._add(f"{said}{more}", "warning", event.number)

    def _add(self, said: str, level: Level = "info", trial: int | None = None) -> None:
        self._lines.append(_Line(said, level, trial))
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="sweep-log", daemon=True)
            self._thread.start()
        self._news.set()

    def _write(self) -> None:
        """The thread."""
        store: Store | None = None
        try:
            while True:
                self._news.wait()
                self._news.clear()
                last = self._over.is_set()
                try:
                    while self._lines:
                        store = store or Store.open(self._storage)
                        line = self._lines[0]
                        store.log(self._name, line.said, line.level, line.trial)
                        if self._lines[0] is line:  # else newer ones have pushed it out
                            self._lines.popleft()
                except SweepError:
                    if not last:
                        self._over.wait(AGAIN_SECONDS)
                        self._news.set()
                if last:
                    return
        finally:
            if store is not None:
                store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and self._known:
            self._ended(error)
        if self._thread is not None:
            self._over.set()
            self._news.set()
            self._thread.join(CLOSING_SECONDS)

    def _ended(self, error: BaseException) -> None:
        if isinstance(error, BusyError):
            return  # it is somebody else's, whose log it is
        if isinstance(error, LaunchError) and str(error) == self._noted:
            return
        if isinstance(error, KeyboardInterrupt):
            self._add(str(error) or "interrupted")
        elif isinstance(error, StoppedError):
            self._add(f"stops: {str(error).partition(';')[0]}")  # the rest is for who runs it by a command
        elif isinstance(error, LaunchError | UnreachableError | NoSpaceError):
            self._add(f"interrupted: {reason_of(error, self._storage)}", "warning")
        elif isinstance(error, SweepError):
            self._add(f"failed: {reason_of(error, self._storage)}", "warning")
        else:
            self._add(f"failed: {type(error).__name__} (a bug in sweep)", "warning")
