"""Would more repeats tell, or more rows, or neither?

The variance of a difference m after R' repeats is ``V(R') = c · (A + N / R')``: A is that of the rows, a floor under
any number of repeats, N that of seeds and partitions. A :class:`~sweep.answer.records.Comparison` has ``c · A`` as
``floor`` and ``c · N / R`` as ``noise``. A verdict needs all controls, so the hardest of the comparisons counts.

Promises stop at even odds: where the formula said more than 0.8, half of the simulated sweeps came to a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from sweep.answer.records import Advice, Comparison

# No plan goes beyond so many repeats: little is left to remove.
MOST_REPEATS = 100

# Normal quantile of the chance (80 %) that the named number of rows would tell.
POWER = 0.84

# More rows than so many times those there are: no table of this kind.
MOST_ROWS = 10


def variance(comparison: Comparison, repeats: int) -> float:
    """V(R'): variance of the difference after so many repeats in all."""
    return comparison.floor + comparison.noise * comparison.repeats / repeats


def chance(comparison: Comparison, repeats: int) -> float:
    """Chance that this comparison, alone, is significant at 5 % two-sided after R' repeats in all.

    ``Φ((|m| − t √V(R')) / √(c N (1/R − 1/R')))``, t the 97.5 % point at the comparison's degrees of freedom.

    Args:
        comparison: After R repeats.
        repeats: R', at least R.

    Returns:
        In [0, 1]. Where no noise is left to remove: 0 or 1.
    """
    ahead = _ahead(comparison, repeats)
    left = comparison.noise * (1 - comparison.repeats / repeats)
    return float(special.ndtr(ahead / math.sqrt(left))) if left > 0 else float(ahead > 0)


def advise(comparisons: Sequence[Comparison], rows: int) -> Advice | None:
    """What would tell, where the verdict is "cannot tell".

    Args:
        comparisons: With all controls, equally many repeats each.
        rows: n of the table.

    Returns:
        ``None`` where neither repeats nor rows are what is missing, or where one cannot know: too few rows or groups
        for a test, a single repeat, or all comparisons far enough from 0 already.
    """
    if any(one.method == "too few" or one.repeats < 2 for one in comparisons):
        return None
    if min(one.difference for one in comparisons) < 0 < max(one.difference for one in comparisons):
        return Advice("unlikely", None)  # more of anything makes opposite differences surer, not equal
    if any(abs(one.difference) <= _quantile(one) * math.sqrt(one.floor) for one in comparisons):
        needed = max(_rows(one, rows) for one in comparisons)
        return Advice("rows", math.ceil(needed)) if needed <= MOST_ROWS * rows else Advice("too small", None)
    done = comparisons[0].repeats
    if all(_ahead(one, done) > 0 for one in comparisons):
        return None
    for repeats in range(done + 1, MOST_REPEATS + 1):
        if min(chance(one, repeats) for one in comparisons) >= 0.5:
            return Advice("repeats", repeats)
    return Advice("unlikely", None)


def _quantile(comparison: Comparison) -> float:
    return float(special.stdtrit(comparison.df, 0.975))


def _ahead(comparison: Comparison, repeats: int) -> float:
    """By how much the difference exceeds the half-width of its interval after so many repeats."""
    return abs(comparison.difference) - _quantile(comparison) * math.sqrt(variance(comparison, repeats))


def _rows(comparison: Comparison, rows: int) -> float:
    """So many would tell with a chance of 80 %: n V(R) (t + 0.84)² / m², infinite without a difference."""
    if comparison.difference == 0:
        return math.inf
    effect = (_quantile(comparison) + POWER) / comparison.difference
    return rows * variance(comparison, comparison.repeats) * effect**2
