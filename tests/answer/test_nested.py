"""Nested cross-validation: no leakage, equal budgets, one search lost at most, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy import stats

from sweep.analysis.status import statuses
from sweep.analysis.summary import summarise
from sweep.answer.nested import NestedProgress, NestedQuestion, inner_setup, pose_nested, run_nested, search
from sweep.answer.nested_records import SIDES, Nested, NestedScore, NestedVerdict
from sweep.answer.nested_result import conclude, nested_score
from sweep.answer.nested_stored import Searched, known_nested, save_searched, searched, stored_places
from sweep.answer.nested_words import nested_basis, nested_sentence, nested_value
from sweep.answer.question import pose
from sweep.errors import DataError, UserError
from sweep.launch.base import BlockDone, nothing
from sweep.launch.inline import InlineLauncher
from sweep.metrics import compute, metrics_for
from sweep.records import BlockJob, Configuration
from sweep.run.loop import run_sweep
from sweep.spec.model import Fixed, SpaceSpec
from sweep.store.store import Store
from tests.made_answer import comparison
from tests.small_sweep import small_spec


class Counting(InlineLauncher):
    """Trains for real, keeps the jobs, and is interrupted before one of its results."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        super().__init__()
        self.jobs: list[BlockJob] = []
        self._countdown = interrupt_at

    def submit(self, job: BlockJob, after: BlockDone | None = None) -> None:
        self.jobs.append(job)
        super().submit(job, after)

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        for done in super().finished(waiting):
            if self._countdown == 0:
                raise KeyboardInterrupt
            self._countdown = None if self._countdown is None else self._countdown - 1
            yield done


@dataclass(frozen=True)
class Asked:
    """A finished sweep in a folder of its own, and what nested cross-validation with two outer folds gave.

    Attributes:
        folder: With ``sweep.db``, nobody has asked yet, and ``asked.db``.
        jobs: That it took.
        told: Of its progress.
        outcomes: Of all searches.
        result: What they come to.
    """

    folder: Path
    jobs: int
    told: list[NestedProgress]
    outcomes: list[Searched]
    result: Nested


def finish(folder: Path, *overrides: str) -> None:
    run_sweep(small_spec(folder, *overrides), storage=f"sqlite:///{folder / 'sweep.db'}", launcher=InlineLauncher())


def posed(store: Store, outer: int | None = None) -> NestedQuestion:
    return pose_nested(pose(store, "small", 2), store, outer)


def outcomes(store: Store, nested: NestedQuestion) -> list[Searched]:
    key, trials = nested.sweep.key, nested.sweep.trials
    return [searched(store, key, nested.outer, trials, place) for place in nested.places]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("nested")
    finish(folder, "search.trials=6")
    (folder / "asked.db").write_bytes((folder / "sweep.db").read_bytes())
    launcher, told = Counting(), list[NestedProgress]()
    with Store.open(f"sqlite:///{folder / 'asked.db'}") as store:
        nested = posed(store, 2)
        run_nested(nested, store, launcher, told.append)
        return Asked(folder, len(launcher.jobs), told, outcomes(store, nested), conclude(nested, store))


@pytest.fixture
def store(asked: Asked, tmp_path: Path) -> Iterator[Store]:
    """A copy of the database where nobody has asked yet."""
    (tmp_path / "sweep.db").write_bytes((asked.folder / "sweep.db").read_bytes())
    with Store.open(f"sqlite:///{tmp_path / 'sweep.db'}") as opened:
        yield opened


@pytest.fixture
def after(asked: Asked, tmp_path: Path) -> Iterator[Store]:
    """A copy of the database where somebody has."""
    (tmp_path / "asked.db").write_bytes((asked.folder / "asked.db").read_bytes())
    with Store.open(f"sqlite:///{tmp_path / 'asked.db'}") as opened:
        yield opened


def assert_same(one: Searched, other: Searched) -> None:
    """Bit for bit."""
    assert (one.configuration, one.raw_score, one.trials) == (other.configuration, other.raw_score, other.trials)
    assert one.diverged == other.diverged
    np.testing.assert_array_equal(one.predictions, other.predictions)
    np.testing.assert_array_equal(one.metrics, other.metrics)


def with_data(nested: NestedQuestion, **changes: Any) -> NestedQuestion:
    """The same on a changed table."""
    return replace(nested, setup=replace(nested.setup, data=replace(nested.setup.data, **changes)))


# --- the searches -----------------------------------------------------------------------------------------------------


def test_both_searches_have_the_same_rows_folds_seed_and_budget(store: Store) -> None:
    nested = posed(store)
    assert nested.outer == 3
    assert nested.trials == {"all": 6, "none": 6}
    assert nested.places == nested.missing == tuple((fold, side) for fold in range(3) for side in SIDES)
    seeds = {nested.setup.spec.seed}
    for fold in range(3):
        whole, without = (inner_setup(nested, (fold, side)) for side in SIDES)
        assert whole.spec.space.placements == ("none", "input", "all")
        assert without.spec.space.placements == ("none",)
        assert replace(without.spec, space=whole.spec.space) == whole.spec
        assert whole.budget.trials == without.budget.trials == 6
        assert whole.data.info.content_hash == without.data.info.content_hash != nested.setup.data.info.content_hash
        assert torch.equal(whole.data.features, nested.setup.data.features[nested.folds.train[fold]])
        for one, other in zip(whole.folds.test, without.folds.test, strict=True):
            assert torch.equal(one, other)
        seeds.add(whole.spec.seed)
    assert len(seeds) == 4


def test_outer_folds_are_fresh_and_test_each_row_once(store: Store) -> None:
    nested = posed(store)
    tested = torch.cat(nested.folds.test)
    assert sorted(tested.tolist()) == list(range(30))
    own = {tuple(test.tolist()) for test in nested.setup.folds.test}
    assert not own & {tuple(test.tolist()) for test in nested.folds.test}


def test_nothing_of_the_test_rows_reaches_a_search(store: Store, asked: Asked) -> None:
    """Their classes are turned around and their features are others: the search is the same to the last bit."""
    nested = posed(store, 2)
    test = nested.folds.test[1]
    target, features = nested.setup.data.target.clone(), nested.setup.data.features.clone()
    target[test], features[test] = 1 - target[test], 1e3 + 7 * features[test]
    found, known = (
        search(with_data(nested, target=target, features=features), (1, "all"), Counting()),
        asked.outcomes[2],
    )
    assert found.configuration == known.configuration
    assert found.raw_score == known.raw_score
    assert not np.array_equal(found.predictions, known.predictions)


def test_a_winner_never_sees_the_targets_it_predicts(store: Store, asked: Asked) -> None:
    nested = posed(store, 2)
    test = nested.folds.test[0]
    target = nested.setup.data.target.clone()
    target[test] = 1 - target[test]
    found, known = search(with_data(nested, target=target), (0, "none"), Counting()), asked.outcomes[1]
    assert (found.configuration, found.raw_score) == (known.configuration, known.raw_score)
    np.testing.assert_array_equal(found.predictions, known.predictions)
    accuracy = 0  # the first of the metrics of two classes
    assert known.metrics[accuracy] == pytest.approx(1 - found.metrics[accuracy])
    right = (known.predictions[:, 0] > 0) == (nested.setup.data.target[test].numpy() > 0)
    assert known.metrics[accuracy] == pytest.approx(right.mean())


def test_a_winner_is_trained_once_on_all_training_rows_up_to_its_epoch(store: Store, asked: Asked) -> None:
    nested = posed(store, 2)
    launcher = Counting()
    found = search(nested, (0, "all"), launcher)
    assert_same(found, asked.outcomes[0])
    last = launcher.jobs[-1]
    assert (last.trials, last.end) == ((found.configuration.params,), found.configuration.epoch)
    assert last.plan.seed not in (launcher.jobs[0].plan.seed, nested.setup.spec.seed)
    assert found.trials == 6


def test_a_space_with_few_configurations_without_dropout_is_searched_whole(store: Store) -> None:
    question = pose(store, "small", 2)
    one = {"max_norm": Fixed(2.0), "learning_rate": Fixed(0.1), "momentum": Fixed(0.9), "lr_decay": Fixed(1.0)}
    space: SpaceSpec = replace(question.setup.spec.space, **cast("dict[str, Any]", one))
    spec = replace(question.setup.spec, space=space)
    nested = pose_nested(replace(question, setup=replace(question.setup, spec=spec)), store, 2)
    assert nested.trials == {"all": 6, "none": 2}  # two networks; nothing else is searched
    assert inner_setup(nested, (0, "none")).budget.trials == 2
    assert search(nested, (0, "none"), InlineLauncher()).trials == 2


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_an_interrupted_one_goes_on_loses_one_search_and_gives_the_same(store: Store, asked: Asked) -> None:
    told: list[NestedProgress] = []
    cut = Counting(interrupt_at=asked.jobs // 2)
    with pytest.raises(KeyboardInterrupt):
        run_nested(posed(store, 2), store, cut, told.append)
    left = posed(store, 2)
    assert 0 < len(left.missing) < 4
    assert told[-1].searched == 4 - len(left.missing)
    assert stored_places(store, left.sweep.key, 2, 6) == set(left.places) - set(left.missing)
    assert known_nested(store, left.summary) is None  # nothing is said of a part

    rest = Counting()
    run_nested(left, store, rest, told.append)
    assert len(cut.jobs) + len(rest.jobs) < 1.5 * asked.jobs
    assert told[-1] == NestedProgress(24, 24, 4, 4)
    for one, other in zip(outcomes(store, left), asked.outcomes, strict=True):
        assert_same(one, other)
    assert conclude(left, store) == asked.result


def test_asked_again_nothing_is_trained(after: Store, asked: Asked) -> None:
    again, nested = Counting(), posed(after, 2)
    assert nested.missing == ()
    run_nested(nested, after, again)
    assert again.jobs == []
    assert conclude(nested, after) == known_nested(after, nested.summary) == asked.result
    assert len(posed(after, 3).missing) == 6  # other outer folds are another question


def test_progress_grows_by_trials_and_the_list_of_sweeps_stays_as_it_was(after: Store, asked: Asked) -> None:
    assert asked.told[0] == NestedProgress(0, 24, 0, 4)
    assert [one.done for one in asked.told] == sorted(one.done for one in asked.told)
    assert {one.done for one in asked.told} == set(range(25))
    assert [status.name for status in statuses(after)] == ["small"]


def test_what_it_came_to_counts_until_the_sweep_has_more_trials(after: Store) -> None:
    nested = posed(after, 2)
    assert known_nested(after, nested.summary) is not None
    after.update_trials_budget(nested.sweep.key, 9)
    assert known_nested(after, nested.summary) is None


def test_the_time_is_that_of_the_sweeps_own_trials_on_fewer_rows(store: Store) -> None:
    nested = posed(store, 3)
    seconds = {"all": [trial.seconds for trial in nested.summary.trials]}
    seconds["none"] = [trial.seconds for trial in nested.summary.trials if trial.placement == "none"]
    expected = 3 * 6 * sum(np.mean(own) for own in seconds.values()) * 2 / 3
    around = 6 * 0.5
    assert nested.estimated_seconds(1) == pytest.approx(expected + around)
    assert nested.estimated_seconds(2) == pytest.approx(expected / 2 + around)


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_difference_is_that_of_rows_and_the_score_that_of_folds(after: Store, asked: Asked) -> None:
    nested, result = posed(after, 2), asked.result
    truth = nested.setup.data.target.numpy() > 0
    right = np.zeros((2, 30))
    for place, one in zip(nested.places, asked.outcomes, strict=True):
        test = nested.folds.test[place[0]].numpy()
        right[SIDES.index(place[1]), test] = (one.predictions[:, 0] > 0) == truth[test]
    differences = right[0] - right[1]
    assert result.comparison.difference == pytest.approx(differences.mean())
    assert result.comparison.se == pytest.approx(np.sqrt(2 * differences.var(ddof=1) / 30))
    folds = np.array([one.metrics[0] for one in asked.outcomes[::2]])
    se = np.sqrt(2 * folds.var(ddof=1) / 2)
    assert result.score.value == pytest.approx(folds.mean())
    assert result.score.low == pytest.approx(max(0, folds.mean() - stats.t.ppf(0.975, 1) * se))
    assert [one.score for one, _ in result.outer] == folds.tolist()
    assert [other.placement for _, other in result.outer] == ["none"] * 2
    assert (result.rows, result.groups, result.trials, result.trials_without) == (30, None, 6, 6)


def test_folds_without_a_score_and_folds_that_agree() -> None:
    undefined = nested_score("roc_auc", "binary", np.array([np.nan, 0.8, np.nan]), rows=30, unit=2.0)
    assert undefined == NestedScore(0.8, None, None)
    alike = nested_score("accuracy", "binary", np.array([0.9, 0.9, 0.9]), rows=100, unit=1.0)
    assert alike.low == pytest.approx(0.87)
    assert alike.high == pytest.approx(0.93)
    wide = nested_score("accuracy", "binary", np.array([1.0, 0.8, 0.9]), rows=100, unit=1.0)
    assert wide.high == 1.0


def made(verdict: NestedVerdict, difference: float, half: float, **changes: Any) -> Nested:
    nested = Nested(
        metric="accuracy",
        trials=128,
        trials_without=128,
        rows=208,
        groups=None,
        constant=0.534,
        rope=0.01,
        comparison=comparison(difference, half, repeats=1),
        p_pays=0.6,
        p_equivalent=0.96,
        verdict=verdict,
        score=NestedScore(0.831, 0.78, 0.882),
        without=NestedScore(0.819, None, None),
        outer=(),
    )
    return replace(nested, **changes)


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        (
            made("pays", 0.024, 0.018),
            "pays on data like this: +2.4 points (95 %: 0.6 to 4.2), against tuning without it.",
        ),
        (made("costs", -0.024, 0.018), "Tuning dropout costs on data like this: −2.4 points (95 %: −4.2 to −0.6)"),
        (made("cannot tell", 0.012, 0.03), "Whether tuning dropout pays on data like this cannot be told: +1.2 points"),
        (made("no practical difference", 0.0, 0.004), "lies within ±1 point with a probability of 96 %."),
        (made("nothing learned", 0.0, 0.1), "neither search beat always answering the most common class; nothing can"),
        (made("pays", 0.031, 0.01, metric="log_loss"), "like this: log loss lower by 0.031 (95 %: 0.021 to 0.041)"),
    ],
)
def test_a_sentence_for_every_verdict(nested: Nested, said: str) -> None:
    assert said in nested_sentence(nested).replace("\N{MINUS SIGN}", "−")
    assert "its noise is that of one cross-validation: it is no sharper test of dropout" in nested_basis(nested)


def test_fewer_configurations_without_dropout_are_said() -> None:
    said = nested_basis(made("pays", 0.02, 0.01, trials_without=12))
    assert "one of 12 without dropout: the space has no more configurations without" in said


def test_scores_with_and_without_an_interval() -> None:
    nested = made("pays", 0.02, 0.01)
    assert nested_value(nested, nested.score) == "83.1 % (78.0 to 88.2)"
    assert nested_value(nested, nested.without) == "81.9 %"


# --- other tables -----------------------------------------------------------------------------------------------------


def asked_of_table(folder: Path, lines: list[str], *overrides: str) -> Store:
    """A finished sweep of three trials on a table."""
    (folder / "table.csv").write_text("\n".join([*lines, ""]))
    finish(folder, "search.trials=3", "training.epochs=2", *overrides)
    return Store.open(f"sqlite:///{folder / 'sweep.db'}")


def make_up(nested: NestedQuestion, store: Store, rng: np.random.Generator) -> dict[Any, Searched]:
    """Outcomes with made-up predictions, and the metrics of these."""
    data = nested.setup.data
    truth = data.original_target()
    params = nested.summary.trials[0].hyperparameters
    found = {}
    for place in nested.places:
        test = nested.folds.test[place[0]].numpy()
        output = rng.normal(size=(len(test), 1)).astype(np.float32)
        output += 2 * data.target.numpy()[test, None]
        said = (
            output[:, 0].astype(np.float64) * data.info.target_scale + data.info.target_mean
            if data.info.task == "regression"
            else 1 / (1 + np.exp(-output[:, 0].astype(np.float64)))
        )
        scores = np.array([compute(metric, truth[test], said) for metric in metrics_for(data.info.task)])
        found[place] = Searched(Configuration(params, 2), 0.5, nested.trials[place[1]], output, scores, diverged=False)
        save_searched(store, nested.sweep.key, nested.outer, nested.sweep.trials, place, found[place])
    return found


def test_regression(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["a,b,y", *(f"{a:.3f},{b:.3f},{1e4 + 300 * a:.2f}" for a, b in rng.normal(size=(30, 2)))]
    with asked_of_table(tmp_path, lines) as store:
        nested = posed(store)
        made_up = make_up(nested, store, rng)
        result = conclude(nested, store)
        assert result.metric == "rmse"
        data, mse = nested.setup.data, []
        for side in SIDES:
            errors = np.zeros(30)
            for fold, test in enumerate(nested.folds.test):
                said = made_up[fold, side].predictions[:, 0].astype(np.float64) * data.info.target_scale
                errors[test.numpy()] = said + data.info.target_mean - data.original_target()[test.numpy()]
            mse.append(np.mean(errors**2))
        # In the target's units: without - with, as RMSE over all rows.
        assert result.comparison.difference == pytest.approx(np.sqrt(mse[1]) - np.sqrt(mse[0]), rel=1e-4)
        of_folds = [made_up[fold, "all"].metrics[metrics_for("regression").index("rmse")] for fold in range(3)]
        assert result.score.value == pytest.approx(np.mean(of_folds))
        assert result.score.low is not None
        assert result.score.low >= 0
        # Turned around among themselves, the test rows' targets leave the units of the target as they are.
        target = data.target.clone()
        test = nested.folds.test[0]
        target[test] = target[test].flip(0)
        found, turned = (
            search(one, (0, "all"), InlineLauncher()) for one in (nested, with_data(nested, target=target))
        )
        np.testing.assert_array_equal(found.predictions, turned.predictions)
        assert (found.configuration, found.raw_score) == (turned.configuration, turned.raw_score)
        assert not np.array_equal(found.metrics, turned.metrics)


def test_groups_stay_whole_in_both_splits(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(48, 2))
    lines = ["a,b,who,y", *(f"{a:.3f},{b:.3f},g{i % 12},{'yes' if a > 0 else 'no'}" for i, (a, b) in enumerate(rows))]
    with asked_of_table(tmp_path, lines, "data.groups=who") as store:
        nested = posed(store)
        groups = nested.setup.data.groups
        assert groups is not None
        for fold in range(3):
            train, test = nested.folds.train[fold].numpy(), nested.folds.test[fold].numpy()
            assert not set(groups[train]) & set(groups[test])
            inner = inner_setup(nested, (fold, "all"))
            assert inner.data.groups is not None
            np.testing.assert_array_equal(inner.data.groups, groups[train])
            for rows_in, rows_out in zip(inner.folds.train, inner.folds.test, strict=True):
                assert not set(inner.data.groups[rows_in.numpy()]) & set(inner.data.groups[rows_out.numpy()])
        make_up(nested, store, rng)
        result = conclude(nested, store)
        assert (result.groups, result.comparison.units, result.comparison.df) == (12, 12, 11)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_time_series_is_refused(store: Store) -> None:
    question = pose(store, "small", 2)
    setup = replace(question.setup, folds=replace(question.setup.folds, scheme="timeseries"))
    with pytest.raises(UserError, match=r"small is on a time series: .* one history has none; ask without it"):
        pose_nested(replace(question, setup=setup), store)


@pytest.mark.parametrize(
    ("outer", "message"),
    [
        (1, "the number of outer folds must be a whole number of at least 2, however: 1"),
        (16, r"the rows cannot be split into 16 outer folds: .*each class needs at least 16 rows"),
    ],
)
def test_outer_folds_that_cannot_be_are_refused(store: Store, outer: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        posed(store, outer)


def test_training_rows_that_are_too_few_are_known_before_anything_runs(store: Store) -> None:
    """Each class has rows enough for three folds, but not for three folds of two thirds of them."""
    question = pose(store, "small", 2)
    target = torch.zeros(30)
    target[:3] = 1
    setup = replace(question.setup, data=replace(question.setup.data, target=target))
    with pytest.raises(
        DataError, match=r"nested cross-validation splits the rows twice, and the training rows of outer fold 1 of 3"
    ):
        pose_nested(replace(question, setup=setup), store)


def test_a_summary_of_the_sweep_is_as_before(store: Store, after: Store) -> None:
    assert summarise(after, "small").best_to_dict() == summarise(store, "small").best_to_dict()
