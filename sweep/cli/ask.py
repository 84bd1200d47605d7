"""What commands ask at a terminal. In a pipe nothing is asked: guesses are said, and errors name the option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from sweep.commands import options
from sweep.errors import DataError

if TYPE_CHECKING:
    from sweep.analysis.results import SweepStatus
    from sweep.suggest.definition import Suggestion

_QUESTION = "Column to predict"


def for_target(suggest: Callable[[str | None], Suggestion], target: str | None) -> Suggestion:
    """A suggestion; at a terminal, the column to predict is asked for where it cannot be guessed, or not surely.

    Asks again until the answer is a column that can be predicted.

    Args:
        suggest: Makes a suggestion for a target; ``None`` lets it guess.
        target: What the user named, if anything.

    Raises:
        DataError: The table cannot be used, or nobody can be asked for the target.
        typer.Abort: The user gives up.
    """
    guessed = None
    try:
        suggestion = suggest(target)
        if target is not None or not suggestion.others or not _at_terminal():
            return suggestion
        guessed = suggestion.target
        typer.echo(f"the target may be {guessed!r} or {', '.join(suggestion.others)}", err=True)
    except DataError as error:
        # Only that error says how to name the column, and only a terminal can answer.
        if "--target" not in str(error) or not _at_terminal():
            raise
        typer.echo(str(error), err=True)
    while True:
        answer = typer.prompt(_QUESTION, default=guessed, err=True)
        try:
            return suggest(answer)
        except DataError as error:
            typer.echo(str(error), err=True)


def confirm_delete(found: SweepStatus, where: str) -> None:
    """Goes on only if the user says yes.

    Args:
        found: The sweep that is to be deleted.
        where: The database or the service.

    Raises:
        UserError: Nobody can be asked.
        typer.Exit: The user says no.
    """
    if not sys.stdin.isatty():
        raise options.not_confirmed(found.name, "--yes")
    trials = f"{found.counts.finished:,} of {found.budget:,} trials"
    if not typer.confirm(f"delete {found.name} ({found.state}, {trials}) from {where}?", err=True):
        typer.echo("nothing was deleted", err=True)
        raise typer.Exit(1)


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
