"""The process that makes what takes seconds: summaries, reports, figures. Without PyTorch.

``python -m sweep.service.rendering`` reads requests from its standard input, a line of JSON each, the first of which
names the database; and writes for each a line of JSON, ``{"bytes": n}`` with so many bytes behind it, compressed with
gzip, or ``{"status", "detail", "code"}`` of a problem. It ends when its input does.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import psutil

from sweep.analysis.results import SweepSummary
from sweep.analysis.summary import so_far, summarise
from sweep.answer.nested_stored import known_nested
from sweep.answer.stored import known_answer
from sweep.errors import NotFoundError, SweepError
from sweep.service.problems import problem_of
from sweep.spec.source import source_name
from sweep.store.store import Store

MOST_MEMORY = 1 << 30
"""Bytes of this process: having needed more it ends, and another one begins with the next request."""

LEVEL = 6
"""Of gzip."""

_NICE = 10  # whoever trains on this machine comes first


class Rendering:
    """What can be made of the sweeps of a database."""

    def __init__(self, storage: str) -> None:
        self._storage = storage
        self._store: Store | None = None
        self._latest: tuple[str, SweepSummary] | None = None

    def made(self, what: str, name: str, version: str, request: Mapping[str, Any]) -> bytes:
        """Makes one thing.

        Args:
            what: One of :data:`MAKERS`.
            name: Of the sweep.
            version: The same as long as the sweep and its answer are.
            request: What else was asked.

        Raises:
            SweepError: It cannot be made.
        """
        self._store = self._store or Store.open(self._storage)
        if what == "figures":
            return _figures(self._store, name, version)
        if self._latest is None or self._latest[0] != version:
            found = summarise(self._store, name)
            # Folders of this machine are nobody's business.
            info = replace(found.info, source=source_name(found.info.source))
            self._latest = version, replace(found, info=info)
        return MAKERS[what](self._store, self._latest[1], request)


def _best(_store: Store, summary: SweepSummary, _: Mapping[str, Any]) -> bytes:
    return _json(summary.best_to_dict())


def _best_text(_store: Store, summary: SweepSummary, _: Mapping[str, Any]) -> bytes:
    from sweep.texts.best import best_text

    return best_text(summary).encode()


def _answered(store: Store, summary: SweepSummary, request: Mapping[str, Any]) -> Any:
    from sweep.texts.answered import Answered

    answer = known_answer(store, summary)
    if answer is None:
        raise NotFoundError(f"the sweep {summary.name} has no answer yet")
    nested = known_nested(store, summary)
    rules, in_full = bool(request.get("rules")), bool(request.get("nested"))
    return Answered(summary, answer, nested, with_rules=rules and answer.rules is not None, with_nested=in_full)


def _answer(store: Store, summary: SweepSummary, request: Mapping[str, Any]) -> bytes:
    return _json(_answered(store, summary, request).to_dict())


def _answer_text(store: Store, summary: SweepSummary, request: Mapping[str, Any]) -> bytes:
    return str(_answered(store, summary, request)).encode()


def _toml(_store: Store, summary: SweepSummary, _: Mapping[str, Any]) -> bytes:
    from sweep.export.definition import to_toml

    return to_toml(summary, shared=True).encode()


def _export_json(_store: Store, summary: SweepSummary, _: Mapping[str, Any]) -> bytes:
    from sweep.export.definition import to_json

    return to_json(summary, shared=True).encode()


def _report(store: Store, summary: SweepSummary, _: Mapping[str, Any]) -> bytes:
    from sweep.report.html import render

    return render(summary, known_answer(store, summary), known_nested(store, summary)).encode()


def _figures(store: Store, name: str, version: str) -> bytes:
    """With names of CSS variables in place of colours, as in the report."""
    from sweep.figures import draw_progress  # noqa: F401 - brings its figure
    from sweep.figures.draw import draw, to_json
    from sweep.figures.info import describe
    from sweep.figures.progress_info import live_figures

    try:
        shown = live_figures(so_far(store, name))
    except NotFoundError:  # it waits in the queue: whoever asks has seen that it is there
        shown = ()
    figures = []
    for one in shown:
        drawn = json.loads(to_json(draw(one.info)))
        figures.append(
            {
                "key": one.key,
                "title": one.title,
                "caption": one.caption,
                "alt": describe(one.info),
                "figure": {"data": drawn["data"], "layout": drawn["layout"]},
            }
        )
    return _json({"version": version, "figures": figures})


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


MAKERS: dict[str, Callable[[Store, SweepSummary, Mapping[str, Any]], bytes]] = {
    "best": _best,
    "best_text": _best_text,
    "answer": _answer,
    "answer_text": _answer_text,
    "toml": _toml,
    "json": _export_json,
    "report": _report,
}
"""What is made of a summary; ``"figures"`` are made without its honest score."""


def main() -> None:
    """The process."""
    # Ctrl-C reaches all processes of a terminal; the service ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    own = psutil.Process()  # its memory now: the highest of `getrusage` begins with that of who started this one
    # What a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    rendering = Rendering(json.loads(sys.stdin.buffer.readline())["storage"])
    for line in sys.stdin.buffer:
        head, content = _done(rendering, json.loads(line))
        answers.write(json.dumps(head).encode() + b"\n" + content)
        answers.flush()
        if own.memory_info().rss > MOST_MEMORY:
            return


def _done(rendering: Rendering, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        content = rendering.made(request["what"], request["name"], request["version"], request["request"])
    except SweepError as error:
        problem = problem_of(error)
        return {"status": problem.status, "detail": problem.detail, "code": problem.code}, b""
    except Exception as error:  # a bug must not end the process: others wait
        import traceback

        traceback.print_exc()
        detail = f"{type(error).__name__}: a bug in sweep; the log of the service has more"
        return {"status": 500, "detail": detail, "code": "bug"}, b""
    packed = gzip.compress(content, LEVEL, mtime=0)
    return {"bytes": len(packed)}, packed


if __name__ == "__main__":
    main()
