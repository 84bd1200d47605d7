"""What Optuna's dashboard answers with: compressed, tagged, and kept by browsers as far as it can be.

Its one page and its script come with it. The script, 6 MB, is named by its version, so that a browser asks for it once
and keeps it compiled; what a page will ask for is fetched while its script is made ready.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import optuna_dashboard

from sweep.errors import StorageError
from sweep.service.assets import address
from sweep.service.headers import DASHBOARD

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application."""

LEVEL, LEAST_PACKED = 6, 1024
"""Of gzip; bytes from which on something is compressed."""

VIEWER_NOTE = "You are logged in as a viewer: you may look at everything here, and change nothing."

_HERE = Path(optuna_dashboard.__file__).parent
_KEPT = "private, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with.

    Attributes:
        status: Such as ``"200 OK"``.
        media_type: Its ``Content-Type``.
        body: Compressed with gzip where ``packed``.
        packed: Whether it is.
        tag: Its ``ETag``; empty for none.
        cache: Its ``Cache-Control``.
        more: Other headers.
    """

    status: str
    media_type: str
    body: bytes
    packed: bool = False
    tag: str = ""
    cache: str = "no-cache"
    more: tuple[tuple[str, str], ...] = ()

    def packed_if_large(self) -> Answer:
        """The same, compressed where that pays, and with a tag."""
        packed = len(self.body) >= LEAST_PACKED
        body = gzip.compress(self.body, LEVEL, mtime=0) if packed else self.body
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        return Answer(self.status, self.media_type, body, packed, tag, self.cache, self.more)

    def send(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """As WSGI wants it; without the body where the browser has it already, or asks for the headers alone."""
        headers = [("Cache-Control", self.cache), ("Vary", "Accept-Encoding"), *self.more]
        if self.tag:
            headers.append(("ETag", self.tag))
            if self.tag in environ.get("HTTP_IF_NONE_MATCH", ""):
                start_response("304 Not Modified", headers)
                return []
        body = self.body
        if self.packed and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            headers.append(("Content-Encoding", "gzip"))
        elif self.packed:
            body = gzip.decompress(body)
        headers += [("Content-Type", self.media_type), ("Content-Length", str(len(body)))]
        start_response(self.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def called(application: Application, path: str, query: str) -> Answer:
    """What an application answers to a GET request of our own."""
    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_ACCEPT_ENCODING": ""}
    setup_testing_defaults(environ)
    said: list[tuple[str, list[tuple[str, str]]]] = []
    body = application(environ, lambda status, headers, _=None: said.append((status, headers)))
    try:
        content = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    status, headers = said[-1]
    media_type = next((value for name, value in headers if name.lower() == "content-type"), "text/plain")
    kept = tuple(one for one in headers if one[0].lower() == "content-disposition")
    return Answer(status, media_type, content, more=kept)


def loopback_only(application: Application) -> Application:
    """The same application for requests that name loopback as their host."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if _names_loopback(str(environ.get("HTTP_HOST", ""))):
            return application(environ, start_response)
        return _said("403 Forbidden", "this dashboard answers on loopback only", start_response)

    return answer


def told_plainly(application: Application) -> Application:
    """The same application; of a database that cannot be used it says so, in plain text."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except StorageError as error:
            return _said("503 Service Unavailable", str(error), start_response)

    return answer


def _said(status: str, text: str, start_response: Any) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


def _names_loopback(header: str) -> bool:
    """Whether a request's ``Host`` is ``localhost`` or an address of loopback, whatever the port."""
    try:
        host = urlsplit(f"//{header}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another name, or none at all
        return False


# --- what comes with the dashboard ------------------------------------------------------------------------------------


@lru_cache(64)
def page(study: int | None, *, viewer: bool = False) -> Answer:
    """The one page, which shows by its address what is asked for.

    Args:
        study: That it is about, if it is about one: what it will ask of it is fetched while its script is made ready.
        viewer: Whether it is for somebody who may only look: it says so, and hides what would be refused.
    """
    page = (_HERE / "index.html").read_text().replace(_SCRIPT, f"{_SCRIPT}?{_version()}")
    asked = ["/api/meta"] if study is None else ["/api/meta", f"/api/studies/{study}?after=0"]
    links = "".join(f'<link rel="preload" as="fetch" crossorigin="anonymous" href="{path}">' for path in asked)
    if viewer:
        links += f'<link rel="stylesheet" href="{address("viewer.css")}">'
        page = page.replace("</body>", f'<p id="viewer-note">{VIEWER_NOTE}</p></body>', 1)
    page = page.replace("</head>", f"{links}</head>", 1)
    policy = ("Content-Security-Policy", DASHBOARD)
    return Answer("200 OK", "text/html; charset=utf-8", page.encode(), more=(policy,)).packed_if_large()


_SCRIPT = "/static/bundle.js"


def _version() -> str:
    return f"v={optuna_dashboard.__version__}"


@cache
def _files() -> Mapping[str, Path]:
    """Files by their path; what is asked for is one of these, or not there."""
    public = {f"/static/{path.name}": path for path in (_HERE / "public").iterdir() if path.suffix != ".gz"}
    return {**public, "/favicon.ico": _HERE / "img" / "favicon.ico"}


def file(path: str, query: str) -> Answer:
    """A file that comes with it, compressed if it comes so; for good where the address has its version."""
    if path not in _files():
        return Answer("404 Not Found", "text/plain", b"there is no such file\n")
    return _read(path, _KEPT if query == _version() else "no-cache")


@cache
def _read(path: str, cache_control: str) -> Answer:
    found = _files()[path]
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    beside = found.with_name(f"{found.name}.gz")
    packed = beside.is_file()
    body = (beside if packed else found).read_bytes()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Answer("200 OK", media_type, body, packed, tag, cache_control)
