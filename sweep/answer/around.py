"""What rules of thumb start from: a sweep's best networks with dropout, and how these are changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sweep import wording
from sweep.answer.choose import Choice, Pick
from sweep.records import Configuration
from sweep.spec.layers import placement_name

START, MOST, OUTSIDE = 0.2, 0.5, 0.7
"""Dropout rates: the recommended start, the upper end of the recommended range, and one beyond it."""

DECAYED = 0.1  # last / first learning rate of "with decay", where the best network's falls less

MOST_WIDER = 3.0
"""A layer becomes at most so many times as wide: the time of a step grows with its square."""

WIDEST = 4_096
"""And has at most so many units then."""


@dataclass(frozen=True, slots=True)
class Around:
    """What rules start from.

    Attributes:
        best: The best trial with dropout, by raw score.
        hidden: The best one that drops hidden units; ``None`` where no winner does.
        rate: Learning rate of the best trial without dropout.
        epochs: Of the training.
    """

    best: Pick
    hidden: Pick | None
    rate: float
    epochs: int

    @classmethod
    def of(cls, choice: Choice, epochs: int, *, maximize: bool) -> Around:
        """Args as those of :func:`sweep.answer.rules.rules_of`."""
        ordered = sorted(choice.winners, key=lambda one: -one.raw_score if maximize else one.raw_score)
        hidden = next((one for one in ordered if any(one.configuration.params.dropout[1:])), None)
        return cls(ordered[0], hidden, choice.control.configuration.params.learning_rate, epochs)

    @property
    def own(self) -> Configuration:
        """The best network with dropout."""
        return self.best.configuration

    @property
    def to_the_end(self) -> Configuration:
        """The same, trained to the last epoch."""
        return replace(self.own, epoch=self.epochs)

    @property
    def decaying(self) -> Configuration:
        """To the last epoch, with a learning rate that falls to a tenth at least."""
        return changed(self.to_the_end, lr_decay=min(self.own.params.lr_decay, DECAYED))

    @property
    def dropping_hidden(self) -> Configuration:
        """The best that drops hidden units; where none does, the best with every second of them dropped."""
        if self.hidden is not None:
            return self.hidden.configuration
        rates = self.own.params.dropout
        return dropping(self.own, (rates[0], *(MOST for _ in rates[1:])))

    def epoch_notes(self) -> list[str]:
        """Where a rule trains longer than the best network."""
        if self.own.epoch == self.epochs:
            return []
        own = f"that of the best network, {self.own.epoch}, was chosen for its own learning rate"
        return [f"Both sides train to the last epoch, {self.epochs}: {own}."]

    def hidden_notes(self) -> list[str]:
        """Where a rule starts from another network."""
        if self.hidden is None:
            return [f"No placement of the sweep drops hidden units: here {percent(MOST)} of them are dropped."]
        if self.hidden is self.best:
            return []
        where = wording.placement(self.hidden.configuration.params.placement)
        return [f"Around trial {self.hidden.trial}, {where}: the best that drops hidden units."]


def changed(configuration: Configuration, **values: Any) -> Configuration:
    """With other hyperparameters, by their names."""
    return replace(configuration, params=replace(configuration.params, **values))


def dropping(configuration: Configuration, rates: tuple[float, ...]) -> Configuration:
    """With these rates, the input's first."""
    return changed(configuration, dropout=rates, placement=placement_name(tuple(rate > 0 for rate in rates)))


def at_rate(around: Around, rate: float) -> Configuration:
    """The best network with one rate on every layer that it drops units of."""
    return dropping(around.own, tuple(rate if own else 0.0 for own in around.own.params.dropout))


def wider(configuration: Configuration, factors: Sequence[float]) -> tuple[Configuration, list[str]]:
    """With hidden layers so many times as wide, as far as that may be; and a note where it may not."""
    hidden, notes = [], []
    for units, factor in zip(configuration.params.hidden, factors, strict=True):
        wanted = math.ceil(units * factor - 1e-9)  # what rounding adds makes no unit
        allowed = max(units, min(wanted, math.ceil(units * MOST_WIDER), WIDEST))
        if allowed < wanted:
            why = f"at most {MOST_WIDER:g} times as wide and {WIDEST:,} units, to be trained in time"
            notes.append(f"A layer of {units:,} units would have {wanted:,}, has {allowed:,}: {why}.")
        hidden.append(allowed)
    return changed(configuration, hidden=tuple(hidden)), notes


def percent(rate: float) -> str:
    """``"20 %"``."""
    return f"{100 * rate:.0f} %"
