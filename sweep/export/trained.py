"""The best configuration trained again, on all rows of the sweep's table: what an export with weights is made of."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.data import from_encoded
from sweep.errors import MismatchError, NotFoundError
from sweep.networks import Networks
from sweep.records import ALIGN, Configuration, TableInfo
from sweep.run.prepare import training_plan
from sweep.store.store import Store
from sweep.tables.encode import Encoded, encode
from sweep.tables.load import packed_table, read_table
from sweep.tables.recipe import Recipe
from sweep.tables.types import Table
from sweep.training.whole import train_whole


@dataclass(frozen=True, slots=True, eq=False)
class ReadAgain:
    """The table that a sweep ran on.

    Attributes:
        table: As read.
        encoded: As numbers, and how it became these.
    """

    table: Table
    encoded: Encoded


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


def best_of(summary: SweepSummary) -> TrialRow:
    """The trial that is exported.

    Raises:
        NotFoundError: No trial has finished.
    """
    if summary.best is None:
        raise NotFoundError(f"no trial of sweep {summary.name} has finished yet: there is nothing to export")
    return summary.best


def read_again(store: Store, summary: SweepSummary) -> ReadAgain:
    """The table of a sweep, from where its definition says or, of a sweep that was queued, from the database.

    Raises:
        NotFoundError: The sweep or its table is gone.
        DataError: The table cannot be used any more.
        MismatchError: It has changed since.
    """
    name, data = summary.name, summary.spec.data
    sweep, order = store.sweep(name), store.order(name)
    if sweep is None:
        raise NotFoundError(f"the sweep {name} was deleted meanwhile")
    # The file may be on the machine of whoever queued the sweep.
    packed = None if order is None or order.table_sha256 is None else store.stored_table(order.table_sha256)
    table = read_table(data, summary.spec.base_dir) if packed is None else packed_table(packed, data)
    encoded = encode(table, data, align=ALIGN)
    if encoded.info.content_hash != sweep.data_hash:
        raise MismatchError(
            f"{encoded.info.source} has changed since the sweep {name} ran on it: its content was {sweep.data_hash}, "
            f"it is {encoded.info.content_hash}; an export takes the same rows"
        )
    return ReadAgain(table, encoded)


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
