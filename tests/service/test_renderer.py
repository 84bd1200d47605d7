"""The process that makes reports, figures and summaries: once for all who ask, and again when it dies."""

from __future__ import annotations

import gzip
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psutil
import pytest

from sweep.analysis.results import SweepStatus
from sweep.answer.nested_stored import RESULT
from sweep.operate.overview import Glance, Overview
from sweep.service import renderer as module
from sweep.service.problems import RefusedError
from sweep.service.renderer import Renderer, _Task, version_of
from sweep.service.snapshots import Snapshots
from sweep.store.store import Store
from tests.service.served import make_sweeps, sqlite_in, until


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = sqlite_in(tmp_path_factory.mktemp("renderer"))
    make_sweeps(url)
    return url


@pytest.fixture(scope="module")
def sweeps(url: str) -> dict[str, Glance]:
    with Store.open(url) as store:
        return dict(Snapshots(store).all())


@pytest.fixture(scope="module")
def shared(url: str) -> Iterator[Renderer]:
    renderer = Renderer(url)
    yield renderer
    renderer.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[_Task]:
    """What the processes are asked."""
    tasks: list[_Task] = []
    ask = Renderer._ask

    def noted(self: Renderer, task: _Task) -> bytes:
        tasks.append(task)
        return ask(self, task)

    monkeypatch.setattr(Renderer, "_ask", noted)
    return tasks


def process_of(renderer: Renderer) -> psutil.Process:
    assert renderer._process is not None
    return psutil.Process(renderer._process.pid)


def held_up(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Renderer, threading.Event]:
    """A renderer that makes of everything its version, while an event is set."""
    renderer, go_on = Renderer(url), threading.Event()
    go_on.set()

    def ask(task: _Task) -> bytes:
        go_on.wait(30)
        return gzip.compress(task.version.encode())

    monkeypatch.setattr(renderer, "_ask", ask)
    return renderer, go_on


def later(glance: Glance, **changes: Any) -> SweepStatus:
    """The state of a sweep with another trial."""
    status = glance.status
    return replace(status, updated_at=status.updated_at + timedelta(seconds=1), **changes)


def test_it_is_made_once_by_a_modest_process_without_torch(
    shared: Renderer, sweeps: dict[str, Glance], asked: list[_Task]
) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: shared.made(sweeps["done"], "figures"), range(8)))
    assert len({one.content for one in made}) == 1
    assert len(asked) == 1
    process = process_of(shared)
    assert process.nice() == 10
    assert not [file for file in process.memory_maps() if "libtorch" in file.path]
    assert process.environ().get("SWEEP_STORAGE") is None
    assert "served.db" not in " ".join(process.cmdline())
    with pytest.raises(RefusedError, match="has no answer yet") as refused:
        shared.made(sweeps["running"], "answer")
    assert refused.value.status == 404
    shared.made(sweeps["done"], "toml")
    assert process_of(shared) == process  # a refusal is no harm


def test_a_process_that_dies_is_replaced(shared: Renderer, sweeps: dict[str, Glance], asked: list[_Task]) -> None:
    shared.made(sweeps["orphaned"], "report")
    first = process_of(shared)
    first.kill()
    first.wait(30)
    assert shared.made(sweeps["orphaned"], "best").content
    assert process_of(shared) != first
    # In the middle of it, too: it is stopped, asked, and killed.
    second = process_of(shared)
    os.kill(second.pid, signal.SIGSTOP)
    timer = threading.Timer(0.5, second.kill)
    timer.start()
    assert shared.made(sweeps["orphaned"], "toml").content
    timer.join()
    assert process_of(shared) != second


def test_a_process_that_takes_too_long_is_ended(
    shared: Renderer, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.made(sweeps["orphaned"], "figures")
    process = process_of(shared)
    process.suspend()
    monkeypatch.setattr(module, "MAKE_SECONDS", 0.2)
    with pytest.raises(RefusedError, match="not made within") as refused:
        shared.made(sweeps["orphaned"], "json")
    assert refused.value.status == 500
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_was_made_is_kept_within_bounds(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = Renderer(url)
    monkeypatch.setattr(renderer, "_ask", lambda task: b"x" * 100)
    monkeypatch.setattr(module, "KEPT_BYTES", 250)
    for what in ("best", "toml", "json", "report"):
        renderer.made(sweeps["done"], what)
    assert (len(renderer._kept), renderer._bytes, len(renderer._latest)) == (2, 200, 2)
    renderer.close()
    with pytest.raises(RefusedError):
        renderer.made(sweeps["done"], "figures")


def test_a_sweep_that_runs_is_not_made_anew_all_the_time(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_SECONDS", 60.0)
    renderer = Renderer(url)
    made: list[str] = []

    def ask(task: _Task) -> bytes:
        made.append(task.version)
        return gzip.compress(task.version.encode())

    monkeypatch.setattr(renderer, "_ask", ask)
    running = sweeps["running"]
    first = renderer.made(running, "figures")
    assert first.version == version_of(running)
    more = Glance(later(running), running.key)
    assert version_of(more) != version_of(running)
    assert renderer.ready(more, "figures") == renderer.made(more, "figures").version == first.version
    ended = Glance(later(running, state="done"), running.key)
    for what in ("best", "figures"):
        renderer.made(running, what)
    assert renderer.made(ended, "best").version == version_of(ended)  # the last one is up to date
    until(lambda: renderer.made(ended, "figures").version == version_of(ended), "the last ones are not made")
    assert len(made) == 4
    renderer.close()


def test_of_a_sweep_that_has_ended_nobody_waits_for_the_last_figures(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer, go_on = held_up(url, monkeypatch)
    running = sweeps["running"]
    ended = Glance(later(running, state="done"), running.key)
    renderer.made(running, "figures")
    go_on.clear()
    for _ in range(2 * module.MOST_WAITERS):  # none of them is refused
        assert renderer.made(ended, "figures").version == renderer.ready(ended, "figures") == version_of(running)
    assert len(renderer._making) == 1
    monkeypatch.setattr(module, "OLDER_SECONDS", -1e9)
    assert renderer.ready(ended, "figures") is None  # nobody has looked for long: what there is says nothing
    go_on.set()
    until(lambda: renderer.ready(ended, "figures") == version_of(ended), "the last ones are not made")
    renderer.close()


def test_of_a_sweep_that_runs_nobody_waits_for_the_newest(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer, go_on = held_up(url, monkeypatch)
    monkeypatch.setattr(module, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(module, "SHARE", 0.0)
    running = sweeps["running"]
    more = Glance(later(running), running.key)
    assert renderer.ready(running, "figures") is None  # there is nothing yet, and it begins to be made
    until(lambda: renderer.ready(running, "figures") == version_of(running), "they are not made")
    go_on.clear()
    older = version_of(running)
    for _ in range(2 * module.MOST_WAITERS):  # none of them is refused
        assert renderer.made(more, "figures").content.decode() == renderer.ready(more, "figures") == older
    assert len(renderer._making) == 1
    go_on.set()
    until(lambda: renderer.ready(more, "figures") == version_of(more), "the newer ones are not made")
    assert renderer.made(more, "figures").content.decode() == version_of(more)
    assert len(renderer._kept) == 1  # what is passed is not kept
    assert renderer._bytes == len(renderer.made(more, "figures").packed)
    renderer.close()


def test_what_fails_is_not_tried_by_each_who_asks(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = Renderer(url)
    tried: list[str] = []

    def ask(task: _Task) -> bytes:
        tried.append(task.name)
        raise RefusedError(500, "not made within 300 s", "too_long")

    monkeypatch.setattr(renderer, "_ask", ask)
    monkeypatch.setattr(module, "LEAST_SECONDS", 60.0)
    running = sweeps["running"]
    for glance in (running, running, Glance(later(running), running.key), sweeps["done"]):
        with pytest.raises(RefusedError, match="not made within") as refused:
            renderer.made(glance, "figures")
        assert (refused.value.status, refused.value.code) == (500, "too_long")
    assert tried == ["running", "done"]
    renderer.close()


def test_what_took_too_long_is_tried_again_soon(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within minutes, however long it took; and at once where a sweep at rest has changed."""
    renderer, now = Renderer(url), [1000.0]
    tried: list[str] = []

    def ask(task: _Task) -> bytes:
        tried.append(task.name)
        now[0] += module.MAKE_SECONDS
        raise RefusedError(500, "not made within 300 s", "too_long")

    monkeypatch.setattr(renderer, "_ask", ask)
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    more = Glance(later(sweeps["done"]), sweeps["done"].key)
    for glance, wait, times in (
        (sweeps["done"], 0.0, 1),
        (sweeps["done"], 250.0, 1),
        (sweeps["done"], 100.0, 2),
        (more, 0.0, 3),
        (more, 0.0, 3),
    ):
        now[0] += wait
        with pytest.raises(RefusedError, match="not made within"):
            renderer.made(glance, "report")
        assert len(tried) == times
    renderer.close()


def test_what_was_made_before_something_failed_is_not_kept(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was, dropping it for want of room ended all making, long after the failure was forgotten."""
    renderer, now = Renderer(url), [1000.0]
    done = sweeps["done"]
    more = Glance(later(done), done.key)

    def ask(task: _Task) -> bytes:
        if task.version == version_of(more):
            raise RefusedError(500, "not made within 300 s", "too_long")
        return b"x" * 100

    monkeypatch.setattr(renderer, "_ask", ask)
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "KEPT_BYTES", 250)
    renderer.made(done, "report")
    with pytest.raises(RefusedError, match="not made within"):
        renderer.made(more, "report")
    assert (renderer._kept, renderer._bytes) == ({}, 0)
    now[0] += module.REFUSED_SECONDS + 1
    for what in ("best", "toml", "json", "figures"):
        assert renderer.made(done, what).packed == b"x" * 100
    renderer.close()


def test_another_program_makes_it_anew(sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch) -> None:
    before = version_of(sweeps["done"])
    assert version_of(sweeps["done"]) == before
    monkeypatch.setattr(module, "program", lambda: "99.0")
    assert version_of(sweeps["done"]) != before


def test_nested_cross_validation_from_elsewhere_makes_it_anew(sqlite_url: str) -> None:
    """From the command line: no job says that it was asked for."""
    make_sweeps(sqlite_url)
    versions, others = [], []
    with Store.open(sqlite_url) as store:
        sweep = store.sweep("done")
        assert sweep is not None
        overview = Overview(store)
        for content in (None, b"{}", b"{}", b'{"outer": []}'):
            if content is not None:
                store.save_artifact(sweep.key, RESULT, content, "application/json")
            store.save_artifact(sweep.key, "else", repr(content).encode(), "text/plain")
            found = {glance.status.name: version_of(glance) for glance in overview.read()}
            versions.append(found.pop("done"))
            others.append(found)
    first, second, same, third = versions
    assert second == same
    assert len({first, second, third}) == 3
    assert others == [others[0]] * 4


def test_too_much_at_once_is_refused(url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(url)
    go_on = threading.Event()

    def ask(task: _Task) -> bytes:
        go_on.wait(30)
        return b""

    monkeypatch.setattr(renderer, "_ask", ask)
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    for what in ("best", "toml"):
        with pytest.raises(RefusedError, match="takes long"):
            renderer.made(sweeps["done"], what)
    with pytest.raises(RefusedError, match="too much") as refused:
        renderer.made(sweeps["done"], "json")
    assert refused.value.status == 503
    go_on.set()
    renderer.close()


def test_of_many_who_wait_some_are_refused(
    url: str, sweeps: dict[str, Glance], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one thing, too: whoever waits has a thread that all requests share."""
    renderer = Renderer(url)
    go_on = threading.Event()

    def ask(task: _Task) -> bytes:
        go_on.wait(60)
        return b""

    monkeypatch.setattr(renderer, "_ask", ask)
    with ThreadPoolExecutor(module.MOST_WAITERS) as threads:
        waiters = [threads.submit(renderer.made, sweeps["done"], "best") for _ in range(module.MOST_WAITERS)]
        until(lambda: renderer._waiters == module.MOST_WAITERS, "all wait")
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
        with pytest.raises(RefusedError, match="too much") as refused:
            renderer.made(sweeps["done"], "best")
        go_on.set()
        assert {waiter.result().packed for waiter in waiters} == {b""}
    assert (refused.value.status, renderer._waiters) == (503, 0)
    renderer.close()


def test_it_ends_with_whoever_started_it(url: str, sweeps: dict[str, Glance]) -> None:
    renderer = Renderer(url)
    renderer.made(sweeps["done"], "figures")
    process = process_of(renderer)
    renderer.close()
    assert not process.is_running()
    assert not renderer._thread.is_alive()
