"""scikit-learn's own checks of estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from sweep.estimators import (
    DropoutMLPClassifier,
    DropoutMLPRegressor,
    DropoutSweepClassifier,
    DropoutSweepRegressor,
)

WEIGHTS = (
    "mini-batches and dropout draw other numbers for repeated rows than for weighted ones; "
    "test_estimators.py compares the two statistically"
)


def expected(estimator: BaseEstimator) -> dict[str, str]:
    """Checks that fail, and why."""
    return {"check_sample_weight_equivalence_on_dense_data": WEIGHTS}


SMALL: dict[str, Any] = {"hidden": (16,), "epochs": 40}
SWEEP: dict[str, Any] = {**SMALL, "trials": 1, "placement": "hidden", "folds": 2, "checkpoints": 1}

ESTIMATORS = [
    DropoutMLPClassifier(**SMALL),
    DropoutMLPRegressor(**SMALL),
    DropoutSweepClassifier(**SWEEP),
    DropoutSweepRegressor(**SWEEP),
]


@pytest.mark.filterwarnings("ignore:a class has . rows?, fewer than there are folds")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected, xfail_strict=True)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
def test_scikit_learn_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_what_is_expected_to_fail_is_this_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """That these do fail, and all others pass, is the test above: it is strict."""
    every = {type(estimator).__name__: expected(estimator) for estimator in ESTIMATORS}
    with capsys.disabled():
        for name, checks in every.items():
            for check, why in checks.items():
                print(f"\nexpected to fail: {name}, {check}: {why}")  # noqa: T201 - the list is for people
    assert all(checks == {"check_sample_weight_equivalence_on_dense_data": WEIGHTS} for checks in every.values())
    assert len(every) == 4
