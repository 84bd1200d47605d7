"""How many trials train together, and how many of their splits at a time: for speed and memory, and no number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import BlockJob, TrainingPlan, padded
from sweep.training.minibatches import ROW_ALIGN, effective_batch_size

# What a step reads and writes on a CUDA device, in bytes. A constant, since the workers' devices may not be this
# machine's: an eighth of a small one's memory, and a thousand trials of the Sonar shape.
_CUDA_BYTES: Final = 1 << 30
# How much of the L2 cache a tile may fill: a little too much is no slower, and one split less would be.
_OVER: Final = 1.125
# What the networks of a block may take, in bytes: many tiles of small ones, one or two members of very wide ones.
_BLOCK_BYTES: Final = 1 << 28
# What the out-of-fold predictions of a block's trials may take, which its worker holds to its end, in bytes.
_PREDICTION_BYTES: Final = 1 << 27


def block_trials(data: Dataset, folds: Folds, hidden: Sequence[int], plan: TrainingPlan, device: str = "cpu") -> int:
    """As many as have one split's networks in the cache, all in 256 MiB, and their predictions in 128. At least 1.

    Args:
        data: The table.
        folds: Its splits.
        hidden: Units of each hidden layer.
        plan: What all trials share.
        device: ``"cpu"`` or ``"cuda:N"``, here or on another machine.
    """
    each = _member_bytes(data, folds, hidden, plan.batch_size)
    if device.startswith("cuda"):
        most = _CUDA_BYTES // (each * folds.splits)
    else:
        most = min(_l2_bytes() // each, _BLOCK_BYTES // (each * folds.splits))
    kept = data.info.rows if folds.kept_rows is None else len(folds.kept_rows)
    checkpoints = len(plan.checkpoints) if plan.stop == "best" else 1
    predictions = checkpoints * folds.repeats * kept * data.info.outputs
    return max(1, min(most, _PREDICTION_BYTES // (4 * predictions)))


def tile_splits(data: Dataset, folds: Folds, job: BlockJob, device: str = "cpu") -> int:
    """How many splits of a block train through an epoch together: as many as stay in the cache; all on a CUDA device.

    Args:
        data: The table.
        folds: Its splits.
        job: The block.
        device: ``"cpu"`` or ``"cuda"``.
    """
    if device == "cuda":
        return folds.splits
    each = len(job.trials) * _member_bytes(data, folds, job.trials[0].hidden, job.plan.batch_size)
    most = max(1, int(_OVER * _l2_bytes()) // each)
    tiles = -(-folds.splits // most)
    return -(-folds.splits // tiles)  # tiles of one size, as far as may be


def _member_bytes(data: Dataset, folds: Folds, hidden: Sequence[int], batch_size: int) -> int:
    """What a step reads and writes of one member."""
    widths = [padded(w) for w in (data.features.shape[1], *hidden, data.info.outputs)]
    parameters = [a * b for a, b in itertools.pairwise(widths)]
    rows = padded(effective_batch_size(folds, batch_size), ROW_ALIGN)
    # Weights, velocities, one layer's gradient; an input and a delta for each activation.
    return 4 * (2 * sum(parameters) + max(parameters) + 2 * rows * sum(widths))


def _l2_bytes() -> int:
    """Size of one core's L2 cache in bytes; 1 MiB where Linux does not say."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return 1 << 20
