"""Answers in words: what they say, that their numbers agree, and that none claims what was not shown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sweep import wording
from sweep.answer.records import Advice, Answer, ArmAnswer
from sweep.answer.sentences import basis, cautions, difference_text, explain, remark, sentence, verdict_text
from sweep.metrics import METRICS
from tests.made_answer import ALL, answer, arm, comparison, equivalent, errors, helps, one_history, untold, with_rivals

ACCURACY, LOG_LOSS, RMSE, AUC = (METRICS[name] for name in ("accuracy", "log_loss", "rmse", "roc_auc"))
AGAINST = "against the best network without dropout and against the same network with its dropout removed"


def test_a_placement_that_helps() -> None:
    one = answer([arm("input", "helps", (0.024, 0.018))])
    assert sentence(one) == f"Dropout on the inputs helps here: +2.4 points (95 %: 0.6 to 4.2), {AGAINST}."


def test_where_a_practical_difference_is_less_likely_than_not_it_helps_slightly() -> None:
    one = arm("input", "helps", (0.008, 0.006))
    assert one.p_helps < 0.5
    assert verdict_text(one) == "helps, slightly"
    assert sentence(answer([one])).startswith("Dropout on the inputs helps here, slightly: +0.8 points (95 %: 0.2 to")
    assert verdict_text(replace(one, p_helps=0.5)) == "helps"


def test_several_that_help_the_best_by_raw_score_first() -> None:
    several = answer([arm(name, "helps", (0.03, 0.01)) for name in ("all", "input", "hidden")])
    assert sentence(several).startswith("Dropout on the inputs and the hidden layers helps here: +3.0 points")
    assert sentence(several).endswith(". Dropout on the inputs, or on the hidden layers, helps too.")


def test_a_mixture_names_what_was_found_first_and_the_rest_after() -> None:
    assert sentence(helps()) == (
        f"Dropout on the inputs helps here: +2.4 points (95 %: 0.6 to 4.2), {AGAINST}. Dropout on the hidden layers "
        "hurts; whether dropout on the inputs and the hidden layers helps cannot be told (any effect is smaller than "
        "3.1 points)."
    )
    mixed = answer(
        [
            arm("input", "cannot tell", (0.004, 0.019)),
            arm("hidden", "no practical difference", (0.0, 0.005)),
            arm("all", "nothing learned", (0.0, 0.03)),
        ]
    )
    assert sentence(mixed) == (
        "Dropout on the hidden layers makes no practical difference here: the effect, against the best network without "
        "dropout, lies within ±1 point with a probability of more than 99 %. Whether dropout on the inputs helps "
        "cannot be told (any effect is smaller than 2.3 points); of dropout on the inputs and the hidden layers "
        "nothing can be said: it does not beat always answering the most common class."
    )


def test_what_hurts_does_so_in_both_numbers() -> None:
    one = answer([arm("input", "hurts", (-0.024, 0.018))])
    assert sentence(one) == f"Dropout on the inputs hurts here: −2.4 points (95 %: −4.2 to −0.6), {AGAINST}."


@pytest.mark.parametrize(
    ("advice", "says"),
    [
        (Advice("repeats", 43), "About 43 repeats in place of 20 would settle it with even odds."),
        (Advice("rows", 912), "300 rows cannot show less: more repeats would not, about 910 rows would."),
        (Advice("unlikely", None), "More repeats are unlikely to settle it."),
        (
            Advice("too small", None),
            "More repeats would not tell: the effect, if there is one, is too small for a table of this kind.",
        ),
    ],
)
def test_what_cannot_be_told_says_how_small_it_is_and_what_would_tell(advice: Advice, says: str) -> None:
    one = untold(advice)
    top = "Whether dropout on the inputs helps here cannot be told: any effect is smaller than 2.7 points."
    assert sentence(one) == f"{top} {says}"
    assert explain(one.arms[0], one).endswith(f"Any effect is smaller than 2.7 points. {says}")


def test_the_advice_on_top_is_the_one_that_costs_least() -> None:
    several = untold(Advice("rows", 500), Advice("repeats", 43), Advice("repeats", 31))
    assert sentence(several) == (
        "Whether dropout helps here cannot be told: any effect is smaller than 2.7 points. For dropout on the hidden "
        "layers, about 31 repeats in place of 20 would settle it with even odds."
    )


def test_no_practical_difference_everywhere() -> None:
    assert sentence(equivalent()) == (
        "Dropout makes no practical difference here, wherever it was tested: the effect, against the best network "
        "without dropout, lies within ±1 point with a probability of at least 97 %."
    )


@pytest.mark.parametrize(
    ("metric", "constant"),
    [
        ("accuracy", "always answering the most common class"),
        ("f1", "always answering the most common class"),
        ("log_loss", "always answering the shares of the classes"),
        ("roc_auc", "guessing"),
        ("rmse", "always answering the mean"),
    ],
)
def test_nothing_learned_names_what_was_not_beaten(metric: str, constant: str) -> None:
    nothing = answer([arm("input", "nothing learned", (0.0, 0.03), metric=metric)], metric)
    assert sentence(nothing) == f"No network beats {constant}; nothing can be said about dropout."
    assert constant in explain(nothing.arms[0], nothing)


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (
            arm("input", "cannot tell", (0.02, 0.01), (0.001, 0.02), reason="tuned control only"),
            "This configuration beats the best network without dropout, but not clearly itself without dropout: the "
            "gain may come from the learning rate found beside it.",
        ),
        (
            arm("input", "cannot tell", (0.001, 0.02), (0.02, 0.01), reason="matched control only"),
            "This configuration needs its dropout; a network tuned without dropout may do as well.",
        ),
        (
            arm("input", "cannot tell", (0.02, 0.01), reason="unstable", diverged=0.14),
            "14 % of its runs diverged: a configuration that unstable cannot help.",
        ),
        (
            arm("input", "cannot tell", (0.02, 0.01), reason="few rows", method="too few"),
            "The networks answer too few rows differently for any test.",
        ),
        (
            arm("input", "helps", (0.02, 0.01), reason="heavy tail", method="sign-flip"),
            "One row carries more than a fifth of the variance: the p-value is that of a permutation test.",
        ),
        (
            arm("input", "cannot tell", (0.02, 0.01)),
            "By itself it would help; a placement that stands before it in the order of the tests failed.",
        ),
        (
            arm("input", "cannot tell", (-0.02, 0.01)),
            "By itself it would hurt; a placement that stands before it in the order of the tests failed.",
        ),
        (
            arm("input", "cannot tell", (-0.02, 0.01), (-0.001, 0.02)),
            "This configuration falls behind the best network without dropout, but not clearly behind itself without "
            "dropout: the loss may come from the learning rate found beside it.",
        ),
        (
            arm("input", "cannot tell", (-0.001, 0.02), (-0.02, 0.01)),
            "This configuration would do better without its dropout, but is not clearly behind the best network "
            "without dropout.",
        ),
        (
            arm("input", "cannot tell", (0.001, 0.02), method="corrected t"),
            "The metric has no scores of single rows here: scores of folds were tested, which finds less.",
        ),
        (
            arm("input", "no practical difference", (0.0, 0.01), method="identical"),
            "It answers every row as the best network without dropout does, in every repeat.",
        ),
    ],
)
def test_each_reason_has_its_words(one: ArmAnswer, says: str) -> None:
    assert says in explain(one, answer([one]))
    assert says in remark(one, answer([one]))


def test_too_few_groups_are_counted_and_no_advice_is_given() -> None:
    one = arm(
        "input",
        "cannot tell",
        (0.02, 0.03),
        reason="few groups",
        method="too few",
        units=8,
        advice=Advice("rows", 40),
    )
    grouped = answer([one], groups=8)
    assert sentence(grouped).endswith("any effect is smaller than 5.0 points. 8 groups are too few for any test.")
    assert "40" not in explain(one, grouped)
    assert "300 rows in 8 groups" in basis(grouped)


def test_many_groups_are_not_called_too_few_where_few_of_them_differ() -> None:
    """Beside it another placement may have been tested on all of them."""
    one = arm("input", "cannot tell", (0.02, 0.03), reason="few groups", method="too few")
    ten, nine = (replace(one, tuned=replace(one.tuned, units=number)) for number in (10, 9))
    assert "The networks differ in too few of the 10 groups for any test." in remark(ten, answer([ten], groups=10))
    assert "9 groups are too few for any test." in remark(nine, answer([nine], groups=9))
    assert "too few of the 10 test folds" in remark(ten, answer([ten], groups=10, one_history=True))


def test_advice_counts_the_independent_units() -> None:
    one = arm("input", "cannot tell", (0.004, 0.03), units=24, method="groups", advice=Advice("rows", 80))
    assert "24 groups cannot show less: more repeats would not, about 80 groups would." in explain(
        one, answer([one], groups=24)
    )


def test_a_group_may_carry_the_difference() -> None:
    one = arm("input", "helps", (0.02, 0.01), reason="heavy tail", method="sign-flip")
    assert "One group carries more than a fifth" in remark(one, answer([one], groups=24))


def test_one_history_is_labelled() -> None:
    made = one_history()
    assert "in this one history" in sentence(made)
    assert " here" not in sentence(made)
    label = "One history: other seeds and shifted origins, no fresh folds."
    assert cautions(made)[0].startswith(label)
    assert basis(made) == "20 repeats with other seeds and shifted origins; 200 rows in 12 test folds."
    assert "40 test folds" in sentence(made)


def test_looking_often_is_cautioned_against() -> None:
    assert cautions(helps()) == ()
    assert cautions(replace(helps(), looks=2)) == (), "one extension is allowed"
    (caution,) = cautions(replace(helps(), looks=3))
    assert "3 different numbers of repeats" in caution
    assert cautions(replace(helps(), cautions=("Mind this.",))) == ("Mind this.",)
    shaky = replace(helps(), control=replace(helps().control, diverged=0.2))
    assert cautions(shaky)[0].startswith("20 % of the runs of the best network without dropout diverged")


@pytest.mark.parametrize(
    ("metric", "difference", "half", "like", "text"),
    [
        (ACCURACY, 0.024, 0.018, 0.82, "+2.4 points (95 %: 0.6 to 4.2)"),
        (ACCURACY, -0.004, 0.018, 0.82, "−0.4 points (95 %: −2.2 to 1.4)"),
        (ACCURACY, 0.0, 0.01, 0.82, "0.0 points (95 %: −1.0 to 1.0)"),
        (ACCURACY, -0.0001, 0.02, 0.82, "0.0 points (95 %: −2.0 to 2.0)"),
        (ACCURACY, 0.0203, 0.02, 0.82, "+2.03 points (95 %: 0.03 to 4.03)"),
        (ACCURACY, 0.0021, 0.0008, 0.97, "+0.21 points (95 %: 0.13 to 0.29)"),
        (LOG_LOSS, 0.03, 0.02, 0.41, "log loss lower by 0.030 (95 %: 0.010 to 0.050)"),
        (LOG_LOSS, -0.03, 0.02, 0.41, "log loss higher by 0.030 (95 %: 0.010 to 0.050)"),
        (LOG_LOSS, -0.01, 0.02, 0.41, "log loss higher by 0.010 (95 %: −0.010 to 0.030)"),
        (AUC, 0.024, 0.018, 0.9, "ROC AUC higher by 0.024 (95 %: 0.006 to 0.042)"),
        (RMSE, 1.2, 0.7, 56.4, "RMSE lower by 1.20 (95 %: 0.50 to 1.90)"),
        (RMSE, 0.0005, 0.0004, 0.0564, "RMSE lower by 0.00050 (95 %: 0.00010 to 0.00090)"),
        (RMSE, 1.2e7, 0.7e7, 5.64e8, "RMSE lower by 1.20×10⁷ (95 %: 5.00×10⁶ to 1.90×10⁷)"),
    ],
)
def test_differences_are_improvements_in_the_metrics_own_units(
    metric: object, difference: float, half: float, like: float, text: str
) -> None:
    assert difference_text(metric, comparison(difference, half), like) == text  # type: ignore[arg-type]


def test_an_effect_is_smaller_than_the_far_end_of_the_interval_shown() -> None:
    for half in (0.01234, 0.019551, 0.02949, 0.0031):
        one = answer([arm("input", "cannot tell", (-0.00213, half))])
        ends = re.findall(r"95 %: −([\d.]+) to ", explain(one.arms[0], one))
        (claimed,) = re.findall(r"smaller than ([\d.]+) points", sentence(one))
        assert claimed == ends[0]


@pytest.mark.parametrize("made", ALL.values(), ids=ALL)
def test_nothing_is_long_or_claims_that_two_are_equal(made: object) -> None:
    whole: Answer = made()  # type: ignore[operator]
    top = sentence(whole)
    assert 1 <= len(re.findall(r"\.(?: |$)", top)) <= 2
    assert len(top) < 480
    assert top[0].isupper()
    for text in (top, *(explain(one, whole) for one in whole.arms)):
        assert not re.search(r"equal|same as|no effect|no difference|nan|  |\.\.", text)


def test_many_placements_are_counted() -> None:
    top = sentence(ALL["subsets"]())
    assert "; dropout at 3 other placements hurts; whether dropout at 26 other placements helps cannot be told" in top


def test_errors_are_told_by_how_much_lower_they_are() -> None:
    made = errors()
    assert sentence(made).startswith(
        "Dropout on the inputs helps here, slightly: RMSE lower by 0.70 (95 %: 0.18 to 1.22)"
    )
    assert "(any effect on the RMSE is smaller than 4.60)" in sentence(made)
    assert "RMSE higher by 0.31 (95 %: −0.59 to 1.21)" in explain(made.arms[1], made)


def test_without_placements_there_is_nothing_to_say() -> None:
    assert sentence(answer([])) == "No placement of dropout was tested."


@pytest.mark.parametrize(
    ("value", "text"), [(0.0001, "< 0.001"), (0.0142, "0.014"), (0.0499, "0.0499"), (0.0502, "0.0502"), (1.0, "1.000")]
)
def test_p_values_never_round_to_the_level(value: float, text: str) -> None:
    assert wording.p_value(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "< 1 %"), (0.974, "97 %"), (0.996, "> 99 %"), (1.0, "> 99 %")])
def test_probabilities_are_never_certain(value: float, text: str) -> None:
    assert wording.probability(value) == text


def test_a_matched_control_that_diverges_is_told() -> None:
    one = arm("input", "helps", (0.02, 0.01))
    assert "diverged" not in remark(one, answer([one]))
    lost = replace(one, matched_diverged=0.25)
    assert "With its dropout removed 25 % of its runs diverged" in remark(lost, answer([lost]))


def test_the_next_best_without_dropout_are_told() -> None:
    made = with_rivals(answer([arm("input", "cannot tell", (0.02, 0.01), reason="rival")]))
    one = made.arms[0]
    assert one.rival == one.rivals[1]
    assert "but not clearly the next best one without dropout" in remark(one, made)
    assert "Against the next best without dropout: +0.4 points (95 %: −0.8 to 1.6)." in explain(one, made)
    assert "next best" not in explain(replace(one, rivals=(), reason=None), made)


def test_behind_the_best_without_dropout_but_not_behind_the_next() -> None:
    made = with_rivals(answer([arm("input", "cannot tell", (-0.02, 0.005))]))
    assert "but not clearly behind the next best without" in remark(made.arms[0], made)
