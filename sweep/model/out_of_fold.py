"""Predictions of a trial for rows that its networks were not trained on, from the database alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.honest_sweep import kept_rows
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.data import without_features
from sweep.errors import NotFoundError
from sweep.folds import make_folds
from sweep.networks import probabilities
from sweep.records import TableInfo
from sweep.store.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """What a trial's networks said of the rows of the folds that they were tested on, at the trial's chosen epoch.

    Attributes:
        info: The table.
        rows: ``[n_kept]`` int64, positions among the rows that have a target, from 0.
        folds: ``[R, n_kept]`` int64, from 0: in which each row was tested; -1 where in none.
        target: ``[n_kept]``: int64 class codes, or float64 in the target's units.
        outputs: ``[R, n_kept, O]`` float64: logits, or predictions in the target's units; NaN where a row was not
            tested. As exact as float16, in which they are stored.
    """

    info: TableInfo
    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    target: NDArray[np.int64] | NDArray[np.float64]
    outputs: NDArray[np.float64]

    def columns(self) -> dict[str, Any]:
        """A row for each row of the table and repeat, repeat by repeat; all numbers count from 1.

        What was not tested has neither fold nor prediction.
        """
        repeats, kept = self.folds.shape
        tested = self.folds.ravel() >= 0
        columns: dict[str, Any] = {
            "row": np.tile(self.rows + 1, repeats),
            "repeat": np.repeat(np.arange(1, repeats + 1), kept),
            "fold": [fold + 1 if fold >= 0 else None for fold in self.folds.ravel().tolist()],
        }
        if self.info.task == "regression":
            said = self.outputs.reshape(-1)
            return columns | {"target": np.tile(self.target, repeats), "prediction": said}
        classes = self.info.classes
        shares = probabilities(self.info.task, self.outputs.reshape(repeats * kept, -1))
        codes = np.where(tested, np.nan_to_num(shares).argmax(1), -1).tolist()
        return (
            columns
            | {"target": [classes[code] for code in self.target.tolist()] * repeats}
            | {"prediction": [classes[code] if code >= 0 else None for code in codes]}
            | {f"probability {label}": shares[:, at] for at, label in enumerate(classes)}
        )


def out_of_fold(store: Store, summary: SweepSummary, trial: TrialRow) -> OutOfFold:
    """Reads the predictions of a finished trial.

    The folds are made again: a function of the stored target and groups, the definition and its seed.

    Raises:
        NotFoundError: The sweep or the trial was deleted meanwhile.
    """
    sweep = store.sweep(summary.name)
    if sweep is None:
        raise NotFoundError(f"the sweep {summary.name} was deleted meanwhile")
    info, dataset, rows = sweep.info, store.dataset(sweep.data_hash), kept_rows(sweep)
    stored = store.predictions(sweep.key, trial.number)
    # Where they are kept at one checkpoint alone, it is the chosen epoch.
    at_epoch = stored[sweep.checkpoints.index(trial.epoch) if len(stored) > 1 else 0].astype(np.float64)
    if info.task == "regression":
        at_epoch = at_epoch * info.target_scale + info.target_mean
    bare = without_features(info, dataset.target, dataset.groups)
    folds = make_folds(summary.spec.validation, bare, summary.spec.seed)
    return OutOfFold(info, rows, folds.fold_of(info.rows)[:, rows], dataset.target[rows], at_epoch)
