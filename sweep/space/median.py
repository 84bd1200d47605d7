"""Pruning by the median: Optuna's own rule, asked about one placement, and about what a trial can see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from optuna import Study
from optuna.pruners import MedianPruner
from optuna.trial import TrialState, create_trial

from sweep.metrics import Direction
from sweep.space.memory import Ended, study_in_memory


class Medians:
    """Optuna's ``MedianPruner``, with its defaults, for the trials of a sweep.

    A trial is compared with finished trials of its own placement only: learning is slower with dropout.

    Args:
        direction: Of the scores.
        lag: How many batches before its own a trial does not see. So many and one are in flight at most; each has
            its own studies, to which trials are only ever added.
    """

    def __init__(self, direction: Direction, lag: int) -> None:
        self._pruner = MedianPruner()
        self._studies: list[defaultdict[str, Study]] = [
            defaultdict(lambda: study_in_memory(direction)) for _ in range(lag + 1)
        ]
        self._shown = [0] * (lag + 1)

    def prunes(
        self, batch: int, placement: str, scores: Mapping[int, float], seen: Sequence[tuple[str, Ended]]
    ) -> bool:
        """Whether a trial is stopped at the last of its epochs.

        Args:
            batch: Of the trial; not one before those that have been asked for and cannot be in flight with it.
            placement: Of the trial.
            scores: Its own, by epoch.
            seen: Placement and end of the trials that it can see, in the order of their numbers.
        """
        slot = batch % len(self._studies)
        for other, ended in seen[self._shown[slot] :]:
            values = dict(ended.intermediate)
            value = None if ended.pruned else ended.value  # Optuna takes the last intermediate one
            self._studies[slot][other].add_trial(
                create_trial(state=ended.state, value=value, intermediate_values=values)
            )
        self._shown[slot] = len(seen)
        trial = create_trial(state=TrialState.RUNNING, intermediate_values=dict(scores))
        return self._pruner.prune(self._studies[slot][placement], trial)
