"""Which tables a definition may name here: what was handed in, scikit-learn's own, and what an allow-list says.

A path of the server is never read, and nothing is fetched for a stranger: a definition comes from whoever may write to
the service, and is read where the database's password and the cloud's own addresses are near.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence

from sweep.service.options import ServeOptions
from sweep.service.problems import Said
from sweep.spec.model import SweepSpec
from sweep.spec.source import kind_of, name_in, shown_source
from sweep.store.service_rows import UploadRecord

PLACE = "data.source"


def check_source(spec: SweepSpec, upload: UploadRecord | None, options: ServeOptions) -> Said | None:
    """What is wrong with the source of a definition; ``None`` if it may be read.

    Args:
        spec: The definition.
        upload: The table that was handed in with it.
        options: Whose ``sources`` are the allow-list.
    """
    source = spec.data.source
    if upload is not None:
        if source == upload.name:
            return None
        return _wrong(f"must be {upload.name!r}, the table that was handed in", source)
    return source_problem(source, options.sources)


def source_problem(source: str, allowed: Sequence[str]) -> Said | None:
    """The same for a source alone, without a table that was handed in."""
    match kind_of(source):
        case "sklearn":
            return None
        case "openml" | "url":
            if any(_begins(source, start) for start in allowed):
                return None
            return _wrong(f"must be {_offer(allowed)} (whoever runs the service allows others)", source)
        case "memory":
            return _wrong("must be a table that others can read too: hand it in", source)
        case "file":
            return _wrong(f"must be {_offer(allowed)}: files of the server are not read; hand the table in", source)
        case None:
            return _wrong(f"must be {_offer(allowed)}", source)


def is_allowed_url(url: str, allowed: Sequence[str]) -> bool:
    """Whether an address, or one that it leads on to, is on the allow-list."""
    return kind_of(url) == "url" and any(_begins(url, start) for start in allowed)


def _wrong(rule: str, source: str) -> Said:
    shown = shown_source(source)
    return Said(place=PLACE, said=f"{rule}, however: {shown if len(shown) <= 200 else shown[:200] + '…'}")


def _offer(allowed: Sequence[str]) -> str:
    starts = [f"something that begins with {shown_source(start)}" for start in allowed]
    return " or ".join(['"sklearn:<name>"', *starts, "a table that is handed in"])


def _begins(source: str, start: str) -> bool:
    """Whether a source lies below a start of the allow-list.

    Of an address scheme, host and port are compared as a whole: ``https://data.example.org`` is no start of
    ``https://data.example.org.evil.example``. Its path ends where the start's does, or goes on at a ``/``.
    """
    if kind_of(source) != kind_of(start):
        return False
    if kind_of(source) == "openml":
        return name_in(start) in ("", name_in(source))
    found, wanted = _parts(source), _parts(start)
    if found is None or wanted is None or found[0] != wanted[0]:
        return False
    path, below = found[1], wanted[1]
    if not path.startswith(below):
        return False
    return below.endswith("/") or path == below or path[len(below)] in "/?"


def _parts(address: str) -> tuple[tuple[str, str, int], str] | None:
    """((scheme, host, port), path and query) of an address; ``None`` of one that programs may read in several ways."""
    if re.search(r"[\s\\\x00-\x1f\x7f-\U0010ffff]", address):
        return None
    try:
        parts = urllib.parse.urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower().rstrip(".")
    decoded = urllib.parse.unquote(urllib.parse.unquote(parts.path))
    if not host or "@" in parts.netloc or "\\" in decoded or {".", ".."} & set(decoded.split("/")):
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (scheme, host, port or (443 if scheme == "https" else 80)), path
