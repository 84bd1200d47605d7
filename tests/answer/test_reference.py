"""The literature's tests against baycomp, and against their formula by scipy."""

from __future__ import annotations

import baycomp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sweep.answer.reference import reference
from tests.answer.worked_example import DIFFERENCE, FOLDS, ROPE, by_fold


def scores(seed: int, folds: int, repeats: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(rng.normal(0, 0.02), 0.05, size=folds * repeats)


def test_worked_example() -> None:
    found = reference(by_fold(DIFFERENCE), folds=FOLDS, repeats=3, rope=ROPE)
    t, df, p = (found.nadeau_bengio[name] for name in ("t", "df", "p_value"))
    assert t is not None
    assert (DIFFERENCE.mean() / t) ** 2 == pytest.approx(0.0550397, abs=5e-8)
    assert df == 14
    assert p == pytest.approx(0.336822, abs=5e-7)
    assert [found.baycomp[name] for name in ("worse", "equivalent", "better")] == pytest.approx(
        [0.158611, 0.020021, 0.821366], abs=2e-6
    )


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    folds=st.integers(2, 10),
    repeats=st.integers(1, 20),
    rope=st.sampled_from([0.001, 0.01, 0.1]),
)
def test_agrees_with_baycomp_and_scipy(seed: int, folds: int, repeats: int, rope: float) -> None:
    differences = scores(seed, folds, repeats)
    found = reference(differences, folds=folds, repeats=repeats, rope=rope)
    theirs = baycomp.CorrelatedTTest.probs(np.zeros_like(differences), differences, rope=rope, runs=repeats)
    assert [found.baycomp[name] for name in ("worse", "equivalent", "better")] == pytest.approx(theirs, abs=1e-9)

    # Nadeau & Bengio 2003: the plain t statistic, its variance of the mean multiplied by 1 + J · n_test / n_train.
    plain = stats.ttest_1samp(differences, 0.0)
    t = plain.statistic / np.sqrt(1 + len(differences) / (folds - 1))
    assert found.nadeau_bengio["t"] == pytest.approx(t)
    assert found.nadeau_bengio["df"] == plain.df
    assert found.nadeau_bengio["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), plain.df))


@pytest.mark.parametrize(("value", "point"), [(0.0, "equivalent"), (0.3, "better"), (-0.3, "worse")])
def test_without_variance(value: float, point: str) -> None:
    found = reference(np.full(10, value), folds=5, repeats=2, rope=0.01)
    assert found.nadeau_bengio == {"t": None, "df": 9.0, "p_value": None}
    assert found.baycomp == {name: float(name == point) for name in ("worse", "equivalent", "better")}


def test_an_unknown_score() -> None:
    differences = scores(0, 5, 2)
    differences[3] = np.nan
    found = reference(differences, folds=5, repeats=2, rope=0.01)
    assert set(found.nadeau_bengio.values()) == set(found.baycomp.values()) == {None}


def test_a_score_for_every_fold() -> None:
    with pytest.raises(ValueError, match="must be 15 fold scores, however: 10"):
        reference(scores(0, 5, 2), folds=5, repeats=3, rope=0.01)
