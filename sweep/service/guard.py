"""What stands before everything that the service answers: who may, from where, how much, and what responses say.

In this order, whatever is mounted behind:

1. *Host.* The name in the request must be one of ours: a name of somebody else that was pointed here (DNS rebinding) is
   refused, since to a browser its pages would be of one origin with us.
2. *Site.* A request that changes something must not come from a page of another site. ``Sec-Fetch-Site`` says so, which
   no page can forge; browsers send it by TLS and to loopback. Elsewhere ``Origin`` does, which must be this service's.
   Browsers send one of the two with every such request, those from before 2020 not always. So who sends neither is no
   browser, as long as nothing of it comes by itself: he shows a token; or there is no login, and the body is of a type
   that no form has (another site's page may send it only after having asked, and is answered no). With a session alone
   it is refused. What only reads is refused to other sites' pages, too, but for links that lead here. Who shows neither
   token nor session is told to log in, wherever he comes from: nothing is done for him.
3. *Role.* Who looks may be a viewer, everything else takes an operator. What is open to all looks at no token but that
   of the login's form. A stream of events ends with the session that it was opened with.
4. *Body.* Its size and its pace, also where it comes in chunks. But for tables it is read before it is handled.

And all responses have headers that tell browsers what they may do with them, are compressed where they are no stream of
events, and are logged. Nothing secret is in a body beside what others can choose, so compression gives nothing away
(BREACH): sessions are in cookies alone, and protection against other sites needs no token in pages.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sweep.service import logs, problems
from sweep.service.access import Access, digest, login_address
from sweep.service.bodies import LARGEST, Body, Ending
from sweep.service.headers import add_headers, is_below
from sweep.service.options import Role, ServeOptions
from sweep.service.problems import RefusedError

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC = ("/login", "/health", "/ready", "/assets")
UPLOADS = "/v1/uploads"
# What another site's page may send without asking: the types that a form can have.
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})

FULL = "full"
"""In the ``state`` of a request's scope: too many have come, and it is to be refused."""

Observe = Callable[[Scope, int, float], None]
"""Told of every request: its scope, the status, seconds. A stream of events is told of when it begins."""

logger = logging.getLogger(__name__)


class GuardedApp(FastAPI):
    """An application behind the guard, its handler of unforeseen errors included; no ``add_middleware`` can do that.

    Args:
        options: Of the service.
        observe: Told of every request.
        **settings: Of FastAPI.
    """

    def __init__(self, options: ServeOptions, observe: Observe, **settings: Any) -> None:
        super().__init__(**settings)
        self._options, self._observe = options, observe
        self.state.access = Access(options)
        self.state.ending = Ending()

    def build_middleware_stack(self) -> ASGIApp:
        """FastAPI's own, inside of the guard."""
        access, ending = self.state.access, self.state.ending
        return Guard(super().build_middleware_stack(), self._options, access, ending, self._observe)


class Guard:
    """ASGI middleware; see the module's text."""

    def __init__(self, app: ASGIApp, options: ServeOptions, access: Access, ending: Ending, observe: Observe) -> None:
        self._app = GZipMiddleware(app, minimum_size=1000, compresslevel=5)
        self._options, self._access, self._ending, self._observe = options, access, ending, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._handle(scope, receive, send)
        else:  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = secrets.token_hex(8)
        token = logs.request_id.set(identity)
        answer = _Answer(send, scope, identity, secure=self._options.secure)
        began = perf_counter()
        try:
            await self._let_in(scope, receive, answer)
        finally:
            logs.request_id.reset(token)
            seconds = (answer.began if answer.is_events else perf_counter()) - began
            self._observe(scope, answer.status, seconds)
            _log(scope, identity, answer.status, seconds)

    async def _let_in(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            public = is_below(scope["path"], PUBLIC)
            role, by = self._role(headers, public=public)
            open_to_all = public or (scope["path"] == "/logout" and scope["method"] == "POST")
            known = role is not None or open_to_all
            if known:
                self._check_site(scope, headers, by)
            streamed = scope["method"] == "POST" and scope["path"] == UPLOADS
            # Who takes tables in refuses a large one with a better word; this is for what he might not count.
            limit = LARGEST + (self._options.upload_bytes if streamed else 0)
            waits = headers.get("expect", "").lower() == "100-continue"
            stays = partial(self._access.holds, headers) if by == "session" else _always
            body = answer.body = Body(receive, limit, _announced(headers), self._ending, waits=waits, stays=stays)
            if not known:
                if by == "token":
                    await self._access.slowly()
                await answer.refuse(_asks_to_log_in(scope, headers))
                return
            if role == "viewer" and scope["method"] not in SAFE and not open_to_all:
                raise RefusedError(403, "this takes an operator, however: the token is a viewer's", "viewer")
            if scope.get("state", {}).get(FULL):
                logger.warning("too many are connected or ask for something")
                raise RefusedError(503, "too many are connected or ask for something: try again soon", "busy")
            body.check()
            if not streamed:
                await body.read()
        except RefusedError as error:
            await answer.refuse(_problem(error))
            return
        scope.setdefault("state", {}).update(role=role, who=self._who(scope, headers, by))
        try:
            await self._app(scope, body.receive, answer.send)
        except asyncio.CancelledError:
            if not self._ending.begun:
                raise
            # The service ends, and this has taken too long: the connection is closed, nobody is told of a bug.
        except Exception as error:
            # Nearly all have been answered and logged as a bug; what a refused body led to is none.
            if body.refused is None and not answer.started:
                logger.error("a bug in sweep", exc_info=error)
        if body.refused is not None:
            await answer.refuse(_problem(body.refused))
        elif not answer.started and self._ending.begun:
            await answer.refuse(_problem(RefusedError(503, "the service ends", "ending")))
        elif not answer.started and not stays():
            await answer.refuse(_asks_to_log_in(scope, headers))
        elif not answer.started and not body.gone:
            await answer.refuse(_problem(RefusedError(500, "a bug in sweep; the log of the service has more", "bug")))
        elif not answer.complete and (self._ending.begun or not stays()):
            await answer.end()

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        name = host_name(given[0]) if len(given) == 1 else ""
        if not name or (self._options.hosts and name not in self._options.hosts):
            allowed = ", ".join(sorted(self._options.hosts)) or "one name"
            raise RefusedError(
                421,
                f"requests must name a host of this service ({allowed}; `sweep serve --public-host` adds one)",
                "host",
            )

    def _check_site(self, scope: Scope, headers: Headers, by: str) -> None:
        scheme = "https" if self._options.secure else scope["scheme"]
        own = origin_of(f"{scheme}://{headers['host']}")
        if reason := crosses(scope["method"], headers, own, has_token=by == "token", login=self._access.needed):
            raise RefusedError(403, reason, "cross_site")

    def _role(self, headers: Headers, *, public: bool) -> tuple[Role | None, str]:
        role, by = self._access.role_of(headers)
        if public and by == "token" and self._access.needed:
            role = None  # what anybody may see must not tell a right token from a wrong one, which are slowed elsewhere
        return role, by

    def _who(self, scope: Scope, headers: Headers, by: str) -> str:
        """The same for requests of one session; of one address and token where there is none."""
        if by == "session":
            return self._access.session_of(headers)
        address, _ = scope.get("client") or ("", 0)
        return f"{address} {digest(headers.get('authorization', ''))}"


class _Answer:
    """The response to one request, on its way."""

    def __init__(self, send: Send, scope: Scope, identity: str, *, secure: bool) -> None:
        self._send, self._scope, self._identity, self._secure = send, scope, identity, secure
        self.body: Body | None = None
        self.started = self.complete = self.is_events = False
        self.status = 499  # the client left before there was one
        self.began = 0.0

    async def send(self, message: Message) -> None:
        """ASGI's ``send`` for who handles the request."""
        if self.body is None or self.body.refused is None or self.started:
            await self._deliver(message)  # else it is what came of a body that was refused in the middle

    async def refuse(self, response: Response) -> None:
        """Answers, unless that has begun."""
        if not self.started:
            start = {"status": response.status_code, "headers": response.raw_headers}
            await self._deliver({"type": "http.response.start", **start})
            await self._deliver({"type": "http.response.body", "body": bytes(response.body)})

    async def end(self) -> None:
        """Ends what would go on, as a stream of events, in good order."""
        if self.started and not self.complete:
            await self._deliver({"type": "http.response.body", "body": b""})

    async def _deliver(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._headers(message)}
            self.started, self.status, self.began = True, message["status"], perf_counter()
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
            if self.body is not None and not self.body.complete:
                # Closed at once, the connection would be reset, and the answer lost before the other side reads it.
                await self._send({**message, "more_body": True})
                await self.body.linger()
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        headers = MutableHeaders(raw=list(message.get("headers", ())))
        self.is_events = headers.get("content-type", "").startswith("text/event-stream")
        add_headers(headers, self._scope["path"], secure=self._secure)
        headers["X-Request-ID"] = self._identity
        if self.body is None or not self.body.complete:
            headers["Connection"] = "close"  # what has not been read of the body is not waited for
        return headers.raw


def _always() -> bool:
    return True


def _asks_to_log_in(scope: Scope, headers: Headers) -> Response:
    """To somebody who is nobody: the way to the login page for one who opens a page, else 401."""
    is_page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
    if is_page and "authorization" not in headers:
        return RedirectResponse(login_address(scope["path"], scope["query_string"].decode("ascii", "replace")), 303)
    refused = RefusedError(401, "a token must be shown: `Authorization: Bearer TOKEN`, or /login", "login")
    return _problem(refused, {"WWW-Authenticate": "Bearer"})


def _problem(error: RefusedError, headers: Mapping[str, str] | None = None) -> Response:
    return problems.answer(problems.problem_of(error), headers)


def crosses(method: str, headers: Headers, own: str, *, has_token: bool, login: bool) -> str | None:
    """Why a request is taken for another site's; ``None`` if it is not.

    Args:
        method: Of the request.
        headers: Of the request.
        own: This service's origin, as the request names it.
        has_token: Whether it carries a token that gives a role.
        login: Whether there is a login at all.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if method in SAFE:
        framed = headers.get("sec-fetch-dest", "document") not in ("document", "empty")
        linked = headers.get("sec-fetch-mode") == "navigate" and not framed
        if site in ("cross-site", "same-site") and not linked:
            return f"only pages of this service may use it, however: Sec-Fetch-Site is {site}"
        return None
    if site is not None:
        if site in ("same-origin", "none"):
            return None
        return f"only pages of this service may change something, however: Sec-Fetch-Site is {site}"
    if origin is not None:
        if origin_of(origin) == own:
            return None
        return f"only pages of {own} may change something, however: Origin is {origin}"
    if has_token:
        return None
    if login:
        return "without an Origin, changing something takes a token: `Authorization: Bearer TOKEN`"
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    # A page's script may post without any, with a body or without: that is of no form, and not asked for before either.
    if kind in FORMS or (not kind and method == "POST"):
        return (
            f"Content-Type must be one that no form has, such as application/json, however: {kind or 'there is none'}"
        )
    return None


def origin_of(address: str) -> str:
    """Scheme, host and port of an address, as browsers write it; ``""`` for what is none."""
    try:
        parts = urlsplit(address.lower())
        port = parts.port
    except ValueError:
        return ""
    if not parts.scheme or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (
        "" if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{port}"
    )


def host_name(header: str) -> str:
    """The name in a ``Host`` header, lower case, without port; ``""`` for what is none."""
    try:
        parts = urlsplit(f"//{header.lower()}")
        parts.port  # noqa: B018 - raises for what is none
    except ValueError:
        return ""
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    return (parts.hostname or "").removesuffix(".")


def _announced(headers: Headers) -> int | None:
    """Bytes of the body, ``None`` if they come in chunks.

    Raises:
        RefusedError: What the headers say is no number.
    """
    if "transfer-encoding" in headers:
        return None
    given = headers.get("content-length", "0")
    if not given.isdecimal() or not given.isascii() or len(given) > 15:
        raise RefusedError(400, f"Content-Length must be a whole number, however: {given[:40]}", "length")
    return int(given)


def _log(scope: Scope, identity: str, status: int, seconds: float) -> None:
    path = (
        (scope.get("raw_path") or b"").decode("ascii", "replace").partition("?")[0]
    )  # percent-encoded: no line breaks
    fields = {
        "request_id": identity,
        "method": scope["method"],
        "path": path,
        "status": status,
        "duration": round(seconds, 4),
    }
    logger.info("%s %s %d", scope["method"], path, status, extra=fields)
