"""Scaling fitted on training rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from sweep.training.scaling import fit_scaling
from tests.tables_for_tests import make_dataset, make_splits


def test_equals_scikit_learn_on_training_rows_and_missing_is_the_mean() -> None:
    data = make_dataset("binary", rows=50, features=6, missing=0.2)
    folds = make_splits(data)
    scaling = fit_scaling(data.features, folds.train)
    x = data.features[None].repeat(3, 1, 1)
    scaling.apply_(x, has_missing=True)
    for split, rows in enumerate(folds.train):
        table = data.features[:, :6].numpy()
        expected = np.nan_to_num(StandardScaler().fit(table[rows.numpy()]).transform(table), nan=0.0)
        np.testing.assert_allclose(x[split, :, :6].numpy(), expected, rtol=1e-4, atol=1e-5)
        assert not x[split, :, 6:].any()


def test_constant_and_empty_columns_become_zero() -> None:
    features = torch.zeros(20, 16)
    features[:, 0] = 0.1  # its mean is not exactly 0.1
    features[:, 1] = float("nan")
    features[:, 2] = 1e9 + torch.arange(20) * 1000.0  # varies, though little against its size
    scaling = fit_scaling(features, [torch.arange(20)])
    x = scaling.apply_(features[None].clone(), has_missing=True)[0]
    assert not x[:, :2].any()
    assert x[:, 2].std() > 0.5


@pytest.mark.parametrize("value", [0.1, -1.7e9, 3e-41, 1 / 3, 2.0**60])
def test_equal_numbers_are_constant_and_the_next_number_is_not(value: float) -> None:
    rows = 70_001  # more than one part
    features = torch.full((rows, 16), value)
    features[0, 1] = torch.nextafter(features[0, 0], torch.tensor(torch.inf))
    x = fit_scaling(features, [torch.arange(rows)]).apply_(features[None].clone(), has_missing=False)[0]
    assert x.isfinite().all()
    assert not x[:, 0].any()
    assert (x[0, 1] > 100) == (abs(value) > 1e-9)  # of 3e-41 it would be noise


def test_what_lies_far_outside_training_rows_stays_finite() -> None:
    features = torch.zeros(20, 16)
    features[3, 0], features[19, 0] = 2.0**-66, 2.0**60
    features[3, 1], features[19, 1] = 2.0**-61, -(2.0**60)
    x = fit_scaling(features, [torch.arange(19)]).apply_(features[None].clone(), has_missing=False)[0]
    assert x.isfinite().all()
    assert not x[:, 0].any()
    assert x[3, 1] > 1


def test_a_large_table_is_fitted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset("binary", rows=200)
    whole = fit_scaling(data.features, [torch.arange(200)])
    monkeypatch.setattr("sweep.training.scaling._CHUNK", 7)
    parts = fit_scaling(data.features, [torch.arange(200)])
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.inv_std, whole.inv_std)
