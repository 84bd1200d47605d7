"""What a program gives where the command line has text: files, models and definitions are told from what is none."""

from __future__ import annotations

import os
from os import PathLike
from typing import TYPE_CHECKING, Any

from sweep.errors import UserError
from sweep.spec.source import ALLOWED

if TYPE_CHECKING:
    from sweep.model.model import Model


def table(given: Any) -> str:
    """Where a table is, as text.

    Raises:
        UserError: It is neither text nor a path.
    """
    if isinstance(given, str | PathLike):
        return os.fspath(given)
    frame = " (the estimators of sweep.estimators take one)" if hasattr(given, "columns") else ""
    raise UserError(f"the table must be {ALLOWED}, however: {shown(given)}{frame}")


def model(given: Any) -> tuple[str | PathLike[str] | Model, str | PathLike[str] | None]:
    """The folder of a model, or the model that a fit has made; and the folder that it is in, if it is in one.

    Raises:
        UserError: It is neither.
    """
    if isinstance(given, str | PathLike):
        return given, given
    from sweep.commands.fit import Fitted

    if isinstance(given, Fitted):
        return given.refit.model, given.path
    raise UserError(f"the model must be what fit returned, or the folder of one, however: {shown(given)}")


def shown(given: Any) -> str:
    """A value that is no text, in a message: itself if it is short, else of which type it is."""
    plain = given is None or isinstance(given, bool | int | float)
    return repr(given) if plain else f"a value of the type {type(given).__name__}"
