"""What the figures say. Looks are not tested, only that every info record can be drawn (``test_figures.py``)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sweep.analysis.results import Curves, SweepSummary, arms_of
from sweep.figures.info import (
    curve_infos,
    describe,
    importance_infos,
    placement_info,
    rate_infos,
    score_scale,
)
from sweep.figures.palette import marks_of
from sweep.metrics import METRICS
from tests.made_sweep import DEFINITION, made_summary
from tests.pruned_sweep import pruned_summary

ACCURACY, RMSE = METRICS["accuracy"], METRICS["rmse"]


@pytest.fixture(scope="module")
def summary() -> SweepSummary:
    return made_summary()


def test_every_trial_stands_once_in_the_row_of_its_placement(summary: SweepSummary) -> None:
    info = placement_info(summary)
    assert info is not None
    assert [row.placement for row in info.rows] == ["none", "input", "hidden", "all"]
    scores = {trial.number: trial.score for trial in summary.trials}
    seen = [number for row in info.rows for number in row.numbers]
    assert sorted(seen) == list(scores)
    for place, row in enumerate(info.rows):
        assert list(row.scores) == [scores[number] for number in row.numbers]
        assert list(row.at) == sorted(row.at), "from the first to the last"
        assert all(round(at) == place for at in row.at)
        best, noise = info.best[place], info.noise[place]
        assert best.score == max(row.scores)
        assert noise is not None
        assert best.spread is not None
        assert noise == (best.score - best.spread, min(best.score + best.spread, 1.0))
        assert all(info.scale.holds(edge) for edge in noise)


def test_noise_makes_the_axis_longer_within_reason_and_is_no_score_that_cannot_be(summary: SweepSummary) -> None:
    wild = tuple(replace(trial, folds=(0.0, 1.0) * 5) for trial in summary.trials)
    arms = arms_of(wild, summary.spec.space.placements, ACCURACY)
    info = placement_info(replace(summary, trials=wild, arms=arms))
    assert info is not None
    assert all(noise is not None and noise[0] > 0.2 and noise[1] == 1.0 for noise in info.noise)
    scores = score_scale([trial.score for trial in wild], ACCURACY)
    assert info.scale.low == pytest.approx(scores.low - 2 * (scores.high - scores.low))
    single = tuple(replace(trial, folds=trial.folds[:1]) for trial in summary.trials)
    arms = arms_of(single, summary.spec.space.placements, ACCURACY)
    info = placement_info(replace(summary, trials=single, arms=arms))
    assert info is not None
    assert set(info.noise) == {None}
    assert info.scale == scores


def test_rates_hold_the_trials_that_drop_on_the_layer(summary: SweepSummary) -> None:
    infos = rate_infos(summary)
    assert [info.layer for info in infos] == ["input", "hidden1", "hidden2"]
    assert [arm.placement for arm in infos[0].arms] == ["input", "all"]
    assert [arm.placement for arm in infos[2].arms] == ["hidden", "all"]
    for place, info in enumerate(infos):
        for arm in info.arms:
            for number, rate in zip(arm.numbers, arm.at, strict=True):
                assert rate == summary.trials[number].hyperparameters.dropout[place] > 0
        assert info.without == max(trial.score for trial in summary.trials if trial.placement == "none")


def test_a_shared_rate_is_one_figure() -> None:
    shared = DEFINITION.replace("[space]", "[space]\nshared = true")
    infos = rate_infos(made_summary(40, definition=shared))
    assert [info.layer for info in infos] == [None]
    assert sum(len(arm.numbers) for arm in infos[0].arms) == 30


def test_a_fixed_rate_is_no_figure() -> None:
    summary = made_summary(12)
    fixed = tuple(
        replace(trial, hyperparameters=replace(trial.hyperparameters, dropout=(0.2, 0.0, 0.0)))
        for trial in summary.trials
    )
    assert rate_infos(replace(summary, trials=fixed)) == ()


def test_curves_are_of_the_best_with_and_the_best_without_on_one_scale(summary: SweepSummary) -> None:
    with_, without = curve_infos(summary)
    assert with_.trial == summary.best_with
    assert without.trial == summary.best_without
    assert with_.scale == without.scale
    curves = summary.curves[with_.trial.number]
    means, deviations = zip(*with_.validation, strict=True)
    np.testing.assert_allclose(means, curves.validation.mean(axis=0))
    np.testing.assert_allclose(deviations, curves.validation.std(axis=0, ddof=1))
    np.testing.assert_allclose([mean for mean, _ in with_.training], curves.training.mean(axis=0))


def test_curves_with_undefined_values_stay_finite(summary: SweepSummary) -> None:
    best = summary.best_with
    assert best is not None
    holes = Curves((10, 20, 30), np.array([[np.nan, 0.5, np.nan]] * 2), np.array([[np.nan, 0.5, np.nan], [0.5] * 3]))
    only = replace(summary, curves={best.number: holes})
    (info,) = curve_infos(only)
    assert info.training == ((0.0, 0.0), (0.5, 0.0), (0.5, 0.0))
    assert all(np.isfinite(pair).all() for pair in info.validation)


def test_importance_of_every_arm_on_one_scale(summary: SweepSummary) -> None:
    infos = importance_infos(summary)
    assert [info.placement for info in infos] == ["none", "input", "hidden", "all"]
    assert len({info.longest for info in infos}) == 1
    assert infos[0].longest == max(share for info in infos for share in info.shares)
    assert importance_infos(made_summary(20)) == ()


def test_the_scale_holds_the_best_and_most_of_the_rest_but_not_what_squeezes_them() -> None:
    scores = [0.80, 0.82, 0.84, 0.86, 0.10]
    scale = score_scale(scores, ACCURACY)
    assert scale.low > 0.6
    assert scale.high > 0.86
    assert scale.at(0.10) == scale.low
    losses = score_scale([50.0, 51.0, 52.0, 5000.0], RMSE)
    assert losses.low < 50.0
    assert losses.high < 100.0
    equal = score_scale([0.5, 0.5], ACCURACY)
    assert equal.low < 0.5 < equal.high


def test_the_scale_of_a_pruned_sweep_is_that_of_its_complete_trials() -> None:
    pruned = pruned_summary()
    complete = [trial.score for trial in pruned.trials if not trial.pruned]
    assert len(complete) < len(pruned.trials) / 2
    scale = score_scale([trial.score for trial in pruned.trials], ACCURACY, typical=complete)
    assert all(scale.holds(score) for score in complete)
    assert scale.low > score_scale([trial.score for trial in pruned.trials], ACCURACY).low
    best, median = max(trial.score for trial in pruned.trials), float(np.median(complete))
    assert scale.low >= best - 4 * (best - median) - 0.06 * 4 * (best - median) - 1e-9
    assert {info.scale for info in rate_infos(pruned)} == {scale}
    none_complete = pruned_summary(complete=False)
    assert placement_info(none_complete) is not None


def test_trials_that_were_stopped_early_are_told_apart() -> None:
    pruned = pruned_summary()
    info = placement_info(pruned)
    assert info is not None
    trials = {trial.number: trial for trial in pruned.trials}
    clouds = [*info.rows, *(arm for rates in rate_infos(pruned) for arm in rates.arms)]
    for points in clouds:
        expected = [trials[number].trained if trials[number].pruned else None for number in points.numbers]
        assert list(points.stopped) == expected
        assert points.pruned == sum(trials[number].pruned for number in points.numbers) > 0
    assert all(not best.pruned for best in info.best)
    assert "128 trials by placement of dropout, 112 of them stopped early. Best" in describe(info)
    assert " of them stopped early." in describe(rate_infos(pruned)[0])
    assert set(placement_info(made_summary()).rows[0].stopped) == {None}  # type: ignore[union-attr]


def test_a_curve_ends_where_its_trial_was_stopped() -> None:
    for info in curve_infos(pruned_summary(complete=False)):
        assert info.trial.trained == 100
        assert (info.epochs[-1], info.until) == (100, 300)
        assert len(info.training) == len(info.validation) == 4
        assert "over 100 epochs" in describe(info)
        assert "stopped early after 100 of 300 epochs" in describe(info)
    for info in curve_infos(pruned_summary()):
        assert (info.epochs[-1], info.until) == (300, 300)
        assert "stopped" not in describe(info)


def test_colours_follow_the_placement(summary: SweepSummary) -> None:
    marks = marks_of(("none", "input", "hidden", "all"))
    info = placement_info(summary)
    assert info is not None
    assert [row.mark for row in info.rows] == list(marks.values())
    assert [curve.mark for curve in curve_infos(summary)] == [marks["input"], marks["none"]]


def test_words_say_what_the_figures_show(summary: SweepSummary) -> None:
    info = placement_info(summary)
    assert describe(info).startswith(
        "Accuracy of 128 trials by placement of dropout. Best of each: none: 85.6 %; input"
    )
    assert "hidden layer 2" in describe(rate_infos(summary)[2])
    assert "over 300 epochs of trial" in describe(curve_infos(summary)[0])
    assert "Momentum" in describe(importance_infos(summary)[0])
    with pytest.raises(TypeError):
        describe("no info record")


def test_without_trials_there_is_nothing_to_show() -> None:
    empty = made_summary(0)
    assert placement_info(empty) is None
    assert not rate_infos(empty)
    assert not curve_infos(empty)
    assert not importance_infos(empty)
