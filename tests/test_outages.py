"""A database that cannot be reached, or is lost in the middle of a write: waited for, and written once."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import optuna
import psycopg
import pytest
from optuna.trial import TrialState
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from sweep.errors import NotFoundError, StorageError
from sweep.launch.inline import InlineLauncher
from sweep.records import VALIDATION
from sweep.run.events import Event, TrialDone, Trouble
from sweep.run.loop import run_sweep
from sweep.run.study import optuna_storage
from sweep.run.trials import REASON_ATTRIBUTE, StudyTrials
from sweep.space.proposer import Proposer
from sweep.store import patience
from sweep.store.failures import UnreachableError, translated
from sweep.store.patience import Outage
from sweep.store.rows import RungDecision
from sweep.store.store import Store
from tests import scratch
from tests.postgres import prepared
from tests.proxy import Proxy, proxy
from tests.small_sweep import assert_complete, assert_same, small_spec, what_is_left
from tests.test_store import DATASET, NEW, confirmed, hyperparameters, result, stopped

Lost = Literal["question", "answer"]


# --- patience ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts a hundredth of a second apart, by a clock that goes while it is slept, and not otherwise."""
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.005)
    monkeypatch.setattr(patience, "MOST_SECONDS", 0.01)
    now = 1000.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += max(seconds, 1e-6)

    monkeypatch.setattr(patience, "monotonic", lambda: now)
    monkeypatch.setattr(patience, "sleep", sleep)


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: float) -> None:
        self.failures, self.attempts = failures, 0

    def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise UnreachableError("the database x cannot be used: connection refused")
        return "answer"


@pytest.mark.usefixtures("quick")
class TestOutage:
    def test_it_is_waited_for_and_told(self) -> None:
        flaky, said = Flaky(5), list[str]()
        assert Outage("x").outlast(flaky, 60, said.append) == "answer"
        assert flaky.attempts == 6
        assert said[0] == "the database x cannot be used: connection refused; waiting for it, 1 min at most"
        assert [one.partition(" 0.")[0] for one in said[1:]] == ["the database x is back after"]

    def test_now_and_then_it_is_told_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "SAY_SECONDS", 0.03)
        said = list[str]()
        Outage("x").outlast(Flaky(20), 60, said.append)
        assert 2 <= sum("still waiting for the database x" in one for one in said) < 15

    def test_without_patience_it_is_an_error_at_once(self) -> None:
        flaky, said = Flaky(1), list[str]()
        with pytest.raises(UnreachableError, match=r"refused$") as caught:
            Outage("x").outlast(flaky, 0, said.append)
        assert (flaky.attempts, said, caught.value.exit_status) == (1, [], 2)

    def test_patience_is_that_with_an_outage_not_with_a_call(self) -> None:
        outage, flaky = Outage("x"), Flaky(float("inf"))
        with pytest.raises(UnreachableError, match=r"refused; waited 0\.1 s for it") as caught:
            outage.outlast(flaky, 0.1, lambda _: None)
        assert caught.value.exit_status == 1  # nothing that was asked for was wrong
        before = flaky.attempts
        assert before > 3
        with pytest.raises(UnreachableError):
            outage.outlast(flaky, 0.1, lambda _: None)
        assert flaky.attempts == before + 1
        flaky.failures = 0
        outage.outlast(flaky, 0.1, lambda _: None)
        assert outage.outlast(Flaky(3), 60, lambda _: None) == "answer"

    def test_who_is_told_may_end_it(self) -> None:
        def stop(_: str) -> None:
            raise KeyboardInterrupt

        flaky = Flaky(float("inf"))
        with pytest.raises(KeyboardInterrupt):
            Outage("x").outlast(flaky, 60, stop)
        assert flaky.attempts == 1

    def test_another_error_is_an_answer(self) -> None:
        def fail() -> None:
            raise NotFoundError("no sweep")

        with pytest.raises(NotFoundError):
            Outage("x").outlast(fail, 60, lambda _: None)


# --- what is waited for -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_only_what_may_pass_is_waited_for(postgres_url: str, postgres_server: Path, tmp_path: Path) -> None:
    Store.open(postgres_url, create=True).close()
    for change, passes in (
        ({"database": "nowhere"}, False),
        ({"username": "nobody_here"}, False),
        ({"query": {"host": str(tmp_path)}}, True),
        ({"host": "127.0.0.1", "port": 1, "query": {}}, True),
    ):
        url = make_url(postgres_url).set(**change)
        with pytest.raises(StorageError) as caught:
            Store.open(url.render_as_string(hide_password=False))
        assert isinstance(caught.value, UnreachableError) == passes, caught.value

    with Store.open(postgres_url) as store:
        store.patience = 60.0
        with pytest.raises(StorageError, match="does not exist") as caught:
            store._read(lambda session: session.execute(text("SELECT * FROM nothing_there")))
        assert not isinstance(caught.value, UnreachableError)


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03", "53300", "40001", "40P01", "08006"])
@pytest.mark.usefixtures("quick")
def test_what_the_server_ends_is_done_again(postgres_url: str, code: str) -> None:
    attempts = 0

    def change(session: Session) -> str:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{code}'; END $$"))
        return "done"

    with Store.open(postgres_url, create=True) as store:
        store.patience = 60.0
        assert store._write(change) == "done"
    assert attempts == 3


def test_connections_that_are_all_in_use_may_be_free_soon() -> None:
    pool = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01).pool
    url = make_url("postgresql+psycopg://ann:secret@here/sweeps")
    with closing(pool.connect()), pytest.raises(UnreachableError, match="are busy") as error, translated(url):
        pool.connect()
    assert "secret" not in str(error.value)
    pool.dispose()


def test_an_idle_connection_that_was_ended_is_noticed_before_it_is_used(
    postgres_url: str, postgres_server: Path
) -> None:
    """Without patience: a reading command does not stumble over a server that was restarted a minute ago."""
    with Store.open(postgres_url, create=True) as store, optuna_storage(store) as tables:
        assert (store.sweeps(), tables.get_all_studies()) == ([], [])
        with psycopg.connect(host=str(postgres_server), user="postgres", autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                [make_url(postgres_url).database],
            )
        assert (store.sweeps(), tables.get_all_studies()) == ([], [])


def test_connections_have_a_name_and_end_when_the_network_does(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"keepalives_idle": "10", "tcp_user_timeout": "30000", "connect_timeout": "10"}
    with Store.open(postgres_url, create=True) as store, optuna_storage(store) as tables:
        for engine in (store._engine, tables.engine):
            with engine.connect() as connection:
                driver: Any = connection.connection.dbapi_connection
                assert wanted.items() <= driver.info.get_parameters().items()
                assert connection.scalar(text("SHOW application_name")) == "sweep"
    own = f"{postgres_url}&application_name=mine&tcp_user_timeout=5000"
    with Store.open(own) as store, store._engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver.info.get_parameters()["tcp_user_timeout"] == "5000"
        assert connection.scalar(text("SHOW application_name")) == "mine"


# --- lost on the way --------------------------------------------------------------------------------------------------


@pytest.fixture
def way(postgres_url: str, postgres_server: Path) -> Iterator[tuple[Proxy, str]]:
    """A way to a fresh database that can be cut, and the URL by it."""
    short = scratch.folder("proxy")
    with short as folder, proxy(postgres_server, Path(folder)) as cut:
        yield cut, make_url(postgres_url).update_query_dict({"host": folder}).render_as_string()


def _rung(store: Store, key: str) -> None:
    store.save_rung(key, [RungDecision(5, 10, 0.5, kept=False)], [(hyperparameters(5), stopped(5))])


WRITES: dict[str, tuple[Callable[[Store, str], Any], Callable[[Store, str], Any], Any]] = {
    # What is written, what is read then, and what that gives.
    "create_sweep": (
        lambda store, _: store.create_sweep(replace(NEW, name="other"), DATASET),
        lambda store, _: [one.name for one in store.sweeps()],
        ["one", "other"],
    ),
    "update_trials_budget": (
        lambda store, key: store.update_trials_budget(key, 200),
        lambda store, _: [one.trials for one in store.sweeps()],
        [200],
    ),
    "delete_sweep": (
        lambda store, key: store.delete_sweep(key),
        lambda store, _: store._read(lambda session: session.scalar(text("SELECT count(*) FROM sweep_datasets"))),
        0,
    ),
    "save_rung": (_rung, lambda store, key: [one.trial for one in store.rungs(key)], [5]),
    "save_artifact": (
        lambda store, key: store.save_artifact(key, "a", b"a", "text/plain"),
        lambda store, key: store.artifact(key, "a")[1],
        b"a",
    ),
    "save_confirmed": (
        lambda store, key: store.save_confirmed(key, [confirmed(0)]),
        lambda store, key: [set(repeats) for repeats in store.confirmed_repeats(key).values()],
        [{0}],
    ),
    "save_answer": (
        lambda store, key: store.save_answer(key, "ab", 20, {}),
        lambda store, key: [one.repeats for one in store.answers(key)],
        [20],
    ),
}


@pytest.mark.parametrize("lost", ["question", "answer"])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.usefixtures("quick")
def test_a_write_that_was_lost_on_the_way_is_done_once(way: tuple[Proxy, str], write: str, lost: Lost) -> None:
    change, read, expected = WRITES[write]
    cut, url = way
    said = list[str]()
    with Store.open(url, create=True) as store:
        key = store.create_sweep(NEW, DATASET)
        cut.lose(lost, times=2)
        with pytest.raises(UnreachableError):  # without patience
            store.update_trials_budget(key, NEW.trials)
        store.patience, store.on_wait = 60.0, said.append
        change(store, key)
        assert cut.lost == 2
        assert read(store, key) == expected
    assert [one.rpartition(" is back after ")[0] != "" for one in said] == [False, True]


@pytest.mark.parametrize("lost", ["question", "answer"])
@pytest.mark.usefixtures("quick")
def test_trials_stored_now_are_those_of_all_attempts(way: tuple[Proxy, str], lost: Lost) -> None:
    cut, url = way
    with Store.open(url, create=True) as store:
        store.patience = 60.0
        key = store.create_sweep(NEW, DATASET)
        store.save_trials(key, [(hyperparameters(1), result(1))])
        cut.lose(lost, times=3)
        block = [(hyperparameters(number), result(number)) for number in (0, 1, 2)]
        assert store.save_trials(key, block) == {0, 2}
        assert cut.lost == 3
        assert store.saved_numbers(key) == {0, 1, 2}
        assert store.fold_scores(key).scores[0, 0] == result(0).metrics[0, 0, VALIDATION, 1]


def test_the_fence_stands_before_each_attempt(way: tuple[Proxy, str]) -> None:
    cut, url = way
    fenced = list[str]()

    def fence(session: Session | Connection) -> None:
        fenced.append(session.scalar(text("SELECT name FROM sweep_sweeps")))
        if len(fenced) == 2:
            raise StorageError("the lease is lost")

    with Store.open(url, create=True) as store:
        key = store.create_sweep(NEW, DATASET)
        store.patience, store.fence = 60.0, fence
        cut.lose("question")
        with pytest.raises(StorageError, match="the lease is lost"):
            store.update_trials_budget(key, 999)
        assert fenced == ["one", "one"]
        assert [one.trials for one in store.sweeps()] == [NEW.trials]  # what the fence refuses is undone


@pytest.fixture
def study(way: tuple[Proxy, str], tmp_path: Path) -> Iterator[tuple[Proxy, StudyTrials, Any, list[int]]]:
    """Trials of a study, what proposes them, and how often was asked whether they may be written."""
    cut, url = way
    checks = list[int]()
    with Store.open(url, create=True) as store, optuna_storage(store) as tables:
        store.patience = 60.0
        made = optuna.create_study(storage=tables, study_name="small", direction="maximize")
        trials = StudyTrials(made, tables, store.shown, lambda: checks.append(1), store.patiently)
        yield cut, trials, Proposer(small_spec(tmp_path), "maximize"), checks


@pytest.mark.parametrize("lost", ["question", "answer"])
@pytest.mark.usefixtures("quick")
def test_what_is_told_the_study_is_told_once(study: tuple[Proxy, StudyTrials, Any, list[int]], lost: Lost) -> None:
    cut, trials, proposer, checks = study
    proposals = [proposer.propose(number) for number in range(4)]
    cut.lose(lost, times=2, after=b"INSERT INTO trials ")
    trials.add(proposals)
    assert cut.lost == 2
    assert [trial.params for trial in trials.all()] == [one.params for one in proposals]
    assert len(checks) == 6

    changes: list[tuple[Callable[[], Any], bytes, TrialState | None]] = [
        (lambda: trials.report(0, {1: 0.25, 2: 0.5}), b"INSERT INTO trial_intermediate_values", None),
        (lambda: trials.tell(0, 0.5, pruned=True), b"UPDATE trials", TrialState.PRUNED),
        (lambda: trials.tell(1, 0.75), b"UPDATE trials", TrialState.COMPLETE),
        (lambda: trials.fail(2, "it kills workers"), b"UPDATE trials", TrialState.FAIL),
    ]
    for change, words, state in changes:
        cut.lose(lost, after=words)
        told = change()
        assert cut.lost == 1
        assert (None if told is None else told.state) == state
    found = trials.all()
    assert [trial.state for trial in found] == [
        TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING
    ]  # fmt: skip
    assert found[0].intermediate_values == {1: 0.25, 2: 0.5}
    assert [trial.value for trial in found[:2]] == [0.5, 0.75]
    assert found[2].user_attrs == {REASON_ATTRIBUTE: "it kills workers"}


# --- a whole sweep ----------------------------------------------------------------------------------------------------


def test_a_server_restarted_in_the_middle_of_a_sweep_costs_waiting_alone(tmp_path: Path) -> None:
    """Twice, once killed; workers go on meanwhile."""
    spec = small_spec(tmp_path, "search.sampler=tpe", "search.trials=16", "search.batch=4", "space.placement=all")
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    run_sweep(spec, storage=undisturbed, launcher=InlineLauncher())

    with scratch.folder("restart") as folder:
        home = Path(folder)
        command = [*prepared(home), "-c", "synchronous_commit=on"]  # or a killed server forgets what it has confirmed
        servers = [_start(command, home)]
        said, done, restarts, over = list[str](), 0, list[threading.Thread](), threading.Event()

        def waits() -> int:
            return sum("waiting for it" in one for one in said)

        def restart(how: signal.Signals) -> None:
            before, end = waits(), time.monotonic() + 60
            servers[-1].send_signal(how)
            servers[-1].wait()
            while waits() == before and time.monotonic() < end:  # it is away until the sweep has met that
                time.sleep(0.02)
            servers.append(_start(command, home))
            over.wait()  # a server ends with the thread that started it

        def see(event: Event) -> None:
            nonlocal done
            if isinstance(event, Trouble):
                said.append(event.said)
            if isinstance(event, TrialDone):
                done += 1
                if done in (3, 9):
                    how = signal.SIGINT if done == 3 else signal.SIGQUIT
                    restarts.append(threading.Thread(target=restart, args=[how]))
                    restarts[-1].start()

        storage = f"postgresql://postgres@/postgres?host={home}"
        try:
            run_sweep(spec, storage=storage, launcher=InlineLauncher(), on_event=see)
            left = what_is_left(storage)
        finally:
            over.set()
            for thread in restarts:
                thread.join()
            servers[-1].wait()
    assert_complete(left, 16)
    assert_same(left, what_is_left(undisturbed))
    assert len(restarts) == 2
    assert sum("waiting for it" in one for one in said) >= 2
    assert sum("is back after" in one for one in said) >= 2


def _start(command: list[str], home: Path) -> subprocess.Popen[bytes]:
    with (home / "log").open("a") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            psycopg.connect(host=str(home), user="postgres").close()
            return server
        except psycopg.OperationalError:
            time.sleep(0.02)
    raise RuntimeError((home / "log").read_text())
