"""What can go wrong between us and a database, as one clear error; and which of it may pass by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sweep.errors import StorageError, UserError
from sweep.store import memory
from sweep.store.database import shown_url

# PostgreSQL's codes of what ends without our doing (its manual, appendix A): connection exceptions, shutdown and start
# of the server, too many connections, and transactions that were given up for the sake of others, or for doing nothing.
_PASSING_CLASSES = ("08",)
# And 25006: a server that may only be read, as after a failover, until connections reach the other one.
_PASSING_CODES = {"57P01", "57P02", "57P03", "53300", "40001", "40P01", "25006", "25P03"}
_FULL_CODE = "53100"  # of the server's disk

# A server that refuses a connection for good. libpq hands its code on for none of them, so it has to be the words.
# Where a server speaks another language they are waited for like the rest: that costs time, no more.
_FINAL = ("authentication failed", "does not exist", "pg_hba.conf", "permission denied", "not permitted", "no password")


class UnreachableError(StorageError):
    """The database could not be reached, or was lost on the way: what was asked of it may have been done, or not."""


class NoSpaceError(StorageError):
    """The database's disk is full, or fails, or its memory is full: nobody's input is wrong."""

    exit_status = 1


def brief(error: UserError, shown: str) -> str:
    """What is wrong with a database, in words that name no address, no folder and no user of it.

    Args:
        error: What is wrong; what has nothing to do with a database stays as it is.
        shown: Address of the database, as messages have it.
    """
    if isinstance(error, UnreachableError):
        return "the database cannot be reached, or is busy"
    if isinstance(error, NoSpaceError):
        return "the database has no room left"
    said = str(error).replace(f"the database {shown}", "the database").replace(shown, "the database")
    if isinstance(error, StorageError):
        said, driver, _ = said.partition(" cannot be used: ")  # then come the driver's words
        said = f"{said} cannot be used" if driver else said.partition(", however: ")[0]
    return said.removesuffix(" (the database)")


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn what the driver raises into a :class:`StorageError` that names the database.

    A violated constraint passes: it is an answer, not a failure.

    Raises:
        UnreachableError: It may pass by itself.
        NoSpaceError: A disk is full.
    """
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeoutError as error:  # no driver's: all connections are in use
        raise UnreachableError(
            f"the database {shown_url(url)} cannot be used: all connections to it are busy"
        ) from error
    except (DBAPIError, sqlite3.Error) as error:
        raise failure(url, error) from error


def failure(url: URL, error: BaseException) -> StorageError:
    """An exception of the driver's, whoever wrapped it, in our words."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason, advice = " ".join(str(cause).split()), ""
    kind = UnreachableError if passes_by_itself(error) else StorageError
    if isinstance(cause, sqlite3.Error):
        # The low byte is the kind; the rest of an extended code says where in SQLite it was noticed.
        match getattr(cause, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_FULL if memory.is_memory(url):
                kind, advice = NoSpaceError, " (memory takes 1 GiB): name a file, or a server, as storage"
            case sqlite3.SQLITE_FULL:
                kind, advice = NoSpaceError, "; all that was stored is kept: make room, then the same command goes on"
            case sqlite3.SQLITE_IOERR:
                kind, advice = NoSpaceError, " (is the disk full?); all that was stored is kept"
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
                advice = " (SQLite has to write to the file and, even to read, to its folder)"
    elif getattr(cause, "sqlstate", None) == _FULL_CODE:
        kind, advice = NoSpaceError, "; all that was stored is kept: make room, then the same command goes on"
    return kind(f"the database {shown_url(url)} cannot be used: {reason}{advice}")


def passes_by_itself(error: BaseException | None) -> bool:
    """Whether a database that answered with this may do better a moment later."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return passes_by_itself(cause)
    code: str | None = getattr(cause, "sqlstate", None)
    if code is not None:
        return code in _PASSING_CODES or code.startswith(_PASSING_CLASSES)
    # Without a code it comes from connecting.
    return type(cause).__name__ in ("OperationalError", "ConnectionTimeout") and not any(
        words in str(cause) for words in _FINAL
    )


def raise_at_once(engine: Engine, url: URL) -> None:
    """Have an engine of another library raise :class:`UnreachableError` itself.

    Optuna tries some writes again whatever has failed: one that was committed, its answer lost, would be done twice.
    """

    @event.listens_for(engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        # What a check of an idle connection finds is the pool's to deal with.
        if not context.is_pre_ping and passes_by_itself(error):
            raise failure(url, error or context.original_exception) from error
