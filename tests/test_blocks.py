"""From a batch to blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sweep.run.blocks import _evenly


@given(count=st.integers(1, 200), limit=st.integers(1, 50), workers=st.integers(1, 40))
def test_blocks_are_even(count: int, limit: int, workers: int) -> None:
    blocks = list(_evenly(range(count), limit, workers))
    sizes = [len(block) for block in blocks]
    assert [number for block in blocks for number in block] == list(range(count))
    assert max(sizes) <= limit
    assert max(sizes) - min(sizes) <= 1
    # Every worker has as many blocks as any other, unless there are not enough trials.
    assert len(blocks) % workers == 0 or max(sizes) == 1
    assert len(blocks) < -(-count // limit) + workers
