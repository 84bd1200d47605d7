"""A job done in a process of its own: with an end in time, and nothing that it does can harm who sent it.

What it gives comes back through a folder, as JSON and bytes, and is read once it has ended. Only how far it is comes
through a pipe, in messages so short that none can come in part.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import psutil

from sweep import wording
from sweep.errors import SweepError
from sweep.operate.reasons import bug, reason_of
from sweep.store.service_rows import JobFile, JobRecord

logger = logging.getLogger(__name__)

LARGEST = 256 * 2**20
"""Bytes of a file that is stored: databases take 1 GiB at most, and need several times that."""

MEMORY_SHARE = 0.5
"""Of the memory of this machine, that a process may take."""

_MOST_SAID = 300  # characters; what is shorter than a pipe's buffer comes as a whole
_RESULT, _FILE = "result.json", "file"


@dataclass(frozen=True, slots=True)
class Done:
    """What a job gave.

    Attributes:
        result: Plain values, no NaN.
        file: A file, if it gave one.
    """

    result: Mapping[str, Any]
    file: JobFile | None = None


Say = Callable[[str], None]
"""Is told how far a job is."""

Do = Callable[[str, JobRecord, Path, Say], Done]
"""Does a job: of a database URL, in an empty folder. Raises :class:`SweepError`, with the reason, where it cannot."""


class Errand:
    """A job under way in a process of its own.

    Nothing of this process may be in use that does not outlive a fork, such as connections to a database.

    Args:
        do: Does it.
        storage: Database URL.
        job: Which.
        seconds: After which it is given up.
    """

    def __init__(self, do: Do, storage: str, job: JobRecord, seconds: float) -> None:
        self._seconds, self._ends = seconds, monotonic() + seconds
        self._folder = TemporaryDirectory(prefix="sweep-job-", ignore_cleanup_errors=True)
        self._pipe, sender = get_context("fork").Pipe(duplex=False)
        given = (do, storage, job, Path(self._folder.name), sender)
        self._process = get_context("fork").Process(target=_child, args=given, name=f"sweep-job-{job.id}", daemon=True)
        try:
            self._process.start()
        except BaseException:
            self._pipe.close()
            self._folder.cleanup()
            raise
        finally:
            sender.close()
        self._heard = True

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    @property
    def signs(self) -> list[Any]:
        """What :func:`multiprocessing.connection.wait` can wait for: it says something, or has ended."""
        return [self._process.sentinel, *([self._pipe] if self._heard else [])]

    def said(self) -> str | None:
        """How far it says to be, if it has said so since it was last asked."""
        last: str | None = None
        while self._heard and self._pipe.poll():
            try:
                last = self._pipe.recv_bytes().decode(errors="replace")
            except (EOFError, OSError):
                self._heard = False
        return last

    def outcome(self) -> Done | str | None:
        """What it gave, or the reason why it gave nothing; ``None`` as long as it is at work."""
        if self._process.is_alive():
            if monotonic() < self._ends:
                return None
            self._process.kill()
            self._process.join()
            return f"it took longer than {wording.duration(self._seconds)}, and was given up"
        self._process.join()
        return self._given() if self._process.exitcode == 0 else self._end_of(self._process.exitcode or 0)

    def _given(self) -> Done | str:
        folder = Path(self._folder.name)
        try:
            told = json.loads((folder / _RESULT).read_bytes())
            if "reason" in told:
                return str(told["reason"])
            file = None
            if told["file"] is not None:
                if (size := (folder / _FILE).stat().st_size) > LARGEST:
                    return f"the file has {size / 2**20:,.0f} MiB, and at most {LARGEST // 2**20} are stored"
                file = JobFile(told["file"]["name"], told["file"]["media_type"], (folder / _FILE).read_bytes())
            return Done(told["result"], file)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"what it gave cannot be read ({type(error).__name__})"

    @staticmethod
    def _end_of(status: int) -> str:
        if status >= 0:
            return f"the process that was at it ended with status {status} (the log of the runner may have more)"
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        memory = "; most likely there was not enough memory" if -status == signal.SIGKILL else ""
        return f"the process that was at it was ended by {name}{memory}"

    def close(self) -> None:
        """Ends it, if it still is at work, and leaves nothing behind."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()
        self._folder.cleanup()


# --- in the process ---------------------------------------------------------------------------------------------------


def _child(do: Do, storage: str, job: JobRecord, folder: Path, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(folder,), name="sweep-parent", daemon=True).start()
    _be_modest()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' are for those who develop
    with suppress(OSError):
        os.dup2(2, 1)  # nobody reads what libraries print

    def say(text: str) -> None:
        with suppress(OSError):  # nobody listens any more
            pipe.send_bytes(text[:_MOST_SAID].encode(errors="replace"))

    try:
        done = do(storage, job, folder, say)
        about = None
        if done.file is not None:
            about = {"name": done.file.name, "media_type": done.file.media_type}
            (folder / _FILE).write_bytes(done.file.content)
        told = json.dumps({"result": done.result, "file": about}, allow_nan=False)
    except SweepError as error:
        told = json.dumps({"reason": reason_of(error, storage).replace(f"{folder}/", "")})
    except MemoryError:
        told = json.dumps({"reason": "there was not enough memory for it"})
    except Exception as error:  # of whatever library: whoever asked must hear of it
        logger.exception("a bug in sweep")
        told = json.dumps({"reason": bug(error)})
    (folder / _RESULT).write_text(told)


def _end_with_parent(folder: Path) -> None:
    """A job whose result nobody takes is not worth an hour of a processor."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _be_modest() -> None:
    """Where memory runs out, this process is the one to be ended, and not a worker."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    most = int(psutil.virtual_memory().total * MEMORY_SHARE)
    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))
