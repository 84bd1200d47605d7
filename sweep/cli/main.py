"""The command line. Wiring only: what a command does is in the modules it calls.

Results go to standard output, everything else to standard error; ``errors.py`` has the exit statuses. What takes
long to import is imported by the command that needs it, so that ``--help`` and a wrong option answer at once.

Where to look: ``run.py`` runs a sweep, ``progress.py`` shows how far it is, ``show.py`` and
``check.py`` have the text of results, ``output.py`` prints or writes them, ``dashboard.py`` serves Optuna's dashboard.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command

from sweep import settings
from sweep.cli import errors as cli_errors
from sweep.cli import output as cli_output
from sweep.cli.options import (
    Changes,
    Definition,
    Force,
    Format,
    Json,
    Name,
    NewName,
    Storage,
    Trials,
    Verbose,
    example,
    show_version,
)
from sweep.spec.source import shown_source

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec
    from sweep.store.store import Store

HELP = """Does dropout help on your table of data, where, and how much?

\b
$ sweep init table.csv       write a definition fitted to a table
$ sweep check table.toml     say what it would run
$ sweep run table.toml       run it, or go on with it
$ sweep report table         make the page that shows the results

\b
$ sweep run breast_cancer    a definition that comes with the program
"""

ENVIRONMENT = """\b
Environment:
  SWEEP_STORAGE  database URL, where --storage is not given
  SWEEP_LOG      debug, info, warning or error
  SWEEP_CACHE    folder for downloaded tables
"""

app = typer.Typer(
    name="sweep",
    help=HELP,
    epilog=ENVIRONMENT,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """The program ``sweep``."""
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


# --- commands ---------------------------------------------------------------------------------------------------------


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

    to = cli_output.target(output or f"{table_name(table)}.toml", force=force, storage=_url(None), source=table)
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
    spec = _load(definition, name, trials, changes)
    typer.echo(f"reading {shown_source(spec.data.source)}; measuring for a moment", err=True)
    from sweep.cli import check as cli_check
    from sweep.cli import run as cli_run
    from sweep.cli import show as cli_show
    from sweep.launch.cluster import default_workers
    from sweep.run.prepare import prepare
    from sweep.run.preview import preview
    from sweep.training.device import resolve

    setup, device = prepare(spec), resolve("auto")
    stored = cli_run.stored_status(setup, _url(storage))
    ahead = preview(setup, workers=default_workers(device), device=device)
    if json:
        cli_output.emit(cli_show.json_text(cli_check.check_dict(setup, ahead, stored)))
    else:
        cli_output.emit_fitted(cli_check.check_text(setup, ahead, stored))


@app.command(
    epilog=example("sweep run table.toml", "sweep run breast_cancer --name quick --trials 16 --set training.epochs=20")
)
def run(
    definition: Definition,
    name: NewName = None,
    trials: Trials = None,
    changes: Changes = None,
    cluster: Annotated[
        str,
        typer.Option(
            "--cluster",
            metavar="inline|local|ADDRESS",
            help="Train in this process, in processes on this machine, or on the workers of a Dask scheduler.",
        ),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes of --cluster local.  [default: one a core]"),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            "--device", metavar="auto|cpu|cuda:N", help="What to train on; auto: CUDA if this machine has any."
        ),
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing on standard error but errors.")] = False,
    json: Json = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Run a sweep, or go on with it.

    What is in the database is not trained again: after Ctrl-C or a power cut the same command goes on. Prints the best
    configuration with its honest score.
    """
    spec, url = _load(definition, name, trials, changes), _url(storage)
    from sweep.cli.progress import display

    with cli_errors.interruptible(), display(quiet=quiet) as shown:
        if (beside := Path(f"{definition}.toml")).is_file() and not Path(definition).exists():
            shown.say(f"{definition} is the definition that comes with the program; {beside} is another one")
        if cluster == "local":
            from sweep.launch import forkserver

            forkserver.start()  # workers import while this process does
        shown.doing("loading PyTorch")
        from sweep.cli import run as cli_run
        from sweep.cli import show as cli_show

        summary = cli_run.run(spec, url, cluster=cluster, workers=workers, device=device, display=shown)
    if json:
        cli_output.emit(cli_show.json_text(summary.best_to_dict()))
        return
    cli_output.emit_fitted(cli_show.best_text(summary))
    if not quiet:
        typer.echo(cli_show.after_run(spec.name, storage), err=True)


@app.command("list", epilog=example("sweep list", "sweep list --json"))
def list_sweeps(json: Json = False, storage: Storage = None, verbose: Verbose = False) -> None:
    """List the sweeps of a database."""
    from sweep.analysis.summary import statuses
    from sweep.cli import show as cli_show

    with _opened(storage) as store:
        found = statuses(store)
    if json:
        cli_output.emit(cli_show.json_text([status.to_dict() for status in found]))
    elif found:
        cli_output.emit_fitted(cli_show.list_text(found, cli_output.terminal_width()))
    else:
        cli_output.emit_fitted("no sweep yet: sweep run stores the first one")


@app.command(epilog=example("sweep status table"))
def status(name: Name, json: Json = False, storage: Storage = None, verbose: Verbose = False) -> None:
    """Say how far a sweep is."""
    from sweep.analysis import summary
    from sweep.cli import show as cli_show

    with _opened(storage) as store:
        found = summary.status(store, name)
    if json:
        cli_output.emit(cli_show.json_text(found.to_dict()))
    else:
        cli_output.emit_fitted(cli_show.status_text(found))


@app.command(epilog=example("sweep best table", "sweep best table --json"))
def best(name: Name, json: Json = False, storage: Storage = None, verbose: Verbose = False) -> None:
    """Print the best configuration, with its honest score."""
    from sweep.analysis.summary import summarise
    from sweep.cli import show as cli_show

    with _opened(storage) as store:
        found = summarise(store, name)
    if json:
        cli_output.emit(cli_show.json_text(found.best_to_dict()))
    else:
        cli_output.emit_fitted(cli_show.best_text(found))


@app.command(epilog=example("sweep report table", "sweep report table -o page.html"))
def report(
    name: Name,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to write it; - prints it.  [default: NAME.html]"),
    ] = None,
    force: Force = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Make the page that shows the results.

    One HTML file that needs no network. It replaces an earlier report, and no other file unasked.
    """
    from sweep.analysis.summary import summarise
    from sweep.report import html as page

    to = cli_output.target(output or f"{name}.html", force=force, storage=_url(storage), own=page.MARK)
    with _opened(storage) as store:
        to.check()
        found = summarise(store, name)
    to.write(page.render(found))
    if to.file is not None:
        cli_output.emit(str(to.file.path))


@app.command(
    epilog=example("sweep export table -o best.toml", "sweep run best.toml", "sweep export table --format json")
)
def export(
    name: Name,
    format: Annotated[Format, typer.Option("--format", help="A definition, or a JSON document.")] = Format.toml,  # noqa: A002 - the option's name
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to write it; - is standard output.")
    ] = "-",
    force: Force = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Write the best configuration as TOML or JSON.

    The TOML is a definition of one trial: run, it gives the same score, bit for bit on the same type of CPU.
    """
    from sweep.analysis.summary import summarise
    from sweep.export import definition

    to = cli_output.target(output, force=force, storage=_url(storage))
    with _opened(storage) as store:
        to.check()
        found = summarise(store, name)
    to.write(definition.to_toml(found) if format is Format.toml else definition.to_json(found))
    if to.file is not None:
        typer.echo(f"wrote {output}", err=True)


@app.command(epilog=example("sweep dashboard", "sweep dashboard --port 9000"))
def dashboard(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="On 127.0.0.1; 0 takes a free one.")
    ] = 8080,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Serve the Optuna dashboard on the database.

    On loopback, for this machine alone, until Ctrl-C.
    """
    from sweep.cli.dashboard import serve

    def ready(address: str) -> None:
        cli_output.emit(f"{address}  (Ctrl-C ends it)")

    serve(_url(storage), port, ready)


# --- what commands share ----------------------------------------------------------------------------------------------


def _load(definition: str, name: str | None, trials: int | None, changes: Sequence[str] | None) -> SweepSpec:
    from sweep.spec import definition as spec

    options = {} if name is None else {"--name": f"name={name}"}
    options |= {} if trials is None else {"--trials": f"search.trials={trials}"}
    return spec.load(definition, changes or (), options)


def _url(storage: str | None) -> str:
    return storage or settings.storage_url()


@contextmanager
def _opened(storage: str | None) -> Iterator[Store]:
    """The database, for reading: never made here."""
    from sweep.store.store import Store

    with Store.open(_url(storage)) as store:
        yield store
