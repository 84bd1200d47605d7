"""Optuna's dashboard in the service: what it says, that it says so at once, who may change what, and in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from optuna_dashboard import _importance
from sqlalchemy import make_url

from sweep.run.study import cached
from sweep.service import dashboard_app
from sweep.service.access import digest
from sweep.service.app import create_app
from sweep.service.dashboard_answers import called
from sweep.service.options import ServeOptions
from tests.contents import everything

RATE, PLACE = FloatDistribution(0.0, 1.0), CategoricalDistribution(("none", "all"))
CHROMIUM = shutil.which("chromium")


def client(app: FastAPI, token: str | None = None) -> TestClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return TestClient(app, "http://localhost", headers=headers)


@pytest.fixture
def storage_url(request: pytest.FixtureRequest) -> str:
    """URL of a database: SQLite where a test does not ask for both."""
    kind = getattr(request, "param", "sqlite")
    url: str = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def served(storage_url: str) -> Iterator[TestClient]:
    with client(create_app(ServeOptions(storage=storage_url))) as asking:
        yield asking


class Elsewhere:
    """A study that another program writes, with a storage of its own."""

    def __init__(self, url: str, name: str = "made", seed: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.storage = optuna.storages.RDBStorage(url)
        self.study = optuna.create_study(storage=self.storage, study_name=name, direction="maximize")
        self.id = self.study._study_id
        self.seed = seed

    def add(self, *states: TrialState) -> None:
        """Trials that have ended so, or are under way."""
        for state in states:
            number = len(self.study.get_trials(deepcopy=False))
            value = 0.1 * number + self.seed if state.is_finished() and state != TrialState.FAIL else None
            params = {"rate": number / 50, "place": "all" if number % 2 else "none"}
            self.study.add_trial(
                create_trial(
                    state=state,
                    value=value,
                    params=params,
                    distributions={"rate": RATE, "place": PLACE},
                    user_attrs={"n": number},
                )
            )

    def trial_id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.id, number)

    def close(self) -> None:
        self.storage.remove_session()
        self.storage.engine.dispose()

    def says(self, after: int = 0) -> Any:
        """What the dashboard itself says of the study, asked for the first time."""
        path = f"/api/studies/{self.id}"
        return as_told(json.loads(called(optuna_dashboard.wsgi(cached(self.storage)), path, f"after={after}").body))


def as_told(detail: Any) -> Any:
    """Lists that the dashboard makes of sets have no order."""
    for name in ("union_search_space", "intersection_search_space"):
        detail[name] = sorted(json.dumps(one, sort_keys=True) for one in detail[name])
    detail["plotly_graph_objects"].sort(key=lambda one: str(one["id"]))
    return detail


@pytest.fixture
def elsewhere(storage_url: str) -> Iterator[Elsewhere]:
    made = Elsewhere(storage_url)
    yield made
    made.close()


def shown(asking: TestClient, study: int, after: int = 0) -> Any:
    answer = asking.get(f"/api/studies/{study}?after={after}")
    assert answer.status_code == 200, answer.text
    return as_told(answer.json())


def soon(holds: Callable[[], bool]) -> None:
    """Within what may pass before a change elsewhere is seen; much longer on a machine that does not answer."""
    end = time.monotonic() + 30 * dashboard_app.HOLD_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------------ what it says


@pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)
def test_it_says_what_the_dashboard_says_whatever_happens(
    served: TestClient, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as one asked for the first time, after each change: put together from pieces, and never old."""
    monkeypatch.setattr(dashboard_app, "HOLD_SECONDS", 0.0)
    complete, running = TrialState.COMPLETE, TrialState.RUNNING
    storage, study = elsewhere.storage, elsewhere.study

    def end(number: int, state: TrialState, values: list[float] | None) -> None:
        storage.set_trial_state_values(elsewhere.trial_id(number), state, values)

    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: elsewhere.add(complete, complete, running, TrialState.WAITING, complete),
        lambda: storage.set_trial_intermediate_value(elsewhere.trial_id(2), 3, 0.25),
        lambda: storage.set_trial_intermediate_value(elsewhere.trial_id(2), 3, 0.5),  # in place of it
        lambda: storage.set_trial_user_attr(elsewhere.trial_id(2), "host", "here"),
        lambda: end(2, TrialState.PRUNED, [0.5]),
        lambda: elsewhere.add(TrialState.FAIL, complete, running),
        lambda: end(3, TrialState.RUNNING, None),
        lambda: end(3, complete, [0.9]),
        lambda: study.set_user_attr("metric", "accuracy"),
        lambda: optuna_dashboard.save_note(study, "# said"),
        lambda: storage.set_study_system_attr(elsewhere.id, f"dashboard:{elsewhere.trial_id(0)}:note_ver", 1),
        lambda: storage.set_study_system_attr(elsewhere.id, f"dashboard:{elsewhere.trial_id(0)}:note_str:0", "good"),
    ]
    for change in changes:
        change()
        for after in (0, 2, 4, 100):
            assert shown(served, elsewhere.id, after) == elsewhere.says(after)
    assert shown(served, elsewhere.id)["trials"][0]["note"] == {"version": 1, "body": "good"}


def test_a_change_elsewhere_is_seen_within_a_second(served: TestClient, elsewhere: Elsewhere) -> None:
    elsewhere.add(TrialState.COMPLETE)
    assert len(shown(served, elsewhere.id)["trials"]) == 1
    elsewhere.add(TrialState.COMPLETE)
    soon(lambda: len(shown(served, elsewhere.id)["trials"]) == 2)
    assert dashboard_app.HOLD_SECONDS <= 1


def test_a_change_that_passes_through_is_seen_at_once(
    served: TestClient, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_app, "HOLD_SECONDS", 3600.0)
    elsewhere.add(TrialState.COMPLETE, TrialState.RUNNING)
    assert shown(served, elsewhere.id)["note"]["body"] == ""
    assert served.put(f"/api/studies/{elsewhere.id}/note", json={"version": 1, "body": "mine"}).status_code == 204
    assert shown(served, elsewhere.id)["note"] == {"version": 1, "body": "mine"}
    told = {"state": "Complete", "values": [0.75]}
    assert served.post(f"/api/trials/{elsewhere.trial_id(1)}/tell", json=told).status_code == 204
    assert shown(served, elsewhere.id)["best_trials"][0]["values"] == [0.75]
    gone = served.request("DELETE", f"/api/studies/{elsewhere.id}", json={"remove_associated_artifacts": False})
    assert gone.status_code == 204
    assert served.get(f"/api/studies/{elsewhere.id}").status_code == 404
    assert served.get("/api/studies").json() == {"study_summaries": []}


def test_a_study_that_was_given_the_id_of_another_one(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite gives ids away again, of studies and of trials."""
    monkeypatch.setattr(dashboard_app, "HOLD_SECONDS", 0.0)
    states = [TrialState.COMPLETE] * 3
    first = Elsewhere(sqlite_url)
    first.add(*states)
    with client(create_app(ServeOptions(storage=sqlite_url))) as asking:
        before, shares = shown(asking, first.id), asking.get(f"/api/studies/{first.id}/param_importances").json()
        optuna.delete_study(study_name="made", storage=first.storage)
        second = Elsewhere(sqlite_url, seed=-7)
        second.add(*states)
        assert (second.id, second.trial_id(2)) == (first.id, first.trial_id(2))
        after = shown(asking, second.id)
        assert after == second.says()
        assert [one["values"] for one in after["trials"]] != [one["values"] for one in before["trials"]]
        assert shares != {"param_importances": [[]]}
        assert _importance.param_importance_cache == {}
    first.close()
    second.close()


def test_many_who_ask_at_once_are_told_the_same(served: TestClient, elsewhere: Elsewhere) -> None:
    elsewhere.add(*[TrialState.COMPLETE] * 30)
    begun = threading.Barrier(6)

    def ask(_: int) -> bytes:
        begun.wait(30)
        return served.get(f"/api/studies/{elsewhere.id}?after=0").content

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1


# ------------------------------------------------------------------------------------------------- how it is answered


def test_answers_are_compressed_and_not_sent_twice(served: TestClient, elsewhere: Elsewhere) -> None:
    elsewhere.add(*[TrialState.COMPLETE] * 10)
    path = f"/api/studies/{elsewhere.id}?after=0"
    packed, plain = served.get(path), served.get(path, headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    again = served.get(path, headers={"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    elsewhere.add(TrialState.COMPLETE)
    soon(lambda: served.get(path, headers={"If-None-Match": packed.headers["etag"]}).status_code == 200)
    csv = served.get(f"/csv/{elsewhere.id}")
    assert csv.headers["content-encoding"] == "gzip"
    assert (csv.headers["content-disposition"], len(csv.text.splitlines())) == ("attachment; filename=made.csv", 12)


def test_nothing_is_worked_out_anew_for_another_way_to_ask_for_it(
    served: TestClient, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures and importances take seconds of a study with thousands of trials."""
    elsewhere.add(*[TrialState.COMPLETE] * 4)
    monkeypatch.setattr(dashboard_app, "HOLD_SECONDS", 3600.0)
    monkeypatch.setattr(dashboard_app, "ANSWERS", 2)
    asked: list[tuple[str, str]] = []

    def counted(application: Any, path: str, query: str) -> Any:
        asked.append((path, query))
        return called(application, path, query)

    monkeypatch.setattr(dashboard_app, "called", counted)
    study = f"/api/studies/{elsewhere.id}"
    ways = {
        f"{study}/plot/contour": ("", "?a=1", "?a=2", "?after=1", "/", "/?b"),
        f"{study}/param_importances": ("", "?evaluator=x", "?&&"),
        f"/csv/{elsewhere.id}": ("", "?a=1", "?after=1"),
        f"/csv/{elsewhere.id}?trial_ids=1%2C2": ("", "&a=1", "&trial_ids=2,01,1"),
    }
    for path, more in ways.items():
        asked.clear()
        found = {served.get(path + rest).text for rest in more}
        assert len(found) == len(asked) == 1, (path, asked)
    # Nor for another way to write its number, nor after others have been asked for.
    asked.clear()
    for after in range(4):
        served.get(f"{study}?after={after}")
    for path in ways:
        if "?" not in path:
            served.get(path.replace(f"/{elsewhere.id}", f"/00{elsewhere.id}", 1))
    assert asked == [(study, "after=0")]


def test_its_script_is_kept_by_browsers_as_long_as_it_is_the_same(served: TestClient) -> None:
    page = served.get("/dashboard/studies/12/analytics").text
    script = page.partition('src="')[2].partition('"')[0]
    assert script == f"/static/bundle.js?v={optuna_dashboard.__version__}"
    assert 'href="/api/studies/12?after=0"' in page
    named = served.get(script)
    assert named.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert named.headers["content-encoding"] == "gzip"
    assert named.content == (Path(optuna_dashboard.__file__).parent / "public" / "bundle.js").read_bytes()
    assert served.get("/static/bundle.js").headers["cache-control"] == "no-cache"
    for path in ("../index.html", "%2e%2e/index.html", "nothing.js", ""):
        assert served.get(f"/static/{path}").status_code == 404


def test_all_that_it_owns_reaches_it_and_nothing_of_ours(served: TestClient) -> None:
    for path in ("/dashboard", "/dashboard/", "/dashboard/studies/1", "/dashboard/compare-studies"):
        assert "<title>Optuna Dashboard</title>" in served.get(path).text
    assert "allow_unsafe" in served.get("/api/meta").json()
    for path in ("/artifacts/1/2", "/csv/99", "/api/studies/99", "/api/studies/99/plot/contour", "/api/nothing"):
        assert served.get(path).status_code in (400, 404, 500), path
    assert served.get("/health").json()
    assert served.get("/v1/openapi.json").json()["openapi"]
    assert served.get("/v1/definitions").status_code == 200
    assert served.get("/apiary").headers["content-type"] == "application/problem+json"


def test_it_can_be_left_out(sqlite_url: str) -> None:
    with client(create_app(replace(ServeOptions(storage=sqlite_url), dashboard=False))) as asking:
        assert asking.get("/dashboard").status_code == 404


def test_it_is_loaded_when_it_is_asked_for_and_never_pytorch(sqlite_url: str) -> None:
    made = Elsewhere(sqlite_url)
    made.add(*[TrialState.COMPLETE] * 3)
    made.close()
    code = f"""
import sys
from fastapi.testclient import TestClient
from sweep.service.app import create_app
from sweep.service.options import ServeOptions
with TestClient(create_app(ServeOptions(storage={sqlite_url!r})), "http://localhost") as asking:
    asking.get("/health")
    print([name for name in ("optuna_dashboard", "a2wsgi", "bottle") if name in sys.modules])
    paths = ["/dashboard", "/api/meta", "/api/studies", "/csv/1"]
    paths += ["/api/studies/1" + rest for rest in ("", "/param_importances", "/plot/contour", "/plot/timeline")]
    print([asking.get(path).status_code for path in paths], "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines() == ["[]", f"{[200] * 8} False"]


@pytest.mark.no_tables
def test_a_database_without_any_study_is_an_empty_dashboard(storage_url: str) -> None:
    with client(create_app(ServeOptions(storage=storage_url))) as asking:
        assert asking.get("/api/studies").json() == {"study_summaries": []}


def test_a_database_that_is_away_is_a_problem_and_no_traceback(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, name = Elsewhere(postgres_url), make_url(postgres_url).database
    made.add(TrialState.COMPLETE)
    made.close()
    admin = make_url(postgres_url).set(drivername="postgresql", database="postgres")
    paths = [f"/api/studies/{made.id}", f"/api/studies/{made.id}/param_importances", "/api/studies", f"/csv/{made.id}"]
    with (
        client(create_app(ServeOptions(storage=postgres_url))) as asking,
        psycopg.connect(admin.render_as_string(), autocommit=True) as server,
    ):
        assert [asking.get(path).status_code for path in paths] == [200] * 4
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
        time.sleep(dashboard_app.HOLD_SECONDS)
        caplog.clear()
        for path in paths:
            answer = asking.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
        answer = asking.put(f"/api/studies/{made.id}/note", json={"version": 1, "body": ""})
        assert answer.status_code == 503
        assert "Traceback" not in caplog.text
        assert "  File" not in caplog.text
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        soon(lambda: asking.get(paths[0]).status_code == 200)


# ---------------------------------------------------------------------------------------------------- who may do what


def test_viewers_read_it_and_write_nothing(sqlite_url: str) -> None:
    tokens = {"v" * 32: "viewer", "o" * 32: "operator"}
    made = Elsewhere(sqlite_url)
    made.add(TrialState.COMPLETE, TrialState.RUNNING)
    options = ServeOptions(storage=sqlite_url, tokens={digest(token): role for token, role in tokens.items()})  # type: ignore[misc]
    app = create_app(options)
    writes = [
        (rule.method, rule.rule) for rule in optuna_dashboard.wsgi(cached(made.storage)).routes if rule.method != "GET"
    ]
    assert len(writes) == 20
    with client(app) as nobody, client(app, "v" * 32) as viewer, client(app, "o" * 32) as operator:
        for path in ("/api/studies", "/csv/1", "/dashboard", "/static/bundle.js", "/artifacts/1/2"):
            assert nobody.get(path).status_code == 401, path
        assert len(shown(viewer, made.id)["trials"]) == 2
        before = everything(sqlite_url)
        for method, rule in writes:
            path = rule.replace("<study_id:int>", str(made.id)).replace("<trial_id:int>", "2")
            path = path.partition("<")[0]
            assert nobody.request(method, path, json={}).status_code in (401, 403), path
            refused = viewer.request(method, path, json={})
            assert (refused.status_code, refused.json()["code"]) == (403, "viewer"), path
        assert everything(sqlite_url) == before
        note = {"version": 1, "body": "seen"}
        assert operator.put(f"/api/studies/{made.id}/note", json=note).status_code == 204
        assert shown(viewer, made.id)["note"] == note
    made.close()


# ------------------------------------------------------------------------------------------------------- in a browser


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """A server of its own on loopback; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < end
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_every_page_works_and_asks_nobody_else(sqlite_url: str) -> None:
    from playwright.sync_api import sync_playwright

    made = Elsewhere(sqlite_url)
    made.add(*[TrialState.COMPLETE] * 6)
    optuna_dashboard.save_note(made.study, "## Dropout <script>alert(1)</script> *helps*")
    made.close()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    said: list[str] = []
    with (
        listening(create_app(ServeOptions(storage=sqlite_url))) as address,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=flags) as browser,
    ):
        page = browser.new_page()
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("response", lambda one: said.append(one.url) if one.status >= 400 else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda one: said.append(one.url) if not one.url.startswith((address, "data:", "blob:")) else None
        )
        page.goto(f"{address}/dashboard")
        page.get_by_text("made").first.wait_for(timeout=60_000)
        for path, seen in {
            "": ".js-plotly-plot .point",
            "/analytics": ".js-plotly-plot .main-svg",
            "/trials?numbers=2": "text=Trial 2",
            "/smartSelection": ".js-plotly-plot .main-svg",
            "/note": "h2:has-text('Dropout')",
        }.items():
            page.goto(f"{address}/dashboard/studies/{made.id}{path}")
            page.locator(seen).first.wait_for(state="attached", timeout=60_000)
        assert "alert(1)" not in page.evaluate("[...document.scripts].map((one) => one.text).join()")
    assert said == []
