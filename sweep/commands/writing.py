"""Where commands write."""

from __future__ import annotations

from pathlib import Path

from sweep.export.files import Target
from sweep.spec.source import is_local, local_file


def file_target(path: str | Path, *, force: bool, storage: str, source: str | None = None, own: bytes = b"") -> Target:
    """A file to write.

    Args:
        path: Of it.
        force: Whether another file may be replaced.
        storage: Database URL. Its files are never replaced.
        source: The table that is read, which is not either.
        own: See :class:`Target`.

    Raises:
        StorageError: The URL is none.
    """
    from sweep.store.database import files_of  # SQLAlchemy takes long to import

    never: dict[Path, str] = dict.fromkeys(files_of(storage), "a file of the database")
    if source is not None and is_local(source):
        never[local_file(source, None)] = "the table that is read"
    return Target(Path(path), force, never, own)
