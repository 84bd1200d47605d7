"""Leases in the database: who has one, until when, and that nobody else writes meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from sweep.errors import BusyError, NotFoundError
from sweep.run.lease import this_process
from sweep.run.study import optuna_storage
from sweep.store import leases
from sweep.store.leases import fence, now
from sweep.store.store import Store
from tests.test_store import DATASET, NEW


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url, create=True) as opened:
        yield opened


@pytest.fixture
def key(store: Store) -> str:
    return store.create_sweep(NEW, DATASET)


def test_one_at_a_time(store: Store, key: str) -> None:
    assert store.lease(key) is None
    first, second = this_process(), this_process()
    taken = store.take_lease(key, first, 300.0)
    assert taken.holder == first
    assert 240 < taken.seconds_left <= 300
    assert abs(taken.acquired_at - time.time()) < 60  # seconds since the epoch
    assert store.take_lease(key, second, 30.0).holder == first
    assert store.leases().keys() == {key}
    store.release_lease(key, second.token)  # not its own
    assert store.take_lease(key, second, 30.0).holder == first
    store.release_lease(key, first.token)
    assert store.lease(key) is None
    assert store.take_lease(key, second, 30.0).holder == second


def test_an_expired_lease_is_taken_over_and_its_holder_notices(store: Store, key: str) -> None:
    first, second = this_process(), this_process()
    store.take_lease(key, first, 300.0)
    assert store.take_lease(key, second, 30.0).holder == first
    assert store.renew_lease(key, first.token, 0.2)
    time.sleep(0.25)
    lease = store.lease(key)
    assert lease is not None
    assert lease.seconds_left < 0
    assert store.renew_lease(key, first.token, 0.2)  # nobody was there meanwhile
    time.sleep(0.25)
    assert store.take_lease(key, second, 30.0).holder == second
    assert not store.renew_lease(key, first.token, 30.0)
    store.release_lease(key, first.token)
    lease = store.lease(key)
    assert lease is not None
    assert lease.holder == second


def test_renewing_puts_the_end_off(store: Store, key: str) -> None:
    own = this_process()
    begun = store.take_lease(key, own, 10.0)
    assert store.renew_lease(key, own.token, 300.0)
    lease = store.lease(key)
    assert lease is not None
    assert lease.seconds_left > 240
    assert lease.acquired_at == begun.acquired_at


def test_a_holder_known_to_be_dead_is_not_waited_for(store: Store, key: str) -> None:
    dead, alive, other = this_process(), this_process(), this_process()
    store.take_lease(key, dead, 30.0)
    assert store.take_lease(key, other, 30.0, after=alive.token).holder == dead  # somebody else's death
    assert store.take_lease(key, other, 30.0, after=dead.token).holder == other


def test_a_sweep_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no sweep with key"):
        store.take_lease("0" * 32, this_process(), 30.0)
    assert not store.renew_lease("0" * 32, "token", 30.0)


def test_a_lease_goes_with_its_sweep(store: Store, key: str) -> None:
    own = this_process()
    store.take_lease(key, own, 30.0)
    store.delete_sweep(key)
    assert store.leases() == {}
    assert not store.renew_lease(key, own.token, 30.0)


def test_whoever_lost_the_lease_cannot_write(store: Store, key: str) -> None:
    own, other = this_process(), this_process()
    store.take_lease(key, own, 0.1)
    store.fence = fence(key, own.token)
    store.update_trials_budget(key, 13)
    time.sleep(0.15)
    store.update_trials_budget(key, 14)  # expired, and nobody has taken it
    with store.again() as second:
        second.take_lease(key, other, 30.0)
    with pytest.raises(BusyError, match="taken over by another run"):
        store.update_trials_budget(key, 15)
    store.fence = None
    (sweep,) = store.sweeps()
    assert sweep.trials == 14


def test_a_takeover_waits_for_a_write_under_way(postgres_url: str) -> None:
    """On PostgreSQL a write that has passed its check is committed before anybody can take over."""
    with Store.open(postgres_url, create=True) as store, store.again() as second:
        key = store.create_sweep(NEW, DATASET)
        own, other = this_process(), this_process()
        store.take_lease(key, own, 0.05)
        time.sleep(0.1)
        checked, order = threading.Event(), []

        def take() -> None:
            checked.wait(60)
            second.take_lease(key, other, 30.0)
            order.append("taken")

        def slow(connection: Session | Connection) -> None:
            fence(key, own.token)(connection)
            checked.set()
            time.sleep(0.3)
            order.append("written")

        thread = threading.Thread(target=take)
        thread.start()
        store.fence = slow
        store.update_trials_budget(key, 15)
        thread.join()
        assert order == ["written", "taken"]


def test_a_takeover_does_not_wait_for_who_was_stopped_in_the_middle_of_a_write(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks would stay for as long as its connection does, which may be hours: the server ends the transaction."""
    monkeypatch.setattr(leases, "IDLE_SECONDS", 1)
    with Store.open(postgres_url, create=True) as store, store.again() as second:
        key = store.create_sweep(NEW, DATASET)
        own, other = this_process(), this_process()
        store.take_lease(key, own, 0.05)
        inside, taken = threading.Event(), threading.Event()

        def take() -> None:
            inside.wait(60)
            second.take_lease(key, other, 30.0)
            taken.set()

        def stopped(connection: Session | Connection) -> None:
            fence(key, own.token)(connection)
            inside.set()
            assert taken.wait(60)

        thread = threading.Thread(target=take)
        thread.start()
        store.fence, store.patience = stopped, 60.0
        with pytest.raises(BusyError, match="taken over by another run"):
            store.update_trials_budget(key, 15)
        thread.join()
        (sweep,) = second.sweeps()
        assert sweep.trials == NEW.trials


def test_optuna_cannot_write_either(store: Store, key: str) -> None:
    own, other = this_process(), this_process()
    with optuna_storage(store) as tables:
        study = tables.create_new_study([StudyDirection.MAXIMIZE], "fenced")
        store.take_lease(key, own, 0.1)
        store.fence = fence(key, own.token)
        with store.fenced():
            trial = tables.create_new_trial(study)
        time.sleep(0.15)
        with store.again() as second:
            second.take_lease(key, other, 30.0)
        for write in (
            partial(tables.create_new_trial, study),
            partial(tables.set_trial_state_values, trial, TrialState.COMPLETE, [1.0]),
        ):
            with pytest.raises(BusyError, match="taken over by another run"), store.fenced():
                write()
        assert [(one.number, one.state) for one in tables.get_all_trials(study)] == [(0, TrialState.RUNNING)]


def test_the_clock_is_that_of_the_database_and_goes_on_inside_a_transaction(postgres_url: str) -> None:
    with Store.open(postgres_url, create=True) as store:
        key = store.create_sweep(NEW, DATASET)
        own = this_process()
        store.take_lease(key, own, 1.0)

        def read_late(session: Session) -> float:
            frozen = session.execute(text("SELECT CAST(EXTRACT(EPOCH FROM now()) AS double precision)")).scalar_one()
            time.sleep(0.2)
            return float(session.scalars(select(now())).one() - frozen)

        assert store._read(read_late) >= 0.2
