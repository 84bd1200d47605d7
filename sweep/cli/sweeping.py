"""Commands that make, check and run a sweep, and have it answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli import errors as cli_errors
from sweep.cli import output as cli_output
from sweep.cli import remote
from sweep.cli.app import app
from sweep.cli.options import (
    Changes,
    Cluster,
    Definition,
    Device,
    Force,
    Json,
    Name,
    NewName,
    Quiet,
    Server,
    Storage,
    Trials,
    Verbose,
    Workers,
    example,
    server_of,
)
from sweep.commands import options
from sweep.commands.database import database_url
from sweep.spec.source import shown_source


@app.command(epilog=example("sweep init table.csv --target diagnosis", "sweep run table.toml"))
def init(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="A file, a URL, sklearn:NAME or openml:ID, as for data.source.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="COLUMN", help="The column to predict: a name, or a position such as 0 or -1."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to write it; - prints it.  [default: TABLE.toml]"),
    ] = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Write a definition fitted to a table.

    Metric, epochs, batch size, network and search space are chosen by the table, each with its reason in a comment. It
    runs as it stands.
    """
    typer.echo(f"reading {table}", err=True)
    from sweep.cli import ask as cli_ask
    from sweep.cli import show as cli_show
    from sweep.suggest.definition import suggest, table_name

    to = cli_output.target(output or f"{table_name(table)}.toml", force=force, storage=database_url(None), source=table)
    to.check()
    path = None if to.file is None else to.file.path
    suggestion = cli_ask.for_target(lambda chosen: suggest(table, chosen, path), target)
    for note in suggestion.notes:
        typer.echo(note, err=True)
    to.write(suggestion.text)
    if path is not None:
        typer.echo(f"wrote {path}", err=True)
        typer.echo(cli_show.after_init(path), err=True)


@app.command(epilog=example("sweep check table.toml", "sweep check breast_cancer --set training.epochs=50"))
def check(
    definition: Definition,
    name: NewName = None,
    trials: Trials = None,
    changes: Changes = None,
    json: Json = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Say what a definition would run, and about how long.

    Checks definition, table and folds, and whether a sweep of that name could go on. Runs and stores nothing: the time
    is estimated by training for a moment.
    """
    from sweep.commands.definition import load

    spec = load(definition, name, trials, changes, prefix="--")
    typer.echo(f"reading {shown_source(spec.data.source)}; measuring for a moment", err=True)
    from sweep.cli import show as cli_show
    from sweep.commands.check import check as checked

    found = checked(spec, database_url(storage))
    if json:
        cli_output.emit(cli_show.json_text(found.to_dict()))
    else:
        cli_output.emit_fitted(str(found))


@app.command(
    epilog=example("sweep run table.toml", "sweep run breast_cancer --name quick --trials 16 --set training.epochs=20")
)
def run(
    definition: Definition,
    name: NewName = None,
    trials: Trials = None,
    changes: Changes = None,
    cluster: Cluster = "local",
    workers: Workers = None,
    device: Device = "auto",
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Store definition and table for a `sweep runner` on this database, and return."),
    ] = False,
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", help="With --queue or --server: runners take the highest first.")
    ] = 0,
    quiet: Quiet = False,
    json: Json = False,
    storage: Storage = None,
    server: Server = None,
    verbose: Verbose = False,
) -> None:
    """Run a sweep, or go on with it.

    What is in the database is not trained again: after Ctrl-C or a power cut the same command goes on. Prints the best
    configuration with its honest score.
    """
    from sweep.commands.definition import load

    spec = load(definition, name, trials, changes, prefix="--")
    service, url = server_of(server, storage), database_url(storage)
    if queue or service:
        here = {"--cluster": cluster != "local", "--workers": workers is not None, "--device": device != "auto"}
        options.check_queue(**here)
    if service:
        remote.run(service, spec, priority, wait=not queue, quiet=quiet, json=json)
        return
    if queue:
        from sweep.cli import operating

        operating.submit(spec, url, priority, quiet=quiet, json=json)
        return
    if priority:
        raise options.only_for_queue("--priority", priority)
    from sweep.commands.display import display

    with cli_errors.interruptible(), display(quiet=quiet) as shown:
        if (beside := Path(f"{definition}.toml")).is_file() and not Path(definition).exists():
            shown.say(f"{definition} is the definition that comes with the program; {beside} is another one")
        if cluster == "local":
            from sweep.launch import forkserver

            forkserver.start()  # workers import while this process does
        shown.doing("loading PyTorch")
        from sweep.answer.choose import comparable
        from sweep.cli import show as cli_show
        from sweep.commands import run as running
        from sweep.texts.best import best_text

        summary = running.run(spec, url, cluster=cluster, workers=workers, device=device, display=shown)
    if json:
        cli_output.emit(cli_show.json_text(summary.best_to_dict()))
        return
    cli_output.emit_fitted(best_text(summary))
    if not quiet:
        to_answer = comparable(spec.space.placements)
        typer.echo(cli_show.after_run(spec.name, storage, to_answer=to_answer), err=True)


@app.command(epilog=example("sweep answer table", "sweep answer table --repeats 40"))
def answer(
    name: Name,
    repeats: Annotated[
        int | None,
        typer.Option(
            "--repeats",
            metavar="N",
            min=1,
            help="Repeats of fresh folds, in all. More of them may settle what could not be told.  [default: as many "
            "as there are, else 10 to 20]",
        ),
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="Check the rules of thumb of the dropout literature on this table, too.")
    ] = False,
    nested: Annotated[
        bool,
        typer.Option(
            "--nested",
            help="Say whether tuning dropout pays on data like this, too: nested cross-validation, many times the "
            "sweep's time.",
        ),
    ] = False,
    outer: Annotated[
        int | None,
        typer.Option(
            "--outer", metavar="N", min=2, help="Outer folds of --nested.  [default: as many as the definition's folds]"
        ),
    ] = None,
    cluster: Cluster = "local",
    workers: Workers = None,
    device: Device = "auto",
    quiet: Quiet = False,
    json: Json = False,
    storage: Storage = None,
    server: Server = None,
    verbose: Verbose = False,
) -> None:
    """Say whether dropout helps, where, how much, and how sure that is.

    Trains the best network of every placement of a finished sweep again, beside the best one without dropout and beside
    itself with its dropout removed, on fresh folds with fresh seeds. What is trained is kept: the same command goes on
    after Ctrl-C, and more repeats add to those that are there.
    """
    if service := server_of(server, storage):
        request = {"repeats": repeats, "rules": rules, "nested": nested, "outer": outer}
        here = {"--cluster": cluster != "local", "--workers": workers is not None, "--device": device != "auto"}
        options.check_queue(**here)
        remote.answer(service, name, request, quiet=quiet, json=json)
        return
    url = database_url(storage)
    from sweep.commands.display import display

    with cli_errors.interruptible(), display(quiet=quiet) as shown:
        if cluster == "local":
            from sweep.launch import forkserver

            forkserver.start()  # workers import while this process does
        shown.doing("loading PyTorch")
        from sweep.cli import show as cli_show
        from sweep.commands import answer as answering

        found = answering.answer_sweep(
            name,
            url,
            repeats=repeats,
            rules=rules,
            nested=nested,
            outer=outer,
            cluster=cluster,
            workers=workers,
            device=device,
            display=shown,
        )
    if json:
        cli_output.emit(cli_show.json_text(found.to_dict()))
        return
    cli_output.emit_fitted(str(found))
    if not quiet:
        typer.echo(cli_show.after_run(name, storage, to_answer=False), err=True)
