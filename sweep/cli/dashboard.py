"""``sweep dashboard``: the Optuna dashboard on a storage, for this machine alone.

It has no login, and most of what it offers changes the study. So it listens on loopback unless it is told otherwise,
and answers only requests that name it as loopback: a web page elsewhere whose name was pointed here (DNS rebinding) is
refused. Told otherwise it has to be in a container: what is published of it is published on the host's loopback, and
the port of a container cannot be published while the program listens on the container's own.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from time import sleep
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sweep.errors import NotFoundError, StorageError, UserError
from sweep.run.study import open_storage
from sweep.service.dashboard_answers import Application, loopback_only, told_plainly
from sweep.service.dashboard_app import DashboardApp
from sweep.store.database import parse_url
from sweep.store.store import Store

# Between two looks for a database that is not there yet.
WAIT_SECONDS = 1.0

Say = Callable[[str], None]


def serve(storage: str, host: str, port: int, *, wait: bool, ready: Say, say: Say) -> None:
    """Serves until interrupted.

    Args:
        storage: Database URL.
        host: Address to listen on.
        port: 0 for any free one.
        wait: For a database that is not there yet, or that nobody has stored anything in.
        ready: Called with the address once it answers.
        say: Called with what is to be known besides.

    Raises:
        NotFoundError: There is no such database, or no study in it. Not where it waits.
        StorageError: It cannot be used. Where it waits: what was given is no database URL.
        UserError: The address is none, is not this machine's, or the port is taken or not allowed.
    """
    address = parse_address(host)
    with _waited_for(storage, say) if wait else _opened(storage) as application:
        kind = _Server if address.version == 4 else _Server6
        try:
            server = make_server(
                str(address), port, loopback_only(application), server_class=kind, handler_class=_Handler
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"port {port} must be free, however: {reason} ({address}; --port takes another one)"
            ) from error
        if not address.is_loopback:
            say(
                f"listening on {address}, without a login: whoever reaches this port can change and delete studies. "
                "Meant for a container whose port is published on 127.0.0.1 alone; requests have to name localhost"
            )
        with server, contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
            ready(f"http://{_shown(address)}:{server.server_port}/")
            server.serve_forever(poll_interval=0.1)


def parse_address(host: str) -> IPv4Address | IPv6Address:
    """An address to listen on.

    Raises:
        UserError: It is a name, or nothing.
    """
    try:
        return ip_address(host)
    except ValueError:
        raise UserError(f"--host must be an IP address such as 127.0.0.1, however: {host or 'nothing'}") from None


def _shown(address: IPv4Address | IPv6Address) -> str:
    """Where a browser finds it: an address that stands for all of a machine's is none to go to."""
    if address.is_unspecified:
        return "127.0.0.1"
    return str(address) if address.version == 4 else f"[{address}]"


@contextlib.contextmanager
def _opened(storage: str) -> Iterator[Application]:
    with Store.open(storage) as store, open_storage(store) as tables:
        if tables is None:
            raise NotFoundError(f"no study in {store.shown}: `sweep run` stores the first one")
        yield told_plainly(DashboardApp(store, tables))


@contextlib.contextmanager
def _waited_for(storage: str, say: Say) -> Iterator[Application]:
    """The same, once that is possible; each reason why it is not yet is said once."""
    parse_url(storage)  # what is wrong with this stays wrong
    told = ""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                application = stack.enter_context(_opened(storage))
                break
            except (NotFoundError, StorageError) as error:
                if str(error) != told:
                    told = str(error)
                    say(f"waiting: {told}")
            sleep(WAIT_SECONDS)
        yield application


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request: a page polls while it loads."""

    daemon_threads = True


class _Server6(_Server):
    """The same on an IPv6 address."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing."""
