"""What a sampler sees of a long arm: the best and the latest, as a function of what it may see."""

from __future__ import annotations

import math

import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState

from sweep.space import view
from sweep.space.memory import Ended
from sweep.space.proposer import Proposer
from sweep.spec.definition import parse
from tests.definitions import WHOLE

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1000.0)}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "WINDOW", 6)
    monkeypatch.setattr(view, "BEST", 2)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_and_the_latest_are_seen(direction: str) -> None:
    seen = view.View("maximize" if direction == "maximize" else "minimize")
    for number in range(40):
        seen.add(number, {"x": float(number)}, SPACE)
    for number in range(29):
        score = (1 if direction == "maximize" else -1) * (100.0 if number in (3, 7) else number)
        seen.tell(number, Ended(None if number == 5 else score))
    told = [t.params["x"] for t in seen.shown.study.get_trials() if t.state == TrialState.COMPLETE]
    running = [t.params["x"] for t in seen.shown.study.get_trials()[1:] if t.state == TrialState.RUNNING]
    assert told == [3, 7, *range(18, 29)]
    assert running == list(range(29, 40))
    assert seen.shown.study.get_trials()[0].number == seen.shown.drawn_for.number == 0


def test_few_trials_are_all_seen() -> None:
    seen = view.View("maximize")
    for number in range(11):
        seen.add(number, {"x": float(number)}, SPACE)
        seen.tell(number, Ended(1.0))
    assert len(seen.shown.study.get_trials()) == 1 + 11


def test_a_trial_is_kept_with_what_it_was_given_and_not_after_it_is_forgotten() -> None:
    seen, given = view.View("maximize"), [{"x": float(number)} for number in range(41)]
    for number, params in enumerate(given):
        seen.add(number, params, SPACE)
        seen.tell(number, Ended(1.0))
        assert len(seen._leading) <= 2 * view.BEST
    shown = seen.shown.study.get_trials(deepcopy=False)[1:]
    assert len(shown) < 2 * view.WINDOW + view.BEST
    for trial in shown:
        assert trial.params is given[int(trial.params["x"])]  # no copy
        assert trial.distributions is SPACE


def test_pruned_trials_are_seen_as_such_before_and_after_the_window_moves() -> None:
    seen = view.View("maximize")
    for number in range(13):
        seen.add(number, {"x": float(number)}, SPACE)
        seen.tell(number, Ended(None, {2: 0.5}, pruned=True) if number % 2 else Ended(0.5))
    trials = seen.shown.study.get_trials()[1:]
    assert [t.params["x"] for t in trials] == [0, 2, 6, 7, 8, 9, 10, 11, 12]  # pruned ones are never the best
    for trial in trials:
        pruned = trial.params["x"] % 2 == 1
        assert trial.state == (TrialState.PRUNED if pruned else TrialState.COMPLETE)
        assert trial.intermediate_values == ({2: 0.5} if pruned else {})
        assert trial.value == 0.5


@pytest.mark.parametrize("resumed_at", [0, 17, 40, 59])
def test_a_resume_gives_the_same_proposals(resumed_at: int) -> None:
    changes = ("search.sampler=tpe", "search.allocation=sampler", "search.trials=80", "search.batch=4")
    spec = parse(WHOLE, None, changes)

    def go(proposer: Proposer, first: int, observed: int, last: int) -> list[dict[str, object]]:
        params = []
        for number in range(first, last):
            for earlier in range(observed, proposer.visible(number)):
                proposer.observe(earlier, math.sin(earlier))
            observed = max(observed, proposer.visible(number))
            params.append(dict(proposer.propose(number).params))
        return params

    whole = go(Proposer(spec, "maximize"), 0, 0, 64)
    resumed = Proposer(spec, "maximize")
    for number in range(resumed_at):
        resumed.restore(number, whole[number])
    assert whole[resumed_at:] == go(resumed, resumed_at, 0, 64)
