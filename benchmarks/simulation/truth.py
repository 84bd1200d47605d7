"""What configurations are truly worth: networks trained on tables the sweep never saw, tested on rows it never saw.

Cross-validation with k folds estimates E2: the expected score of networks trained on tables of (k - 1)/k · n rows of
the same source. Fresh tables have the class shares of the sweep's table, as its folds do. Recall is kept of each class,
so that a score can be had for the source's class shares and for those of the sweep's table.

Tables train together, as splits of one large table: a split trains on its own table and is tested on half of the rows
that nobody trains on. Of such groups there are a few, since every network sees the whole group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.simulation.worlds import Network, World, dataset
from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import BlockJob, TrainingPlan
from sweep.training.train import train_block

Floats = NDArray[np.float64]

TABLES = 30
GROUP = 10
"""Tables of a group."""
BESIDE = 667
"""Rows of a group that nobody trains on, for each of its tables: 20,000 test rows over three groups, all told."""
REFIT_SEEDS, REFIT_ROWS = 20, 20_000


def expected(
    world: World,
    networks: Sequence[Network],
    plan: TrainingPlan,
    rng: np.random.Generator,
    *,
    rows: int,
    ones: int,
    tables: int = TABLES,
) -> Floats:
    """Recalls on fresh tables, ``[C, tables, 2]`` in [0, 1]; all networks on the same tables with the same seeds.

    Args:
        world: Where tables come from.
        networks: C of them.
        plan: Of the sweep.
        rng: Draws tables and seeds.
        rows: Of a table that is trained on.
        ones: Of these how many are of class 1.
        tables: How many.
    """
    found = []
    for start in range(0, tables, GROUP):
        group = min(GROUP, tables - start)
        fresh = [world.draw_with(rng, rows, ones) for _ in range(group)]
        fresh.append(world.draw(rng, group * BESIDE))
        data = dataset(np.concatenate([x for x, _ in fresh]), np.concatenate([y for _, y in fresh]))
        everything = torch.arange(data.info.rows)
        train = tuple(everything[table * rows : (table + 1) * rows] for table in range(group))
        beside = everything[group * rows :]
        test = tuple(
            beside[table % 2 :: 2] for table in range(group)
        )  # half: scoring all of them would take longer than training
        folds = Folds(train, test, folds=1, repeats=group, scheme="kfold")
        found.append(_recalls(networks, data, folds, replace(plan, seed=int(rng.integers(2**31)))))
    return np.concatenate(found, axis=1)


def refit(
    world: World, networks: Sequence[Network], plan: TrainingPlan, rng: np.random.Generator, data: Dataset
) -> Floats:
    """Recalls of networks trained on the sweep's own rows, all of them, ``[C, seeds, 2]``. Arguments as above."""
    features, codes = world.draw(rng, REFIT_ROWS)
    own, rows = data.features.numpy()[:, : features.shape[1]], data.info.rows
    both = dataset(np.concatenate([own, features]), np.concatenate([data.original_target().astype(np.int64), codes]))
    train, test = torch.arange(rows), torch.arange(rows, rows + REFIT_ROWS)
    folds = Folds((train,) * REFIT_SEEDS, (test,) * REFIT_SEEDS, folds=1, repeats=REFIT_SEEDS, scheme="kfold")
    return _recalls(networks, both, folds, replace(plan, seed=int(rng.integers(2**31))))


def score(recalls: Floats, ones: float) -> Floats:
    """Accuracy where a share ``ones`` of rows is of class 1, ``[...]`` of ``[..., 2]``."""
    weighted: Floats = (1.0 - ones) * recalls[..., 0] + ones * recalls[..., 1]
    return weighted


def _recalls(networks: Sequence[Network], data: Dataset, folds: Folds, plan: TrainingPlan) -> Floats:
    """``[C, S, 2]``: of each network on each split's test rows."""
    found = np.empty((len(networks), folds.splits, 2))
    codes = data.original_target()
    for epoch in sorted({network.epoch for network in networks}):
        own = [place for place, network in enumerate(networks) if network.epoch == epoch]
        job = BlockJob(
            numbers=tuple(own),
            trials=tuple(networks[place].params for place in own),
            plan=replace(plan, stop="last", checkpoints=tuple(sorted({epoch, plan.epochs}))),
            until=epoch,
        )
        for place, result in zip(own, train_block(data, folds, job), strict=True):
            output = result.predictions[-1, :, :, 0]  # [S, n], NaN where a split does not test
            for code in (0, 1):
                said = output[:, codes == code]
                right = (said > 0) == bool(code)
                found[place, :, code] = (right & ~np.isnan(said)).sum(axis=1) / (~np.isnan(said)).sum(axis=1)
    return found
