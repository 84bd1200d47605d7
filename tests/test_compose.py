"""docker-compose.yml and Dockerfile: what they are allowed to say, what they must, and a sweep through their services.

There is no Docker here: the services run as processes, see :mod:`tests.compose`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg
import pytest

from sweep.analysis.status import status
from sweep.launch.inline import InlineLauncher
from sweep.run.loop import run_sweep
from sweep.spec.definition import load as load_definition
from sweep.store.store import Store
from tests import scratch
from tests.compose import FILE, ROOT, Composition, Container, Unset, load, wait_until
from tests.processes import children
from tests.small_sweep import DEFINITION, assert_complete, assert_same, what_is_left, write_table

PASSWORD = "it's a $ecret: @/"  # noqa: S105 - of a database that lives as long as a test
TOKEN = "an operator's token, $ and all"  # noqa: S105 - likewise
ENVIRONMENT = {"SWEEP_DB_PASSWORD": PASSWORD, "SWEEP_OPERATOR_TOKEN": TOKEN}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"scheduler", "worker", "runner", "web", "sweep"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(ENVIRONMENT)["services"]
    return found


# --- the compose file ------------------------------------------------------------------------------------------------


def checked(file: Path) -> subprocess.CompletedProcess[str]:
    """The file held against the schema of the compose specification."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_specification_allows_it() -> None:
    found = checked(FILE)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("cap_drop: [ALL]", "cap_dropped: [ALL]", "cap_dropped"),
        ("condition: service_healthy", "condition: healthy", "condition"),
        ("internal: true", "internal: [true]", "internal"),
        ("interval: 5s", "interval: {s: 5}", "interval"),
    ],
)
def test_a_spoilt_file_is_not_allowed(right: str, wrong: str, named: str, tmp_path: Path) -> None:
    text = FILE.read_text()
    assert right in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(right, wrong))
    found = checked(tmp_path / "docker-compose.yml")
    assert found.returncode == 1
    assert named in found.stdout


def test_the_services(services: dict[str, dict[str, Any]]) -> None:
    assert services.keys() == OURS | {"db"}
    assert [name for name, service in services.items() if "profiles" in service] == ["sweep"]


@pytest.mark.parametrize("secret", ENVIRONMENT)
@pytest.mark.parametrize("empty", [{}, {"SWEEP_DB_PASSWORD": "", "SWEEP_OPERATOR_TOKEN": ""}])
def test_it_does_not_start_without_password_and_token(secret: str, empty: dict[str, str]) -> None:
    others = {key: value for key, value in ENVIRONMENT.items() if key != secret}
    with pytest.raises(Unset, match=secret):
        load(empty | others)


def test_secrets_are_where_they_must_be_and_nowhere_else(services: dict[str, dict[str, Any]]) -> None:
    """Not in a command, which every process of a machine can read, nor in a URL, which programs show."""

    def holders(secret: str) -> set[tuple[str, str]]:
        each = ((name, key, value) for name, service in services.items() for key, value in places(service))
        return {(name, key) for name, key, value in each if secret in str(value)}

    assert holders(PASSWORD) == {("db", "POSTGRES_PASSWORD")} | {
        (name, "PGPASSWORD") for name in ("runner", "web", "sweep")
    }
    assert holders(TOKEN) == {("web", "SWEEP_OPERATOR_TOKEN")}


def places(service: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each variable of the environment by itself, and all else."""
    yield from service.get("environment", {}).items()
    yield from ((key, value) for key, value in service.items() if key != "environment")


def test_nothing_is_published_but_the_pages_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8080:8080"]}
    assert not [name for name, service in services.items() if {"network_mode", "extra_hosts"} & service.keys()]


def test_database_and_dask_are_on_a_network_without_a_way_out(services: dict[str, dict[str, Any]]) -> None:
    networks = load(ENVIRONMENT)["networks"]
    assert networks["inside"] == {"internal": True}
    for name in ("db", "scheduler", "worker"):
        assert services[name]["networks"] == ["inside"]


def test_every_service_can_reach_what_it_names_and_waits_for_it(services: dict[str, dict[str, Any]]) -> None:
    hosts = re.compile(rf"\b({'|'.join(services)}):\d")
    named = {
        (name, host)
        for name, service in services.items()
        for host in hosts.findall(str([service.get("command"), service.get("environment")]))
    }
    assert {host for _, host in named} == {"db", "scheduler"}
    for name, host in named:
        assert set(services[name]["networks"]) & set(services[host]["networks"])
        assert services[name]["depends_on"][host] == {"condition": "service_healthy"}
        assert "healthcheck" in services[host]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_may_do_little(name: str, services: dict[str, dict[str, Any]]) -> None:
    service = services[name]
    assert service["image"] == f"{PROJECT['name']}:{PROJECT['version']}"
    assert service["pull_policy"] == "never", "nobody else's image of that name"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
    assert service["init"] is True
    assert not {"cap_add", "privileged", "user", "volumes", "devices", "pid", "ipc"} & service.keys()


def test_everything_comes_back_and_its_image_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, service in services.items() if service["restart"] == "unless-stopped"} == {
        *(OURS - {"sweep"}),
        "db",
    }
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", services["db"]["image"])
    assert [name for name, service in services.items() if "build" in service] == ["scheduler"]


def test_every_variable_is_explained() -> None:
    text = FILE.read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    assert used == set(re.findall(r"^#   (\w+) ", text, re.MULTILINE))
    assert set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)) <= used


# --- the image -------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile and what follows it, on one line."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined]


def test_the_image_is_built_on_a_pinned_python_that_sweep_is_for() -> None:
    assert [rest for kind, rest in instructions() if kind == "FROM"] == [
        "python:${PYTHON} AS build",
        "python:${PYTHON}",
    ]
    pinned = re.fullmatch(r"PYTHON=(\d+\.\d+)\.\d+-slim-\w+", instructions()[0][1])
    assert pinned
    assert f"Programming Language :: Python :: {pinned[1]}" in PROJECT["classifiers"]


def test_the_image_is_not_roots() -> None:
    users = [rest for kind, rest in instructions() if kind == "USER"]
    assert len(users) == 1
    user, group = map(int, users[0].split(":"))
    assert min(user, group) >= 10_000, "nobody of the host"
    after = instructions()[instructions().index(("USER", users[0])) :]
    assert [kind for kind, _ in after] == ["USER", "CMD"]


def test_what_the_image_copies_is_there_and_nothing_else_goes_to_the_builder() -> None:
    copied = [rest.split()[:-1] for kind, rest in instructions() if kind == "COPY" and not rest.startswith("--from=")]
    sources = {source for parts in copied for source in parts}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == sources


def test_all_that_is_installed_is_of_the_tested_set() -> None:
    """And no pip, no cache, no developers' tools are left in the image."""
    runs = " && ".join(rest for kind, rest in instructions() if kind == "RUN")
    steps = [shlex.split(step) for step in runs.split("&&")]
    installing = [step for step in steps if step[0] == "pip"]
    assert len(installing) >= 3
    for step in installing:
        assert step[step.index("-c") + 1] == "constraints.txt", step
    assert any("PIP_NO_CACHE_DIR=1" in rest for kind, rest in instructions() if kind == "ENV")
    assert ("RUN", "python -m venv --without-pip /opt/sweep") in instructions()
    assert "[dev]" not in DOCKERFILE


def test_what_the_image_writes_it_writes_where_it_can() -> None:
    after = DOCKERFILE.rpartition("\nFROM ")[2]
    variables = dict(re.findall(r"\b([A-Z_]+)=(\S+)", after))
    for name in ("HOME", "NUMBA_CACHE_DIR", "SWEEP_CACHE"):
        assert Path("/tmp") in (Path(variables[name]), *Path(variables[name]).parents)  # noqa: S108 - the container's own
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"


# --- a sweep through its services ------------------------------------------------------------------------------------

TRIALS = 48
# Long enough for every part to be killed in the middle of it.
CHANGES = (f"search.trials={TRIALS}", "search.batch=4", "training.epochs=300")
# Between kills: more than what was on its way when a part was killed.
PROGRESS = 4


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Composition]:
    """All services, started."""
    # Its path has to be short, and the server's own user must reach it.
    with scratch.folder("compose") as socket:
        composition = Composition(tmp_path, Path(socket), ENVIRONMENT)
        try:
            with composition:
                yield composition
        finally:
            composition.stop()
            for container in composition.all():
                print(f"--- {container.name} {container.statuses}\n{container.output}")  # noqa: T201 - where it fails


def test_whatever_is_killed_the_sweep_is_what_it_would_have_been(cluster: Composition, tmp_path: Path) -> None:
    """Each service once, by SIGKILL, with progress in between."""
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "small.toml").write_text(DEFINITION.format(table=write_table(tables)))
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    spec = load_definition(str(tables / "small.toml"), CHANGES)
    queue = ["run", "small.toml", "--queue", *(f"--set={change}" for change in CHANGES)]
    with ThreadPoolExecutor(2) as threads:
        # The runner begins when the sweep is stored, which is before the command has ended.
        reference = threads.submit(run_sweep, spec, storage=undisturbed, launcher=InlineLauncher())
        queued = threads.submit(cluster.run, *queue, cwd=tables)
        kill_one_of_each(cluster)
        queued.result()
        reference.result()

    stored = cluster.superuser("sweep")
    with Store.open(stored) as store:
        assert status(store, "small").state == "done"
    left = what_is_left(stored)
    assert_complete(left, TRIALS)
    assert_same(left, what_is_left(undisturbed))

    for name in cluster.containers:
        cluster.wait_until_healthy(name)
    for container in cluster.all():
        for secret in (PASSWORD, TOKEN):
            assert secret not in container.output
            for pid in (container.pid, *children(container.pid)):
                assert secret not in Path(f"/proc/{pid}/cmdline").read_text()
    port = cluster.containers["web"][0].ports["8080"]
    with urlopen(
        Request(f"http://127.0.0.1:{port}/api/studies", headers={"Authorization": f"Bearer {TOKEN}"})
    ) as answer:
        assert [study["study_name"] for study in json.load(answer)["study_summaries"]] == ["small"]

    ended = cluster.stop()
    assert {name: {statuses[-1] for statuses in own} for name, own in ended.items()} == {
        "db": {0},
        "scheduler": {0},
        "worker": {0},
        "runner": {128 + signal.SIGTERM},
        "web": {0},
    }


def kill_one_of_each(cluster: Composition) -> None:
    """While the sweep runs; returns when it has ended."""

    def told() -> int:
        """Trials that have ended, as the database has them."""
        with psycopg.connect(cluster.superuser("sweep"), connect_timeout=5) as connection:
            try:
                found = connection.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()
            except psycopg.errors.UndefinedTable:  # nothing is stored yet
                return 0
        assert found
        return int(found[0])

    nanny, worker = cluster.containers["worker"]
    others = [cluster.containers[name][0] for name in ("web", "scheduler", "runner", "db")]
    seen = [0]
    for kill in (lambda: kill_children(nanny), *(container.kill for container in (worker, *others))):
        wait_until(lambda: told() >= seen[-1] + PROGRESS, f"progress beyond {seen}", 120)
        kill()
        cluster.wait_until_healthy("db")
        seen.append(told())
        assert seen[-1] < TRIALS, f"it ended too soon: {seen}"
    wait_until(lambda: told() == TRIALS, f"the rest beyond {seen}", 120)
    for container in others:
        assert container.statuses == [-signal.SIGKILL], f"{container.name} ended for another reason, too"
    assert -signal.SIGKILL in worker.statuses
    assert -signal.SIGKILL not in nanny.statuses, "a nanny replaces its worker by itself"


def kill_children(container: Container) -> None:
    """The process that a nanny guards, by SIGKILL."""
    guarded = children(container.pid)
    assert guarded
    for pid in guarded:
        os.kill(pid, signal.SIGKILL)
