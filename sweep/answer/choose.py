"""Which configurations of a sweep are trained again: every placement's winner, and its controls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.analysis.results import NO_DROPOUT, SweepStatus, SweepSummary, TrialRow, ranked
from sweep.errors import UserError
from sweep.metrics import Metric
from sweep.records import Configuration
from sweep.spec.values import is_whole
from sweep.store.rows import TrialRecord

RIVALS = 2
"""Further networks without dropout that a verdict needs, by raw score: the best one may be there by luck alone."""

FEWEST, MOST = 10, 20
"""Repeats of fresh folds, unless asked for otherwise."""

FEWEST_REPEATS = 2
"""One repeat cannot tell rows from seeds."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A placement's best trial, as it is trained again."""

    trial: int
    configuration: Configuration
    raw_score: float

    @property
    def matched(self) -> Configuration:
        """Itself with its rates set to 0."""
        params = self.configuration.params
        without = replace(params, placement=NO_DROPOUT, dropout=(0.0,) * len(params.dropout))
        return replace(self.configuration, params=without)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a sweep's answer compares.

    Attributes:
        control: The best configuration without dropout.
        winners: That of each placement with dropout, in the definition's order.
        rivals: The next best without dropout, as far as there are any.
    """

    control: Pick
    winners: tuple[Pick, ...]
    rivals: tuple[Pick, ...] = ()

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """All that have to be trained, each once, winners before their matched controls."""
        every = [one.configuration for one in (self.control, *self.rivals)]
        for winner in self.winners:
            every += [winner.configuration, winner.matched]
        return tuple({one.key: one for one in every}.values())

    @property
    def key(self) -> str:
        """SHA-256 (hex) of what is compared with what."""
        parts = [one.configuration.key for one in (self.control, *self.winners, *self.rivals)]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def choice_among(leaders: Mapping[str, Sequence[TrialRecord]]) -> Choice | None:
    """The choice of a finished sweep by its best trials; ``None`` where there is nothing to compare.

    Args:
        leaders: Placement to its best complete trials from the best on, placements in the definition's order; of
            ``"none"`` as many as there are up to 1 + :data:`RIVALS`, of the others the first one counts.
    """
    picks = {placement: [_pick(trial) for trial in own] for placement, own in leaders.items() if own}
    without = picks.pop(NO_DROPOUT, [])
    if not without or not picks:
        return None
    return Choice(without[0], tuple(own[0] for own in picks.values()), tuple(without[1 : 1 + RIVALS]))


def comparable(placements: Sequence[str]) -> bool:
    """Whether there is dropout to compare with no dropout."""
    return NO_DROPOUT in placements and len(placements) > 1


def check_outer(outer: int | None, *, nested: bool) -> None:
    """That a number of outer folds can be one of nested cross-validation, and that this is asked for.

    Raises:
        UserError: It cannot, or is not.
    """
    if outer is not None and not nested:
        raise UserError("the number of outer folds is for nested cross-validation, which is not asked for")
    if outer is not None and not is_whole(outer, 2):
        raise UserError(f"the number of outer folds must be a whole number of at least 2, however: {outer!r}")


def check_finished(status: SweepStatus) -> None:
    """That a sweep has all of its trials.

    Raises:
        UserError: It has not.
    """
    if status.counts.finished < status.budget:
        raise UserError(
            f"the sweep {status.name} is not finished: {status.counts.finished} of {status.budget} trials "
            f"({status.state}); an answer compares placements that were tuned alike, so let `sweep run` end first"
        )


def check_comparable(name: str, placements: Sequence[str]) -> None:
    """That a sweep tries networks with and without dropout.

    Raises:
        UserError: It does not.
    """
    if not comparable(placements):
        raise _nothing_to_compare(name, "with dropout" if NO_DROPOUT in placements else "without dropout")


def _nothing_to_compare(name: str, what: str) -> UserError:
    where = f" ({NO_DROPOUT!r} in space.placement)" if what == "without dropout" else ""
    return UserError(f"the sweep {name} has no placement {what}{where}: there is nothing to compare")


def choose(summary: SweepSummary) -> Choice:
    """The winners of a finished sweep.

    Raises:
        UserError: It is not finished, or has no placement with dropout, or none without, to compare.
    """
    check_finished(summary.status)
    picks = {arm.placement: _pick(arm.best) for arm in summary.arms if not arm.best.pruned}
    control = picks.pop(NO_DROPOUT, None)
    if control is None or not picks:
        what = "without dropout" if control is None else "with dropout"
        if comparable(summary.spec.space.placements):  # one sampler over everything may try none, pruning may end all
            raise UserError(
                f"the sweep {summary.name} has no trial {what} that was trained to its end: there is nothing to "
                "compare; more trials (search.trials) may bring one"
            )
        raise _nothing_to_compare(summary.name, what)
    return Choice(control, tuple(picks.values()), rivals_of(summary.trials, summary.metric))


def rivals_of(trials: Iterable[TrialRow], metric: Metric) -> tuple[Pick, ...]:
    """The next best of the trials without dropout that were trained to their end, the best one left out."""
    without = [trial for trial in trials if trial.placement == NO_DROPOUT and not trial.pruned]
    return tuple(map(_pick, ranked(without, metric)[1 : 1 + RIVALS]))


def default_repeats(trials: int, configurations: int) -> int:
    """R where nobody says: what costs about as much as the sweep did, within bounds.

    Args:
        trials: Of the sweep.
        configurations: That are trained again.
    """
    return min(MOST, max(FEWEST, 3 * trials // (2 * configurations)))


def _pick(best: TrialRow | TrialRecord) -> Pick:
    return Pick(best.number, Configuration(best.hyperparameters, best.epoch), best.score)
