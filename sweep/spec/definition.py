"""Sweep definitions: from a TOML file, with changes from the command line, to a :class:`SweepSpec`.

All problems of a definition are found at once and said in one :class:`~sweep.errors.DefinitionError`, a
line each: ``space.dropout.high must be below 1, however: 1.5 (studies/x.toml)``.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.errors import DefinitionError, NotFoundError
from sweep.shipped import folder
from sweep.spec.checks import check_rules, dimension, hidden_candidates, placements
from sweep.spec.layers import layer_names
from sweep.spec.model import (
    Chosen,
    ChosenScore,
    DataSpec,
    NetworkSpec,
    SearchSpec,
    SpaceSpec,
    SweepSpec,
    TrainingSpec,
    ValidationSpec,
    safe_name,
)
from sweep.spec.overrides import Changes
from sweep.spec.schema import ChosenModel, DefinitionModel
from sweep.spec.shape import check_shape
from sweep.spec.source import TABLE_ENDINGS

_DEEPEST = 32
"""Of tables and lists inside each other; a definition needs six."""

_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}\.[ \t]*){{{_DEEPEST}}}")

Overrides = Sequence[str] | Mapping[str, Any]
"""Changes as of the command line, or as values by key."""


def load(definition: str, overrides: Overrides = (), options: Mapping[str, str] | None = None) -> SweepSpec:
    """Reads a definition.

    Args:
        definition: A file, or the name of a shipped definition (a file of that name comes first).
        overrides: Changes, ``"training.epochs=20"`` each; the value is TOML, or else text. Or values by key, from a
            program: ``{"training.epochs": 20}``. A relative ``data.source`` given here is relative to the current
            folder.
        options: Further changes by the option that makes them: ``{"--name": "name=x"}``.

    Raises:
        NotFoundError: There is neither such a file nor such a shipped definition.
        DefinitionError: The definition has problems; all of them are listed.
    """
    path = Path(definition)
    try:
        if not path.is_file():
            path = _shipped(definition)
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        complaint = _no_definition(path) or f"{path} must be UTF-8 text, however: byte {error.start} is not"
        raise DefinitionError([complaint]) from error
    except OSError as error:
        raise NotFoundError(f"{path} must be a readable file, however: {error.strerror}") from error
    return parse(text, path, overrides, options)


def parse(
    text: str,
    origin: Path | None = None,
    overrides: Overrides = (),
    options: Mapping[str, str] | None = None,
) -> SweepSpec:
    """Reads a definition from its text.

    Args:
        text: TOML.
        origin: The file it comes from: gives the default name, resolves relative paths, appears in messages.
        overrides: As of :func:`load`.
        options: As of :func:`load`.

    Raises:
        DefinitionError: The definition has problems; all of them are listed.
    """
    place = "the definition" if origin is None else str(origin)
    try:
        if _LONG_KEY.search(text):  # the parser would take minutes
            raise ValueError("a key has too many parts")
        tables = tomllib.loads(text)
        if _is_deeper(tables, _DEEPEST):
            raise ValueError("tables are nested too deeply")
    except (ValueError, RecursionError) as error:  # integers beyond 4,300 digits, lists nested for ever
        complaint = f"{place} must be valid TOML, however: {_toml_complaint(error)}"
        raise DefinitionError([_no_definition(origin) or complaint]) from error
    if origin is not None:
        tables.setdefault("name", safe_name(origin.stem))
    return from_tables(tables, place, origin, overrides, options)


def from_tables(
    tables: dict[str, Any],
    place: str,
    origin: Path | None = None,
    overrides: Overrides = (),
    options: Mapping[str, str] | None = None,
) -> SweepSpec:
    """A definition from tables as TOML has them: dictionaries, lists, text, numbers and booleans.

    Args:
        tables: By name; changed where ``overrides`` and ``options`` say so.
        place: Where they come from, for messages.
        origin: As of :func:`parse`, as are the others.
        overrides: Changes.
        options: Further ones.

    Raises:
        DefinitionError: The definition has problems; all of them are listed.
    """
    changes = Changes(tables)
    if isinstance(overrides, Mapping):
        changes.apply_values(overrides, "changes")
    else:
        changes.apply(overrides)
    for option, override in (options or {}).items():
        changes.apply([override], option)
    model, broken, problems = check_shape(tables)
    problems += check_rules(model, broken)
    if problems or changes.complaints:
        said = [problem.said(changes.place(problem.key, place)) for problem in problems]
        raise DefinitionError([*changes.complaints, *said])
    return _build(model, origin)


def shipped_definitions() -> dict[str, Path]:
    """Name and file of every definition that comes with the program, by name."""
    return {path.stem: path for path in sorted(folder("studies").glob("*.toml"))}


def _shipped(name: str) -> Path:
    """File of a shipped definition by its name."""
    known = shipped_definitions()
    if name in known:
        return known[name]
    if Path(name).is_dir():
        raise NotFoundError(f"the definition must be a file, however: {name} is a folder")
    near = [f"{name}.toml"] if Path(f"{name}.toml").is_file() else []
    near = near or difflib.get_close_matches(Path(name).stem, known, n=3, cutoff=0.5)
    offer = f"did you mean {' or '.join(near)}?" if near else f"shipped ones: {', '.join(known) or 'none'}"
    raise NotFoundError(f"the definition must be a file or a shipped definition, however: {name} is neither ({offer})")


def _no_definition(path: Path | None) -> str:
    """What to say of a table in place of a definition: the obvious first mistake; else nothing."""
    if path is None or not TABLE_ENDINGS.search(path.name):
        return ""
    start = f"sweep init {shlex.quote(str(path))}"
    return f"the definition must be a TOML file, however: {path} is a table; `{start}` writes a definition for it"


def _is_deeper(value: Any, most: int) -> bool:
    """Whether tables and lists lie inside each other more than so often; what copies them would not come back."""
    level = [value]
    for _ in range(most):
        each = (inner.values() if isinstance(inner, dict) else inner for inner in level)
        level = [inner for values in each for inner in values if isinstance(inner, dict | list)]
    return bool(level)


def _toml_complaint(error: Exception) -> str:
    """``line 3, column 5: ...`` from the parser's own sentence, which has the place at its end."""
    message = str(error)
    if found := re.fullmatch(r"(.*) \(at (.*)\)", message, flags=re.DOTALL):
        message = f"{found[2]}: {found[1]}"
    return message


def _build(model: DefinitionModel, origin: Path | None) -> SweepSpec:
    """Records from a model without problems."""
    data, network, training = model.data, model.network, model.training
    space, validation, search = model.space, model.validation, model.search
    candidates = hidden_candidates(model)
    layers = layer_names(max(map(len, candidates)))
    return SweepSpec(
        format=model.format,
        name=model.name,
        seed=model.seed,
        data=DataSpec(
            source=data.source,
            target=data.target,
            header=data.header,
            task=data.task,
            positive=data.positive,
            categorical=tuple(data.categorical),
            drop=tuple(data.drop),
            groups=data.groups,
            missing=tuple(data.missing),
        ),
        network=NetworkSpec(candidates, network.activation, network.init),
        training=TrainingSpec(**training.model_dump()),
        space=SpaceSpec(
            placements=placements(model),
            dropout=dimension(space.dropout),
            dropout_layers={
                layer: dimension(space.dropout_layers[layer]) for layer in layers if layer in space.dropout_layers
            },
            shared=space.shared,
            learning_rate=dimension(space.learning_rate),
            momentum=dimension(space.momentum),
            max_norm=dimension(space.max_norm),
            lr_decay=dimension(space.lr_decay),
            weight_decay=dimension(space.weight_decay),
        ),
        validation=ValidationSpec(**validation.model_dump()),
        search=SearchSpec(**search.model_dump()),
        chosen=None if model.chosen is None else _chosen(model.chosen),
        origin=None if origin is None else origin.absolute(),
        default_trials="trials" not in search.model_fields_set,
    )


def _chosen(chosen: ChosenModel) -> Chosen:
    score = chosen.honest_score
    return Chosen(
        chosen.sweep,
        chosen.trials,
        chosen.content_hash,
        chosen.fingerprint,
        None if score is None else ChosenScore(score.value, score.low, score.high),
    )
