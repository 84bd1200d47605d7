"""The command line. Wiring only: what a command does is in the modules it calls.

Results go to standard output, everything else to standard error; ``errors.py`` has the exit statuses. What takes
long to import is imported by the command that needs it, so that ``--help`` and a wrong option answer at once.

Where to look: ``sweeping.py``, ``reading.py``, ``model.py``, ``operating.py``, ``serve.py`` and ``storage.py`` have the
commands; what they do is in ``commands/`` and ``service/``, and what they print in ``texts/``. ``output.py`` prints or
writes results, ``show.py`` has what stands beside them, ``dashboard.py`` serves Optuna's dashboard.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from sweep import garbage
from sweep.cli import errors as cli_errors
from sweep.cli import model, operating, reading, serve, storage, sweeping  # noqa: F401 - they add their commands
from sweep.cli.app import app
from sweep.cli.options import Verbose, show_version


def main() -> None:
    """The program ``sweep``."""
    garbage.look_seldom()
    cli_errors.silence_warnings()
    sys.exit(run_program(sys.argv[1:]))


def run_program(arguments: Sequence[str]) -> int:
    """Runs one command line.

    Returns:
        The exit status.
    """

    def command() -> None:
        program = get_command(app)
        with program.make_context("sweep", list(arguments)) as context:
            program.invoke(context)

    return cli_errors.guarded(command)


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Shown with ``help=`` above."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
