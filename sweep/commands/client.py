"""The REST API of a service as the command line uses it. What the service refuses is raised as our own errors."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2

from sweep.errors import (
    AddressError,
    BusyError,
    DefinitionError,
    MismatchError,
    NotFoundError,
    SweepError,
    UserError,
)

POLL_SECONDS = 1.0
"""Between two looks at what is being waited for."""

PATIENCE_SECONDS = 60.0
"""So long a service may be away while something is waited for: it may be starting again."""

TIMEOUT = httpx2.Timeout(30.0, read=120.0, write=120.0)


class AwayError(AddressError):
    """The service does not answer, or only that it cannot just now."""


class Client:
    """A service. Use it in a ``with`` statement.

    Args:
        url: Where it is: ``http://…`` or ``https://…``, as a browser shows it.
        token: That gives the right to use it; ``None`` where it has no login.
        say: Told what the user should know.

    Raises:
        UserError: The URL is none.
    """

    def __init__(self, url: str, token: str | None, say: Callable[[str], None] = lambda _: None) -> None:
        self.address = _checked(url)
        self._say = say
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {_header(token)}"
            if not _is_private(self.address):
                say(
                    f"the token goes to {self.address} as it is: whoever listens on the way can read it; https keeps it"
                )
        # Not through a proxy of the environment where it is this machine's own.
        trust = not _is_private(self.address)
        self._http = httpx2.Client(base_url=f"{self.address}/v1", headers=headers, timeout=TIMEOUT, trust_env=trust)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON document at a path below ``/v1``.

        Raises:
            SweepError: As :meth:`_refused`.
        """
        return self._document(lambda: self._http.get(path, params=params))

    def text(self, path: str, **params: Any) -> str:
        """What the command would print here, of the same thing."""
        with self._reached():
            answer = self._http.get(path, params=params, headers={"Accept": "text/plain"})
        return self._accepted(answer).text

    def file(self, path: str) -> bytes:
        """The bytes of a file at a path below ``/v1``."""
        with self._reached():
            answer = self._http.get(path, headers={"Accept": "*/*"})
        return self._accepted(answer).content

    def post(self, path: str, document: Mapping[str, Any] | None = None) -> Any:
        """Posts a document, and gives the one that comes back."""
        return self._document(lambda: self._http.post(path, json=dict(document or {})))

    def delete(self, path: str) -> None:
        """Deletes what is there."""
        with self._reached():
            self._accepted(self._http.delete(path))

    def upload(self, file: Path, header: bool | None = None) -> Any:
        """Hands a table in, and gives its document.

        Args:
            file: Where it is.
            header: Whether its first row names the columns; ``None`` to find out.
        """
        params = {"name": file.name} | ({} if header is None else {"header": str(header).lower()})

        def send() -> httpx2.Response:
            with file.open("rb") as content:
                kind = {"Content-Type": "application/octet-stream"}
                return self._http.post("/uploads", params=params, content=content, headers=kind)

        return self._document(send)

    def wait_for(self, path: str, is_over: Callable[[Any], bool], *, on_look: Callable[[Any], None]) -> Any:
        """Looks at a document until something is over; a service that is away for a moment is waited for.

        Args:
            path: Of the document.
            is_over: Of the document as it is.
            on_look: Told of each document that was seen.
        """
        away_since, told = None, False
        while True:
            try:
                found = self.get(path)
            except AwayError as error:
                away_since = away_since or monotonic()
                if monotonic() - away_since > PATIENCE_SECONDS:
                    raise
                if not told:
                    told = True
                    self._say(f"{error}; trying again")
            else:
                if told:
                    self._say(f"{self.address} is there again")
                away_since, told = None, False
                on_look(found)
                if is_over(found):
                    return found
            sleep(POLL_SECONDS)

    def _document(self, request: Callable[[], httpx2.Response]) -> Any:
        with self._reached():
            answer = request()
        accepted = self._accepted(answer)
        try:
            return accepted.json()
        except ValueError:
            raise self._no_service() from None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise AwayError(f"nobody answers at {self.address}: {str(error) or type(error).__name__}") from error

    def _accepted(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            detail, lines = str(problem["detail"]), [_line(one) for one in problem["problems"]]
        except (ValueError, KeyError, TypeError):
            problem, detail, lines = {}, answer.reason_phrase, []
        raise self._refused(answer.status_code, problem, detail, lines)

    def _refused(self, status: int, problem: Mapping[str, Any], detail: str, lines: list[str]) -> SweepError:
        match status:
            case 401:
                return UserError(f"{self.address} wants a token, or another one: SWEEP_TOKEN holds it")
            case 403:
                return UserError(f"{self.address} does not allow it: {detail}")
            case 404 if problem:
                return NotFoundError(detail)
            case 409:
                return BusyError(detail) if problem.get("code") == "busy" else MismatchError(detail)
            case 502 | 503 | 504:
                return AwayError(f"{self.address} cannot do it just now: {detail}")
            case _ if not problem:
                return self._no_service(status)
            case _ if status < 500:
                return DefinitionError(lines) if lines else UserError(detail)
            case _:
                return SweepError(f"{self.address} failed: {detail}")

    def _no_service(self, status: int | None = None) -> AddressError:
        said = "" if status is None else f", it says {status}"
        return AddressError(f"{self.address} must be the address of a `sweep serve`, however: it is not{said}")


def path_of(*parts: str) -> str:
    """A path below ``/v1``, its parts quoted."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _checked(url: str) -> str:
    parts = None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if parts is None or not usable or parts.query or parts.fragment:
        raise UserError(f"the server must be a URL such as http://127.0.0.1:8000, however: {_without_user(url)}")
    if "@" in parts.netloc:
        raise UserError("the server must be a URL without user and password; a token goes into SWEEP_TOKEN")
    return url.rstrip("/")


def _without_user(url: str) -> str:
    before, at, after = url.rpartition("@")
    return url if not at else f"{before.partition('://')[0]}://***@{after}"


def _header(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UserError("SWEEP_TOKEN must be letters, digits and signs without spaces")
    return token


def _is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent: TLS, or this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _line(problem: Mapping[str, Any]) -> str:
    place, said = str(problem["place"]), str(problem["said"])
    return f"{place} {said}" if place else said
