"""Nested cross-validation in words: another question than the verdicts, never worded as a sharper one."""

from __future__ import annotations

from sweep import wording
from sweep.answer.nested_records import Nested, NestedScore
from sweep.answer.sentences import constant_in_words, difference_text
from sweep.metrics import METRICS

QUESTION = "Does tuning dropout pay?"


def nested_sentence(nested: Nested) -> str:
    """Whether tuning dropout pays on data like this, how much, how sure."""
    metric = METRICS[nested.metric]
    gain = difference_text(metric, nested.comparison, nested.without.value)
    against = "against tuning without it"
    match nested.verdict:
        case "pays":
            return f"Tuning dropout pays on data like this: {gain}, {against}."
        case "costs":
            return f"Tuning dropout costs on data like this: {gain}, {against}."
        case "no practical difference":
            likely = wording.probability(nested.p_equivalent).replace("> ", "more than ")
            return (
                f"Tuning dropout makes no practical difference on data like this: its effect, {against}, lies within "
                f"{wording.equivalence(metric, nested.rope)} with a probability of {likely}."
            )
        case "cannot tell":
            return f"Whether tuning dropout pays on data like this cannot be told: {gain}, {against}."
        case "nothing learned":
            return (
                f"The winners of neither search beat {constant_in_words(nested.metric)}; nothing can be said about "
                "tuning dropout."
            )


def nested_basis(nested: Nested) -> str:
    """What it rests on, and how far it goes."""
    outer, trials = len(nested.outer), wording.count(nested.trials, "trial")
    if nested.trials_without == nested.trials:
        searches = f"two searches of {trials}, one over all placements and one without dropout"
    else:
        searches = (
            f"a search of {trials} over all placements, and one of {nested.trials_without:,} without dropout: the "
            "space has no more configurations without"
        )
    return (
        f"{outer} outer folds, in each of them {searches}; the winners were trained once and scored on rows that "
        "nothing was chosen with. It is about choosing, not about the networks above, and its noise is that of one "
        "cross-validation: it is no sharper test of dropout."
    )


def nested_value(nested: Nested, score: NestedScore) -> str:
    """``"83.1 % (78.0 to 88.2)"``."""
    metric = METRICS[nested.metric]
    value = wording.score(metric, score.value)
    if score.low is None or score.high is None:
        return value
    return f"{value} ({wording.interval(metric, score.low, score.high)})"
