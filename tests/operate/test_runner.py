"""The queue and its runner: real sweeps, trained in this process, on both databases; the program as real processes."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.errors import MismatchError, NotFoundError, StoppedError, UserError
from sweep.launch.base import Launcher
from sweep.launch.inline import InlineLauncher
from sweep.operate import orders
from sweep.operate.remove import delete
from sweep.operate.runner import Runner
from sweep.run.events import Event, Finished, Started
from sweep.run.loop import run_sweep
from sweep.store.rows import NewOrder
from sweep.store.store import Store
from sweep.tables import packed
from tests.forked import ForkedProgram, start_forked
from tests.operate.queued import (
    FEW,
    After,
    begun,
    log,
    looks_often,
    never,
    order,
    queue,
    rest,
    resume,
    status,
    undisturbed,
    work,
)
from tests.small_sweep import (
    Left,
    assert_complete,
    assert_same,
    small_spec,
    wait_for_trials,
    what_is_left,
    write_table,
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What twelve trials leave."""
    return undisturbed(tmp_path_factory.mktemp("expected"))


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What eighteen leave."""
    return undisturbed(tmp_path_factory.mktemp("larger"), "search.trials=18")


# --- what is taken ----------------------------------------------------------------------------------------------------


def test_a_queued_sweep_needs_nothing_but_the_database(tmp_path: Path, storage_url: str, expected: Left) -> None:
    queue(storage_url, tmp_path)
    waiting = status(storage_url)
    assert (waiting.state, waiting.budget, waiting.counts.finished) == ("queued", 12, 0)
    (tmp_path / "table.csv").unlink()
    assert work(storage_url) == ["small: begins, or goes on", "small: done, 12 of 12 trials are finished"]
    assert_same(what_is_left(storage_url), expected)
    assert (status(storage_url).state, order(storage_url).state) == ("done", "done")
    assert work(storage_url, workers=never) == []


def test_by_priority_and_then_by_age(tmp_path: Path, sqlite_url: str) -> None:
    for name, priority in (("b", 0), ("a", 0), ("late", -3), ("soon", 5)):
        queue(sqlite_url, tmp_path, f"name={name}", *FEW, priority=priority)
    assert begun(work(sqlite_url)) == ["soon", "b", "a", "late"]
    assert {status(sqlite_url, name).state for name in ("soon", "b", "a", "late")} == {"done"}


def test_what_comes_with_a_higher_priority_meanwhile_is_next(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, "name=a", *FEW)
    queue(sqlite_url, tmp_path, "name=b", *FEW)
    later = After(2, lambda: queue(sqlite_url, tmp_path, "name=c", *FEW, priority=1))
    assert begun(work(sqlite_url, on_event=once(later))) == ["a", "c", "b"]


def once(action: Callable[[Event], None]) -> Callable[[Event], None]:
    """For the first sweep only."""
    names: list[str] = []

    def act(event: Event) -> None:
        if isinstance(event, Started):
            names.append(event.name)
        if len(names) == 1:
            action(event)

    return act


def test_a_sweep_is_done_before_a_page_is_made_of_it(tmp_path: Path, sqlite_url: str) -> None:
    states: list[str] = []

    def page(event: Event) -> None:
        if isinstance(event, Finished):
            states.append(order(sqlite_url).state)

    queue(sqlite_url, tmp_path, *FEW)
    work(sqlite_url, on_event=page)
    assert states == ["done"]


def test_two_runners_share_the_queue(tmp_path: Path, storage_url: str) -> None:
    names = ["a", "b", "c", "d"]
    for name in names:
        queue(storage_url, tmp_path, f"name={name}", *FEW)
    both = threading.Barrier(2, timeout=60)
    said: tuple[list[str], list[str]] = [], []

    def run(own: list[str]) -> None:
        first = iter([True])

        def together(event: Event) -> None:
            if isinstance(event, Started) and next(first, False):
                both.wait()  # at work at the same time, each on its own

        Runner(storage_url, InlineLauncher, own.append, together, poll=0.05).run(once=True)

    threads = [threading.Thread(target=run, args=(own,)) for own in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not both.broken
    done = [re.findall(r"^(\w): done", "\n".join(own), re.MULTILINE) for own in said]
    assert all(done)
    assert sorted({*done[0], *done[1]}) == names
    for name in names:
        assert_complete(what_is_left(storage_url, name), 3)


def test_a_sweep_that_another_run_holds_is_left_alone(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, "name=held", *FEW, priority=1)
    queue(sqlite_url, tmp_path, "name=free", *FEW)
    said: list[str] = []

    def second(event: Event) -> None:
        if isinstance(event, Started):
            said.extend(work(sqlite_url))
            said.append(resume(sqlite_url, "held"))

    spec = small_spec(tmp_path, "name=held", *FEW)
    run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher(), on_event=second)
    assert begun(said) == ["free"]
    assert re.fullmatch(
        r"the sweep held is being run by process \d+ on \S+; if that stops, a `sweep runner` goes on", said[-1]
    )
    assert (order(sqlite_url, "held").state, status(sqlite_url, "held").state) == ("queued", "done")
    work(sqlite_url)
    assert order(sqlite_url, "held").state == "done"


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_table_that_has_changed_fails_and_the_next_sweep_runs(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.setattr(packed, "LARGEST", 0)  # so that runners read the file
        queue(postgres_url, tmp_path, "name=changed", *FEW, priority=1)
    wanted = order(postgres_url, "changed").data_hash
    write_table(tmp_path, seed=1)
    queue(postgres_url, tmp_path, "name=sound", *FEW)
    found = order(postgres_url, "sound").data_hash
    work(postgres_url)
    failed = status(postgres_url, "changed")
    reason = f"table.csv is not the table that was queued: its content was {wanted}, it is {found}"
    assert (failed.state, failed.reason) == ("failed", reason)  # others read it, too, and see no folder of this machine
    assert log(postgres_url, "changed")[-1] == f"failed: {reason}"
    assert status(postgres_url, "sound").state == "done"
    write_table(tmp_path)
    assert resume(postgres_url, "changed") == (
        "the sweep changed is queued for a `sweep runner` that can read table.csv, unchanged"
    )
    work(postgres_url)
    assert (status(postgres_url, "changed").state, status(postgres_url, "changed").reason) == ("done", None)
    with Store.open(postgres_url) as store:
        assert orders.extend(store, "changed", 6) == (
            "the sweep changed shall have 6 trials, 3 more than are finished: it is queued for a `sweep runner` that "
            "can read table.csv, unchanged"
        )
        assert orders.extend(store, "sound", 6).endswith("3 more than are finished: it is queued for a `sweep runner`")
    (tmp_path / "table.csv").unlink()
    work(postgres_url)
    gone = status(postgres_url, "changed")
    assert (gone.state, str(gone.reason).partition(" (")[0]) == ("failed", "data.source: no such file: table.csv")
    assert status(postgres_url, "sound").counts.finished == 6


def test_a_definition_that_cannot_be_read_fails(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    with Store.open(sqlite_url) as store:
        broken = {"definition": 'name = "small"\n[data]\nsource = 3\n', "name": "small"}
        fields = {name: getattr(order(sqlite_url), name) for name in NewOrder.__dataclass_fields__}
        store.save_order(NewOrder(**fields | broken), "queued")
    said = work(sqlite_url)
    assert "data.source" in str(status(sqlite_url).reason)
    assert said == [f"small: failed: {status(sqlite_url).reason}"]


def test_a_stored_sweep_of_another_definition_fails(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    run_sweep(small_spec(tmp_path, *FEW, "seed=4"), storage=sqlite_url, launcher=InlineLauncher())
    work(sqlite_url)
    assert "seed" in str(order(sqlite_url).reason)
    assert status(sqlite_url).state == "done"  # the other one is


# --- pausing, cancelling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_a_sweep_that_is_stopped_goes_on_where_it_was(
    state: orders.Rest, tmp_path: Path, storage_url: str, expected: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = looks_often(monkeypatch)
    queue(storage_url, tmp_path)
    answers: list[str] = []
    said = work(storage_url, on_event=After(4, lambda: answers.append(rest(storage_url, state)), noticed))
    stopped = status(storage_url)
    assert stopped.state == state
    assert 4 <= stopped.counts.finished < 12
    assert answers[0].startswith(f"the sweep small is {state}: process ")
    assert said[-1] == (
        f"the sweep small was {state}: {stopped.counts.finished} of 12 trials are finished; `sweep run` goes on"
    )
    assert rest(storage_url, state) == f"the sweep small is {state} already"
    assert work(storage_url, workers=never) == []
    assert resume(storage_url) == "the sweep small is queued for a `sweep runner`"
    work(storage_url)
    assert_same(what_is_left(storage_url), expected)


def test_pausing_one_that_is_resumed_before_it_stops(tmp_path: Path, sqlite_url: str, expected: Left) -> None:
    def hesitate() -> None:
        rest(sqlite_url, "paused")
        resume(sqlite_url)

    queue(sqlite_url, tmp_path)
    work(sqlite_url, on_event=After(2, hesitate))
    assert_same(what_is_left(sqlite_url), expected)


def test_one_that_was_only_ever_run_rests_too(
    tmp_path: Path, sqlite_url: str, expected: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec(tmp_path)
    stop = After(2, lambda: rest(sqlite_url, "paused"), looks_often(monkeypatch))
    with pytest.raises(StoppedError, match=r"small was paused: \d+ of 12 trials are finished; `sweep run` goes on"):
        run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher(), on_event=stop)
    assert status(sqlite_url).state == "paused"
    assert resume(sqlite_url).endswith("for a `sweep runner` that can read table.csv, unchanged")
    work(sqlite_url)
    assert_same(what_is_left(sqlite_url), expected)


def test_a_run_of_one_that_rests_goes_on(tmp_path: Path, sqlite_url: str, expected: Left) -> None:
    spec = queue(sqlite_url, tmp_path)
    rest(sqlite_url, "paused")
    assert (status(sqlite_url).state, work(sqlite_url, workers=never)) == ("paused", [])
    run_sweep(spec, storage=sqlite_url, launcher=InlineLauncher())
    assert status(sqlite_url).state == "done"
    assert_same(what_is_left(sqlite_url), expected)


@pytest.mark.parametrize("what", ["paused", "cancelled", "deleted"])
def test_what_is_said_while_workers_start_counts(what: str, tmp_path: Path, sqlite_url: str) -> None:
    """The queue was read before: nothing may be begun that nobody wants any more."""
    queue(sqlite_url, tmp_path)

    def workers() -> Launcher:
        with Store.open(sqlite_url) as store:
            if what == "deleted":
                delete(store, "small")
            else:
                store.set_order("small", "paused" if what == "paused" else "cancelled")
        return InlineLauncher()

    assert work(sqlite_url, workers=workers) == []
    with Store.open(sqlite_url) as store:
        assert store.sweeps() == []


def test_what_cannot_rest(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    work(sqlite_url)
    with pytest.raises(UserError, match="the sweep small is done: there is nothing to be paused"):
        rest(sqlite_url, "paused")
    with pytest.raises(UserError, match="the sweep small is done: there is nothing to go on with"):
        resume(sqlite_url)
    with pytest.raises(NotFoundError, match=r"no sweep named other in .*; there are: small"):
        rest(sqlite_url, "cancelled", "other")
    with pytest.raises(NotFoundError, match=r"no sweep named other in .*; there are: small"):
        resume(sqlite_url, "other")


# --- more trials ------------------------------------------------------------------------------------------------------


def test_more_trials_for_a_sweep_that_is_done(tmp_path: Path, postgres_url: str, larger: Left, expected: Left) -> None:
    queue(postgres_url, tmp_path)
    work(postgres_url)
    queue(postgres_url, tmp_path, "search.trials=18")
    more = status(postgres_url)
    assert (more.state, more.budget, more.counts.finished) == ("queued", 18, 12)
    assert rest(postgres_url, "cancelled") == (
        "the sweep small keeps its 12 trials: the others that were wanted of it no longer are"
    )
    assert (status(postgres_url).state, status(postgres_url).budget) == ("done", 12)
    assert work(postgres_url, workers=never) == []
    assert_same(what_is_left(postgres_url), expected)
    queue(postgres_url, tmp_path, "search.trials=18")
    work(postgres_url)
    assert (status(postgres_url).state, status(postgres_url).budget) == ("done", 18)
    assert_same(what_is_left(postgres_url), larger)


def test_more_trials_while_it_runs(tmp_path: Path, sqlite_url: str, larger: Left) -> None:
    queue(sqlite_url, tmp_path)
    said = work(sqlite_url, on_event=After(3, lambda: queue(sqlite_url, tmp_path, "search.trials=18")))
    assert begun(said) == ["small", "small"]
    assert_same(what_is_left(sqlite_url), larger)


@pytest.mark.parametrize("queued", [True, False])
def test_a_runner_goes_on_with_trials_that_a_run_had_added(
    queued: bool, tmp_path: Path, sqlite_url: str, larger: Left
) -> None:
    """The definition in the queue is older than the budget."""

    def stop(event: Event) -> None:
        if isinstance(event, Started):
            raise KeyboardInterrupt

    if queued:
        queue(sqlite_url, tmp_path)
        work(sqlite_url)
    else:
        run_sweep(small_spec(tmp_path), storage=sqlite_url, launcher=InlineLauncher())
    more = small_spec(tmp_path, "search.trials=18")
    with pytest.raises(KeyboardInterrupt):
        run_sweep(more, storage=sqlite_url, launcher=InlineLauncher(), on_event=stop)
    assert (status(sqlite_url).state, status(sqlite_url).budget) == ("paused", 18)
    resume(sqlite_url)
    work(sqlite_url)
    assert status(sqlite_url).state == "done"
    assert_same(what_is_left(sqlite_url), larger)


def test_a_sweep_that_has_its_trials_is_not_queued(tmp_path: Path, sqlite_url: str) -> None:
    run_sweep(small_spec(tmp_path, *FEW), storage=sqlite_url, launcher=InlineLauncher())
    queue(sqlite_url, tmp_path, *FEW)
    assert (status(sqlite_url).state, order(sqlite_url).state) == ("done", "done")
    assert order(sqlite_url).table_sha256 is not None
    assert work(sqlite_url, workers=never) == []


def test_what_may_not_be_queued(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    before = order(sqlite_url)
    with pytest.raises(MismatchError, match="a sweep named small is queued with another definition or another table"):
        queue(sqlite_url, tmp_path, *FEW, "seed=4")
    with pytest.raises(UserError, match="the priority must be a whole number from -1000 to 1000, however: 1001"):
        queue(sqlite_url, tmp_path, *FEW, priority=1001)
    work(sqlite_url)
    with pytest.raises(MismatchError, match="was started with another definition"):
        queue(sqlite_url, tmp_path, *FEW, "seed=4")
    queue(sqlite_url, tmp_path, *FEW, "search.trials=6")
    work(sqlite_url)
    with pytest.raises(MismatchError, match=r"search\.trials may only grow"):
        queue(sqlite_url, tmp_path, *FEW)
    write_table(tmp_path, seed=1)
    with pytest.raises(MismatchError, match="was started on another table"):
        queue(sqlite_url, tmp_path, *FEW, "search.trials=9")
    assert order(sqlite_url).table_sha256 == before.table_sha256
    assert replace(order(sqlite_url), trials=3).definition != before.definition  # of the six trials


# --- real processes ---------------------------------------------------------------------------------------------------

LONG = ("search.trials=900", "training.epochs=20", "search.batch=8")


def runner_at(folder: Path, *options: str) -> tuple[str, ...]:
    storage = f"sqlite:///{folder / 'sweep.db'}"
    return ("runner", "--storage", storage, "--cluster", "inline", "--poll", "0.2", *options)


def finished(storage: str) -> int:
    return status(storage).counts.finished


def wait_for_more(storage: str, trials: int) -> None:
    deadline = time.monotonic() + 60
    while finished(storage) <= trials and time.monotonic() < deadline:
        time.sleep(0.1)


def stopped(process: ForkedProgram, number: signal.Signals) -> tuple[float, str]:
    """How long a process took to end, and what it said."""
    begin = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    return time.monotonic() - begin, said


def test_an_idle_runner_ends_at_sigterm(tmp_path: Path) -> None:
    with start_forked(tmp_path, *runner_at(tmp_path)) as process:
        said = next(line for line in process.stderr if "nothing to do" in line)
        assert said.endswith(" nothing to do: waiting for `sweep run --queue`\n")
        seconds, rest_of_it = stopped(process, signal.SIGTERM)
    assert process.returncode == 143
    assert seconds < 60  # with a clerk beside it, which may still be starting; a process that hangs takes for ever
    assert rest_of_it.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in rest_of_it


def test_a_runner_that_is_killed_paused_and_ended(tmp_path: Path) -> None:
    """One sweep through all of it: nothing finished is lost, and nothing waits for long."""
    storage = f"sqlite:///{tmp_path / 'sweep.db'}"
    queue(storage, tmp_path, *LONG)
    with start_forked(tmp_path, *runner_at(tmp_path, "--no-jobs")) as process:
        wait_for_trials(tmp_path / "sweep.db", 1)
        assert status(storage).holder is not None
        stopped(process, signal.SIGKILL)
    killed = finished(storage)
    assert (status(storage).state, order(storage).state) == ("queued", "queued")
    with start_forked(tmp_path, *runner_at(tmp_path, "--no-jobs")) as process:
        wait_for_more(storage, killed)
        asked = time.monotonic()
        assert "stops within seconds" in rest(storage, "paused")
        while status(storage).state == "running" and time.monotonic() < asked + 60:
            time.sleep(0.1)
        assert status(storage).state == "paused"
        assert time.monotonic() - asked < 40
        paused = finished(storage)
        assert paused > killed
        resume(storage)
        wait_for_more(storage, paused)
        seconds, said = stopped(process, signal.SIGTERM)
    assert process.returncode == 143
    assert seconds < 60
    assert re.fullmatch(r"interrupted: \d+ of 900 trials are finished; the same command goes on", said.splitlines()[-1])
    assert "Traceback" not in said
    assert status(storage).state == "queued"
    assert finished(storage) > paused
    left = what_is_left(storage)
    assert {n for n, state in enumerate(left.states) if state == "COMPLETE"} <= left.results.keys()
    assert set(left.states) <= {"COMPLETE", "RUNNING"}
