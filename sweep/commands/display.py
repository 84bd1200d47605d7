"""Which display suits the place where a command runs."""

from __future__ import annotations

from rich.console import Console

from sweep import settings
from sweep.commands.notebook import Notebook
from sweep.commands.progress import Display, Lines, Logged, Quiet, Terminal
from sweep.kernels import in_notebook


def display(*, quiet: bool) -> Display:
    """In a notebook below the cell, on a terminal in place, elsewhere lines on standard error; in the log as JSON."""
    if quiet:
        return Quiet()
    if settings.log_format() == "json":
        return Logged()
    if in_notebook():
        return Notebook()
    console = Console(stderr=True, soft_wrap=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return Terminal(console)
    return Lines()
