"""What workers keep, and what tells tables and versions apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from sweep.launch import worker
from sweep.launch.base import Shared
from tests.launch.suite import DATA, FOLDS
from tests.tables_for_tests import make_dataset, make_splits

SHARED = Shared(DATA, FOLDS)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    worker._tables.clear()
    yield
    worker._tables.clear()


def changed(value: Any) -> Any:
    """Another value of the same kind, as little different as can be."""
    if isinstance(value, torch.Tensor):
        other = value.clone()
        other.view(-1)[-1] += 1
        return other
    if isinstance(value, tuple):
        return (changed(value[0]), *value[1:]) if value else ("",)
    if value is None:
        return np.array([0], dtype=np.int64)
    return not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)


def test_equal_content_has_one_name() -> None:
    again = make_dataset("binary", rows=60)
    assert worker.content_name(Shared(again, make_splits(again))) == worker.content_name(SHARED)


def test_every_part_of_table_and_folds_is_in_the_name() -> None:
    """Fields that are added, too."""
    before = worker.content_name(SHARED)
    others = [
        Shared(replace(DATA, **{one.name: changed(getattr(DATA, one.name))}), FOLDS)
        for one in fields(DATA)
        if one.name != "info"
    ]
    others += [
        Shared(replace(DATA, info=replace(DATA.info, **{one.name: changed(getattr(DATA.info, one.name))})), FOLDS)
        for one in fields(DATA.info)
    ]
    others += [Shared(DATA, replace(FOLDS, **{one.name: changed(getattr(FOLDS, one.name))})) for one in fields(FOLDS)]
    names = [worker.content_name(other) for other in others]
    assert before not in names
    assert len(set(names)) == len(names)
    # Not as numbers, but as bytes of another type or shape.
    for features in (DATA.features.view(torch.int32), DATA.features.reshape(-1)):
        assert worker.content_name(Shared(replace(DATA, features=features), FOLDS)) != before


def test_the_latest_tables_are_kept_and_always_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(worker.KEPT_TABLES + 2):
        worker.keep(str(number), SHARED)
    assert worker.hello()[1] == [str(number) for number in range(2, worker.KEPT_TABLES + 2)]
    monkeypatch.setattr(worker, "KEPT_BYTES", 1)
    worker.keep("large", SHARED)
    assert worker.hello()[1] == ["large"]


def test_versions_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    here = worker.versions()
    assert worker.difference(here) is None
    assert "+" not in here["torch"]
    assert worker.difference({**here, "torch": "1.0"}) == f"torch 1.0, expected {here['torch']}"
    assert worker.difference({"torch": here["torch"]}) == f"sweep unknown, expected {here['sweep']}"
