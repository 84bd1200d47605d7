"""Splits of the rows: scikit-learn's splitters, repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.data import Dataset
from sweep.errors import DataError
from sweep.records import Task
from sweep.spec.model import ValidationSpec

Scheme = Literal["stratified", "kfold", "group", "timeseries"]
Split = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Folds:
    """Which rows train and which are tested in each of the S splits, repeat-major.

    Attributes:
        train: S tensors, int64 ``[n_train_s]``, row numbers in increasing order, on the CPU.
        test: Likewise. Within a repeat each row is tested once (time series: at most once).
        folds: K.
        repeats: R; S = K x R.
        scheme: The one used, ``"auto"`` resolved.
        kept_rows: Sorted positions of rows whose out-of-fold predictions are stored, ``[n_kept]`` int64; ``None`` for
            all rows.
        first: Repeat of the whole that this part of it begins with.
        most_training_rows: The largest number of training rows that counts for the size of a mini-batch; ``None`` for
            that of the splits here.
    """

    train: tuple[torch.Tensor, ...]
    test: tuple[torch.Tensor, ...]
    folds: int
    repeats: int
    scheme: Scheme
    kept_rows: NDArray[np.int64] | None = None
    first: int = 0
    most_training_rows: int | None = None

    @property
    def splits(self) -> int:
        """S."""
        return len(self.train)

    @property
    def longest(self) -> int:
        """Training rows of the longest split: no mini-batch is larger."""
        return self.most_training_rows or max(len(rows) for rows in self.train)

    def part(self, start: int, stop: int) -> Folds:
        """Repeats ``start`` to ``stop`` - 1 alone: they train as they do among the others."""
        splits = slice(start * self.folds, stop * self.folds)
        return replace(
            self,
            train=self.train[splits],
            test=self.test[splits],
            repeats=stop - start,
            first=self.first + start,
            most_training_rows=self.longest,
        )

    def fold_of(self, rows: int) -> NDArray[np.int64]:
        """``[R, n_kept]`` int64: the fold in which each kept row is tested, -1 where in none; ``rows`` of the table."""
        found = np.full((self.repeats, rows), -1, dtype=np.int64)
        for split, test in enumerate(self.test):
            found[split // self.folds, test.numpy()] = split % self.folds
        return found if self.kept_rows is None else found[:, self.kept_rows]


def fresh_folds(validation: ValidationSpec, dataset: Dataset, seed: int, repeats: int) -> Folds:
    """Splits on which chosen configurations are compared: those of :func:`make_folds`, ``repeats`` times.

    The first repeats are the same however many there are. A time series has one history and no fresh folds: every
    repeat but the first leaves out some of its last rows, fewer than a fold tests, and so begins its folds elsewhere.

    Args:
        validation: Of the definition; its own number of repeats does not count.
        dataset: The table.
        seed: Another one than the sweep's.
        repeats: R.

    Raises:
        DataError: As :func:`make_folds`.
    """
    folds = make_folds(replace(validation, repeats=repeats), dataset, seed, shifted=True)
    return replace(folds, most_training_rows=max(len(rows) for rows in folds.train[: folds.folds]))


def make_folds(validation: ValidationSpec, dataset: Dataset, seed: int, *, shifted: bool = False) -> Folds:
    """Splits of a table, a function of (rows, ``validation``, ``seed``) alone.

    Every repeat shuffles with its own draw from (``seed``, repeat), so repeats and seeds give different
    partitions. ``"auto"`` is group where the data have groups, else stratified for classes and plain for
    regression. Groups are kept whole, for classes with the class shares as even as that allows
    (``StratifiedGroupKFold``). ``"timeseries"`` takes the rows to be in time order: split ``s`` trains on
    all rows before those it tests (``TimeSeriesSplit``), nothing is shuffled, the first rows are never tested.
    Whether a scheme fits task and groups is checked before (``spec.checks``). ``shifted``: see :func:`fresh_folds`.

    Raises:
        DataError: Too few rows, groups or members of a class for that many folds.
    """
    scheme = resolved_scheme(validation, dataset.info.task, grouped=dataset.groups is not None)
    _check_counts(scheme, validation.folds, dataset)
    train, test = [], []
    for repeat in range(validation.repeats):
        for rows, held_out in _splits(scheme, validation.folds, dataset, seed, repeat, shifted=shifted):
            train.append(torch.from_numpy(np.sort(rows)))
            test.append(torch.from_numpy(np.sort(held_out)))
    if any(len(part) == 0 for part in (*train, *test)):
        raise DataError(
            f"{dataset.info.source}: the groups are too uneven for {validation.folds} folds, one would be empty; "
            "use fewer folds (validation.folds)"
        )
    return Folds(tuple(train), tuple(test), validation.folds, validation.repeats, scheme)


def resolved_scheme(validation: ValidationSpec, task: Task, *, grouped: bool) -> Scheme:
    """The scheme that is used.

    Args:
        validation: Of the definition.
        task: Of the table.
        grouped: Whether its rows have groups.
    """
    if validation.scheme != "auto":
        return validation.scheme
    return "group" if grouped else "kfold" if task == "regression" else "stratified"


def splitter_seed(seed: int, repeat: int) -> int:
    """``random_state`` of scikit-learn's splitter for one repeat (0-based) of a sweep with this seed."""
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])


def _check_counts(scheme: Scheme, folds: int, dataset: Dataset) -> None:
    """That there are rows, groups and members of each class enough for that many folds."""
    info = dataset.info
    needed = folds + 1 if scheme == "timeseries" else folds
    if info.rows < needed:
        raise DataError(
            f"{info.source}: {info.rows} rows are too few for {folds} folds, at least {needed} are needed "
            "(validation.folds)"
        )
    if scheme == "group" and dataset.groups is not None and (groups := len(np.unique(dataset.groups))) < folds:
        raise DataError(
            f"{info.source}: {groups} groups are too few for {folds} folds; set validation.folds to at most {groups}"
        )
    if info.task == "regression" or scheme in ("kfold", "timeseries"):
        return
    counts = np.bincount(dataset.original_target(), minlength=len(info.classes))
    rare = [f"class {name!r} has {count}" for name, count in zip(info.classes, counts, strict=True) if count < folds]
    if rare:
        smallest = int(counts.min())
        advice = f"set validation.folds to at most {smallest}" if smallest > 1 else "leave its rows out"
        raise DataError(
            f"{info.source}: each class needs at least {folds} rows for {folds} folds, however: "
            f"{', '.join(rare)} ({advice}, or use validation.scheme = 'kfold')"
        )


def _splits(scheme: Scheme, folds: int, dataset: Dataset, seed: int, repeat: int, *, shifted: bool) -> Iterator[Split]:
    """(training rows, tested rows) of each fold of one repeat."""
    # Takes two seconds to import, which workers, who are sent their folds, need not pay.
    from sklearn import model_selection

    state = splitter_seed(seed, repeat)
    codes = None if dataset.info.task == "regression" else dataset.original_target()
    splitter: Any
    rows = dataset.info.rows
    if scheme == "timeseries":
        splitter = model_selection.TimeSeriesSplit(n_splits=folds)
        left_out = np.random.default_rng(state).integers(rows // (folds + 1)) if shifted and repeat else 0
        yield from splitter.split(np.empty((rows - left_out, 0)))
        return
    if scheme == "group":
        kind = model_selection.GroupKFold if codes is None else model_selection.StratifiedGroupKFold
        splitter = kind(n_splits=folds, shuffle=True, random_state=state)
    else:
        kind = model_selection.StratifiedKFold if scheme == "stratified" else model_selection.KFold
        splitter = kind(n_splits=folds, shuffle=True, random_state=state)
    yield from splitter.split(np.empty((rows, 0)), codes, dataset.groups)
