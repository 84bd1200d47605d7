"""What Prometheus is told, and whether the service is well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text

from sweep.run.lease import this_process
from sweep.service import health, metrics
from sweep.service.app import create_app
from sweep.store.store import Store
from sweep.store.versions import HEAD
from tests.command_line import RUN, Program
from tests.service.serving import OPERATOR, VIEWER, Behind, app_with, client, options

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept."""
    for module in (metrics, health):
        monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)


def samples(found: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(found)
        for sample in family.samples
    }


def by(found: Samples, name: str) -> dict[str, float]:
    """Values of a family with one label that are not 0."""
    return {labels[0][1]: value for (metric, labels), value in found.items() if metric == name and value}


def test_what_is_stored(small: Program, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RATE_SECONDS", 3600.0)
    small(*RUN, "--quiet")
    small("run", "small.toml", "--queue", "--name", "other", "--quiet")
    storage = f"sqlite:///{small.folder / 'sweep.db'}"
    runners = [this_process(), this_process()]
    with Store.open(storage) as store, client(create_app(options(storage=storage)), VIEWER) as somebody:
        store.ask_job("estimate", {})
        store.runner_seen(runners[0], "local", "small")
        store.runner_seen(runners[1], "local", None)
        sweep = store.sweep("small")
        assert sweep is not None
        found = samples(somebody.get("/metrics").text)
        assert found["sweep_lease_age_seconds", ()] == 0
        store.take_lease(sweep.key, this_process(), 20.0)  # as if it had been renewed 10 s ago
        age = samples(somebody.get("/metrics").text)["sweep_lease_age_seconds", ()]
    assert 10 <= age < 30
    assert by(found, "sweep_sweeps") == {"done": 1, "queued": 1}
    assert by(found, "sweep_trials") == {"complete": 4}
    assert by(found, "sweep_trials_finished") == {"done": 4}
    assert by(found, "sweep_jobs") == {"queued": 1}
    assert by(found, "sweep_runners") == {"true": 1, "false": 1}
    assert found["sweep_queue_length", ()] == 1
    assert found["sweep_trials_per_second", ()] == 4 / metrics.RATE_SECONDS
    assert found["sweep_database_up", ()] == 1
    assert found["process_resident_memory_bytes", ()] > 10e6


def test_the_database_is_read_at_most_once_a_second(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[float] = []
    now = [0.0]

    def stored(_: object) -> tuple[()]:
        read.append(now[0])
        return ()

    monkeypatch.setattr(metrics, "_stored", stored)
    monkeypatch.setattr(metrics, "monotonic", lambda: now[0])
    with client(create_app(options(storage=sqlite_url)), VIEWER) as somebody:
        for moment in (0.0, 0.4, 0.9, 1.1, 1.9, 2.2):
            now[0] = moment
            somebody.get("/metrics")
    assert read == [0.0, 1.1, 2.2]


def test_requests_are_counted_by_route_whatever_is_asked_for(sqlite_url: str) -> None:
    app = app_with(Behind(), storage=sqlite_url)

    @app.get("/v1/things/{name}")
    def thing(name: str) -> str:
        return name

    with client(app, OPERATOR) as somebody:
        for number in range(50):
            somebody.get(f"/v1/things/{number}")
            somebody.get(f"/nowhere/{number}")
            somebody.get(f"/api/studies/{number}")
            somebody.request(f"METHOD{number}", "/nowhere")
        somebody.get("/v1/things/x", headers={"Host": "evil.example"})
        found = samples(somebody.get("/metrics").text)
    counts = {
        (labels["method"], labels["route"], labels["status"]): value
        for (name, pairs), value in found.items()
        if name == "sweep_request_seconds_count" and (labels := dict(pairs))
    }
    assert counts == {
        ("GET", "/v1/things/{name}", "200"): 50,
        ("GET", "other", "404"): 50,
        ("GET", "/api", "200"): 50,
        ("other", "other", "404"): 50,
        ("GET", "other", "421"): 1,
    }


def set_revision(storage: str, revision: str) -> None:
    engine = create_engine(storage)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweep_alembic_version SET version_num = :v"), {"v": revision})
    engine.dispose()


def test_without_a_database(sqlite_url: str, at_once: None) -> None:
    """Alive, not ready, and back again by itself."""
    app = create_app(options(storage=sqlite_url))
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with client(app) as somebody:
        assert somebody.get("/ready").json() == {"status": "ok"}
        for revision, said in (("0001", "by an older sweep"), ("9999", "by a newer sweep")):
            set_revision(sqlite_url, revision)
            found = somebody.get("/ready")
            assert (found.status_code, found.json()["code"]) == (503, "not_ready")
            assert said in found.json()["detail"]
            assert "sweep.db" not in found.text  # anybody may ask
        set_revision(sqlite_url, HEAD)
        assert somebody.get("/ready").status_code == 200
        file.rename(file.with_suffix(".away"))
        assert somebody.get("/ready").status_code == 503
        assert somebody.get("/health").json() == {"status": "ok"}
        file.with_suffix(".away").rename(file)
        assert somebody.get("/ready").status_code == 200


def test_a_server_that_is_gone(postgres_url: str, at_once: None) -> None:
    gone = re.sub(r"/[^/?]*(?=\?|$)", "/nothing_of_that_name", postgres_url)
    app = create_app(options(storage=postgres_url))
    with client(app, VIEWER) as somebody:
        assert somebody.get("/ready").status_code == 200
        app.state.service.options = options(storage=gone.replace("postgres@", "postgres:topsecret@"))
        found = somebody.get("/ready")
        assert found.status_code == 503
        assert "topsecret" not in found.text


def test_metrics_outlive_the_database(sqlite_url: str, at_once: None) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with client(create_app(options(storage=sqlite_url)), VIEWER) as somebody:
        file.write_bytes(b"no database any more" * 1000)
        found = samples(somebody.get("/metrics").text)
    assert found["sweep_database_up", ()] == 0
    assert found["process_resident_memory_bytes", ()] > 0
