"""Writing a file a user asked for: whole or not at all, never over another one unasked, and over some never."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweep.errors import UserError

OWN_WITHIN = 512  # bytes in which a file that may be replaced unasked says what it is


@dataclass(frozen=True, slots=True)
class Target:
    """A file to be written.

    Attributes:
        path: Of the file.
        force: Whether another file may be replaced.
        never: Files that are not replaced whatever ``force`` says, and what each is: ``"the database"``.
        own: What an earlier file of the same kind holds near its beginning: such a file is replaced unasked. Empty:
            none is.
    """

    path: Path
    force: bool = False
    never: Mapping[Path, str] = field(default_factory=dict)
    own: bytes = b""

    def check(self) -> None:
        """That a file can be written there, before any work is done for it.

        Raises:
            UserError: It is a folder, its folder does not exist, it is a file that may not be replaced, or nothing
                can be said of it.
        """
        path = self.path
        try:
            exists, folder, beside = path.exists(), path.is_dir(), path.absolute().parent.is_dir()
            kept = next((what for other, what in self.never.items() if _same(path, other)), None)
            replaceable = self.force or not path.is_file() or self._is_own()
        except (OSError, ValueError) as error:  # too long, or not to be looked at
            raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
        if folder:
            raise UserError(f"the output must be a file, however: {path} is a folder")
        if not beside:
            raise UserError(f"the folder of the output must exist, however: no {path.absolute().parent}")
        if kept:
            raise UserError(f"{path} is {kept}, which is never replaced: choose another file with -o")
        if exists and not replaceable:
            other = ", and is no file that this command wrote" if self.own else ""
            raise UserError(
                f"{path} exists already{other}: choose another file, or replace it (--force, in Python force=True)"
            )

    def write(self, content: str | bytes) -> None:
        """Writes it, texts as UTF-8. A program that reads it at the same time sees the old file or the new one.

        Raises:
            UserError: As :meth:`check`, or the file cannot be written.
        """
        self.check()
        path, written = self.path, content.encode() if isinstance(content, str) else content
        try:
            if path.exists() and not path.is_file():  # a device or a pipe: there is nothing to replace
                path.write_bytes(written)
                return
            _replace(path.resolve(), written)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error

    def _is_own(self) -> bool:
        with self.path.open("rb") as file:
            return bool(self.own) and self.own in file.read(OWN_WITHIN)


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, by links too; also of files that do not exist yet."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _replace(path: Path, content: bytes) -> None:
    """Through a file beside it. Permissions are those of the old file, or of any new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:80]}.", delete=False) as part:
        partial = Path(part.name)
        try:
            part.write(content)
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
