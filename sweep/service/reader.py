"""Tables of strangers are read in a process of their own, with limits, that ends afterwards.

A fresh interpreter for each table costs about a second. It is what makes a limit hold: memory that a table once took is
given back, and one table never meets another. The process runs as the same user as the service: the limits keep a table
from taking memory, time and disk, they are no wall around a program that has broken out of its reader.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from sweep.errors import DataError, DefinitionError, UserError
from sweep.records import Task
from sweep.service.problems import RefusedError
from sweep.service.reading import ANSWER, ASK, GIVEN, PACKED
from sweep.spec.source import shown_source
from sweep.wording import duration

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
"""For one of the readers that may run at once."""

MOST_WAITERS = 6
"""Requests that wait for a reader, beyond which others are refused: each has a thread that all requests share."""

PREFIX = "sweep-table-"
"""Of the names of folders in which tables are read."""

_OWN = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")  # as `tempfile` names them

LEFT_SECONDS = 3600.0
"""After which a folder that nothing was written to was left behind: by a service that was killed."""

# What logs may hold of what a reader says: how errors are called, and where in a program they were raised.
_ERROR = re.compile(r"([\w.]{1,100}(?:Error|Exception))(?::.*)?", re.ASCII)
_FRAME = re.compile(r'File "[^"]{1,200}", line \d{1,6}, in [\w<>.]{1,100}', re.ASCII)
_MOST_PLACES = 12
_LOG_BYTES = 10_000

_ANSWER_BYTES = 64 * 2**20
_CPU_TIMES = 4  # so many seconds on the clock for each of CPU: the machine has other work too

# All that a reader inherits of the environment: no address of a database, no token.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
# For those that fetch: how this machine reaches the network.
_NETWORK = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
# A thread reserves memory of its own: one is enough.
_LEAN = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
# It ends at once when it has answered: threads of libraries are not waited for, which may abort at the exit.
_START = (
    "import os, sys; sys.path[:] = sys.argv[2:]; from sweep.service.reading import main; main(int(sys.argv[1])); "
    "os._exit(0)"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one table may take.

    Attributes:
        memory: Bytes of address space; Python and its libraries take half a GiB of it before they read anything.
        seconds: Of CPU; four times as many may pass on the clock.
        written: Bytes of each file that it writes.
        files: Open at once.
    """

    memory: int = 3 * 2**30
    seconds: int = 60
    written: int = 300 * 2**20
    files: int = 64


class Column(BaseModel):
    """A column of a table that was handed in."""

    name: str
    kind: Literal["number", "category", "boolean", "date", "text", "empty", "unusable"]
    missing: int
    distinct: int
    examples: list[str]
    task: Literal["classification", "regression"] | None


class TableSeen(BaseModel):
    """What a table holds; task and target where one was suggested."""

    rows: int
    columns: list[Column]
    task: Task | None
    target: str | None


class Suggested(BaseModel):
    """A table with a definition for it; without one where nothing says what is to be predicted."""

    name: str
    definition: str | None
    target: str | None
    others: list[str]
    notes: list[str]
    table: TableSeen
    header: bool


class Checked(BaseModel):
    """What a definition is about, once its table is read."""

    data_hash: str
    task: Task


Model = TypeVar("Model", bound=BaseModel)


class Reader:
    """Reads tables, some at a time.

    Args:
        limits: Of each.
        at_once: How many may be read at the same time; others wait.
        wait: Seconds that they wait at most.
    """

    def __init__(self, limits: Limits | None = None, at_once: int = 2, wait: float = WAIT_SECONDS) -> None:
        self.limits = limits or Limits()
        self._free, self._wait = threading.BoundedSemaphore(at_once), wait
        self._waiters = threading.BoundedSemaphore(MOST_WAITERS)

    def detect(self, folder: Path, name: str, header: bool | None = None) -> tuple[Suggested, bytes]:
        """Looks at a file that was handed in.

        Args:
            folder: Of :func:`work_folder`, with the file.
            name: Of the file, as :func:`sweep.service.intake.safe_name` gives it.
            header: Whether its first row names the columns; ``None`` to find out.

        Returns:
            What it holds, and the table as Parquet.

        Raises:
            RefusedError: 422, it takes more than the limits allow; 503, all readers are busy.
            UserError: It is no table that can be used.
        """
        ask = {"work": "detect", "name": name, "header": header, "target": None}
        return _valid(Suggested, self._ask(ask, folder, name)), _packed(folder)

    def suggest(
        self,
        name: str,
        packed: bytes | None,
        target: str | int | None,
        header: bool | None = None,
        sources: Sequence[str] = (),
    ) -> Suggested:
        """Suggests a definition.

        Args:
            name: ``data.source`` of it.
            packed: The table; ``None`` for one that may be read from where ``name`` says.
            target: Name or position of the column to predict; ``None`` to guess it.
            header: What was said of its first row when it was read.
            sources: The allow-list of addresses.

        Raises:
            RefusedError: As :meth:`detect`.
            UserError: There is no such table or column, or it cannot be told which one is to be predicted.
        """
        with work_folder() as folder:
            if packed is not None:
                (folder / PACKED).write_bytes(packed)
            ask = {"work": "suggest", "name": name, "target": target, "header": header, "sources": list(sources)}
            return _valid(Suggested, self._ask(ask, folder, name, network=packed is None and bool(sources)))

    def check(
        self, definition: str, name: str, packed: bytes | None, sources: Sequence[str] = ()
    ) -> tuple[Checked, bytes]:
        """Brings a definition together with its table.

        Args:
            definition: TOML.
            name: Of the table, for messages.
            packed: The table; ``None`` for one that may be read from where the definition says.
            sources: The allow-list of addresses.

        Returns:
            What it is about, and the table as Parquet.

        Raises:
            RefusedError: As :meth:`detect`.
            UserError: The definition does not fit the table, or there is no such table.
        """
        with work_folder() as folder:
            if packed is not None:
                (folder / PACKED).write_bytes(packed)
            ask = {"work": "check", "definition": definition, "sources": list(sources)}
            found = _valid(Checked, self._ask(ask, folder, name, network=packed is None and bool(sources)))
            return found, _packed(folder) if packed is None else packed

    def _ask(self, ask: Mapping[str, Any], folder: Path, name: str, *, network: bool = False) -> dict[str, Any]:
        """What a reader says, in a process of its own."""
        if not self._has_turn():
            raise RefusedError(503, "other tables are being read: try again in a minute", "busy")
        try:
            said = self._run(ask, folder, name, network=network)
        finally:
            self._free.release()
        if (refused := said.get("refused")) is not None:
            lines = [_without(folder, str(line)) for line in said.get("problems", [])]
            raise DefinitionError(lines) if lines else DataError(_without(folder, str(refused)))
        if (bug := said.get("bug")) is not None:
            lines = [str(line) for line in bug] if isinstance(bug, list) else []
            logger.warning("%r cannot be read: %s", shown_source(name), _where(lines))
            raise UserError(f"{name}: cannot be read as a table; the log of the service has more")
        done = said.get("done")
        if said.get("over") == "memory" or not isinstance(done, dict):
            raise self._too_much(name, self._memory)
        return done

    def _has_turn(self) -> bool:
        """Waits for a reader, unless too many others do."""
        if self._free.acquire(blocking=False):
            return True
        if not self._waiters.acquire(blocking=False):
            return False
        try:
            return self._free.acquire(timeout=self._wait)
        finally:
            self._waiters.release()

    def _run(self, ask: Mapping[str, Any], folder: Path, name: str, *, network: bool) -> dict[str, Any]:
        (folder / ASK).write_text(json.dumps({**ask, "limits": asdict(self.limits)}), encoding="utf-8")
        inherited = (*_INHERITED, *_NETWORK) if network else _INHERITED
        environment = {key: os.environ[key] for key in inherited if key in os.environ}
        environment |= {**_LEAN, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        # Nothing that lies in its folder is a module: an empty entry would be just that.
        paths = [os.path.abspath(path) for path in sys.path if path]  # noqa: PTH100 - zip files, and what is not there
        with (folder / "log.txt").open("wb") as log:
            # From this thread, which waits for it: it is to end with its parent, and that is a thread.
            process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _START, str(os.getpid()), *paths],
                cwd=folder / GIVEN,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        late = False
        try:
            process.wait(_CPU_TIMES * self.limits.seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if late or process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            raise self._too_much(name, duration(self.limits.seconds))
        if process.returncode != 0:
            left = (folder / "log.txt").read_bytes()[-_LOG_BYTES:]
            where = _where(left.decode(errors="replace").splitlines())
            logger.warning("the reader of %r ended with %s: %s", shown_source(name), process.returncode, where)
            if b"MemoryError" in left[-1000:]:
                raise self._too_much(name, self._memory)
            if process.returncode < 0:  # libraries that get no memory end like this too
                detail = f"reading {name} failed: it is damaged, or takes more than {self._memory}"
                raise RefusedError(422, detail, "too_much")
        return _read_json(folder / ANSWER, name)

    @property
    def _memory(self) -> str:
        return f"{self.limits.memory / 2**30:.3g} GiB of memory"

    def _too_much(self, name: str, what: str) -> RefusedError:
        return RefusedError(
            422,
            f"reading {name} took more than {what}, which is allowed here: hand in fewer rows or columns, or run it "
            f"with `sweep run` on a machine of your own",
            "too_much",
        )


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for one reader, of this user alone, for as long as the ``with`` statement lasts.

    A file that was handed in goes to :data:`~sweep.service.reading.GIVEN` inside it, where its name is its own.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        (folder / GIVEN).mkdir()
        yield folder


def remove_left_folders(now: float | None = None) -> None:
    """Removes folders of readers whose service was killed: those of this user, to which nothing is written any more.

    No link is followed. What cannot be removed stays.

    Args:
        now: Seconds since 1970; ``None`` for what the clock says.
    """
    before = (time.time() if now is None else now) - LEFT_SECONDS
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another service removes it at the same time
            known = folder.lstat()
            own = stat.S_ISDIR(known.st_mode) and known.st_uid == os.getuid() and _OWN.fullmatch(folder.name)
            if own and _last_written(folder) < before:
                shutil.rmtree(folder, ignore_errors=True)


def _last_written(folder: Path) -> float:
    """When something was last written to a folder, or inside it: a table may be coming for hours."""
    inside = [Path(place, name) for place, *names in os.walk(folder) for name in chain(*names)]
    return max(path.lstat().st_mtime for path in [folder, *inside])


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _ANSWER_BYTES:
            raise UserError(f"{name}: has names too long to be shown")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("the reader of %r left no answer: %s", shown_source(name), type(error).__name__)
        raise UserError(f"{name}: cannot be read as a table; the log of the service has more") from error
    return found if isinstance(found, dict) else {}


def _valid(model: type[Model], done: Mapping[str, Any]) -> Model:
    """What a reader says, if it has the form it has to have: it may be a reader that somebody has taken over."""
    try:
        return model.model_validate(done)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))} {one['type']}" for one in error.errors(include_input=False)]
        logger.warning("a reader says what makes no sense: %s", "; ".join(wrong[:_MOST_PLACES]))
        raise UserError("the table cannot be read; the log of the service has more") from error


def _where(lines: Sequence[str]) -> str:
    """How and where a reader failed, of what it says: the messages of errors may quote cells of somebody's table."""
    found = [line if _FRAME.fullmatch(line) else _error(line) for line in map(str.strip, lines)]
    return "; ".join([line for line in found if line][-_MOST_PLACES:]) or "it does not say where"


def _error(line: str) -> str:
    named = _ERROR.fullmatch(line)
    return "" if named is None else named[1]


def _packed(folder: Path) -> bytes:
    return (folder / PACKED).read_bytes()


def _without(folder: Path, message: str) -> str:
    """A message without the path of the folder: where the server keeps its files is nobody's business."""
    for path in (folder / GIVEN, folder):
        message = message.replace(f"{path}/", "").replace(str(path), "")
    return message
