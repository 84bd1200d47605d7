"""From simulated sweeps to rates, each with its Monte-Carlo error. In points of accuracy and per cent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

Line = Mapping[str, Any]
"""What ``sweeps.simulate``, ``pairs.simulate`` or ``nested.simulate`` gives."""

POINT = 100.0


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``number``, in per cent, with a 95 % interval (Clopper & Pearson 1934)."""

    hits: int
    number: int

    @classmethod
    def of(cls, each: Iterable[bool]) -> Share:
        """How many of them are true."""
        known = list(each)
        return cls(sum(known), len(known))

    @property
    def value(self) -> float:
        """Per cent; NaN of none."""
        return POINT * self.hits / self.number if self.number else float("nan")

    @property
    def low(self) -> float:
        """Lower end."""
        return POINT * float(beta.ppf(0.025, self.hits, self.number - self.hits + 1)) if self.hits else 0.0

    @property
    def high(self) -> float:
        """Upper end."""
        whole = self.hits == self.number
        return POINT if whole else POINT * float(beta.ppf(0.975, self.hits + 1, self.number - self.hits))

    def __str__(self) -> str:
        """``2.3 [0.9, 4.7]``; a dash for none."""
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]" if self.number else "-"


@dataclass(frozen=True, slots=True)
class Mean:
    """Of one number a sweep, with the standard error over sweeps; NaN of none."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Mean and standard error; the latter is NaN for fewer than two."""
        each = np.array(values, dtype=np.float64)
        value = float(each.mean()) if len(each) else float("nan")
        return cls(value, float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("nan"))

    def __str__(self) -> str:
        """``+0.2 ± 0.1``; a dash for none."""
        return "-" if np.isnan(self.value) else f"{self.value:+.1f} ± {self.error:.1f}"

    @property
    def share(self) -> str:
        """Of a rate: without a sign."""
        return str(self).lstrip("+")


def found(lines: Sequence[Line], *verdicts: str) -> Share:
    """Sweeps any of whose arms has one of these verdicts."""
    return Share.of(any(arm["verdict"] in verdicts for arm in line["arms"]) for line in lines)


def share_of(lines: Sequence[Line], verdict: str) -> float:
    """Per cent of the arms that have this verdict."""
    return Share.of(arm["verdict"] == verdict for line in lines for arm in line["arms"]).value


def covered(lines: Sequence[Line], key: str, against: str | None = None) -> Mean:
    """Per cent of the intervals that hold the truth. The arms of a sweep are one number, as they share the control.

    Args:
        lines: Sweeps.
        key: Of the true difference: ``"true"``, ``"true_matched"``, ``"refit"``.
        against: ``"matched"`` for that comparison.
    """
    known = [
        [own["low"] <= arm[key][0] <= own["high"] for arm in line["arms"] for own in [arm[against] if against else arm]]
        for line in lines
        if all(arm[key] is not None for arm in line["arms"])
    ]
    return Mean.of([POINT * float(np.mean(each)) for each in known])


def bias_of_difference(lines: Sequence[Line]) -> Mean:
    """Points by which fresh differences against the tuned control exceed the true ones."""
    return Mean.of(
        [
            POINT * float(np.mean([arm["difference"] - arm["true"][0] for arm in line["arms"]]))
            for line in lines
            if line["arms"][0]["true"] is not None
        ]
    )


def half_width(lines: Sequence[Line]) -> float:
    """Points, the median over arms; where a line is one comparison, over lines."""
    widths = [(own["high"] - own["low"]) / 2 for line in lines for own in line.get("arms", [line])]
    return POINT * float(np.median(widths)) if widths else float("nan")


def gains(lines: Sequence[Line], key: str = "true") -> str:
    """True differences of the arms: the smallest and largest mean of a placement, in points."""
    by_placement: dict[str, list[float]] = {}
    for line in lines:
        for arm in line["arms"]:
            if arm[key] is not None:
                by_placement.setdefault(arm["placement"], []).append(POINT * arm[key][0])
    means = [float(np.mean(each)) for each in by_placement.values()]
    return f"{min(means):+.1f} to {max(means):+.1f}" if means else "-"


def spread(lines: Sequence[Line]) -> str:
    """Standard deviation of the true differences over arms and sweeps, in points: the luck of tuning."""
    values = [arm["true"][0] for line in lines for arm in line["arms"] if arm["true"] is not None]
    return f"{POINT * float(np.std(values)):.1f}" if values else "-"


def score_errors(lines: Sequence[Line], score: str, truth: str = "true_weighted") -> tuple[Mean, float]:
    """Bias and root mean square error of a score of the best trial, in points.

    Args:
        lines: Sweeps.
        score: ``"raw"``, ``"fresh"``, ``"honest"`` or ``"nested"``.
        truth: ``"true_weighted"``: classes as frequent as in the sweep's table; ``"true"``: as in the source;
            ``"true_outer"``: what the winners of the outer folds are worth, weighted.
    """
    errors = [
        POINT * ((line["best"][score][0] if score == "honest" else line["best"][score]) - line["best"][truth])
        for line in lines
        if line["best"][score] is not None
    ]
    return Mean.of(errors), float(np.sqrt(np.mean(np.square(errors)))) if errors else float("nan")


def honest_covered(lines: Sequence[Line]) -> Share:
    """How often the interval of the honest score holds the truth."""
    known = [line["best"] for line in lines if line["best"]["honest"] is not None]
    return Share.of(best["honest"][1] <= best["true_weighted"] <= best["honest"][2] for best in known)


def leading(lines: Sequence[Line], low: float, high: float) -> Share:
    """How often the arm with the best raw score is found to help, where its true gain is in [low, high) points."""
    return Share.of(arm["verdict"] == "helps" for arm in _leaders(lines, low, high))


def leading_by_reference(lines: Sequence[Line], low: float, high: float) -> Share:
    """How often Nadeau & Bengio's test finds it better than the tuned control alone, two-sided 5 %."""
    arms = [arm for arm in _leaders(lines, low, high) if arm["nadeau_bengio_p"] is not None]
    return Share.of(arm["nadeau_bengio_p"] <= 0.05 and arm["difference"] > 0 for arm in arms)


def _leaders(lines: Sequence[Line], low: float, high: float) -> list[dict[str, Any]]:
    arms = [line["arms"][0] for line in lines if line["arms"][0]["true"] is not None]
    return [arm for arm in arms if low <= POINT * arm["true"][0] < high]


# --- one comparison a line: fixed pairs, nested cross-validation ------------------------------------------------------


def true_gap(lines: Sequence[Line]) -> Mean:
    """Of a pair, or of the two searches, in points: the mean over all fresh tables of the cell."""
    return Mean.of([POINT * line["true"] for line in lines])


def rejected(lines: Sequence[Line]) -> Share:
    """How often x is found better or worse: two-sided 5 %."""
    return Share.of(line["p"] <= 0.05 for line in lines)


def found_better(lines: Sequence[Line]) -> Share:
    """How often x is found better, one-sided 2.5 % as for a verdict."""
    return Share.of(line["p_greater"] <= 0.025 for line in lines)


def gap_covered(lines: Sequence[Line]) -> Share:
    """How often the interval holds the true difference of the cell."""
    gap = true_gap(lines).value / POINT
    return Share.of(line["low"] <= gap <= line["high"] for line in lines)


def equivalent(lines: Sequence[Line]) -> Share:
    """How often there is no practical difference."""
    return Share.of(line["p_equivalent"] >= 0.95 for line in lines)


def se_ratio(lines: Sequence[Line]) -> float:
    """Mean standard error over the standard deviation of the differences that were seen."""
    seen = float(np.std([line["difference"] for line in lines], ddof=1)) if len(lines) > 1 else float("nan")
    return float(np.mean([line["se"] for line in lines])) / seen if seen else float("nan")


# --- nested cross-validation ------------------------------------------------------------------------------------------


def said(lines: Sequence[Line], *verdicts: str) -> Share:
    """Nested cross-validations with one of these verdicts."""
    return Share.of(line["verdict"] in verdicts for line in lines)


def winners_covered(lines: Sequence[Line]) -> Share:
    """How often the interval holds the true difference of the very winners of its outer folds."""
    return Share.of(line["low"] <= line["true"] <= line["high"] for line in lines)


def nested_covered(lines: Sequence[Line], truth: str) -> Share:
    """How often the interval of the nested score holds a truth, named as for :func:`score_errors`."""
    known = [line["best"] for line in lines if None not in line["best"]["nested_ends"]]
    return Share.of(best["nested_ends"][0] <= best[truth] <= best["nested_ends"][1] for best in known)
