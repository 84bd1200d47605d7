"""Why something could not be done for those who do not sit at this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sweep.errors import DataError, DefinitionError, MismatchError, NotFoundError, UserError
from sweep.store.store import Store
from sweep.tables.sources import without_folder


@contextmanager
def without_folders(storage: str, name: str | None) -> Iterator[None]:
    """What is wrong with the table of a sweep is said without the folder that it lies in.

    A reason is stored, and shown to whoever may look at the sweep.

    Args:
        storage: URL of the database in which the sweep is, or waits.
        name: Of it.

    Raises:
        UserError: In place of one whose message names the folder.
    """
    try:
        yield
    except (DataError, DefinitionError, MismatchError, NotFoundError) as error:
        said = str(error)
        for source in _sources(storage, str(name)):
            said = without_folder(said, source)
        if said == str(error):
            raise
        raise UserError(said) from error


def _sources(storage: str, name: str) -> set[str]:
    """What the table was called when the sweep was queued, and when it began."""
    with Store.open(storage) as store:
        order, sweep = store.order(name), store.sweep(name)
    return {*([] if order is None else [order.source]), *([] if sweep is None else [sweep.info.source])}
