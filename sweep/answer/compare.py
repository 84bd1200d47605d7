"""Two configurations on the same fresh folds: by how much is one better, and how sure is that?

Both were trained on R repeats of k-fold with the same partitions and seeds, so their row scores are paired: ``d[r, i]``
is the goodness of x minus that of y in repeat r on row i. The model is a two-way one with random effects of rows and
repeats (balanced ANOVA; a mixed model fitted by REML gives the same where its variances are above 0), since rows and
repeats are both samples: of the table's source, and of partitions and seeds. With row means d̄_i, repeat means d̄_r and
grand mean m::

    MSrow = R Σ_i (d̄_i - m)² / (n - 1)
    MSrep = n Σ_r (d̄_r - m)² / (R - 1)
    MSe   = Σ (d - d̄_r - d̄_i + m)² / ((R - 1)(n - 1))
    S     = MSrow + max(0, MSrep - MSe)
    SE²   = c · S / (n R)

with ``c = k / (k - 1)`` of :func:`sweep.analysis.honest.overlap_factor` and Satterthwaite's (1946) degrees of freedom.

Where few rows differ, one row carries the difference, or no row differs from another, p comes from flipping the signs
of the row means (Fisher 1935), and is not smaller than that of t where repeats differ by more than their rows explain:
flips know nothing of that, and alone reject far too many equal pairs then. Difference, standard error and interval
stay. Rows of a group belong together: then sums by group take the place of rows (Cameron, Gelbach & Miller 2011), with
the variance of group sums alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweep.analysis.honest import overlap_factor
from sweep.answer.records import Comparison, Method
from sweep.answer.reference import ROUNDING, correction, posterior, variance_of_folds

Floats = NDArray[np.float64]

# With fewer units that differ no two-sided p below 0.05 is possible: 2 / 2⁵ = 0.0625.
TOO_FEW = 6

# With fewer groups the variance of their sums is not known well enough for any verdict.
TOO_FEW_GROUPS = 10

# With fewer units that differ their mean is not near enough to normal for t.
FEW = 30

# One unit with a larger share of the sum of squares is a heavy tail.
HEAVY = 0.2

# All sign patterns up to so many units, random ones beyond.
EXACT = 15
FLIPS = 9_999

# So many random signs are drawn at once: a number of so many bits says which of all patterns.
BITS = 8

# The smallest p there is: t distributions run out of floats before they run out of tail.
SMALLEST_P = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Balanced two-way ANOVA of units (rows, or groups) x repeats.

    Attributes:
        row: MSrow, of the units' means.
        repeat: MSrep, of the repeats' means; 0 with one repeat.
        error: MSe, of what is left; 0 with one repeat.
        units: How many.
        repeats: R.
    """

    row: float
    repeat: float
    error: float
    units: int
    repeats: int

    @property
    def between_repeats(self) -> float:
        """max(0, MSrep − MSe): what a repeat has of its own, beyond the noise of its rows.

        The degrees of freedom jump where it leaves 0, so what is left of equal mean squares by rounding is 0.
        """
        return self.repeat - self.error if self.repeat > self.error * (1 + ROUNDING) else 0.0

    @property
    def df(self) -> float:
        """Satterthwaite's (1946) degrees of freedom of MSrow + max(0, MSrep − MSe), in [1, units − 1]."""
        most = self.units - 1.0
        if self.between_repeats == 0:
            return most
        terms = self.row**2 + self.repeat**2 * most / (self.repeats - 1) + self.error**2 / (self.repeats - 1)
        return float(max(1.0, min(most, most * (self.row + self.between_repeats) ** 2 / terms)))


def mean_squares(difference: Floats) -> MeanSquares:
    """Of ``[R, n]`` numbers without NaN, n at least 2."""
    repeats, units = difference.shape
    mean = difference.mean()
    by_row, by_repeat = difference.mean(axis=0), difference.mean(axis=1)
    row = float(repeats * np.square(by_row - mean).sum() / (units - 1))
    if repeats == 1:
        return MeanSquares(row, 0.0, 0.0, units, repeats)
    left = difference - by_repeat[:, None] - by_row + mean
    return MeanSquares(
        row=row,
        repeat=float(units * np.square(by_repeat - mean).sum() / (repeats - 1)),
        error=float(np.square(left).sum() / ((repeats - 1) * (units - 1))),
        units=units,
        repeats=repeats,
    )


def compare(
    difference: Floats,
    *,
    folds: int,
    groups: NDArray[np.int64] | None = None,
    unit: float = 1.0,
    seed: int = 0,
) -> Comparison:
    """Configuration x against y.

    The interval is ``m ± t(.975, df) · SE``. Where no row differs from another, or fewer than six rows differ, SE says
    little, and the interval reaches at least ``3 · unit / n`` to either side: the rule of three, with groups for rows
    where there are groups.

    Args:
        difference: ``[R, n]``: goodness of x minus that of y, higher is better. NaN for a row untested in a repeat,
            with ``groups`` only; rows that were never tested are dropped.
        folds: k, at least 2.
        groups: ``[n]`` group of each row, where rows of a group belong together; the test folds of a time series.
        unit: The largest step a single row can make, for the rule of three: 1 for accuracy.
        seed: Of random sign flips.

    Returns:
        The comparison. p is 1 where no test can do anything, and where no row differs. With one repeat, rows and seeds
        cannot be told apart: all variance counts as that of rows.

    Raises:
        ValueError: There are fewer than two rows or groups, an infinite value, or NaN without groups.
    """
    table = _Table.of(difference, groups)
    squares, overlap = mean_squares(table.shares), overlap_factor(folds)
    cells = squares.units * squares.repeats
    spread = squares.row if groups is not None else squares.row + squares.between_repeats
    se = float(np.sqrt(overlap * spread / cells))
    if se <= ROUNDING * table.largest:
        se = 0.0
    df = squares.units - 1.0 if groups is not None else squares.df
    differing = table.totals[np.abs(table.totals) > ROUNDING * table.largest]
    half = float(special.stdtrit(df, 0.975)) * se
    if se == 0 or len(differing) < TOO_FEW:
        half = max(half, 3 * unit / squares.units)

    method: Method
    if table.largest == 0:
        method, (both, greater, less) = "identical", (1.0, 1.0, 1.0)
    elif len(differing) < TOO_FEW or (groups is not None and squares.units < TOO_FEW_GROUPS):
        method, (both, greater, less) = "too few", (1.0, 1.0, 1.0)
    elif len(differing) < FEW or se == 0 or table.heavy_tail:
        method, (both, greater, less) = "sign-flip", sign_flip(differing, seed)
        if groups is None and se > 0 and squares.between_repeats > 0:
            # Flipped row means know nothing of repeats that differ as a whole: then p is the larger of both.
            both, greater, less = map(max, (both, greater, less), t_test(table.mean, se, df))
    else:
        method, (both, greater, less) = "t" if groups is None else "groups", t_test(table.mean, se, df)
    return Comparison(
        difference=table.mean,
        low=table.mean - half,
        high=table.mean + half,
        se=se,
        df=df,
        p_value=both,
        p_greater=greater,
        p_less=less,
        method=method,
        units=squares.units,
        repeats=squares.repeats,
        floor=overlap * max(0.0, squares.row - squares.error) / cells,
        noise=overlap * (squares.error + squares.between_repeats) / cells,
    )


def heavy_tail(difference: Floats, groups: NDArray[np.int64] | None = None) -> bool:
    """Whether one row, or group, has more than a fifth of Σ (d̄_i − m)². Arguments as for :func:`compare`."""
    return _Table.of(difference, groups).heavy_tail


def t_test(difference: float, se: float, df: float) -> tuple[float, float, float]:
    """Two-sided p, p for a difference above 0, and for one below 0, each in (0, 1]. ``se`` above 0."""
    greater, less = (max(SMALLEST_P, float(special.stdtr(df, sign * difference / se))) for sign in (-1, 1))
    return min(1.0, 2 * min(greater, less)), greater, less


def sign_flip(values: Floats, seed: int = 0) -> tuple[float, float, float]:
    """Permutation test of values that are symmetric about 0 if there is no difference (Fisher 1935).

    Exact up to 15 values, else by 9,999 random flips and p = (1 + hits) / (1 + flips) (Davison & Hinkley 1997, §4.2.5).
    Flipped sums are symmetric about 0, so that a one-sided p is half the two-sided one: it has less Monte-Carlo error,
    and p is the same whatever the order of the values, and whether x or y comes first.

    Args:
        values: ``[U]``, not 0.
        seed: Of the random flips.

    Returns:
        p two-sided, for a sum above 0, and for one below 0, each in (0, 1].
    """
    sizes = np.sort(np.abs(values))
    total, tie = abs(float(values.sum())), 1e-9 * float(sizes.sum())
    sums = _flipped(sizes, seed)
    own = 0 if len(values) <= EXACT else 1  # among all patterns is the one seen
    both = (own + int(np.count_nonzero(sums >= total - tie))) / (own + len(sums))
    against = 1 - int(np.count_nonzero(sums > total + tie)) / (own + len(sums)) / 2
    if total <= tie:
        return both, against, against
    return (both, both / 2, against) if values.sum() > 0 else (both, against, both / 2)


def equivalence(comparison: Comparison, rope: float) -> tuple[float, float, float]:
    """Probabilities that x is worse, practically equivalent, better: δ ~ t(df, m, SE) (form of Benavoli et al. 2017).

    Args:
        comparison: Of x against y.
        rope: Half-width of the region of practical equivalence, in units of the difference, at least 0.

    Returns:
        Three probabilities that sum to 1. Without a standard error δ is a point.
    """
    return posterior(comparison.difference, comparison.se, comparison.df, rope)


def beats_constant(goodness: Floats, constant: Floats, groups: NDArray[np.int64] | None = None) -> bool:
    """The guard: whether a network learned anything, by a one-sided 5 % t-test of row scores averaged over repeats.

    Args:
        goodness: ``[R, n]`` row scores, higher is better; NaN as for :func:`compare`.
        constant: ``[n]`` row scores of a constant prediction.
        groups: ``[n]`` group of each row: then sums by group are tested.

    Raises:
        ValueError: As for :func:`compare`.
    """
    table = _Table.of(goodness - constant, groups)
    means = table.shares.mean(axis=0)
    se = float(np.sqrt(np.square(means).sum() / (len(means) * (len(means) - 1))))
    if se == 0:
        return table.mean > 0
    return bool(table.mean / se > special.stdtrit(len(means) - 1, 0.95))


def scaled(comparison: Comparison, factor: float) -> Comparison:
    """The same in other units, by the delta method: ``factor`` new ones, above 0, to an old one.

    dRMSE ≈ dMSE / (2 · RMSE) and dR² = dMSE / var(y), for instance. Tests stay as they are.
    """
    if not factor > 0:
        raise ValueError(f"factor must be above 0, however: {factor}")
    return replace(
        comparison,
        difference=comparison.difference * factor,
        low=comparison.low * factor,
        high=comparison.high * factor,
        se=comparison.se * factor,
        floor=comparison.floor * factor**2,
        noise=comparison.noise * factor**2,
    )


def corrected(
    differences: Floats,
    *,
    folds: int,
    repeats: int,
    rows: int | None = None,
    groups: int | None = None,
    unit: float = 1.0,
) -> Comparison:
    """The corrected resampled t-test (Nadeau & Bengio 2003), for metrics without row scores. It is conservative.

    Fewer than ten groups are too few for a verdict here, too. So are fewer than two fold scores: then nothing is known,
    and the difference is 0 or the only one there is, give or take ``unit``.

    Args:
        differences: ``[J]`` fold scores of x minus those of y, higher is better; NaN where a fold has none.
        folds: k, at least 2.
        repeats: R.
        rows: n, the units of the record and of the rule of three; J by default.
        groups: How many there are, where rows of a group belong together: then they are the units.
        unit: As for :func:`compare`.
    """
    known = differences[np.isfinite(differences)]
    units = groups or rows or len(known)
    if len(known) < 2:
        only = float(known.sum())
        low, high = only - unit, only + unit
        return Comparison(only, low, high, unit, 1.0, 1.0, 1.0, 1.0, "too few", units, repeats, 0.0, 0.0)
    mean, variance, df = float(known.mean()), variance_of_folds(known), len(known) - 1.0
    se = float(np.sqrt(correction(len(known), folds) * variance))
    half = float(special.stdtrit(df, 0.975)) * se if se > 0 else 3 * unit / units
    method: Method = "corrected t"
    if groups is not None and groups < TOO_FEW_GROUPS and known.any():
        method, (both, greater, less) = "too few", (1.0, 1.0, 1.0)
    elif se > 0:
        both, greater, less = t_test(mean, se, df)
    else:
        method, (both, greater, less) = "too few" if known.any() else "identical", (1.0, 1.0, 1.0)
    return Comparison(
        difference=mean,
        low=mean - half,
        high=mean + half,
        se=se,
        df=df,
        p_value=both,
        p_greater=greater,
        p_less=less,
        method=method,
        units=units,
        repeats=repeats,
        floor=variance / (folds - 1),
        noise=variance / len(known),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Differences by independent units, U of them: rows, or groups.

    Attributes:
        mean: m, over rows; each row counts once, however many repeats tested it.
        largest: The largest difference there is, without its sign.
        totals: ``[U]`` sums of row means d̄_i: those that are flipped.
        shares: ``[R, U]``: ``U / n · Σ (d[r, i] − m)`` over the rows of a unit. Of rows simply d − m; of groups the
            same ANOVA gives ``SE² = c · G / (G − 1) · Σ_g (Σ_i (d̄_i − m))² / n²``.
    """

    mean: float
    largest: float
    totals: Floats
    shares: Floats

    @classmethod
    def of(cls, difference: Floats, groups: NDArray[np.int64] | None) -> _Table:
        """Raises ValueError as :func:`compare` does."""
        known = ~np.isnan(difference)
        if np.isinf(difference).any():
            raise ValueError("difference must be finite, however: it holds infinity")
        if groups is None and not known.all():
            raise ValueError("difference may hold NaN only with groups")
        tested = known.any(axis=0)
        difference, known = difference[:, tested], known[:, tested]
        rows = difference.shape[1]
        units = np.arange(rows) if groups is None else np.unique(groups[tested], return_inverse=True)[1]
        number = int(units.max(initial=-1)) + 1
        if number < 2:
            raise ValueError(f"difference must have at least 2 tested rows or groups, however: {number}")
        means = np.where(known, difference, 0.0).sum(axis=0) / known.sum(axis=0)
        mean, largest = float(means.mean()), float(np.abs(difference[known]).max())
        # Where a repeat did not test a row, the row's mean takes its place: this leaves the standard error as it is,
        # and counts the noise between repeats as too small rather than too large.
        shares = np.where(known, difference, means) - mean
        order = np.argsort(units, kind="stable")
        starts = np.searchsorted(units[order], np.arange(number))
        totals = np.add.reduceat(means[order], starts)
        return cls(mean, largest, totals, np.add.reduceat(shares[:, order], starts, axis=1) * (number / rows))

    @property
    def heavy_tail(self) -> bool:
        """Whether one unit has more than a fifth of the sum of squares."""
        squares = np.square(self.shares.mean(axis=0))
        return bool(squares.max() > HEAVY * squares.sum())


def _flipped(sizes: Floats, seed: int) -> Floats:
    """Sums of ``[U]`` sizes under sign patterns, without their own sign: under all patterns, or random ones."""
    if len(sizes) <= EXACT:
        return np.abs(_sums(sizes))
    rng = np.random.default_rng(seed)
    sums = np.zeros(FLIPS)
    for start in range(0, len(sizes), BITS):
        block = _sums(sizes[start : start + BITS])
        sums += block[rng.integers(0, len(block), FLIPS, dtype=np.uint8)]
    return np.abs(sums)


def _sums(sizes: Floats) -> Floats:
    """``[2 ** U]``: of ``[U]`` sizes under all sign patterns."""
    patterns = np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes)) & 1
    return np.asarray((1 - 2 * patterns) @ sizes)
