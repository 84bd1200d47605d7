"""What commands print beside results: JSON documents, and what one could do next."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from sweep.texts.plain import without_nan


def json_text(value: Any) -> str:
    """One JSON document; what is not a finite number becomes null."""
    return json.dumps(without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)


def after_init(path: Path) -> str:
    """What to do with a definition."""
    file = shlex.quote(str(path))
    return _next_steps(f"sweep check {file}", f"sweep run {file}")


def after_run(name: str, storage: str | None, *, to_answer: bool = True) -> str:
    """What to do with a finished sweep.

    Args:
        name: Of the sweep.
        storage: What ``--storage`` was given, if anything.
        to_answer: Whether placements with and without dropout are there to be compared.
    """
    at = "" if storage is None else f" --storage {shlex.quote(_without_password(storage))}"
    return _next_steps(
        *([f"sweep answer {name}{at}"] if to_answer else []),
        f"sweep report {name}{at}",
        f"sweep export {name} --format toml -o {name}-best.toml{at}",
        f"sweep dashboard{at}",
    )


def _next_steps(*commands: str) -> str:
    return "\n".join(["", "next:", *(f"  {command}" for command in commands)])


def _without_password(storage: str) -> str:
    from sweep.store.database import optuna_url, parse_url, shown_url  # SQLAlchemy takes long to import

    url = parse_url(storage)
    return storage if shown_url(url) == optuna_url(url) else shown_url(url)
