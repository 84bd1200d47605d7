"""Answers between sweeps: taken, trained, given back and gone on with; and that a runner says that it is there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sweep.commands.answer import answer_sweep
from sweep.commands.progress import Saying
from sweep.errors import DataError, LaunchError
from sweep.launch.inline import InlineLauncher
from sweep.operate import answers, jobs
from sweep.operate.presence import Presence
from sweep.operate.runner import Runner
from sweep.run.events import Event, Started
from sweep.store.models import Job
from sweep.store.service_rows import JobRecord
from sweep.store.store import Store
from tests.command_line import Program, start
from tests.operate.queued import FEW, queue, work
from tests.operate.test_clerk import ended, wait_for
from tests.processes import children, wait_until_gone

Say = Callable[[str], None]


def answering(storage: str, told: list[str] | None = None) -> answers.Answer:
    """As a runner does, in this process."""

    def answer(job: JobRecord, say: Say) -> Mapping[str, Any]:
        def both(text: str) -> None:
            if told is not None:
                told.append(text)
            say(text)

        place: dict[str, Any] = {"cluster": "inline", "workers": None, "device": "cpu", "display": Saying(both)}
        return answer_sweep(str(job.sweep), storage, **job.request, **place).to_dict()

    return answer


def ask(storage: str, name: str = "small", repeats: int | None = 2) -> JobRecord:
    with Store.open(storage) as store:
        return jobs.ask_answer(store, name, repeats=repeats)


def found(storage: str, job: JobRecord) -> JobRecord:
    with Store.open(storage) as store:
        record = store.job(job.id)
    assert record is not None
    return record


@pytest.fixture
def done(tmp_path: Path, storage_url: str) -> str:
    """A database with a sweep that is done."""
    queue(storage_url, tmp_path, "search.trials=6", "training.epochs=2")
    work(storage_url)
    return storage_url


def test_an_answer_goes_before_the_next_sweep(done: str, tmp_path: Path) -> None:
    queue(done, tmp_path, "name=next", *FEW)
    queue(done, tmp_path, "name=last", *FEW)
    first, told = ask(done), list[str]()
    asked: list[JobRecord] = []

    def ask_meanwhile(event: Event) -> None:
        if isinstance(event, Started) and event.name == "next":
            asked.append(ask(done, repeats=3))

    said = work(done, on_event=ask_meanwhile, answer=answering(done, told))
    assert [line for line in said if line.endswith(("goes on", "is asked for", "answered"))] == [
        "small: its answer is asked for",
        "small: answered",
        "next: begins, or goes on",
        "small: its answer is asked for",
        "small: answered",
        "last: begins, or goes on",
    ]
    again = answer_sweep(
        "small",
        done,
        repeats=3,
        rules=False,
        nested=False,
        outer=None,
        cluster="inline",
        workers=None,
        device="cpu",
        display=Saying(told.append),
    )
    job = found(done, asked[0])
    assert (job.state, job.result) == ("done", json.loads(json.dumps(again.to_dict())))
    assert found(done, first).state == "done"
    assert ask(done).id == first.id
    runs = [text for text in told if text.endswith(" runs")]
    assert runs[0].startswith("0 of ")
    assert len({text.partition(" of ")[2] for text in runs}) == 2


def confirmed(storage: str) -> int:
    with Store.open(storage) as store:
        (sweep,) = store.sweeps()
        return sum(map(len, store.confirmed_repeats(sweep.key).values()))


def test_one_that_is_interrupted_goes_on_where_it_was(done: str) -> None:
    job, told = ask(done), list[str]()

    def interrupting(job: JobRecord, say: Say) -> Mapping[str, Any]:
        def stop(text: str) -> None:
            say(text)
            if text.endswith(" runs") and not text.startswith("0 of"):
                raise KeyboardInterrupt

        place: dict[str, Any] = {"cluster": "inline", "workers": None, "device": "cpu", "display": Saying(stop)}
        return answer_sweep(str(job.sweep), done, **job.request, **place).to_dict()

    with pytest.raises(KeyboardInterrupt):
        work(done, answer=interrupting)
    assert (found(done, job).state, found(done, job).attempts) == ("queued", 0)
    kept = confirmed(done)
    assert kept > 0
    work(done, answer=answering(done, told))
    assert found(done, job).state == "done"
    first = next(text for text in told if text.endswith(" runs"))
    assert first.startswith(f"{kept} of ")


def test_what_cannot_be_answered_says_why(tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    work(sqlite_url)
    gone = "data.source: no such file: "
    errors = iter([DataError(f"{gone}{tmp_path / 'table.csv'}"), ZeroDivisionError("of all things")])

    def wrong(_: JobRecord, __: Say) -> Mapping[str, Any]:
        raise next(errors)

    first, second = ask(sqlite_url, repeats=2), ask(sqlite_url, repeats=3)
    assert work(sqlite_url, answer=wrong)[1] == f"small: no answer: {gone}table.csv"
    # Whoever asked may be elsewhere, and sees no folder of this machine.
    assert (found(sqlite_url, first).state, found(sqlite_url, first).reason) == ("failed", f"{gone}table.csv")
    assert str(found(sqlite_url, second).reason).startswith("ZeroDivisionError (a bug in sweep")
    assert "Traceback" in caplog.text


def test_workers_that_are_lost_again_and_again_are_its_own_fault(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    work(sqlite_url)
    job, states = ask(sqlite_url), list[tuple[str, int]]()

    def lost(_: JobRecord, __: Say) -> Mapping[str, Any]:
        raise LaunchError("no worker is left")

    def pause(_: float) -> None:
        states.append((found(sqlite_url, job).state, found(sqlite_url, job).attempts))
        if states[-1][0] == "failed":
            raise KeyboardInterrupt

    monkeypatch.setattr("sweep.operate.runner.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        Runner(sqlite_url, InlineLauncher, lambda _: None, answer=lost).run()
    assert states == [("queued", 0), ("queued", 0), ("failed", 1)]
    assert found(sqlite_url, job).reason == "no worker is left (3 times)"


def test_one_that_nobody_asks_for_any_more_ends(done: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is worked at stays with who is at it, however long that takes: its lease is put off."""
    monkeypatch.setattr(answers, "RENEW_SECONDS", 0.05)
    job = ask(done)

    def expires(store: Store) -> float:
        return store._read(lambda session: session.scalars(select(Job.expires_at)).one())

    def slow(own: JobRecord, say: Say) -> Mapping[str, Any]:
        say("1 of 2 runs")
        with Store.open(done) as store:
            first = expires(store)
            wait_for(lambda: expires(store) > first)
            assert store.take_job(jobs.RUNNERS, "other", 30.0) is None
            assert found(done, own).progress == "1 of 2 runs"
            store.drop_jobs(sweep="small")
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                time.sleep(0.02)
                say("2 of 2 runs")
        raise AssertionError("nobody said that it is not asked for any more")

    said = work(done, answer=slow)
    assert said[-1] == "small: the answer is not asked for any more, or was taken over"
    with Store.open(done) as store:
        assert store.job(job.id) is None


# --- being there ------------------------------------------------------------------------------------------------------


def test_a_runner_says_that_it_is_there(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, *FEW)

    def seen() -> list[tuple[int, str, str | None]]:
        with Store.open(sqlite_url) as store:
            return [(one.pid, one.workers, one.doing) for one in store.runners()]

    during: list[Any] = []

    def look(event: Event) -> None:
        if isinstance(event, Started):
            wait_for(lambda: seen() == [(os.getpid(), "inline", "small")])
            during.extend(seen())

    Runner(sqlite_url, InlineLauncher, lambda _: None, look, where="inline").run(once=True)
    assert during
    assert seen() == []
    begin = time.monotonic()  # a database that is away is nothing that it waits for
    with Presence("postgresql+psycopg://ann:secret@/nothing?host=/nowhere", "inline") as there:
        there.doing("small")
    assert time.monotonic() - begin < 5


@pytest.fixture
def runner(small: Program) -> Iterator[tuple[str, Any]]:
    """A real runner with its clerk, on a database with a sweep that is done."""
    small("run", "small.toml", "--cluster", "inline")
    with start(small.folder, "runner", "--cluster", "inline", "--poll", "0.2") as process:
        yield f"sqlite:///{small.folder / 'sweep.db'}", process


def test_a_real_runner_and_its_clerk(runner: tuple[str, Any]) -> None:
    """They do what they are asked for, and nothing of them is left when the runner is killed."""
    storage, process = runner
    with Store.open(storage) as store:
        model, answer = jobs.ask_export(store, "small", "model"), jobs.ask_answer(store, "small", repeats=2)
        assert ended(store, model).reason is None
        result = ended(store, answer).result
        assert result is not None
        assert result["repeats"] == 2
        assert [one.pid for one in store.runners()] == [process.pid]
        below = children(process.pid)
        assert below
        process.kill()
        process.communicate(timeout=60)
        assert not wait_until_gone(below, 30)
        assert [one.pid for one in store.runners()] == [process.pid]  # who is killed says nothing
