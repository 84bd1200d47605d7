"""Rules of thumb: which configurations each compares, and what they come to on data whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from sweep.answer.around import MOST_WIDER, WIDEST
from sweep.answer.check_rules import check
from sweep.answer.choose import Choice, Pick
from sweep.answer.decide import Confirmed
from sweep.answer.records import Outcome, RuleAnswer
from sweep.answer.rules import Rule, rules_of
from sweep.records import Configuration, Hyperparameters, Task
from sweep.spec.layers import layers_of
from tests.answer.test_decide import World

EPOCHS = 30
CONTROL_RATE = 0.04

KEYS = (
    "rates", "start", "inputs too", "inputs less", "larger", "width", "learning rate", "momentum", "max-norm",
    "max-norm and learning rate",
)  # fmt: skip


def pick(
    placement: str, rates: tuple[float, ...], raw: float, *, trial: int = 1, epoch: int = 12, **changes: object
) -> Pick:
    params = Hyperparameters((40, 20), placement, rates, 0.1, 0.8, 2.0, 0.5, 0.001)
    return Pick(trial, Configuration(replace(params, **changes), epoch), raw)  # type: ignore[arg-type]


CONTROL = pick("none", (0.0, 0.0, 0.0), 0.8, learning_rate=CONTROL_RATE)
INPUT = pick("input", (0.4, 0.0, 0.0), 0.9, trial=5)
HIDDEN = pick("hidden", (0.0, 0.3, 0.5), 0.85, trial=6, learning_rate=0.02)
ALL = pick("all", (0.1, 0.3, 0.5), 0.82, trial=7)


def rules(*winners: Pick, maximize: bool = True) -> dict[str, Rule]:
    return {rule.key: rule for rule in rules_of(Choice(CONTROL, winners), EPOCHS, maximize=maximize)}


def sides(rule: Rule, contrast: int = 0) -> list[tuple[float, Configuration]]:
    return [(weight, one) for weight, _, one in rule.contrasts[contrast].terms]


def without(one: Configuration) -> Configuration:
    return Pick(0, one, 0.0).matched


# --- the configurations -----------------------------------------------------------------------------------------------


def test_there_are_ten_in_order_each_with_a_source_and_weights_that_cancel() -> None:
    for winners in ((INPUT, HIDDEN, ALL), (INPUT,), (HIDDEN,), (ALL, HIDDEN)):
        found = rules(*winners)
        assert tuple(found) == KEYS
        for rule in found.values():
            assert "Srivastava" in rule.source or "Brownlee" in rule.source
            assert rule.contrasts[0].decides
            assert [one.decides for one in rule.contrasts] == sorted((o.decides for o in rule.contrasts), reverse=True)
            for contrast in rule.contrasts:
                assert sum(weight for weight, _, _ in contrast.terms) == 0
            for one in rule.configurations:
                assert one.params.placement
                on = layers_of(one.params.placement, 2)
                assert tuple(rate > 0 for rate in one.params.dropout) == on, "its placement says where it drops"


def test_rates_stand_on_the_layers_that_the_best_drops_and_all_else_stays() -> None:
    own, found = ALL.configuration, rules(ALL, replace(HIDDEN, raw_score=0.5))
    (_, start), (_, most), (_, none) = sides(found["rates"])
    (_, outside) = sides(found["rates"], 1)[2]
    for one, rate in ((start, 0.2), (most, 0.5), (none, 0.0), (outside, 0.7)):
        assert one.params.dropout == (rate, rate, rate)
        assert replace(one.params, dropout=own.params.dropout, placement="all") == own.params
        assert one.epoch == own.epoch
    assert [weight for weight, _ in sides(found["rates"])] == [0.5, 0.5, -1.0]
    assert none == ALL.matched, "it is the matched control, which the answer trains anyway"
    (_, start), (_, none) = sides(rules(INPUT)["start"])
    assert start.params.dropout == (0.2, 0.0, 0.0)


def test_inputs_and_hidden_units_start_from_the_best_that_drops_hidden_units() -> None:
    found = rules(INPUT, HIDDEN, ALL)
    (_, both), (_, alone) = sides(found["inputs too"])
    assert alone == HIDDEN.configuration, "the better of the two that do"
    assert both.params.dropout == (0.4, 0.3, 0.5), "the input's rate is the best network's"
    assert both.params.learning_rate == HIDDEN.configuration.params.learning_rate
    assert any("trial 6" in note for note in found["inputs too"].notes)
    (_, less), (_, more) = sides(found["inputs less"])
    assert less.params.dropout == (0.2, 0.5, 0.5)
    assert more.params.dropout == (0.5, 0.2, 0.2)
    (_, both), (_, alone) = sides(rules(HIDDEN)["inputs too"])
    assert both.params.dropout == (0.2, 0.3, 0.5)
    assert any("20 % of them" in note for note in rules(HIDDEN)["inputs too"].notes)


def test_where_nothing_drops_hidden_units_half_of_them_are() -> None:
    found = rules(INPUT)
    (_, both), (_, hidden) = sides(found["inputs too"])
    assert (both.params.dropout, hidden.params.dropout) == ((0.4, 0.5, 0.5), (0.0, 0.5, 0.5))
    assert any("No placement of the sweep drops hidden units" in note for note in found["width"].notes)
    (_, wide), _ = sides(found["width"])
    assert wide.params.hidden == (80, 40)


def test_a_larger_network_is_a_difference_of_differences() -> None:
    own = HIDDEN.configuration
    found = sides(rules(HIDDEN)["larger"])
    wide = replace(own, params=replace(own.params, hidden=(80, 40)))
    assert found == [(1.0, wide), (-1.0, own), (-1.0, without(wide)), (1.0, without(own))]


def test_width_makes_up_for_what_is_dropped() -> None:
    (_, wide), (_, own) = sides(rules(INPUT, HIDDEN)["width"])
    assert own == HIDDEN.configuration
    assert wide == replace(own, params=replace(own.params, hidden=(58, 40)))  # 40 / 0.7 rounded up, 20 / 0.5
    exact = pick("hidden", (0.0, 0.2, 0.8), 0.9)
    (_, wide), _ = sides(rules(exact)["width"])
    assert wide.params.hidden == (50, int(20 * MOST_WIDER)), "40 / 0.8 is 50, whatever floats say; 100 are too many"
    assert any("A layer of 20 units would have 100, has 60" in note for note in rules(exact)["width"].notes)


def test_a_network_that_is_wide_already_is_not_widened() -> None:
    found = rules(pick("hidden", (0.0, 0.3, 0.3), 0.9, hidden=(WIDEST, 2 * WIDEST)))
    for key in ("larger", "width"):
        assert found[key].contrasts == ()
        assert any(f"{WIDEST:,}" in note for note in found[key].notes)


def test_learning_rates_are_those_of_the_best_without_dropout_and_fall_to_the_end() -> None:
    rule = rules(INPUT)["learning rate"]
    for contrast, times in ((0, 10), (1, 100)):
        (_, high), (_, low) = sides(rule, contrast)
        assert high.params.learning_rate == pytest.approx(times * CONTROL_RATE)
        assert low.params.learning_rate == CONTROL_RATE
        for one in (high, low):
            assert (one.params.lr_decay, one.epoch) == (0.1, EPOCHS)
            assert one.params.momentum == INPUT.configuration.params.momentum
    assert any(f"last epoch, {EPOCHS}" in note for note in rule.notes)
    steep = rules(pick("input", (0.4, 0.0, 0.0), 0.9, lr_decay=0.01, epoch=EPOCHS))["learning rate"]
    assert sides(steep)[0][1].params.lr_decay == 0.01
    assert not any("last epoch" in note for note in steep.notes), "there is nothing to say of it"


def test_momentum_is_compared_with_steps_as_large_and_at_the_same_learning_rate() -> None:
    rule, own = rules(INPUT)["momentum"], INPUT.configuration.params
    step = own.learning_rate / (1 - own.momentum)
    for contrast, momentum in ((0, 0.95), (1, 0.99)):
        (_, high), (_, low) = sides(rule, contrast)
        assert (high.params.momentum, low.params.momentum) == (momentum, 0.5)
        for one in (high, low):
            assert one.params.learning_rate / (1 - one.params.momentum) == pytest.approx(step)
            assert one.epoch == EPOCHS
    for _, one in sides(rule, 2):
        assert one.params.learning_rate == own.learning_rate


def test_max_norm_alone_and_with_a_high_learning_rate() -> None:
    found = rules(INPUT)
    (_, bound), (_, off) = sides(found["max-norm"])
    assert (bound.params.max_norm, off.params.max_norm) == (4.0, None)
    assert bound.epoch == off.epoch == INPUT.configuration.epoch
    assert sides(found["max-norm"], 1)[1][1] == INPUT.configuration
    both = sides(found["max-norm and learning rate"])
    assert [(w, one.params.max_norm, round(one.params.learning_rate / CONTROL_RATE)) for w, one in both] == [
        (1.0, 4.0, 10),
        (-1.0, None, 10),
        (-1.0, 4.0, 1),
        (1.0, None, 1),
    ]
    assert {(one.epoch, one.params.lr_decay) for _, one in both} == {(EPOCHS, 0.1)}


def test_what_the_best_has_already_is_said_and_never_compared_with_itself() -> None:
    found = rules(pick("input", (0.2, 0.0, 0.0), 0.9, max_norm=4.0))
    assert "The best network has that already: 4." in found["max-norm"].notes
    assert "The best network has that already: 20 %." in found["start"].notes
    for rule in found.values():
        for contrast in rule.contrasts:
            assert len({one.key for _, _, one in contrast.terms}) > 1
    assert not any("found" in contrast.what for contrast in found["start"].contrasts)


def test_the_best_is_the_best_in_the_metrics_direction() -> None:
    assert sides(rules(INPUT, HIDDEN)["max-norm"], 1)[1][1] == INPUT.configuration
    assert sides(rules(INPUT, HIDDEN, maximize=False)["max-norm"], 1)[1][1] == HIDDEN.configuration


# --- what they come to ------------------------------------------------------------------------------------------------

Skill = Callable[[Configuration], float]


def checked(
    skill: Skill, *keys: str, metric: str = "accuracy", task: Task = "binary", rows: int = 400
) -> dict[str, RuleAnswer]:
    """Networks as good as ``skill`` says, made once each."""
    world = World(task, rows, 3, metric)
    made: list[str] = []

    def trained(one: Configuration) -> Confirmed:
        made.append(one.key)
        return replace(world.network(skill(one)), params=one.params, epoch=one.epoch)

    chosen = [rule for key, rule in rules(INPUT, HIDDEN).items() if not keys or key in keys]
    found = check(world.setting(), chosen, trained)
    assert len(made) == len(set(made)), "no configuration is asked for twice"
    return {one.key: one for one in found}


def by_rate(inside: float, none: float, high: float) -> Skill:
    return lambda one: {0.0: none, 0.7: high}.get(max(one.params.dropout), inside)


@pytest.mark.parametrize(
    ("inside", "none", "high", "outcome"),
    [
        (1.8, 0.8, 0.8, "holds"),
        (1.8, 0.8, 1.8, "cannot tell"),
        (1.8, 1.8, 0.8, "cannot tell"),
        (0.8, 1.8, 0.8, "does not hold"),
        (1.2, 0.4, 2.2, "does not hold"),
    ],
)
def test_a_range_of_rates_has_to_beat_what_is_below_and_what_is_above(
    inside: float, none: float, high: float, outcome: Outcome
) -> None:
    assert checked(by_rate(inside, none, high), "rates")["rates"].outcome == outcome


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc", "balanced_accuracy"])
def test_a_rule_that_is_true_holds_and_one_that_is_false_does_not(metric: str) -> None:
    def skill(one: Configuration) -> float:
        return 1.0 + 0.8 * (one.params.max_norm == 4.0) - 0.6 * (one.params.momentum > 0.9)

    found = checked(skill, "max-norm", "momentum", metric=metric)
    assert found["max-norm"].outcome == "holds"
    assert found["momentum"].outcome == "does not hold"
    (first, *_) = found["max-norm"].comparisons
    assert (first.decides, first.what) == (True, "4 against off")
    assert first.comparison.low > 0
    assert [term.weight for term in first.terms] == [1.0, -1.0]
    sign = 1 if metric != "log_loss" else -1
    if metric in ("accuracy", "log_loss"):
        # These folds are of one size: the mean over folds is that over rows.
        seen = sign * (first.terms[0].score - first.terms[1].score)
        assert first.comparison.difference == pytest.approx(seen, abs=1e-9)


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_errors_are_differences_in_the_targets_units(metric: str) -> None:
    def skill(one: Configuration) -> float:
        wide = one.params.hidden[0] == 80
        return 0.5 + 0.5 * (one.params.max_norm == 4.0) + (1.0 if wide and any(one.params.dropout) else 0.0)

    found = checked(skill, "max-norm", "larger", metric=metric, task="regression")
    assert found["max-norm"].outcome == found["larger"].outcome == "holds"
    sign = 1 if metric == "r2" else -1
    for rule in found.values():
        for one in rule.comparisons:
            seen = sign * sum(term.weight * term.score for term in one.terms)
            assert one.comparison.difference == pytest.approx(seen, rel=0.05, abs=0.01)


def test_two_things_need_each_other_only_if_they_do_more_together() -> None:
    def skill(together: float) -> Skill:
        def of(one: Configuration) -> float:
            fast, bound = one.params.learning_rate > 0.2, one.params.max_norm == 4.0
            return 1.0 + 0.5 * bound - 0.2 * fast + (together if fast and bound else 0.0)

        return of

    key = "max-norm and learning rate"
    assert checked(skill(1.2), key)[key].outcome == "holds"
    assert checked(skill(0.0), key)[key].outcome == "cannot tell", "both help, but not each other"
    found = checked(skill(-1.2), key)[key]
    assert found.outcome == "does not hold"
    whole, high, low = (one.comparison.difference for one in found.comparisons)
    assert whole == pytest.approx(high - low)


def test_of_rules_without_any_truth_few_have_an_outcome() -> None:
    """All networks are equally good: at most 5 % of rules are said to hold, or not to."""
    outcomes: list[Outcome] = []
    for seed in range(8):
        world = World(rows=150, repeats=3)
        world.rng = np.random.default_rng(seed)
        world.hard = world.rng.normal(size=150)
        found = check(world.setting(), list(rules(INPUT, HIDDEN).values()), lambda _, world=world: world.network(1.0))  # type: ignore[misc]
        outcomes += [rule.outcome for rule in found]
    assert len(outcomes) == 80
    assert sum(one in ("holds", "does not hold") for one in outcomes) <= 8, "4 would be 5 %"


def test_networks_that_answer_alike_make_no_practical_difference() -> None:
    world = World(rows=400, repeats=3)
    alike = world.network(1.0)
    found = check(world.setting(), list(rules(INPUT, HIDDEN).values()), lambda _: alike)
    for rule in found:
        assert rule.outcome == "no practical difference"
        for one in rule.comparisons:
            weight = sum(abs(term.weight) for term in one.terms) / 2
            assert one.comparison.method == "identical"
            assert one.comparison.high == pytest.approx(3 * weight / 400), "the rule of three"
    assert any("The same answers to every row" in note for note in found[-1].notes)


def test_networks_that_learn_nothing_tell_nothing() -> None:
    """At the high learning rate both answer by chance: whatever max-norm does at the low one, nothing can be said."""

    def skill(one: Configuration) -> float:
        return -1.0 if one.params.learning_rate > 0.2 else 1.0 + (one.params.max_norm is None)

    found = checked(skill, "max-norm and learning rate")["max-norm and learning rate"]
    assert found.outcome == "cannot tell"
    assert "No better than a constant answer: 4 at 10 ×, off at 10 ×." in found.notes


def test_diverged_networks_are_reported() -> None:
    world = World(repeats=3)
    diverged = np.zeros((3, 5), dtype=np.bool_)
    diverged[0, :3] = True

    def trained(one: Configuration) -> Confirmed:
        return world.network(1.0, diverged=diverged if one.params.max_norm is None else np.zeros_like(diverged))

    (found,) = check(world.setting(), [rules(INPUT)["max-norm"]], trained)
    assert "off: 20 % of the networks diverged and count as a constant answer." in found.notes
    assert [term.diverged for term in found.comparisons[0].terms] == [0.0, 0.2]


def test_what_cannot_be_widened_is_not_tested() -> None:
    world = World(repeats=3)
    wide: Sequence[Rule] = [rules(pick("hidden", (0.0, 0.3, 0.3), 0.9, hidden=(WIDEST, WIDEST)))["larger"]]
    (found,) = check(world.setting(), wide, lambda _: world.network(1.0))
    assert (found.outcome, found.comparisons) == ("not tested", ())


def test_few_groups_tell_nothing_and_a_score_without_rows_is_tested_by_folds() -> None:
    world = World(repeats=3)
    groups = np.arange(400) % 4

    def trained(one: Configuration) -> Confirmed:
        return world.network(2.0 if one.params.max_norm == 4.0 else 1.0)

    (grouped,) = check(world.setting(groups=groups), [rules(INPUT)["max-norm"]], trained)
    assert grouped.outcome == "cannot tell"
    few = World(rows=12, repeats=3, metric="f1")
    few.fold_of = np.tile(np.arange(12), (3, 1))  # a row alone in its fold has no pseudo-value
    (by_fold,) = check(replace(few.setting(), folds=12), [rules(INPUT)["max-norm"]], lambda _: alone(few))
    assert {one.comparison.method for one in by_fold.comparisons} == {"corrected t"}


def alone(world: World) -> Confirmed:
    outputs = world.rng.normal(size=(3, 12, 1)).astype(np.float32)
    scores = world.rng.integers(0, 2, (3, 12, len(world.setting().metrics))).astype(np.float64)
    params = Hyperparameters((8,), "none", (0.0, 0.0), 0.1, 0.9, None, 1.0, 0.0)
    return Confirmed(1, params, 10, 0.8, outputs, scores, np.zeros((3, 12), dtype=np.bool_))
