"""What a browser shows: templates and assets are in ``dashboards/``."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sweep.shipped import folder


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(folder("dashboards")), autoescape=True, undefined=StrictUndefined)


def render_page(template: str, **content: Any) -> str:
    """A page as HTML.

    Args:
        template: Its file in ``dashboards/``.
        content: What it shows.
    """
    return _environment().get_template(template).render(content)
