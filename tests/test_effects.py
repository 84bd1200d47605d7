"""Effects: bands hold a known truth, say nothing of noise, and stay where trials are."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sweep.analysis.effects import MIN_TRIALS, Effects, effects_of
from sweep.analysis.results import SweepSummary
from tests.pruned_sweep import pruned_summary
from tests.simulated_trials import Truth, averaged, crossed, curved, flat, simulated

SEEDS = range(10)
LAYERS = ("input", "hidden1", "hidden2")


@pytest.fixture(scope="module")
def known() -> tuple[SweepSummary, Effects]:
    summary = simulated(curved)
    return summary, effects_of(summary)


@cache
def some(truth: Truth, trials: int) -> tuple[tuple[SweepSummary, Effects], ...]:
    """Sweeps that differ by chance alone."""
    sweeps = [simulated(truth, trials, seed=seed) for seed in SEEDS]
    return tuple((sweep, effects_of(sweep)) for sweep in sweeps)


@pytest.mark.parametrize(("truth", "trials"), [(flat, 40), (curved, 64), (crossed, 64)])
def test_bands_hold_the_truth(truth: Truth, trials: int) -> None:
    """Over 10 sweeps and 3 layers: nearly all of the curves' points; of a flat line nearly always all of it."""
    inside = []
    for summary, effects in some(truth, trials):
        for place, response in enumerate(effects.responses):
            true = averaged(summary, truth, place, response.rates)
            inside.append((np.array(response.low) <= true) & (true <= np.array(response.high)))
    assert np.mean([each.mean() for each in inside]) > 0.91
    if truth is flat:
        assert np.mean([each.all() for each in inside]) > 0.85


def test_of_noise_nothing_is_said() -> None:
    found = [effects for _, effects in some(flat, 40)]
    assert np.mean([any(response.told) for each in found for response in each.responses]) < 0.1
    assert np.mean([one.told for each in found for one in each.interactions]) < 0.1
    assert np.median([each.explained for each in found]) < 0.1


def test_a_known_response_is_found(known: tuple[SweepSummary, Effects]) -> None:
    summary, effects = known
    inputs, first, second = effects.responses
    assert [response.layer for response in effects.responses] == list(LAYERS)
    assert inputs.best == pytest.approx(0.25, abs=0.08)
    assert inputs.told[-1]
    assert not inputs.told[inputs.rates.index(inputs.best)]
    assert not any(first.told)
    assert not any(second.told)
    np.testing.assert_allclose(inputs.mean[:18], averaged(summary, curved, 0, inputs.rates)[:18], atol=0.01)
    assert effects.explained > 0.6
    assert (effects.trials, effects.left_out) == (128, 0)
    assert all(
        low < mean < high for r in effects.responses for low, mean, high in zip(r.low, r.mean, r.high, strict=True)
    )


def test_of_a_loss_lower_is_better(known: tuple[SweepSummary, Effects]) -> None:
    mirrored = effects_of(simulated(curved, metric="rmse"))
    for one, other in zip(known[1].responses, mirrored.responses, strict=True):
        assert one.best == other.best
        assert one.told == other.told
        np.testing.assert_allclose(other.mean, -np.array(one.mean), atol=1e-9)
        np.testing.assert_allclose(other.low, -np.array(one.high), atol=1e-9)
    first, second = known[1].interactions[0], mirrored.interactions[0]
    assert second.changes[0].value == pytest.approx(first.changes[0].value), "an improvement in either direction"
    assert second.scores[0][0] is None or first.scores[0][0] == pytest.approx(-second.scores[0][0])


def test_rates_are_those_that_were_tried() -> None:
    summary = simulated(curved, 64)
    for place, response in enumerate(effects_of(summary).responses):
        tried = [
            trial.hyperparameters.dropout[place] for trial in summary.trials if trial.hyperparameters.dropout[place]
        ]
        rates = response.rates[1:] if place == 0 else response.rates
        assert (rates[0], rates[-1]) == pytest.approx((min(tried), max(tried)))
        assert response.trials == len(tried)
    assert response.placements == ("hidden", "all")


def test_no_dropout_is_the_first_rate_where_it_was_tried_with_the_same_other_layers() -> None:
    every = effects_of(simulated(curved, 64)).responses
    # Inputs alone or with both hidden layers: both were tried without the inputs. One hidden layer alone was not.
    assert [response.rates[0] == 0 for response in every] == [True, False, False]
    two = effects_of(simulated(curved, 64, placements=("none", "all"))).responses
    assert [response.rates[0] == 0 for response in two] == [False, False, False]


def test_a_rate_that_all_layers_share_is_one_curve() -> None:
    made = simulated(curved, 64)
    one = tuple(
        replace(
            trial,
            hyperparameters=replace(
                trial.hyperparameters,
                dropout=tuple(
                    max(trial.hyperparameters.dropout) if rate else 0.0 for rate in trial.hyperparameters.dropout
                ),
            ),
        )
        for trial in made.trials
    )
    spec = replace(made.spec, space=replace(made.spec.space, shared=True))
    (response,) = effects_of(replace(made, spec=spec, trials=one)).responses
    assert response.layer is None
    assert response.placements == ("input", "hidden", "all")
    assert response.rates[0] == 0
    assert response.trials == 48


def test_listed_rates_are_the_only_ones() -> None:
    made = simulated(curved, 64)
    listed = tuple(
        replace(
            trial,
            hyperparameters=replace(
                trial.hyperparameters, dropout=tuple(0.2 * np.ceil(4 * rate) for rate in trial.hyperparameters.dropout)
            ),
        )
        for trial in made.trials
    )
    response = effects_of(replace(made, trials=listed)).responses[0]
    assert response.rates == pytest.approx((0.0, 0.2, 0.4, 0.6))


def test_an_interaction_is_found_and_its_map_is_blank_where_no_trial_is_near() -> None:
    summary = simulated(crossed)
    found = {one.parameter: one for one in effects_of(summary).interactions}
    assert list(found) == ["learning_rate", "momentum", "max_norm"]
    rate = found["learning_rate"]
    assert rate.layer == "input"
    assert rate.told
    assert rate.changes[0].high < 0 < rate.changes[1].low, "more dropout hurts at low rates, helps at high ones"
    assert rate.difference.low < rate.difference.value < rate.difference.high
    assert not found["momentum"].told
    assert len(rate.scores) == len(rate.values)
    assert {len(row) for row in rate.scores} == {len(rate.rates)}
    corner = [trial for trial in summary.trials if trial.hyperparameters.learning_rate > 0.02]
    lacking = {one.parameter: one for one in effects_of(replace(summary, trials=tuple(corner))).interactions}
    assert min(value for value in lacking["learning_rate"].values if value) > 0.02
    sparse = effects_of(replace(summary, trials=summary.trials[:MIN_TRIALS])).interactions[0]
    assert any(score is None for row in sparse.scores for score in row)
    assert any(score is not None for row in sparse.scores for score in row)


def test_no_bound_on_the_norm_is_a_value_of_its_own_beyond_the_largest() -> None:
    made = simulated(curved, 64)
    off = tuple(
        replace(trial, hyperparameters=replace(trial.hyperparameters, max_norm=None)) if trial.number % 3 else trial
        for trial in made.trials
    )
    norm = effects_of(replace(made, trials=off)).interactions[2]
    assert norm.values[-1] is None
    assert None not in norm.values[:-1]
    assert norm.between[1] is None
    assert sum(value is None for _, value in norm.trials) > len(norm.trials) / 2


def test_what_is_compared_differs_even_where_nearly_all_trials_have_one_value() -> None:
    made = simulated(curved, 64)
    alike = tuple(
        replace(trial, hyperparameters=replace(trial.hyperparameters, momentum=0.5 if trial.number == 7 else 0.9))
        for trial in made.trials
    )
    found = {one.parameter: one for one in effects_of(replace(made, trials=alike)).interactions}
    assert found["momentum"].between == (0.5, 0.9)


def test_scores_without_noise_are_no_trouble() -> None:
    """Warnings are errors here: the model would remark on the noise."""
    found = effects_of(simulated(curved, 100, noise=0.0))
    assert found.explained > 0.98
    assert found.responses[0].told[-1]


def test_too_few_trials_say_nothing() -> None:
    assert effects_of(simulated(curved, MIN_TRIALS - 1)) == Effects(trials=MIN_TRIALS - 1)
    assert effects_of(simulated(curved, 0)) == Effects()
    same = simulated(flat, 40, noise=0.0)
    assert effects_of(same).responses == ()
    assert effects_of(simulated(curved, 40, placements=("none",))).responses == ()


def test_trials_that_were_stopped_early_are_left_out() -> None:
    pruned = pruned_summary(256)
    complete = tuple(trial for trial in pruned.trials if not trial.pruned)
    found = effects_of(pruned)
    assert (found.trials, found.left_out) == (len(complete), len(pruned.trials) - len(complete))
    assert replace(found, left_out=0) == effects_of(replace(pruned, trials=complete))


def test_scores_far_below_the_rest_count_as_less_far() -> None:
    made = simulated(curved, 64)
    diverged = tuple(replace(trial, score=-50.0) if trial.number == 10 else trial for trial in made.trials)
    found = effects_of(replace(made, trials=diverged))
    assert found.floor is not None
    assert 0.6 < found.floor < 0.8
    assert found.floored == 1
    assert found.responses[0].low[1] > 0.6


def test_many_trials_are_thinned_out_and_always_alike() -> None:
    many = simulated(curved, 400)
    found = effects_of(many)
    assert found.trials == 250
    assert found == effects_of(many)
