"""The clerk: real processes, whatever the jobs do and whoever is killed; and what it really does for a sweep."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sweep.commands.clerk import duties as runner_duties
from sweep.commands.export import exported
from sweep.launch import forkserver
from sweep.model.folder import read_model
from sweep.operate import clerk as module
from sweep.operate import jobs
from sweep.operate.clerk import LANES, Clerk, ClerkProcess
from sweep.operate.errand import Done
from sweep.spec.toml import to_toml
from sweep.store.failures import UnreachableError
from sweep.store.service_rows import JobKind, JobRecord
from sweep.store.store import Store
from sweep.tables.packed import pack
from tests.operate import duties
from tests.operate.queued import FEW, queue, work
from tests.processes import alive, wait_until_gone
from tests.small_sweep import small_spec

BUG = "(a bug in sweep; the log of the runner has more)"

EXPORTS: tuple[JobKind, ...] = ("export",)


def wait_for(what: Callable[[], object], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(store: Store, job: JobRecord) -> JobRecord:
    """A job, once it is done or has failed."""
    wait_for(lambda: found(store, job).state in ("done", "failed"))
    return found(store, job)


def found(store: Store, job: JobRecord) -> JobRecord:
    record = store.job(job.id)
    assert record is not None
    return record


def expires_at(store: Store, job: JobRecord) -> str:
    """When the lease of a job ends."""
    engine = create_engine(store.url)
    with engine.connect() as connection:
        end = connection.scalar(text("SELECT expires_at FROM sweep_jobs WHERE id = :id"), {"id": job.id})
    engine.dispose()
    assert end is not None
    return str(end)


def ask(store: Store, how: str, kind: JobKind = "export", at: Path | None = None) -> JobRecord:
    return store.ask_job(kind, {"how": how, **({} if at is None else {"at": str(at)})}, sweep="one")


def at_work(folder: Path) -> int:
    """The process that is at a job, once there is one."""
    wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    return int((folder / "pid").read_text())


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    with Store.open(postgres_url) as store:
        yield store


def test_whatever_a_job_does_ends_that_job_alone(store: Store, postgres_url: str, tmp_path: Path) -> None:
    reasons = {
        "mistake": "the table must have rows",
        "bug": f"ZeroDivisionError {BUG}",
        "dies": "the process that was at it was ended by SIGKILL; most likely there was not enough memory",
        "ends": "the process that was at it ended with status 3 (the log of the runner may have more)",
        "nan": f"ValueError {BUG}",
        "greedy": "there was not enough memory for it",
    }
    asked = {how: ask(store, how) for how in ("well", *reasons)}
    hangs, quick = ask(store, "waits", "fit", tmp_path), ask(store, "well", "estimate")
    with ClerkProcess(postgres_url, duties.DUTIES):
        assert ended(store, quick).state == "done"  # it does not wait for the others
        for how, reason in reasons.items():
            job = ended(store, asked[how])
            assert (how, job.state, job.reason) == (how, "failed", reason)
        done = ended(store, asked["well"])
        assert (done.state, done.result, done.attempts) == ("done", {"rows": 3}, 1)
        assert store.job_file(done.id).content == b"content"
        given_up = ended(store, hangs)
        assert (given_up.state, given_up.reason) == ("failed", "it took longer than 5.0 s, and was given up")
        assert not wait_until_gone([at_work(tmp_path)], 10)
        assert ended(store, ask(store, "well")).state == "done"  # in the same lane


def test_a_clerk_that_is_killed_leaves_its_job_to_the_next(store: Store, postgres_url: str, tmp_path: Path) -> None:
    asked = ask(store, "waits", at=tmp_path)
    with ClerkProcess(postgres_url, duties.DUTIES, 6.0, 0.1) as clerk:
        worker, pid = at_work(tmp_path), clerk.pid
        wait_for(lambda: found(store, asked).progress == "waiting")
        before = expires_at(store, asked)
        wait_for(lambda: expires_at(store, asked) > before)  # the lease is renewed
        assert store.take_job(EXPORTS, "another", 30.0) is None
        assert found(store, asked).attempts == 1
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert not wait_until_gone([worker, pid], 30)  # nobody would take what it gives
        (tmp_path / "go").touch()
        done = ended(store, asked)
        assert clerk.pid != pid
    assert (done.state, done.attempts) == ("done", 2)


def test_a_clerk_that_cannot_be_started_is_no_harm(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and tried again: jobs wait meanwhile."""
    start, tries, allowed = forkserver.WorkerProcess.start, list[int](), threading.Event()

    def seldom(process: BaseProcess) -> None:
        tries.append(1)
        if not allowed.is_set():
            raise BlockingIOError(11, "Resource temporarily unavailable")
        start(process)

    monkeypatch.setattr(forkserver.WorkerProcess, "start", seldom)
    asked = ask(store, "well")
    with caplog.at_level("INFO"), ClerkProcess(postgres_url, duties.DUTIES, look=0.05):
        wait_for(lambda: len(tries) >= 3)
        assert found(store, asked).state == "queued"
        allowed.set()
        assert ended(store, asked).state == "done"
    assert [line.message for line in caplog.records if "clerk" in line.message] == [
        "the clerk cannot be started, what is asked waits: [Errno 11] Resource temporarily unavailable"
    ]


def test_a_clerk_that_ends_gives_its_job_back(store: Store, postgres_url: str, tmp_path: Path) -> None:
    asked = ask(store, "waits", at=tmp_path)
    with ClerkProcess(postgres_url, duties.DUTIES) as clerk:
        worker, pid = at_work(tmp_path), clerk.pid
        assert pid is not None
    assert not wait_until_gone([worker, pid], 0)
    assert (found(store, asked).state, found(store, asked).attempts) == ("queued", 0)
    assert clerk.pid is None


def test_a_job_that_is_deleted_is_not_gone_on_with(store: Store, postgres_url: str, tmp_path: Path) -> None:
    ask(store, "waits", at=tmp_path)
    with ClerkProcess(postgres_url, duties.DUTIES, 1.5) as clerk:
        worker = at_work(tmp_path)
        store.drop_jobs(sweep="one")
        assert not wait_until_gone([worker], 30)
        assert clerk.pid is not None
        assert alive(clerk.pid)


def test_old_jobs_and_uploads_are_dropped(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        old, new = ask(store, "well"), ask(store, "well")
        for job in (old, new):
            store.take_job(LANES[0] + LANES[1], job.id, 30.0)
            store.fail_job(job.id, job.id, "x")
        uploads = [store.save_upload(name, 1, name.encode(), {}) for name in ("old", "new")]
        engine, now = create_engine(store.url), datetime.now(UTC)
        with engine.begin() as connection:
            week, month = now - timedelta(days=7, seconds=5), now - timedelta(days=30, seconds=5)
            connection.execute(
                text("UPDATE sweep_jobs SET updated_at = :at WHERE id = :id"), {"at": f"{week:%F %T.%f}", "id": old.id}
            )
            connection.execute(
                text("UPDATE sweep_uploads SET created_at = :at WHERE name = 'old'"), {"at": f"{month:%F %T.%f}"}
            )
        engine.dispose()
        clerk = Clerk(sqlite_url, {})
        clerk._step()
        clerk._close()
        assert [job.id for job in store.jobs()] == [new.id]
        assert store.uploads() == uploads[1:]


class Ended:
    """An errand that has ended, and whose end is to be seen as long as it is there."""

    def __init__(self, *_: object) -> None:
        self._seen, sender = Pipe(duplex=False)
        sender.close()
        self.signs = [self._seen]

    def said(self) -> None:
        return None

    def outcome(self) -> Done:
        return Done({})

    def close(self) -> None:
        self._seen.close()


def test_what_cannot_be_delivered_is_waited_with(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away does not keep a processor busy."""
    monkeypatch.setattr(module, "Errand", Ended)
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.2)
    clerk, times = Clerk(sqlite_url, duties.DUTIES), []

    def opened() -> Store:
        times.append(time.monotonic())
        if len(times) > 3:
            raise KeyboardInterrupt
        raise UnreachableError("it is away")

    with Store.open(sqlite_url) as store:
        ask(store, "well")
        clerk._take(clerk._lanes[1])
        monkeypatch.setattr(clerk, "_opened", opened)
        with suppress(KeyboardInterrupt):
            clerk.run()
    assert times[2] - times[0] > 0.3


@pytest.mark.parametrize(("error", "state"), [(KeyboardInterrupt(), ("queued", 0)), (ValueError(), ("running", 1))])
def test_a_job_that_brings_clerks_down_counts_as_begun(
    error: BaseException, state: tuple[str, int], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Errand", Ended)
    clerk = Clerk(sqlite_url, duties.DUTIES)

    def failing(*_: object) -> None:
        raise error

    with Store.open(sqlite_url) as store:
        asked = ask(store, "well")
        monkeypatch.setattr(clerk, "_deliver", failing)
        with pytest.raises(type(error)):
            clerk.run()
        assert (found(store, asked).state, found(store, asked).attempts) == state


def test_a_lane_goes_on_after_no_process_could_be_started(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the database was away at that moment."""

    def refused(*_: object) -> None:
        raise BlockingIOError("too many processes")

    def lost(*_: object) -> None:
        raise UnreachableError("it is away")

    clerk = Clerk(sqlite_url, duties.DUTIES)
    with Store.open(sqlite_url) as store:
        first, second = ask(store, "well"), ask(store, "well")
        with monkeypatch.context() as context:
            context.setattr(module, "Errand", refused)
            context.setattr(Store, "return_job", lost)
            assert clerk._step() == module.AWAY_SECONDS
        monkeypatch.setattr(module, "Errand", Ended)
        clerk._step()
        assert [found(store, job).state for job in (first, second)] == ["running", "done"]
    clerk._give_back()


def test_what_a_sweep_is_asked_for(tmp_path: Path, sqlite_url: str) -> None:
    """By those who have nothing but the database: the table was handed in."""
    spec = queue(sqlite_url, tmp_path, *FEW)
    work(sqlite_url)
    table = pack(spec.data, None)
    assert table.content is not None
    (tmp_path / "table.csv").unlink()
    with Store.open(sqlite_url) as store, ClerkProcess(sqlite_url, runner_duties(3)):
        upload = store.save_upload("table.csv", 700, table.content, {})
        estimate = jobs.ask_estimate(store, to_toml(spec), upload.table_sha256)
        wrong = jobs.ask_estimate(store, 'name = "x"\n[data]\nsource = "x.csv"\n[space]\ndropout = 1.5\n', None)
        asked = {form: jobs.ask_export(store, "small", form) for form in ("toml", "sklearn", "onnx", "model")}
        asked["predictions"] = jobs.ask_export(store, "small", "predictions", trial=2)
        checked = ended(store, estimate).result
        assert checked is not None
        assert checked["table"]["rows"] == 30
        assert checked["estimate"]["seconds"] > 0
        assert checked["estimate"]["workers"] == 3
        assert checked["stored"] is None
        said = ended(store, wrong).result
        assert said == {"problems": [{"place": "space.dropout", "said": "must be below 1, however: 1.5"}]}
        files = {}
        for form, job in asked.items():
            assert ended(store, job).reason is None
            files[form] = store.job_file(job.id)
        assert {form: (file.name, file.media_type) for form, file in files.items()} == {
            "toml": ("small.toml", "application/toml"),
            "sklearn": ("small.py", "text/x-python"),
            "onnx": ("small.onnx", "application/octet-stream"),
            "model": ("small.zip", "application/zip"),
            "predictions": ("small.csv", "text/csv"),
        }
        assert files["toml"].content.decode() == exported(store, "small", "toml", None, 1, "-", shared=True)
        csv = exported(store, "small", "predictions", 2, 1, "small.csv")
        assert files["predictions"].content.decode() == csv
        zipfile.ZipFile(io.BytesIO(files["model"].content)).extractall(tmp_path)
        assert read_model(tmp_path / "small-model").name == "small"
        assert jobs.ask_export(store, "small", "toml").state == "done"  # not again


def test_a_definition_on_a_table_that_is_gone(sqlite_url: str, tmp_path: Path) -> None:
    spec = small_spec(tmp_path)
    with Store.open(sqlite_url) as store:
        asked = jobs.ask_estimate(store, to_toml(spec), "ab" * 32)
        with ClerkProcess(sqlite_url, runner_duties(None)):
            reason = ended(store, asked).reason
    assert reason is not None
    assert reason.startswith(f"no table {'ab' * 32} in ")
