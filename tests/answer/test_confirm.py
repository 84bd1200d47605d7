"""Chosen configurations on fresh folds: each run is a pure function, and is saved when it is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sweep.analysis.results import ArmResult, ranked
from sweep.answer.compute import compute
from sweep.answer.confirm import Progress, _ended, confirm
from sweep.answer.question import Question, fresh_seed, pose
from sweep.answer.stored import known_answer
from sweep.errors import MismatchError, UserError
from sweep.launch.base import BlockDone, nothing
from sweep.launch.inline import InlineLauncher
from sweep.records import BlockJob, Configuration, Hyperparameters, TrialResult
from sweep.run.loop import run_sweep
from sweep.store.rows import ConfirmedRepeat
from sweep.store.store import Store
from sweep.training.train import train_block
from tests.small_sweep import Recorder, small_spec, write_table
from tests.tables_for_tests import make_plan


class Watched(InlineLauncher):
    """Trains for real, keeps the jobs, and is interrupted before one of its results: 0 for the first."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        super().__init__()
        self.jobs: list[BlockJob] = []
        self._interrupt_at = interrupt_at

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        self.jobs.append(job)
        super().submit(job, after)

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        for number, done in enumerate(super().finished(waiting)):
            if number == self._interrupt_at:
                raise KeyboardInterrupt
            yield done


@dataclass(frozen=True)
class Finished:
    """A finished sweep in a folder of its own."""

    folder: Path
    url: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    url = f"sqlite:///{folder / 'sweep.db'}"
    run_sweep(small_spec(folder), storage=url, launcher=Recorder())
    return Finished(folder, url)


@pytest.fixture
def store(finished: Finished, tmp_path: Path) -> Store:
    """A copy of its database."""
    (tmp_path / "sweep.db").write_bytes((finished.folder / "sweep.db").read_bytes())
    return Store.open(f"sqlite:///{tmp_path / 'sweep.db'}")


def runs(store: Store, question: Question) -> dict[tuple[str, int], ConfirmedRepeat]:
    configurations, repeats = question.choice.configurations, question.folds.repeats
    found = (run for one in configurations for run in store.confirmed(question.sweep.key, one.key, repeats))
    return {(run.configuration.key, run.repeat): run for run in found}


def assert_same(one: dict[tuple[str, int], ConfirmedRepeat], other: dict[tuple[str, int], ConfirmedRepeat]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    for place, run in one.items():
        np.testing.assert_array_equal(run.predictions, other[place].predictions)
        np.testing.assert_array_equal(run.metrics, other[place].metrics)
        assert run.lost == other[place].lost
        assert run.configuration == other[place].configuration


# --- the choice -------------------------------------------------------------------------------------------------------


def test_winners_have_two_controls_and_nothing_is_trained_twice(store: Store) -> None:
    question = pose(store, "small", 3)
    choice = question.choice
    best = {arm.placement: arm.best for arm in question.summary.arms}
    assert choice.control.trial == best["none"].number
    assert [one.trial for one in choice.winners] == [best["input"].number, best["all"].number]
    for winner in choice.winners:
        own, matched = winner.configuration, winner.matched
        assert any(own.params.dropout)
        assert not any(matched.params.dropout)
        assert matched.epoch == own.epoch
        assert replace(matched.params, dropout=own.params.dropout, placement=own.params.placement) == own.params
    keys = [one.key for one in choice.configurations]
    assert len(keys) == len(set(keys)) <= 7
    assert choice.control.configuration.key in keys
    without = ranked((t for t in question.summary.trials if t.placement == "none"), question.summary.metric)
    assert [one.trial for one in (choice.control, *choice.rivals)] == [trial.number for trial in without[:3]]
    assert {one.configuration.key for one in choice.rivals} <= set(keys)


def test_folds_that_diverged_are_told_by_their_number_in_the_repeat() -> None:
    """Of two repeats of three folds, splits 1, 3 and 5 diverged."""
    result = TrialResult(
        number=0,
        epoch=2,
        trained=2,
        score=0.5,
        metrics=np.arange(6.0)[:, None, None, None] * np.ones((6, 1, 2, 4)),
        predictions=np.zeros((1, 2, 9, 1), dtype=np.float32),
        diverged=1,
        seconds=4.0,
        lost=(1, 3, 5),
    )
    configuration = Configuration(Hyperparameters((4,), "none", (0.0, 0.0), 0.1, 0.9, None, 1.0, 0.0), 2)
    job = BlockJob((0,), (configuration.params,), make_plan("binary", checkpoints=(2, 4)), until=2, repeats=(5, 7))
    runs = list(_ended(BlockDone(job, (result,), 4.0), [configuration]))
    assert [(run.repeat, run.lost, run.seconds) for run in runs] == [(5, (1,), 2.0), (6, (0, 2), 2.0)]
    assert [run.metrics[:, 0, 0].tolist() for run in runs] == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_a_placement_is_no_part_of_a_configuration() -> None:
    """The matched control of one arm may be the best network without dropout: then it is trained once."""
    plain, named = (Hyperparameters((4,), name, (0.0, 0.0), 0.1, 0.9, None, 1.0, 0.0) for name in ("none", "input"))
    assert Configuration(plain, 3).key == Configuration(named, 3).key != Configuration(plain, 2).key


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_run_is_that_of_a_plain_block_at_its_epoch(store: Store) -> None:
    question = pose(store, "small", 3)
    confirm(question, store, Watched())
    found = runs(store, question)
    assert len(found) == 3 * len(question.choice.configurations)
    setup = question.setup
    for configuration in question.choice.configurations:
        epochs = tuple(sorted({configuration.epoch, setup.plan.epochs}))
        plan = replace(setup.plan, seed=fresh_seed(setup.spec.seed), stop="best", checkpoints=epochs)
        (alone,) = train_block(setup.data, question.folds, BlockJob((0,), (configuration.params,), plan))
        at = epochs.index(configuration.epoch)
        for repeat in range(3):
            run = found[configuration.key, repeat]
            np.testing.assert_array_equal(run.predictions, alone.predictions[at, repeat])
            np.testing.assert_array_equal(run.metrics, alone.metrics[3 * repeat : 3 * repeat + 3, at])


def test_folds_and_seeds_are_fresh(store: Store) -> None:
    question = pose(store, "small", 2)
    own, fresh = question.setup.folds, question.folds
    tested = [{tuple(test.tolist()) for test in folds.test} for folds in (own, fresh)]
    assert not tested[0] & tested[1]
    assert fresh_seed(question.setup.spec.seed) != question.setup.plan.seed


def test_an_interrupted_confirmation_goes_on_and_gives_the_same(
    store: Store, finished: Finished, tmp_path: Path
) -> None:
    question = pose(store, "small", 5)
    total = 5 * len(question.choice.configurations)
    assert question.missing == total
    for interrupt_at in (1, 0, 2):
        left = pose(store, "small", 5)
        with pytest.raises(KeyboardInterrupt):
            confirm(left, store, Watched(interrupt_at))
        assert pose(store, "small", 5).missing <= left.missing
    told: list[Progress] = []
    recorder = Watched()
    left = pose(store, "small", 5)
    assert 0 < left.missing < total
    confirm(left, store, recorder, told.append)
    assert told[0] == Progress(total - left.missing, total)
    assert told[-1] == Progress(total, total)
    assert pose(store, "small", 5).missing == 0

    (tmp_path / "again.db").write_bytes((finished.folder / "sweep.db").read_bytes())
    with Store.open(f"sqlite:///{tmp_path / 'again.db'}") as undisturbed:
        confirm(pose(undisturbed, "small", 5), undisturbed, Watched())
        assert_same(runs(store, question), runs(undisturbed, question))


def test_more_repeats_add_to_those_that_are_there(store: Store) -> None:
    first = pose(store, "small", 2)
    confirm(first, store, Watched())
    compute(first, store)
    before = runs(store, first)
    more = pose(store, "small", 5)
    assert more.missing == 3 * len(more.choice.configurations)
    assert all(torch.equal(a, b) for a, b in zip(first.folds.test, more.folds.test[:6], strict=True))
    recorder = Watched()
    confirm(more, store, recorder)
    assert {repeat for job in recorder.jobs for repeat in range(*(job.repeats or (0, 0)))} == {2, 3, 4}
    after = runs(store, more)
    assert_same(before, {place: run for place, run in after.items() if place[1] < 2})


# --- the answer that is kept ------------------------------------------------------------------------------------------


def test_an_answer_is_kept_and_read_again(store: Store) -> None:
    question = pose(store, "small", 2)
    assert known_answer(store, question.summary) is None
    confirm(question, store, Watched())
    answer = compute(question, store)
    assert known_answer(store, question.summary) == answer
    assert [arm.placement for arm in answer.arms] == sorted(
        ("input", "all"), key=lambda name: -next(a.best.score for a in question.summary.arms if a.placement == name)
    )
    assert (answer.repeats, answer.looks, answer.rows) == (2, 1, 30)
    again = compute(question, store)
    assert again == answer
    wider = pose(store, "small", 4)
    confirm(wider, store, Watched())
    assert compute(wider, store).looks == 2
    assert pose(store, "small").folds.repeats == 4


def test_other_winners_need_another_answer(store: Store, finished: Finished) -> None:
    question = pose(store, "small", 2)
    confirm(question, store, Watched())
    compute(question, store)

    def second(arm: ArmResult) -> ArmResult:
        others = (t for t in question.summary.trials if t.placement == arm.placement and t != arm.best)
        return replace(arm, best=next(others))

    arms = tuple(map(second, question.summary.arms))
    assert known_answer(store, replace(question.summary, arms=arms)) is None


@pytest.mark.parametrize(
    ("repeats", "message"),
    [(1, "at least 2 (one cannot tell rows from seeds), however: 1"), (2, "at least 3 (the answer of small rests on")],
)
def test_too_few_repeats_are_refused(store: Store, repeats: int, message: str) -> None:
    if repeats > 1:
        question = pose(store, "small", 3)
        confirm(question, store, Watched())
        compute(question, store)
    with pytest.raises(UserError, match=message.replace("(", r"\(").replace(")", r"\)")):
        pose(store, "small", repeats)


def test_an_unfinished_sweep_is_not_asked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweep.db'}"
    with pytest.raises(KeyboardInterrupt):
        run_sweep(small_spec(tmp_path), storage=url, launcher=Recorder(interrupt_at=2))
    with (
        Store.open(url) as store,
        pytest.raises(UserError, match=r"small is not finished: \d+ of 12 trials \(paused\)"),
    ):
        pose(store, "small")


@pytest.mark.parametrize(("placement", "missing"), [("none", "with dropout"), ("input", "without dropout")])
def test_a_sweep_with_nothing_to_compare_is_not_asked(tmp_path: Path, placement: str, missing: str) -> None:
    url = f"sqlite:///{tmp_path / 'sweep.db'}"
    run_sweep(small_spec(tmp_path, f"space.placement={placement}", "search.trials=2"), storage=url, launcher=Recorder())
    with Store.open(url) as store, pytest.raises(UserError, match=f"small has no placement {missing}"):
        pose(store, "small")


def test_a_table_that_has_changed_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweep.db'}"
    run_sweep(small_spec(tmp_path), storage=url, launcher=Recorder())
    write_table(tmp_path, seed=1)
    with Store.open(url) as store, pytest.raises(MismatchError, match="has changed since the sweep small ran on it"):
        pose(store, "small")


# --- one sampler over everything --------------------------------------------------------------------------------------


def one_sampler(folder: Path, seed: int) -> str:
    """Two trials, each of a placement that the sampler chose: 0 for none and input, 1 for input and all."""
    url = f"sqlite:///{folder / 'sweep.db'}"
    changes = ("search.allocation=sampler", "search.trials=2", f"seed={seed}")
    run_sweep(small_spec(folder, *changes), storage=url, launcher=Recorder())
    return url


def test_a_placement_that_the_sampler_never_tried_is_named(tmp_path: Path) -> None:
    with Store.open(one_sampler(tmp_path, seed=0)) as store:
        question = pose(store, "small", 2)
        confirm(question, store, Watched())
        answer = compute(question, store)
    assert [arm.placement for arm in answer.arms] == ["input"]
    alike, left_out = answer.cautions
    assert "one sampler divided the trials among them (none 1, input 1)" in alike
    assert left_out == "Not compared, since no trial was trained to its end: all."


def test_a_control_that_the_sampler_never_tried_is_not_said_to_be_missing_in_the_definition(tmp_path: Path) -> None:
    with (
        Store.open(one_sampler(tmp_path, seed=1)) as store,
        pytest.raises(
            UserError, match=r"small has no trial without dropout that was trained to its end: .* more trials"
        ),
    ):
        pose(store, "small")
