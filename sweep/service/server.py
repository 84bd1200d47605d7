"""The process of the service: where it listens, TLS, slow clients, how it ends, and a runner beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from sweep import settings
from sweep.errors import UserError
from sweep.service import logs
from sweep.service.app import create_app
from sweep.service.beside import Beside, command
from sweep.service.connections import HEADER_BYTES, KEEP_ALIVE_SECONDS, Patient
from sweep.service.guard import host_name
from sweep.service.heaps import share_heaps
from sweep.service.options import ServeOptions
from sweep.store.store import Store

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

END_SECONDS = 3
"""For requests to end when the service does. Streams of events end at once."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how the service is reached.

    Attributes:
        host: An address of this machine, or a name of one.
        port: 0 for any free one.
        certificate: PEM file with the certificate and those that vouch for it; ``None`` without TLS.
        key: PEM file with its key.
        public_hosts: Names by which it is called besides.
        behind_tls: Whether something in front of it speaks TLS with browsers.
        runner: Command line of what is kept beside it, of :func:`runner_line`; ``None`` for nothing.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None
    public_hosts: tuple[str, ...] = ()
    behind_tls: bool = False
    runner: Sequence[str] | None = None


def runner_line(workers: int | None) -> list[str]:
    """The command line of a runner on this machine."""
    return command(["runner", "--quiet", *([] if workers is None else ["--workers", str(workers)])])


def serve(options: ServeOptions, listening: Listening, ready: Say) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
        options: Of the service; ``hosts`` and ``secure`` follow from ``listening``.
        listening: Where.
        ready: Called with the address once it answers.

    Raises:
        UserError: It cannot listen there, may not without a token, or the database cannot be used. Nothing was started.
    """
    address = resolve(listening.host)
    if not address.is_loopback and not options.tokens:
        raise UserError(
            f"to listen on {address}, which others can reach, takes a token (SWEEP_OPERATOR_TOKEN, or --tokens FILE); "
            "without one only loopback is allowed: --host 127.0.0.1"
        )
    context = tls(listening.certificate, listening.key)
    options = replace(
        options,
        secure=context is not None or listening.behind_tls,
        hosts=_hosts(address, listening, login=bool(options.tokens)),
        runner=listening.runner is not None,
    )
    share_heaps()
    with _listen(address, listening.port) as listener:
        with Store.open(options.storage, create=True):  # before anything is started
            pass
        url = _url(address, listener.getsockname()[1], tls=context is not None)
        beside = None
        if listening.runner is not None:
            beside = Beside(listening.runner, settings.child_environment(options.storage))
        asyncio.run(_serve(options, listener, context, beside, lambda: ready(url)))


def resolve(host: str) -> IPv4Address | IPv6Address:
    """The address of a name, or of itself.

    Raises:
        UserError: It is none.
    """
    try:
        found = socket.getaddrinfo(host or "?", None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--host must be an address of this machine, however: {host or 'nothing'} ({reason})") from None
    addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    return min(addresses, key=lambda one: one.version)  # of localhost: the one that every browser tries


def tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """What speaks TLS with these files; ``None`` without any.

    Raises:
        UserError: One of them is missing, or cannot be used.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UserError("TLS takes both --tls-cert and --tls-key, however: there is only one of them")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except FileNotFoundError:
        missing = certificate if not certificate.exists() else key
        raise UserError(f"a file for TLS must exist, however: no {missing}") from None
    except (OSError, ValueError) as error:  # an SSLError is one
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UserError(f"the certificate {certificate} and its key {key} cannot be used: {reason}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key must not need a password")


def _hosts(address: IPv4Address | IPv6Address, listening: Listening, *, login: bool) -> frozenset[str]:
    """Names by which requests may call the service; none for any."""
    for name in listening.public_hosts:
        if host_name(name) != name.lower().rstrip(".") and host_name(f"[{name}]") != name.lower():
            raise UserError(f"--public-host must be a name without port, such as sweep.example.org, however: {name}")
    named = {name.lower().rstrip(".") for name in listening.public_hosts}
    if not address.is_loopback and login and not named:
        return frozenset()  # nobody is let in without a token, and no browser hands one to another name
    given = set() if address.is_unspecified else {str(address), listening.host.lower()}
    return frozenset(named | given | LOOPBACK_NAMES)


def _url(address: IPv4Address | IPv6Address, port: int, *, tls: bool) -> str:
    """What a browser opens: an address that stands for all of a machine's is none."""
    if address.is_unspecified:
        address = IPv4Address("127.0.0.1") if address.version == 4 else IPv6Address("::1")
    host = str(address) if address.version == 4 else f"[{address}]"
    return f"{'https' if tls else 'http'}://{host}:{port}/"


@contextmanager
def _listen(address: IPv4Address | IPv6Address, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        listener = socket.create_server((str(address), port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else error
        raise UserError(f"port {port} must be free, however: {reason} ({address}; --port takes another one)") from None
    with listener:
        yield listener


def configured(app: FastAPI, context: ssl.SSLContext | None = None) -> uvicorn.Config:
    """How uvicorn serves an application."""
    return uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        lifespan="off",  # entered by who serves, so that what it raises comes out
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whoever can reach the port could write them
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ssl_context_factory=None if context is None else lambda *_: context,
    )


async def _serve(
    options: ServeOptions,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    beside: Beside | None,
    ready: Callable[[], None],
) -> None:
    for library in ("uvicorn", "asyncio"):
        logs.adopt(library)
    app = create_app(options)
    server = Server(configured(app, context), ready, app.state.ending.begin)
    async with app.router.lifespan_context(app):
        keeping = None if beside is None else asyncio.create_task(beside.keep())
        try:
            await server.serve(sockets=[listener])
        finally:
            if keeping is not None:
                keeping.cancel()
                with suppress(asyncio.CancelledError):
                    await keeping


class Server(uvicorn.Server):
    """uvicorn's, which tells when it listens and when it begins to end, and leaves signals at that."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._ending = ready, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends: those who wait for something to happen first."""
        self._ending()
        late = asyncio.get_running_loop().call_later(END_SECONDS / 2, self._leave)
        await super().shutdown(sockets)
        late.cancel()

    def _leave(self) -> None:
        """Closes connections that have nothing to answer: by TLS some clients do not say that they have understood."""
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is None or cycle.response_complete:
                connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Inside, Ctrl-C and SIGTERM end the service in good order, the second of them at once."""
        if threading.current_thread() is not threading.main_thread():  # which no signal reaches
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A signal came."""
        self.force_exit = self.should_exit
        self.should_exit = True
