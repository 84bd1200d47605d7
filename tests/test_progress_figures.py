"""Figures of a sweep that may still be running: what they say, before they are drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sweep.analysis.results import SweepSummary
from sweep.figures import draw_progress  # noqa: F401 - brings its figure
from sweep.figures.draw import draw
from sweep.figures.info import CurveInfo, describe
from sweep.figures.progress_info import MOST_CURVES, RAW, live_figures, progress_info
from tests.made_sweep import DEFINITION, made_summary


def running(trials: int, budget: int = 128, **changes: Any) -> SweepSummary:
    made = made_summary(trials, **changes)
    return replace(made, status=replace(made.status, state="running", budget=budget), honest=None)


@pytest.mark.parametrize("metric", ["accuracy", "rmse"])
def test_lines_are_the_best_so_far(metric: str) -> None:
    summary = running(40, metric=metric)
    info = progress_info(summary)
    assert info is not None
    assert (info.last, info.budget) == (39, 128)
    better = max if summary.metric.maximize else min
    for climb, arm in zip(info.climbs, summary.arms, strict=True):
        own = [trial for trial in summary.trials if trial.placement == arm.placement]
        for at, best in zip(climb.at, climb.best, strict=True):
            assert best == better(trial.score for trial in own if trial.number <= at)
        assert (climb.at[-1], climb.best[-1]) == (arm.best.number, arm.best.score)
    assert f"trial {summary.arms[0].best.number}" in describe(info)
    assert "raw" in describe(info)


def test_a_pruned_trial_is_no_best() -> None:
    summary = running(8)
    trials = tuple(replace(trial, pruned=trial.number < 4) for trial in summary.trials)
    info = progress_info(replace(summary, trials=trials))
    assert info is not None
    assert all(at >= 4 for climb in info.climbs for at in climb.at)
    assert [climb.points.pruned for climb in info.climbs] == [1, 1, 1, 1]
    none = progress_info(replace(summary, trials=tuple(replace(trial, pruned=True) for trial in summary.trials)))
    assert none is not None
    assert "None of them was trained to its end" in describe(none)
    assert len(draw(none).data) == 4  # marks, and no line


def test_before_the_first_trial_there_is_nothing() -> None:
    assert live_figures(running(0)) == ()


def test_all_of_them_say_that_scores_are_raw() -> None:
    shown = live_figures(running(40))
    keys = [one.key for one in shown]
    assert keys[:5] == ["progress", "curves:none", "curves:input", "curves:hidden", "curves:all"]
    assert keys[5:] == ["rates:input", "rates:hidden1", "rates:hidden2"]
    assert len(set(keys)) == len(keys)
    for one in shown:
        assert RAW in one.caption
        assert draw(one.info).layout.height


def test_of_many_placements_the_curves_of_those_ahead() -> None:
    names = ("none", "input", "hidden", "all", "hidden1", "hidden2", "hidden3", "input+hidden1", "input+hidden2")
    listed = ", ".join(f'"{name}"' for name in names)
    definition = DEFINITION.replace('"none", "input", "hidden", "all"', listed).replace("[60, 30]", "[60, 30, 20]")
    summary = running(45, definition=definition)
    curves = [one.info for one in live_figures(summary) if isinstance(one.info, CurveInfo)]
    assert len(curves) == MOST_CURVES == len(names) - 1
    last = min(summary.arms, key=lambda arm: arm.best.score)
    assert last.placement not in {info.trial.placement for info in curves}
