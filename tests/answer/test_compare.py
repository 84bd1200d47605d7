"""Rows x repeats against a worked example and a mixed model of statsmodels; its edge cases; its error rates."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import astuple, replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sweep.answer.compare import (
    FLIPS,
    beats_constant,
    compare,
    corrected,
    equivalence,
    heavy_tail,
    mean_squares,
    scaled,
    sign_flip,
    t_test,
)
from sweep.answer.records import Comparison
from tests.answer.worked_example import DIFFERENCE, FOLDS, ROPE, by_fold

ONE = 10**9  # so many folds make c = k / (k - 1) one


def table(
    seed: int, repeats: int, rows: int, *, row: float = 1.0, repeat: float = 0.0, noise: float = 1.0, mean: float = 0.0
) -> NDArray[np.float64]:
    """Normal effects with these standard deviations."""
    rng = np.random.default_rng(seed)
    return (
        mean
        + row * rng.normal(size=rows)
        + repeat * rng.normal(size=(repeats, 1))
        + noise * rng.normal(size=(repeats, rows))
    )


def sparse(values: list[float], rows: int = 300, repeats: int = 4) -> NDArray[np.float64]:
    """The same in every repeat: these values, and rows that do not differ."""
    return np.tile(np.concatenate([values, np.zeros(rows - len(values))]), (repeats, 1))


def close(one: Comparison, other: Comparison) -> None:
    assert (one.method, one.units, one.repeats) == (other.method, other.units, other.repeats)
    numbers = [[n for n in astuple(each) if isinstance(n, float)] for each in (one, other)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-7, abs=1e-12)


def swapped(comparison: Comparison) -> Comparison:
    return replace(
        comparison,
        difference=-comparison.difference,
        low=-comparison.high,
        high=-comparison.low,
        p_greater=comparison.p_less,
        p_less=comparison.p_greater,
    )


# --- rows x repeats ---------------------------------------------------------------------------------------------------


def test_worked_example() -> None:
    squares = mean_squares(DIFFERENCE)
    assert (squares.row, squares.repeat, squares.error) == pytest.approx((0.3, 0.0333333, 0.2555556), abs=5e-8)
    found = compare(DIFFERENCE, folds=FOLDS)
    assert found.difference == pytest.approx(0.2333333, abs=5e-8)
    assert found.se**2 == pytest.approx(0.0125, abs=1e-12)
    assert found.df == 9
    assert t_test(found.difference, found.se, found.df)[0] == pytest.approx(0.066506, abs=5e-7)
    assert equivalence(found, ROPE) == pytest.approx((0.028754, 0.009674, 0.961572), abs=5e-7)
    assert found.method == "sign-flip", "ten rows are too few for t"


@pytest.mark.parametrize("seed", [0, 4])
def test_a_mixed_model_gives_the_same_standard_error(seed: int) -> None:
    values = table(seed, 5, 30, row=1.0, repeat=0.8, noise=1.0, mean=0.3)
    squares = mean_squares(values)
    assert squares.row > squares.error
    assert squares.repeat > squares.error
    repeats, rows = np.indices(values.shape)
    frame = pd.DataFrame({"d": values.ravel(), "rep": repeats.ravel(), "row": rows.ravel(), "all": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, and of one optimizer before it falls back on another
        model = smf.mixedlm(
            "d ~ 1", frame, groups="all", re_formula="0", vc_formula={"row": "0 + C(row)", "rep": "0 + C(rep)"}
        )
        fit = model.fit(reml=True)
    found = compare(values, folds=ONE)
    assert found.method == "t"
    assert found.difference == pytest.approx(fit.params["Intercept"])
    assert found.se**2 == pytest.approx(fit.bse["Intercept"] ** 2, rel=1e-3)


def test_degrees_of_freedom() -> None:
    values = table(1, 6, 40, repeat=0.6)
    squares = mean_squares(values)
    a, b, e = squares.row, squares.repeat, squares.error
    assert b > e
    satterthwaite = (a + b - e) ** 2 / (a**2 / 39 + b**2 / 5 + e**2 / (5 * 39))
    assert compare(values, folds=5).df == pytest.approx(satterthwaite)
    assert satterthwaite < 39
    quiet = values - values.mean(axis=1, keepdims=True)
    assert compare(quiet, folds=5).df == 39
    two = np.array([[2.0] * 3 + [-1.0] * 40, [-1.0] * 3 + [1.0] * 40])  # MSrep hardly above MSe, and no other variance
    assert mean_squares(two).between_repeats > 0
    assert compare(two, folds=5).df == 1


def test_equal_mean_squares_but_for_rounding() -> None:
    """MSrep = MSe = 4/5: no variance between repeats, in whatever order rows are added up."""
    rng = np.random.default_rng(0)
    values = np.array([[0.0, -1.0, 1.0, -1.0, 1.0], [1.0, -1.0, -1.0, 0.0, -1.0], [0.0, 0.0, 0.0, 1.0, 1.0]])
    found = [mean_squares(values[:, rng.permutation(5)]) for _ in range(50)]
    assert any(one.repeat > one.error for one in found)
    assert {one.df for one in found} == {4}


def test_one_repeat_is_a_t_test_of_rows() -> None:
    values = table(3, 1, 50, mean=0.3)
    theirs = stats.ttest_1samp(values[0], 0.0)
    found = compare(values, folds=ONE)
    assert (found.p_value, found.df) == pytest.approx((theirs.pvalue, 49))
    assert found.method == "t"
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.p_greater == pytest.approx(stats.ttest_1samp(values[0], 0.0, alternative="greater").pvalue)
    assert found.p_less == pytest.approx(stats.ttest_1samp(values[0], 0.0, alternative="less").pvalue)
    five = compare(values, folds=5)
    assert five.se**2 == pytest.approx(1.25 * values.var(ddof=1) / 50)
    assert (five.floor, five.noise) == pytest.approx((five.se**2, 0))


def test_variance_with_and_without_more_repeats() -> None:
    """Known components: what is said of rows, and of seeds and partitions, is what they are, and they add up."""
    found = [compare(table(seed, 8, 60, row=1.0, repeat=0.8, noise=2.0), folds=ONE) for seed in range(400)]
    assert np.mean([one.floor for one in found]) == pytest.approx(1 / 60, rel=0.05)
    assert np.mean([one.noise for one in found]) == pytest.approx(4 / 60 / 8 + 0.8**2 / 8, rel=0.08)
    parts = [one.floor + one.noise for one in found]
    assert parts == pytest.approx([one.se**2 for one in found])


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), repeats=st.integers(1, 6), rows=st.integers(2, 60), ternary=st.booleans())
def test_which_is_x_and_in_what_order_changes_nothing(seed: int, repeats: int, rows: int, ternary: bool) -> None:
    rng = np.random.default_rng(seed)
    values = table(seed, repeats, rows, repeat=0.2, mean=0.2)
    if ternary:
        values = rng.choice([-1.0, 0.0, 0.0, 1.0], size=(repeats, rows))
    found = compare(values, folds=5)
    close(compare(-values, folds=5), swapped(found))
    close(compare(values[rng.permutation(repeats)][:, rng.permutation(rows)], folds=5), found)
    close(compare(values * 0.01, folds=5, unit=0.01), scaled(found, 0.01))
    assert compare(values, folds=5) == found
    for p in (found.p_value, found.p_greater, found.p_less):
        assert 0 < p <= 1
    assert found.p_value == pytest.approx(min(1, 2 * min(found.p_greater, found.p_less)))
    assert found.low <= found.difference <= found.high
    worse, same, better = equivalence(found, 0.05)
    assert worse + same + better == pytest.approx(1)
    assert equivalence(swapped(found), 0.05) == pytest.approx((better, same, worse))


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_the_overlap_of_folds_widens(folds: int) -> None:
    values = table(4, 5, 60)
    assert compare(values, folds=folds).se / compare(values, folds=ONE).se == pytest.approx(
        np.sqrt(folds / (folds - 1))
    )


# --- edge cases -------------------------------------------------------------------------------------------------------


def test_identical() -> None:
    found = compare(np.zeros((5, 200)), folds=5, unit=2.0)
    assert found == Comparison(0.0, -0.03, 0.03, 0.0, 199.0, 1.0, 1.0, 1.0, "identical", 200, 5, 0.0, 0.0)
    assert equivalence(found, 0.01) == (0, 1, 0)
    assert equivalence(found, 0.0) == (0, 1, 0)
    assert not heavy_tail(np.zeros((5, 200)))


@pytest.mark.parametrize("value", [0.1, 0.7, 1.0])
def test_no_variance_but_a_difference(value: float) -> None:
    found = compare(np.full((7, 40), value), folds=5)
    assert (found.method, found.se, found.df) == ("sign-flip", 0, 39)
    assert found.p_value == 1 / (FLIPS + 1)
    assert (found.low, found.high) == pytest.approx((value - 3 / 40, value + 3 / 40))
    assert equivalence(found, value / 2) == (0, 0, 1)
    assert equivalence(found, value * 2) == (0, 1, 0)
    assert equivalence(swapped(found), value / 2) == (1, 0, 0)


def test_no_variance_but_for_rounding() -> None:
    """Every row has 0.1, 0.2 and 0.7, in some order, over the repeats: means that differ in their last bit."""
    rng = np.random.default_rng(0)
    values = np.array([rng.permutation([0.1, 0.2, 0.7]) for _ in range(40)]).T
    assert len(set(values.sum(axis=0))) > 1
    found = compare(values - values.mean(axis=1, keepdims=True) + 0.3, folds=5)
    assert (found.method, found.se) == ("sign-flip", 0)


def test_repeats_that_cancel() -> None:
    found = compare(np.array([[1.0, -1.0] * 10, [-1.0, 1.0] * 10]), folds=5)
    assert (found.method, found.p_value, found.se) == ("too few", 1, 0)
    assert found.high == pytest.approx(3 / 20)


def test_row_means_of_rounding_do_not_differ() -> None:
    """0.1 + 0.2 - 0.3 is no difference."""
    values = np.zeros((3, 50))
    values[:, :20] = [[0.1], [0.2], [-0.3]]
    values[:, 20:25] = 0.1
    assert values[:, 0].sum() != 0
    assert compare(values, folds=5).method == "too few"


def test_fewer_than_six_rows_differ() -> None:
    five, six = compare(sparse([1.0] * 5), folds=5), compare(sparse([1.0] * 6), folds=5)
    assert (five.method, five.p_value, five.p_greater, five.p_less) == ("too few", 1, 1, 1)
    assert (six.method, six.p_value) == ("sign-flip", 2 / 64)
    once = compare(np.concatenate([sparse([1.0], repeats=1), np.zeros((19, 300))]), folds=5)
    assert once.high == pytest.approx(once.difference + 3 / 300), "hardly differing says no more than not differing"


def test_sign_flips_below_thirty_rows_that_differ() -> None:
    rng = np.random.default_rng(0)
    for number, method in ((29, "sign-flip"), (30, "t")):
        found = compare(sparse(list(rng.normal(0.5, 1, number))), folds=5)
        assert found.method == method
        assert found.se > 0
        assert found.high - found.difference == pytest.approx(stats.t.ppf(0.975, found.df) * found.se)


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5, -6], [1, 1, 1, -1, 1, 1, 1, 1], [1, -1, 1, -1, 1, -1]])
def test_exact_flips_are_all_there_are(values: list[int]) -> None:
    """In whole numbers, without any symmetry."""
    sums = [
        sum(s * v for s, v in zip(signs, values, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    total = sum(values)
    both, greater, less = sign_flip(np.array(values, dtype=np.float64))
    assert both == np.mean([abs(each) >= abs(total) for each in sums])
    assert greater == np.mean([each >= total for each in sums])
    assert less == np.mean([each <= total for each in sums])


def test_fifteen_values_are_flipped_exactly() -> None:
    assert sign_flip(np.ones(15))[0] == 2 / 2**15
    assert sign_flip(np.ones(16))[0] >= 1 / (FLIPS + 1)


def test_random_flips_agree_with_exact_ones() -> None:
    """Sixteen values are flipped at random; one of them is next to nothing, so that fifteen say the same."""
    for seed, shift in ((0, 0.2), (1, 0.5), (2, -0.4)):
        values = np.random.default_rng(seed).normal(shift, 1, 15)
        exact, random = sign_flip(values), sign_flip(np.append(values, 1e-7))
        assert random == pytest.approx(exact, abs=4 * np.sqrt(exact[0] * (1 - exact[0]) / FLIPS))
        assert random != exact


def test_random_flips_are_fair() -> None:
    """Forty equal values: sums are binomial."""
    values = np.ones(40)
    for seed, minus in ((0, 14), (1, 17)):
        values[:minus] = -1
        assert sign_flip(values, seed)[0] == pytest.approx(2 * stats.binom.cdf(minus, 40, 0.5), abs=0.015)
    assert sign_flip(np.ones(40))[0] == 1 / (FLIPS + 1)


def test_heavy_tail() -> None:
    values = table(5, 4, 100, noise=0.1)
    assert not heavy_tail(values)
    assert compare(values, folds=5).method == "t"
    rest = np.linspace(-1, 1, 100)
    for share, heavy in ((0.19, False), (0.21, True)):
        one = np.sqrt(share / (1 - share) * np.square(rest).sum())
        assert heavy_tail(np.append(rest, [one / np.sqrt(1 - 1 / 101)])[None] + 5) == heavy
    values[:, 7] = 30
    assert heavy_tail(values)
    found = compare(values, folds=5)
    assert found.method == "sign-flip"
    assert found.se**2 == pytest.approx(1.25 * mean_squares(values).row / 400, rel=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number(bad: float) -> None:
    values = table(6, 3, 20)
    values[1, 4] = bad
    with pytest.raises(ValueError, match=r"NaN only with groups|must be finite"):
        compare(values, folds=5)


@pytest.mark.parametrize("groups", [None, np.zeros(20, dtype=np.int64)])
def test_a_single_unit(groups: NDArray[np.int64] | None) -> None:
    values = table(7, 3, 1 if groups is None else 20)
    with pytest.raises(ValueError, match="at least 2 tested rows or groups, however: 1"):
        compare(values, folds=5, groups=groups)


# --- groups -----------------------------------------------------------------------------------------------------------


def grouped(
    seed: int, number: int, *, repeats: int = 4, mean: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Groups of one to nine rows that share an effect."""
    rng = np.random.default_rng([seed, 1])
    groups = np.repeat(np.arange(number), rng.integers(1, 10, number))
    values = table(seed, repeats, len(groups), row=0.5, noise=0.5, mean=mean)
    return values + rng.normal(size=number)[groups], groups


def test_sums_by_group() -> None:
    values, groups = grouped(6, 60)
    found = compare(values, folds=5, groups=groups)
    means = values.mean(axis=0)
    sums = np.bincount(groups, weights=means - means.mean())
    assert found.method == "groups"
    assert found.se**2 == pytest.approx(1.25 * 60 / 59 * np.square(sums).sum() / len(groups) ** 2)
    assert (found.df, found.units, found.repeats) == (59, 60, 4)
    assert found.difference == pytest.approx(values.mean())
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.difference) / found.se, 59))
    assert 0 < found.noise < found.floor
    other = np.random.default_rng(1).permutation(10_000)[groups]
    close(compare(values, folds=5, groups=other), found)


def test_groups_of_one_row_are_rows() -> None:
    values = table(8, 5, 50, mean=0.2)
    values -= values.mean(axis=1, keepdims=True) - values.mean()
    rows, groups = compare(values, folds=5), compare(values, folds=5, groups=np.arange(50))
    close(replace(groups, method="t"), rows)


def test_few_groups() -> None:
    for number, method in ((9, "too few"), (10, "sign-flip"), (29, "sign-flip"), (30, "groups")):
        values, groups = grouped(11, number, mean=3.0)
        found = compare(values, folds=5, groups=groups)
        assert found.method == method, number
        if number == 9:
            assert (found.p_value, found.p_greater, found.p_less) == (1, 1, 1)
        if number == 10:
            sums = np.asarray(np.bincount(groups, weights=values.mean(axis=0)), dtype=np.float64)
            assert found.p_value == sign_flip(sums)[0]


def test_one_group_carries_the_difference() -> None:
    values, groups = grouped(1, 50)
    assert not heavy_tail(values, groups)
    values[:, groups == 3] += 20
    assert heavy_tail(values, groups)
    assert compare(values, folds=5, groups=groups).method == "sign-flip"


def test_identical_groups() -> None:
    found = compare(np.zeros((3, 100)), folds=5, groups=np.repeat(np.arange(20), 5))
    assert (found.method, found.high, found.units) == ("identical", 3 / 20, 20)


def test_rows_untested_in_a_repeat() -> None:
    """A row's mean is over the repeats that tested it; those never tested are as if they were not there."""
    values, groups = grouped(2, 40)
    never = np.arange(len(groups)) % 7 == 0
    close(
        compare(np.where(never, np.nan, values), folds=5, groups=groups),
        compare(values[:, ~never], folds=5, groups=groups[~never]),
    )
    some = values.copy()
    some[1, ::3] = np.nan
    found = compare(some, folds=5, groups=groups)
    means = np.nanmean(some, axis=0)
    sums = np.bincount(groups, weights=means - means.mean())
    assert found.difference == pytest.approx(means.mean())
    assert found.se**2 == pytest.approx(1.25 * 40 / 39 * np.square(sums).sum() / len(groups) ** 2)


# --- error rates ------------------------------------------------------------------------------------------------------


def rejected(comparisons: list[Comparison], level: float = 0.05) -> float:
    return float(np.mean([one.p_value <= level for one in comparisons]))


@pytest.mark.parametrize(("repeat", "noise"), [(0.0, 3.0), (0.5, 1.0)])
def test_equal_pairs_are_rejected_as_often_as_said(repeat: float, noise: float) -> None:
    """With c = 1, which is exact for independent rows, and repeats with an effect of their own.

    A t-test of row means knows nothing of repeats and rejects far too often.
    """
    tables = [table(seed, 10, 80, repeat=repeat, noise=noise) for seed in range(800)]
    found = [compare(values, folds=ONE) for values in tables]
    assert rejected(found) == pytest.approx(0.05, abs=0.02)
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.02)
    of_rows = [stats.ttest_1samp(values.mean(axis=0), 0.0).pvalue <= 0.05 for values in tables[:500]]
    assert np.mean(of_rows) > 0.15 if repeat else np.mean(of_rows) < 0.08


def test_equal_pairs_that_differ_on_few_rows() -> None:
    rng = np.random.default_rng(3)
    found = [compare(sparse(list(rng.choice([-1.0, 1.0], 12))), folds=5) for _ in range(1000)]
    assert {one.method for one in found} == {"sign-flip"}
    exact = 2 * stats.binom.cdf(2, 12, 0.5)  # the sign test's own level below 0.05
    assert rejected(found) == pytest.approx(exact, abs=0.02)


def test_equal_pairs_of_groups() -> None:
    """Rows that share an effect: sums by group keep the level, rows on their own do not."""
    tables = [grouped(seed, 50) for seed in range(800)]
    assert rejected([compare(values, folds=ONE, groups=groups) for values, groups in tables]) < 0.075
    assert rejected([compare(values, folds=ONE) for values, _ in tables]) > 0.2


def test_a_true_difference_is_found() -> None:
    """Power is that of a t-test with the true variance: no more, no less."""
    found = [compare(table(seed, 10, 100, noise=2.0, mean=0.35), folds=5) for seed in range(400)]
    se = np.sqrt(1.25 * (1 / 100 + 4 / 1000))
    noncentral = 0.35 / se
    sd = np.sqrt(0.8)  # of the t statistic: its variance is less than c allows for
    expected = stats.norm.sf((stats.t.ppf(0.975, 99) - noncentral) / sd)
    assert np.mean([one.p_greater <= 0.025 for one in found]) == pytest.approx(expected, abs=0.06)


# --- beside the comparison --------------------------------------------------------------------------------------------


def test_scaled() -> None:
    found = compare(table(9, 5, 60), folds=5)
    half = scaled(found, 0.5)
    assert (half.low, half.se, half.floor) == pytest.approx((found.low / 2, found.se / 2, found.floor / 4))
    assert half.p_value == found.p_value
    with pytest.raises(ValueError, match="above 0, however: 0"):
        scaled(found, 0)


def test_the_guard() -> None:
    rng = np.random.default_rng(4)
    constant = np.full(200, 0.5)
    right = rng.random((5, 200)) < 0.7
    assert beats_constant(right.astype(np.float64), constant)
    assert not beats_constant((~right).astype(np.float64), constant)
    assert beats_constant(np.ones((5, 200)), constant)
    assert not beats_constant(np.tile(constant, (5, 1)), constant)
    one_sided = stats.ttest_1samp(right.mean(axis=0) - 0.66, 0.0, alternative="greater").pvalue
    assert beats_constant(right.astype(np.float64), np.full(200, 0.66)) == (one_sided <= 0.05)


def test_the_guard_lets_random_networks_pass_in_a_twentieth() -> None:
    rows = [beats_constant(table(seed, 3, 60), np.zeros(60)) for seed in range(800)]
    assert np.mean(rows) == pytest.approx(0.05, abs=0.02)
    tables = [grouped(seed, 40) for seed in range(600)]
    by_group = [beats_constant(values, np.zeros(len(groups)), groups) for values, groups in tables]
    assert np.mean(by_group) < 0.09, "groups of uneven size cost a little"
    alone = [beats_constant(values, np.zeros(len(groups))) for values, groups in tables]
    assert np.mean(alone) > 0.2


def test_the_guard_of_a_time_series() -> None:
    values, groups = grouped(5, 30, mean=2.0)
    values[:, :9] = np.nan
    values[0, 10:40] = np.nan
    assert beats_constant(values, np.zeros(len(groups)), groups)
    assert not beats_constant(values, np.full(len(groups), 4.0), groups)


def test_fold_scores_alone() -> None:
    found = corrected(by_fold(DIFFERENCE), folds=FOLDS, repeats=3, rows=10)
    assert (found.method, found.df, found.units, found.repeats) == ("corrected t", 14, 10, 3)
    assert found.se**2 == pytest.approx(0.0550397, abs=5e-8)
    assert found.p_value == pytest.approx(0.336822, abs=5e-7)
    assert found.floor + found.noise == pytest.approx(found.se**2)
    assert found.p_less == pytest.approx(1 - found.p_value / 2)
    assert found.high - found.difference == pytest.approx(stats.t.ppf(0.975, 14) * found.se)
    close(corrected(-by_fold(DIFFERENCE), folds=FOLDS, repeats=3, rows=10), swapped(found))


def test_fold_scores_that_say_nothing() -> None:
    same = corrected(np.zeros(15), folds=5, repeats=3, rows=100)
    assert (same.method, same.p_value, same.high) == ("identical", 1, 0.03)
    assert equivalence(same, 0.01) == (0, 1, 0)
    assert corrected(np.full(15, 0.1), folds=5, repeats=3).method == "too few"
    known = by_fold(DIFFERENCE)[:9]
    with_unknown = np.concatenate([known, np.full(6, np.nan)])
    close(corrected(with_unknown, folds=5, repeats=3), corrected(known, folds=5, repeats=3))
    one, none = (corrected(np.array([known, np.nan]), folds=2, repeats=1) for known in (0.1, np.nan))
    assert (one.difference, none.difference) == (0.1, 0)
    for nothing in (one, none):
        assert (nothing.method, nothing.p_value, nothing.p_greater) == ("too few", 1, 1)
        assert nothing.high - nothing.low == 2
        assert equivalence(nothing, 0.01)[1] < 0.05


def test_fold_scores_of_few_groups_decide_nothing() -> None:
    nine, ten = (corrected(np.full(15, 0.1) + by_fold(DIFFERENCE), folds=5, repeats=3, groups=g) for g in (9, 10))
    assert (nine.method, nine.p_value, nine.units) == ("too few", 1, 9)
    assert (ten.method, ten.units) == ("corrected t", 10)
    assert (nine.low, nine.high) == (ten.low, ten.high)
    assert ten.p_value < 1


def test_a_difference_beyond_floats_has_a_p() -> None:
    found = compare(table(10, 4, 5000, noise=0.01, row=0.01, mean=1.0), folds=5)
    assert 0 < found.p_value < 1e-300
    assert found.p_less == 1


def test_sign_flips_do_not_take_repeats_that_differ_as_a_whole_for_rows() -> None:
    """25 rows, so that signs are flipped; what a repeat has of its own is as large as what a row has in it."""
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng([77, seed])
        difference = rng.normal(size=(10, 25)) + rng.normal(size=(10, 1))
        found = compare(difference, folds=10**9)
        assert found.method == "sign-flip"
        rejected += found.p_value < 0.05
    assert rejected <= 20  # 10 are expected, and 20 or more come once in 400 times; flips alone reject 90 or so


def test_sign_flips_alone_decide_where_repeats_are_alike() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(0.4, 1.0, size=25)
    difference = np.tile(rows, (4, 1)) + rng.normal(scale=0.3, size=(4, 25))
    difference += rows - difference.mean(axis=0)  # so that the row means are known
    difference -= difference.mean(axis=1, keepdims=True) - difference.mean()
    found = compare(difference, folds=5)
    assert mean_squares(difference).between_repeats == 0
    assert found.p_value == sign_flip(difference.mean(axis=0))[0]
