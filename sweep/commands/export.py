"""``sweep export``: the best configuration in a form that other programs read."""

from __future__ import annotations

from sweep.analysis.summary import summarise
from sweep.export import definition
from sweep.store.store import Store


def exported(store: Store, name: str, format: str) -> str:  # noqa: A002 - the option's name
    """What a file of a format would hold.

    Args:
        store: Where the sweep is.
        name: Of the sweep.
        format: ``"toml"`` or ``"json"``.

    Raises:
        NotFoundError: No sweep has that name, or no trial has finished.
    """
    found = summarise(store, name)
    return definition.to_toml(found) if format == "toml" else definition.to_json(found)
