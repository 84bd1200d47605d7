"""Writing a file a user asked for: whole or not at all, and never over another one unasked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sweep.errors import UserError


def check_target(path: Path, *, overwrite: bool) -> None:
    """That a file can be written there, before any work is done for it.

    Raises:
        UserError: It is a folder, its folder does not exist, the file exists and ``overwrite`` is false, or
            nothing can be said of it.
    """
    try:
        exists, folder, beside = path.exists(), path.is_dir(), path.absolute().parent.is_dir()
    except (OSError, ValueError) as error:  # too long, or not to be looked at
        raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if folder:
        raise UserError(f"the output must be a file, however: {path} is a folder")
    if not beside:
        raise UserError(f"the folder of the output must exist, however: no {path.absolute().parent}")
    if exists and not overwrite:
        raise UserError(f"{path} exists already: choose another file with -o, or replace it with --force")


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Writes a file as UTF-8. A program that reads it at the same time sees the old file or the new one.

    Raises:
        UserError: As :func:`check_target`, or the file cannot be written.
    """
    check_target(path, overwrite=overwrite)
    try:
        if path.exists() and not path.is_file():  # a device or a pipe: there is nothing to replace
            path.write_text(text, encoding="utf-8")
            return
        _replace(path.resolve(), text)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _replace(path: Path, text: str) -> None:
    """Through a file beside it. Permissions are those of the old file, or of any new one."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name[:80]}.", delete=False
    ) as part:
        partial = Path(part.name)
        try:
            part.write(text)
            part.flush()
            os.fchmod(part.fileno(), _mode(path))
        except BaseException:
            partial.unlink()
            raise
    partial.replace(path)


def _mode(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
