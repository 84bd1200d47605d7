"""Several coordinators of one sweep: dead ones, stopped ones, and such that begin at the same moment."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from sweep.errors import BusyError, StoppedError
from sweep.launch.inline import InlineLauncher
from sweep.run import lease
from sweep.run.events import Event, Started, TrialDone, Trouble
from sweep.run.loop import run_sweep
from sweep.run.study import optuna_storage
from sweep.spec.model import SweepSpec
from sweep.store.leases import now
from sweep.store.models import Lease
from sweep.store.store import Store
from tests.faults.runs import started
from tests.operate.queued import looks_often
from tests.small_sweep import Left, assert_complete, assert_same, small_spec, what_is_left

TRIALS = 24


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> SweepSpec:
    changes = (f"search.trials={TRIALS}", "search.batch=3", "search.sampler=tpe", "search.lag=1")
    return small_spec(tmp_path_factory.mktemp("coordinators"), *changes)


@pytest.fixture(scope="module")
def undisturbed(spec: SweepSpec, tmp_path_factory: pytest.TempPathFactory) -> Left:
    storage = f"sqlite:///{tmp_path_factory.mktemp('undisturbed') / 'sweep.db'}"
    run_sweep(spec, storage=storage, launcher=InlineLauncher())
    return what_is_left(storage)


def held_by(storage: str) -> str | None:
    """Token of who has the only sweep."""
    with Store.open(storage) as store:
        return next((one.holder.token for one in store.leases().values()), None)


@pytest.mark.no_tables
def test_two_that_begin_at_once(spec: SweepSpec, undisturbed: Left, storage_url: str) -> None:
    # Whoever has it may stand for a while; the other one waits for its next renewal only.
    with (
        started(spec, storage_url, 10.0, held=False) as first,
        started(spec, storage_url, 10.0, held=False) as second,
    ):
        results = [first.result(), second.result()]
        pids = [first.pid, second.pid]
    kinds = sorted(kind for kind, _ in results)
    # The one that comes later finds a live holder, or all of it done.
    assert kinds in (["BusyError", "done"], ["done", "done"]), results
    if "BusyError" in kinds:
        loser = [kind for kind, _ in results].index("BusyError")
        assert f"is being run by process {pids[1 - loser]} on " in results[loser][1]
    assert sum(told for kind, told in results if kind == "done") == TRIALS
    assert_same(what_is_left(storage_url), undisturbed)
    assert held_by(storage_url) is None


def test_one_that_died_on_this_machine_is_not_waited_for(spec: SweepSpec, undisturbed: Left, sqlite_url: str) -> None:
    with started(spec, sqlite_url) as run:
        run.wait_for_events(4)
        run.send(signal.SIGKILL)
        run.process.join()
    assert held_by(sqlite_url) is not None
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Trouble):
            said.append(event.said)

    run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher(), on_event=listen)
    assert said == []
    assert_same(what_is_left(sqlite_url), undisturbed)


def test_one_that_died_elsewhere_is_waited_for(spec: SweepSpec, undisturbed: Left, postgres_url: str) -> None:
    with started(spec, postgres_url) as run:
        run.wait_for_events(4)
        run.send(signal.SIGKILL)
        run.process.join()
        pid = run.pid
    with Store.open(postgres_url) as store:
        elsewhere = {"machine": "another", "host": "far-away", "expires_at": now() + 4}
        store._write(lambda session: session.execute(update(Lease).values(elsewhere)))
        (left,) = store.leases().values()
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Trouble):
            said.append(event.said)
        elif isinstance(event, Started):
            with Store.open(postgres_url) as store:
                (taken,) = store.leases().values()
            assert taken.acquired_at >= left.expires_at

    run_sweep(spec, storage=postgres_url, launcher=InlineLauncher(), on_event=listen)
    assert f"waiting for process {pid} on far-away, which runs small or has died: at most " in said[0]
    assert_same(what_is_left(postgres_url), undisturbed)


def test_one_that_was_stopped_writes_no_more(spec: SweepSpec, undisturbed: Left, postgres_url: str) -> None:
    """As when a machine sleeps, or a network is cut: another one takes over, and the first notices when it wakes.

    Not on SQLite, where a process that is stopped in the middle of a write keeps the whole file locked.
    """
    with started(spec, postgres_url, 2.0) as first:
        first.wait_for_events(5)
        first.send(signal.SIGSTOP)
        token = held_by(postgres_url)
        with started(spec, postgres_url, 2.0) as second:
            second.wait_for_events(3)
            assert held_by(postgres_url) not in (token, None)
            first.go_on()
            first.send(signal.SIGCONT)
            kind, said = first.result()
            assert (kind, "taken over" in said) == ("BusyError", True), said
            second.go_on()
            told = second.result()
    assert told[0] == "done"
    assert_same(what_is_left(postgres_url), undisturbed)


class Robbed(InlineLauncher):
    """Whose lease is taken over by somebody else while it trains."""

    def __init__(self, storage: str) -> None:
        super().__init__()
        self._storage = storage
        self.before: list[object] = []

    def finished(self, waiting: object = None) -> object:  # type: ignore[override]
        for number, done in enumerate(super().finished()):
            if number == 1:
                with Store.open(self._storage) as store:
                    (key,) = store.leases()
                    store.take_lease(key, lease.this_process(), 60.0, after=held_by(self._storage))
                self.before = everything(self._storage)
            yield done


def everything(storage: str) -> list[object]:
    """What our tables and Optuna's hold of trials."""
    with Store.open(storage) as store, optuna_storage(store) as tables:
        (sweep,) = store.sweeps()
        trials = tables.get_all_trials(tables.get_study_id_from_name(sweep.name))
        return [store.trials(sweep.key), store.rungs(sweep.key), trials]


@pytest.mark.parametrize("pruner", ["none", "halving"])
def test_nothing_is_written_without_the_lease(spec: SweepSpec, storage_url: str, tmp_path: Path, pruner: str) -> None:
    changes = (f"search.pruner={pruner}", "training.epochs=4", "training.checkpoints=4", "search.batch=12")
    own = small_spec(tmp_path, *changes)
    robbed = Robbed(storage_url)
    with pytest.raises(BusyError, match=r"taken over"):
        run_sweep(own, storage=storage_url, launcher=robbed)
    assert robbed.before
    assert everything(storage_url) == robbed.before


def test_a_study_is_told_nothing_without_the_lease(
    spec: SweepSpec, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lost between two writes that belong together, before this run could notice: Optuna's transactions are fenced."""
    save = Store.save_trials

    def robbed(store: Store, key: str, *arguments: Any) -> None:
        save(store, key, *arguments)
        with Store.open(storage_url) as second:
            second.take_lease(key, lease.this_process(), 60.0, after=held_by(storage_url))

    monkeypatch.setattr(Store, "save_trials", robbed)
    with pytest.raises(BusyError, match="taken over by another run"):
        run_sweep(spec, storage=storage_url, launcher=InlineLauncher())
    assert set(what_is_left(storage_url).states) == {"RUNNING"}


def test_one_that_is_paused_stops_and_keeps_what_is_finished(
    spec: SweepSpec, undisturbed: Left, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweep.operate.orders import rest

    noticed = looks_often(monkeypatch)

    def pause(event: Event) -> None:
        if isinstance(event, TrialDone) and event.finished == 6:
            with Store.open(sqlite_url) as store:
                assert "stops within seconds" in rest(store, "small", "paused")
            assert noticed.wait(60)

    with pytest.raises(StoppedError, match=r"^the sweep small was paused: \d+ of 24 trials are finished"):
        run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher(), on_event=pause)
    assert held_by(sqlite_url) is None
    run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher())  # said by hand: goes on
    left = what_is_left(sqlite_url)
    assert_complete(left, TRIALS)
    assert_same(left, undisturbed)
