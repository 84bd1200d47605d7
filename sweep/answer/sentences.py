"""An answer in words, for people who know no statistics: one sentence on top, a line for each placement.

No equality is ever claimed of what was only not told apart: that takes ``p_equivalent``.
"""

from __future__ import annotations

from collections.abc import Sequence

from sweep import wording
from sweep.answer.compare import TOO_FEW_GROUPS
from sweep.answer.decide import LEVEL, UNSTABLE
from sweep.answer.records import Advice, Answer, ArmAnswer, Comparison, Verdict
from sweep.metrics import METRICS, Metric

TUNED = "the best network without dropout"
MATCHED = "the same network with its dropout removed"
NAMED = 3  # placements that a clause names; more are counted,
LONG = 110  # and those whose names need more characters

# The order in which a sentence speaks of verdicts, and of advice: the least costly first.
_ORDER: tuple[Verdict, ...] = ("helps", "hurts", "no practical difference", "cannot tell", "nothing learned")
_CHEAPEST = ("repeats", "rows", "unlikely", "too small")


def sentence(answer: Answer) -> str:
    """Whether dropout helps, where, how much, how sure: one sentence, two at most."""
    return " ".join(sentences(answer))


def sentences(answer: Answer) -> tuple[str, ...]:
    """The same, apart: what was found, and in a second one what else there is."""
    if not answer.arms:
        return ("No placement of dropout was tested.",)
    by_verdict = {verdict: [arm for arm in answer.arms if arm.verdict == verdict] for verdict in _ORDER}
    present = [verdict for verdict in _ORDER if by_verdict[verdict]]
    first, others = present[0], present[1:]
    lead = by_verdict[first]
    if first == "nothing learned":
        return (f"No network beats {constant_in_words(answer.metric)}; nothing can be said about dropout.",)
    if first == "cannot tell":
        second = [_rest(verdict, by_verdict[verdict], answer) for verdict in others] or [_advice_on_top(lead, answer)]
        return _sentences(_untold(lead, answer), second)
    clauses = []
    if first == "no practical difference":
        top = _equivalent(lead, answer)
    else:
        top = _effect(lead[0], answer)
        clauses = [f"{_where(lead[1:])} {first} too"] if lead[1:] else []
    return _sentences(top, clauses + [_rest(verdict, by_verdict[verdict], answer) for verdict in others])


def explain(arm: ArmAnswer, answer: Answer) -> str:
    """One placement: its verdict, both differences, what else there is to say, and what would tell."""
    tuned, matched = (_with_interval(one, answer) for one in (arm.tuned, arm.matched))
    verdict = verdict_text(arm)
    parts = [
        f"{wording.placement(arm.placement).capitalize()}: {verdict}.",
        f"Against {TUNED}: {tuned}; against {MATCHED}: {matched}.",
        "" if arm.rival is None else f"Against the next best without dropout: {_with_interval(arm.rival, answer)}.",
        remark(arm, answer),
    ]
    return " ".join(part for part in parts if part)


def remark(arm: ArmAnswer, answer: Answer) -> str:
    """What the numbers of a placement do not say: why there is no verdict, what would tell; may be empty."""
    parts = []
    if arm.verdict == "nothing learned":
        return f"Neither this network nor {TUNED} beats {constant_in_words(answer.metric)}."
    if arm.verdict == "cannot tell":
        parts.append(_sentence_case(f"{_smaller_than([arm], answer)}."))
    parts.append(_reason(arm, answer))
    if arm.matched_diverged > UNSTABLE:
        share = f"{100 * arm.matched_diverged:.0f} %"
        parts.append(f"With its dropout removed {share} of its runs diverged, and count as a constant answer.")
    if arm.tuned.method == "identical":
        parts.append(f"It answers every row as {TUNED} does, in every repeat.")
    if arm.tuned.method == "corrected t":
        parts.append("The metric has no scores of single rows here: scores of folds were tested, which finds less.")
    if arm.advice is not None and arm.tuned.method != "too few":
        parts.append(_sentence_case(f"{_advice(arm.advice, arm, answer)}."))
    return " ".join(part for part in parts if part)


def verdict_text(arm: ArmAnswer) -> str:
    """The verdict; ``"helps, slightly"`` where a practical difference is less likely than not."""
    return "helps, slightly" if arm.verdict == "helps" and arm.p_helps < 0.5 else arm.verdict


def difference_text(metric: Metric, comparison: Comparison, like: float) -> str:
    """A comparison with its interval: ``"+2.4 points (95 %: 0.6 to 4.2)"``, ``"log loss lower by 0.031 (95 %: …)"``.

    Args:
        metric: Of the difference.
        comparison: The difference, positive where better.
        like: A score of the same metric, whose precision it gets.
    """
    digits = wording.difference_digits(metric, comparison.low, comparison.high, like)
    low, high = comparison.low, comparison.high
    if not metric.percent and comparison.difference < 0:
        # "log loss higher by 0.03 (95 %: 0.01 to 0.05)": the number is turned around, and its interval with it.
        low, high = -high, -low
    shown = wording.difference_interval(metric, low, high, digits)
    return f"{wording.improvement(metric, comparison.difference, digits)} (95 %: {shown})"


def basis(answer: Answer) -> str:
    """What the answer rests on."""
    repeats = wording.count(answer.repeats, "repeat")
    rows = wording.count(answer.rows, "row")
    if answer.one_history:
        return (
            f"{repeats} with other seeds and shifted origins; {rows} in {units(answer.groups or answer.folds, answer)}."
        )
    groups = "" if answer.groups is None else f" in {units(answer.groups, answer)}"
    validation = f"{answer.folds}\N{NON-BREAKING HYPHEN}fold cross-validation"
    return f"{repeats} of {validation}, with folds and seeds that nothing was chosen with; {rows}{groups}."


def units(number: int, answer: Answer) -> str:
    """Independent units, in words: rows, groups, or the test folds of one history."""
    if answer.one_history:
        return wording.count(number, "test fold")
    return wording.count(number, "row" if answer.groups is None else "group")


def cautions(answer: Answer) -> tuple[str, ...]:
    """What to keep in mind, a sentence or two each."""
    found = []
    if answer.one_history:
        found.append(
            "One history: other seeds and shifted origins, no fresh folds. What holds in it need not hold in another."
        )
    if answer.looks > 2:
        found.append(
            f"This answer was looked at with {answer.looks} different numbers of repeats. Each look is another chance "
            "to be misled: after more than one extension a verdict is wrong more often than its 5 %."
        )
    if answer.control.diverged > UNSTABLE:
        found.append(
            f"{100 * answer.control.diverged:.0f} % of the runs of {TUNED} diverged and count as a constant answer: "
            "whatever is compared with it looks better for that."
        )
    return (*found, *answer.cautions)


# --- clauses ----------------------------------------------------------------------------------------------------------


def _sentences(first: str, clauses: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{_sentence_case(text)}." for text in (first, "; ".join(clauses)) if text)


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _here(answer: Answer) -> str:
    return "in this one history" if answer.one_history else "here"


def _metric(answer: Answer) -> Metric:
    return METRICS[answer.metric]


def _with_interval(comparison: Comparison, answer: Answer) -> str:
    return difference_text(_metric(answer), comparison, answer.control.score)


def _where(arms: Sequence[ArmAnswer], other: str = "other ") -> str:
    """``"dropout on the inputs"``, ``"dropout on the inputs, or on the hidden layers,"``; many are counted."""
    first, *others = (wording.placement(arm.placement) for arm in arms)
    named = first + "".join(f", or {one.removeprefix('dropout ')}" for one in others) + ("," if others else "")
    if len(arms) > NAMED or (others and len(named) > LONG):
        return f"dropout at {len(arms)} {other}placements"
    return named


def _effect(arm: ArmAnswer, answer: Answer) -> str:
    """Of an arm that helps or hurts."""
    slightly = ", slightly" if verdict_text(arm) != arm.verdict else ""
    return (
        f"{wording.placement(arm.placement)} {arm.verdict} {_here(answer)}{slightly}: "
        f"{_with_interval(arm.tuned, answer)}, against {TUNED} and against {MATCHED}"
    )


def _equivalent(arms: Sequence[ArmAnswer], answer: Answer) -> str:
    """Of arms without a practical difference."""
    everywhere = len(arms) == len(answer.arms) > 1
    who = "dropout" if everywhere else _where(arms, other="")
    where = ", wherever it was tested" if everywhere else ""
    likely = wording.probability(min(arm.p_equivalent for arm in arms)).replace("> ", "more than ")
    least = "at least " if len(arms) > 1 and not likely.startswith("more") else ""
    return (
        f"{who} makes no practical difference {_here(answer)}{where}: the effect{_on(answer)}, against {TUNED}, lies "
        f"within {wording.equivalence(_metric(answer), answer.rope)} with a probability of {least}{likely}"
    )


def _on(answer: Answer) -> str:
    metric = _metric(answer)
    return "" if metric.percent else f" on the {wording.in_sentence(metric.title)}"


def _smaller_than(arms: Sequence[ArmAnswer], answer: Answer) -> str:
    metric = _metric(answer)
    arm = max(arms, key=lambda arm: arm.smaller_than)
    digits = wording.difference_digits(metric, arm.tuned.low, arm.tuned.high, answer.control.score)
    unit = " points" if metric.percent else ""
    return f"any effect{_on(answer)} is smaller than {wording.difference(metric, arm.smaller_than, digits)}{unit}"


def _untold(arms: Sequence[ArmAnswer], answer: Answer) -> str:
    who = "dropout" if len(arms) == len(answer.arms) > 1 else _where(arms, other="")
    return f"whether {who} helps {_here(answer)} cannot be told: {_smaller_than(arms, answer)}"


def _rest(verdict: Verdict, arms: Sequence[ArmAnswer], answer: Answer) -> str:
    """A clause on arms that the sentence does not begin with."""
    who = _where(arms)
    if verdict == "cannot tell":
        return f"whether {who} helps cannot be told ({_smaller_than(arms, answer)})"
    if verdict == "nothing learned":
        return f"of {who} nothing can be said: it does not beat {constant_in_words(answer.metric)}"
    return f"{who} {'makes ' if verdict == 'no practical difference' else ''}{verdict}"


def constant_in_words(metric: str) -> str:
    """What a constant prediction does, by a metric's name: ``"always answering the most common class"``."""
    if METRICS[metric].family == "regression":
        return "always answering the mean"
    if metric == "roc_auc":
        return "guessing"
    shares = metric in ("log_loss", "brier")
    return "always answering the shares of the classes" if shares else "always answering the most common class"


def _reason(arm: ArmAnswer, answer: Answer) -> str:
    match arm.reason:
        case "tuned control only":
            return (
                f"This configuration beats {TUNED}, but not clearly itself without dropout: the gain may come from "
                "the learning rate found beside it."
            )
        case "matched control only":
            return "This configuration needs its dropout; a network tuned without dropout may do as well."
        case "rival":
            return (
                f"This configuration beats {TUNED}, and itself without dropout, but not clearly the next best one "
                "without dropout: the best may have been unlucky on fresh folds."
            )
        case "unstable":
            return f"{100 * arm.diverged:.0f} % of its runs diverged: a configuration that unstable cannot help."
        case "few rows":
            return "The networks answer too few rows differently for any test."
        case "few groups":
            number = arm.tuned.units
            if number >= TOO_FEW_GROUPS:
                kind = "test folds" if answer.one_history else "groups"
                return f"The networks differ in too few of the {number} {kind} for any test."
            return f"{units(number, answer)} are too few for any test."
        case "heavy tail":
            one = "row" if answer.groups is None else "test fold" if answer.one_history else "group"
            return f"One {one} carries more than a fifth of the variance: the p-value is that of a permutation test."
    if arm.verdict != "cannot tell":
        return ""
    if max(one.p_greater for one in arm.comparisons) <= LEVEL:
        return "By itself it would help; a placement that stands before it in the order of the tests failed."
    behind = arm.tuned.p_less <= LEVEL, arm.matched.p_less <= LEVEL
    if all(behind) and any(one.p_less > LEVEL for one in arm.rivals):
        return f"It falls behind {TUNED}, and itself without dropout, but not clearly behind the next best without."
    if all(behind):
        return "By itself it would hurt; a placement that stands before it in the order of the tests failed."
    if behind[0]:
        return (
            f"This configuration falls behind {TUNED}, but not clearly behind itself without dropout: the loss may "
            "come from the learning rate found beside it."
        )
    if behind[1]:
        return f"This configuration would do better without its dropout, but is not clearly behind {TUNED}."
    return ""


def _about(number: int) -> int:
    """To two digits: it is an estimate."""
    return round(number, 2 - len(str(number))) if number > 99 else number


def _advice(advice: Advice, arm: ArmAnswer, answer: Answer) -> str:
    match advice.kind, advice.number:
        case "repeats", int(number):
            return f"about {number} repeats in place of {answer.repeats} would settle it with even odds"
        case "rows", int(number):
            return (
                f"{units(arm.tuned.units, answer)} cannot show less: more repeats would not, about "
                f"{units(_about(number), answer)} would"
            )
        case "too small", _:
            return "more repeats would not tell: the effect, if there is one, is too small for a table of this kind"
    return "more repeats are unlikely to settle it"


def _advice_on_top(arms: Sequence[ArmAnswer], answer: Answer) -> str:
    """That of the placement for which the least would do."""
    if all(arm.tuned.method == "too few" for arm in arms):
        return _reason(arms[0], answer).removesuffix(".")
    able = [(arm.advice, arm) for arm in arms if arm.advice is not None and arm.tuned.method != "too few"]
    if not able:
        return ""
    advice, arm = min(able, key=lambda pair: (_CHEAPEST.index(pair[0].kind), pair[0].number or 0))
    said = _advice(advice, arm, answer)
    return said if len(arms) == 1 or advice.number is None else f"for {wording.placement(arm.placement)}, {said}"
