"""What a ``data.source`` is: which kind, from where a local file is relative, and how it is shown.

==============  ====================================================================================================
``"url"``       ``http://…``, ``https://…``
``"sklearn"``   ``sklearn:<name>``
``"openml"``    ``openml:<id>``
``"memory"``    ``memory:<name>``: given from Python; a definition in a file cannot name it
``None``        any other ``scheme:/…``, which is refused: ``s3://bucket/t.csv``, and ``https:/h/t.csv``
``"file"``      everything else, also names with a colon: ``exp:1.csv``
==============  ====================================================================================================

Case does not matter in what stands before the colon.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path, PurePath
from typing import Literal

Kind = Literal["file", "url", "sklearn", "openml", "memory"]

ALLOWED = 'a path, a URL (http, https), "sklearn:<name>" or "openml:<id>"'
MASK = "***"

TABLE_ENDINGS = re.compile(r"(\.(csv|tsv|txt|data|dat|tab|parquet|pq|arrow|feather|ipc|gz))+$", re.IGNORECASE)
"""How names of files that hold tables end."""

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+:/+"  # one letter is a drive


def kind_of(source: str) -> Kind | None:
    """Which kind of ``data.source`` this is; ``None`` for a scheme that cannot be read."""
    start = source.lower()
    if start.startswith(("http://", "https://")):
        return "url"
    if start.startswith("sklearn:"):
        return "sklearn"
    if start.startswith("openml:"):
        return "openml"
    if start.startswith("memory:"):
        return "memory"
    return None if re.match(_SCHEME, source) else "file"


def is_local(source: str) -> bool:
    """Whether a ``data.source`` is a file on this machine."""
    return kind_of(source) == "file"


def is_nowhere(source: str, base_dir: Path | None) -> bool:
    """Whether a local file is named without its folder by a definition that has none: a table that was handed in.

    A file of that name in the current folder is another one. Definitions that come from files, and those that are
    given in a program, are stored with absolute paths.
    """
    return is_local(source) and base_dir is None and not Path(source).is_absolute()


def name_in(source: str) -> str:
    """What stands behind the colon of ``sklearn:<name>`` and ``openml:<id>``."""
    return source.partition(":")[2]


def local_file(source: str, base_dir: Path | None) -> Path:
    """The path a local ``data.source`` names, from ``base_dir`` (the current folder if ``None``)."""
    path = Path(source)
    with contextlib.suppress(RuntimeError):  # "~somebody" unknown here is a file name like any other
        path = path.expanduser()
    return (base_dir or Path()) / path


def absolute_source(source: str, base_dir: Path | None) -> str:
    """A local ``data.source`` made absolute from ``base_dir`` (the current folder if ``None``); others unchanged."""
    if not is_local(source):
        return source
    path = local_file(source, base_dir).absolute()
    with contextlib.suppress(RuntimeError, OSError):  # links in a circle: whoever opens it says so
        path = path.resolve()
    return str(path)


def shown_source(source: str) -> str:
    """A ``data.source`` as it may be shown and stored beside results: no user, password, token or signature of a URL.

    ``https://ann:pw@host/t.csv?token=x`` becomes ``https://***@host/t.csv?token=***``. What is no URL is unchanged, and
    so is what is masked already. The definition alone keeps the URL itself.
    """
    found = re.fullmatch(rf"({_SCHEME})([^?#]*)(?:\?([^#]*))?(?:#(.*))?", source, re.DOTALL)
    if found is None:
        return source
    scheme, place, query, fragment = found.groups()
    shown = scheme + _without_user(place)
    if query is not None:
        # Both "&" and ";" have been in use between parameters; one without a value may itself be the secret.
        shown += "?" + re.sub(r"[^&;]+", lambda part: _without_value(part[0]), query)
    return shown if fragment is None else f"{shown}#{MASK}"


def source_name(source: str) -> str:
    """A ``data.source`` as those may see it who do not sit at this machine: of a local file its name alone."""
    return PurePath(source).name if is_local(source) else shown_source(source)


def _without_user(place: str) -> str:
    """``host/path`` of ``user:password@host/path``, also where the password has an "@" or "/" that is not escaped."""
    # Look-alikes are refused as "@" is, so they are taken for one here.
    place = re.sub("[\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}]", "@", place)
    host, slash, path = place.partition("/")
    if "@" in host:
        return f"{MASK}@{host.rpartition('@')[2]}{slash}{path}"
    port = host.rpartition("]")[2].partition(":")[2]
    if "@" in path and port and not port.isdecimal():
        return f"{MASK}@{path.rpartition('@')[2]}"
    return place


def _without_value(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={MASK}" if equals else MASK
