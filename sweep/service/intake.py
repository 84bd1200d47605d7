"""Tables on their way in: streamed to a file of limited size, which is gone as soon as it is read."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from sweep.service.options import ServeOptions
from sweep.service.problems import RefusedError
from sweep.service.reader import Limits, Reader, work_folder
from sweep.service.reading import GIVEN
from sweep.spec.source import kind_of
from sweep.store.store import Store

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Uploads that are received at the same time; others wait."""

WAIT_SECONDS = 30.0
"""For one of these, and for the next piece of one."""

KEPT = timedelta(days=7)
"""How long a table is kept that no sweep was made of."""

MOST_NAME = 255
"""Bytes of the name of a file: what file systems take."""

_PIECE = 1 << 20


class Intake:
    """What is being handed in, and who reads it.

    Attributes:
        reader: Reads tables in processes with limits.
    """

    def __init__(self, options: ServeOptions, store: Store, limits: Limits | None = None) -> None:
        self._most, self._most_stored, self._store = options.upload_bytes, options.stored_bytes, store
        self._free = asyncio.Semaphore(AT_ONCE)
        self._coming = 0  # bytes of all that are being received or read
        self.reader = Reader(limits)

    @asynccontextmanager
    async def received(self, request: Request, name: str) -> AsyncIterator[tuple[Path, int]]:
        """The body of a request as a file, for as long as the ``with`` statement lasts.

        Args:
            request: Its body is the file, as it is.
            name: Of the file, from :func:`safe_name`.

        Yields:
            A folder for the reader, which holds it, and its size in bytes.

        Raises:
            RefusedError: 408, it comes too slowly; 411, no length that makes sense; 413, it is larger than may be;
                422, it is empty; 503, others are being received; 507, there is no room for it.
            ClientDisconnect: Whoever sent it is gone.
        """
        announced = self._announced(request)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise RefusedError(503, "other tables are being handed in: try again in a minute", "busy") from None
        size = 0
        try:
            stored = await run_in_threadpool(self._stored)
            self._check_room(stored + announced)
            # A folder is made and removed in a thread: a disk may be slow, and others are being served.
            scratch = work_folder()
            folder = await run_in_threadpool(scratch.__enter__)
            try:
                with (folder / GIVEN / name).open("xb") as file:
                    async for piece in _pieces(request):
                        size += len(piece)
                        self._coming += len(piece)
                        self._check_size(size)
                        self._check_room(stored)
                        await run_in_threadpool(_write, file, piece)
                if size == 0:
                    raise RefusedError(422, f"{name}: the file is empty", "empty")
                yield folder, size
            finally:
                await run_in_threadpool(scratch.__exit__, None, None, None)
        finally:
            self._coming -= size
            self._free.release()

    def _announced(self, request: Request) -> int:
        """Bytes that the request says it has; 0 where it says nothing."""
        text = request.headers.get("content-length", "0")
        if not re.fullmatch(r"\d{1,18}", text):
            raise RefusedError(411, f"Content-Length must be a number of bytes, however: {text[:40]!r}", "length")
        self._check_size(int(text))
        return int(text)

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise RefusedError(
                413, f"a table may have at most {_mib(self._most)} here; a compressed one (.csv.gz) may do", "too_large"
            )

    def _check_room(self, stored: int) -> None:
        if stored + self._coming > self._most_stored:
            raise RefusedError(
                507,
                f"the tables handed in here may have {_mib(self._most_stored)} together, and there is no room for this "
                f"one: those that no sweep was made of go after {KEPT.days} days, or with DELETE /v1/uploads/ID",
                "full",
            )

    def _stored(self) -> int:
        self._store.drop_uploads(datetime.now(UTC) - KEPT)
        return self._store.uploaded_bytes()


def safe_name(text: str) -> str:
    r"""The name of a file that somebody gave, as it is shown and stored: no folders, nothing that is not to be seen.

    ``"../../etc/passwd"`` is ``"passwd"``, ``"C:\x\t.csv"`` is ``"t.csv"``. It names a file of the current folder and
    nothing else: no home folder, no source with a colon such as ``sklearn:iris``.
    """
    last = re.split(r"[/\\]", text)[-1]
    seen = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    if seen.startswith("~"):
        seen = f"_{seen[1:]}"
    if kind_of(seen) != "file":
        seen = seen.replace(":", "-")
    stem, dot, ending = seen.partition(".") if not seen.startswith(".") else (seen, "", "")
    ending = dot + ending if len(ending.encode()) <= 40 else ""
    stem = seen.removesuffix(ending) if ending else seen
    seen = stem.encode()[: MOST_NAME - len(ending.encode())].decode(errors="ignore") + ending
    return seen if seen.strip(". ") else "table"


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body of a request in pieces of about a MiB."""
    stream, held = request.stream(), bytearray()
    while True:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise RefusedError(408, f"nothing has come for {WAIT_SECONDS:.0f} s", "slow") from None
        if chunk is None:
            break
        held += chunk
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _write(file: IO[Any], piece: bytes) -> None:
    try:
        file.write(piece)
        file.flush()  # here, rather than where the file is closed
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RefusedError(507, "the disk of the service has no room for this table", "full") from error


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size:,} bytes"
