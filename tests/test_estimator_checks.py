"""scikit-learn's own checks of estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from sweep.estimators import DropoutMLPClassifier, DropoutMLPRegressor

WEIGHTS = (
    "mini-batches and dropout draw other numbers for repeated rows than for weighted ones; "
    "test_estimators.py compares the two statistically"
)


def expected(estimator: BaseEstimator) -> dict[str, str]:
    """Checks that fail, and why."""
    return {"check_sample_weight_equivalence_on_dense_data": WEIGHTS}


ESTIMATORS = [DropoutMLPClassifier(hidden=(16,), epochs=40), DropoutMLPRegressor(hidden=(16,), epochs=40)]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected, xfail_strict=True)
def test_scikit_learn_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
