"""The table of a sweep, read again for a program that will read it without this package."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.analysis.results import SweepSummary
from sweep.export.again import read_again
from sweep.store.store import Store
from sweep.tables.encode import Encoded
from sweep.tables.types import Table
from sweep.tables.written import FileFormat, file_format


@dataclass(frozen=True, slots=True, eq=False)
class SourceTable:
    """A table, and how it is read.

    Attributes:
        table: As read.
        encoded: The same as numbers, with the recipe for it.
        format: Of its file.
    """

    table: Table
    encoded: Encoded
    format: FileFormat


def source_table(store: Store, summary: SweepSummary) -> SourceTable:
    """The table that a sweep ran on.

    Raises:
        NotFoundError: The sweep or its table is gone.
        DataError: The table cannot be used any more.
        MismatchError: It has changed since.
    """
    read = read_again(store, summary)
    return SourceTable(read.table, read.encoded, file_format(summary.spec.data, summary.spec.base_dir, read.table))
