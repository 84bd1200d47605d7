"""The definition that a command is given."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from sweep.spec import definition as spec
from sweep.spec.definition import Overrides
from sweep.spec.model import SweepSpec
from sweep.spec.values import toml_like
from sweep.texts.document import Document

Definition = str | PathLike[str] | Mapping[str, Any]
"""A file, the name of a shipped definition, tables as a file has them, or what ``init`` gave."""


def load(
    definition: Definition, name: str | None, trials: int | None, changes: Overrides | None, *, prefix: str = ""
) -> SweepSpec:
    """The definition, with its changes.

    Args:
        definition: Any.
        name: In place of its own.
        trials: In place of its own.
        changes: Further ones.
        prefix: Of the names of options in messages.

    Raises:
        NotFoundError: There is neither such a file nor such a shipped definition.
        DefinitionError: The definition has problems; all of them are listed.
    """
    options = {} if name is None else {f"{prefix}name": f"name={name}"}
    options |= {} if trials is None else {f"{prefix}trials": f"search.trials={trials}"}
    if isinstance(definition, Mapping):
        return spec.from_tables(toml_like(definition), "the definition", None, changes or (), options)
    if isinstance(definition, Document):
        return spec.parse(definition, None, changes or (), options)
    return spec.load(str(definition), changes or (), options)
