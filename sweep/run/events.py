"""What a run tells while it goes on, and how it ended. Records only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.records import TableInfo
from sweep.space.arms import Budget


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial so far of a placement, or of all: its number and its raw score."""

    number: int
    score: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """The table is read and split.

    Attributes:
        info: What is known of it, and what was decided about it.
        folds: K.
        repeats: R.
        scheme: How it was split.
        metric: That chooses.
        budget: How many trials, and why if not as written.
        workers: Blocks that train at the same time.
    """

    info: TableInfo
    folds: int
    repeats: int
    scheme: str
    metric: str
    budget: Budget
    workers: int


@dataclass(frozen=True, slots=True)
class Started:
    """The sweep is in the database and begins or goes on.

    Attributes:
        name: Of the sweep.
        key: Its key.
        resumed: Whether it was there already.
        finished: Trials that count towards the budget.
        budget: How many of them are wanted.
        best: Placement to its best trial, in the order in which placements came.
    """

    name: str
    key: str
    resumed: bool
    finished: int
    budget: int
    best: Mapping[str, Best]


@dataclass(frozen=True, slots=True)
class TrialDone:
    """A trial is saved and told.

    Attributes:
        number: Of the trial.
        placement: Its arm.
        score: Raw.
        epoch: Chosen.
        diverged: Epoch at which it was seen to diverge; ``None`` if it did not.
        pruned: Whether it was stopped at a rung.
        seconds: Its share of its block's time.
        finished: Trials that count towards the budget, this one included.
        budget: How many of them are wanted.
        best: Placement to its best trial so far.
    """

    number: int
    placement: str
    score: float
    epoch: int
    diverged: int | None
    pruned: bool
    seconds: float
    finished: int
    budget: int
    best: Mapping[str, Best]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        name: Of the sweep.
        key: Its key.
        budget: Trials wanted.
        complete: COMPLETE trials.
        pruned: PRUNED ones.
        failed: FAIL ones; others took their place.
        told: Trials that this run finished.
        seconds: That it took, from the first look at the table.
        best: The best trial of all, by raw score; ``None`` if there is none.
    """

    name: str
    key: str
    budget: int
    complete: int
    pruned: int
    failed: int
    told: int
    seconds: float
    best: Best | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The budget is met."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TrialFailed:
    """A trial is given up: it killed its worker each time. Another one takes its place.

    Attributes:
        number: Of the trial.
        placement: Its arm.
        reason: What happened.
    """

    number: int
    placement: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something went wrong, or is over, that costs time and nothing else: ``said`` in a sentence for people."""

    said: str


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. Everything finished is kept; running the sweep again goes on.

    Attributes:
        outcome: How far it came.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"interrupted: {outcome.complete + outcome.pruned} of {outcome.budget} trials are finished")
        self.outcome = outcome


Event = Prepared | Started | TrialDone | TrialFailed | Trouble | Finished


def ignore(_: Event) -> None:
    """For whom events do not matter."""
