"""The program's commands, as they are gathered, and what they share."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

HELP = """Does dropout help on your table of data, where, and how much?

\b
$ sweep init table.csv       write a definition fitted to a table
$ sweep check table.toml     say what it would run
$ sweep run table.toml       run it, or go on with it
$ sweep answer table         say whether dropout helps, tested on fresh folds
$ sweep report table         make the page that shows the results

\b
$ sweep run breast_cancer    a definition that comes with the program
"""

ENVIRONMENT = """\b
Environment:
  SWEEP_STORAGE     database URL, where --storage is not given
  SWEEP_LOG         debug, info, warning or error
  SWEEP_LOG_FORMAT  text or json
  SWEEP_CACHE       folder for downloaded tables
  SWEEP_SERVER      URL of a service, where neither --server nor --storage is given
  SWEEP_TOKEN       what the command line shows a service
"""

ORDER = ("init", "check", "run", "answer", "report")


class InOrder(TyperGroup):
    """Lists commands as they are used one after the other, then the others as they are defined."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for ``--help``."""
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="sweep",
    cls=InOrder,
    help=HELP,
    epilog=ENVIRONMENT,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
