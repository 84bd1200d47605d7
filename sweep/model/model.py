"""A trained model: networks, and how a table becomes what they read. No PyTorch."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep import wording
from sweep.errors import DataError, UserError
from sweep.metrics import METRICS, compute
from sweep.networks import Networks
from sweep.records import Task
from sweep.spec.values import is_whole
from sweep.tables.formats import NUMBER
from sweep.tables.recipe import Recipe
from sweep.tables.targets import read_truth
from sweep.tables.types import Table

Floats = NDArray[np.float64]

_HASH_ROWS = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model says of n rows.

    Attributes:
        task: Of the model.
        classes: Labels, in the order of ``probabilities``; empty for a regression.
        values: ``[n]`` float64 in the target's units of a regression, else int64: the most probable class of each row,
            as a place in ``classes``, the first of equals.
        probabilities: ``[n, classes]`` float64, which sum to 1; ``None`` for a regression.
        spread: Standard deviation over passes with dropout on, of ``probabilities`` or ``values``, shaped like them;
            these are the mean over the same passes. ``None`` where nothing was dropped.
        features: ``[n, F]`` float32, the rows as the networks read them.
        notes: What was decided about the table.
    """

    task: Task
    classes: tuple[str, ...]
    values: NDArray[np.float64] | NDArray[np.int64]
    probabilities: Floats | None
    spread: Floats | None
    features: NDArray[np.float32]
    notes: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The class of each row as text; of a regression there is none."""
        return [self.classes[code] for code in self.values.tolist()] if self.classes else []

    def columns(self) -> dict[str, Any]:
        """Name and values ``[n]`` of each column of a table of predictions."""
        columns: dict[str, Any] = {"prediction": self.labels if self.classes else self.values}
        if self.probabilities is not None:
            columns |= {f"probability {label}": self.probabilities[:, at] for at, label in enumerate(self.classes)}
            if self.spread is not None:
                columns |= {f"spread {label}": self.spread[:, at] for at, label in enumerate(self.classes)}
        elif self.spread is not None:
            columns["spread"] = self.spread
        return columns


@dataclass(frozen=True, slots=True)
class TableScore:
    """How well predictions fit a table that holds the target.

    Attributes:
        metric: Name.
        value: Of it; NaN where it is undefined on these rows.
        rows: How many have a target.
        of: Rows of the table.
        trained_on: Whether they are the very rows that the model was trained on.
    """

    metric: str
    value: float
    rows: int
    of: int
    trained_on: bool

    def __str__(self) -> str:
        """``"accuracy 86.0 % on 45 of 60 rows, where the target is known"``, and what that is worth."""
        metric = METRICS[self.metric]
        name = wording.in_sentence(metric.title)
        rows = wording.count(self.rows, "row")
        if self.rows < self.of:
            rows = f"{self.rows:,} of {wording.count(self.of, 'row')}, where the target is known"
        if not math.isfinite(self.value):
            return f"{name} is undefined on {rows}"
        worth = (
            "the model was trained on these very rows, so that it says nothing of new ones"
            if self.trained_on
            else "it speaks of new rows only if the model was trained on none of these"
        )
        return f"{name} {wording.score(metric, self.value)} on {rows}; {worth}"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One network, or an ensemble, trained on all rows of a table.

    Attributes:
        name: Of the sweep that its configuration is from.
        trial: Number of the trial there.
        recipe: How columns become features.
        networks: Trained.
        classes: Labels in the order of their codes; the positive class of two is the second. Empty for a regression.
        target: Name of the column that is predicted.
        metric: That chose.
        trained_on: :func:`features_hash` of the rows that it was trained on.
    """

    name: str
    trial: int
    recipe: Recipe
    networks: Networks
    classes: tuple[str, ...]
    target: str
    metric: str
    trained_on: str

    @property
    def predicts_numbers(self) -> bool:
        """Whether the target is numbers, or classes that are."""
        return all(NUMBER.fullmatch(label) for label in self.classes)

    def predict(self, table: Table, *, passes: int = 0, seed: int = 0, unseen: str = "error") -> Predictions:
        """What the model says of the rows of a table.

        Args:
            table: With the columns that it was trained on, in any order (``sweep.tables.load.read_for`` reads a file
                for it, ``from_frame`` takes a data frame).
            passes: How many passes with dropout on give mean and spread (Gal & Ghahramani 2016), at least 2; 0 for the
                mean over the networks with nothing dropped.
            seed: Of what is dropped.
            unseen: ``"error"``, or ``"ignore"`` for levels of a category that were never seen to be none of those that
                were. Where rare levels share a feature, they count as rare ones either way.

        Raises:
            DataError: The table does not fit: columns, cells, levels.
            UserError: Passes or ``unseen`` are none of these.
        """
        if not is_whole(passes, 0) or passes == 1:
            raise UserError(f"passes must be 0, or a whole number of at least 2 for a spread, however: {passes!r}")
        if unseen not in ("error", "ignore"):
            raise UserError(f"unseen must be error or ignore, however: {unseen}")
        applied = self.recipe.apply(table)
        foreign = [one for one in applied.unseen if not one.rare]
        if foreign and unseen == "error":
            said = "; ".join(one.said for one in foreign)
            raise DataError(
                f"{table.source}: {said} (with --unseen ignore, in Python unseen='ignore', they are none of the levels "
                "that were)"
            )
        notes = (*table.notes, *applied.notes, *map(str, applied.unseen))
        spread: Floats | None = None
        if passes and not any(self.networks.dropout):
            apart = "each network says" if self.networks.members > 1 else "the network says"
            notes = (*notes, f"the model has no dropout: {apart} the same in every pass")
        if passes:
            said_of, spread = self.networks.spread(applied.features, passes, np.random.default_rng(seed))
        else:
            said_of = self.networks.predict(applied.features)
        task = self.networks.task
        if task == "regression":
            return Predictions(task, (), said_of, None, spread, applied.features, notes)
        return Predictions(task, self.classes, said_of.argmax(1), said_of, spread, applied.features, notes)

    def score(self, table: Table, predictions: Predictions) -> TableScore | None:
        """How well predictions fit, where the table holds the target; ``None`` where it does not, or in no row.

        Args:
            table: The one that was predicted.
            predictions: For it.

        Raises:
            DataError: The target holds something else than in training.
        """
        if self.target not in table.columns:
            return None
        table = replace(table, missing=self.recipe.missing)
        truth = read_truth(table, self.target, self.networks.task, self.classes)
        known = np.flatnonzero(~np.isnan(truth))
        if len(known) == 0:
            return None
        said = predictions.values if predictions.probabilities is None else predictions.probabilities
        value = compute(self.metric, truth[known], said[known])
        same = features_hash(predictions.features[known]) == self.trained_on
        return TableScore(self.metric, value, len(known), len(truth), same)


def features_hash(features: NDArray[np.float32]) -> str:
    """SHA-256 (hex) of rows as numbers, ``[n, F]`` float32."""
    digest = hashlib.sha256(repr(features.shape).encode())
    for start in range(0, len(features), _HASH_ROWS):
        piece = features[start : start + _HASH_ROWS] + np.float32(0)  # a copy, and -0 becomes 0
        piece[np.isnan(piece)] = np.nan  # one of the many bit patterns
        digest.update(piece.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
