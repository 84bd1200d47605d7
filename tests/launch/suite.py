"""What every backend of ``sweep.launch`` guarantees. Inherit it and provide the fixture ``launcher``.

Here no worker dies, so every job comes back whole. What comes back in parts, and what is given up: ``test_faults``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.launch.base import BlockDone, Launcher
from sweep.records import BlockJob, TrialResult
from sweep.training.train import train_block
from tests.tables_for_tests import make_dataset, make_plan, make_splits, random_trials

DATA = make_dataset("binary", rows=60)
FOLDS = make_splits(DATA)
TRIALS = random_trials(6, (7, 5))
RUNGS: dict[str, Any] = {"epochs": 6, "checkpoints": (2, 4, 6)}


def make_job(*numbers: int, **plan: Any) -> BlockJob:
    return BlockJob(numbers, tuple(TRIALS[number] for number in numbers), make_plan("binary", **plan))


def assert_same(found: tuple[TrialResult, ...], expected: tuple[TrialResult, ...]) -> None:
    """Bit for bit, but for the time it took."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.number, a.epoch, a.trained, a.score) == (b.number, b.epoch, b.trained, b.score)
        assert a.diverged == b.diverged
        np.testing.assert_array_equal(a.metrics, b.metrics)
        np.testing.assert_array_equal(a.predictions, b.predictions)


def at_rung(launcher: Launcher, *numbers: int, **plan: Any) -> BlockDone:
    """A block that has stopped at epoch 2 of 6."""
    launcher.submit(replace(make_job(*numbers, **{**RUNGS, **plan}), until=2))
    (done,) = launcher.finished()
    return done


class LauncherSuite:
    """The guarantees of ``sweep.launch.base``, by number."""

    @pytest.fixture
    def ready(self, launcher: Launcher) -> Launcher:
        launcher.share(DATA, FOLDS)
        return launcher

    def test_results_are_those_of_the_training_loop(self, ready: Launcher) -> None:  # 1
        jobs = [make_job(0, 1), make_job(2), make_job(3, 4, 5)]
        for job in jobs:
            ready.submit(job)
        done = {one.job.numbers: one for one in ready.finished()}
        assert set(done) == {job.numbers for job in jobs}
        for job in jobs:
            assert done[job.numbers].seconds > 0
            assert done[job.numbers].failed is None
            assert_same(done[job.numbers].results, train_block(DATA, FOLDS, job))

    def test_another_table_takes_the_place_of_the_first(self, ready: Launcher) -> None:  # 1, 2
        data = make_dataset("binary", rows=50, seed=4)
        folds = make_splits(data)
        job = make_job(0)
        for table in ((data, folds), (DATA, FOLDS)):
            ready.share(*table)
            ready.submit(job)
            (done,) = ready.finished()
            assert_same(done.results, train_block(*table, job))

    def test_an_equal_job_is_trained_again(self, ready: Launcher) -> None:  # 3
        for _ in range(2):
            ready.submit(make_job(1))
        first, second = ready.finished()
        assert first.seconds != second.seconds
        assert_same(first.results, second.results)

    def test_jobs_can_be_handed_in_while_others_finish(self, ready: Launcher) -> None:  # 3
        ready.submit(make_job(0))
        numbers: list[int] = []
        for done in ready.finished():
            numbers += done.job.numbers
            if len(numbers) < 4:
                ready.submit(make_job(len(numbers)))
        assert numbers == [0, 1, 2, 3]

    def test_nothing_in_flight_nothing_finishes(self, ready: Launcher) -> None:  # 3
        assert list(ready.finished()) == []

    def test_an_exception_of_the_training_code_comes_out(self, ready: Launcher) -> None:  # 4
        job = make_job(0, metric="no such metric")
        with pytest.raises(Exception) as expected:  # noqa: PT011 - whichever it is, it is the same
            train_block(DATA, FOLDS, job)
        ready.submit(job)
        with pytest.raises(type(expected.value)) as found:
            list(ready.finished())
        assert str(found.value) == str(expected.value)
        ready.submit(make_job(1))
        assert [done.job.numbers for done in ready.finished()] == [(1,)]

    def test_a_block_goes_on_from_rung_to_rung(self, ready: Launcher) -> None:  # 6
        job = make_job(0, 1, 2, **RUNGS)
        done = at_rung(ready, 0, 1, 2)
        for until in (4, None):
            assert done.state is not None
            assert_same(done.results, train_block(DATA, FOLDS, done.job))
            assert {result.trained for result in done.results} == {done.job.end}
            ready.submit(replace(job, until=until), after=done)
            (done,) = ready.finished()
        assert done.state is None
        assert_same(done.results, train_block(DATA, FOLDS, job))

    def test_some_of_the_trials_go_on_in_other_blocks(self, ready: Launcher) -> None:  # 6
        done = at_rung(ready, 0, 1, 2, 3)
        jobs = [make_job(3, 1, **RUNGS), replace(make_job(0, **RUNGS), until=4)]
        for job in jobs:
            ready.submit(job, after=done)
        found = {one.job.numbers: one for one in ready.finished()}
        for job in jobs:
            assert found[job.numbers].job == job
            assert_same(found[job.numbers].results, train_block(DATA, FOLDS, job))

    def test_blocks_go_on_while_others_finish(self, ready: Launcher) -> None:  # 3, 6
        for number in range(3):
            ready.submit(replace(make_job(number, **RUNGS), until=2))
        found = []
        for done in ready.finished():
            if done.state is None:
                found.append(done)
            else:
                ready.submit(make_job(*done.job.numbers, **RUNGS), after=done)
        assert sorted(done.job.numbers for done in found) == [(0,), (1,), (2,)]
        for done in found:
            assert_same(done.results, train_block(DATA, FOLDS, make_job(*done.job.numbers, **RUNGS)))

    def test_what_goes_on_comes_before_what_begins(self, ready: Launcher) -> None:  # 6
        # A worker may be held up while another trains the rest; but where nothing comes first, no round is a good one.
        assert any(self._goes_on_first(ready) for _ in range(3))

    @staticmethod
    def _goes_on_first(ready: Launcher) -> bool:
        epochs: dict[str, Any] = {"epochs": 40, "checkpoints": (2, 40)}
        done = at_rung(ready, 0, 1, **epochs)
        for number in range(8):
            # What is given out at once: so long that workers keep step, and are busy until the last one is submitted.
            length = 450 if number < 2 * ready.workers else 50
            ready.submit(make_job(2 + number % 4, epochs=length, checkpoints=(length,)))
        for number in (0, 1):
            ready.submit(make_job(number, **epochs), after=done)
        order = [one.job.numbers[0] for one in ready.finished()]
        assert len(order) == 10
        # What is being trained, and what is on its way to a worker, comes first. With several workers one of the two
        # is enough: the other may wait until its state has come from another worker. Without any precedence both come
        # seventh or later.
        which = max if ready.workers == 1 else min
        return which(order.index(0), order.index(1)) <= 2 * ready.workers + 1

    def test_jobs_are_trained_in_the_order_of_submission(self, ready: Launcher) -> None:  # 6
        for number in (3, 1, 4, 0, 5, 2):
            ready.submit(make_job(number, epochs=20, checkpoints=(20,)))
        order = [done.job.numbers[0] for done in ready.finished()]
        # A worker may be held up while another trains all the rest; but none begins with what came last.
        assert order[0] in (3, 1, 4, 0, 5, 2)[: ready.workers]
        assert sorted(order) == list(range(6))

    def test_a_rung_after_cancelling(self, ready: Launcher) -> None:  # 6, 7
        done = at_rung(ready, 0, 1)
        ready.submit(make_job(1, **RUNGS), after=done)
        ready.cancel()
        assert list(ready.finished()) == []
        ready.submit(make_job(0, **RUNGS), after=done)
        (last,) = ready.finished()
        assert_same(last.results, train_block(DATA, FOLDS, make_job(0, **RUNGS)))

    def test_an_exception_after_a_rung_comes_out(self, ready: Launcher) -> None:  # 4
        done = at_rung(ready, 0)
        ready.submit(make_job(5, **RUNGS), after=done)  # is not in that block
        with pytest.raises((KeyError, ValueError)):
            list(ready.finished())

    def test_what_was_cancelled_does_not_come_back(self, ready: Launcher) -> None:  # 7
        for number in range(3):
            ready.submit(make_job(number, epochs=40, checkpoints=(40,)))
        ready.cancel()
        assert list(ready.finished()) == []
        ready.submit(make_job(5))
        assert [done.job.numbers for done in ready.finished()] == [(5,)]

    def test_cancelling_ends_an_iteration(self, ready: Launcher) -> None:  # 7
        for number in range(4):
            ready.submit(make_job(number))
        for _ in ready.finished():
            ready.cancel()
        assert list(ready.finished()) == []

    def test_what_waiting_raises_comes_out_and_nothing_is_lost(  # 7
        self, ready: Launcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Paused(Exception):  # noqa: N818 - no error
            pass

        def pause() -> None:
            raise Paused

        monkeypatch.setattr("sweep.launch.base.TICK_SECONDS", 0.01)
        for number in range(3):
            ready.submit(make_job(number, epochs=40, checkpoints=(40,)))
        with pytest.raises(Paused):
            list(ready.finished(pause))
        calls: list[bool] = []
        assert len(list(ready.finished(lambda: calls.append(True)))) == 3
        assert calls

    def test_nobody_has_to_listen_to_trouble(self, launcher: Launcher) -> None:  # 9
        launcher.on_trouble("a worker was lost")

    def test_there_is_at_least_one_worker(self, ready: Launcher) -> None:
        assert ready.workers >= 1
