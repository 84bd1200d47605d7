"""Commands that say what is wanted of sweeps, and the one that does it: the queue and its runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import errors as cli_errors
from sweep.cli import output as cli_output
from sweep.cli import remote
from sweep.cli.app import app
from sweep.cli.options import Cluster, Device, Name, Quiet, Server, Storage, Verbose, Workers, example, server_of
from sweep.commands.database import database_url, opened

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec


@app.command(epilog=example("sweep runner", "sweep runner --cluster tcp://scheduler:8786"))
def runner(
    cluster: Cluster = "local",
    workers: Workers = None,
    device: Device = "auto",
    poll: Annotated[
        float, typer.Option("--poll", metavar="SECONDS", min=0.1, max=3600, help="Between two looks at the queue.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is queued that it could run.")] = False,
    no_jobs: Annotated[
        bool, typer.Option("--no-jobs", help="Leave estimates and exports, which a service asks for, to other runners.")
    ] = False,
    quiet: Quiet = False,
    storage: Storage = None,
    verbose: Verbose = False,
) -> None:
    """Run what `sweep run --queue` has stored, by priority and age.

    Until Ctrl-C or SIGTERM, which it heeds within seconds. It keeps nothing but what is in the database: ended in any
    way and started again, it goes on. Several of them share the work.
    """
    url = database_url(storage)
    from sweep.commands.display import display

    with cli_errors.interruptible(), display(quiet=quiet) as shown:
        jobs = not (no_jobs or once)
        if jobs or cluster == "local":
            from sweep.launch import forkserver

            forkserver.start()  # what is forked from it imports while this process does
        shown.doing("loading PyTorch")
        from sweep.commands.queue import work

        work(url, cluster=cluster, workers=workers, device=device, poll=poll, once=once, jobs=jobs, display=shown)


@app.command(epilog=example("sweep pause table", "sweep resume table"))
def pause(name: Name, storage: Storage = None, server: Server = None, verbose: Verbose = False) -> None:
    """Have a sweep rest, until it is resumed.

    Whoever runs it stops within seconds; everything finished is kept.
    """
    if url := server_of(server, storage):
        remote.want(url, name, "pause")
        return
    from sweep.operate.orders import rest

    with opened(storage) as store:
        cli_output.emit(rest(store, name, "paused"))


@app.command(epilog=example("sweep resume table"))
def resume(name: Name, storage: Storage = None, server: Server = None, verbose: Verbose = False) -> None:
    """Have runners go on with a sweep that rests or has failed."""
    if url := server_of(server, storage):
        remote.want(url, name, "resume")
        return
    from sweep.operate.orders import resume as go_on

    with opened(storage) as store:
        cli_output.emit(go_on(store, name))


@app.command(epilog=example("sweep cancel table"))
def cancel(name: Name, storage: Storage = None, server: Server = None, verbose: Verbose = False) -> None:
    """Give a sweep up.

    Whoever runs it stops within seconds; everything finished is kept, and `sweep resume` takes it up again.
    """
    if url := server_of(server, storage):
        remote.want(url, name, "cancel")
        return
    from sweep.operate.orders import rest

    with opened(storage) as store:
        cli_output.emit(rest(store, name, "cancelled"))


@app.command(epilog=example("sweep delete table", "sweep delete table --yes"))
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = None,
    server: Server = None,
    verbose: Verbose = False,
) -> None:
    """Delete a sweep: its study, its trials, its answer, its place in the queue.

    One that is being run is cancelled first.
    """
    if url := server_of(server, storage):
        remote.delete(url, name, yes=yes)
        return
    from sweep.analysis.status import status
    from sweep.cli.ask import confirm_delete
    from sweep.operate.remove import delete as remove

    with opened(storage) as store:
        found = status(store, name)
        if not yes:
            confirm_delete(found, store.shown)
        remove(store, name, lambda said: typer.echo(said, err=True))
    cli_output.emit(f"deleted {name}")


def submit(spec: SweepSpec, storage: str, priority: int, *, quiet: bool, json: bool) -> None:
    """What ``sweep run --queue`` does.

    Raises:
        UserError: Definition, table, priority or an earlier sweep of that name do not allow it; nothing was stored.
    """
    from sweep.cli import show as cli_show
    from sweep.commands.queue import queue
    from sweep.texts.states import queued_text

    def say(text: str) -> None:
        if not quiet:
            typer.echo(text, err=True)

    found = queue(spec, storage, priority, say)
    if json:
        cli_output.emit(cli_show.json_text(found.to_dict()))
    else:
        cli_output.emit_fitted(queued_text(found))
