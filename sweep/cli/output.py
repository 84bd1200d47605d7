"""Where results go: standard output, fitted to a terminal's width, or a file."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from sweep.commands.writing import file_target
from sweep.export.files import Target


def emit(text: str, *, end: str = "\n") -> None:
    """Prints to standard output, if there is one, at once.

    Raises:
        OSError: It cannot be written; its ``filename`` is standard output.
    """
    if sys.stdout is None:  # what `>&-` does
        return
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def emit_fitted(text: str) -> None:
    """Prints text for people; lines too long for a terminal go on below where their last column begins."""
    width = terminal_width()
    emit(text if width is None else "\n".join(_fitted(text, width)))


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is, or what ``COLUMNS`` says of it; ``None`` for a file or pipe."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def _fitted(text: str, width: int) -> Iterator[str]:
    for line in text.splitlines():
        if len(line) <= width:
            yield line
            continue
        last_column = max((gap.end() for gap in re.finditer(" {2,}", line)), default=0)
        hanging = last_column if 0 < last_column <= width // 2 else 2
        yield from textwrap.wrap(
            line, width, subsequent_indent=" " * hanging, break_long_words=False, break_on_hyphens=False
        )


@dataclass(frozen=True, slots=True)
class Output:
    """What ``-o`` names: a file, or standard output where that is ``None``."""

    file: Target | None

    def check(self) -> None:
        """As :meth:`Target.check`."""
        if self.file is not None:
            self.file.check()

    def write(self, content: str | bytes) -> None:
        """To the file, as :meth:`Target.write`, or as :func:`emit`, which takes texts alone."""
        if self.file is not None:
            self.file.write(content)
        elif isinstance(content, str):
            emit(content, end="")
        else:
            raise TypeError("bytes are written to files")


def target(output: str, *, force: bool, storage: str, source: str | None = None, own: bytes = b"") -> Output:
    """What ``-o`` names.

    Args:
        output: A path, or ``-``.
        force: Whether another file may be replaced.
        storage: As of :func:`file_target`, as are the others.
        source: The table that is read.
        own: What an earlier file of the same kind holds.

    Raises:
        StorageError: The URL is none.
    """
    if output == "-":
        return Output(None)
    return Output(file_target(output, force=force, storage=storage, source=source, own=own))
