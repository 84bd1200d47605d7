"""The definition that a command is given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike
from typing import Any

from sweep.commands.given import shown
from sweep.errors import UserError
from sweep.spec import definition as spec
from sweep.spec.definition import Overrides
from sweep.spec.model import SweepSpec
from sweep.spec.values import toml_like

Definition = str | PathLike[str] | Mapping[str, Any]
"""A file, the name of a shipped definition, tables as a file has them, or the text of one, in lines."""


def load(
    definition: Definition | Any, name: str | None, trials: int | None, changes: Overrides | None, *, prefix: str = ""
) -> SweepSpec:
    """The definition, with its changes.

    Args:
        definition: Any.
        name: In place of its own.
        trials: In place of its own.
        changes: Further ones.
        prefix: Of the names of options in messages.

    Raises:
        UserError: It is of another type.
        NotFoundError: There is neither such a file nor such a shipped definition.
        DefinitionError: The definition has problems; all of them are listed.
    """
    options = {} if name is None else {f"{prefix}name": f"name={name}"}
    options |= {} if trials is None else {f"{prefix}trials": f"search.trials={trials}"}
    if isinstance(definition, Mapping):
        return spec.from_tables(toml_like(definition), "the definition", None, changes or (), options)
    if isinstance(definition, str) and "\n" in definition:  # as `init` gives it, edited or not
        return spec.parse(definition, None, changes or (), options)
    if isinstance(definition, str | PathLike):
        return spec.load(os.fspath(definition), changes or (), options)
    allowed = "a file, the name of a shipped one, a dictionary of tables, or the text of a file"
    raise UserError(f"the definition must be {allowed}, however: {shown(definition)}")
