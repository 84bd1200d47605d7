"""From predictions on fresh folds to what each rule of thumb comes to on this table.

The comparisons are those of :mod:`sweep.answer.compare`, of any difference of row scores whose weights sum to 0: of two
configurations, of a mean of two and a third, or of two differences. A rule *holds* where all comparisons that decide
are in its favour, each at 2.5 % one-sided, and does *not hold* where one of them is against it. It is exploratory:
every rule is tested as if it were the only one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sweep.answer.compare import Floats, compare, equivalence
from sweep.answer.decide import EQUIVALENT, LEVEL, Confirmed, Setting, by_folds, learned
from sweep.answer.goodness import Goodness, constant_score, fold_scores, goodness, rope_of
from sweep.answer.records import Comparison, Outcome, RuleAnswer, RuleComparison, RuleTerm
from sweep.answer.rules import Contrast, Rule
from sweep.metrics import METRICS
from sweep.records import Configuration


def check(setting: Setting, rules: Sequence[Rule], trained: Callable[[Configuration], Confirmed]) -> list[RuleAnswer]:
    """What each rule comes to.

    Args:
        setting: Rows, metric, and the repeats of the fresh folds that all configurations of the rules were trained on.
        rules: In their order.
        trained: Each configuration on these repeats. It is called once for each.
    """
    networks: dict[str, _Network] = {}
    for rule in rules:
        for one in rule.configurations:
            if one.key not in networks:
                networks[one.key] = _Network.of(setting, trained(one))
    return [_checked(setting, rule, networks) for rule in rules]


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """A configuration on fresh folds: scores in the metric's units, higher is better.

    Attributes:
        score: The metric.
        diverged: Share of its runs that did.
        learned: Whether it beats a constant prediction.
        scores: ``[R, k, Q]`` of folds.
        good: Row scores, as they are.
        values: ``[R, n]``, row scores whose mean is the metric, for differences of any kind: of RMSE those of the MSE
            by the delta method, ``d RMSE ≈ d MSE / (2 · RMSE)``.
    """

    score: float
    diverged: float
    learned: bool
    scores: Floats
    good: Goodness
    values: Floats

    @classmethod
    def of(cls, setting: Setting, confirmed: Confirmed) -> _Network:
        good = goodness(setting.metric, confirmed.predictions[None], setting.truth, setting.fold_of)
        values = good.values[0]
        if setting.metric == "rmse":
            error = math.sqrt(-np.nanmean(values))
            values = values / (2 * error) - error / 2 if error > 0 else values
        score = fold_scores(setting.metric, confirmed.scores, setting.metrics)
        itself = confirmed.scores, good
        return cls(score, confirmed.lost, learned(setting, itself, itself), confirmed.scores, good, values)


def _checked(setting: Setting, rule: Rule, networks: dict[str, _Network]) -> RuleAnswer:
    found = tuple(_compared(setting, contrast, networks) for contrast in rule.contrasts)
    deciding = [contrast for contrast in rule.contrasts if contrast.decides]
    outcome: Outcome = "not tested"
    if deciding:
        sides = [[networks[one.key] for one in side] for contrast in deciding for side in contrast.sides]
        able = all(any(network.learned for network in side) for side in sides)
        outcome = _outcome(setting, [one.comparison for one in found if one.decides]) if able else "cannot tell"
    return RuleAnswer(
        key=rule.key,
        statement=rule.statement,
        source=rule.source,
        outcome=outcome,
        comparisons=found,
        notes=(*rule.notes, *_notes(rule, found, networks)),
    )


def _compared(setting: Setting, contrast: Contrast, networks: dict[str, _Network]) -> RuleComparison:
    terms = [(weight, networks[one.key]) for weight, _, one in contrast.terms]
    return RuleComparison(
        what=contrast.what,
        decides=contrast.decides,
        comparison=_difference(setting, terms),
        terms=tuple(
            RuleTerm(
                label=label,
                weight=weight,
                params=one.params,
                epoch=one.epoch,
                score=networks[one.key].score,
                diverged=networks[one.key].diverged,
            )
            for weight, label, one in contrast.terms
        ),
    )


def _difference(setting: Setting, terms: Sequence[tuple[float, _Network]]) -> Comparison:
    """Of weighted scores, in the metric's units. A row can make as large a step as all of its weights together."""
    unit = max(network.good.unit for _, network in terms) * sum(abs(weight) for weight, _ in terms) / 2
    if all(network.good.exact for _, network in terms):
        difference = sum((weight * network.values for weight, network in terms), np.zeros(setting.fold_of.shape))
        return compare(difference, folds=setting.folds, groups=setting.groups, unit=unit)
    column, sign = setting.metrics.index(setting.metric), 1.0 if METRICS[setting.metric].maximize else -1.0
    by_fold = sum((sign * weight * network.scores[..., column] for weight, network in terms), np.zeros(()))
    return by_folds(setting, np.asarray(by_fold), unit)


def _outcome(setting: Setting, deciding: Sequence[Comparison]) -> Outcome:
    if all(one.p_greater <= LEVEL for one in deciding):
        return "holds"
    if any(one.p_less <= LEVEL for one in deciding):
        return "does not hold"
    rope = rope_of(setting.metric, constant_score(setting.metric, setting.truth))
    if setting.groups is not None and any(one.method == "too few" for one in deciding):
        return "cannot tell"
    alike = all(equivalence(one, rope)[1] >= EQUIVALENT for one in deciding)
    return "no practical difference" if alike else "cannot tell"


def _notes(rule: Rule, found: Sequence[RuleComparison], networks: dict[str, _Network]) -> Iterator[str]:
    """What else there is to say of the networks."""
    terms = {label: networks[one.key] for contrast in rule.contrasts for _, label, one in contrast.terms}
    if constant := [label for label, network in terms.items() if not network.learned]:
        yield f"No better than a constant answer: {', '.join(constant)}."
    for label, network in terms.items():
        if network.diverged:
            share = max(1, round(100 * network.diverged))
            yield f"{label}: {share} % of the networks diverged and count as a constant answer."
    if alike := [one.what for one in found if one.comparison.method == "identical" and len(one.terms) == 2]:
        yield f"The same answers to every row, in every repeat: {', '.join(alike)}."
