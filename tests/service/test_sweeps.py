"""The REST API of sweeps and of what they have come to."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sweep.analysis.summary import summarise
from sweep.answer.nested_stored import known_nested
from sweep.answer.stored import known_answer
from sweep.operate.jobs import FORMATS
from sweep.service.state import service_of as asked_for
from sweep.service.v1.schemas import Export
from sweep.store.store import Store
from sweep.texts.answered import Answered
from sweep.texts.best import best_text
from tests.service.served import IRIS, asked, got, made, served, service_of, sqlite_in


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Of sweeps that no test changes."""
    with made(sqlite_in(tmp_path_factory.mktemp("sweeps"))) as client:
        yield client


@pytest.fixture
def changed(sqlite_url: str) -> Iterator[TestClient]:
    """Of sweeps of this test alone."""
    with made(sqlite_url) as client:
        yield client


def names(client: TestClient, **params: Any) -> list[str]:
    return [sweep["name"] for sweep in got(client, "/v1/sweeps", **params)["sweeps"]]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_list(client: TestClient) -> None:
    found = got(client, "/v1/sweeps")
    assert found["total"] == 3
    assert found["states"] == {"running": 1, "orphaned": 1, "done": 1}
    assert names(client) == ["orphaned", "running", "done"]  # the latest first
    assert names(client, sort="created", order="asc") == ["done", "running", "orphaned"]
    assert names(client, sort="name", order="asc") == ["done", "orphaned", "running"]
    assert names(client, sort="progress", order="desc") == ["done", "running", "orphaned"]
    assert names(client, sort="state", order="asc") == ["running", "orphaned", "done"]
    assert names(client, sort="name", order="asc", offset=1, limit=1) == ["orphaned"]
    assert names(client, q="ING") == ["running"]
    assert names(client, q="made.csv", state="done") == ["done"]
    assert got(client, "/v1/sweeps", q="ning", state="done") == {"sweeps": [], "total": 0, "states": {"running": 1}}


def test_one(client: TestClient) -> None:
    found = got(client, "/v1/sweeps/running")
    assert (found["state"], found["trials"]) == (
        "running",
        {"budget": 12, "complete": 5, "pruned": 0, "failed": 0, "running": 2},
    )
    assert found["best"].keys() == {"none", "input"}
    assert {one["diverged"] for one in found["best"].values()} == {None, 5}
    assert found["best"]["none"]["rates"] == [0.0, 0.0]
    assert found["best"]["input"]["rates"][0] > 0.0
    assert found["maximize"] is True
    assert found["answer"] is None
    assert found["jobs"] == []
    assert got(client, "/v1/sweeps/done")["answer"]["headline"].startswith("Dropout on the inputs helps")
    unknown = got(client, "/v1/sweeps/nobody", 404)
    assert (unknown["code"], unknown["detail"]) == ("not_found", "no sweep named nobody")
    got(client, "/v1/sweeps/..%5cx", 422)


def test_its_study_is_that_of_the_dashboard(client: TestClient) -> None:
    named = {study["study_name"]: study["study_id"] for study in got(client, "/api/studies")["study_summaries"]}
    found = {sweep["name"]: sweep["study"] for sweep in got(client, "/v1/sweeps")["sweeps"]}
    assert found == {"done": named["done"], "running": named["running"], "orphaned": None}


def test_its_definition_names_no_folder(client: TestClient) -> None:
    answer = client.get("/v1/sweeps/done/definition")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    definition = tomllib.loads(answer.text)
    assert (definition["name"], definition["data"]["source"]) == ("done", "made.csv")


def test_its_trials(client: TestClient) -> None:
    found = got(client, "/v1/sweeps/done/trials")["trials"]
    assert [trial["number"] for trial in found] == list(range(12))
    assert found[1]["placement"] == found[1]["params"]["placement"] == "input"
    assert found[3]["diverged"] == 5
    some = got(client, "/v1/sweeps/done/trials", after=3, limit=2)["trials"]
    assert some == found[4:6]


def test_its_best_is_that_of_the_command_line(client: TestClient) -> None:
    with Store.open(service_of(client).options.storage) as store:
        summary = summarise(store, "done")
    found = got(client, "/v1/sweeps/done/best")
    assert found == summary.best_to_dict()
    assert found["honest_score"] is not None
    text = client.get("/v1/sweeps/done/best", headers={"Accept": "text/plain"})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == best_text(summary)


def test_its_answer_is_that_of_the_command_line(client: TestClient) -> None:
    with Store.open(service_of(client).options.storage) as store:
        summary = summarise(store, "done")
        known = known_answer(store, summary)
        assert known is not None
        answered = Answered(summary, known, known_nested(store, summary))
    assert got(client, "/v1/sweeps/done/answer") == json.loads(json.dumps(answered.to_dict()))
    assert client.get("/v1/sweeps/done/answer", headers={"Accept": "text/plain"}).text == str(answered)
    assert "no answer yet" in got(client, "/v1/sweeps/running/answer", 404)["detail"]


def test_an_answer_that_is_not_there_takes_no_thread_to_say(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_of(client).renderer, "made", None)  # nothing is made for it
    for accept in ("application/json", "text/plain"):
        answer = client.get("/v1/sweeps/running/answer", headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert inspect.iscoroutinefunction(asked_for)


def test_figures_are_raw_and_small(client: TestClient) -> None:
    answer = client.get("/v1/sweeps/running/figures")
    found = answer.json()
    keys = [figure["key"] for figure in found["figures"]]
    assert keys == ["progress", "curves:none", "curves:input", "rates:input"]
    assert answer.headers["etag"] == f'"{found["version"]}"'
    for figure in found["figures"]:
        assert "raw" in figure["caption"]
        assert figure["figure"].keys() == {"data", "layout"}
        assert len(json.dumps(figure["figure"]["layout"]["template"])) < 100  # not Plotly's own
    assert "var(--arm-1)" in answer.text
    assert len(answer.content) < 20_000
    known = client.get("/v1/sweeps/running/figures", headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert answer.headers["content-encoding"] == "gzip"  # as it is kept
    plain = client.get("/v1/sweeps/running/figures", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert (plain.content, plain.headers["vary"]) == (answer.content, answer.headers["vary"])


def test_a_report_is_in_a_sandbox_of_its_own(client: TestClient) -> None:
    answer = client.get("/v1/sweeps/done/report")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline' 'unsafe" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "Dropout on the inputs helps" in answer.text


def test_configurations_at_once(client: TestClient) -> None:
    answer = client.get("/v1/sweeps/done/exports/toml")
    assert answer.headers["content-disposition"] == 'attachment; filename="done-best.toml"'
    assert tomllib.loads(answer.text)["data"]["source"] == "made.csv"
    assert client.get("/v1/sweeps/done/exports/json").json()["sweep"] == "done"


def test_formats_are_those_of_the_jobs() -> None:
    schema = Export.model_json_schema()["properties"]["format"]
    assert tuple(schema["enum"]) == FORMATS


# --- changing ---------------------------------------------------------------------------------------------------------


def test_pause_resume_cancel_and_more_trials(changed: TestClient) -> None:
    with Store.open(service_of(changed).options.storage) as store:
        running = store.sweep("running")
        assert running is not None
        lease = store.lease(running.key)
        assert lease is not None
        store.release_lease(running.key, lease.holder.token)
    service_of(changed).snapshots.invalidate()
    for action, state in (("resume", "queued"), ("pause", "paused"), ("cancel", "cancelled"), ("resume", "queued")):
        done = asked(changed, f"/v1/sweeps/running/{action}", 200)
        assert done["sweep"]["state"] == state
        assert state in done["said"]
        assert got(changed, "/v1/sweeps/running")["state"] == state  # at once
    done = asked(changed, "/v1/sweeps/done/extend", 200, trials=20)
    assert (done["sweep"]["state"], done["sweep"]["trials"]["budget"]) == ("queued", 20)
    assert "8 more" in done["said"]
    assert "must be more than the 20" in asked(changed, "/v1/sweeps/done/extend", 422, trials=20)["detail"]
    asked(changed, "/v1/sweeps/orphaned/resume", 422)
    for action in ("pause", "resume", "cancel"):
        asked(changed, f"/v1/sweeps/nobody/{action}", 404)


def test_deleting_takes_all_of_it(changed: TestClient) -> None:
    service_of(changed).store.log("done", "something happened")
    job = changed.post("/v1/sweeps/done/exports", json={"format": "predictions"}).json()
    assert changed.delete("/v1/sweeps/done").status_code == 204
    got(changed, "/v1/sweeps/done", 404)
    assert "done" not in names(changed)
    got(changed, f"/v1/jobs/{job['id']}", 404)
    assert not service_of(changed).store.log_lines("done")
    assert changed.delete("/v1/sweeps/done").status_code == 404
    # What else is written goes on: the lease of what was deleted binds nobody else.
    assert changed.post("/v1/sweeps/orphaned/pause").status_code == 422
    assert service_of(changed).store.fence is None


def test_submitting_is_idempotent(sqlite_url: str) -> None:
    with served(sqlite_url) as client:
        body, key = {"definition": IRIS}, {"Idempotency-Key": "one"}
        first = client.post("/v1/sweeps", json=body, headers=key)
        assert first.status_code == 201, first.text
        assert (first.json()["name"], first.json()["state"]) == ("iris", "queued")
        assert first.json()["study"] is None  # a runner makes it
        assert got(client, "/v1/sweeps/iris") == first.json()
        # Repeated, since the answer was lost: as the first time, whatever has become of it since.
        client.post("/v1/sweeps/iris/cancel")
        again = client.post("/v1/sweeps", json=body, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        assert got(client, "/v1/sweeps/iris")["state"] == "cancelled"
        other = client.post("/v1/sweeps", json={"definition": IRIS, "priority": 3}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key")
        # Asked for again: taken up.
        same = client.post("/v1/sweeps", json=body)
        assert (same.status_code, same.json()["state"]) == (200, "queued")
        assert names(client) == ["iris"]


def test_what_is_wrong_with_a_definition_is_said_at_its_place(client: TestClient) -> None:
    wrong = IRIS.replace("[search]", "[space]\ndropout = { low = 0.1, high = 1.5 }\n[search]")
    answer = client.post("/v1/sweeps", json={"definition": wrong})
    assert answer.status_code == 422
    assert [problem["place"] for problem in answer.json()["problems"]] == ["space.dropout.high"]
    malformed = client.post("/v1/sweeps", json={"definition": "format = = 1"})
    assert malformed.status_code == 422
    unknown = client.post("/v1/sweeps", json={"definition": IRIS, "prio": 1})
    assert unknown.json()["problems"][0]["place"] == "body.prio"
