"""Parameters, and proposals that are a function of seed, number and the told trials they could see."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from sweep.errors import DefinitionError
from sweep.records import Hyperparameters
from sweep.space.arms import budget
from sweep.space.proposer import Proposal, Proposer, hyperparameters
from sweep.space.samplers import distributions
from sweep.spec.alone import fixed
from sweep.spec.definition import parse
from sweep.spec.layers import layers_of, parse_hidden
from sweep.spec.model import SweepSpec
from sweep.spec.toml import to_toml

SAMPLERS = ["tpe", "random", "qmc"]

# A small space in which everything is finite: none 4 configurations, input 8, all 32 (three layers of two rates).
FINITE = [
    "space.learning_rate={choices = [0.1, 0.01]}",
    "space.momentum=0.9",
    "space.max_norm={choices = [1.0, 'off']}",
    "space.lr_decay=1.0",
    "space.dropout={low = 0.2, high = 0.3, step = 0.1}",
]


def make(*overrides: str) -> SweepSpec:
    text = 'name = "a"\nseed = 3\n[data]\nsource = "x"\n[search]\nbatch = 6\n'
    return parse(text, Path("studies/a.toml"), overrides)


def value_of(params: dict[str, Any]) -> float:
    """A surface with one peak: learning rate 0.1, dropout 0.2."""
    rates = [rate for name, rate in params.items() if name.startswith("dropout")]
    return float(-abs(math.log10(params["learning_rate"]) + 1) - sum(abs(rate - 0.2) for rate in rates))


def run(
    spec: SweepSpec,
    trials: int,
    value: Callable[[dict[str, Any]], float | None] = value_of,
    direction: Literal["maximize", "minimize"] = "maximize",
) -> list[Proposal]:
    """Proposes and observes without disturbance, batch by batch."""
    proposer = Proposer(spec, direction)
    proposals: list[Proposal] = []
    for number in range(trials):
        if number and number % spec.search.batch == 0:
            observe(proposer, proposals[-spec.search.batch :], value)
        proposals.append(proposer.propose(number))
    return proposals


def observe(
    proposer: Proposer, proposals: Sequence[Proposal], value: Callable[[dict[str, Any]], float | None] = value_of
) -> None:
    for proposal in proposals:
        proposer.observe(proposal.number, value(dict(proposal.params)))


def resumed(spec: SweepSpec, proposals: Sequence[Proposal], told: Sequence[Proposal]) -> Proposer:
    """A proposer made anew from stored trials."""
    proposer = Proposer(spec, "maximize")
    for proposal in proposals:
        proposer.restore(proposal.number, proposal.params)
    observe(proposer, told)
    return proposer


def params_of(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    return [dict(proposal.params) for proposal in proposals]


def distinct(proposals: Sequence[Proposal]) -> int:
    return len({tuple(sorted(proposal.params.items())) for proposal in proposals})


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("allocation", ["equal", "sampler"])
def test_the_seed_decides(sampler: str, allocation: str) -> None:
    options = [f"search.sampler={sampler}", f"search.allocation={allocation}"]
    first = run(make(*options), 54)
    assert run(make(*options), 54) == first
    assert distinct(first) == 54
    others = run(make(*options, "seed=4"), 54)
    assert all(mine.params != other.params for mine, other in zip(first, others, strict=True))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("allocation", ["equal", "sampler"])
def test_a_resume_anywhere_proposes_what_an_undisturbed_run_does(sampler: str, allocation: str) -> None:
    spec = make(f"search.sampler={sampler}", f"search.allocation={allocation}")
    whole = run(spec, 72)
    # After 47 trials of 12 batches each arm is past the sampler's random start; 60 is the start of a batch.
    for stopped in (5, 47, 48, 51, 60, 65, 71):
        batch_start = stopped - stopped % spec.search.batch
        proposer = resumed(spec, whole[:stopped], whole[:batch_start])
        assert proposer.propose(stopped) == whole[stopped]


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_what_does_not_learn_depends_on_the_number_alone(sampler: str) -> None:
    spec = make(f"search.sampler={sampler}")
    others = run(make(f"search.sampler={sampler}", "seed=4"), 20)
    proposer = resumed(spec, others, others)
    assert [proposer.propose(number) for number in range(20, 24)] == run(spec, 24)[20:]


def test_what_was_told_of_the_own_batch_is_not_seen() -> None:
    spec = make("space.placement=all")
    whole = run(spec, 60)
    # 48 starts a batch of 48..53; now 48 to 50 are told before 51 is asked, and in another order.
    proposer = resumed(spec, whole[:51], [*reversed(whole[:48]), whole[50], whole[48], whole[49]])
    assert params_of([proposer.propose(number) for number in (51, 52, 53)]) == params_of(whole[51:54])
    observe(proposer, [whole[53], whole[51], whole[52]])
    assert params_of([proposer.propose(number) for number in range(54, 60)]) == params_of(whole[54:60])


def test_the_earlier_trials_of_the_own_batch_are_seen_as_running() -> None:
    spec = make("space.placement=input", "search.lag=0")
    whole = run(spec, 54)
    proposer = resumed(spec, whole[:52], whole[:48])
    # A running trial at the very place that would be proposed next drives the proposal elsewhere.
    proposer.restore(52, {**whole[52].params, **whole[53].params, "weight_decay": 0.0, "momentum": 0.5})
    assert proposer.propose(53).params != whole[53].params


def test_what_was_told_of_earlier_batches_is_seen() -> None:
    spec = make("space.placement=all")
    whole = run(spec, 30)
    turned = run(spec, 30, lambda params: -value_of(params))
    assert params_of(turned[:12]) == params_of(whole[:12])
    assert all(one.params != other.params for one, other in zip(turned[24:], whole[24:], strict=True))


def test_arms_see_their_own_trials_only() -> None:
    spec = make('space.placement={choices = ["none", "all"]}')
    whole = run(spec, 48)
    turned = run(spec, 48, lambda params: value_of(params) * (-1 if params["placement"] == "all" else 1))
    pairs = list(zip(whole, turned, strict=True))
    assert [one.params == other.params for one, other in pairs if one.arm == "none"] == [True] * 24
    late = [one.params != other.params for one, other in pairs[36:] if one.arm == "all"]
    assert late == [True] * 6


def test_trials_of_an_arm_do_not_depend_on_what_the_others_search() -> None:
    # Round robin over two arms either way, so the arm "input" has the same numbers.
    first = run(make('space.placement={choices = ["none", "input"]}'), 48)
    second = run(make('space.placement={choices = ["all", "input"]}'), 48)
    assert params_of(first[1::2]) == params_of(second[1::2])


def test_tpe_finds_the_peak_and_random_does_not() -> None:
    def late(sampler: str) -> float:
        proposals = run(make("space.placement=input", f"search.sampler={sampler}"), 60)
        return sum(value_of(dict(proposal.params)) for proposal in proposals[30:]) / 30

    assert late("tpe") > -0.35
    assert late("random") < -0.5


def test_direction_is_respected() -> None:
    spec = make("space.placement=input")
    up = run(spec, 48)
    assert params_of(run(spec, 48, lambda params: -value_of(params), "minimize")) == params_of(up)
    assert params_of(run(spec, 48, direction="minimize"))[42:] != params_of(up)[42:]


def test_a_failed_trial_is_ignored_but_not_repeated() -> None:
    spec = make("space.placement=all", *FINITE, "search.trials=30")
    whole = run(spec, 30, lambda params: None)
    assert distinct(whole) == 30
    # With no told trial to learn from, TPE goes on drawing at random.
    assert params_of(whole)[:12] == params_of(run(spec, 12))
    assert Counter(proposal.params["learning_rate"] for proposal in whole).keys() == {0.1, 0.01}


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid"])
def test_a_finite_space_is_used_up_without_a_repeat(sampler: str) -> None:
    spec = make(
        *FINITE,
        f"search.sampler={sampler}",
        'space.placement={choices = ["none", "input", "all"]}',
        "search.trials=44",
    )
    whole = run(spec, 44)
    assert distinct(whole) == 44
    assert Counter(proposal.arm for proposal in whole) == {"none": 4, "input": 8, "all": 32}
    assert {rate for proposal in whole for name, rate in proposal.params.items() if "dropout" in name} == {0.2, 0.3}
    with pytest.raises(DefinitionError, match=r"search\.trials must be at most 44"):
        resumed(spec, whole, whole).propose(44)


def test_a_finite_space_for_one_sampler_is_used_up_too() -> None:
    choices = 'space.placement={choices = ["none", "input"]}'
    for sampler in ("tpe", "grid", "qmc"):
        spec = make(*FINITE, choices, "search.allocation=sampler", f"search.sampler={sampler}", "search.trials=12")
        whole = run(spec, 12)
        assert distinct(whole) == 12
        assert Counter(proposal.params["placement"] for proposal in whole) == {"none": 4, "input": 8}
        assert {proposal.arm for proposal in whole} == {"*"}


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
def test_a_finite_space_beyond_64_bits(sampler: str) -> None:
    steps = "step = 0.000001}"
    spec = make(
        "space.placement=all",
        f"search.sampler={sampler}",
        "space.learning_rate={choices = [0.1, 0.01]}",
        "space.max_norm={choices = [1.0, 'off']}",
        "space.momentum={low = 0.0, high = 0.9, " + steps,
        "space.lr_decay={low = 0.9, high = 1.0, " + steps,
        "space.dropout={low = 0.1, high = 0.9, " + steps,
    )
    proposals = run(spec, 12)
    assert distinct(proposals) == 12
    assert params_of(proposals) == params_of(run(spec, 12))
    assert len({proposal.params["dropout_input"] for proposal in proposals}) == 12


def test_only_active_parameters_are_there() -> None:
    spec = make(
        "network.hidden={choices = [[8], [8, 4]]}",
        'space.placement={choices = ["none", "input", "hidden1", "all"]}',
        "space.momentum=0.9",
    )
    always = {"placement", "hidden", "learning_rate", "momentum", "max_norm", "lr_decay", "weight_decay"}
    shapes = set()
    for proposal in run(spec, 64):
        depth = len(parse_hidden(proposal.params["hidden"]))
        shapes.add((proposal.arm, depth))
        names = ["dropout_input", "dropout_hidden1", "dropout_hidden2"][: depth + 1]
        active = {name for name, on in zip(names, layers_of(proposal.arm, depth), strict=True) if on}
        assert set(proposal.params) == always | active
        assert set(proposal.distributions) == set(proposal.params)
        assert proposal.params["momentum"] == 0.9
        assert proposal.params["placement"] == proposal.arm
        assert all(type(value) in (float, str) for value in proposal.params.values())
        for name, own in proposal.distributions.items():
            assert own._contains(own.to_internal_repr(proposal.params[name]))
    assert len(shapes) == 8


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_networks_of_different_depth_in_one_sampler(sampler: str) -> None:
    spec = make(
        "network.hidden={choices = [[8], [8, 4]]}",
        'space.placement={choices = ["none", "all"]}',
        "search.allocation=sampler",
        f"search.sampler={sampler}",
    )
    whole = run(spec, 48)
    assert {(p.params["placement"], p.params["hidden"]) for p in whole} == {
        ("none", "8"),
        ("none", "8-4"),
        ("all", "8"),
        ("all", "8-4"),
    }
    assert {len(p.params) for p in whole if p.params["placement"] == "none"} == {7}


def test_one_sampler_draws_the_rates_of_a_placement_together(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make('space.placement={choices = ["none", "all"]}', "search.allocation=sampler", "search.lag=0")
    whole = run(spec, 36)
    proposer = resumed(spec, whole, [])
    observe(proposer, whole, lambda params: float(params["placement"] == "all"))

    def alone(*_: object) -> None:
        raise AssertionError("one by one")

    monkeypatch.setattr(TPESampler, "sample_independent", alone)
    more = [proposer.propose(number) for number in range(36, 42)]
    assert "all" in {proposal.params["placement"] for proposal in more}


def test_a_shared_rate_is_one_parameter() -> None:
    spec = make("space.shared=true", 'space.placement={choices = ["none", "input", "all"]}')
    none, inputs, everywhere = run(spec, 3)
    assert not any(name.startswith("dropout") for name in none.params)
    assert [name for name in everywhere.params if name.startswith("dropout")] == ["dropout"]
    rate = everywhere.params["dropout"]
    assert hyperparameters(spec, everywhere.params).dropout == (rate, rate, rate)
    assert hyperparameters(spec, inputs.params).dropout == (inputs.params["dropout"], 0.0, 0.0)


def test_layers_have_their_own_dimensions() -> None:
    spec = make("space.placement=all", "space.dropout=0.5", "space.dropout_layers.input={low = 0.01, high = 0.1}")
    for proposal in run(spec, 6):
        assert 0.0 <= proposal.params["dropout_input"] <= 0.1
        assert proposal.params["dropout_hidden1"] == proposal.params["dropout_hidden2"] == 0.5


def test_hyperparameters_resolve_everything() -> None:
    spec = make('space.max_norm={choices = [2.0, "off"]}')
    params = {
        "placement": "hidden",
        "hidden": "64-32",
        "dropout_hidden1": 0.25,
        "dropout_hidden2": 0.5,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "max_norm": "off",
        "lr_decay": 0.5,
        "weight_decay": 0.0,
    }
    expected = Hyperparameters((64, 32), "hidden", (0.0, 0.25, 0.5), 0.01, 0.9, None, 0.5, 0.0)
    assert hyperparameters(spec, params) == expected
    assert hyperparameters(spec, {**params, "max_norm": 2.0}).max_norm == 2.0
    assert set(distributions(spec, params)) == set(params)


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid"])
def test_a_fixed_definition_proposes_its_trial_alone(sampler: str) -> None:
    options = ["network.hidden={choices = [[8], [8, 4]]}", f"search.sampler={sampler}", "search.trials=20"]
    for shared in ("true", "false"):
        spec = make(*options, *FINITE, f"space.shared={shared}")
        for proposal in run(spec, 20):
            alone = hyperparameters(spec, proposal.params)
            again = parse(to_toml(fixed(spec, alone, "alone")))
            assert budget(again).trials == 1
            assert hyperparameters(again, Proposer(again, "maximize").propose(0).params) == alone


def test_qmc_fills_the_space_evenly() -> None:
    spec = make("space.placement=input", "search.sampler=qmc", "search.trials=64", "search.batch=16")
    whole = run(spec, 64)
    # 64 points of a Sobol sequence put exactly four in each sixteenth of every dimension.
    for name, low, high in (("dropout_input", 0.05, 0.7), ("momentum", 0.5, 0.99)):
        bins = Counter(int((proposal.params[name] - low) / (high - low) * 16) for proposal in whole)
        assert set(bins.values()) == {4}
    logs = Counter(
        int(math.log(proposal.params["learning_rate"] / 0.003) / math.log(0.5 / 0.003) * 16) for proposal in whole
    )
    assert set(logs.values()) == {4}


def test_a_resume_of_points_need_not_draw_the_earlier_ones() -> None:
    spec = make("search.sampler=qmc")
    whole = run(spec, 40)
    assert resumed(spec, whole[:37], whole[:36]).propose(37) == whole[37]


def test_a_study_in_a_database_takes_and_returns_the_proposals(tmp_path: Path) -> None:
    spec = make("network.hidden={choices = [[8], [8, 4]]}", 'space.max_norm={choices = [2.0, "off"]}')
    whole = run(spec, 21)
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/sweep.db", direction="maximize")
    for proposal in whole[:20]:
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=dict(proposal.params), distributions=dict(proposal.distributions)
            )
        )
    stored = study.get_trials()
    assert [trial.params for trial in stored] == params_of(whole[:20])
    proposer = Proposer(spec, "maximize")
    for trial in stored:
        proposer.restore(trial.number, trial.params)
    observe(proposer, whole[:18])
    assert proposer.propose(20) == whole[20]


@pytest.mark.parametrize("allocation", ["equal", "sampler"])
def test_optuna_says_nothing_of_studies_in_memory(allocation: str, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.enable_default_handler()
    before = optuna.logging.get_verbosity()
    run(make(f"search.allocation={allocation}"), 36)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_trials_must_come_in_order() -> None:
    spec = make("search.lag=0")
    proposer = Proposer(spec, "maximize")
    with pytest.raises(ValueError, match="trials must come in order: 0 is next, however: 1"):
        proposer.propose(1)
    whole = [proposer.propose(number) for number in range(6)]
    observe(proposer, whole[1:])
    with pytest.raises(ValueError, match="trial 0 of an earlier batch must be observed before 6"):
        proposer.propose(6)
    with pytest.raises(ValueError, match="must be finite"):
        proposer.observe(0, math.nan)
    proposer.observe(0, 1.0)
    for unknown in (0, 6, -1):
        with pytest.raises(ValueError, match="must be proposed, and observed once"):
            proposer.observe(unknown, 1.0)
    assert proposer.propose(6).number == 6


def test_what_cannot_be_restored() -> None:
    spec = make()
    whole = run(spec, 2)
    proposer = Proposer(spec, "maximize")
    with pytest.raises(ValueError, match="trial 0 must belong to the arm none"):
        proposer.restore(0, whole[1].params)
    with pytest.raises(ValueError, match="trial 0 must have exactly the active parameters"):
        proposer.restore(0, {**whole[0].params, "dropout_input": 0.1})
    proposer.restore(0, whole[0].params)
    assert proposer.propose(1) == whole[1]


def test_a_continuous_space_too_narrow_to_go_on_is_said() -> None:
    tiny = f"space.learning_rate={{low = 0.1, high = {math.nextafter(0.1, 1)!r}}}"
    fixed = ["space.momentum=0.9", "space.max_norm=1.0", "space.lr_decay=1.0", "space.placement=none"]
    with pytest.raises(
        DefinitionError, match="space of none must have room for another configuration, however: 100 draws"
    ):
        run(make(tiny, *fixed), 6)
