"""What a service and its runners keep in the store: uploads, jobs, logs, who is at work. On SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from sweep.errors import NotFoundError, StorageError
from sweep.run.lease import this_process
from sweep.store import jobs, logbook, patience, presence
from sweep.store.service_rows import JobFile, JobKind, JobRecord
from sweep.store.store import Store
from tests import scratch
from tests.proxy import Proxy, proxy
from tests.test_orders import ORDER, SHA256, TABLE
from tests.test_store import DATASET, NEW

KINDS: tuple[JobKind, ...] = ("estimate", "export", "fit")
ANSWER: tuple[JobKind, ...] = ("answer",)
FILE = JobFile("one.toml", "application/toml", b'name = "one"\n')


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url, create=True) as store:
        yield store


def tables(store: Store) -> list[str]:
    return store._read(lambda session: list(session.scalars(text("SELECT sha256 FROM sweep_tables"))))


def lapsed(store: Store, token: str) -> JobRecord:
    """Takes a job whose lease is over at once."""
    job = store.take_job(KINDS, token, 0.0)
    assert job is not None
    return job


def found(store: Store, job: JobRecord) -> JobRecord:
    record = store.job(job.id)
    assert record is not None
    return record


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_from_its_question_to_its_file(store: Store) -> None:
    asked = store.ask_job("export", {"format": "toml", "ensemble": None}, sweep="one", key="a" * 64)
    assert (asked.state, asked.attempts, asked.request) == ("queued", 0, {"format": "toml", "ensemble": None})
    assert store.take_job(("answer", "estimate"), "t", 30.0) is None
    taken = store.take_job(KINDS, "t", 30.0)
    assert taken is not None
    assert (taken.id, taken.state, taken.attempts) == (asked.id, "running", 1)
    assert store.take_job(KINDS, "t", 30.0) == taken  # whoever did not hear it asks again
    assert store.take_job(KINDS, "u", 30.0) is None
    assert store.renew_job(asked.id, "t", 30.0, "3 of 4 \0\udc80 epochs")
    assert found(store, asked).progress == "3 of 4 �? epochs"
    with pytest.raises(NotFoundError, match=f"no file of job {asked.id}"):
        store.job_file(asked.id)
    assert store.finish_job(asked.id, "t", {"format": "toml"}, FILE)
    done = found(store, asked)
    assert (done.state, done.result, done.file_name, done.media_type) == ("done", {"format": "toml"}, *_named(FILE))
    assert done.sha256 == hashlib.sha256(FILE.content).hexdigest()
    assert store.job_file(asked.id) == FILE
    assert [job.id for job in store.jobs(sweep="one", states=["done"])] == [asked.id]
    assert store.jobs(sweep="two") == store.jobs(states=["queued", "running"]) == []


def _named(file: JobFile) -> tuple[str, str]:
    return file.name, file.media_type


def test_the_same_question_is_the_same_job_until_it_fails(store: Store) -> None:
    first = store.ask_job("fit", {"trial": 1}, sweep="one", key="k")
    assert store.ask_job("fit", {"trial": 2}, sweep="two", key="k") == first
    store.take_job(KINDS, "t", 30.0)
    assert store.ask_job("fit", {"trial": 1}, key="k").state == "running"
    assert store.fail_job(first.id, "t", "no room\0")
    assert (found(store, first).state, found(store, first).reason) == ("failed", "no room�")
    again = store.ask_job("fit", {"trial": 1}, key="k")
    assert (again.id, again.state, again.attempts, again.reason) == (first.id, "queued", 0, None)
    store.take_job(KINDS, "t", 30.0)
    store.finish_job(first.id, "t", {})
    assert store.ask_job("fit", {"trial": 1}, key="k").state == "done"
    assert store.ask_job("fit", {}).id != store.ask_job("fit", {}).id  # without a key each is its own


def together(*actions: Callable[[], object]) -> None:
    """Each in a thread, at the same time."""
    begin = threading.Barrier(len(actions), timeout=60)

    def act(action: Callable[[], object]) -> None:
        begin.wait()
        action()

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_several_ask_and_several_take_at_the_same_time(store: Store) -> None:
    """One job for a question, one taker for a job, however they race."""
    questions, taken, ids = range(8), list[tuple[int, str]](), list[str]()

    def ask(own: Store) -> None:
        ids.extend(own.ask_job("fit", {}, key=f"k{question}").id for question in questions)

    def take(own: Store, taker: int) -> None:
        for turn in range(20):
            if (job := own.take_job(KINDS, f"{taker}-{turn}", 30.0)) is not None:
                taken.append((taker, job.id))

    stores = [store, *(store.again() for _ in range(3))]
    together(*[partial(ask, own) for own in stores])
    assert len(ids) == 4 * len(questions)
    assert len(set(ids)) == len(store.jobs()) == len(questions)
    together(*[partial(take, own, at) for at, own in enumerate(stores)])
    assert Counter(job for _, job in taken) == dict.fromkeys(set(ids), 1)
    assert {job.attempts for job in store.jobs()} == {1}
    for own in stores[1:]:
        own.close()


def test_a_job_whose_worker_is_gone_is_taken_once_more_and_then_fails(store: Store) -> None:
    asked = store.ask_job("fit", {})
    later = store.ask_job("fit", {})
    assert lapsed(store, "t").id == asked.id
    assert store.renew_job(asked.id, "t", 0.0)  # nobody was there meanwhile
    second = lapsed(store, "u")
    assert (second.id, second.attempts) == (asked.id, jobs.MOST_ATTEMPTS)
    # Whoever had it before has lost it.
    assert not store.renew_job(asked.id, "t", 30.0)
    assert not store.finish_job(asked.id, "t", {"late": True}, FILE)
    assert not store.fail_job(asked.id, "t", "late")
    store.return_job(asked.id, "t")
    assert found(store, asked).attempts == 2
    third = store.take_job(KINDS, "v", 30.0)
    assert third is not None
    assert third.id == later.id
    failed = found(store, asked)
    assert (failed.state, failed.reason) == ("failed", "whoever worked at it died, 2 times")
    assert not store.finish_job(asked.id, "u", {})


def test_a_job_that_is_given_back_is_as_it_was(store: Store) -> None:
    asked = store.ask_job("fit", {})
    store.ask_job("fit", {})
    for _ in range(3):
        assert lapsed(store, "t").id == asked.id
        store.renew_job(asked.id, "t", 30.0, "far")
        store.return_job(asked.id, "t")
        store.return_job(asked.id, "t")
        assert (found(store, asked).state, found(store, asked).attempts, found(store, asked).progress) == (
            "queued",
            0,
            None,
        )


def test_a_job_that_is_done_is_not_given_back(store: Store) -> None:
    """Whoever worked at it is interrupted just after."""
    asked = store.ask_job("fit", {})
    lapsed(store, "t")
    store.finish_job(asked.id, "t", {"rows": 3})
    store.return_job(asked.id, "t")
    assert (found(store, asked).state, found(store, asked).attempts) == ("done", 1)


def test_a_look_at_nothing_is_no_write(sqlite_url: str) -> None:
    """A clerk looks twice a second, and a sweep must not wait for that."""
    with Store.open(sqlite_url) as store, Store.open(sqlite_url) as other:
        store.ask_job("answer", {})
        with other._writer.begin():  # SQLite has one writer
            begin = time.monotonic()
            assert store.take_job(KINDS, "t", 30.0) is None
        assert time.monotonic() - begin < 10


def test_a_file_that_was_damaged_is_not_given(store: Store) -> None:
    asked = store.ask_job("export", {})
    store.take_job(KINDS, "t", 30.0)
    store.finish_job(asked.id, "t", {}, FILE)
    engine = create_engine(store.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweep_jobs SET bytes = :content"), {"content": b"other"})
    engine.dispose()
    with pytest.raises(StorageError, match="is damaged: its SHA-256 differs"):
        store.job_file(asked.id)


def test_jobs_that_ended_are_dropped(store: Store) -> None:
    old, new, waits = (store.ask_job("fit", {}, sweep=name) for name in ("one", "two", "one"))
    for job in (old, new):
        store.take_job(KINDS, job.id, 30.0)
        store.finish_job(job.id, job.id, {})
    store.drop_jobs(sweep="two", before=found(store, new).updated_at)
    store.drop_jobs(before=datetime.now(UTC) - timedelta(days=7))
    assert len(store.jobs()) == 3
    store.drop_jobs(before=found(store, new).updated_at)
    assert [job.id for job in store.jobs()] == [new.id, waits.id]
    store.drop_jobs(sweep="one")
    assert [job.id for job in store.jobs()] == [new.id]
    with pytest.raises(ValueError, match="must be said"):
        store.drop_jobs()


# --- uploads ----------------------------------------------------------------------------------------------------------


def test_an_upload_and_its_table(store: Store) -> None:
    saved = store.save_upload("sonar é.csv", 1234, TABLE, {"rows": 3})
    other = store.save_upload("again.csv", 1000, TABLE, {})
    assert store.upload(saved.id) == saved
    assert (store.uploads(), store.uploaded_bytes()) == ([saved, other], 1234)  # it is stored once
    assert (saved.table_sha256, store.stored_table(SHA256)) == (SHA256, TABLE)
    assert store.upload("nothing") is None


def test_a_table_is_kept_as_long_as_something_needs_it(store: Store) -> None:
    first, second = store.save_upload("a.csv", 1, TABLE, {}), store.save_upload("b.csv", 1, TABLE, {})
    order = store.save_order(ORDER, "queued")
    store.delete_upload(first.id)
    store.drop_uploads(datetime.now(UTC))  # a sweep is on its table
    assert store.uploads() == [second]
    store.delete_order("one", order.revision)
    assert tables(store) == [SHA256]
    store.drop_uploads(second.created_at)
    assert store.uploads() == [second]
    store.drop_uploads(datetime.now(UTC))
    assert (store.uploads(), tables(store)) == ([], [])
    assert store.uploaded_bytes() == 0


def test_a_table_that_is_handed_in_while_it_is_dropped_is_there(store: Store) -> None:
    """Whoever was told that a table is stored finds it."""
    with store.again() as other:
        for _ in range(10):
            old = store.save_upload("a.csv", 1, TABLE, {})
            together(partial(store.delete_upload, old.id), partial(other.save_upload, "b.csv", 1, TABLE, {}))
            (new,) = store.uploads()
            assert store.stored_table(new.table_sha256) == TABLE
            store.delete_upload(new.id)
    assert tables(store) == []


# --- logs -------------------------------------------------------------------------------------------------------------


def test_the_log_of_a_sweep(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "MOST_LINES", 5)
    store.save_order(ORDER, "queued", TABLE)
    store.save_order(replace(ORDER, name="two"), "queued")
    store.log("two", "queued")
    store.log("one", "trial 3 diverged \0", "warning", 3)
    (line,) = store.log_lines("one")
    assert (line.level, line.trial, line.said) == ("warning", 3, "trial 3 diverged �")
    for number in range(7):
        store.log("one", f"line {number}")
    kept = store.log_lines("one")
    assert [one.said for one in kept] == [f"line {number}" for number in range(2, 7)]
    assert [one.said for one in store.log_lines("one", kept[1].id, 2)] == ["line 5", "line 6"]
    assert store.log_lines("one", kept[-1].id) == []
    assert len(store.log_lines("two")) == 1  # others do not lose theirs
    store.drop_log("one")
    assert (store.log_lines("one"), len(store.log_lines("two"))) == ([], 1)


def test_no_line_has_an_id_that_another_one_had(store: Store) -> None:
    """Whoever has heard of a sweep up to an id hears of another one of its name from there on."""
    store.save_order(ORDER, "queued", TABLE)
    store.log("one", "queued")
    (before,) = store.log_lines("one")
    store.drop_log("one")
    store.log("one", "queued again")
    assert [line.said for line in store.log_lines("one", before.id)] == ["queued again"]


def test_lines_are_seen_in_the_order_of_their_ids(postgres_url: str) -> None:
    """One that is being written, and has its id already, holds up those that come after it."""
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    held = text(" AND ".join(("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "NOT granted", here)))
    with Store.open(postgres_url, create=True) as store:
        store.save_order(ORDER, "queued", TABLE)
        store.save_order(replace(ORDER, name="two"), "queued")
        store._write(lambda session: [session.execute(text(step)) for step in _SLOW])
        engine = create_engine(store.url)
        threads = [threading.Thread(target=store.log, args=("one", said)) for said in ("slow", "quick")]
        with engine.connect() as other, engine.connect() as looking:
            other.execute(text("SELECT pg_advisory_lock(1)"))
            for waiting, thread in enumerate(threads, 1):
                thread.start()
                deadline = time.monotonic() + 60
                while looking.execute(held).scalar() != waiting and thread.is_alive():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            store.log("two", "another log")  # which waits for nobody
            heard = store.log_lines("one")
            other.execute(text("SELECT pg_advisory_unlock(1)"))
            for thread in threads:
                thread.join(60)
        engine.dispose()
        heard += store.log_lines("one", heard[-1].id if heard else 0)
        assert [line.said for line in heard] == ["slow", "quick"]


# Who writes such a line waits, with its id, for whoever has the lock.
_SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN IF NEW.said = 'slow' THEN PERFORM pg_advisory_xact_lock(1); "
    "END IF; RETURN NEW; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER slow AFTER INSERT ON sweep_log FOR EACH ROW EXECUTE FUNCTION slow()",
)


def test_nothing_is_left_of_a_sweep_that_is_gone(store: Store) -> None:
    """Its log and its jobs go with the last that is known of it, and nobody adds to them afterwards."""
    store.log("one", "nobody knows it")
    order, key = store.save_order(ORDER, "queued", TABLE), store.create_sweep(NEW, DATASET)
    assert NEW.name == "one"
    store.log("one", "begins")
    store.ask_job("fit", {}, sweep="one")
    other = store.ask_job("fit", {}, sweep="two")
    store.delete_order("one", order.revision)
    store.log("one", "goes on")  # the sweep is there
    assert [line.said for line in store.log_lines("one")] == ["begins", "goes on"]
    order = store.save_order(ORDER, "queued", TABLE)
    store.delete_sweep(key)
    store.delete_order("one", order.revision + 1)  # somebody wants it again
    assert (len(store.log_lines("one")), len(store.jobs(sweep="one"))) == (2, 1)
    store.delete_order("one", order.revision)
    store.log("one", "a last word of whoever ran it")
    assert (store.log_lines("one"), store.jobs()) == ([], [other])


def test_a_line_that_is_being_written_goes_too(store: Store) -> None:
    with store.again() as other:
        for _ in range(15):
            order = store.save_order(ORDER, "queued", TABLE)
            together(partial(store.delete_order, "one", order.revision), partial(other.log, "one", "stops"))
            assert store.log_lines("one") == []


# --- who is at work ---------------------------------------------------------------------------------------------------


def test_runners_say_that_they_are_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = this_process(), this_process()
    store.runner_seen(first, "local", None)
    store.runner_seen(second, "tcp://host:8786", "one")
    store.runner_seen(first, "local", "two")
    seen = store.runners()
    assert [(one.workers, one.doing) for one in seen] == [("local", "two"), ("tcp://host:8786", "one")]
    assert all((one.host, one.pid) == (first.host, first.pid) for one in seen)
    assert all(0 <= one.silent <= one.up < 30 for one in seen)
    store.runner_gone(second.token)
    assert [one.doing for one in store.runners()] == ["two"]
    monkeypatch.setattr(presence, "FORGET_SECONDS", -1.0)
    assert store.runners() == []


# --- lost on the way --------------------------------------------------------------------------------------------------


@pytest.fixture
def way(postgres_url: str, postgres_server: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, str]]:
    """A way to a fresh database that can be cut, and the URL by it."""
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.005)
    short = scratch.folder("proxy")
    with short as folder, proxy(postgres_server, Path(folder)) as cut:
        yield cut, make_url(postgres_url).update_query_dict({"host": folder}).render_as_string()


def _state(store: Store) -> Any:
    return [(job.state, job.attempts) for job in store.jobs()]


WRITES: dict[str, tuple[Callable[[Store], Any], Callable[[Store], Any], Any]] = {
    # What is written, what is read then, and what that gives. One job is there, taken by "mine".
    "ask_job": (lambda store: store.ask_job("fit", {}), _state, [("running", 1), ("queued", 0)]),
    "take_job": (lambda store: store.take_job(ANSWER, "t", 30.0), _state, [("running", 1)]),
    "finish_job": (lambda store: store.finish_job(_only(store), "mine", {}, FILE), _state, [("done", 1)]),
    "return_job": (lambda store: store.return_job(_only(store), "mine"), _state, [("queued", 0)]),
    "save_upload": (
        lambda store: store.save_upload("a.csv", 7, TABLE, {}),
        lambda store: ([one.size for one in store.uploads()], tables(store)),
        ([7], [SHA256]),
    ),
}


def _only(store: Store) -> str:
    (job,) = store.jobs()
    return job.id


@pytest.mark.parametrize("write", WRITES)
def test_a_write_whose_answer_is_lost_is_done_once(way: tuple[Proxy, str], write: str) -> None:
    change, read, expected = WRITES[write]
    cut, url = way
    with Store.open(url, create=True) as store:
        kind: JobKind = "answer" if write == "take_job" else "fit"
        asked = store.ask_job(kind, {})
        if write != "take_job":
            store.take_job(KINDS, "mine", 30.0)
        store.patience = 60.0
        cut.lose("answer", times=2)
        given = change(store)
        assert cut.lost == 2
        assert read(store) == expected
        if write == "take_job":
            assert given.id == asked.id
        if write == "finish_job":
            assert given is True
