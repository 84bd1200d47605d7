"""What a proposal sees with a lag and with pruning, in whatever order and whenever trials are observed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from sweep.space.arms import batch_size
from sweep.space.proposer import Proposal, Proposer
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec

RUNGS = (3, 9)


def make(*overrides: str) -> SweepSpec:
    text = 'name = "a"\nseed = 3\n[data]\nsource = "x"\n[search]\nbatch = 4\n'
    return parse(text, Path("studies/a.toml"), overrides)


def value_of(params: Mapping[str, Any]) -> float:
    """A surface with one peak: learning rate 0.1, no momentum."""
    return float(-abs(math.log10(params["learning_rate"]) + 1) - params["momentum"])


Ends = dict[str, Any]


def end_of(proposal: Proposal) -> Ends:
    """A sixth fails, a third is pruned, at one of two rungs: how a trial ends is a function of its parameters."""
    value, scores = value_of(proposal.params), scores_of(proposal)
    match proposal.number % 6:
        case 0:
            return {"value": None}
        case 2:
            return {"value": scores[3], "intermediate": {3: scores[3]}, "pruned": True}
        case 3:
            return {"value": scores[9], "intermediate": scores, "pruned": True}
        case _:
            return {"value": value, "intermediate": scores}


def scores_of(proposal: Proposal) -> dict[int, float]:
    return {rung: value_of(proposal.params) - 1 / rung for rung in RUNGS}


def run(spec: SweepSpec, trials: int, end: Callable[[Proposal], Ends] = end_of) -> list[Proposal]:
    """Observes as late as can be."""
    proposer, proposals = Proposer(spec, "maximize"), list[Proposal]()
    observed = 0
    for number in range(trials):
        for proposal in proposals[observed : proposer.visible(number)]:
            proposer.observe(proposal.number, **end(proposal))
        observed = max(observed, proposer.visible(number))
        proposals.append(proposer.propose(number))
    return proposals


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_batch_can_be_asked_while_those_of_the_lag_train(lag: int) -> None:
    spec = make(f"search.lag={lag}")
    proposer = Proposer(spec, "maximize")
    first = [proposer.propose(number) for number in range(4 * (lag + 1))]
    with pytest.raises(ValueError, match=f"trial 0 of an earlier batch must be observed before {len(first)}"):
        proposer.propose(len(first))
    for proposal in first[:4]:
        proposer.observe(proposal.number, **end_of(proposal))
    assert proposer.propose(len(first)).number == len(first)


@settings(max_examples=6, deadline=None)
@given(
    lag=st.integers(0, 2),
    allocation=st.sampled_from(["equal", "sampler"]),
    random=st.randoms(use_true_random=True),
)
def test_proposals_do_not_depend_on_when_and_in_which_order_trials_are_observed(
    lag: int, allocation: str, random: Any
) -> None:
    """Nor on being killed and resumed anywhere on the way."""
    spec = make(
        f"search.lag={lag}",
        f"search.allocation={allocation}",
        'space.placement={choices = ["none", "input"]}',
        "search.sampler=tpe",
    )
    whole = expected(spec)
    proposer, asked, observed = Proposer(spec, "maximize"), 0, set[int]()
    while asked < len(whole):
        if random.random() < 0.05:
            proposer = Proposer(spec, "maximize")
            for proposal in whole[:asked]:
                proposer.restore(proposal.number, proposal.params)
            for number in random.sample(sorted(observed), len(observed)):
                proposer.observe(number, **end_of(whole[number]))
        waiting = sorted(set(range(asked)) - observed)
        if proposer.visible(asked) > min(waiting, default=asked) or (waiting and random.random() < 0.5):
            number = random.choice(waiting)
            proposer.observe(number, **end_of(whole[number]))
            observed.add(number)
        else:
            assert proposer.propose(asked) == whole[asked]
            asked += 1


KNOWN: dict[SweepSpec, list[Proposal]] = {}


def expected(spec: SweepSpec) -> list[Proposal]:
    """Of an undisturbed run, beyond the random start of the samplers."""
    return KNOWN.setdefault(spec, run(spec, 44))


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_what_the_lag_hides_is_seen_by_the_batch_after_it(lag: int) -> None:
    spec = make(f"search.lag={lag}", "space.placement=input")
    whole = run(spec, 48)

    def other(proposal: Proposal) -> Ends:
        end = end_of(proposal)
        return {"value": 5.0} if proposal.number // 4 == 8 and proposal.number % 6 else end

    changed = run(spec, 48, other)
    same = [one.params == two.params for one, two in zip(whole, changed, strict=True)]
    sees = 4 * (9 + lag)
    assert all(same[:sees])
    assert not any(same[sees : sees + 4])


def test_the_size_of_a_batch_is_that_of_the_definition() -> None:
    spec = make("search.pruner=halving", 'space.placement={choices = ["none", "input", "all"]}', "search.lag=0")
    assert batch_size(spec) == 18
    proposer = Proposer(spec, "maximize")
    assert [proposer.visible(number) for number in (0, 17, 18, 35, 36)] == [0, 0, 18, 18, 36]


# --- pruned trials ----------------------------------------------------------------------------------------------------


def test_a_pruned_trial_is_one_to_the_sampler() -> None:
    """The proposal is that of Optuna's own sampler, asked with a study that was made without this package."""
    spec = make("space.placement=none", "search.lag=0", "space.max_norm=2.0", "space.lr_decay=1.0")
    whole = run(spec, 40)
    study = optuna.create_study(direction="maximize", sampler=TPESampler(multivariate=True))
    for proposal in whole[:36]:
        names = ("learning_rate", "momentum")
        end = end_of(proposal)
        pruned, value = end.get("pruned", False), end["value"]
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if pruned else TrialState.FAIL if value is None else TrialState.COMPLETE,
                value=value,
                params={name: proposal.params[name] for name in names},
                distributions={name: proposal.distributions[name] for name in names},
                intermediate_values=end.get("intermediate", {}) if pruned else {},
            )
        )
    proposer = Proposer(spec, "maximize")
    for proposal in whole[:36]:
        proposer.restore(proposal.number, proposal.params)
        proposer.observe(proposal.number, **end_of(proposal))
    seed = proposer._arms[0]._seed(36, 0)
    study.sampler = TPESampler(seed=seed, multivariate=True, constant_liar=True)
    trial = study.ask({name: whole[0].distributions[name] for name in ("learning_rate", "momentum")})
    mine = proposer.propose(36).params
    assert {name: mine[name] for name in trial.params} == trial.params


def test_how_far_a_pruned_trial_came_counts() -> None:
    """Not the number that it is told with: TPE ranks it by its last rung and its score there."""
    spec = make("space.placement=input", "search.lag=0")

    def ends(early: int) -> list[dict[str, Any]]:
        def end(proposal: Proposal) -> Ends:
            score = value_of(proposal.params)
            rung = early if proposal.number % 2 else 12 - early
            return {"value": score, "intermediate": {rung: score}, "pruned": True}

        return [dict(proposal.params) for proposal in run(spec, 36, end)]

    assert ends(3) == ends(3)
    assert ends(3)[32:] != ends(9)[32:]


@pytest.mark.parametrize(
    ("overrides", "first"),
    [
        (["search.pruner=none"], 36),  # ten trials of each arm, which the first batch does not have
        (["search.pruner=halving"], 24),  # the first batch will do
        (["search.pruner=halving", "search.reduction=5", "search.batch=20"], 40),
        (["search.pruner=halving", "search.allocation=sampler"], 24),  # it has ten of the only arm
    ],
)
def test_with_halving_the_first_batch_is_learnt_from(overrides: list[str], first: int) -> None:
    """Whatever the scores, the trials before are the same; they see no batch but the first, or none."""
    spec = make('space.placement={choices = ["none", "input"]}', "search.batch=12", "search.lag=1", *overrides)
    trials = first + batch_size(spec)
    risen = run(spec, trials, lambda proposal: {"value": value_of(proposal.params)})
    fallen = run(spec, trials, lambda proposal: {"value": -value_of(proposal.params)})
    same = [one.params == two.params for one, two in zip(risen, fallen, strict=True)]
    assert all(same[:first])
    assert not all(same[first:])


def test_scores_must_be_finite() -> None:
    proposer = Proposer(make(), "maximize")
    proposer.propose(0)
    with pytest.raises(ValueError, match="must be finite, however: nan"):
        proposer.observe(0, 1.0, {3: math.nan})
    proposer.observe(0, None, {3: 0.5}, pruned=True)


# --- the median -------------------------------------------------------------------------------------------------------


def observed(spec: SweepSpec, trials: int, asked: int) -> Proposer:
    """With scores that rise with the number: trial n has n at rung 3, and n + 100 at rung 9."""
    proposer = Proposer(spec, "maximize")
    for number in range(asked):
        proposer.propose(number)
        if number < trials:
            proposer.observe(number, float(number), {3: float(number), 9: number + 100.0})
    return proposer


def test_the_median_is_that_of_the_arm_among_what_the_trial_can_see() -> None:
    options = ("search.pruner=median", 'space.placement={choices = ["none", "input"]}', "search.sampler=random")
    # Batches of four: trial 24 sees 0 to 19 with a lag of 1; of its arm 0, 2 .. 18, with the median 9; 25's is 10.
    proposer = observed(make(*options, "search.lag=1"), trials=24, asked=28)
    assert [proposer.prunes(24, 3, {3: score}) for score in (8.9, 9.0)] == [True, False]
    assert [proposer.prunes(25, 3, {3: score}) for score in (9.9, 10.0)] == [True, False]
    # At a later rung its best so far counts, as Optuna has it, and later ones do not.
    assert proposer.prunes(24, 9, {3: 9.0, 9: 108.0})
    assert not proposer.prunes(24, 9, {3: 110.0, 9: 108.0})
    assert proposer.prunes(24, 3, {3: 8.0, 9: 1000.0})
    # Without a lag 24 sees 0 to 23: of its arm the median is 11.
    proposer = observed(make(*options, "search.lag=0"), trials=24, asked=28)
    assert [proposer.prunes(24, 3, {3: score}) for score in (10.9, 11.0)] == [True, False]


def test_of_one_sampler_only_trials_of_the_same_placement_are_compared() -> None:
    spec = make("search.pruner=median", "search.allocation=sampler", "search.sampler=random", "search.lag=0")
    proposer, whole = Proposer(spec, "maximize"), list[Proposal]()
    for number in range(64):
        whole.append(proposer.propose(number))
        if number < 60:
            high = 1.0 if whole[number].params["placement"] == "all" else 0.0
            proposer.observe(number, high, {3: high})
    for proposal in whole[60:]:
        assert proposer.prunes(proposal.number, 3, {3: 0.5}) == (proposal.params["placement"] == "all")
    assert {proposal.params["placement"] == "all" for proposal in whole[60:]} == {True, False}


def test_nothing_is_pruned_before_there_are_enough_complete_trials() -> None:
    spec = make("search.pruner=median", "space.placement=input", "search.sampler=random", "search.lag=0")
    for pruned in (0, 4):  # of the first eight; Optuna wants five complete ones
        proposer = Proposer(spec, "maximize")
        for number in range(12):
            proposer.propose(number)
            if number < 8:
                proposer.observe(number, 1.0, {3: 1.0}, pruned=number < pruned)
        assert proposer.prunes(8, 3, {3: 0.0}) == (pruned == 0)
    assert MedianPruner()._n_startup_trials == 5


@settings(max_examples=20, deadline=None)
@given(lag=st.integers(0, 2), random=st.randoms(use_true_random=True))
def test_a_verdict_does_not_depend_on_what_was_observed_since(lag: int, random: Any) -> None:
    """Batches in flight together ask in turn; each sees what its proposals saw."""
    spec = make("search.pruner=median", "space.placement=input", "search.sampler=random", f"search.lag={lag}")
    proposer, ends = Proposer(spec, "minimize"), dict[int, float]()
    asked, waiting = 0, list[int]()
    while asked < 60:
        if waiting and (proposer.visible(asked) > min(waiting) or random.random() < 0.6):
            number = random.choice(waiting)
            score = random.uniform(0, 1)
            seen = sorted(ends[other] for other in range(proposer.visible(number)))
            if len(seen) >= 5:
                half = len(seen) // 2
                median = (seen[half] + seen[~half]) / 2
                assert proposer.prunes(number, 3, {3: score}) == (score > median)
            else:
                assert not proposer.prunes(number, 3, {3: score})
            if random.random() < 0.7:
                waiting.remove(number)
                ends[number] = random.uniform(0, 1)
                proposer.observe(number, ends[number], {3: ends[number]})
        else:
            proposer.propose(asked)
            waiting.append(asked)
            asked += 1


def test_who_cannot_be_pruned() -> None:
    proposer = observed(make("search.pruner=median", "search.lag=0"), trials=3, asked=4)
    for number in (2, 4, -1):
        with pytest.raises(ValueError, match=f"trial {number} must be running to be pruned"):
            proposer.prunes(number, 3, {3: 1.0})
    with pytest.raises(ValueError, match=r"trial 3 must have a score at epoch 9, however: \[3\]"):
        proposer.prunes(3, 9, {3: 1.0})
