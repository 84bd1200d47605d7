"""``sweep export``: the best configuration in a form that other programs read."""

from __future__ import annotations

from sweep.analysis.summary import summarise
from sweep.errors import UserError
from sweep.store.store import Store

FORMATS = ("toml", "json", "python", "keras")
"""What there is."""


def exported(store: Store, name: str, format: str) -> str:  # noqa: A002 - the option's name
    """What a file of a format would hold.

    Args:
        store: Where the sweep is.
        name: Of the sweep.
        format: One of :data:`FORMATS`.

    Raises:
        UserError: There is no such format.
        NotFoundError: No sweep has that name, or no trial has finished.
    """
    if format not in FORMATS:
        raise UserError(f"the format must be one of {', '.join(FORMATS)}, however: {format}")
    found = summarise(store, name)
    if format in ("python", "keras"):
        from sweep.export import script, source

        return script.to_script(found, source.source_table(store, found), "torch" if format == "python" else "keras")
    from sweep.export import definition

    return definition.to_toml(found) if format == "toml" else definition.to_json(found)
