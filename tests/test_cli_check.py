"""What ``sweep check`` says of pruning; the command itself is in test_cli.py."""

from __future__ import annotations

from pathlib import Path

from sweep.commands.check import Checked
from sweep.run.prepare import prepare
from sweep.run.preview import Preview
from tests.small_sweep import small_spec

AHEAD = Preview(seconds=1.0, workers=1, device="cpu", blocks={(4,): 3})


def test_a_pruner_is_shown_with_its_rungs_and_the_batch_that_is_asked(tmp_path: Path) -> None:
    setup = prepare(small_spec(tmp_path, "search.pruner=halving", "training.epochs=12", "training.checkpoints=6"))
    text = str(Checked(setup, AHEAD, None))
    assert "12, asked 12 at a time (random)" in text
    assert "by halving at epoch 2, 4" in text
    more = prepare(small_spec(tmp_path, "search.pruner=halving", "search.trials=36"))
    assert "batches of 5 rounded up to 18: 6 of each arm are compared" in str(Checked(more, AHEAD, None))
    assert Checked(setup, AHEAD, None).to_dict()["rungs"] == [2, 4]


def test_without_a_pruner_there_is_nothing_of_it(tmp_path: Path) -> None:
    setup = prepare(small_spec(tmp_path))
    assert "asked 5 at a time" in str(Checked(setup, AHEAD, None))
    assert "pruned" not in str(Checked(setup, AHEAD, None))
    assert Checked(setup, AHEAD, None).to_dict()["rungs"] == []
