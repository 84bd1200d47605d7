"""Everything that an answer needs before it trains: the finished sweep, its table, what is compared, on which folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweep.analysis.results import SweepSummary
from sweep.analysis.summary import summarise
from sweep.answer.choose import FEWEST_REPEATS, Choice, choose, default_repeats
from sweep.answer.rules import Rule, rules_of
from sweep.answer.stored import known_answer
from sweep.errors import MismatchError, NotFoundError, UserError
from sweep.folds import Folds, fresh_folds
from sweep.records import Configuration, TableInfo
from sweep.run.prepare import Setup, prepare
from sweep.spec.values import is_whole
from sweep.store.rows import SweepRecord
from sweep.store.store import Store

_FRESH_STREAM = 0x6672657368  # sets these folds and draws apart from those that the sweep chose by

RULE_REPEATS = 3
"""Of the fresh folds, the first ones: so many are configurations trained on for rules of thumb alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What an answer works on.

    Attributes:
        sweep: As it is stored.
        summary: Of it.
        choice: What is compared.
        setup: Definition and table; its folds are the sweep's own.
        folds: The fresh ones, all repeats of them.
        rules: Rules of thumb that are checked, too; empty where nobody asked.
        missing: Runs, of a configuration on a repeat, that are still to be trained.
    """

    sweep: SweepRecord
    summary: SweepSummary
    choice: Choice
    setup: Setup
    folds: Folds
    rules: tuple[Rule, ...]
    missing: int

    @property
    def rule_repeats(self) -> int:
        """On how many repeats, the first ones, rules are checked."""
        return min(RULE_REPEATS, self.folds.repeats)

    @property
    def wanted(self) -> dict[Configuration, int]:
        """On how many repeats each configuration is needed."""
        return _wanted(self.choice, self.folds.repeats, self.rules)


def pose(
    store: Store, name: str, repeats: int | None = None, *, rules: bool = False, setup: Setup | None = None
) -> Question:
    """The question that a finished sweep is asked.

    Args:
        store: Where it is.
        name: Of the sweep.
        repeats: Of fresh folds, in all; ``None`` for as many as its answer rests on already, else what costs about as
            much as the sweep did.
        rules: Whether rules of thumb are checked, too.
        setup: The sweep's, if the caller has its table; ``None`` to read it.

    Raises:
        NotFoundError: No sweep has that name, or its table is gone.
        UserError: It is not finished or has nothing to compare; the repeats are too few; the table has changed.
    """
    summary = summarise(store, name)
    choice, sweep = choose(summary), store.sweep(name)
    if sweep is None:
        raise NotFoundError(f"the sweep {name} was deleted meanwhile")
    wanted = _repeats(store, summary, choice, repeats)
    setup = _on_its_rows(prepare(summary.spec, stored_table(store, sweep)) if setup is None else setup, sweep)
    folds = confirmation_folds(setup, wanted)
    checked = rules_of(choice, setup.plan.epochs, maximize=summary.metric.maximize) if rules else ()
    missing = missing_runs(store, sweep.key, _wanted(choice, wanted, checked))
    return Question(sweep, summary, choice, setup, folds, checked, sum(map(len, missing.values())))


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


def missing_runs(store: Store, key: str, wanted: Mapping[Configuration, int]) -> dict[Configuration, tuple[int, ...]]:
    """Repeats that each configuration still has to be trained on; those that lack none are left out.

    Args:
        store: Where runs are saved.
        key: Of the sweep.
        wanted: On how many repeats, the first ones, each configuration is needed.
    """
    stored = store.confirmed_repeats(key)
    left = {one: sorted(set(range(repeats)) - stored.get(one.key, frozenset())) for one, repeats in wanted.items()}
    return {one: tuple(missing) for one, missing in left.items() if missing}


def _wanted(choice: Choice, repeats: int, rules: Sequence[Rule]) -> dict[Configuration, int]:
    """Those of rules that the answer trains itself, whatever their placement is called, are trained once."""
    found = {one.key: (one, min(RULE_REPEATS, repeats)) for rule in rules for one in rule.configurations}
    found |= {one.key: (one, repeats) for one in choice.configurations}
    return dict(found.values())


def _repeats(store: Store, summary: SweepSummary, choice: Choice, wanted: int | None) -> int:
    known = known_answer(store, summary)
    done = 0 if known is None else known.repeats
    if wanted is None:
        return done or default_repeats(len(summary.trials), len(choice.configurations))
    fewest = max(done, FEWEST_REPEATS)
    if not is_whole(wanted, fewest):
        why = f"the answer of {summary.name} rests on that many already" if done else "one cannot tell rows from seeds"
        raise UserError(
            f"the number of repeats must be a whole number of at least {fewest} ({why}), however: {wanted!r}"
        )
    return int(wanted)


def stored_table(store: Store, sweep: SweepRecord) -> bytes | None:
    """The table as it was stored for runners: the file may be on the machine of whoever queued the sweep."""
    order = store.order(sweep.name)
    return None if order is None or order.table_sha256 is None else store.stored_table(order.table_sha256)


def check_content(info: TableInfo, sweep: SweepRecord, why: str) -> None:
    """That a table is the one that a sweep ran on.

    Args:
        info: Of the table.
        sweep: As it is stored.
        why: It has to be: ``"an answer takes the same rows"``.

    Raises:
        MismatchError: It is not.
    """
    if info.content_hash != sweep.data_hash:
        raise MismatchError(
            f"{info.source} has changed since the sweep {sweep.name} ran on it: its content was {sweep.data_hash}, "
            f"it is {info.content_hash}; {why}"
        )


def _on_its_rows(setup: Setup, sweep: SweepRecord) -> Setup:
    """On the rows that the sweep ran on, or not at all."""
    check_content(setup.data.info, sweep, "an answer takes the same rows")
    return replace(setup, folds=replace(setup.folds, kept_rows=sweep.kept_rows))
