from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.data import Dataset
from sweep.errors import DataError
from sweep.folds import Folds, make_folds
from sweep.records import TableInfo, Task
from sweep.spec.model import ValidationSpec

Scheme = Literal["auto", "stratified", "kfold", "group", "timeseries"]


def a_dataset(target: Sequence[int] | NDArray[np.int64], task: Task, groups: Sequence[int] | None = None) -> Dataset:
    codes = np.asarray(target)
    classes = () if task == "regression" else tuple(f"c{code}" for code in range(int(codes.max()) + 1))
    info = TableInfo("t.csv", "", len(codes), ("x",), "y", task, classes, 0.0, 1.0, ())
    tensor = torch.from_numpy(codes.astype(np.int64 if task == "multiclass" else np.float32))
    return Dataset(
        torch.zeros(len(codes), 16), tensor, None if groups is None else np.asarray(groups, np.int64), info, False
    )


def validation(folds: int, repeats: int = 1, scheme: Scheme = "auto") -> ValidationSpec:
    return ValidationSpec(folds=folds, repeats=repeats, scheme=scheme, metric=None)


def as_lists(folds: Folds) -> list[list[int]]:
    return [part.tolist() for part in folds.test]


def check_partition(folds: Folds, rows: int) -> None:
    assert folds.splits == folds.folds * folds.repeats == len(folds.test)
    for train, test in zip(folds.train, folds.test, strict=True):
        assert train.dtype == test.dtype == torch.int64
        assert train.tolist() == sorted(set(train.tolist()))
        assert sorted(train.tolist() + test.tolist()) == list(range(rows))
    for repeat in range(folds.repeats):
        tested = torch.cat(folds.test[repeat * folds.folds : (repeat + 1) * folds.folds])
        assert sorted(tested.tolist()) == list(range(rows))


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(10, 40), min_size=2, max_size=5),
    k=st.integers(2, 10),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 2**40),
)
def test_stratified_property(counts: list[int], k: int, repeats: int, seed: int) -> None:
    target = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    dataset = a_dataset(target, "binary" if len(counts) == 2 else "multiclass")
    folds = make_folds(validation(k, repeats), dataset, seed)
    assert folds.scheme == "stratified"
    check_partition(folds, len(target))
    for test in folds.test:
        share = np.bincount(target[test.numpy()], minlength=len(counts))
        assert np.all(np.abs(share - np.array(counts) / k) < 1)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(10, 120), k=st.integers(2, 10), repeats=st.integers(1, 3), seed=st.integers(0, 2**40))
def test_plain_property(rows: int, k: int, repeats: int, seed: int) -> None:
    folds = make_folds(validation(k, repeats), a_dataset(np.arange(rows), "regression"), seed)
    assert folds.scheme == "kfold"
    check_partition(folds, rows)
    assert {len(test) for test in folds.test} <= {rows // k, rows // k + 1}


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 8), min_size=10, max_size=30),
    k=st.integers(2, 4),
    seed=st.integers(0, 1000),
    task=st.sampled_from(["binary", "regression"]),
)
def test_groups_are_never_split_property(sizes: list[int], k: int, seed: int, task: Task) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)) * 7, sizes))
    target = rng.integers(2, size=len(groups)) if task == "binary" else np.arange(len(groups))
    assume(task == "regression" or np.bincount(target, minlength=2).min() >= k)
    folds = make_folds(validation(k, 2), a_dataset(target, task, groups.tolist()), seed)
    assert folds.scheme == "group"
    check_partition(folds, len(groups))
    for train, test in zip(folds.train, folds.test, strict=True):
        assert not set(groups[train.numpy()]) & set(groups[test.numpy()])


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_function_of_seed_and_repeat(task: Task, grouped: bool) -> None:
    rows = 120
    dataset = a_dataset(np.arange(rows) % 2, task, list(np.arange(rows) // 3) if grouped else None)
    first = make_folds(validation(4, 3), dataset, 7)
    assert as_lists(make_folds(validation(4, 3), dataset, 7)) == as_lists(first)
    by_repeat = [as_lists(first)[start : start + 4] for start in (0, 4, 8)]
    assert by_repeat[0] != by_repeat[1] != by_repeat[2] != by_repeat[0]
    assert as_lists(make_folds(validation(4, 3), dataset, 8)) != as_lists(first)
    # More repeats leave the first ones as they were.
    assert as_lists(make_folds(validation(4, 1), dataset, 7)) == by_repeat[0]


def test_stratified_groups_keep_class_shares_even() -> None:
    groups = np.repeat(np.arange(60), 5)
    target = (groups % 3 == 0).astype(np.int64)
    folds = make_folds(validation(5), a_dataset(target, "binary", groups.tolist()), 0)
    shares = [target[test.numpy()].mean() for test in folds.test]
    assert max(shares) - min(shares) < 0.1


def test_time_series_trains_on_the_past_only() -> None:
    folds = make_folds(validation(4, scheme="timeseries"), a_dataset(np.arange(23), "regression"), 1)
    assert folds.splits == 4
    for train, test in zip(folds.train, folds.test, strict=True):
        assert train.tolist() == list(range(len(train)))
        assert test.tolist() == list(range(len(train), len(train) + len(test)))
    tested = torch.cat(folds.test).tolist()
    assert len(tested) == len(set(tested)) < 23


def test_classes_may_be_split_plainly_when_asked() -> None:
    folds = make_folds(validation(5, scheme="kfold"), a_dataset([0] * 18 + [1] * 2, "binary"), 1)
    check_partition(folds, 20)


def test_many_small_classes_do_not_warn() -> None:
    folds = make_folds(validation(2), a_dataset(np.arange(60) // 2, "multiclass"), 1)
    check_partition(folds, 60)


@pytest.mark.parametrize(
    ("folds", "dataset", "said"),
    [
        (10, a_dataset([0] * 50 + [1] * 4, "binary"), "at least 10 rows for 10 folds, however: class 'c1' has 4"),
        (10, a_dataset([0] * 50 + [1] * 4, "binary"), "set validation.folds to at most 4"),
        (5, a_dataset([0] * 50 + [1] * 9 + [2], "multiclass"), "class 'c2' has 1 (leave its rows out"),
        (10, a_dataset(range(7), "regression"), "7 rows are too few for 10 folds, at least 10"),
        (5, a_dataset(range(40), "regression", [0, 1, 2, 3] * 10), "4 groups are too few for 5 folds"),
        (5, a_dataset([0, 1] * 20, "binary", [0, 1, 2, 3] * 10), "set validation.folds to at most 4"),
        (5, a_dataset([0] * 38 + [1] * 2, "binary", list(range(40))), "class 'c1' has 2"),
    ],
)
def test_too_few_of_something(folds: int, dataset: Dataset, said: str) -> None:
    with pytest.raises(DataError) as caught:
        make_folds(validation(folds), dataset, 0)
    assert said in str(caught.value)
    assert str(caught.value).startswith("t.csv: ")


def test_time_series_needs_one_row_more() -> None:
    with pytest.raises(DataError, match="at least 6"):
        make_folds(validation(5, scheme="timeseries"), a_dataset(range(5), "regression"), 0)


def test_uneven_groups_are_an_error_not_an_empty_fold() -> None:
    groups = [0] * 20 + [1] * 3 + [2]
    target = [0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0]
    with pytest.raises(DataError, match="too uneven for 3 folds"):
        make_folds(validation(3), a_dataset(target, "binary", groups), 0)
    assert all(len(test) for test in make_folds(validation(2), a_dataset(target, "binary", groups), 0).test)
