"""More repeats, more rows, or neither."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sweep.answer.advice import advise, chance, variance
from sweep.answer.compare import compare
from sweep.answer.records import Advice, Comparison

ROWS = 300


def made(difference: float, *, floor: float, noise: float, df: float = 299.0, repeats: int = 10) -> Comparison:
    """A comparison with these parts of its variance: ``floor`` of rows, ``noise`` at its number of repeats."""
    se = float(np.sqrt(floor + noise))
    half = stats.t.ppf(0.975, df) * se
    p = float(stats.t.sf(abs(difference) / se, df))
    return Comparison(
        difference=difference,
        low=difference - half,
        high=difference + half,
        se=se,
        df=df,
        p_value=2 * p,
        p_greater=p if difference > 0 else 1 - p,
        p_less=1 - p if difference > 0 else p,
        method="t",
        units=ROWS,
        repeats=repeats,
        floor=floor,
        noise=noise,
    )


SURE = made(0.05, floor=1e-5, noise=1e-5)
T = float(stats.t.ppf(0.975, 299))


def test_repeats_that_would_settle_it() -> None:
    """V(R') = 4e-5 + 6e-5 · 10 / R', and even odds are where t √V(R') is the difference."""
    near = made(0.018, floor=4e-5, noise=6e-5)
    assert near.p_value > 0.05
    exact = 6e-4 / ((0.018 / T) ** 2 - 4e-5)
    assert advise((SURE, near), ROWS) == Advice("repeats", int(np.ceil(exact)))
    assert advise((near, SURE), ROWS) == advise((SURE, near), ROWS)


def test_the_next_repeat_can_be_enough() -> None:
    border = T * np.sqrt(4e-5 + 6e-4 / 10.5)
    next_one = made(border, floor=4e-5, noise=6e-5)
    assert advise((SURE, next_one), ROWS) == Advice("repeats", 11)


def test_the_harder_comparison_counts() -> None:
    near, harder = made(0.018, floor=4e-5, noise=6e-5), made(0.016, floor=4e-5, noise=6e-5)
    one, other = advise((near, near), ROWS), advise((harder, harder), ROWS)
    assert one is not None
    assert other is not None
    assert one.number is not None
    assert other.number is not None
    assert one.number < other.number
    assert advise((near, harder), ROWS) == advise((harder, near), ROWS) == other


def test_unlikely_within_a_hundred_repeats() -> None:
    hard = made(0.0126, floor=4e-5, noise=9e-5)
    assert abs(hard.difference) > T * np.sqrt(hard.floor)
    assert advise((hard, hard), ROWS) == Advice("unlikely", None)


def test_rows_where_no_number_of_repeats_would_tell() -> None:
    below = made(0.012, floor=4e-5, noise=6e-5)
    assert abs(below.difference) < T * np.sqrt(below.floor)
    expected = ROWS * 1e-4 * (T + 0.84) ** 2 / 0.012**2
    assert advise((SURE, below), ROWS) == Advice("rows", int(np.ceil(expected)))
    smaller = made(0.009, floor=4e-5, noise=6e-5)
    worse = advise((below, smaller), ROWS)
    assert worse == advise((smaller, smaller), ROWS)
    assert worse is not None
    assert worse.number is not None
    assert worse.number > expected


def test_rows_that_would_tell_do() -> None:
    """The named number of rows finds the difference in about 80 % of tables, with the variances it was named for."""
    rng = np.random.default_rng(0)
    below = made(0.012, floor=4e-5, noise=6e-5)
    named = advise((below, below), ROWS)
    assert named is not None
    assert named.number is not None
    found = rng.normal(0.012, np.sqrt(1e-4 * ROWS / named.number), 4000)
    share = np.mean(found > stats.t.ppf(0.975, named.number - 1) * np.sqrt(1e-4 * ROWS / named.number))
    assert share == pytest.approx(0.8, abs=0.02)


def test_too_small() -> None:
    for difference in (0.003, 0.0):
        tiny = made(difference, floor=4e-5, noise=6e-5)
        assert advise((SURE, tiny), ROWS) == Advice("too small", None)
    assert advise((compare(np.zeros((10, ROWS)), folds=5), SURE), ROWS) == Advice("too small", None)


def test_ten_times_the_rows_are_the_limit() -> None:
    limit = np.sqrt(1e-4 * (T + 0.84) ** 2 / 10)
    for factor, kind in ((1.001, "rows"), (0.999, "too small")):
        one = made(limit * factor, floor=4e-5, noise=6e-5)
        found = advise((one, one), ROWS)
        assert found is not None
        assert found.kind == kind


def test_opposite_differences() -> None:
    against = made(-0.018, floor=4e-5, noise=6e-5)
    assert advise((SURE, against), ROWS) == Advice("unlikely", None)


def test_nothing_to_advise() -> None:
    """Both far enough from 0 already, no test possible, or seeds and rows not told apart."""
    near = made(0.018, floor=4e-5, noise=6e-5)
    assert advise((SURE, SURE), ROWS) is None
    assert advise((near, replace(near, method="too few")), ROWS) is None
    assert advise((replace(near, repeats=1), replace(near, repeats=1)), ROWS) is None


def test_chance() -> None:
    near = made(0.018, floor=4e-5, noise=6e-5)
    spread = np.sqrt(6e-4 * (1 / 10 - 1 / 40))
    ahead = 0.018 - T * np.sqrt(4e-5 + 6e-4 / 40)
    assert chance(near, 40) == pytest.approx(stats.norm.cdf(ahead / spread))
    assert chance(near, 10) == 0
    assert chance(SURE, 10) == 1
    assert chance(replace(near, difference=-near.difference), 40) == chance(near, 40)
    assert variance(near, near.repeats) == pytest.approx(near.se**2)


def test_what_is_promised_of_repeats_comes() -> None:
    """Rows and noise of known size: among differences near the border, said and seen agree."""
    rng = np.random.default_rng(1)
    said, seen = [], []
    for _ in range(400):
        rows = rng.normal(0.18, 1, ROWS)
        values = rows + rng.normal(0, 2.0, (40, ROWS))
        few, many = (compare(values[:repeats], folds=10_000) for repeats in (5, 40))
        if few.p_value > 0.05:
            said.append(chance(few, 40))
            seen.append(many.p_greater <= 0.025)
    assert len(said) > 60
    likely = np.array(said) > 0.5
    assert np.mean(np.array(seen)[likely]) > np.mean(np.array(seen)[~likely])
