"""The proposals of the next trials, from the arms of a definition.

A trial's parameters are a function of the seed, its number and the told trials it could see (invariant 5).
:class:`Proposer` holds that by construction: it draws from a sampler seeded anew from (seed, number) each time,
shows it the finished trials of the earlier batches in the order of their numbers, and the others as running,
whatever was told meanwhile. The last ``search.lag`` batches before its own are among the others: with a lag of 1 a
batch can be asked while the one before it trains. Each arm has its own sampler, which sees only its own trials and only
the dimensions it uses (invariant 6). Pruning by the median sees what the trial's proposal saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from optuna.distributions import BaseDistribution

from sweep.metrics import Direction
from sweep.records import Hyperparameters
from sweep.space.arms import Turn, arms, batch_size, budget, turn_of, used_up
from sweep.space.median import Medians
from sweep.space.memory import Ended
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
    as if nothing had happened. Results can be observed in any order and at any time: they count when ``search.lag``
    further batches have begun.

    Args:
        spec: Of the sweep.
        direction: Of the scores that :meth:`observe` is given.

    Raises:
        DefinitionError: As :func:`~sweep.space.arms.budget` does.
    """

    def __init__(self, spec: SweepSpec, direction: Direction) -> None:
        self.budget = budget(spec)
        self._spec = spec
        self._arms = [ArmSampler(spec, arm, position, direction) for position, arm in enumerate(arms(spec))]
        self._sizes = tuple(sampler.arm.size for sampler in self._arms)
        self._turns: list[Turn] = []
        self._placements: list[str] = []
        self._ended: dict[int, Ended] = {}
        self._seen: list[tuple[str, Ended]] = []  # placement and end of the first trials, all of them observed
        self._shown = 0
        self._batch = batch_size(spec)
        self._medians = Medians(direction, spec.search.lag)

    @property
    def capacity(self) -> int | None:
        """How many trials there can be, all different; ``None`` for endlessly many."""
        finite = [size for size in self._sizes if size is not None]
        return sum(finite) if len(finite) == len(self._sizes) else None

    def visible(self, number: int) -> int:
        """How many trials a trial's proposal sees finished: those with a number below, which must be observed."""
        return max(0, number // self._batch - self._spec.search.lag) * self._batch

    def propose(self, number: int) -> Proposal:
        """The next trial.

        Raises:
            ValueError: ``number`` is not the next one, or a trial that it has to see has not been observed.
            DefinitionError: Every distinct configuration is used up.
        """
        turn = self._turn(number)
        visible = self._see(number)
        for earlier in range(self._shown, visible):
            self._arms[self._turns[earlier].arm].tell(earlier, self._ended[earlier])
        self._shown = max(self._shown, visible)
        sampler = self._arms[turn.arm]
        params = sampler.propose(number, turn.index)
        self._take(number, turn, params)
        return Proposal(number, sampler.arm.name, params, distributions(self._spec, params))

    def restore(self, number: int, params: Mapping[str, Any]) -> None:
        """Takes the next trial as it was proposed before, instead of proposing it.

        Raises:
            ValueError: ``number`` is not the next one, or no trial of that number can have these parameters.
        """
        self._take(number, self._turn(number), params)

    def observe(
        self,
        number: int,
        value: float | None,
        intermediate: Mapping[int, float] = MappingProxyType({}),
        *,
        pruned: bool = False,
    ) -> None:
        """Takes the end of a trial.

        Args:
            number: Of the trial.
            value: Its finite score; ``None`` for a failed one. Not used for a pruned one.
            intermediate: Its finite scores at rungs, by epoch (1-based): what :meth:`prunes` compares later ones
                with, and what a pruned one is ranked by.
            pruned: Whether it was stopped at the last of these.

        Raises:
            ValueError: The trial is unknown or already has a result, or a score is not finite.
        """
        if not 0 <= number < len(self._turns) or number in self._ended:
            raise ValueError(f"trial {number} must be proposed, and observed once")
        self._ended[number] = Ended(value, dict(intermediate), pruned)

    def prunes(self, number: int, epoch: int, scores: Mapping[int, float]) -> bool:
        """Whether a running trial is worse at a rung than the median of its placement (Optuna's ``MedianPruner``).

        It is compared with the trials that its proposal saw: the answer does not depend on what was observed since.

        Args:
            number: Of the trial.
            epoch: The rung (1-based).
            scores: The trial's at the rungs so far, by epoch; later ones are not looked at.

        Raises:
            ValueError: The trial is not running, has no score at that epoch, or one that it can see has not been
                observed.
        """
        if not 0 <= number < len(self._turns) or number in self._ended:
            raise ValueError(f"trial {number} must be running to be pruned")
        if epoch not in scores:
            raise ValueError(f"trial {number} must have a score at epoch {epoch}, however: {sorted(scores)}")
        seen = self._seen[: self._see(number)]
        so_far = {reached: score for reached, score in scores.items() if reached <= epoch}
        return self._medians.prunes(number // self._batch, self._placements[number], so_far, seen)

    def _take(self, number: int, turn: Turn, params: Mapping[str, Any]) -> None:
        self._arms[turn.arm].add(number, params)
        self._turns.append(turn)
        self._placements.append(params["placement"])

    def _see(self, number: int) -> int:
        """What :meth:`visible` gives, once it has been checked that they have been observed."""
        visible = self.visible(number)
        for earlier in range(len(self._seen), visible):
            if earlier not in self._ended:
                raise ValueError(f"trial {earlier} of an earlier batch must be observed before {number} is proposed")
            self._seen.append((self._placements[earlier], self._ended[earlier]))
        return visible

    def _turn(self, number: int) -> Turn:
        if number != len(self._turns):
            raise ValueError(f"trials must come in order: {len(self._turns)} is next, however: {number}")
        turn = turn_of(self._sizes, number)
        if turn is None:
            raise used_up(self._spec, self._sizes)
        return turn
