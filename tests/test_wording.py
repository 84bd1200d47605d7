"""Scores and placements in words."""

from __future__ import annotations

import pytest

from sweep import wording
from sweep.metrics import METRICS
from sweep.records import HonestScore

ACCURACY, RMSE, AUC = METRICS["accuracy"], METRICS["rmse"], METRICS["roc_auc"]


def test_the_honest_score_in_words() -> None:
    honest = HonestScore(value=0.841, low=0.8, high=0.882, raw=0.869, trials=128)
    assert wording.honest_value(ACCURACY, honest) == "84.1 % (80.0 to 88.2)"
    assert wording.raw_in_words(ACCURACY, honest) == (
        "the sweep's best reads 86.9 %, 2.8 too high because it was chosen for being high"
    )


def test_an_error_is_too_low_not_too_high() -> None:
    honest = HonestScore(value=55.31, low=50.0, high=60.0, raw=53.28, trials=40)
    assert "reads 53.28, 2.03 too low because it was chosen for being low" in wording.raw_in_words(RMSE, honest)


def test_the_difference_is_that_of_the_numbers_shown() -> None:
    honest = HonestScore(value=0.84149, low=0.8, high=0.9, raw=0.86951, trials=9)
    assert "84.1 %" in wording.honest_value(ACCURACY, honest)
    assert "reads 87.0 %, 2.9 too high" in wording.raw_in_words(ACCURACY, honest)


@pytest.mark.parametrize("raw", [0.84, 0.8403, 0.82])
def test_no_optimism_is_claimed_where_there_is_none(raw: float) -> None:
    honest = HonestScore(value=0.84, low=0.8, high=0.88, raw=raw, trials=12)
    assert "choosing among 12 trials did not make better" in wording.raw_in_words(ACCURACY, honest)


def test_one_trial_at_its_last_epoch_was_not_chosen() -> None:
    honest = HonestScore(value=0.86, low=0.8, high=0.88, raw=0.86, trials=1)
    assert wording.raw_in_words(ACCURACY, honest) == (
        "the sweep's best reads 86.0 %, and nothing was chosen: there is one trial, at its last epoch"
    )


def test_of_one_trial_the_epoch_may_have_been_chosen() -> None:
    honest = HonestScore(value=0.84, low=0.8, high=0.88, raw=0.86, trials=1, checkpoints=12)
    assert wording.raw_in_words(ACCURACY, honest).endswith(
        "2.0 too high because its epoch, one of 12 checkpoints, was chosen for being high"
    )
    honest = HonestScore(value=0.86, low=0.8, high=0.88, raw=0.86, trials=1, checkpoints=12)
    assert wording.raw_in_words(ACCURACY, honest).endswith(
        "choosing among 12 checkpoints did not make better than it is"
    )


def test_both_choices_are_named_where_both_are_corrected_for() -> None:
    honest = HonestScore(value=0.86, low=0.8, high=0.88, raw=0.86, trials=8, checkpoints=12)
    assert "choosing among 8 trials at 12 checkpoints did not" in wording.raw_in_words(ACCURACY, honest)


@pytest.mark.parametrize("trials", [1, 8])
def test_an_epoch_that_is_not_corrected_for_is_said_so(trials: int) -> None:
    honest = HonestScore(0.84, 0.8, 0.88, 0.86, trials, checkpoints=12, corrects_epoch=False)
    words = wording.raw_in_words(ACCURACY, honest)
    assert words.endswith(
        "; the choice of the epoch is not corrected for: earlier trials are stored at the chosen epoch only"
    )
    assert ("2.0 too high because it was chosen" in words) == (trials > 1)
    assert "nothing was chosen" not in words


def test_scores_have_sensible_precision() -> None:
    assert wording.score(ACCURACY, 0.86042) == "86.0 %"
    assert wording.score(AUC, 0.91234) == "0.912"
    assert wording.score(RMSE, 53.2789) == "53.28"
    assert wording.score(ACCURACY, float("nan")) == "undefined"
    assert wording.interval(ACCURACY, 0.8, 0.882) == "80.0 to 88.2"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", "no dropout"),
        ("input", "dropout on the inputs"),
        ("all", "dropout on the inputs and the hidden layers"),
        ("hidden2", "dropout on the second hidden layer"),
        ("input+hidden1", "dropout on the inputs and the first hidden layer"),
        (
            "hidden1+hidden3+hidden12",
            "dropout on the first hidden layer, the third hidden layer and the 12th hidden layer",
        ),
        ("input+hidden", "dropout on the inputs and the hidden layers"),
    ],
)
def test_placements(name: str, words: str) -> None:
    assert wording.placement(name) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.03124, "0.0312"), (300.0, "300"), (0.5, "0.5"), (1e-7, "1.00e-07"), (123456.0, "123456"), (2.0, "2")],
)
def test_numbers(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_powers_of_ten_are_written_as_figures_write_them() -> None:
    assert wording.score(RMSE, 7.0671e8) == "7.067×10⁸"
    assert wording.interval(RMSE, 1.371e-9, 2e-9) == "1.371×10⁻⁹ to 2.000×10⁻⁹"
    assert wording.spread(RMSE, 5.85e7, 7.067e8) == "5.850×10⁷", "as the score beside it"
    assert wording.spread(RMSE, 5.852, 70.67) == "5.852"
    assert wording.powers("run1e-05b, 2e+x") == "run1e-05b, 2e+x"
    honest = HonestScore(value=7.163e8, low=7e8, high=7.3e8, raw=7.067e8, trials=9)
    assert "reads 7.067×10⁸, 9.600×10⁶ too low" in wording.raw_in_words(RMSE, honest)


def test_numbers_of_a_column_keep_their_zeros() -> None:
    assert wording.number(0.5, trim=False) == "0.500"
    assert wording.number(float("inf")) == "undefined"


def test_parameters_layers_counts_and_durations() -> None:
    assert wording.parameter("dropout_hidden2") == "Dropout, hidden layer 2"
    assert wording.parameter("learning_rate") == "Learning rate"
    assert wording.layer("input") == "Inputs"
    assert [wording.count(n, "trial") for n in (1, 2, 1024)] == ["1 trial", "2 trials", "1,024 trials"]
    assert wording.count(2, "class", "classes") == "2 classes"
    assert [wording.duration(s) for s in (0.62, 45, 170, 7500)] == ["0.6 s", "45 s", "3 min", "2 h 5 min"]
