"""How many trials train together. The choice changes the speed and the memory, and no number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import TrainingPlan, padded
from sweep.training.minibatches import ROW_ALIGN, effective_batch_size

# What a step reads and writes on a CUDA device, in bytes. A constant, since the workers' devices may not be this
# machine's: an eighth of a small one's memory, and a thousand trials of the Sonar shape.
_CUDA_BYTES: Final = 1 << 30
# What the out-of-fold predictions of a block's trials may take, which its worker holds to its end, in bytes.
_PREDICTION_BYTES: Final = 1 << 27


def block_trials(data: Dataset, folds: Folds, hidden: Sequence[int], plan: TrainingPlan, device: str = "cpu") -> int:
    """As many as keep their working set in the cache and their predictions within 128 MiB. At least 1.

    Args:
        data: The table.
        folds: Its splits.
        hidden: Units of each hidden layer.
        plan: What all trials share.
        device: ``"cpu"`` or ``"cuda:N"``, here or on another machine.
    """
    widths = [padded(w) for w in (data.features.shape[1], *hidden, data.info.outputs)]
    parameters = sum(a * b for a, b in itertools.pairwise(widths))
    rows = padded(effective_batch_size(folds, plan.batch_size), ROW_ALIGN)
    # Weights and velocities; about four buffers per activation.
    floats = folds.splits * (2 * parameters + 4 * rows * sum(widths))
    # A step of few members is mostly the overhead of calling its operations. At the Sonar shape the cost per
    # member falls until the working set is about twice a 2 MiB cache and is flat up to ten times.
    capacity = _CUDA_BYTES if device.startswith("cuda") else 4 * _l2_bytes()
    kept = data.info.rows if folds.kept_rows is None else len(folds.kept_rows)
    predictions = len(plan.predicted_at) * folds.repeats * kept * data.info.outputs
    return int(max(1, min(capacity // (4 * floats), _PREDICTION_BYTES // (4 * predictions))))


def _l2_bytes() -> int:
    """Size of one core's L2 cache in bytes; 1 MiB where Linux does not say."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return 1 << 20
