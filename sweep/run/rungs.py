"""Pruning at rungs: which trials are compared, and which of them go on.

Trials of one placement in one batch are compared, a *cohort*: learning is slower with dropout, so that a trial of
another arm says nothing about this one. They stand at the same epoch, and all of their folds with them. What joins a
batch later, since the budget grew or for a failed trial, joins those of its placement that have the same rung before
them, and those that are ahead wait for it: who is compared follows from the trials and decisions that are stored, not
from who is quick, so that a resumed sweep goes on as the killed one would have. Nothing here stores or trains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sweep.metrics import Direction, mean_over_splits, metrics_for
from sweep.records import VALIDATION, Hyperparameters, Task, TrainingPlan, TrialResult
from sweep.space.arms import batch_size
from sweep.space.proposer import Proposer
from sweep.spec.model import SweepSpec
from sweep.store.rows import RungDecision


@dataclass(slots=True)
class Cohort:
    """Trials that are compared with one another.

    Attributes:
        place: Their batch and placement, and the epoch at which they are compared next.
        numbers: Those that are left.
        arrived: Their results at the rung, as far as they are there.
    """

    place: tuple[int, str, int]
    numbers: set[int]
    arrived: dict[int, TrialResult] = field(default_factory=dict)

    @property
    def rung(self) -> int:
        """Epoch at which they are compared next."""
        return self.place[2]


class Rungs:
    """What was decided at the rungs of a sweep, and what is to be.

    Args:
        spec: Of the sweep.
        direction: Of the scores.
        proposer: Knows what a trial can see of others.
        decided: By earlier runs.
    """

    def __init__(
        self, spec: SweepSpec, direction: Direction, proposer: Proposer, decided: Iterable[RungDecision]
    ) -> None:
        self._rungs, self._search = spec.rungs, spec.search
        self._batch, self._sign = batch_size(spec), 1 if direction == "maximize" else -1
        self._proposer = proposer
        self._decisions: dict[int, dict[int, RungDecision]] = defaultdict(dict)  # of a trial, by epoch
        self._cohorts: dict[tuple[int, str, int], Cohort] = {}  # by place
        for decision in decided:
            self._decisions[decision.trial][decision.epoch] = decision

    def until(self, number: int) -> int | None:
        """The rung at which a trial has to stop next; ``None`` if it trains to the end."""
        return next((rung for rung in self._rungs if rung not in self._decisions[number]), None)

    def scores(self, number: int) -> dict[int, float]:
        """Scores of a trial by epoch, at the rungs that are decided."""
        return {epoch: decision.score for epoch, decision in sorted(self._decisions[number].items())}

    def kept(self, number: int, rung: int) -> bool | None:
        """Whether a trial goes on from a rung; ``None`` if that is not decided."""
        decision = self._decisions[number].get(rung)
        return None if decision is None else decision.kept

    def gather(self, trials: Mapping[int, Hyperparameters]) -> None:
        """Puts trials that are about to train into cohorts."""
        for number, trial in trials.items():
            self._put(number, trial.placement)

    def _put(self, number: int, placement: str) -> None:
        rung = self.until(number)
        if rung is not None:
            place = number // self._batch, placement, rung
            self._cohorts.setdefault(place, Cohort(place, set())).numbers.add(number)

    def withdraw(self, number: int) -> None:
        """Takes a trial out that was given up: who is compared with it is compared without it."""
        for cohort in [cohort for cohort in self._cohorts.values() if number in cohort.numbers]:
            cohort.numbers.discard(number)
            if not cohort.numbers:
                del self._cohorts[cohort.place]

    def arrive(self, results: Iterable[TrialResult]) -> None:
        """Takes trials that stand at a rung."""
        for result in results:
            cohorts = self._cohorts.values()
            cohort = next(c for c in cohorts if c.rung == result.trained and result.number in c.numbers)
            cohort.arrived[result.number] = result

    def ready(self) -> Cohort | None:
        """A cohort that can be compared: all of it is there, and nobody of its batch and placement comes after it."""
        lowest: dict[tuple[int, str], Cohort] = {}
        for cohort in self._cohorts.values():
            lowest[cohort.place[:2]] = min(cohort, lowest.get(cohort.place[:2], cohort), key=lambda one: one.rung)
        return next((cohort for cohort in lowest.values() if len(cohort.arrived) == len(cohort.numbers)), None)

    def decide(self, cohort: Cohort, scores: Mapping[int, float]) -> list[RungDecision]:
        """Who of a cohort that is ready goes on, by their scores at its rung. Changes nothing: see :meth:`settle`."""
        if self._search.pruner == "halving":
            keeps = halving(scores, self._search.reduction, self._sign)
        else:
            keeps = {
                number
                for number, score in scores.items()
                if not self._proposer.prunes(number, cohort.rung, {**self.scores(number), cohort.rung: score})
            }
        return [RungDecision(number, cohort.rung, scores[number], number in keeps) for number in sorted(scores)]

    def settle(self, cohort: Cohort, decisions: Sequence[RungDecision]) -> None:
        """Takes decisions that are stored: who is kept is compared again at the next rung."""
        for decision in decisions:
            self._decisions[decision.trial][decision.epoch] = decision
        del self._cohorts[cohort.place]
        for decision in decisions:
            if decision.kept:
                self._put(decision.trial, cohort.place[1])


def halving(scores: Mapping[int, float], reduction: int, sign: int) -> set[int]:
    """The best n / reduction of n trials, rounded up; of equal ones the first.

    Synchronous successive halving (Jamieson & Talwalkar 2016): what stays does not depend on the order in which
    results come.

    Args:
        scores: Trial number to score.
        reduction: At least 2.
        sign: 1 if larger is better, else -1.
    """
    ranked = sorted(scores, key=lambda number: (-sign * scores[number], number))
    return set(ranked[: -(-len(ranked) // reduction)])


def rung_score(result: TrialResult, plan: TrainingPlan, task: Task) -> float:
    """The plan's metric on validation rows where a trial stands, mean over all splits where it is defined."""
    return mean_over_splits(plan.metric, result.metrics[:, -1, VALIDATION, metrics_for(task).index(plan.metric)])


def share_of_epochs(spec: SweepSpec, trials: int) -> float:
    """Share of the epochs that ``halving`` leaves to train, in (0, 1]; 1 for other pruners: nobody knows before.

    Args:
        spec: Of the sweep.
        trials: How many it has. What they leave for the last batch may be few, of which more stay.
    """
    if spec.search.pruner != "halving":
        return 1.0
    size = batch_size(spec)
    batches = [size] * (trials // size) + [trials % size] * (trials % size > 0)
    return sum(batch * _share_of_batch(spec, batch) for batch in batches) / trials


def _share_of_batch(spec: SweepSpec, batch: int) -> float:
    left = whole = max(1, batch // len(spec.space.placements))
    trained, before = 0, 0
    for rung in (*spec.rungs, spec.training.epochs):
        trained += left * (rung - before)
        left, before = -(-left // spec.search.reduction), rung
    return trained / (whole * spec.training.epochs)
