"""The random numbers of training: addressed, not carried along."""

from __future__ import annotations

import numpy as np
import pytest

from sweep.training.draws import DRAWS_PER_COUNT, Draws, drop_threshold, keep_probability


def test_an_address_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    fresh, used = Draws(5), Draws(5)
    used.row_order(3, 1, 10)
    used.dropout(0, 0, 0, 3, 32)
    used.initial_layer(0, 0, 3, 4, "normal")
    np.testing.assert_array_equal(fresh.row_order(1, 2, 50), used.row_order(1, 2, 50))
    np.testing.assert_array_equal(fresh.dropout(1, 2, 0, 4, 64), used.dropout(1, 2, 0, 4, 64))
    for a, b in zip(fresh.initial_layer(1, 2, 3, 4, "torch"), used.initial_layer(1, 2, 3, 4, "torch"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_addresses_and_seeds_differ() -> None:
    draws = Draws(5)
    base = draws.dropout(1, 2, 0, 4, 64)
    for other in (
        draws.dropout(2, 2, 0, 4, 64),
        draws.dropout(1, 3, 0, 4, 64),
        draws.dropout(1, 2, 4, 4, 64),
        Draws(6).dropout(1, 2, 0, 4, 64),
    ):
        assert (base == other).mean() < 0.02


def test_mini_batches_are_reached_directly() -> None:
    draws = Draws(1)
    whole = draws.dropout(0, 7, 0, 9, 3 * DRAWS_PER_COUNT)
    np.testing.assert_array_equal(draws.dropout(0, 7, 4, 2, 3 * DRAWS_PER_COUNT), whole[4:6])


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.05, 0.2, 0.5, 0.7, 0.999999])
def test_a_threshold_drops_its_share(rate: float) -> None:
    draws = Draws(2).dropout(0, 0, 0, 100, 16 * 1024)
    dropped = (draws < drop_threshold(rate)).mean()
    assert dropped == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / draws.size) + 1e-5)
    assert 0 < keep_probability(rate) <= 1
    assert keep_probability(rate) == pytest.approx(1 - rate, abs=2**-16)


def test_no_dropout_is_exact() -> None:
    assert keep_probability(0.0) == 1.0
    assert (Draws(2).dropout(0, 0, 0, 100, 1024) >= drop_threshold(0.0)).all()


def test_an_order_visits_every_row_once() -> None:
    assert sorted(Draws(0).row_order(0, 0, 100).tolist()) == list(range(100))


def test_initialisations_have_their_published_spread() -> None:
    fan_in, fan_out = 400, 300
    bound = {
        "glorot_uniform": np.sqrt(6 / 700),
        "he_uniform": np.sqrt(6 / 400),
        "torch": 1 / np.sqrt(400),
    }
    for name, limit in bound.items():
        weight, bias = Draws(0).initial_layer(0, 0, fan_in, fan_out, name)
        assert np.abs(weight).max() <= limit
        assert weight.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)
        assert (np.abs(bias).max() > 0) == (name == "torch")
    weight, bias = Draws(0).initial_layer(0, 0, fan_in, fan_out, "normal")
    assert weight.std() == pytest.approx(0.05, rel=0.01)
    assert not bias.any()
    with pytest.raises(ValueError, match="unknown init"):
        Draws(0).initial_layer(0, 0, 3, 4, "zeros")
