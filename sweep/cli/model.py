"""Commands that train a chosen configuration on all rows, and predict with what comes of it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import errors as cli_errors
from sweep.cli import output as cli_output
from sweep.cli.app import app, database_url, opened
from sweep.cli.options import Device, Name, Quiet, Storage, Verbose, example
from sweep.errors import DataError

if TYPE_CHECKING:
    pass


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
    from sweep.commands.progress import Standing, display
    from sweep.model.folder import FolderTarget
    from sweep.spec.source import is_local, local_file
    from sweep.store.database import files_of

    never = dict.fromkeys(files_of(url), "a file of the database")
    to = FolderTarget(folder, force, never)
    with cli_errors.interruptible(), display(quiet=quiet) as shown, opened(storage) as store:
        to.check()
        shown.doing("loading PyTorch")
        from sweep.analysis.summary import summarise
        from sweep.model.refit import choose_trial, refit

        shown.doing("reading the sweep")
        summary = summarise(store, name)
        choice = choose_trial(summary, trial, placement)
        source = summary.spec.data.source
        if is_local(source):
            to = replace(to, never={**never, local_file(source, summary.spec.base_dir): "the table"})
            to.check()

        def on_epoch(epoch: int) -> None:
            if shown.standing is None:
                shown.say(f"training trial {choice.trial.number} on all rows")
                shown.begin(Standing(name, summary.metric, choice.trial.epoch, unit="epoch"))
            else:
                shown.standing.take(epoch, {})
                shown.update()

        shown.doing("reading the table")
        made = refit(
            store, summary, choice, ensemble=ensemble, device=device, folder=folder.resolve().name, on_epoch=on_epoch
        )
        shown.doing("writing the model")
        to.write(made.model, config=made.config, card=made.card)
    cli_output.emit(str(folder))


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
    to = cli_output.target(output, force=force, storage=database_url(None), source=table)
    if to.file is not None:
        to = replace(to, file=replace(to.file, never={**to.file.never, **_files_of(model)}))
    to.check()
    from sweep.model.folder import read_model
    from sweep.model.predictions import written
    from sweep.tables.load import read_for

    trained = read_model(model)
    rows = read_for(trained.recipe, table, None)
    found = trained.predict(rows, passes=passes, seed=seed, unseen=unseen)
    for note in found.notes:
        typer.echo(note, err=True)
    try:
        score = trained.score(rows, found)
    except DataError as error:
        typer.echo(f"no score: {error}", err=True)
    else:
        if score is not None:
            typer.echo(f"{rows.source}: {score}", err=True)
    to.write(written(found.columns(), output))
    if to.file is not None:
        typer.echo(f"wrote {output}", err=True)


def _files_of(model: str) -> dict[Path, str]:
    from sweep.model.folder import FILES, MANIFEST

    return dict.fromkeys((Path(model) / name for name in (*FILES, MANIFEST)), "a file of the model")
