"""What takes seconds to make, made in one helping process and kept: summaries, reports, figures.

The process (:mod:`sweep.service.rendering`) is started with the first request, is replaced when it dies, and never has
more than one thing to do. Whoever asks for what is being made waits for the same; of a sweep that runs nobody waits as
long as there is something older, and for figures not when it has ended either: all who look at it ask at once then. All
is kept as it is sent, compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import queue
import select
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDoneError
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any, Literal

from sweep import settings
from sweep.operate.jobs import program
from sweep.operate.overview import Glance
from sweep.service.problems import RefusedError

What = Literal["best", "best_text", "answer", "answer_text", "toml", "json", "report", "figures"]

KEPT_BYTES = 32 * 2**20
"""Of what was made, all together, compressed; a report has 1.5 MB."""

MOST_WAITING = 32
"""Things to be made, beyond which others are refused."""

MOST_WAITERS = 12
"""Requests that wait at once, beyond which others are refused: each has one of 40 threads that all requests share."""

WAIT_SECONDS = 100.0
"""So long a request waits; what it waited for is made nevertheless, and is there for the next one."""

MAKE_SECONDS = 300.0
"""So long one thing may take, before the process is ended."""

LEAST_SECONDS, SHARE = 3.0, 20.0
"""Of a sweep that runs a thing is made anew after so long, and after so many times as long as it took to make."""

OLDER_SECONDS = 30.0
"""So much later figures that were made while a sweep ran will do, while the last ones are made."""

REFUSED_SECONDS = 300.0
"""What could not be made is tried again after so long at the latest; sooner where a sweep has ended or, being at rest,
has changed."""


@dataclass(frozen=True, slots=True)
class Made:
    """Something that was made.

    Attributes:
        packed: Its bytes, compressed with gzip.
        version: The same as long as it would be made the same again.
    """

    packed: bytes
    version: str

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return gzip.decompress(self.packed)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be made; of two that are equal one is."""

    what: What
    name: str
    key: str | None
    version: str
    request: tuple[tuple[str, Any], ...]

    @property
    def kind(self) -> tuple[object, ...]:
        """The same for all versions."""
        return self.what, self.name, self.key, self.request

    @property
    def line(self) -> bytes:
        plain = {"what": self.what, "name": self.name, "version": self.version, "request": dict(self.request)}
        return json.dumps(plain).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class _Latest:
    """What was last made of a kind, of one sweep; or why it could not be."""

    task: _Task
    until: float
    failure: RefusedError | None = None


class Renderer:
    """Makes things, one after the other. Its methods may be called from several threads.

    Args:
        storage: Database URL.
    """

    def __init__(self, storage: str) -> None:
        self._storage = storage
        self._lock = threading.Lock()  # of what follows
        self._kept: OrderedDict[_Task, bytes] = OrderedDict()
        self._bytes = 0
        self._making: dict[_Task, Future[bytes]] = {}
        self._waiters = 0
        self._latest: dict[tuple[object, ...], _Latest] = {}  # of what is kept
        self._waiting: queue.Queue[_Task | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sweep-renderer", daemon=True)
        self._thread.start()

    def made(self, glance: Glance, what: What, request: Mapping[str, Any] | None = None) -> Made:
        """Makes something, unless it is there; waits for it.

        Args:
            glance: Of the sweep, as it is now.
            what: Is wanted.
            request: What else :mod:`~sweep.service.rendering` has to know.

        Raises:
            RefusedError: It cannot be made, or takes too long; 503 where it may help to ask again.
        """
        with self._lock:
            task = self._task(glance, what, request or {})
            if (ready := self._ready(task, glance)) is not None:
                if ready != task:
                    self._begin(task)
                self._kept.move_to_end(ready)
                return Made(self._kept[ready], ready.version)
            if (failure := self._failure(task)) is not None:
                raise RefusedError(failure.status, str(failure), failure.code)
            future = self._begin(task) if self._waiters < MOST_WAITERS else None
            if future is None:
                raise RefusedError(503, "too much is being made here just now: try again soon", "busy")
            self._waiters += 1
        try:
            return Made(future.result(WAIT_SECONDS), task.version)
        except NotDoneError:
            raise RefusedError(
                503, f"the {task.what} of {task.name} takes long to make: try again soon", "busy"
            ) from None
        finally:
            with self._lock:
                self._waiters -= 1

    def ready(self, glance: Glance, what: What) -> str | None:
        """The version of what :meth:`made` would give without waiting, if any; what is newer begins to be made."""
        with self._lock:
            task = self._task(glance, what, {})
            ready = self._ready(task, glance)
            if ready != task and self._failure(task) is None:
                self._begin(task)
            return None if ready is None else ready.version

    def close(self) -> None:
        """Ends the process; whatever is waited for is refused."""
        with self._lock:
            self._closed = True
            process = self._process
        self._waiting.put(None)
        if process is not None:
            process.kill()  # whoever reads from it is told
        self._thread.join()

    def _task(self, glance: Glance, what: What, request: Mapping[str, Any]) -> _Task:
        """What is to be made now: of a sweep that runs, for a while, the same as before."""
        task = _Task(what, glance.status.name, glance.key, version_of(glance), tuple(sorted(request.items())))
        latest = self._latest.get(task.kind) if glance.status.state == "running" else None
        return task if latest is None or monotonic() >= latest.until else latest.task

    def _ready(self, task: _Task, glance: Glance) -> _Task | None:
        """What there is of it: of a sweep that runs, the latest will do; as figures, for a while of any."""
        if task in self._kept:
            return task
        latest = self._latest.get(task.kind)
        if latest is None or latest.task not in self._kept:
            return None
        does = glance.status.state == "running" or (
            task.what == "figures" and monotonic() < latest.until + OLDER_SECONDS
        )
        return latest.task if does else None

    def _failure(self, task: _Task) -> RefusedError | None:
        """Why it could not be made a short while ago."""
        latest = self._latest.get(task.kind)
        return latest.failure if latest is not None and latest.task == task and monotonic() < latest.until else None

    def _begin(self, task: _Task) -> Future[bytes] | None:
        """Has it made, unless it is being made; ``None`` if too much is."""
        future = self._making.get(task)
        if future is None and not self._closed and len(self._making) < MOST_WAITING:
            future = self._making[task] = Future()
            self._waiting.put(task)
        return None if self._closed else future

    # ---------------------------------------------------------------------------------------------- the thread

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            began = monotonic()
            try:
                content = self._ask(task)
            except BaseException as error:  # whatever it is, somebody waits for it
                with self._lock:
                    future = self._making.pop(task)
                    if isinstance(error, RefusedError) and error.status != 503:  # that may pass by itself
                        self._note(task, monotonic() - began, error)
                future.set_exception(error)
            else:
                with self._lock:
                    future = self._making.pop(task)
                    self._keep(task, content, monotonic() - began)
                future.set_result(content)
        with self._lock:
            left, self._making = list(self._making.values()), {}
        for future in left:
            future.set_exception(_closing())
        if self._process is not None:
            _end(self._process)

    def _note(self, task: _Task, seconds: float, failure: RefusedError | None = None) -> None:
        passed = [kind for kind, one in self._latest.items() if one.failure is not None and monotonic() >= one.until]
        for kind in passed:
            del self._latest[kind]
        pause = max(LEAST_SECONDS, SHARE * seconds)
        if failure is not None:
            pause = min(pause, REFUSED_SECONDS)
        older = self._latest.get(task.kind)
        if older is not None:  # nobody will ask for that again
            self._drop(older.task)
        self._latest[task.kind] = _Latest(task, monotonic() + pause, failure)

    def _keep(self, task: _Task, content: bytes, seconds: float) -> None:
        self._note(task, seconds)
        self._kept[task] = content
        self._bytes += len(content)
        while self._bytes > KEPT_BYTES:
            old = next(iter(self._kept))
            self._drop(old)
            latest = self._latest.get(old.kind)
            if latest is not None and latest.task == old:
                del self._latest[old.kind]

    def _drop(self, task: _Task) -> None:
        self._bytes -= len(self._kept.pop(task, b""))

    def _ask(self, task: _Task) -> bytes:
        """What the process makes of a task; one that dies meanwhile is replaced once."""
        try:
            try:
                return self._asked(task)
            except (OSError, EOFError):
                return self._asked(task)
        except (OSError, EOFError) as error:
            what = f"the {task.what} of {task.name} cannot be made"
            raise RefusedError(500, f"{what}: the process that makes it died", "died") from error

    def _asked(self, task: _Task) -> bytes:
        process = self._running()
        try:
            head, content = _exchange(process, task.line)
        except TimeoutError:
            _end(process)
            long = f"the {task.what} of {task.name} was not made within {MAKE_SECONDS:.0f} s"
            raise RefusedError(500, long, "too_long") from None
        except BaseException:  # it died, or nobody knows where in its answer it is
            _end(process)
            raise
        if "bytes" in head:
            return content
        raise RefusedError(head["status"], head["detail"], head["code"])

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise _closing()
            if self._process is not None and self._process.poll() is not None:
                _end(self._process)
                self._process = None
            self._process = self._process or _start(self._storage)
            return self._process


def version_of(glance: Glance) -> str:
    """Short text that changes with whatever is made of a sweep."""
    status, answer = glance.status, glance.answer
    asked = [job.id for job in glance.jobs if job.kind == "answer"]  # its parts are stored one by one
    parts = [program(), glance.key, status.updated_at.isoformat(), status.state, status.budget, asked]
    parts += [None if answer is None else answer.created_at.isoformat(), glance.nested]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _closing() -> RefusedError:
    return RefusedError(503, "the service is ending", "ending")


# --- the process ------------------------------------------------------------------------------------------------------


def _start(storage: str) -> subprocess.Popen[bytes]:
    # Its modules are those of this process, wherever they are from; -P: never of the folder it happens to be in.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sweep.service.rendering"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": settings.python_path()},
    )
    with suppress(OSError):  # if it died at once, the first request says so
        _write(process, json.dumps({"storage": storage}).encode() + b"\n")
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _exchange(process: subprocess.Popen[bytes], line: bytes) -> tuple[dict[str, Any], bytes]:
    """Asks the process, and reads its answer.

    Raises:
        TimeoutError: There is none in time.
        OSError: The process has died.
        EOFError: Likewise.
    """
    _write(process, line)
    deadline, held = monotonic() + MAKE_SECONDS, bytearray()
    while b"\n" not in held:
        held += _read(process, deadline)
    first, _, rest = bytes(held).partition(b"\n")
    head = json.loads(first)
    content = bytearray(rest)
    while len(content) < head.get("bytes", 0):
        content += _read(process, deadline)
    return head, bytes(content)


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    stdin: IO[bytes] | None = process.stdin
    assert stdin is not None  # noqa: S101 - it was opened with a pipe
    stdin.write(line)
    stdin.flush()


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    stdout: IO[bytes] | None = process.stdout
    assert stdout is not None  # noqa: S101 - likewise
    ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - monotonic()))
    if not ready:
        raise TimeoutError
    piece = os.read(stdout.fileno(), 1 << 20)
    if not piece:
        raise EOFError
    return piece
