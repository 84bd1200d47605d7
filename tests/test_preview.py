"""Looking ahead: which blocks, how many, and that nothing else happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.run import prepare
from sweep.run.preview import preview
from tests.small_sweep import small_spec


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_blocks_are_those_of_a_run(workers: int, tmp_path: Path) -> None:
    spec = small_spec(tmp_path, "search.batch=6", "search.trials=6", "search.sampler=random")
    ahead = preview(prepare.prepare(spec), workers=workers, device="cpu")
    assert set(ahead.blocks) <= set(spec.network.hidden)
    assert ahead.workers == workers
    assert ahead.seconds > 0
    # Six trials of a tiny network fit into one block, and are shared out evenly.
    assert max(ahead.blocks.values()) <= -(-6 // min(workers, 6))
    if workers == 1:
        assert sum(ahead.blocks.values()) == 6


def test_one_network_is_one_shape(tmp_path: Path) -> None:
    spec = small_spec(tmp_path, "network.hidden=[4]", "search.trials=30", "search.batch=10")
    ahead = preview(prepare.prepare(spec), workers=2, device="cpu")
    assert ahead.blocks == {(4,): 5}
