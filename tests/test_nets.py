"""Stacked networks: padding is silent, a member taken out is a plain network."""

from __future__ import annotations

import pytest
import torch

from sweep.records import padded
from sweep.training.draws import Draws
from sweep.training.nets import StackedMLP
from tests.twin import member


def stack(activation: str = "relu", *, masked: bool = False) -> StackedMLP:
    return StackedMLP.initial(
        Draws(3),
        splits=(0, 1),
        trials=3,
        widths=(5, 7, 20, 3),
        init="torch",
        activation=activation,
        masked_outputs=masked,
    )


def test_padded() -> None:
    assert [padded(w) for w in (1, 16, 17, 784)] == [16, 16, 32, 784]
    assert padded(13, 8) == 16


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_member_is_a_plain_network(activation: str) -> None:
    net = stack(activation)
    x = torch.zeros(6, 8, 16)
    x[..., :5] = torch.randn(6, 8, 5, generator=torch.Generator().manual_seed(0))
    outputs = net.forward(x)
    for index in range(6):
        torch.testing.assert_close(outputs[index, :, :3], member(net, index, activation)(x[index, :, :5]))


def test_trials_of_a_split_start_alike_and_splits_do_not() -> None:
    net = stack()
    for weight in net.weights:
        assert torch.equal(weight[0], weight[2])
        assert not torch.equal(weight[0], weight[3])


def test_pad_units_are_zero_and_pad_classes_impossible() -> None:
    net = stack("sigmoid", masked=True)
    outputs = net.forward(torch.randn(6, 8, 16))
    assert (outputs.softmax(-1)[..., 3:] == 0).all()
    hidden = net.silence_pads_(0, torch.full((6, 8, 16), 0.5))
    assert not hidden[..., 7:].any()
    assert (hidden[..., :7] == 0.5).all()


def test_a_part_of_the_members_is_a_view() -> None:
    net = stack()
    part = net.part(1, 3)
    part.weights[0].zero_()
    assert not net.weights[0][1:3].any()
    assert net.weights[0][0].any()
    assert net.weights[0][3:].any()
