"""Why something could not be done, for those who do not sit at this machine: no folder of it, no address of a database.

What is said here is stored, and shown to whoever may look at the sweep; logs have the whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sweep.errors import DataError, DefinitionError, MismatchError, NotFoundError, StorageError, UserError
from sweep.store.database import parse_url, shown_url
from sweep.store.failures import NoSpaceError, UnreachableError, brief
from sweep.store.store import Store
from sweep.tables.sources import without_folder

logger = logging.getLogger(__name__)


def reason_of(error: BaseException, storage: str) -> str:
    """Why something could not be done, in a sentence, on the database of that URL."""
    return brief(error, shown_url(parse_url(storage))) if isinstance(error, UserError) else str(error)


def bug(error: Exception) -> str:
    """Of something that nobody thought of: its kind. What it says may be anything, a cell of a table or a path."""
    return f"{type(error).__name__} (a bug in sweep; the log of the runner has more)"


@contextmanager
def without_places(storage: str, name: str | None) -> Iterator[None]:
    """What is wrong with a sweep is said without the folder that its table lies in, and without the database's address.

    Args:
        storage: URL of the database in which the sweep is, or waits.
        name: Of it.

    Raises:
        UserError: In place of one whose message names them.
        UnreachableError: Passed on, like :class:`~sweep.store.failures.NoSpaceError`: it is nobody's input.
    """
    try:
        yield
    except (UnreachableError, NoSpaceError):
        raise
    except StorageError as error:
        logger.warning("%s: %s", name, error)
        raise UserError(reason_of(error, storage)) from error
    except (DataError, DefinitionError, MismatchError, NotFoundError) as error:
        said = reason_of(error, storage)
        with Store.open(storage) as store:
            order, sweep = store.order(str(name)), store.sweep(str(name))
        # What the table was called when the sweep was queued, and when it began.
        sources = [] if order is None else [order.source]
        sources += [] if sweep is None else [sweep.info.source]
        for source in sources:
            said = without_folder(said, source)
        if said == str(error):
            raise
        raise UserError(said) from error
