"""Whatever goes wrong in a command, as one clear message and an exit status; and what is logged.

====  ================================================================================
0     done
1     failed: workers that are lost, another run at work, a bug, an output nobody reads
2     the user's input is wrong, addresses of databases and clusters among it; nothing was written
130   interrupted by Ctrl-C
143   ``sweep run``, ``answer``, ``fit`` or ``runner`` was ended by SIGTERM
====  ================================================================================
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any

import typer

from sweep import settings
from sweep.errors import DefinitionError, SweepError, UserError

logger = logging.getLogger("sweep")

INTERRUPTED = 130
AGAIN_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """Ended by SIGTERM: as Ctrl-C, but for the exit status."""

    exit_status = 128 + signal.SIGTERM


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM interrupts as Ctrl-C does, so that workers are ended and what is finished is told; none is lost.

    A service manager sends it, a container's end, ``kill``. What comes while the first is being heeded is ignored.

    The interpreter throws away what is raised in a finaliser or a weak reference's callback, of which SQLAlchemy has
    many: an interrupt that falls into one would be lost, and the run go on. It comes again then, a moment later.

    Raises:
        Terminated: In place of the ``KeyboardInterrupt`` that came of SIGTERM.
    """
    terminated, tell = False, sys.unraisablehook

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal terminated
        terminated |= number == signal.SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    def again(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            tell(lost)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGALRM)}
    sys.unraisablehook = again
    try:
        yield
    except KeyboardInterrupt as error:
        if terminated:
            raise Terminated(*error.args) from None
        raise
    finally:
        sys.unraisablehook = tell
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def guarded(command: Callable[[], None]) -> int:
    """Runs a command to its end, whatever that is.

    Returns:
        The exit status.
    """
    try:
        configure_logging(debug=False)
        command()
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = "" if context is None else f"\n`{context.command_path} --help` shows what there is"
        # What a type says of a value comes through pydantic, which puts its own name of the error before it.
        return _failed(f"{error.format_message().replace('Value error, ', '')}{hint}", error.exit_code)
    except UserError as error:
        return _failed(_message(error), error.exit_status)
    except SweepError as error:
        return _failed(str(error), error.exit_status, trace=True)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _failed(str(error) or "interrupted", getattr(error, "exit_status", INTERRUPTED), label="")
    except BrokenPipeError:
        _let_go()
        return 1
    except OSError as error:  # a full disk, a network that is gone
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1, trace=True)
    except Exception as error:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _failed(f"{told}\nThis is a bug in sweep. SWEEP_LOG=debug shows where it happened.", 1, trace=True)
    return 0


def configure_logging(*, debug: bool) -> None:
    """Log to standard error: what ``SWEEP_LOG`` says, or everything.

    Raises:
        UserError: ``SWEEP_LOG`` is not a level, or ``SWEEP_LOG_FORMAT`` no format.
    """
    level = "debug" if debug else settings.log_level()
    logger.setLevel(level.upper())
    handler = _ToStandardError()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    if settings.log_format() == "json":
        from sweep.service import logs  # the only one that needs it

        logs.structured(handler)
    for before in [one for one in logger.handlers if isinstance(one, _ToStandardError)]:
        logger.removeHandler(before)  # of another command in this process
    logger.addHandler(handler)


def silence_warnings() -> None:
    """Libraries' warnings are for those who develop; what a user must know is said by this program itself."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


class _ToStandardError(logging.StreamHandler[Any]):
    """Writes to what is standard error at that moment: a live display puts itself in between."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> IO[str]:  # an attribute there
        return sys.stderr


def _message(error: UserError) -> str:
    if isinstance(error, DefinitionError) and len(error.problems) > 1:
        return "\n  ".join([f"{len(error.problems)} problems", *error.problems])
    return str(error)


def _failed(message: str, status: int, label: str = "error: ", *, trace: bool = False) -> int:
    """Says what went wrong; where ``trace``, at debug level also how it came to it."""
    try:
        _flush()
        if trace and logger.isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        typer.echo(f"{label}{message}", err=True)
    except BrokenPipeError:
        _let_go()
    return status


def _flush() -> None:
    """Before a message. That the output cannot be written may be what it says; there may be none at all (``>&-``)."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:
        logger.debug("standard output cannot be written")


def _let_go() -> None:
    """Nobody reads on: what is still buffered goes nowhere, so that the interpreter's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
