"""A table as tensors: one copy in memory, whatever the number of folds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.records import ALIGN, TableInfo, padded
from sweep.spec.model import SweepSpec

if TYPE_CHECKING:
    from sweep.tables.encode import Encoded


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows of a table, unsplit and unscaled.

    Attributes:
        features: ``[n, Fp]`` float32, Fp the number of features F rounded up to a multiple of
            :data:`~sweep.records.ALIGN`. NaN where a value is missing; pad columns are 0.
        target: ``[n]``: float32 0 or 1 for binary, int64 class codes for multiclass, float32
            ``(y - info.target_mean) / info.target_scale`` for regression.
        groups: ``[n]`` int64 on the CPU: rows of one code stay in one fold; ``None`` without groups.
        info: What is known of the table.
        has_missing: Whether any value of ``features`` is NaN.
        weight: ``[n]`` float32, above 0 and 1 in the mean: what each row counts in the loss that is trained on, not in
            any score; ``None`` where all count alike.
    """

    features: torch.Tensor
    target: torch.Tensor
    groups: NDArray[np.int64] | None
    info: TableInfo
    has_missing: bool
    weight: torch.Tensor | None = None

    def to(self, device: str | torch.device) -> Dataset:
        """The same data with its tensors on ``device``; not copied where they are there already."""
        weight = None if self.weight is None else self.weight.to(device)
        return replace(self, features=self.features.to(device), target=self.target.to(device), weight=weight)

    def part(self, rows: torch.Tensor) -> Dataset:
        """Some rows as a table of their own: ``[m]`` int64, increasing.

        What a column is, and a regression target's units, stay those of the whole table. Neither is fitted: training
        standardises features and target on its own rows.
        """
        numbers = rows.cpu().numpy()
        content = hashlib.sha256(self.info.content_hash.encode() + numbers.astype("<i8").tobytes()).hexdigest()
        return replace(
            self,
            features=self.features[rows],
            target=self.target[rows],
            groups=None if self.groups is None else self.groups[numbers],
            weight=None if self.weight is None else self.weight[rows],
            info=replace(self.info, rows=len(numbers), content_hash=content),
        )

    def weighted(self, weight: NDArray[np.floating[Any]]) -> Dataset:
        """The same rows, some of which count more in training.

        Args:
            weight: ``[n]``, all finite and above 0. What counts is how they compare: they are brought to a mean of 1.
        """
        shares = np.asarray(weight, np.float64) / np.max(weight)  # their sum may be beyond any number
        content = hashlib.sha256(self.info.content_hash.encode() + shares.astype("<f8").tobytes()).hexdigest()
        return replace(
            self,
            weight=torch.from_numpy((shares / shares.mean()).astype(np.float32)),
            info=replace(self.info, content_hash=content),
        )

    def original_target(self) -> NDArray[np.float64 | np.int64]:
        """``[n]``: int64 class codes, or float64 in the target's own units."""
        target: NDArray[np.float32] = self.target.cpu().numpy()
        if self.info.task != "regression":
            return target.astype(np.int64)
        return target.astype(np.float64) * self.info.target_scale + self.info.target_mean


def without_features(info: TableInfo, target: NDArray[Any], groups: NDArray[np.int64] | None) -> Dataset:
    """The rows of a table whose features are gone: enough to split them as they were split.

    Args:
        info: Of the table.
        target: ``[n]``: class codes, or numbers in the target's units.
        groups: ``[n]`` codes, or ``None``.
    """
    if info.task == "regression":
        scaled = ((target - info.target_mean) / info.target_scale).astype(np.float32)
    else:
        scaled = target.astype(np.float32 if info.task == "binary" else np.int64)
    return Dataset(torch.zeros(info.rows, 0), torch.from_numpy(scaled), groups, info, has_missing=False)


def load_dataset(spec: SweepSpec, packed: bytes | None = None) -> Dataset:
    """The table of a definition. What was decided about it, and why, is in ``info.notes``.

    Args:
        spec: The definition.
        packed: The table itself, as it was stored for runners, in place of ``data.source``.

    Raises:
        NotFoundError: No such file, or no such bundled table.
        DataError: The table cannot be used; the message names file, column and row.
    """
    # Brings pandas, which workers, who are sent their table, need not import.
    from sweep.tables.load import load_encoded

    return from_encoded(load_encoded(spec.data, spec.base_dir, align=ALIGN, packed=packed))


def from_encoded(encoded: Encoded) -> Dataset:
    """Tensors over an encoded table. Its matrix is not copied when it is padded already."""
    info, matrix = encoded.info, encoded.features
    if padding := max(padded(matrix.shape[1]), ALIGN) - matrix.shape[1]:
        matrix = np.pad(matrix, ((0, 0), (0, padding)))
    if info.task == "multiclass":
        target = encoded.target.astype(np.int64)
    else:
        target = ((encoded.target - info.target_mean) / info.target_scale).astype(np.float32)
    return Dataset(
        features=torch.from_numpy(matrix),
        target=torch.from_numpy(target),
        groups=encoded.groups,
        info=info,
        # A sum is NaN or infinite where any value is: no mask as large as the table is made for most tables.
        has_missing=bool(np.isnan(matrix.sum(dtype=np.float64))),
    )
