"""Optuna's dashboard on a database, as a WSGI application that is quick where there are thousands of trials.

Everything on its pages is the dashboard's own. What is done here is that it need not say the same thing twice:

- What it says of a study is kept, compressed, until the study changes. Whether it has is asked of the database with a
  few small queries, at most once a second for each study, and anew after every write that passes through here.
- Of a study that has changed only the trials that are new or had not ended are asked for; the others are put before
  them as they were.

The dashboard remembers trials for ten seconds by itself, and Optuna's storage for good those that have ended, by their
id. So each state of a study has a dashboard of its own, and each study a storage of its own, which is forgotten where
the database has given its id to another study.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlencode

import optuna_dashboard
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from optuna_dashboard import _importance

from sweep.run.study import KEY_ATTRIBUTE, cached, translated
from sweep.service.dashboard_answers import Answer, Application, called, file, page
from sweep.service.headers import VIEWER
from sweep.store.store import Store

HOLD_SECONDS = 1.0
"""For so long at most something may be shown that was changed elsewhere."""

STUDIES = 8
"""Of so many studies answers are kept; of 5,000 trials they take some 60 MB, most of it Optuna's own records."""

ANSWERS = 16
"""Of one study that say what follows a trial, or of some trials alone; of the others there is one for each address."""

_ELSEWHERE = ("", "/incompatible-rdb-schema")  # older tables are never opened, so there is nothing to migrate
_ENDED = ("Complete", "Pruned", "Fail")
_VIEWER = "HTTP_" + VIEWER.upper().replace("-", "_")


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


def _first(mark: tuple[tuple[Any, ...], ...]) -> tuple[Any, Any]:
    """Id of the first trial, and when the first one began."""
    begun = (row[4] for row in mark if row[4] is not None)
    return min((row[2] for row in mark), default=None), min(begun, default=None)


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
            answer = file(path, environ.get("QUERY_STRING", ""))
        elif path in _ELSEWHERE:
            answer = Answer("302 Found", "text/plain", b"", more=(("Location", "/dashboard"),))
        elif path == "/dashboard" or path.startswith("/dashboard/"):
            answer = page(_shown(path), viewer=_VIEWER in environ)
        elif (asked := _study_of(path, environ.get("QUERY_STRING", ""))) is not None:
            answer = self._of_study(*asked)
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
            if study_id not in self._studies:
                self._studies[study_id] = _Study(self._store, self._tables, study_id)
            study = self._studies[study_id]
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
        self._answers: dict[str, Answer] = {}  # by their path: ten of them have an answer
        self._parts: OrderedDict[str, Answer] = OrderedDict()  # by path and query, the one asked for last at the end
        self._after: list[str] = []  # the trials after those that had ended, as JSON
        self._rest: str | None = None  # what else the page of a study is told, as the inside of a JSON object

    def answer(self, path: str, query: str, writes: int) -> Answer | None:
        """To a question about this study; ``None`` if there is no such study."""
        with self._lock:  # one of those who ask at once does the work
            if writes != self._writes or monotonic() - self._looked > HOLD_SECONDS:
                if not self._look():
                    return None
                self._writes, self._looked = writes, monotonic()
            key, kept = (f"{path}?{query}", self._parts) if query else (path, self._answers)
            if (found := kept.pop(key, None)) is not None:
                kept[key] = found
                return found
            answer = self._detail(query) if path == f"/api/studies/{self._id}" else None
            answer = (answer or called(self._dashboard, path, query)).packed_if_large()
            if answer.status.startswith("200"):
                kept[key] = answer
                while len(self._parts) > ANSWERS:
                    self._parts.popitem(last=False)
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
        after = parse_qs(query).get("after", ["0"])[-1]
        if not after.isdecimal():
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
        first, known = int(after[:15]), len(self._ended)  # of more digits: beyond all trials, too
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


def _study_of(path: str, query: str) -> tuple[int, str, str] | None:
    """The study that an address is about, and the one way to write the address; ``None`` if it is about none, or all.

    Else the same would be worked out again for each way to write it.
    """
    found = re.fullmatch(r"/(api/studies|csv)/([0-9]{1,18})(/.*)?", path)
    if found is None or (found[1] == "csv" and found[3]):
        return None
    study, rest = int(found[2]), found[3] or ""
    looked_at = "trial_ids" if found[1] == "csv" else "after" if not rest else ""
    given = parse_qs(query).get(looked_at) if looked_at else None
    query = urlencode([(looked_at, _plain(given[-1]))]) if given else ""  # the dashboard takes the last one, too
    return study, f"/{found[1]}/{study}{rest}", query


def _plain(value: str) -> str:
    """Numbers as they are written, each once and in order; anything else as it is."""
    try:
        return ",".join(map(str, sorted({int(one) for one in value.split(",")})))
    except ValueError:
        return value


def _shown(path: str) -> int | None:
    """The study that a page shows."""
    found = re.match(r"/dashboard/studies/(\d{1,18})(/|$)", path)
    return None if found is None else int(found[1])


def _json(told: Any) -> str:
    return json.dumps(told, separators=(",", ":"))
