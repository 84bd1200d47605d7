"""Bodies of requests: so large and no larger, so slow and no slower, whatever their headers say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from starlette.types import Message, Receive

from sweep.service.problems import RefusedError

LARGEST = 2**20
"""Bytes of a body that is no table."""

MOST_TEXT = 2**16
"""Characters of a definition."""

GRACE_SECONDS = 20.0
"""So long somebody may let us wait for a body."""

SLOWEST = 4096
"""Bytes a second by which he earns more time."""

WATCH_SECONDS = 2.0
"""Between two looks whether somebody may still hear what he is being told."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 2**20
"""What is read on and thrown away of a body that was refused. Closed at once, the connection would be reset, and the
answer lost before the other side has read it."""

DISCONNECT: Message = {"type": "http.disconnect"}


class Ending:
    """The end of the service: who waits for his clients is told that they are gone."""

    def __init__(self) -> None:
        self.begun = False
        self._waiting: set[asyncio.Future[None]] = set()

    def begin(self) -> None:
        """Every :meth:`or_end`, from now on, gives that the client is gone."""
        self.begun = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def or_end(self, receive: Receive, stays: Callable[[], bool]) -> Message:
        """What is received, or that the client is gone.

        Args:
            receive: Of the request.
            stays: Asked every :data:`WATCH_SECONDS`; the client counts as gone once it says no.
        """
        if self.begun:
            return DISCONNECT
        ends: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        message: asyncio.Future[Message] = asyncio.ensure_future(receive())
        self._waiting.add(ends)
        try:
            both: list[asyncio.Future[Any]] = [ends, message]
            while not any(one.done() for one in both) and stays():
                await asyncio.wait(both, timeout=WATCH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else DISCONNECT
        finally:
            self._waiting.discard(ends)
            message.cancel()


class Body:
    """The body of one request, as ASGI's ``receive`` gives it, counted and timed.

    Args:
        receive: The server's.
        limit: Bytes.
        announced: What the request says that it has: 0 for none, ``None`` where it is sent in chunks.
        ending: Of the service.
        waits: Whether the other side sends nothing before it is told to (``Expect: 100-continue``), which asking for
            the body does.
        stays: Whether who sent it may still be answered. Asked from when all of it has come.

    Attributes:
        complete: Whether all of it has come.
        gone: Whether the other side has left, the service ends, or it may no longer be answered.
        refused: Why it was not taken, once it was not.
    """

    def __init__(
        self,
        receive: Receive,
        limit: int,
        announced: int | None,
        ending: Ending,
        *,
        waits: bool = False,
        stays: Callable[[], bool] = lambda: True,
    ) -> None:
        self._receive, self._limit, self._announced, self._ending = receive, limit, announced, ending
        self._waits, self._stays = waits, stays
        self._got = 0
        self._waited = 0.0
        self._ready: Message | None = None
        self.complete = announced == 0
        self.gone = False
        self.refused: RefusedError | None = None

    def check(self) -> None:
        """Whether what is announced can be allowed.

        Raises:
            RefusedError: It is too large.
        """
        if self._announced is not None and self._announced > self._limit:
            raise self._refuse(413, f"{self._announced:,} bytes", "too_large")

    async def read(self) -> None:
        """Reads all of it, so that who handles the request need not wait.

        Raises:
            RefusedError: It is too large, too slow, or cut off.
        """
        parts: list[bytes] = []
        while not self.complete:
            message = await self._next()
            if message["type"] != "http.request":
                raise self._refuse(400, "it was cut off", "cut_off")
            parts.append(message.get("body", b""))
        if parts:
            self._ready = {"type": "http.request", "body": b"".join(parts), "more_body": False}

    async def receive(self) -> Message:
        """ASGI's ``receive`` for who handles the request.

        Raises:
            RefusedError: The body is too large, or too slow.
        """
        if self._ready is not None:
            ready, self._ready = self._ready, None
            return ready
        return await (self._get() if self.complete else self._next())

    async def linger(self) -> None:
        """Throws away what is still coming, for a while."""
        deadline, most = monotonic() + LINGER_SECONDS, LINGER_BYTES
        while not (self.complete or self.gone or self._waits) and most > 0 and (left := deadline - monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._get(), left)
            except TimeoutError:
                return
            most -= len(message.get("body", b""))

    async def _next(self) -> Message:
        left = GRACE_SECONDS + self._got / SLOWEST - self._waited
        began = monotonic()
        try:
            message = await asyncio.wait_for(self._get(), max(left, 0.001))
        except TimeoutError:
            raise self._refuse(408, f"only {self._got:,} bytes came in {self._waited + left:.0f} s", "slow") from None
        self._waited += monotonic() - began
        self._got += len(message.get("body", b""))
        if self._got > self._limit:
            raise self._refuse(413, "more", "too_large")
        return message

    async def _get(self) -> Message:
        self._waits = False
        message = await self._ending.or_end(self._receive, self._may_stay)
        if message["type"] != "http.request":
            self.gone = True
        elif not message.get("more_body", False):
            self.complete = True
        return message

    def _may_stay(self) -> bool:
        return not self.complete or self._stays()  # what was begun to be handed in is taken

    def _refuse(self, status: int, found: str, code: str) -> RefusedError:
        rule = {
            413: f"the body of this request must have at most {self._limit:,} bytes",
            408: f"the body of a request must come with at least {SLOWEST:,} bytes a second",
            400: "the body of a request must be complete",
        }
        self.refused = RefusedError(status, f"{rule[status]}, however: {found}", code)
        return self.refused
