"""The arms of a sweep: which configurations each can take, how many, and which trial belongs to which arm.

An *arm* is a placement of dropout with all configurations it allows (under ``allocation = "sampler"`` there is
one arm, ``"*"``, with everything). Under equal allocation the arm follows from the trial number alone, round
robin, so every arm gets the same budget (invariant 6). An arm whose distinct configurations are used up leaves
the round, the others go on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from sweep.errors import DefinitionError
from sweep.spec.layers import hidden_name, layer_names, layers_of
from sweep.spec.model import SCALARS, Choices, Dimension, Fixed, Range, SweepSpec

EVERYTHING = "*"
"""Name of the only arm under ``allocation = "sampler"``."""

MAX_GRID = 1_000_000
"""Points of the largest grid of one arm: its order is a permutation held in memory."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Configurations of one placement and one network.

    Attributes:
        placement: Name.
        hidden: Units of each hidden layer.
        dimensions: Active numeric dimensions by parameter name, the fixed ones included, in a fixed order.
    """

    placement: str
    hidden: tuple[int, ...]
    dimensions: Mapping[str, Dimension]

    @property
    def size(self) -> int | None:
        """How many distinct configurations there are; ``None`` for infinitely many."""
        sizes = [dimension_size(dimension) for dimension in self.dimensions.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def configuration(self, index: int) -> dict[str, Any]:
        """The configuration number ``index`` (0 to ``size`` - 1) of a finite cell, as parameters."""
        params: dict[str, Any] = {"placement": self.placement, "hidden": hidden_name(self.hidden)}
        for name, dimension in self.dimensions.items():
            index, position = divmod(index, dimension_size(dimension) or 1)
            params[name] = dimension_value(dimension, position)
        return params


@dataclass(frozen=True, slots=True)
class Arm:
    """Attributes: ``name``: the placement, or ``"*"``; ``cells``: one for each placement and network it covers."""

    name: str
    cells: tuple[Cell, ...]

    @property
    def size(self) -> int | None:
        """How many distinct configurations there are; ``None`` for infinitely many."""
        sizes = [cell.size for cell in self.cells]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def cell(self, params: Mapping[str, Any]) -> Cell:
        """The cell of a configuration given as parameters."""
        key = (params.get("placement"), params.get("hidden"))
        for cell in self.cells:
            if (cell.placement, hidden_name(cell.hidden)) == key:
                return cell
        raise LookupError(key)

    def configuration(self, index: int) -> dict[str, Any]:
        """The configuration number ``index`` (0 to ``size`` - 1) of a finite arm, as parameters."""
        for cell in self.cells:
            size = cell.size or 0
            if index < size:
                return cell.configuration(index)
            index -= size
        raise IndexError(index)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a sweep will run.

    Attributes:
        trials: How many, at least ``search.trials``.
        per_arm: Arm name to its number of trials.
        note: Why ``trials``, the arms or the batches are not as written; ``None`` if they are.
    """

    trials: int
    per_arm: Mapping[str, int]
    note: str | None


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn a trial is: ``arm`` is a position in :func:`arms`, ``index`` counts that arm's trials from 0."""

    arm: int
    index: int


def dimension_size(dimension: Dimension) -> int | None:
    """How many values a dimension has; ``None`` for a continuous one."""
    if isinstance(dimension, Fixed):
        return 1
    if isinstance(dimension, Choices):
        return len(dimension.values)
    if dimension.step is None:
        return None
    return int((_exact(dimension.high) - _exact(dimension.low)) / _exact(dimension.step)) + 1


def dimension_value(dimension: Dimension, position: int) -> float | str:
    """Value number ``position`` of a finite dimension; with a step the float nearest to the decimal."""
    if isinstance(dimension, Fixed):
        return dimension.value
    if isinstance(dimension, Choices):
        return dimension.values[position]
    return float(_exact(dimension.low) + position * _exact(dimension.step or 0))


def dimension_at(dimension: Dimension, share: float) -> float | str:
    """The value a ``share`` in [0, 1) of the way through a dimension, on its own scale."""
    size = dimension_size(dimension)
    if size is not None:
        return dimension_value(dimension, min(int(share * size), size - 1))
    if not isinstance(dimension, Range):
        raise TypeError(dimension)
    low, high = dimension.low, dimension.high
    if dimension.log:
        return min(max(math.exp(math.log(low) + share * (math.log(high) - math.log(low))), low), high)
    return min(low + share * (high - low), high)


def snapped(dimension: Dimension, value: float | str) -> float | str:
    """A sampled value as this module writes it, so that equal configurations are equal floats."""
    if not isinstance(dimension, Range) or dimension.step is None or isinstance(value, str):
        return value
    return dimension_value(dimension, round((value - dimension.low) / dimension.step))


def arms(spec: SweepSpec) -> tuple[Arm, ...]:
    """The arms, in the order of their turns."""
    if spec.search.allocation == "sampler":
        everything = [_cell(spec, placement, hidden) for placement, hidden in _pairs(spec)]
        return (Arm(EVERYTHING, tuple(everything)),)
    return tuple(
        Arm(placement, tuple(_cell(spec, placement, hidden) for hidden in spec.network.hidden))
        for placement in spec.space.placements
    )


def turn_of(sizes: tuple[int | None, ...], number: int) -> Turn | None:
    """Whose turn trial ``number`` is, given the arms' sizes; ``None`` when all configurations are used up."""
    start = 0
    for end in sorted({math.inf if size is None else size for size in sizes}):
        active = [arm for arm, size in enumerate(sizes) if size is None or size > start]
        rounds, position = divmod(number, len(active))
        if start + rounds < end:
            return Turn(active[position], start + rounds)
        number -= len(active) * (int(end) - start)
        start = int(end)
    return None


def within_space(spec: SweepSpec) -> SweepSpec:
    """The same with no more trials than there are distinct configurations: for who has given no number of trials."""
    sizes = [arm.size for arm in arms(spec)]
    total = sum(size or 0 for size in sizes)
    if None in sizes or total >= spec.search.trials:
        return spec
    return replace(spec, search=replace(spec.search, trials=total), default_trials=True)


def used_up(spec: SweepSpec, sizes: tuple[int | None, ...]) -> DefinitionError:
    """The error for more trials than the space has configurations."""
    total = sum(size or 0 for size in sizes)
    rule = f"search.trials must be at most {total} (the space has no more distinct configurations)"
    return DefinitionError([f"{rule}, however: {spec.search.trials} ({spec.place})"])


def budget(spec: SweepSpec) -> Budget:
    """How many trials will run: whole rounds over the arms, no configuration twice.

    Raises:
        DefinitionError: The space has fewer configurations than trials are asked for, or the sampler is ``grid``
            and the space has no finite grid.
    """
    every = arms(spec)
    sizes = tuple(arm.size for arm in every)
    if spec.search.sampler == "grid":
        _check_grid(spec, every)
    wanted = spec.search.trials
    finite = [size for size in sizes if size is not None]
    if len(finite) == len(sizes) and sum(finite) < wanted:
        raise used_up(spec, sizes)
    rounds = _rounds(sizes, wanted)
    per_arm = {arm.name: rounds if size is None else min(size, rounds) for arm, size in zip(every, sizes, strict=True)}
    trials = sum(per_arm.values())
    note = _note(spec, trials, rounds, per_arm)
    if spec.default_trials and len(finite) == len(sizes) and sum(finite) == trials:
        every_one = f"the space has only {trials} distinct configuration{'s' if trials > 1 else ''}"
        note = every_one if note is None else f"{every_one}; {note}"
    return Budget(trials, per_arm, note)


def batch_size(spec: SweepSpec) -> int:
    """How many trials are asked together.

    ``halving`` compares the trials of one placement in one batch, and keeps the same share of each only if they are
    equally many. So ``search.batch`` is rounded up then, to as many of each placement, and at least twice
    ``search.reduction``: of fewer it could hardly choose. (A placement that has run dry leaves its turns to others; if
    the sampler allocates, they are so many on average.)
    """
    search, placements = spec.search, len(spec.space.placements)
    if search.pruner != "halving":
        return search.batch
    return max(-(-search.batch // placements), 2 * search.reduction) * placements


def _rounds(sizes: tuple[int | None, ...], wanted: int) -> int:
    """The fewest whole rounds with at least ``wanted`` trials."""
    low, high = 0, wanted
    while low < high:
        middle = (low + high) // 2
        if sum(middle if size is None else min(size, middle) for size in sizes) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def _note(spec: SweepSpec, trials: int, rounds: int, per_arm: Mapping[str, int]) -> str | None:
    """What the user should know about the budget."""
    wanted, batch = spec.search.trials, batch_size(spec)
    parts = [
        f"{name} has only {count} distinct configuration{'s' if count > 1 else ''}"
        for name, count in per_arm.items()
        if count < rounds
    ]
    if trials > wanted:
        full = sum(count == rounds for count in per_arm.values())
        parts.append(
            f"{wanted} trials rounded up to {trials}: {rounds} for each of {full} {'other ' * bool(parts)}arms"
        )
    if trials > spec.search.batch < batch:
        compared = _compared(spec, trials, batch) if min(per_arm.values()) == rounds else ""
        parts.append(f"batches of {spec.search.batch} rounded up to {batch}{compared}")
    return "; ".join(parts) or None


def _compared(spec: SweepSpec, trials: int, batch: int) -> str:
    """How many of each placement ``halving`` compares, where no arm runs dry."""
    placements = len(spec.space.placements)
    if spec.search.allocation == "sampler":
        return f": about {batch // placements} of each placement are compared"
    numbers = [
        f"{size // placements}" for size in (min(batch, trials), trials % batch if trials > batch else 0) if size
    ]
    return f": {', at last '.join(numbers)} of each arm are compared"


def _check_grid(spec: SweepSpec, every: tuple[Arm, ...]) -> None:
    """Raises unless every arm has a finite grid of a size that fits."""
    endless = {
        _key(spec, name): dimension
        for arm in every
        for cell in arm.cells
        for name, dimension in cell.dimensions.items()
        if dimension_size(dimension) is None
    }
    problems = [
        f'{key} must be a value, {{ choices = [..] }} or have a step for search.sampler = "grid", however: '
        f"{json.dumps([dimension.low, dimension.high])} ({spec.place})"
        for key, dimension in endless.items()
        if isinstance(dimension, Range)
    ]
    if not problems:
        problems = [
            f"the grid of {arm.name} must have at most {MAX_GRID:,} points, however: {arm.size:,} ({spec.place})"
            for arm in every
            if arm.size is not None and arm.size > MAX_GRID
        ]
    if problems:
        raise DefinitionError(problems)


def _key(spec: SweepSpec, parameter: str) -> str:
    """Where the definition gives the dimension of a parameter."""
    if parameter == "dropout" or not parameter.startswith("dropout_"):
        return f"space.{parameter}"
    layer = parameter.removeprefix("dropout_")
    return f"space.dropout_layers.{layer}" if layer in spec.space.dropout_layers else "space.dropout"


def _pairs(spec: SweepSpec) -> Iterator[tuple[str, tuple[int, ...]]]:
    for placement in spec.space.placements:
        for hidden in spec.network.hidden:
            yield placement, hidden


def _cell(spec: SweepSpec, placement: str, hidden: tuple[int, ...]) -> Cell:
    space = spec.space
    active = layers_of(placement, len(hidden))
    dimensions: dict[str, Dimension] = {}
    if space.shared and any(active):
        dimensions["dropout"] = space.dropout
    elif not space.shared:
        for layer, on in zip(layer_names(len(hidden)), active, strict=True):
            if on:
                dimensions[f"dropout_{layer}"] = space.rate(layer)
    for name in SCALARS:
        dimensions[name] = getattr(space, name)
    return Cell(placement, hidden, dimensions)


def _exact(value: float) -> Fraction:
    """A float as the decimal it is written as."""
    return Fraction(str(value))
