"""Stability: who wins the draws, counted by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.analysis import honest
from sweep.analysis.honest import Trial, resample
from sweep.analysis.stability import stability_of
from sweep.records import TableInfo
from tests.made_sweep import made_summary

INFO = TableInfo("t.csv", "00", 40, ("x",), "y", "binary", ("no", "yes"), 0.0, 1.0, ())
TARGET = np.arange(40) % 2


def right_on(rows: NDArray[Any]) -> NDArray[np.float32]:
    """``[1, n, 1]`` logits that are right on these rows."""
    said = np.where(np.isin(np.arange(40), rows), TARGET, 1 - TARGET)
    return np.where(said == 1, 3.0, -3.0)[None, :, None].astype(np.float32)


def test_winners_are_those_with_the_most_rows_right_in_each_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trials that are right on 20 rows each, no row in common, and a poor one: a draw has either ahead, or ties."""
    outs = [right_on(np.arange(10)), right_on(np.arange(20)), right_on(np.arange(20, 40))]
    settings: dict[str, Any] = {"metric": "accuracy", "folds": 5}
    found = resample([Trial(out[None]) for out in outs], TARGET, INFO, **settings)
    assert found is not None
    assert len(found.winners) == 2000
    drawn = honest._draw(np.arange(40), 2000, np.random.default_rng(0))
    first = drawn[:20].sum(axis=0)
    expected = np.where(first > 20, 1, 2)
    clear = first != 20
    np.testing.assert_array_equal(found.winners[clear], expected[clear])
    ties = Counter(found.winners[~clear].tolist())
    assert abs(ties[1] - ties[2]) < 0.3 * (~clear).sum(), "by chance"
    # A trial at two checkpoints is one trial, wherever a chunk ends.
    monkeypatch.setattr(honest, "CHUNK", 1)
    twice = [Trial(np.stack([outs[0], outs[1]])), Trial(outs[2][None])]
    again = resample(twice, TARGET, INFO, checkpoints=2, **settings)
    assert again is not None
    np.testing.assert_array_equal(again.winners[clear], expected[clear] - 1)


def test_shares_and_rates_are_those_of_the_winners() -> None:
    summary = made_summary(8)
    none, inputs, hidden, _ = summary.trials[:4]
    found = stability_of({0: 10, 1: 60, 2: 20, 5: 10}, summary.trials, summary.spec.space.placements, inputs)
    assert found is not None
    assert found.draws == 100
    assert found.shares == (("none", 0.1), ("input", 0.7), ("hidden", 0.2), ("all", 0.0))
    assert (found.chosen, found.share, found.same, found.winners) == ("input", 0.7, 0.6, 4)
    rates = {rate.layer: rate for rate in found.rates}
    assert list(rates) == ["input", "hidden1", "hidden2"]
    assert rates["input"].middle == inputs.hyperparameters.dropout[0]
    assert rates["input"].low == none.hyperparameters.dropout[0] == 0
    assert (rates["hidden1"].low, rates["hidden1"].middle) == (0, 0)
    assert rates["hidden1"].high == hidden.hyperparameters.dropout[1]


def test_what_is_no_trial_of_the_sweep_does_not_count() -> None:
    summary = made_summary(8)
    found = stability_of({1: 30, 99: 70}, summary.trials, summary.spec.space.placements, summary.trials[2])
    assert found is not None
    assert (found.draws, found.share, found.same) == (30, 0.0, 0.0)
    assert stability_of({}, summary.trials, summary.spec.space.placements, summary.trials[0]) is None
    assert stability_of({0: 5}, summary.trials[:1], summary.spec.space.placements, summary.trials[0]) is None
