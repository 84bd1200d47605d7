"""The table of a sweep, read again for a program that will read it without this package."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.analysis.results import SweepSummary
from sweep.errors import MismatchError, NotFoundError
from sweep.store.store import Store
from sweep.tables.encode import Encoded, encode
from sweep.tables.load import packed_table, read_table
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
    name, data, base_dir = summary.name, summary.spec.data, summary.spec.base_dir
    sweep, order = store.sweep(name), store.order(name)
    if sweep is None:
        raise NotFoundError(f"the sweep {name} was deleted meanwhile")
    # The file may be on the machine of whoever queued the sweep.
    packed = None if order is None or order.table_sha256 is None else store.stored_table(order.table_sha256)
    table = read_table(data, base_dir) if packed is None else packed_table(packed, data)
    encoded = encode(table, data)
    if encoded.info.content_hash != sweep.data_hash:
        raise MismatchError(
            f"{encoded.info.source} has changed since the sweep {name} ran on it: its content was {sweep.data_hash}, "
            f"it is {encoded.info.content_hash}; a script is made for the same table"
        )
    return SourceTable(table, encoded, file_format(data, base_dir, table))
