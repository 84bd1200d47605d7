"""How far sweeps are, read once for all who ask, and as `sweep list` says it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from sqlalchemy import event

from sweep.analysis.status import statuses
from sweep.analysis.summary import summarise
from sweep.answer.choose import choice_among, choose
from sweep.answer.stored import known_answer
from sweep.operate import orders
from sweep.operate.overview import Glance, Leader, Overview
from sweep.run.study import optuna_storage
from sweep.service import snapshots
from sweep.service.problems import RefusedError
from sweep.service.snapshots import Snapshots
from sweep.store.failures import UnreachableError
from sweep.store.rows import NewOrder
from sweep.store.store import Store
from tests.service.served import delete_study, give_answer, make_sweeps
from tests.stored_sweep import fill


def order(name: str, trials: int = 12) -> NewOrder:
    definition = (
        f'format = 1\nname = "{name}"\n[data]\nsource = "made.csv"\ntarget = "y"\n[search]\ntrials = {trials}\n'
    )
    return NewOrder(
        name=name,
        definition=definition,
        priority=0,
        trials=trials,
        metric="accuracy",
        source="made.csv",
        data_hash=None,
        table_sha256=None,
    )


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    make_sweeps(storage_url)
    with Store.open(storage_url) as store:
        store.save_order(order("waits"), "queued")
        yield store


def named(overview: Overview) -> dict[str, Glance]:
    return {glance.status.name: glance for glance in overview.read()}


def test_all_sweeps_are_as_the_command_line_says(store: Store) -> None:
    overview = Overview(store)
    for _ in range(2):  # read, and remembered
        found = overview.read()
        assert tuple(glance.status for glance in found) == statuses(store)
    states = {glance.status.name: glance.status.state for glance in found}
    assert states == {"done": "done", "running": "running", "orphaned": "orphaned", "waits": "queued"}


@pytest.mark.parametrize(
    "fails",
    [
        *("heads", "leases", "orders", "sweeps", "trained_epochs_all", "leaders", "noted_studies", "study_trials"),
        *("answered", "answers_all", "artifacts_named", "jobs"),
    ],
)
def test_a_reading_that_fails_leaves_nothing_half_read(
    store: Store, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_answer(store, "done")
    wanted, overview = Overview(store).read(), Overview(store)

    def away(*_: object, **__: object) -> None:
        raise UnreachableError("the database cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(store, fails, away)
        with pytest.raises(UnreachableError):
            overview.read()
    assert overview.read() == wanted
    assert any(glance.answer for glance in wanted)


def test_the_best_of_each_placement_is_that_of_the_summary(store: Store) -> None:
    for name, glance in named(Overview(store)).items():
        if glance.key is not None:
            arms = summarise(store, name).arms
            assert glance.best == {
                arm.placement: Leader(
                    arm.best.number, arm.best.score, arm.best.diverged, arm.best.hyperparameters.dropout
                )
                for arm in arms
            }
            assert glance.maximize
        else:
            assert glance.best == {}


def test_what_changes_is_seen(store: Store, storage_url: str) -> None:
    overview = Overview(store)
    before = named(overview)
    store.set_order("waits", "paused")
    delete_study(store, "done")
    running = store.sweep("running")
    assert running is not None
    lease = store.lease(running.key)
    assert lease is not None
    store.release_lease(running.key, lease.holder.token)
    store.update_trials_budget(running.key, 20)
    fill(storage_url, "more", trials=3, budget=12)
    store.ask_job("answer", {}, sweep="running")
    after = named(overview)
    assert {name: glance.status.state for name, glance in after.items()} == {
        "waits": "paused",
        "done": "orphaned",
        "running": "paused",
        "orphaned": "orphaned",
        "more": "paused",
    }
    assert tuple(glance.status for glance in overview.read()) == statuses(store)
    assert after["running"].status.budget == 20
    assert [job.kind for job in after["running"].jobs] == ["answer"]
    assert not before["running"].jobs
    more = store.sweep("more")
    assert more is not None
    store.delete_sweep(more.key)
    assert "more" not in named(overview)


def test_trials_under_way_are_counted_anew(store: Store) -> None:
    overview = Overview(store)
    assert named(overview)["running"].status.counts.running == 2
    with optuna_storage(store) as storage:
        optuna.load_study(study_name="running", storage=storage).add_trial(create_trial(state=TrialState.RUNNING))
    assert named(overview)["running"].status.counts.running == 3  # though nothing was saved


def test_an_answer_is_shown_while_it_is_that_of_the_winners(store: Store) -> None:
    overview = Overview(store)
    said = named(overview)["done"].answer
    assert said is not None
    assert said.headline.startswith("Dropout on the inputs helps here")
    # The same choice by either way.
    summary = summarise(store, "done")
    assert known_answer(store, summary) is not None
    sweep = store.sweep("done")
    assert sweep is not None
    leaders = store.leaders([sweep.key], full=10, maximize=True, places=3)[sweep.key]
    assert choice_among({name: leaders[name] for name in summary.spec.space.placements}) == choose(summary)
    # More trials are wanted, so that it is not finished: no answer, until they are given up.
    orders.extend(store, "done", 20)
    assert named(overview)["done"].answer is None
    orders.rest(store, "done", "cancelled")
    assert named(overview)["done"].answer == said
    give_answer(store, "done")
    again = named(overview)["done"].answer
    assert again is not None
    assert again.created_at > said.created_at


def test_what_has_not_changed_is_not_read_again(store: Store) -> None:
    overview = Overview(store)
    overview.read()
    said: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    overview.read()
    tables = "sweep_trials", "definition, sweep_sweeps"
    assert not [query for query in said if any(table in query for table in tables)]
    assert len([query for query in said if query.startswith("SELECT")]) <= 8


def test_many_who_ask_at_once_are_answered_by_one_reading(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SECONDS", 3600.0)
    fill(sqlite_url, trials=2)
    readings, inside = [], threading.Event()
    with Store.open(sqlite_url) as store:
        known = Snapshots(store)
        read = known._overview.read

        def slow() -> tuple[Glance, ...]:
            readings.append(1)
            inside.wait(0.2)
            return read()

        monkeypatch.setattr(known._overview, "read", slow)
        threads = [threading.Thread(target=known.all) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(readings) == 1
        # Whoever changes something sees it: even if somebody was reading as it was changed.
        known.invalidate()
        known.all()
        assert len(readings) == 2
        monkeypatch.setattr(snapshots, "SECONDS", 0.0)
        known.all()
        assert len(readings) == 3


def test_an_outage_is_met_by_one_of_those_who_ask(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = []
    monkeypatch.setattr(snapshots, "SECONDS", 60.0)
    with Store.open(sqlite_url) as store:
        known = Snapshots(store)

        def away() -> tuple[Glance, ...]:
            readings.append(1)
            raise UnreachableError("it is away")

        with monkeypatch.context() as context:
            context.setattr(known._overview, "read", away)
            for _ in range(3):
                with pytest.raises(UnreachableError):
                    known.all()
        assert len(readings) == 1
        monkeypatch.setattr(snapshots, "SECONDS", 0.0)
        assert known.all() == {}


def test_a_sweep_that_was_made_elsewhere_is_found_at_once(sqlite_url: str, tmp_path: Path) -> None:
    fill(sqlite_url, trials=2)
    with Store.open(sqlite_url) as store:
        known = Snapshots(store)
        assert known.one("made").status.name == "made"
        store.save_order(order("new"), "queued")
        assert known.one("new").status.state == "queued"
        with pytest.raises(RefusedError, match="no sweep named other") as refused:
            known.one("other")
        assert refused.value.status == 404
