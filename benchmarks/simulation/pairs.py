"""Two fixed configurations on many tables of one source: what a comparison sees of a known difference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.simulation import sweeps, truth
from benchmarks.simulation.worlds import WORLDS, Network, dataset
from sweep.analysis.weighted import Truth
from sweep.answer.compare import compare, equivalence
from sweep.answer.goodness import constant_score, goodness, rope_of
from sweep.answer.question import confirmation_folds
from sweep.records import Hyperparameters

_TABLES = 4
"""Fresh tables for each comparison: the true difference is the mean over all of a cell."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two configurations in the world where dropout helps, x the better one at 300 rows.

    Attributes:
        mode: First number of the seeds.
        title: For tables.
        x: One, and
        y: the other.
    """

    mode: int
    title: str
    x: Network
    y: Network

    @property
    def equal(self) -> bool:
        """Whether they differ by their seeds alone."""
        return self.x.params == self.y.params


def _network(rates: tuple[float, float, float], learning_rate: float, momentum: float, stream: int = 0) -> Network:
    params = Hyperparameters((32, 16), "", rates, learning_rate, momentum, 3.0, 0.1, 0.0)
    return Network(params, epoch=30, stream=stream)


_NONE, _HIDDEN = (0.0, 0.0, 0.0), (0.0, 0.5, 0.5)

PAIRS = {
    "equal": Pair(11, "equal, seeds of their own", _network(_NONE, 0.03, 0.9), _network(_NONE, 0.03, 0.9, 1)),
    "two": Pair(12, "hidden dropout, 2 points", _network(_HIDDEN, 0.037, 0.9), _network(_NONE, 0.037, 0.9)),
    "two-input": Pair(
        13, "input dropout, 2 points", _network((0.3, 0.0, 0.0), 0.035, 0.9), _network(_NONE, 0.035, 0.9)
    ),
    "two-rate": Pair(14, "learning rate, 2 points", _network(_NONE, 0.01, 0.9), _network(_NONE, 0.06, 0.9)),
    "five": Pair(15, "input dropout, 5 points", _network((0.6, 0.0, 0.0), 0.11, 0.9), _network(_NONE, 0.11, 0.9)),
}
"""Differences at 300 rows as measured on 800 tables: 0, 1.94 ± 0.05, 1.97 ± 0.03, 2.07 ± 0.06, 4.96 ± 0.05 points."""


@dataclass(frozen=True, slots=True)
class PairCell:
    """What comparisons have in common: the pair's name, n, R, k."""

    pair: str
    rows: int
    repeats: int = 20
    folds: int = 5


def simulate(cell: PairCell, replicate: int) -> dict[str, Any]:
    """One table, one comparison. A function of its arguments, but for ``seconds``.

    Returns:
        Plain JSON.
    """
    begun, pair, world = process_time(), PAIRS[cell.pair], WORLDS["helps"]
    rng = np.random.default_rng([pair.mode, cell.rows, replicate])
    data = dataset(*world.draw(rng, cell.rows))
    both = pair.x, pair.y
    setup = sweeps.prepared(sweeps.Cell("helps", cell.rows, folds=cell.folds), data, seed=int(rng.integers(2**31)))
    folds = confirmation_folds(setup, cell.repeats)
    done = sweeps.trained(dict(enumerate(both)), setup, folds, setup.plan)
    known = Truth.of(data.original_target(), data.info)
    outputs = np.stack([done[place].predictions[-1] for place in (0, 1)])
    good = goodness(sweeps.METRIC, outputs, known, folds.fold_of(cell.rows))
    found = compare(good.values[0] - good.values[1], folds=cell.folds, unit=good.unit)
    _, equivalent, better = equivalence(found, rope_of(sweeps.METRIC, constant_score(sweeps.METRIC, known)))
    gap = 0.0
    if not pair.equal:
        rows = cell.rows - cell.rows // cell.folds
        ones = round(rows * float(data.target.mean()))
        recalls = truth.expected(world, both, setup.plan, rng, rows=rows, ones=ones, tables=_TABLES)
        gap = float((truth.score(recalls[0], 0.5) - truth.score(recalls[1], 0.5)).mean())
    return {
        "cell": asdict(cell),
        "replicate": replicate,
        "seconds": round(process_time() - begun, 2),
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "se": found.se,
        "method": found.method,
        "p": found.p_value,
        "p_greater": found.p_greater,
        "p_less": found.p_less,
        "p_equivalent": equivalent,
        "p_better": better,
        "true": gap,
    }
