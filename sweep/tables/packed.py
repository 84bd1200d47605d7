"""A table as bytes, to be read elsewhere: Parquet, from which it comes out as it was read."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from sweep.errors import DataError
from sweep.spec.model import DataSpec
from sweep.tables.columns import read_column
from sweep.tables.encode import encode
from sweep.tables.load import packed_table, read_table, unpack
from sweep.tables.types import Table

LARGEST = 256 * 2**20
"""Bytes of a table that travels through the database; PostgreSQL takes 1 GiB at most, and needs several times that."""

_COMPRESSION = "zstd"
# What a table is beside its columns.
_KEY = b"sweep"


@dataclass(frozen=True, slots=True)
class Packed:
    """A table that is ready to be stored.

    Attributes:
        content: Parquet; ``None`` where it cannot be stored.
        data_hash: SHA-256 (hex) of the table as numbers: ``TableInfo.content_hash``.
        why: It cannot be stored: it is larger than :data:`LARGEST`, or would come out as another one.
    """

    content: bytes | None
    data_hash: str
    why: str | None = None

    @property
    def sha256(self) -> str | None:
        """Of the content, hex."""
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()


def pack(data: DataSpec, base_dir: Path | None) -> Packed:
    """Reads a table, and packs it if it comes out the same, to the last bit.

    Raises:
        NotFoundError: No such file, or no such bundled table.
        DataError: The table cannot be used.
    """
    table = read_table(data, base_dir)
    wanted = encode(table, data).info.content_hash
    try:
        content = _to_parquet(table)
        if len(content) > LARGEST:
            return Packed(None, wanted, f"it is larger than {LARGEST // 2**20} MiB")
        found = encode(packed_table(content, data), data).info.content_hash
    except (pa.ArrowException, TypeError, ValueError, DataError) as error:
        return Packed(None, wanted, f"Parquet does not take it: {error}")
    if found != wanted:
        return Packed(None, wanted, "Parquet changes it")
    return Packed(content, wanted)


def pack_whole(table: Table) -> bytes:
    """Packs a table of which nobody has said yet what is to be predicted: every column has to come out the same.

    Args:
        table: As read.

    Raises:
        DataError: Parquet would make another table of it, or it is larger than :data:`LARGEST`.
    """
    try:
        content = _to_parquet(table)
    except MemoryError:
        raise
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{table.source}: cannot be stored as Parquet: {error}") from error
    if len(content) > LARGEST:
        raise DataError(f"{table.source}: is larger than {LARGEST // 2**20} MiB as Parquet")
    again = unpack(content, table.source, table.missing)
    for name in table.columns:
        if _seen(table, name) != _seen(again, name):
            raise DataError(f"{table.source}: column {name!r} cannot be stored as Parquet: it would be another one")
    return content


def _seen(table: Table, name: str) -> tuple[object, ...]:
    """All that is read out of a column, to be compared; or why it cannot be read."""
    try:
        column = read_column(table, name)
    except DataError as error:
        return (re.sub(r" \(line \d+\)", "", str(error)),)  # lines are those of the file
    numbers = None if column.numbers is None else column.numbers.tobytes()
    codes = None if column.codes is None else column.codes.tobytes()
    return column.kind, column.format, column.levels, column.hint, numbers, codes


def _to_parquet(table: Table) -> bytes:
    columns = pa.Table.from_pandas(table.frame, preserve_index=False)
    form = None if table.written is None else table.written.to_dict()
    about = {"notes": table.notes, "default_target": table.default_target, "written": form}
    columns = columns.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(columns, buffer, compression=_COMPRESSION)
    return buffer.getvalue()
