"""Rules of thumb in words: what they come to, by how much, and how much that is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sweep import wording
from sweep.answer.records import Answer, Outcome, RuleAnswer, RuleComparison
from sweep.answer.sentences import difference_text
from sweep.metrics import METRICS

_ORDER: tuple[Outcome, ...] = ("holds", "does not hold", "no practical difference", "cannot tell", "not tested")


def outcomes(rules: Sequence[RuleAnswer]) -> str:
    """``"of 10 rules, 1 holds, 2 do not hold, 7 cannot be told"``."""
    found = Counter(rule.outcome for rule in rules)
    parts = [_counted(outcome, found[outcome]) for outcome in _ORDER if found[outcome]]
    return f"of {wording.count(len(rules), 'rule')}, {', '.join(parts)}"


def gain(one: RuleComparison, answer: Answer) -> str:
    """A comparison's difference with its interval."""
    return difference_text(METRICS[answer.metric], one.comparison, like(one, answer))


def like(one: RuleComparison, answer: Answer) -> float:
    """The score whose precision a difference gets: the largest there is, since a rule may ruin a network."""
    return max(answer.control.score, *(term.score for term in one.terms), key=abs)


def basis(answer: Answer) -> tuple[str, ...]:
    """What the rules rest on, and how much to make of them: a sentence or two each."""
    rules = answer.rules or ()
    repeats = [one.comparison.repeats for rule in rules for one in rule.comparisons]
    tested = sum(bool(rule.comparisons) for rule in rules)
    if not repeats:
        return ()
    best = answer.arms[0]
    rest = (
        f"Around the best network with dropout by its raw score (trial {best.trial}, "
        f"{wording.placement(best.placement)}); what a rule says nothing of stays as it is there. "
        f"{wording.count(max(repeats), 'repeat')} of the fresh folds."
    )
    caution = (
        "Exploratory: a rule holds, or does not, where what decides is clear of 0 at 95 %. Each rule is "
        f"tested by itself, not corrected for their number: of {wording.count(tested, 'rule')} without any truth in "
        f"them, {0.05 * tested:.1g} would come out so by luck alone, on average."
    )
    return rest, caution


def _counted(outcome: Outcome, number: int) -> str:
    match outcome:
        case "holds":
            return f"{number} hold{'s' if number == 1 else ''}"
        case "does not hold":
            return f"{number} do{'es' if number == 1 else ''} not hold"
        case "no practical difference":
            return f"{number} make{'s' if number == 1 else ''} no practical difference"
        case "cannot tell":
            return f"{number} cannot be told"
    return f"{number} could not be tested"
