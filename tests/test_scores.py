"""Batched metrics equal the numpy versions, which equal scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.metrics import compute, metrics_for
from sweep.records import Task
from sweep.training.scores import Rows, score_members


@settings(max_examples=60, deadline=None)
@given(
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    classes=st.integers(3, 10),
    rows=st.integers(1, 50),
    members=st.integers(1, 4),
    ties=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equal_to_the_numpy_versions(task: Task, classes: int, rows: int, members: int, ties: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rows + 7
    part = rng.permutation(table)[:rows]
    outputs = classes if task == "multiclass" else 1
    output = rng.normal(0, 3, (members, table, outputs)).astype(np.float32)
    if ties:
        # Rows that are equal to the bit: rounded logits would tie in exact arithmetic only.
        output = output[:, rng.integers(0, 4, table)]
    if task == "regression":
        count, truth = 0, torch.from_numpy(rng.normal(size=table))
    else:
        count = classes if task == "multiclass" else 2
        truth = torch.from_numpy(rng.integers(0, count, table))
    scored = Rows.of(torch.from_numpy(part), truth, count)
    found = score_members(task, torch.from_numpy(output)[:, scored.index], scored).numpy()
    for member in range(members):
        raw = output[member, part].astype(np.float64)
        if task == "binary":
            raw = 1 / (1 + np.exp(-raw))
        elif task == "multiclass":
            raw = np.exp(raw - raw.max(1, keepdims=True))
            raw /= raw.sum(1, keepdims=True)
        expected = [compute(name, truth.numpy()[part], raw) for name in metrics_for(task)]
        np.testing.assert_allclose(found[member], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 16, 37])
def test_a_member_alone_scores_the_same_bits(rows: int) -> None:
    output = torch.randn(5, 64, 4, generator=torch.Generator().manual_seed(0))
    truth = torch.randint(0, 4, (64,), generator=torch.Generator().manual_seed(1))
    scored = Rows.of(torch.arange(rows), truth, 4)
    together = score_members("multiclass", output[:, scored.index], scored)
    for member in range(5):
        alone = score_members("multiclass", output[member : member + 1, scored.index], scored)
        np.testing.assert_array_equal(alone[0].numpy(), together[member].numpy())


def test_certain_predictions_have_a_finite_log_loss() -> None:
    """Logits of ±1000 are clipped as scikit-learn clips probabilities."""
    scored = Rows.of(torch.arange(2), torch.tensor([0, 1]), 2)
    output = torch.tensor([1000.0, 1000.0])[None, :, None][:, scored.index.clamp(max=1)]
    log_loss = score_members("binary", output, scored)[0, 3].item()
    assert log_loss == pytest.approx(-np.log(np.finfo(np.float64).eps) / 2)
