"""The process that reads one table of a stranger, and ends. :mod:`sweep.service.reader` starts it.

It limits itself before it imports anything that reads tables, and before it looks at the file: memory, time, what it
may write. What it is asked stands in ``ask.json`` of its folder, what it says goes to ``answer.json`` there, and a
packed table to ``table.parquet``; it is at work in a folder below, where the file lies. All is JSON and Parquet:
nothing executable is read back.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep import garbage

if TYPE_CHECKING:
    from sweep.tables.describe import ColumnSummary
    from sweep.tables.types import Table

GIVEN = "given"
"""The folder inside that of a reader where it is at work: there lies a file that was handed in, under its own name."""

ASK, ANSWER, PACKED = "ask.json", "answer.json", "table.parquet"
"""Names of files in the folder of a reader."""

CLIP = 200
"""Characters of a cell that is shown as an example."""

_EXAMPLES = 5
_FRAMES = 8  # the innermost ones
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES = 1, 38  # prctl(2)
_KINDS = {"numeric": "number", "categorical": "category", "datetime": "date", "identifier": "text"}


def main(parent: int) -> None:
    """Does what ``ask.json`` says, in the folder above the current one.

    Args:
        parent: Id of the process that asks: without it there is nobody to answer.
    """
    ask = json.loads(_beside(ASK).read_text(encoding="utf-8"))
    confine(parent, ask["limits"])
    garbage.look_seldom()
    _beside(ANSWER).write_text(json.dumps(_text(_answer(ask))), encoding="utf-8")


def _beside(name: str) -> Path:
    return Path("..", name)


def _text(value: Any) -> Any:
    """Plain values whose texts every database and every browser takes."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: _text(inner) for key, inner in value.items()}
    return [_text(inner) for inner in value] if isinstance(value, list) else value


def confine(parent: int, limits: Mapping[str, int]) -> None:
    """Limits this process for the rest of its life.

    Args:
        parent: It ends with this one.
        limits: As :class:`sweep.service.reader.Limits` has them.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before this process asked to die with it
        sys.exit(1)
    os.nice(5)
    for what, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["seconds"]),
        (resource.RLIMIT_FSIZE, limits["written"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Of time the harder limit comes later: the softer one ends a process by a signal that says why.
        later = 2 if what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(what, (most, most + later))


def _answer(ask: Mapping[str, Any]) -> dict[str, Any]:
    from sweep.errors import DefinitionError, UserError

    work: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
        "detect": _detect,
        "suggest": _suggest,
        "check": _check,
    }
    try:
        return {"done": work[ask["work"]](ask)}
    except DefinitionError as error:
        return {"refused": str(error), "problems": list(error.problems)}
    except UserError as error:
        return {"refused": str(error), "problems": []}
    except MemoryError:
        return {"over": "memory"}
    except Exception as error:  # a table that nobody thought of is no reason for the service to fail
        return {"bug": _where(error)}


def _where(error: BaseException) -> list[str]:
    """How an error is called and where it was raised: its message may quote cells, which no log is to hold."""
    import traceback

    called = f"{type(error).__module__}.{type(error).__name__}"
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [
        *(f'File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in frames),
        called if called.endswith(("Error", "Exception")) else f"{called}.Exception",
    ]


# --- what is asked ----------------------------------------------------------------------------------------------------


def _detect(ask: Mapping[str, Any]) -> dict[str, Any]:
    """A file that was handed in, in this folder: what it holds, packed, with a definition."""
    from sweep.suggest.definition import data_of
    from sweep.tables.load import read_table
    from sweep.tables.packed import pack_whole

    table = read_table(data_of(ask["name"], header=ask["header"]), None)
    _beside(PACKED).write_bytes(pack_whole(table))
    return _about(table, ask) | {"header": _has_header(table, ask["header"])}


def _suggest(ask: Mapping[str, Any]) -> dict[str, Any]:
    """A definition for a table that is packed already, or for one that a definition may name."""
    from sweep.errors import DataError
    from sweep.suggest.definition import data_of
    from sweep.tables.load import read_table, unpack

    packed = _beside(PACKED)
    if packed.exists():
        table = unpack(packed.read_bytes(), ask["name"])
    else:
        _fetch_only(ask["name"], ask["sources"])
        table = read_table(data_of(ask["name"]), None)
    about = _about(table, ask)
    if about["definition"] is None:
        raise DataError(about["notes"][0])
    return about | {"header": True}


def _check(ask: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with its table, which is packed already or is now."""
    from sweep.errors import DefinitionError
    from sweep.spec.checks import task_rules
    from sweep.spec.definition import parse
    from sweep.tables.encode import encode
    from sweep.tables.load import packed_table
    from sweep.tables.packed import pack

    spec, stored = parse(ask["definition"]), _beside(PACKED)
    if not stored.exists():
        _fetch_only(spec.data.source, ask["sources"])
        packed = pack(spec.data, None)
        if packed.content is None:
            raise DefinitionError([f"data.source cannot be stored for runners: {packed.why}"])
        stored.write_bytes(packed.content)
    info = encode(packed_table(stored.read_bytes(), spec.data), spec.data).info
    unfit = list(task_rules(spec, info.task, f", the task of target {info.target!r}"))
    if unfit:
        raise DefinitionError([problem.said("the definition") for problem in unfit])
    return {"data_hash": info.content_hash, "task": info.task}


# --- what is said of a table ------------------------------------------------------------------------------------------


def _about(table: Table, ask: Mapping[str, Any]) -> dict[str, Any]:
    """The table as a document, and a definition for it; where the target cannot be told, why not."""
    import tomllib
    from dataclasses import replace

    from sweep.errors import DataError
    from sweep.suggest.definition import suggest_for, table_name
    from sweep.suggest.target import UnknownTargetError
    from sweep.tables.describe import describe_each

    name, target = ask["name"], ask["target"]
    for position, column in enumerate(table.columns, start=1):
        if _text(column) != column:
            raise DataError(f"{name}: the name of column {position} must be text, however: {_text(column)!r}")
    described = describe_each(table)
    columns = [_column(column, found) for column, found in described.items()]
    seen: dict[str, Any] = {"rows": len(table.frame), "columns": columns, "task": None, "target": None}
    about: dict[str, Any] = {
        "name": table_name(name),
        "definition": None,
        "target": None,
        "others": [],
        "table": seen,
    }
    try:
        made = suggest_for(table, name, target, header=ask["header"], columns=described)
    except DataError as error:
        if target is not None:
            raise
        reason = error.reason if isinstance(error, UnknownTargetError) else str(error)
        return about | {"notes": [reason]}
    if gaps := tomllib.loads(made.text)["data"].get("missing"):  # which make numbers of what was text
        columns = [_column(*one) for one in describe_each(replace(table, missing=table.missing | set(gaps))).items()]
        seen["columns"] = columns
    return about | {
        "definition": made.text,
        "target": made.target,
        "others": list(made.others),
        "notes": list(made.notes),
        "table": seen | {"task": made.task, "target": made.target},
    }


def _column(name: str, found: ColumnSummary | Exception) -> dict[str, Any]:
    if isinstance(found, Exception):
        return {"name": name, "kind": "unusable", "missing": 0, "distinct": 0, "examples": [], "task": None}
    return {
        "name": name,
        "kind": _KINDS.get(found.kind, found.kind),
        "missing": found.missing,
        "distinct": found.distinct,
        "examples": [_example(text, found.kind) for text, _ in found.common[:_EXAMPLES]],
        "task": found.task,
    }


def _example(text: str, kind: str) -> str:
    """A value as people read it: a date is stored as its days since 1970."""
    if kind != "datetime":
        return text[:CLIP]
    from datetime import UTC, datetime, timedelta

    try:
        seen = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=float(text))
    except (ValueError, OverflowError):  # beyond the years 1 to 9999
        return text[:CLIP]
    return f"{seen:%Y-%m-%d}" if seen.hour == seen.minute == 0 else f"{seen:%Y-%m-%d %H:%M}"


def _has_header(table: Table, given: bool | None) -> bool:
    """Whether the first row names the columns, as a definition would have to say it."""
    if given is not None:
        return given
    return not any(note.startswith("first row taken for data") for note in table.notes)


def _fetch_only(source: str, allowed: list[str]) -> None:
    """Nothing that an address leads on to is fetched, unless the allow-list has that too."""
    from sweep.spec.source import kind_of

    if kind_of(source) not in ("url", "openml"):
        return
    import urllib.request

    from sweep.errors import DataError
    from sweep.service.sources import is_allowed_url

    class Allowed(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not is_allowed_url(newurl, allowed) and not _is_openml(req.full_url):
                raise DataError("data.source leads on to an address that is not allowed here")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    urllib.request.install_opener(urllib.request.build_opener(Allowed))


def _is_openml(address: str) -> bool:
    """Whether scikit-learn fetches it of its own accord: openml.org sends it on to where its files are kept."""
    import urllib.parse

    host = urllib.parse.urlsplit(address).hostname or ""
    return host == "openml.org" or host.endswith(".openml.org")
