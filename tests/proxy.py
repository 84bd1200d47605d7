"""A way to a PostgreSQL server that can be cut, for tests: a socket of its own, and what passes through it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Passes everything on between clients and a server, until it is told to lose something.

    Attributes:
        lost: How often it has cut a connection.
    """

    def __init__(self, listening: socket.socket, server: Path) -> None:
        self._listening, self._server = listening, server
        self._what: Literal["question", "answer"] = "question"
        self._after, self._times = b"", 0
        self.lost = 0

    def lose(self, what: Literal["question", "answer"], times: int = 1, *, after: bytes = b"") -> None:
        """From now on cut the connection where a client commits: before the server hears of it, or after.

        Args:
            what: Which of the two.
            times: How often.
            after: Only when the client has said this before, each time.
        """
        self._what, self._times, self._after, self.lost = what, times, after, 0

    def serve(self) -> None:
        """Until the listening socket is closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server / SOCKET))
            threading.Thread(target=self._questions, args=(client, server), daemon=True).start()

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        answers = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        answers.start()
        with client, server, contextlib.suppress(OSError):
            ready = False
            while said := client.recv(65536):
                ready |= self._times > 0 and self._after in said
                if self._times and ready and b"COMMIT" in said:
                    self._times -= 1
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    if self._what == "answer":
                        server.sendall(said)
                        answers.join()  # it has come, and found nobody
                    break
                server.sendall(said)
            server.shutdown(socket.SHUT_RDWR)  # closing alone would not end what waits for its answers


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while said := server.recv(65536):
            client.sendall(said)


@contextlib.contextmanager
def proxy(server: Path, folder: Path) -> Iterator[Proxy]:
    """A proxy in a folder, to a server in another."""
    path = folder / SOCKET
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(path))
        listening.listen()
        way = Proxy(listening, server)
        thread = threading.Thread(target=way.serve, daemon=True)
        thread.start()
        yield way
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
