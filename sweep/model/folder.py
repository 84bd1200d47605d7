"""A model as a folder: five files that any program can read, none of which can run anything.

=======================  =============================================================================================
``weights.safetensors``  the tensors of all layers
``preprocessing.json``   how a table becomes what they read, and what they say
``config.toml``          the definition of the trial, which `sweep run` runs
``card.md``              what it is, for people
``manifest.json``        format number; size and SHA-256 of the others
=======================  =============================================================================================

A folder is written beside its place and moved there: it is there as a whole, or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from safetensors import SafetensorError
from safetensors.numpy import load, save

from sweep.errors import ModelError, UserError
from sweep.model.model import Model
from sweep.model.plain import Tensors, from_plain, to_plain, to_tensors

FORMAT: Final = 1
"""Of folders that are written. Those of a higher one are refused."""

KIND: Final = "dropout-sweep model"
"""What a manifest says it is of."""

MANIFEST, WEIGHTS, PREPROCESSING, CONFIG, CARD = (
    "manifest.json",
    "weights.safetensors",
    "preprocessing.json",
    "config.toml",
    "card.md",
)
FILES: Final = (WEIGHTS, PREPROCESSING, CONFIG, CARD)
"""All but the manifest."""

_MOST_MANIFEST = 1 << 16


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """Where a model is to be written.

    Attributes:
        path: Of the folder.
        force: Whether a model that is there may be replaced. Nothing else ever is.
        never: Files that must not be in there, and what each is: ``"the database"``.
    """

    path: Path
    force: bool = False
    never: Mapping[Path, str] = field(default_factory=dict)

    def check(self) -> None:
        """That a model can be written there, before any work is done for it.

        Raises:
            UserError: Something else is there, or a model that may not be replaced; its parent does not exist.
        """
        path = self.path
        try:
            place = path.resolve()
            exists, beside = os.path.lexists(place), place.parent.is_dir()
            kept = next((what for other, what in self.never.items() if _within(other, place)), None)
            others = _others(place) if place.is_dir() else []
        except (OSError, RuntimeError, ValueError) as error:  # too long, links in a circle, not to be looked at
            raise UserError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
        if kept:
            raise UserError(f"{path} holds {kept}, and is never replaced: choose another folder with -o")
        if not beside:
            raise UserError(f"the folder that is to hold the output must exist, however: no {place.parent}")
        if not exists:
            return
        if not place.is_dir():
            raise UserError(f"the output must be a folder, however: {path} is a file")
        if not _is_model(place):
            raise UserError(f"{path} exists already, and is no model: choose another folder with -o")
        if others:
            raise UserError(
                f"{path} holds what is not of the model ({', '.join(others[:4])}{', …' * (len(others) > 4)}), and is "
                "not replaced: choose another folder with -o"
            )
        if not self.force:
            raise UserError(
                f"{path} exists already: choose another folder, or replace the model (--force, in Python force=True)"
            )

    def write(self, model: Model, *, config: str, card: str) -> None:
        """Writes a model.

        Args:
            model: Trained.
            config: Text of ``config.toml``.
            card: Text of ``card.md``.

        Raises:
            UserError: As :meth:`check`, or the folder cannot be written.
        """
        self.check()
        contents = {
            WEIGHTS: save(to_tensors(model.networks)),
            PREPROCESSING: _json({"format": FORMAT, **to_plain(model)}),
            CONFIG: config.encode(),
            CARD: card.encode(),
        }
        about = {name: {"size": len(content), "sha256": _sha256(content)} for name, content in contents.items()}
        contents[MANIFEST] = _json({"kind": KIND, "format": FORMAT, "files": about})
        try:
            _place(contents, self.path.resolve())
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror or error}") from error


def _place(contents: Mapping[str, bytes], place: Path) -> None:
    """Writes files into a folder beside its place, and moves it there, an earlier one out of the way."""
    partial = Path(tempfile.mkdtemp(prefix=f".{place.name[:80]}.", suffix=".part", dir=place.parent))
    earlier = partial.with_suffix(".old")
    try:
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        partial.chmod(0o777 & ~_umask())
        try:
            if place.exists():
                place.rename(earlier)
            partial.rename(place)
        except BaseException:
            if earlier.exists():
                earlier.rename(place)
            raise
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _within(file: Path, folder: Path) -> bool:
    """Whether a file lies in a folder, or is it; also where either does not exist yet."""
    real = Path(os.path.realpath(file))
    return real == folder or folder in real.parents


def _is_model(place: Path) -> bool:
    """Whether a folder says that it is one of ours, whatever its format."""
    with suppress(OSError, ValueError, RecursionError):
        with (place / MANIFEST).open("rb") as file:
            found = json.loads(file.read(_MOST_MANIFEST))
        return isinstance(found, dict) and found.get("kind") == KIND
    return False


def _others(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name not in (*FILES, MANIFEST))


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- reading ----------------------------------------------------------------------------------------------------------


def read_model(folder: str | Path) -> Model:
    """The model of a folder, once everything in it is as it was written.

    Raises:
        ModelError: There is no such folder, or it is not whole: a file is missing or changed, or says what cannot be;
            or it is newer than this program.
    """
    read = _Reader(folder)
    try:
        contents = read.contents()
    except (OSError, ValueError) as error:
        read.refuse(f"it cannot be read ({getattr(error, 'strerror', None) or error})")
    try:
        tensors: Tensors = load(contents[WEIGHTS])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        read.refuse(f"{WEIGHTS} is not in the format of safetensors ({error})")
    plain = read.json(contents[PREPROCESSING], PREPROCESSING)
    try:
        return from_plain(plain, tensors)
    except ValueError as error:
        read.refuse(f"{WEIGHTS if str(error).startswith('tensor') else PREPROCESSING}: {error}")


class _Reader:
    """The files of a folder, each of which is as it was written, or is refused."""

    def __init__(self, folder: str | Path) -> None:
        self._folder, self._path = folder, Path(folder)

    def refuse(self, what: str) -> NoReturn:
        """Says what is wrong."""
        raise ModelError(f"the model {self._folder} cannot be used: {what}")

    def contents(self) -> dict[str, bytes]:
        """Of all files but the manifest."""
        if not self._path.is_dir():
            self.refuse("it is a file, not a folder" if self._path.exists() else "there is no such folder")
        if not (self._path / MANIFEST).is_file():
            self.refuse(f"{MANIFEST} is missing")
        manifest = self.json((self._path / MANIFEST).read_bytes(), MANIFEST)
        if manifest.get("kind") != KIND:
            self.refuse(f"{MANIFEST} must say that it is of a {KIND}, however: {manifest.get('kind')!r}")
        files = manifest.get("files")
        if not isinstance(files, dict) or {*files} != {*FILES}:
            self.refuse(f"{MANIFEST} must list {', '.join(FILES)}, and nothing else")
        return {name: self._content(name, files[name]) for name in FILES}

    def json(self, content: bytes, name: str) -> dict[str, Any]:
        """An object in JSON, of a format that this program knows."""
        try:
            found = json.loads(content, parse_constant=_no_number)
            json.dumps(found, ensure_ascii=False).encode()  # half a character, escaped, is no text
        except (ValueError, RecursionError) as error:
            self.refuse(f"{name} is not in the format of JSON ({error})")
        number = found.get("format") if isinstance(found, dict) else None
        if type(number) is not int or number < 1:
            self.refuse(f"{name} must have a format number of at least 1, however: {number!r}")
        if number > FORMAT:
            self.refuse(f"{name} has format {number}, and this program reads up to {FORMAT}: update this program")
        return dict(found)

    def _content(self, name: str, about: object) -> bytes:
        """What a file holds."""
        size, digest = (about.get("size"), about.get("sha256")) if isinstance(about, dict) else (None, None)
        if type(size) is not int or not isinstance(digest, str):
            self.refuse(f"{MANIFEST} must have size and sha256 of {name}")
        file = self._path / name
        if not file.is_file():
            self.refuse(f"{name} is missing")
        changed = f"{name} was changed since it was written"
        if (found := file.stat().st_size) != size:
            self.refuse(f"{changed}: it had {size:,} bytes, it has {found:,}")
        content = file.read_bytes()
        if (own := _sha256(content)) != digest:
            self.refuse(f"{changed}: its SHA-256 was {digest[:16]}…, it is {own[:16]}…")
        return content


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number there")
