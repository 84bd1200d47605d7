"""Options that several commands have, so that they are spelled and explained alike."""

from __future__ import annotations

import platform
from enum import StrEnum
from typing import Annotated

import typer

from sweep import settings
from sweep.cli import errors as cli_errors
from sweep.cli.output import emit
from sweep.errors import UserError
from sweep.export import versions


def example(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["\b\nExample:", *(f"  $ {line}" for line in lines)])


class Format(StrEnum):
    """What ``sweep export`` writes."""

    toml = "toml"
    json = "json"
    python = "python"
    keras = "keras"
    onnx = "onnx"
    sklearn = "sklearn"
    predictions = "predictions"


def show_version(wanted: bool) -> None:
    """What ``--version`` does."""
    if wanted:
        emit(f"sweep {versions.installed('dropout-sweep')} (Python {platform.python_version()})")
        raise typer.Exit


def server_of(server: str | None, storage: str | None) -> str | None:
    """The service that a command is about; ``None`` where it is about a database.

    Raises:
        UserError: Both are given.
    """
    if server and storage:
        raise UserError("--server and --storage do not go together: a service has a database of its own")
    return server or (None if storage else settings.server_url())


def _log_everything(wanted: bool) -> None:
    if wanted:
        cli_errors.configure_logging(debug=True)


Definition = Annotated[str, typer.Argument(metavar="DEFINITION", help="A file, or the name of a shipped definition.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of a sweep in the database.")]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="The database: sqlite:///FILE or postgresql://USER@HOST/NAME. Without it $SWEEP_STORAGE, else "
        f"{settings.DEFAULT_STORAGE}.",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="A service (sweep serve) in place of a database: its runner does the work. $SWEEP_TOKEN holds the token.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", help="Log everything to standard error.", callback=_log_everything, is_eager=True),
]
NewName = Annotated[str | None, typer.Option("--name", metavar="NAME", help="In place of the definition's name.")]
Trials = Annotated[int | None, typer.Option("--trials", metavar="N", min=1, help="In place of search.trials.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the definition. May be repeated."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
Cluster = Annotated[
    str,
    typer.Option(
        "--cluster",
        metavar="inline|local|ADDRESS",
        help="Train in this process, in processes on this machine, or on the workers of a Dask scheduler.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Processes of --cluster local.  [default: one a core]"),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda:N", help="What to train on; auto: CUDA if this machine has any."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing on standard error but errors.")]
