"""Optuna's dashboard on a database, as a WSGI application that is quick where there are thousands of trials.

Everything on its pages is the dashboard's own. What is done here is that it need not say the same thing twice:

- Its script, 6 MB, is named by its version, so that a browser asks for it once and keeps it compiled.
- What it says of a study is kept, compressed, until the study changes. Whether it has is asked of the database with a
  few small queries, at most once a second for each study, and anew after every write that passes through here.
- Of a study that has changed only the trials that are new or had not ended are asked for; the others are put before
  them as they were.

The dashboard remembers trials for ten seconds by itself, and Optuna's storage for good those that have ended, by their
id. So each state of a study has a dashboard of its own, and each study a storage of its own, which is forgotten where
the database has given its id to another study.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import mimetypes
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.util import setup_testing_defaults

import optuna_dashboard
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from optuna_dashboard import _importance

from sweep.run.study import KEY_ATTRIBUTE, cached, translated
from sweep.store.store import Store

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application."""

HOLD_SECONDS = 1.0
"""For so long at most something may be shown that was changed elsewhere."""

STUDIES = 8
"""Of so many studies answers are kept; of 5,000 trials they take some 60 MB, most of it Optuna's own records."""

ANSWERS = 16
"""Of one study."""

LEVEL, LEAST_PACKED = 6, 1024
"""Of gzip; bytes from which on something is compressed."""

POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""The ``Content-Security-Policy`` that its pages work under: Plotly's WebGL figures make functions from text, and its
components write styles into the page."""

_HERE = Path(optuna_dashboard.__file__).parent
_KEPT = "private, max-age=31536000, immutable"
_ENDED = ("Complete", "Pruned", "Fail")


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


@dataclass(frozen=True, slots=True)
class Stand:
    """How a study stands in the database; another one whenever anything is different that its pages show.

    Attributes:
        name: Of the study.
        user_attrs: Of the study, and ...
        system_attrs: ... the notes and figures.
        mark: Of its trials: see :meth:`~sweep.store.studies.Studies.study_mark`.
        open_trials: Those that have not ended, whole.
    """

    name: str
    user_attrs: Mapping[str, Any]
    system_attrs: Mapping[str, Any]
    mark: tuple[tuple[Any, ...], ...]
    open_trials: tuple[Any, ...]

    def follows(self, earlier: Stand) -> bool:
        """Whether it can be the same study a while later, and not another one that was given its id."""
        mine, theirs = ((one.name, one.user_attrs.get(KEY_ATTRIBUTE), _first(one.mark)) for one in (self, earlier))
        return mine == theirs and _trials(self.mark) >= _trials(earlier.mark)


def _trials(mark: tuple[tuple[Any, ...], ...]) -> int:
    return sum(row[1] for row in mark)


def _first(mark: tuple[tuple[Any, ...], ...]) -> Any:
    """Id of the first trial."""
    return min((row[2] for row in mark), default=None)


class DashboardApp:
    """The dashboard of one database. Safe to be called by several threads.

    Args:
        store: The database.
        tables: Optuna's side of it, which stays open for as long as this is used.
    """

    def __init__(self, store: Store, tables: RDBStorage) -> None:
        self._store, self._tables = store, tables
        self._studies: OrderedDict[int, _Study] = OrderedDict()  # the last one asked for is last
        self._lock = threading.Lock()
        self._writes = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answers a request.

        Raises:
            StorageError: The database cannot be used.
        """
        path = environ["PATH_INFO"].rstrip("/")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._write(environ, start_response)
        if path.startswith("/static/") or path == "/favicon.ico":
            answer = _file(path, environ.get("QUERY_STRING", ""))
        elif path == "/dashboard" or path.startswith("/dashboard/"):
            answer = _page(_shown(path))
        elif (study := _study_of(path)) is not None:
            answer = self._of_study(study, path, environ.get("QUERY_STRING", ""))
        else:
            answer = self._passed_on(path, environ.get("QUERY_STRING", "")).packed_if_large()
        return answer.send(environ, start_response)

    def _write(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._check()
        try:
            return list(new_dashboard(cached(self._tables))(environ, start_response))
        finally:
            with self._lock:
                self._writes += 1  # whatever is held was before it

    def _of_study(self, study_id: int, path: str, query: str) -> Answer:
        with self._lock:
            study = self._studies.setdefault(study_id, _Study(self._store, self._tables, study_id))
            self._studies.move_to_end(study_id)
            while len(self._studies) > STUDIES:
                self._studies.popitem(last=False)
            writes = self._writes
        with translated(self._store):
            found = study.answer(path, query, writes)
        if found is None:  # there is no such study; the dashboard says so
            with self._lock:
                self._studies.pop(study_id, None)
            return self._passed_on(path, query)
        return found

    def _passed_on(self, path: str, query: str) -> Answer:
        self._check()
        answer = called(new_dashboard(cached(self._tables)), path, query)
        if answer.status.startswith("500"):
            self._check()
        return answer

    def _check(self) -> None:
        """That the database answers: the dashboard itself would write a traceback, and call it an internal error."""
        self._store.has_table("studies")


class _Study:
    """What is kept of one study."""

    def __init__(self, store: Store, tables: RDBStorage, study_id: int) -> None:
        self._store, self._tables, self._id = store, tables, study_id
        self._lock = threading.Lock()
        self._stand: Stand | None = None
        self._looked = float("-inf")  # when, by the monotonic clock
        self._writes = -1  # that had passed through by then
        self._forget()

    def _forget(self) -> None:
        """All of it, Optuna's trials too."""
        self._storage = cached(self._tables)
        self._ended: list[str] = []  # the first trials, up to one that has not ended, as JSON
        self._change()

    def _change(self) -> None:
        """What was said of another stand."""
        self._dashboard = new_dashboard(self._storage)
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._after: list[str] = []  # the trials after those that had ended, as JSON
        self._rest: str | None = None  # what else the page of a study is told, as the inside of a JSON object

    def answer(self, path: str, query: str, writes: int) -> Answer | None:
        """To a question about this study; ``None`` if there is no such study."""
        key = f"{path}?{query}"
        with self._lock:  # one of those who ask at once does the work
            if writes != self._writes or monotonic() - self._looked > HOLD_SECONDS:
                if not self._look():
                    return None
                self._writes, self._looked = writes, monotonic()
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
            answer = self._detail(query) if path == f"/api/studies/{self._id}" else None
            answer = (answer or called(self._dashboard, path, query)).packed_if_large()
            if answer.status.startswith("200"):
                self._answers[key] = answer
                while len(self._answers) > ANSWERS:
                    self._answers.popitem(last=False)
            else:
                self._store.has_table("studies")  # says so if that is why
            return answer

    def _look(self) -> bool:
        """Forgets what holds no longer; whether there is such a study."""
        try:
            stand = self._found()
        except KeyError:
            return False
        if self._stand is None or not stand.follows(self._stand):
            forget_importances()
            self._forget()
        elif stand != self._stand:
            if stand.system_attrs != self._stand.system_attrs:  # which hold the notes on trials, too
                self._ended = []
            self._change()
        self._stand = stand
        return True

    def _found(self) -> Stand:
        tables, mark = self._tables, self._store.study_mark(self._id)
        states = (TrialState.RUNNING, TrialState.WAITING)
        is_open = any(row[0] in (state.name for state in states) for row in mark)
        trials = tables.get_all_trials(self._id, deepcopy=False, states=states) if is_open else []
        return Stand(
            tables.get_study_name_from_id(self._id),
            tables.get_study_user_attrs(self._id),
            tables.get_study_system_attrs(self._id),
            mark,
            tuple(trials),
        )

    def _detail(self, query: str) -> Answer | None:
        """Trials from a number on, and what else there is to know of the study; ``None`` if that is no number."""
        asked = parse_qs(query)
        after = asked.get("after", ["0"])[-1]
        if not after.isdecimal() or asked.keys() - {"after"}:
            return None
        if self._rest is None:
            known = len(self._ended)
            answer = called(self._dashboard, f"/api/studies/{self._id}", f"after={known}")
            if not answer.status.startswith("200"):
                return None
            told = json.loads(answer.body)
            trials = told.pop("trials")
            ended = next((place for place, one in enumerate(trials) if one["state"] not in _ENDED), len(trials))
            written = [_json(one) for one in trials]
            self._ended += written[:ended]
            self._after = written[ended:]
            self._rest = _json(told)[1:-1]
        first, known = int(after), len(self._ended)
        trials = ",".join([*self._ended[first:], *self._after[max(0, first - known) :]])
        body = f'{{"trials":[{trials}],{self._rest}}}'
        return Answer("200 OK", "application/json", body.encode())


def new_dashboard(storage: BaseStorage) -> Application:
    """Optuna's own, which remembers nothing yet."""
    made: Application = optuna_dashboard.wsgi(storage)
    return made


def forget_importances() -> None:
    """Has the dashboard work them out anew: it keeps them by the id of the study and its number of trials alone."""
    _importance.param_importance_cache.clear()


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
    kept = ("content-disposition", "location")
    return Answer(status, media_type, content, more=tuple(one for one in headers if one[0].lower() in kept))


def loopback_only(application: Application) -> Application:
    """The same application for requests that name loopback as their host."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if _names_loopback(str(environ.get("HTTP_HOST", ""))):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"this dashboard answers on loopback only\n"]

    return answer


def _names_loopback(header: str) -> bool:
    """Whether a request's ``Host`` is ``localhost`` or an address of loopback, whatever the port."""
    try:
        host = urlsplit(f"//{header}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another name, or none at all
        return False


# --- what comes with the dashboard ------------------------------------------------------------------------------------


@lru_cache(STUDIES)
def _page(study: int | None) -> Answer:
    """The one page, which shows by its address what is asked for.

    Args:
        study: That it is about, if it is about one: what it will ask of it is fetched while its script is made ready.
    """
    page = (_HERE / "index.html").read_text().replace(_SCRIPT, f"{_SCRIPT}?{_version()}")
    asked = ["/api/meta"] if study is None else ["/api/meta", f"/api/studies/{study}?after=0"]
    links = "".join(f'<link rel="preload" as="fetch" crossorigin="anonymous" href="{path}">' for path in asked)
    page = page.replace("</head>", f"{links}</head>", 1)
    policy = ("Content-Security-Policy", POLICY)
    return Answer("200 OK", "text/html; charset=utf-8", page.encode(), more=(policy,)).packed_if_large()


_SCRIPT = "/static/bundle.js"


def _version() -> str:
    return f"v={optuna_dashboard.__version__}"


@cache
def _files() -> Mapping[str, Path]:
    """Files by their path; what is asked for is one of these, or not there."""
    public = {f"/static/{path.name}": path for path in (_HERE / "public").iterdir() if path.suffix != ".gz"}
    return {**public, "/favicon.ico": _HERE / "img" / "favicon.ico"}


def _file(path: str, query: str) -> Answer:
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


def _study_of(path: str) -> int | None:
    """The study that an address is about; ``None`` if it is about none, or all."""
    found = re.fullmatch(r"/api/studies/(\d{1,18})(/.*)?|/csv/(\d{1,18})", path)
    return None if found is None else int(found[1] or found[3])


def _shown(path: str) -> int | None:
    """The study that a page shows."""
    found = re.match(r"/dashboard/studies/(\d{1,18})(/|$)", path)
    return None if found is None else int(found[1])


def _json(told: Any) -> str:
    return json.dumps(told, separators=(",", ":"))
