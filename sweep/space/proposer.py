"""The proposals of the next trials, from the arms of a definition.

A trial's parameters are a function of the seed, its number and the told trials it could see (invariant 5).
:class:`Proposer` holds that by construction: it draws from a sampler seeded anew from (seed, number) each time,
shows it the finished trials of all earlier batches in the order of their numbers, and the earlier trials
of its own batch as running, whatever was told meanwhile. Each arm has its own sampler, which sees only
its own trials and only the dimensions it uses (invariant 6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution

from sweep.metrics import Direction
from sweep.records import Hyperparameters
from sweep.space.arms import Turn, arms, budget, turn_of, used_up
from sweep.space.samplers import ArmSampler, distributions
from sweep.spec.layers import layer_names, layers_of, parse_hidden
from sweep.spec.model import OFF, SweepSpec


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial to run.

    Attributes:
        number: Of the trial.
        arm: Name of its arm.
        params: Every active parameter by name, as Optuna stores it.
        distributions: The distribution of each, single-valued for a fixed dimension.
    """

    number: int
    arm: str
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]


def hyperparameters(spec: SweepSpec, params: Mapping[str, Any]) -> Hyperparameters:
    """The configuration of a trial from its Optuna parameters; 0 for layers without dropout."""
    hidden = parse_hidden(params["hidden"])
    active = layers_of(params["placement"], len(hidden))
    names = [f"dropout_{layer}" for layer in layer_names(len(hidden))]
    rates = [
        params["dropout" if spec.space.shared else name] if on else 0.0 for name, on in zip(names, active, strict=True)
    ]
    return Hyperparameters(
        hidden=hidden,
        placement=params["placement"],
        dropout=tuple(rates),
        learning_rate=params["learning_rate"],
        momentum=params["momentum"],
        max_norm=None if params["max_norm"] == OFF else params["max_norm"],
        lr_decay=params["lr_decay"],
        weight_decay=params["weight_decay"],
    )


class Proposer:
    """Proposes the trials of one sweep, in the order of their numbers.

    After a resume the stored trials are given back with :meth:`restore`, and proposing goes on where it stopped,
    as if nothing had happened. Results can be observed in any order and at any time: they count from the next
    batch on.

    Args:
        spec: Of the sweep.
        direction: Of the values that :meth:`observe` is given.

    Raises:
        DefinitionError: As :func:`~sweep.space.arms.budget` does.
    """

    def __init__(self, spec: SweepSpec, direction: Direction) -> None:
        self.budget = budget(spec)
        self._spec = spec
        self._arms = [ArmSampler(spec, arm, position, direction) for position, arm in enumerate(arms(spec))]
        self._sizes = tuple(sampler.arm.size for sampler in self._arms)
        self._turns: list[Turn] = []
        self._values: dict[int, float | None] = {}
        self._shown = 0

    @property
    def capacity(self) -> int | None:
        """How many trials there can be, all different; ``None`` for endlessly many."""
        finite = [size for size in self._sizes if size is not None]
        return sum(finite) if len(finite) == len(self._sizes) else None

    def propose(self, number: int) -> Proposal:
        """The next trial.

        Raises:
            ValueError: ``number`` is not the next one, or a trial of an earlier batch has not been observed.
            DefinitionError: Every distinct configuration is used up.
        """
        turn = self._turn(number)
        batch_start = number - number % self._spec.search.batch
        for earlier in range(self._shown, batch_start):
            if earlier not in self._values:
                raise ValueError(f"trial {earlier} of an earlier batch must be observed before {number} is proposed")
            self._arms[self._turns[earlier].arm].tell(earlier, self._values[earlier])
        self._shown = max(self._shown, batch_start)
        sampler = self._arms[turn.arm]
        params = sampler.propose(number, turn.index)
        sampler.add(number, params)
        self._turns.append(turn)
        return Proposal(number, sampler.arm.name, params, distributions(self._spec, params))

    def restore(self, number: int, params: Mapping[str, Any]) -> None:
        """Takes the next trial as it was proposed before, instead of proposing it.

        Raises:
            ValueError: ``number`` is not the next one, or no trial of that number can have these parameters.
        """
        turn = self._turn(number)
        self._arms[turn.arm].add(number, params)
        self._turns.append(turn)

    def observe(self, number: int, value: float | None) -> None:
        """Takes the result of a trial: its finite score, or ``None`` for a failed one.

        Raises:
            ValueError: The trial is unknown or already has a result, or the score is not finite.
        """
        if not 0 <= number < len(self._turns) or number in self._values:
            raise ValueError(f"trial {number} must be proposed, and observed once")
        if value is not None and not math.isfinite(value):
            raise ValueError(f"the score of trial {number} must be finite, however: {value}")
        self._values[number] = value

    def _turn(self, number: int) -> Turn:
        if number != len(self._turns):
            raise ValueError(f"trials must come in order: {len(self._turns)} is next, however: {number}")
        turn = turn_of(self._sizes, number)
        if turn is None:
            raise used_up(self._spec, self._sizes)
        return turn
