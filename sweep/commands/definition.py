"""The definition that a command is given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

from sweep.commands.given import shown
from sweep.errors import UserError
from sweep.space.arms import within_space
from sweep.spec import definition as spec_of
from sweep.spec.definition import Overrides
from sweep.spec.model import SweepSpec
from sweep.spec.source import absolute_source
from sweep.spec.values import toml_like

Definition = str | PathLike[str] | Mapping[str, Any]
"""A file, the name of a shipped definition, tables as a file has them, or the text of one, in lines."""


def load(
    definition: Definition | Any, name: str | None, trials: int | None, changes: Overrides | None, *, prefix: str = ""
) -> SweepSpec:
    """The definition, with its changes. Where nobody gives a number of trials, a small space is tried as a whole.

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
    spec = _read(definition, changes or (), _options(name, trials, prefix))
    return within_space(spec) if spec.default_trials else spec


def _options(name: str | None, trials: int | None, prefix: str) -> dict[str, str]:
    """Changes by the argument, or option, that makes them."""
    options = {} if name is None else {f"{prefix}name": f"name={name}"}
    options |= {} if trials is None else {f"{prefix}trials": f"search.trials={trials}"}
    return options


def _read(definition: Definition | Any, changes: Overrides, options: Mapping[str, str]) -> SweepSpec:
    """The definition as it is written."""
    if isinstance(definition, Mapping):
        return _from_here(spec_of.from_tables(toml_like(definition), "the definition", None, changes, options))
    if isinstance(definition, str) and "\n" in definition:  # as `init` gives it, edited or not
        return _from_here(spec_of.parse(definition, None, changes, options))
    if isinstance(definition, str | PathLike):
        return spec_of.load(os.fspath(definition), changes, options)
    allowed = "a file, the name of a shipped one, a dictionary of tables, or the text of a file"
    raise UserError(f"the definition must be {allowed}, however: {shown(definition)}")


def _from_here(spec: SweepSpec) -> SweepSpec:
    """A definition without a file: paths in it are relative to the current folder."""
    return replace(spec, data=replace(spec.data, source=absolute_source(spec.data.source, None)))
