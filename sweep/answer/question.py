"""Everything that an answer needs before it trains: the finished sweep, its table, what is compared, on which folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweep.analysis.results import SweepSummary
from sweep.analysis.summary import summarise
from sweep.answer.choose import Choice, choose, default_repeats
from sweep.answer.stored import known_answer
from sweep.errors import MismatchError, NotFoundError, UserError
from sweep.folds import Folds, fresh_folds
from sweep.records import Configuration
from sweep.run.prepare import Setup, prepare
from sweep.store.rows import SweepRecord
from sweep.store.store import Store

_FRESH_STREAM = 0x6672657368  # sets these folds and draws apart from those that the sweep chose by

FEWEST_REPEATS = 2
"""One repeat cannot tell rows from seeds."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What an answer works on.

    Attributes:
        sweep: As it is stored.
        summary: Of it.
        choice: What is compared.
        setup: Definition and table; its folds are the sweep's own.
        folds: The fresh ones, all repeats of them.
        missing: Runs, of a configuration on a repeat, that are still to be trained.
    """

    sweep: SweepRecord
    summary: SweepSummary
    choice: Choice
    setup: Setup
    folds: Folds
    missing: int


def pose(store: Store, name: str, repeats: int | None = None) -> Question:
    """The question that a finished sweep is asked.

    Args:
        store: Where it is.
        name: Of the sweep.
        repeats: Of fresh folds, in all; ``None`` for as many as its answer rests on already, else what costs about as
            much as the sweep did.

    Raises:
        NotFoundError: No sweep has that name, or its table is gone.
        UserError: It is not finished or has nothing to compare; the repeats are too few; the table has changed.
    """
    summary = summarise(store, name)
    choice, sweep = choose(summary), store.sweep(name)
    if sweep is None:
        raise NotFoundError(f"the sweep {name} was deleted meanwhile")
    wanted = _repeats(store, summary, choice, repeats)
    setup = _setup(summary, sweep)
    folds = confirmation_folds(setup, wanted)
    missing = missing_runs(store, sweep.key, choice.configurations, wanted)
    return Question(sweep, summary, choice, setup, folds, sum(map(len, missing.values())))


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


def _repeats(store: Store, summary: SweepSummary, choice: Choice, wanted: int | None) -> int:
    known = known_answer(store, summary)
    done = 0 if known is None else known.repeats
    if wanted is None:
        return done or default_repeats(len(summary.trials), len(choice.configurations))
    fewest = max(done, FEWEST_REPEATS)
    if wanted < fewest:
        why = f"the answer of {summary.name} rests on that many already" if done else "one cannot tell rows from seeds"
        raise UserError(f"the number of repeats must be at least {fewest} ({why}), however: {wanted}")
    return wanted


def _setup(summary: SweepSummary, sweep: SweepRecord) -> Setup:
    """Of the stored definition: on the rows that the sweep ran on, or not at all."""
    setup = prepare(summary.spec)
    found, wanted = setup.data.info.content_hash, sweep.data_hash
    if found != wanted:
        raise MismatchError(
            f"{setup.data.info.source} has changed since the sweep {sweep.name} ran on it: its content was {wanted}, "
            f"it is {found}; an answer takes the same rows"
        )
    return replace(setup, folds=replace(setup.folds, kept_rows=sweep.kept_rows))
