"""The best configuration trained again, on all rows of the sweep's table: what an export with weights is made of."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.data import from_encoded
from sweep.export.about import best_of
from sweep.export.again import ReadAgain
from sweep.networks import Networks
from sweep.records import Configuration, TableInfo
from sweep.run.prepare import training_plan
from sweep.tables.recipe import Recipe
from sweep.tables.types import Table
from sweep.training.whole import train_whole


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The best configuration, trained on all rows.

    Attributes:
        summary: Of the sweep.
        best: The trial.
        table: What it was trained on, as read; rows without a target were left out of that.
        recipe: How the table became features.
        networks: As many as were asked for.
    """

    summary: SweepSummary
    best: TrialRow
    table: Table
    recipe: Recipe
    networks: Networks

    @property
    def info(self) -> TableInfo:
        """What is known of the table."""
        return self.summary.info


def train_best(summary: SweepSummary, read: ReadAgain, *, members: int = 1) -> Trained:
    """Trains the best configuration on all rows, up to its chosen epoch.

    Args:
        summary: Of the sweep.
        read: Its table.
        members: Networks, which differ by their random numbers.

    Raises:
        NotFoundError: No trial has finished.
    """
    best, encoded = best_of(summary), read.encoded
    plan = training_plan(summary.spec, encoded.info)
    configuration = Configuration(best.hyperparameters, best.epoch)
    networks = train_whole(from_encoded(encoded), configuration, plan, members=members)
    return Trained(summary, best, read.table, encoded.recipe, networks)
