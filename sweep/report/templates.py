"""The templates in ``dashboards/``: of reports, and of the pages of the service."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sweep.shipped import folder


@cache
def environment() -> Environment:
    """Of all of them: what goes in is escaped, what is missing is an error."""
    return Environment(
        loader=FileSystemLoader(folder("dashboards")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
