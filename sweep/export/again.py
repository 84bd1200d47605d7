"""The table of a sweep, read again."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.analysis.results import SweepSummary
from sweep.answer.question import check_content, stored_table
from sweep.errors import NotFoundError
from sweep.records import ALIGN
from sweep.store.store import Store
from sweep.tables.encode import Encoded, encode
from sweep.tables.load import packed_table, read_table
from sweep.tables.types import FileFormat, Table
from sweep.tables.written import file_format


@dataclass(frozen=True, slots=True, eq=False)
class ReadAgain:
    """The table that a sweep ran on.

    Attributes:
        table: As read.
        encoded: As numbers, and how it became these.
        format: Of its file.
    """

    table: Table
    encoded: Encoded
    format: FileFormat


def read_again(store: Store, summary: SweepSummary) -> ReadAgain:
    """The table of a sweep, from where its definition says or, of a sweep that was queued, from the database.

    Nothing is looked for where a definition says if the table is stored.

    Raises:
        NotFoundError: The sweep or its table is gone.
        DataError: The table cannot be used any more.
        MismatchError: It has changed since.
    """
    data, sweep = summary.spec.data, store.sweep(summary.name)
    if sweep is None:
        raise NotFoundError(f"the sweep {summary.name} was deleted meanwhile")
    packed = stored_table(store, sweep)
    table = read_table(data, summary.spec.base_dir) if packed is None else packed_table(packed, data)
    encoded = encode(table, data, align=ALIGN)
    check_content(encoded.info, sweep, "an export takes the same rows")
    return ReadAgain(table, encoded, file_format(data, summary.spec.base_dir, table))
