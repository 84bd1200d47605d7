"""Jobs by the REST API, and who is at work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from sweep.run.lease import this_process
from sweep.store.service_rows import JobFile
from tests.service.served import asked, made, service_of


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with made(sqlite_url) as client:
        yield client


def test_an_export_from_the_question_to_the_file(client: TestClient) -> None:
    store = service_of(client).store
    job = asked(client, "/v1/sweeps/done/exports", format="predictions", trial=3)
    assert (job["kind"], job["sweep"], job["state"], job["file"]) == ("export", "done", "queued", None)
    assert asked(client, "/v1/sweeps/done/exports", format="predictions", trial=3)["id"] == job["id"]
    assert asked(client, "/v1/sweeps/done/exports", format="predictions")["id"] != job["id"]
    assert client.get("/v1/sweeps/done").json()["jobs"][0]["id"] == job["id"]
    assert client.get(f"/v1/jobs/{job['id']}/file").status_code == 404
    taken = store.take_job(["export"], "token", 60.0)
    assert taken is not None
    store.renew_job(taken.id, "token", 60.0, "half of it")
    assert client.get(f"/v1/jobs/{job['id']}").json()["progress"] == "half of it"
    store.finish_job(taken.id, "token", {"rows": 2}, JobFile("done \u00e4.csv", "text/csv", b"a,b\n"))
    done = client.get(f"/v1/jobs/{job['id']}").json()
    assert (done["state"], done["result"]) == ("done", {"rows": 2})
    assert done["file"] == {"name": "done \u00e4.csv", "media_type": "text/csv", "href": f"/v1/jobs/{job['id']}/file"}
    file = client.get(done["file"]["href"])
    assert file.content == b"a,b\n"
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''done%20%C3%A4.csv"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert asked(client, "/v1/sweeps/done/exports", 200, format="predictions", trial=3)["state"] == "done"


def test_configurations_are_done_at_once(client: TestClient) -> None:
    for form in ("toml", "json"):
        job = asked(client, "/v1/sweeps/done/exports", 200, format=form)
        assert job["state"] == "done"
        assert client.get(f"/v1/jobs/{job['id']}").json() == job
        assert client.get(job["file"]["href"]).content == client.get(f"/v1/sweeps/done/exports/{form}").content
        assert asked(client, "/v1/sweeps/done/exports", 200, format=form)["id"] == job["id"]


def test_what_cannot_be_asked_is_refused(client: TestClient) -> None:
    exports = "/v1/sweeps/done/exports"
    assert "a trial is for" in asked(client, exports, 422, format="onnx", trial=3)["detail"]
    assert "a trial is for" in asked(client, exports, 422, format="toml", trial=3)["detail"]
    assert asked(client, exports, 422, format="pickle")["problems"][0]["place"] == "body.format"
    asked(client, exports, 404, format="predictions", trial=300)
    asked(client, "/v1/sweeps/nobody/exports", 404, format="onnx")
    assert "is not finished" in asked(client, "/v1/sweeps/running/answer", 422)["detail"]
    asked(client, "/v1/sweeps/done/answer", 422, outer=5)
    assert client.get("/v1/jobs/" + 32 * "0").status_code == 404
    assert client.get("/v1/jobs/x").status_code == 422


def test_an_answer_is_asked_of_a_runner(client: TestClient) -> None:
    job = asked(client, "/v1/sweeps/done/answer", repeats=12)
    assert (job["kind"], job["state"]) == ("answer", "queued")
    assert asked(client, "/v1/sweeps/done/answer", repeats=12)["id"] == job["id"]
    service_of(client).store.take_job(["answer"], "token", 60.0)
    service_of(client).store.fail_job(job["id"], "token", "the workers are gone")
    failed = client.get(f"/v1/jobs/{job['id']}").json()
    assert (failed["state"], failed["reason"]) == ("failed", "the workers are gone")


def test_runners(client: TestClient) -> None:
    assert client.get("/v1/runners").json() == {"runners": []}
    holder = this_process()
    service_of(client).store.runner_seen(holder, "2 local", "running")
    (found,) = client.get("/v1/runners").json()["runners"]
    assert (found["host"], found["pid"], found["workers"], found["doing"]) == (
        holder.host,
        holder.pid,
        "2 local",
        "running",
    )
    assert 0 <= found["silent"] < 60
