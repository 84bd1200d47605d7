"""Commands that read what a database holds: they run and store nothing, but for what they are asked to write."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli import output as cli_output
from sweep.cli import remote
from sweep.cli.app import app
from sweep.cli.options import Force, Format, Json, Name, Server, Storage, Verbose, example, server_of
from sweep.commands.database import database_url, opened


@app.command("list", epilog=example("sweep list", "sweep list --json"))
def list_sweeps(json: Json = False, storage: Storage = None, server: Server = None, verbose: Verbose = False) -> None:
    """List the sweeps of a database."""
    if url := server_of(server, storage):
        remote.list_sweeps(url, json=json)
        return
    from sweep.analysis.status import statuses
    from sweep.cli import show as cli_show
    from sweep.texts.states import list_text

    with opened(storage) as store:
        found = statuses(store)
    if json:
        cli_output.emit(cli_show.json_text([status.to_dict() for status in found]))
    else:
        cli_output.emit_fitted(list_text(found, cli_output.terminal_width()))


@app.command(epilog=example("sweep status table"))
def status(
    name: Name, json: Json = False, storage: Storage = None, server: Server = None, verbose: Verbose = False
) -> None:
    """Say how far a sweep is."""
    if url := server_of(server, storage):
        remote.status(url, name, json=json)
        return
    from sweep.analysis import status as analysis
    from sweep.cli import show as cli_show
    from sweep.texts.states import status_text

    with opened(storage) as store:
        found = analysis.status(store, name)
    if json:
        cli_output.emit(cli_show.json_text(found.to_dict()))
    else:
        cli_output.emit_fitted(status_text(found))


@app.command(epilog=example("sweep best table", "sweep best table --json"))
def best(
    name: Name, json: Json = False, storage: Storage = None, server: Server = None, verbose: Verbose = False
) -> None:
    """Print the best configuration, with its honest score."""
    if url := server_of(server, storage):
        remote.best(url, name, json=json)
        return
    from sweep.analysis.summary import summarise
    from sweep.cli import show as cli_show
    from sweep.texts.best import best_text

    with opened(storage) as store:
        found = summarise(store, name)
    if json:
        cli_output.emit(cli_show.json_text(found.best_to_dict()))
    else:
        cli_output.emit_fitted(best_text(found))


@app.command(epilog=example("sweep report table", "sweep report table -o page.html"))
def report(
    name: Name,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to write it; - prints it.  [default: NAME.html]"),
    ] = None,
    force: Force = False,
    storage: Storage = None,
    server: Server = None,
    verbose: Verbose = False,
) -> None:
    """Make the page that shows the results.

    It begins with the answer, if `sweep answer` was asked for it. One HTML file that needs no network. It replaces an
    earlier report, and no other file unasked.
    """
    from sweep.commands.report import report as made
    from sweep.report.html import MARK

    to = cli_output.target(output or f"{name}.html", force=force, storage=database_url(storage), own=MARK)
    if url := server_of(server, storage):
        to.check()
        page = remote.report(url, name)
    else:
        with opened(storage) as store:
            to.check()
            page = made(store, name).page
    to.write(page)
    if to.file is not None:
        cli_output.emit(str(to.file.path))


@app.command(
    epilog=example(
        "sweep export table -o best.toml",
        "sweep run best.toml",
        "sweep export table --format json",
        "sweep export table --format python -o best.py",
        "python best.py table.csv",
        "sweep export table --format onnx -o best.onnx",
        "sweep export table --format sklearn -o pipeline.py",
    )
)
def export(
    name: Name,
    format: Annotated[Format, typer.Option("--format", help="What to write it as.")] = Format.toml,  # noqa: A002 - the option's name
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to write it; - is standard output.")
    ] = "-",
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", min=0, help="With predictions: in place of the best one.")
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option("--ensemble", metavar="S", min=1, help="Networks, whose answers are averaged (onnx, sklearn)."),
    ] = None,
    force: Force = False,
    storage: Storage = None,
    server: Server = None,
    verbose: Verbose = False,
) -> None:
    """Write the best configuration in a form that other programs read.

    toml is a definition of one trial: run, it gives the same score, bit for bit on the same type of CPU. python and
    keras are scripts that cross-validate the network on your own file, in PyTorch or Keras, without this program;
    sklearn is one with a pipeline of this program's estimator. onnx is the network, trained on all rows, with all that
    the columns go through before. predictions are those of a trial for the rows that its networks were not trained on,
    as CSV or Parquet.
    """
    from sweep.commands import export as exporting

    to = cli_output.target(output, force=force, storage=database_url(storage))
    url = server_of(server, storage)
    exporting.check(format, trial, ensemble, printed=to.file is None, here=not url)
    if url:
        to.check()
        content = remote.export(url, name, format, trial, ensemble, output)
    else:
        with opened(storage) as store:
            to.check()
            content = exporting.exported(store, name, format, trial, ensemble or 1, output)
    to.write(content)
    if to.file is not None:
        typer.echo(f"wrote {output}", err=True)


@app.command(epilog=example("sweep dashboard", "sweep dashboard --port 9000"))
def dashboard(
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.")] = 8080,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="To listen on; another than loopback inside containers only."),
    ] = "127.0.0.1",
    wait: Annotated[
        bool, typer.Option("--wait", help="For a database that is not there yet, instead of an error.")
    ] = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Serve the Optuna dashboard on the database.

    On loopback, for this machine alone, until Ctrl-C.
    """
    from sweep.cli.dashboard import serve

    def ready(address: str) -> None:
        cli_output.emit(f"{address}  (Ctrl-C ends it)")

    def say(text: str) -> None:
        typer.echo(text, err=True)

    serve(database_url(storage), host, port, wait=wait, ready=ready, say=say)
