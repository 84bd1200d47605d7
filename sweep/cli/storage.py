"""Commands on a database as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli import output as cli_output
from sweep.cli.app import app
from sweep.cli.options import Storage, Verbose, example
from sweep.commands.database import database_url

commands = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(commands, name="storage")


@commands.callback()
def storage_commands() -> None:
    """Look after a database as a whole."""


@commands.command(epilog=example("sweep storage upgrade", "sweep storage upgrade --dry-run"))
def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Bring the tables of an older version up to date.

    Ours and Optuna's. Of a SQLite database a copy is kept; of a PostgreSQL one, make one before. No run may be at work
    meanwhile.
    """
    from sweep.commands.upgrade import upgrade as upgraded

    def say(text: str) -> None:
        typer.echo(text, err=True)

    cli_output.emit_fitted(upgraded(database_url(storage), say, cli_output.emit_fitted, dry_run=dry_run))
