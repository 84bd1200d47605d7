"""Which table a definition means: a file, a URL, one of scikit-learn's, one of OpenML's.

=====================  ===========================================================================================
``"x.csv"``            a file, relative to the definition; read by what it holds, not by how it is named
``"https://…"``        downloaded once into the cache (``SWEEP_CACHE``) and read from there ever after
``"sklearn:wine"``     bundled with scikit-learn, see :data:`BUNDLED`; no network
``"openml:40"``        by its id at openml.org, through scikit-learn, which keeps it in the same cache
=====================  ===========================================================================================
"""

from __future__ import annotations

import difflib
import hashlib
import http.client
import logging
import re
import shutil
import stat
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sweep import settings
from sweep.errors import DataError, NotFoundError
from sweep.spec.source import ALLOWED, absolute_source, is_local, local_file, name_in, shown_source, source_name
from sweep.tables.types import Table

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
TIMEOUT = 60.0

_BESIDE = "; beside it: "

logger = logging.getLogger("sweep.tables")


def local_path(source: str, base_dir: Path | None, setting: str = "data.source") -> Path:
    """The file a definition names; relative paths are relative to ``base_dir`` (else to the current folder).

    ``setting`` is what messages call it.

    Raises:
        NotFoundError: There is none; the message names files that are called much the same.
        DataError: It is a folder, a pipe or a device, or cannot be looked at.
    """
    path = local_file(source, base_dir)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        alike = difflib.get_close_matches(path.name, _beside(path), n=3)
        hint = f"{_BESIDE}{', '.join(alike)}" if alike else ""
        if not alike and ":" in source:
            hint = f" (allowed are {ALLOWED})"
        raise NotFoundError(f"{setting}: no such file: {path}{hint}") from None
    except OSError as error:  # a folder on the way may not be entered, a name is too long, links go round in a circle
        raise DataError(f"{setting}: {path} cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a zero byte
        raise DataError(f"{setting}: {str(path)!r} can be no file ({error})") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{setting} must be a file, however a folder: {path}")
    if not stat.S_ISREG(mode):  # it is read several times, and a pipe may never end
        raise DataError(f"{setting} must be a file, however a pipe, a socket or a device: {path}")
    return path


def without_folder(message: str, source: str) -> str:
    """What is said of a local table as those may read it who do not sit at this machine.

    Neither the folder that it lies in is named nor what else is there.

    Args:
        message: Of an error.
        source: As the definition names the table.
    """
    if not is_local(source):
        return message
    message = re.sub(rf"{_BESIDE}[^\n]*", "", message)
    for path in (absolute_source(source, None), str(local_file(source, None)), source):
        message = message.replace(path, source_name(path))
    return message


def _beside(path: Path) -> list[str]:
    """Names of the files in its folder; none if it has no such folder, or one that may not be listed."""
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []


def download(url: str) -> tuple[Path, str]:
    """The cached file of a URL, fetched if it is not there yet; and a note.

    Raises:
        DataError: It cannot be fetched; the message shows of the URL what is no secret.
    """
    shown = shown_source(url)
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:  # its message may quote a password
        raise DataError(f"{shown}: must be a URL, however: it is none") from None
    if "@" in parts.netloc:
        raise DataError(f"{shown}: must be a URL without user and password (download the table, and name the file)")
    name = re.sub(r"[^A-Za-z0-9._-]", "_", Path(parts.path).name)[-80:]
    path = settings.cache_dir() / "downloads" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}"
    if path.exists():
        logger.info("%s: read from %s, delete it to fetch the table anew", shown, path)
        return path, "read from a copy downloaded earlier (SWEEP_LOG=info shows where it is)"
    request = urllib.request.Request(url, headers={"User-Agent": "dropout-sweep"})  # noqa: S310 - http(s): see caller
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT) as answer,  # noqa: S310 - http(s): see caller
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part,
        ):
            partial = Path(part.name)
            try:
                shutil.copyfileobj(answer, part)
                _check_length(answer, part.tell())
            except BaseException:
                partial.unlink()
                raise
        partial.replace(path)  # whole or not at all, also with two programs at it
    except urllib.error.HTTPError as error:
        with error:
            raise DataError(f"{shown}: cannot be downloaded: the server says {error.code} {error.reason}") from error
    except (http.client.InvalidURL, ValueError):  # its message quotes the URL
        raise DataError(f"{shown}: must be a URL (no spaces, ASCII letters only), however: it is none") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{shown}: cannot be downloaded: {reason}") from error
    logger.info("%s: downloaded to %s", shown, path)
    return path, "downloaded"


def _check_length(answer: Any, received: int) -> None:
    """That a download is complete: a connection that breaks off ends the body without an error."""
    expected = answer.headers.get("Content-Length")
    if expected is not None and int(expected) != received:
        raise OSError(f"the connection broke off after {received} of {expected} bytes")


def bundled(source: str, setting: str = "data.source") -> Table:
    """One of scikit-learn's bundled tables, features unscaled, classes by their names.

    Raises:
        NotFoundError: No such name; the message lists those there are.
    """
    name = name_in(source)
    if name not in BUNDLED:
        raise NotFoundError(f"{setting}: scikit-learn has no table {name!r}; it has {', '.join(BUNDLED)}")
    import sklearn.datasets  # half a second, which other tables need not cost

    # Unscaled: scaling is fitted to the training rows of each fold, here as everywhere.
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(sklearn.datasets, f"load_{name}")(as_frame=True, **options)
    frame: pd.DataFrame = bunch.frame.copy()
    if "target_names" in bunch:
        frame["target"] = np.asarray([str(label) for label in bunch.target_names])[frame["target"]]
    return Table(frame, source, default_target="target")


def openml(source: str, setting: str = "data.source") -> Table:
    """A table of openml.org, by its id; its target is the last column.

    Raises:
        DataError: Not an id, no such table, one that is no table of rows and columns, or the network fails.
    """
    number = name_in(source)
    if not re.fullmatch(r"[1-9]\d{0,8}", number):
        raise DataError(f"{setting}: the id of an OpenML table must be a whole number, however: {source!r}")
    import sklearn.datasets  # as above

    home = settings.cache_dir()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bunch = sklearn.datasets.fetch_openml(
                data_id=int(number), as_frame=True, parser="auto", data_home=str(home), n_retries=2, delay=1.0
            )
    except urllib.error.HTTPError as error:
        with error:
            raise DataError(f"{source}: OpenML answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{source}: OpenML cannot be reached: {reason}") from error
    except (ValueError, KeyError) as error:
        raise DataError(f"{source}: cannot be read as a table: {error}") from error
    notes = [str(warning.message).strip() for warning in caught if "OpenML" in str(warning.message)]
    name = bunch.details.get("name", number)
    notes.insert(0, f"OpenML table {number} is {name!r}, version {bunch.details.get('version', '?')}")
    targets = list(bunch.target_names)
    return Table(bunch.frame, source, tuple(notes), default_target=str(targets[0]) if len(targets) == 1 else None)
