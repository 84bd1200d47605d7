"""What other rows like these would have chosen: the winners of the bootstrap draws behind the honest score.

Each draw is a table that might have come instead, and its winner what the sweep would have chosen on it, from the same
trials. Where draws disagree about a placement or a rate, the choice rests on the rows that happened to be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sweep.analysis.results import Stability, StableRate, TrialRow
from sweep.spec.layers import layer_names

QUANTILES = (0.05, 0.5, 0.95)


def stability_of(
    wins: Mapping[int, int], trials: Sequence[TrialRow], placements: Sequence[str], best: TrialRow
) -> Stability | None:
    """How far the draws agree.

    Args:
        wins: Trial number to the draws it wins.
        trials: Finished ones; what others won, such as a failed one's constant prediction, does not count.
        placements: Names in the order wanted.
        best: What the sweep chose.

    Returns:
        ``None`` where no trial won anything, or there is only one.
    """
    winners = [trial for trial in trials if wins.get(trial.number, 0) > 0]
    draws = sum(wins[trial.number] for trial in winners)
    if not draws or len(trials) < 2:
        return None
    by_placement = dict.fromkeys(placements, 0)
    for trial in winners:
        by_placement[trial.placement] = by_placement.get(trial.placement, 0) + wins[trial.number]
    depth = max(len(trial.hyperparameters.hidden) for trial in winners)
    rates = np.zeros((len(winners), depth + 1))
    for place, trial in enumerate(winners):
        rates[place, : len(trial.hyperparameters.dropout)] = trial.hyperparameters.dropout
    each = np.repeat(rates, [wins[trial.number] for trial in winners], axis=0)
    spread = np.quantile(each, QUANTILES, axis=0, method="inverted_cdf")
    return Stability(
        draws=draws,
        shares=tuple((name, won / draws) for name, won in by_placement.items()),
        rates=tuple(
            StableRate(layer, *map(float, own)) for layer, own in zip(layer_names(depth), spread.T, strict=True)
        ),
        chosen=best.placement,
        same=wins.get(best.number, 0) / draws,
        winners=len(winners),
    )
