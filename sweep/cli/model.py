"""Commands that train a chosen configuration on all rows, and predict with what comes of it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli import errors as cli_errors
from sweep.cli import output as cli_output
from sweep.cli.app import app
from sweep.cli.options import Device, Name, Quiet, Storage, Verbose, example
from sweep.commands.database import database_url, opened


class Unseen(StrEnum):
    """What levels of a category are that were never seen."""

    error = "error"
    ignore = "ignore"


@app.command(epilog=example("sweep fit table -o model", "sweep predict model new.csv -o predictions.csv"))
def fit(
    name: Name,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="DIR", help="The folder to write.  [default: NAME-model]"),
    ] = None,
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", min=0, help="This trial in place of the best one.")
    ] = None,
    placement: Annotated[
        str | None, typer.Option("--placement", metavar="P", help="The best trial of this placement of dropout.")
    ] = None,
    ensemble: Annotated[
        int, typer.Option("--ensemble", metavar="S", min=1, help="Networks that differ by their random numbers.")
    ] = 1,
    device: Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
    quiet: Quiet = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Train the best configuration on all rows, and write the model.

    It is a folder of weights (safetensors), preprocessing (JSON), the definition, a card for people, and a manifest
    with hashes; nothing in it can be executed. Its `card.md` says how good the model is, and how to use it.
    """
    url = database_url(storage)
    folder = Path(output or f"{name}-model")
    from sweep.commands.display import display

    with cli_errors.interruptible(), display(quiet=quiet) as shown, opened(storage) as store:
        shown.doing("loading PyTorch")
        from sweep.commands.fit import Where
        from sweep.commands.fit import fit as fitted

        where = Where(folder, force, url)
        made = fitted(
            store, name, where, trial=trial, placement=placement, ensemble=ensemble, device=device, display=shown
        )
    cli_output.emit(str(made))


@app.command(epilog=example("sweep predict model new.csv -o predictions.csv", "sweep predict model new.csv -o -"))
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder that `sweep fit` wrote.")],
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A file, a URL, sklearn:NAME or openml:ID.")],
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to write: CSV, or Parquet if it ends so; - prints CSV."
        ),
    ],
    passes: Annotated[
        int,
        typer.Option(
            "--passes", metavar="S", min=0, help="Passes with dropout on that give mean and spread.  [default: none]"
        ),
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of what --passes drops.")] = 0,
    unseen: Annotated[
        Unseen, typer.Option("--unseen", help="What a level of a category is that training never saw.")
    ] = Unseen.error,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    verbose: Verbose = False,
) -> None:
    """Predict a table with a model.

    Writes a row for each row of the table: the prediction, and the probability of each class. Needs no database. Where
    the table holds the target, too, the score on it is said.
    """
    from sweep.commands import predict as predicting

    to = cli_output.target(output, force=force, storage=database_url(None), source=table)
    if to.file is not None:
        to = replace(to, file=predicting.beside_model(to.file, model))
    to.check()
    found = predicting.predict(model, table, passes=passes, seed=seed, unseen=unseen)
    for remark in found.remarks:
        typer.echo(remark, err=True)
    to.write(found.written(output))
    if to.file is not None:
        typer.echo(f"wrote {output}", err=True)
