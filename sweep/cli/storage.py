"""Commands on a database as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import output as cli_output
from sweep.cli.app import app
from sweep.cli.options import Storage, Verbose, example
from sweep.commands.database import database_url

if TYPE_CHECKING:
    from sweep.run.upgrade import Plan

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
    from sweep.run import upgrade as upgrading

    def say(text: str) -> None:
        typer.echo(text, err=True)

    url = database_url(storage)
    if dry_run:
        cli_output.emit_fitted(plan_text(upgrading.plan_upgrade(url)))
        return
    done = upgrading.upgrade(url, say, lambda plan: cli_output.emit_fitted(plan_text(plan)))
    cli_output.emit_fitted(f"{done.shown} is up to date" if not done.empty else plan_text(done))


def plan_text(plan: Plan) -> str:
    """What an upgrade changes, a line for each revision."""
    if plan.empty:
        return f"nothing to do: {plan.shown} is up to date (revision {plan.revision})"
    lines = [f"{plan.shown}:"]
    if plan.changes:
        lines.append(f"  sweep's tables from revision {plan.revision} to {plan.changes[-1][0]}")
        lines += [f"    {revision}  {brings}" for revision, brings in plan.changes]
    if plan.optuna:
        lines.append(f"  Optuna's tables from version {plan.optuna[0]} to {plan.optuna[1]}")
    return "\n".join(lines)
