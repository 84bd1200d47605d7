"""Chosen configurations trained again, on fresh folds with fresh seeds, and saved as they finish.

A *run* is one configuration on one repeat of all folds. It is a pure function of (data, definition, configuration,
repeat), as a trial is, so a confirmation may be interrupted anywhere, gone on with, and given more repeats later. Runs
of one network train together, whichever placement they belong to: they share the draws. Each ends at its own epoch, and
the others go on from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.answer.question import Question, fresh_seed, missing_runs
from sweep.errors import LaunchError
from sweep.folds import Folds
from sweep.launch.base import BlockDone, Launcher
from sweep.records import BlockJob, Configuration, TrainingPlan, TrialResult
from sweep.run.prepare import Setup
from sweep.store.rows import ConfirmedRepeat
from sweep.store.store import Store
from sweep.training.block_size import block_trials

# Into how many parts the repeats are cut: each is a job, saved when it is done.
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a confirmation is: ``done`` of ``runs`` runs, those of earlier times included."""

    done: int
    runs: int


def confirm(
    question: Question,
    store: Store,
    launcher: Launcher,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Trains each configuration of a question on the repeats of fresh folds that it is needed on, as far as not saved.

    Args:
        question: What is compared, and on what.
        store: Where the sweep is.
        launcher: Trains the blocks. Left open.
        on_progress: Called when it begins, and as runs are saved.

    Raises:
        LaunchError: The workers are gone, or a configuration keeps killing them. Everything saved is kept.
        StorageError: The database failed.
    """
    setup, folds, key = question.setup, question.folds, question.sweep.key
    missing = missing_runs(store, key, question.wanted)
    runs = sum(question.wanted.values())
    progress = Progress(runs - sum(map(len, missing.values())), runs)
    on_progress(progress)
    if not missing:
        return
    launcher.share(setup.data, folds)
    plan = replace(setup.plan, seed=fresh_seed(setup.spec.seed), stop="last")
    known = list(missing)
    try:
        for numbers, repeats in _blocks(known, missing, setup, folds, launcher.device):
            launcher.submit(_first_job(numbers, known, repeats, plan))
        for done in launcher.finished():
            check_trained(done)
            ended = list(_ended(done, known))
            store.save_confirmed(key, ended)
            progress = replace(progress, done=progress.done + len(ended))
            on_progress(progress)
            if rest := [number for number in done.job.numbers if known[number].epoch > done.job.end]:
                launcher.submit(_up_to_the_next(rest, known, done.job), after=done)
            del done  # and with it where its networks stand, unless they go on
    finally:
        launcher.cancel()


def check_trained(done: BlockDone) -> None:
    """That a job brought results: a configuration that finished a sweep has been trained before.

    Raises:
        LaunchError: It was given up.
    """
    if done.failed is not None:
        raise LaunchError(f"a configuration that is to be confirmed cannot be trained: {done.failed}")


def _blocks(
    known: Sequence[Configuration],
    missing: Mapping[Configuration, tuple[int, ...]],
    setup: Setup,
    folds: Folds,
    device: str,
) -> Iterator[tuple[tuple[int, ...], range]]:
    """Places of configurations of one network, with consecutive repeats that all of them lack."""
    alike: defaultdict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    for number, one in enumerate(known):
        alike[one.params.hidden, missing[one]].append(number)
    # The largest first: at the end no worker waits for one that began late.
    for (hidden, repeats), own in sorted(alike.items(), key=lambda item: -sum(item[0][0])):
        at_once, limit = _size(len(own), len(repeats), hidden, setup, folds, device)
        for part in _consecutive(repeats, at_once):
            for start in range(0, len(own), limit):
                yield tuple(own[start : start + limit]), part


def _size(
    configurations: int, missing: int, hidden: tuple[int, ...], setup: Setup, folds: Folds, device: str
) -> tuple[int, int]:
    """How many of the missing repeats, and how many configurations, train together."""
    repeats = -(-missing // _PARTS)
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


def _first_job(numbers: Sequence[int], known: Sequence[Configuration], repeats: range, plan: TrainingPlan) -> BlockJob:
    """From the first epoch, with a checkpoint at each epoch at which one of them ends."""
    epochs = {known[number].epoch for number in numbers}
    whole = BlockJob(
        numbers=tuple(numbers),
        trials=tuple(known[number].params for number in numbers),
        plan=replace(plan, checkpoints=tuple(sorted(epochs | {plan.epochs}))),
        repeats=(repeats.start, repeats.stop),
    )
    return _up_to_the_next(numbers, known, whole)


def _up_to_the_next(numbers: Sequence[int], known: Sequence[Configuration], job: BlockJob) -> BlockJob:
    """Some configurations of a job, up to the epoch at which the first of them ends.

    The learning rate falls as it did in the sweep, over all epochs of the plan.
    """
    trials = tuple(known[number].params for number in numbers)
    return replace(job, numbers=tuple(numbers), trials=trials, until=min(known[number].epoch for number in numbers))


def _ended(done: BlockDone, known: Sequence[Configuration]) -> Iterator[ConfirmedRepeat]:
    """What a job gave of those that are at their epoch."""
    repeats = range(*(done.job.repeats or (0, 0)))
    for result in done.results:
        configuration = known[result.number]
        if configuration.epoch == done.job.end:
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
