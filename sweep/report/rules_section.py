"""Rules of thumb on the page: outcomes, comparisons as intervals on one axis, and what else to know."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer.records import Answer, RuleAnswer, RuleComparison
from sweep.answer.rule_sentences import basis, like, outcomes
from sweep.answer.sentences import units
from sweep.metrics import METRICS, Metric
from sweep.report.table import chip

REACH = 3.0
"""The axis reaches at most this many times as far from 0 as the middle interval: some rules ruin a network."""

AROUND = 1.2  # half-widths of the region of practical equivalence that the axis holds at least
TICKS = 5  # at most, besides 0


def rules_section(summary: SweepSummary, answer: Answer) -> dict[str, Any] | None:
    """Everything the template needs; ``None`` where nobody asked, or none could be tested."""
    rules = answer.rules or ()
    every = [one for rule in rules for one in rule.comparisons]
    if not every:
        return None
    axis = _Axis(answer, every)
    said = outcomes(rules)
    return {
        "colour": chip(summary, answer.arms[0].placement)["colour"],
        "said": f"{said[:1].upper()}{said[1:]}.",
        "basis": basis(answer),
        "gain": axis.title,
        "ticks": axis.ticks(),
        "band": axis.band(),
        "zero": axis.at(0.0),
        "rules": [_rule(rule, answer, axis) for rule in rules],
        "caption": _caption(answer, every, axis),
    }


class _Axis:
    """Where improvements are drawn, in percent of the width."""

    def __init__(self, answer: Answer, every: list[RuleComparison]) -> None:
        ends = [(one.comparison.low, one.comparison.high) for one in every]
        furthest = max(REACH * median(max(map(abs, pair)) for pair in ends), AROUND * answer.rope) or 1.0
        self.low = max(min(min(low for low, _ in ends), -AROUND * answer.rope), -furthest)
        self.high = min(max(max(high for _, high in ends), AROUND * answer.rope), furthest)
        self._answer = answer

    @property
    def metric(self) -> Metric:
        return METRICS[self._answer.metric]

    @property
    def title(self) -> str:
        """What a number says."""
        title = wording.in_sentence(self.metric.title)
        if self.metric.percent:
            return f"points of {title} gained"
        return f"{title} {'higher' if self.metric.maximize else 'lower'} by"

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def at(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return round(3 + 94 * (inside - self.low) / (self.high - self.low), 2)

    def band(self) -> dict[str, float]:
        """The region of practical equivalence."""
        left, right = self.at(-self._answer.rope), self.at(self._answer.rope)
        return {"x": left, "width": round(right - left, 2)}

    def ticks(self) -> list[dict[str, Any]]:
        """Round numbers, 0 among them."""
        unit = 100.0 if self.metric.percent else 1.0
        rough = unit * (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        numbers = range(math.ceil(unit * self.low / step), math.floor(unit * self.high / step) + 1)
        return [{"at": self.at(number * step / unit), "text": _tick(number * step)} for number in numbers]


def _tick(value: float) -> str:
    return wording.powers(wording.number(value)).replace("-", "\N{MINUS SIGN}")


def _rule(rule: RuleAnswer, answer: Answer, axis: _Axis) -> dict[str, Any]:
    return {
        "statement": rule.statement,
        "source": rule.source,
        "outcome": rule.outcome,
        "kind": {"holds": "helps", "does not hold": "hurts"}.get(rule.outcome, "open"),
        "rows": [_row(one, answer, axis) for one in rule.comparisons],
        "notes": rule.notes,
    }


def _row(one: RuleComparison, answer: Answer, axis: _Axis) -> dict[str, Any]:
    found, metric = one.comparison, METRICS[answer.metric]
    digits = wording.difference_digits(metric, found.low, found.high, like(one, answer))
    return {
        "what": one.what,
        "decides": one.decides,
        "value": wording.difference(metric, found.difference, digits, sign=True),
        "interval": wording.difference_interval(metric, found.low, found.high, digits),
        "low": axis.at(found.low),
        "high": axis.at(found.high),
        "middle": axis.at(found.difference) if axis.holds(found.difference) else None,
        "beyond": [
            *([{"at": axis.at(found.low), "way": "left"}] if found.low < axis.low else []),
            *([{"at": axis.at(found.high), "way": "right"}] if found.high > axis.high else []),
        ],
    }


def _caption(answer: Answer, every: list[RuleComparison], axis: _Axis) -> str:
    """What the intervals show for this data, and how to read them."""
    metric = METRICS[answer.metric]
    half = median((one.comparison.high - one.comparison.low) / 2 for one in every)
    digits = wording.difference_digits(metric, -half, half, answer.control.score)
    reach = f"{wording.difference(metric, half, digits)}{' points' if metric.percent else ''}"
    whole = all(axis.holds(end) for one in every for end in (one.comparison.low, one.comparison.high))
    repeats = wording.count(max(one.comparison.repeats for one in every), "repeat")
    return (
        "What lies to the right of 0 speaks for a rule, to the left against it, with 95 % intervals"
        f"{'' if whole else '; a line with an arrow goes on'}. Filled marks decide, hollow ones explain. Inside the "
        f"shaded band, {wording.equivalence(metric, answer.rope)}, a difference would hardly matter. With "
        f"{units(answer.groups or answer.rows, answer)} and {repeats} a line here reaches about {reach} to either "
        "side: what makes less of a difference than that cannot be told from nothing."
    )
