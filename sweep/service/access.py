"""Who somebody is: tokens, which are known by their SHA-256 alone, and the sessions of browsers that showed one.

Sessions are kept in memory: a restart of the service logs everybody out. A browser holds 256 random bits in a cookie,
the service their SHA-256.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import cast
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from sweep.errors import UserError
from sweep.service.options import Role, ServeOptions
from sweep.service.pages import render_page
from sweep.service.problems import RefusedError

SHORTEST = 20
"""Characters of a token: with so many random ones nobody guesses it, however often he may try."""

IDLE_SECONDS = 12 * 3600.0
"""After which a session ends that nobody uses."""

LONGEST_SECONDS = 7 * 86400.0
"""After which a session ends in any case."""

MOST_SESSIONS = 1000
"""Of each role; the one that was not used for longest makes room."""

WRONG_SECONDS = 1.0
"""Between two answers to wrong tokens. Right ones are answered at once, whoever else is trying."""

MOST_WAITING = 20
"""Wrong tokens that wait for their answer; what comes beyond is turned away at once."""

LARGEST_FORM = 4096
"""Bytes of the form of the login page."""

COOKIE = "sweep_session"


def digest(token: str) -> str:
    """How a token or a session's id is kept: its SHA-256, hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_tokens(given: Mapping[str, str], file: Path | None) -> dict[str, Role]:
    """The tokens that give a role, by their SHA-256.

    Args:
        given: Tokens by role, from the environment.
        file: With lines ``role sha256:HEX``; empty ones and what follows a ``#`` mean nothing. Others may read it, as
            secrets of containers can be read: from the SHA-256 of a random token nobody finds the token. They may not
            write it: they could give themselves a role.

    Raises:
        UserError: A token is too short, a line is none of these, one token gives two roles, or the file cannot be used.
    """
    found: dict[str, Role] = {}

    def add(key: str, role: str, place: str) -> None:
        if found.setdefault(key, cast("Role", role)) != role:
            raise UserError(f"a token must give one role, however: that of {place} gives operator and viewer")

    for role, token in given.items():
        name = f"SWEEP_{role.upper()}_TOKEN"
        if len(token) < SHORTEST:
            raise UserError(f"{name} must have at least {SHORTEST} characters, however: it has {len(token)}")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise UserError(f"{name} must be of printable ASCII characters without blanks, however: it has others")
        add(digest(token), role, name)
    if file is not None:
        for number, line in enumerate(_lines(file), start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if not re.fullmatch(r"(viewer|operator) sha256:[0-9a-fA-F]{64}", " ".join(words)):
                # Not shown: somebody may have written the token itself.
                raise UserError(f"line {number} of {file} must be `operator sha256:HEX` or `viewer sha256:HEX`")
            add(words[1].removeprefix("sha256:").lower(), words[0], f"line {number} of {file}")
        if not found:
            raise UserError(f"a file of tokens must have at least one, however: {file} has none")
    return found


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UserError(
                "a file of tokens must be writable by its owner alone, since others could give themselves a role, "
                f"however: {file} is by others (chmod go-w {file})"
            )
        return file.read_text("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"the file of tokens cannot be read: {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"the file of tokens cannot be read: {file} is no text") from None


@dataclass(slots=True)
class _Session:
    role: Role
    began: float
    used: float


class Access:
    """Tells roles by tokens and sessions.

    Args:
        options: Of the service.
        clock: Seconds that only grow.

    Attributes:
        needed: Whether there is a login at all.
    """

    def __init__(self, options: ServeOptions, clock: Callable[[], float] = monotonic) -> None:
        self._tokens, self._secure, self._clock = dict(options.tokens), options.secure, clock
        self._sessions: dict[str, _Session] = {}  # by the SHA-256 of their id, the one used last at the end
        self._waiting = 0
        self._next_answer = 0.0
        self.needed = bool(options.tokens)

    def role_of_token(self, token: str) -> Role | None:
        """What a token gives; ``None`` if nothing. It takes as long for a wrong one as for any right one."""
        shown, role = digest(token), None
        for known, gives in self._tokens.items():
            if hmac.compare_digest(known, shown):
                role = gives  # and on: when it ends says nothing of which it was
        return role

    def role_of(self, headers: Headers) -> tuple[Role | None, str]:
        """Whose request it is: a role, and by what: ``"token"``, ``"session"`` or ``"nothing"``.

        A token goes before a session; with a wrong one a session counts for nothing. Where there is no login everybody
        is an operator.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.role_of_token(token.strip()) if self.needed else "operator", "token"
        if not self.needed:
            return "operator", "nothing"
        session = self._session(self._cookie_of(headers))
        return (session.role, "session") if session else (None, "nothing")

    def holds(self, headers: Headers) -> bool:
        """Whether the session of a request still gives a role; it does not count as used by being asked."""
        session = self._sessions.get(digest(self._cookie_of(headers)))
        return session is not None and not self._is_over(session, self._clock())

    def session_of(self, headers: Headers) -> str:
        """What a session can be told from others by, and not be taken over with: the SHA-256 of its id."""
        return digest(self._cookie_of(headers))

    def log_in(self, role: Role) -> str:
        """A new session's id, which is nowhere else."""
        now, session = self._clock(), secrets.token_hex(32)
        for old in [key for key, one in self._sessions.items() if self._is_over(one, now)]:
            del self._sessions[old]
        # Of its own role: those who may look cannot log others out.
        alike = [key for key, one in self._sessions.items() if one.role == role]
        for old in alike[: max(0, len(alike) - MOST_SESSIONS + 1)]:
            del self._sessions[old]
        self._sessions[digest(session)] = _Session(role, now, now)
        return session

    def log_out(self, headers: Headers) -> None:
        """Ends the session of a request, if it has one."""
        self._sessions.pop(digest(self._cookie_of(headers)), None)

    async def slowly(self) -> None:
        """Returns when a wrong token may be answered: one a :data:`WRONG_SECONDS`, all callers together.

        Raises:
            RefusedError: Too many wait for that already.
        """
        if self._waiting >= MOST_WAITING:
            raise RefusedError(429, "too many wrong tokens; a right one is let in all the same", "too_many")
        self._waiting += 1
        try:
            now = self._clock()
            self._next_answer = max(self._next_answer, now) + WRONG_SECONDS
            await asyncio.sleep(self._next_answer - now)
        finally:
            self._waiting -= 1

    def cookie_name(self, *, secure: bool) -> str:
        """Of the cookie with a session's id. Browsers take one that begins with ``__Host-`` from its own host alone."""
        return f"__Host-{COOKIE}" if secure or self._secure else COOKIE

    def set_cookie(self, response: Response, session: str, *, secure: bool) -> None:
        """Hands a session's id to the browser; an empty one takes it back."""
        secure = secure or self._secure
        response.set_cookie(
            self.cookie_name(secure=secure),
            session,
            max_age=int(LONGEST_SECONDS) if session else 0,
            path="/",
            secure=secure,
            httponly=True,
            samesite="strict",
        )

    def _cookie_of(self, headers: Headers) -> str:
        # Whoever speaks TLS to a proxy may not look as if he did: either name, the one that cannot be forged first.
        cookies = cookie_parser("; ".join(headers.getlist("cookie")))
        names = (f"__Host-{COOKIE}",) if self._secure else (f"__Host-{COOKIE}", COOKIE)
        return next((cookies[name] for name in names if name in cookies), "")

    def _session(self, identity: str) -> _Session | None:
        key, now = digest(identity), self._clock()
        session = self._sessions.pop(key, None)
        if session is None or self._is_over(session, now):
            return None
        session.used = now
        self._sessions[key] = session
        return session

    def _is_over(self, session: _Session, now: float) -> bool:
        return now - session.used > IDLE_SECONDS or now - session.began > LONGEST_SECONDS


def safe_next(wanted: str) -> str:
    r"""Where to go after the login: a path of this service, else ``/``.

    Browsers take ``\`` for ``/`` and leave out control characters, so ``/\evil`` and ``/<tab>/evil`` would lead
    elsewhere as ``//evil`` does.
    """
    is_path = wanted.startswith("/") and not wanted.startswith("//")
    is_plain = "\\" not in wanted and all(" " < letter != "\x7f" for letter in wanted)
    return wanted if is_path and is_plain and urlsplit(wanted).path not in ("/login", "/logout") else "/"


def login_address(path: str, query: str) -> str:
    """The login page, from which one comes back to a path."""
    return "/login?next=" + quote(f"{path}?{query}" if query else path, safe="/")


router = APIRouter(include_in_schema=False)


def _access(request: Request) -> Access:
    return cast("Access", request.app.state.access)


def _login_page(wanted: str, message: str | None, status: int) -> Response:
    page = render_page("login.html.j2", next=safe_next(wanted), message=message)
    return Response(page, status, media_type="text/html")


@router.get("/login")
async def login_page(request: Request) -> Response:
    """The form that asks for a token; not of who has a session. A token in the headers is not looked at here."""
    wanted = request.query_params.get("next", "/")
    if request.state.role is not None:
        return RedirectResponse(safe_next(wanted), 303)
    return _login_page(wanted, None, 200)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Takes a token, and gives a session.

    Raises:
        RefusedError: The form is none, or too many wrong tokens wait for their answer.
    """
    access, form = _access(request), await request.body()
    if len(form) > LARGEST_FORM:
        raise RefusedError(413, f"the form must have at most {LARGEST_FORM} bytes", "too_large")
    try:
        fields = parse_qs(form.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise RefusedError(400, "the form of a login must be application/x-www-form-urlencoded", "form") from None
    token, wanted = fields.get("token", [""])[-1].strip(), fields.get("next", ["/"])[-1]
    role = access.role_of_token(token)
    if access.needed and role is None:
        await access.slowly()
        return _login_page(wanted, "This token is not known here.", 401)
    response = RedirectResponse(safe_next(wanted), 303)
    if role is not None:
        access.log_out(request.headers)
        access.set_cookie(response, access.log_in(role), secure=request.scope["scheme"] == "https")
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Ends the session."""
    access = _access(request)
    access.log_out(request.headers)
    response = RedirectResponse("/login" if access.needed else "/", 303)
    access.set_cookie(response, "", secure=request.scope["scheme"] == "https")
    return response
