"""Connections: how many there may be, and how long somebody may take to ask, and to take the answer.

The protocol is uvicorn's, which would wait for ever for the rest of a request's head, and for a client to read.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import socket
import struct
import termios
from contextlib import suppress
from typing import Any

from h11 import IDLE, Data, EndOfMessage, LocalProtocolError, Response
from starlette.datastructures import MutableHeaders
from uvicorn.protocols.http.h11_impl import H11Protocol

from sweep.service import problems
from sweep.service.bodies import SLOWEST
from sweep.service.guard import FULL
from sweep.service.headers import add_headers
from sweep.service.problems import RefusedError

HEADER_SECONDS = 15.0
"""For a client to say what he wants, from the connection or the first byte of a request."""

HEADER_BYTES = 32 * 1024
KEEP_ALIVE_SECONDS = 30

UNREAD_SECONDS = 30.0
"""So long somebody may let an answer wait for him; by :data:`~sweep.service.bodies.SLOWEST` he earns more time."""

MOST_CONNECTIONS = 500
"""And requests at a time; whoever comes then is told 503."""

MOST_REFUSED = 100
"""Connections beyond these; whoever comes then is told nothing."""

logger = logging.getLogger(__name__)


class Patient(H11Protocol):
    """uvicorn's protocol, with an end to its patience."""

    _late: asyncio.TimerHandle | None = None
    _look: asyncio.TimerHandle | None = None
    _taken = 0
    _unread = 0.0

    def connection_made(self, transport: Any) -> None:
        """Somebody has come."""
        self._sending = _Counted(transport)
        super().connection_made(self._sending)  # type: ignore[arg-type]  # it is one in all but name
        if len(self.connections) > MOST_CONNECTIONS + MOST_REFUSED:
            transport.abort()
            return
        self._wait()
        self._look = self.loop.call_later(UNREAD_SECONDS / 6, self._look_at_reader)

    def data_received(self, data: bytes) -> None:
        """He has said something."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """He has left."""
        self._stop_waiting()
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Has what he asks for answered; that he comes too late, where there are too many."""
        full = len(self.connections) >= MOST_CONNECTIONS or len(self.tasks) >= MOST_CONNECTIONS
        self.app_state = {FULL: full}
        super().handle_events()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        problem = problems.problem_of(RefusedError(400, msg, "no_http"))
        body = json.dumps(problem.model_dump()).encode()
        headers = MutableHeaders({"Content-Type": problems.MEDIA_TYPE, "Connection": "close"})
        headers["Content-Length"] = str(len(body))
        add_headers(headers, "/v1", secure=self.scheme == "https")
        with suppress(LocalProtocolError):  # in the middle of another answer
            for event in (Response(status_code=400, headers=headers.raw), Data(data=body), EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        if self.conn.their_state is not IDLE:  # what he wants is known
            self._stop_waiting()
        elif self._late is None:
            self._late = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _look_at_reader(self) -> None:
        """Closes the connection on somebody who does not take what he has asked for, also after the answer's end."""
        pause = UNREAD_SECONDS / 6
        waiting = self._sending.waiting()
        before, self._taken = self._taken, self._sending.written - waiting
        earned = max(0, self._taken - before) / SLOWEST
        self._unread = max(0.0, self._unread + pause - earned) if waiting else 0.0
        if self._unread >= UNREAD_SECONDS:
            logger.info("a client does not read: %d bytes wait for him", waiting)
            self._sending.break_off()
            return
        self._look = self.loop.call_later(pause, self._look_at_reader)


class _Counted:
    """A transport that knows how much of what was written has not been taken.

    Args:
        transport: Of a connection.

    Attributes:
        written: Bytes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._socket = transport, transport.get_extra_info("socket")
        self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As transports do."""
        self.written += len(data)
        self._transport.write(data)

    def break_off(self) -> None:
        """Closes it, and has the system forget what it holds, which it would keep for minutes."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def waiting(self) -> int:
        """Bytes that the other side has not acknowledged, here or in the system's own buffer.

        The system's holds megabytes, and takes more only when a third of it is free: without it slow readers would look
        like those who do not read at all.
        """
        size = 0
        with suppress(AttributeError):  # by TLS there is none left once it was closed twice
            size = self._transport.get_write_buffer_size()
        with suppress(OSError, ValueError):  # closed, or a system that does not tell
            held: bytes = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
            size += struct.unpack("i", held)[0]
        return size
