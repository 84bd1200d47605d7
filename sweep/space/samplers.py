"""One arm's sampler: draws configurations that the arm has not tried, seeded anew for every trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from sweep.errors import DefinitionError
from sweep.metrics import Direction
from sweep.space.arms import Arm, Cell, batch_size, dimension_at, dimension_size, snapped
from sweep.space.memory import Ended
from sweep.space.view import View
from sweep.spec.layers import hidden_name
from sweep.spec.model import Choices, Dimension, Range, SweepSpec

# A sampler that repeats an earlier trial is asked again this often, then another way is found.
_ATTEMPTS = 4
_RANDOM_ATTEMPTS = 100

# TPE draws an arm's first trials at random, until it was told so many.
_RANDOM_FIRST = 10

# Keep the streams of random numbers apart: of trials, of their last resort, of Sobol scrambling, of the grid's order.
_TRIAL, _RESORT, _SOBOL, _GRID = range(4)


def distribution(dimension: Dimension) -> BaseDistribution:
    """A numeric dimension as Optuna's distribution; a fixed one has a single value."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    if isinstance(dimension, Range):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
    value = dimension.value
    return CategoricalDistribution((value,)) if isinstance(value, str) else FloatDistribution(value, value)


def distributions(spec: SweepSpec, names: Iterable[str]) -> dict[str, BaseDistribution]:
    """The distributions of parameters by name: of one name the same in all trials of a sweep, as Optuna wants."""
    found: dict[str, BaseDistribution] = {}
    for name in names:
        if name == "placement":
            found[name] = CategoricalDistribution(spec.space.placements)
        elif name == "hidden":
            found[name] = CategoricalDistribution(tuple(map(hidden_name, spec.network.hidden)))
        elif name.startswith("dropout_"):
            found[name] = distribution(spec.space.rate(name.removeprefix("dropout_")))
        else:
            found[name] = distribution(getattr(spec.space, name))
    return found


class ArmSampler:
    """One arm: the configurations it has tried, and the sampler's view of them.

    It holds searched parameters only, and only of this arm.

    Args:
        spec: Of the sweep.
        arm: Whose trials these are.
        position: Of the arm among all arms: gives each its own Sobol scrambling and order of the grid.
        direction: Of the scores that :meth:`tell` is given.
    """

    def __init__(self, spec: SweepSpec, arm: Arm, position: int, direction: Direction) -> None:
        self.arm = arm
        self._spec = spec
        self._view = View(direction)
        self._tried: set[tuple[Any, ...]] = set()
        spaces = [self._searching(cell) for cell in arm.cells]
        self._spaces = {(cell.placement, cell.hidden): space for cell, space in zip(arm.cells, spaces, strict=True)}
        # What every cell has is drawn first; what only some have, once the cell is known.
        self._common = {name: own for name, own in spaces[0].items() if all(name in other for other in spaces)}
        self._points = _SobolPoints(arm, self._generator(_SOBOL, position)) if spec.search.sampler == "qmc" else None
        # Only ``budget`` lets grids through, and those are finite.
        self._grid = (
            self._generator(_GRID, position).permutation(arm.size or 0) if spec.search.sampler == "grid" else None
        )

    def propose(self, number: int, index: int) -> dict[str, Any]:
        """A configuration not tried before, for the trial ``number``, this arm's number ``index``.

        Raises:
            DefinitionError: None is found: the space is continuous, but of a few floats.
        """
        for params in self._candidates(number, index):
            if _key(params) not in self._tried:
                return params
        rule = f"the space of {self.arm.name} must have room for another configuration"
        raise DefinitionError([f"{rule}, however: {_RANDOM_ATTEMPTS} draws gave only known ones ({self._spec.place})"])

    def add(self, number: int, params: Mapping[str, Any]) -> None:
        """Takes a trial as running.

        Raises:
            ValueError: The parameters are not those of a configuration of this arm, or of one it has tried already.
        """
        try:
            cell = self.arm.cell(params)
        except LookupError as error:
            raise ValueError(f"trial {number} must belong to the arm {self.arm.name}, however: {params}") from error
        if set(params) != {"placement", "hidden", *cell.dimensions}:
            raise ValueError(f"trial {number} must have exactly the active parameters, however: {sorted(params)}")
        if _key(params) in self._tried:
            raise ValueError(f"trial {number} must differ from every earlier one, however: {params}")
        space = self._searched(cell)
        self._view.add(number, {name: params[name] for name in space}, space)
        self._tried.add(_key(params))

    def tell(self, number: int, ended: Ended) -> None:
        """Finishes a trial, the first of those that run. Samplers ignore failed ones, and rank pruned ones lower."""
        self._view.tell(number, ended)

    def _candidates(self, number: int, index: int) -> Iterator[dict[str, Any]]:
        """Configurations for a trial, best first; the later ones are for when the earlier have been tried."""
        if self._grid is not None:
            yield self.arm.configuration(int(self._grid[index]))
        elif self._points is not None:
            yield self._points.configuration(index)
        elif self._spec.search.sampler == "tpe":
            for attempt in range(_ATTEMPTS):
                yield self._draw(self._tpe(self._seed(number, attempt)))
        if self.arm.size is None:
            for attempt in range(_RANDOM_ATTEMPTS):
                yield self._draw(RandomSampler(seed=self._seed(number, _ATTEMPTS + attempt)))
        else:
            start = _below(self.arm.size, self._generator(_RESORT, number))
            for step in range(self.arm.size):
                yield self.arm.configuration((start + step) % self.arm.size)

    def _tpe(self, seed: int) -> BaseSampler:
        search, first = self._spec.search, _RANDOM_FIRST
        if search.pruner == "halving":
            # Those of one batch will do, of which the best are known: with more, three batches would be drawn blindly.
            own = 1 if search.allocation == "sampler" else len(self._spec.space.placements)
            first = min(first, batch_size(self._spec) // own)
        return TPESampler(n_startup_trials=first, seed=seed, multivariate=True, constant_liar=True)

    def _draw(self, sampler: BaseSampler) -> dict[str, Any]:
        """A configuration from a fresh sampler: what all cells have jointly, then jointly what the chosen cell adds.

        Layers' rates are drawn together, from the trials that have them all, as in an arm of one placement.
        """
        drawn = self._jointly(sampler, self._common)
        fixed = {"placement": self.arm.cells[0].placement, "hidden": hidden_name(self.arm.cells[0].hidden)}
        cell = self.arm.cell(fixed | drawn)
        drawn |= self._jointly(sampler, {k: own for k, own in self._searched(cell).items() if k not in drawn})
        params: dict[str, Any] = {"placement": cell.placement, "hidden": hidden_name(cell.hidden)}
        for name, dimension in cell.dimensions.items():
            params[name] = snapped(dimension, drawn[name]) if name in drawn else dimension_at(dimension, 0.0)
        return params

    def _jointly(self, sampler: BaseSampler, space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Values for all of a space, one by one where the sampler has too little to learn from, or does not learn."""
        shown = self._view.shown
        drawn = sampler.sample_relative(shown.study, shown.drawn_for, space)
        for name, own in space.items():
            if name not in drawn:
                drawn[name] = sampler.sample_independent(shown.study, shown.drawn_for, name, own)
        return drawn

    def _searched(self, cell: Cell) -> dict[str, BaseDistribution]:
        """The parameters of a cell that have more than one value in this arm: the same object for all of its trials."""
        return self._spaces[cell.placement, cell.hidden]

    def _searching(self, cell: Cell) -> dict[str, BaseDistribution]:
        arms_differ = len({other.placement for other in self.arm.cells}) > 1
        names = [*(["placement"] if arms_differ else []), "hidden", *cell.dimensions]
        return {name: own for name, own in distributions(self._spec, names).items() if not own.single()}

    def _seed(self, number: int, attempt: int) -> int:
        return int(np.random.SeedSequence((self._spec.seed, _TRIAL, number, attempt)).generate_state(1)[0])

    def _generator(self, stream: int, position: int) -> np.random.Generator:
        return np.random.default_rng((self._spec.seed, stream, position))


def _below(size: int, generator: np.random.Generator) -> int:
    """A whole number from 0 to ``size - 1``, evenly; beyond NumPy's integers, evenly but for a share below 2^-64."""
    if size <= 2**63:
        return int(generator.integers(size))
    words = size.bit_length() // 64 + 2
    drawn = generator.integers(2**64, size=words, dtype=np.uint64)
    return int.from_bytes(drawn.astype("<u8").tobytes(), "little") % size


class _SobolPoints:
    """Scrambled Sobol points (Owen 1998) of an arm, mapped to configurations.

    There is one coordinate for the cell and one for each dimension that any cell searches; those that the chosen
    cell lacks are ignored.
    """

    def __init__(self, arm: Arm, generator: np.random.Generator) -> None:
        from scipy.stats.qmc import Sobol  # a second to import, which other samplers need not pay

        self._arm = arm
        self._names = ["", *_searched_names(arm)]
        self._engine = Sobol(len(self._names), scramble=True, rng=generator)

    def configuration(self, index: int) -> dict[str, Any]:
        """The configuration number ``index``, greater than the last one asked for."""
        if index > self._engine.num_generated:
            self._engine.fast_forward(index - self._engine.num_generated)
        shares = dict(zip(self._names, self._engine.random(1)[0].tolist(), strict=True))
        cell = self._arm.cells[int(shares[""] * len(self._arm.cells))]
        params: dict[str, Any] = {"placement": cell.placement, "hidden": hidden_name(cell.hidden)}
        for name, dimension in cell.dimensions.items():
            params[name] = dimension_at(dimension, shares.get(name, 0.0))
        return params


def _searched_names(arm: Arm) -> list[str]:
    """Numeric dimensions with more than one value, of any cell, each once."""
    return list(
        dict.fromkeys(
            name for cell in arm.cells for name, dimension in cell.dimensions.items() if dimension_size(dimension) != 1
        )
    )


def _key(params: Mapping[str, Any]) -> tuple[Any, ...]:
    """Equal for equal configurations: names and values in turn, since one flat tuple weighs least."""
    return tuple(part for item in sorted(params.items()) for part in item)
