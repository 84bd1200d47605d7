"""Chosen configurations trained again, on fresh folds with fresh seeds, and saved as they finish.

A *run* is one configuration on one repeat of all folds. It is a pure function of (data, definition, configuration,
repeat), as a trial is, so a confirmation may be interrupted anywhere, gone on with, and given more repeats later. Runs
of one network and one epoch train together, whichever placement they belong to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweep.folds import Folds, fresh_folds
from sweep.launch.base import BlockDone, Launcher
from sweep.records import BlockJob, Configuration, TrainingPlan, TrialResult
from sweep.run.prepare import Setup
from sweep.store.rows import ConfirmedRepeat
from sweep.store.store import Store
from sweep.training.block_size import block_trials

_FRESH_STREAM = 0x6672657368  # sets these folds and draws apart from those that the sweep chose by

# Into how many parts the repeats are cut: each is a job, saved when it is done.
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a confirmation is: ``done`` of ``runs`` runs, those of earlier times included."""

    done: int
    runs: int


def fresh_seed(seed: int) -> int:
    """Seed of fresh folds, initial weights, batch orders and dropout draws, from the sweep's."""
    return int(np.random.SeedSequence([_FRESH_STREAM, seed]).generate_state(1)[0])


def confirmation_folds(setup: Setup, repeats: int) -> Folds:
    """The fresh folds of a sweep; its own kept rows are those whose predictions are kept here.

    Raises:
        DataError: The table cannot be split so.
    """
    folds = fresh_folds(setup.spec.validation, setup.data, fresh_seed(setup.spec.seed), repeats)
    return replace(folds, kept_rows=setup.folds.kept_rows)


def missing_runs(
    store: Store, key: str, configurations: Sequence[Configuration], repeats: int
) -> dict[Configuration, tuple[int, ...]]:
    """Repeats that each configuration still has to be trained on; those that lack none are left out."""
    stored = store.confirmed_repeats(key)
    wanted = {one: sorted(set(range(repeats)) - stored.get(one.key, frozenset())) for one in configurations}
    return {one: tuple(missing) for one, missing in wanted.items() if missing}


def confirm(
    setup: Setup,
    store: Store,
    key: str,
    configurations: Sequence[Configuration],
    folds: Folds,
    launcher: Launcher,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Trains what is missing of some configurations on all repeats of fresh folds, and saves it.

    Args:
        setup: Of the sweep; its folds hold the rows whose predictions it keeps.
        store: Where the sweep is.
        key: Of the sweep.
        configurations: Different ones.
        folds: Of :func:`confirmation_folds`.
        launcher: Trains the blocks. Left open.
        on_progress: Called when it begins, and as runs are saved.

    Raises:
        LaunchError: The workers are gone. Everything saved is kept.
        StorageError: The database failed.
    """
    missing = missing_runs(store, key, configurations, folds.repeats)
    progress = Progress(0, len(configurations) * folds.repeats)
    progress = replace(progress, done=progress.runs - sum(map(len, missing.values())))
    on_progress(progress)
    if not missing:
        return
    launcher.share(setup.data, folds)
    plan = replace(setup.plan, seed=fresh_seed(setup.spec.seed), stop="last")
    jobs: dict[BlockJob, tuple[Configuration, ...]] = {}
    for together, repeats in _blocks(missing, setup, folds, launcher.device):
        jobs[_job(together, repeats, plan)] = together
    try:
        for job in jobs:
            launcher.submit(job)
        for done in launcher.finished():
            results = list(_runs(done, jobs[done.job]))
            store.save_confirmed(key, results)
            progress = replace(progress, done=progress.done + len(results))
            on_progress(progress)
            del done  # and with it where its networks stand
    finally:
        launcher.cancel()


def _blocks(
    missing: Mapping[Configuration, tuple[int, ...]], setup: Setup, folds: Folds, device: str
) -> Iterator[tuple[tuple[Configuration, ...], range]]:
    """Configurations of one network and epoch, with consecutive repeats that all of them lack."""
    alike: defaultdict[tuple[tuple[int, ...], int, tuple[int, ...]], list[Configuration]] = defaultdict(list)
    for one, repeats in missing.items():
        alike[one.params.hidden, one.epoch, repeats].append(one)
    # The longest first: at the end no worker waits for one that began late.
    for (hidden, _, repeats), own in sorted(alike.items(), key=lambda item: -item[0][1] * sum(item[0][0])):
        at_once, limit = _size(len(own), hidden, setup, folds, device)
        for part in _consecutive(repeats, at_once):
            for start in range(0, len(own), limit):
                yield tuple(own[start : start + limit]), part


def _size(configurations: int, hidden: tuple[int, ...], setup: Setup, folds: Folds, device: str) -> tuple[int, int]:
    """How many repeats, and how many configurations, train together."""
    repeats = -(-folds.repeats // _PARTS)
    while True:
        limit = block_trials(setup.data, folds.part(0, repeats), hidden, replace(setup.plan, stop="last"), device)
        if limit >= configurations or repeats == 1:
            return repeats, limit
        repeats = -(-repeats // 2)


def _consecutive(repeats: Sequence[int], most: int) -> Iterator[range]:
    """Runs of consecutive numbers, each of at most ``most``."""
    start = 0
    for place in range(1, len(repeats) + 1):
        if place == len(repeats) or repeats[place] != repeats[place - 1] + 1 or place - start == most:
            yield range(repeats[start], repeats[place - 1] + 1)
            start = place


def _job(together: Sequence[Configuration], repeats: range, plan: TrainingPlan) -> BlockJob:
    """Up to their epoch; the learning rate falls as it did in the sweep."""
    epoch = together[0].epoch
    return BlockJob(
        numbers=tuple(range(len(together))),
        trials=tuple(one.params for one in together),
        plan=replace(plan, checkpoints=tuple(sorted({epoch, plan.epochs}))),
        until=epoch,
        repeats=(repeats.start, repeats.stop),
    )


def _runs(done: BlockDone, together: Sequence[Configuration]) -> Iterator[ConfirmedRepeat]:
    repeats = range(*(done.job.repeats or (0, 0)))
    for configuration, result in zip(together, done.results, strict=True):
        for place, repeat in enumerate(repeats):
            yield _run(configuration, repeat, result, place, len(repeats))


def _run(configuration: Configuration, repeat: int, result: TrialResult, place: int, repeats: int) -> ConfirmedRepeat:
    """One repeat of a block's result."""
    folds = len(result.metrics) // repeats
    first = place * folds
    return ConfirmedRepeat(
        configuration=configuration,
        repeat=repeat,
        predictions=result.predictions[-1, place],
        metrics=result.metrics[first : first + folds, -1],
        lost=tuple(split - first for split in result.lost if first <= split < first + folds),
        seconds=result.seconds / repeats,
    )
