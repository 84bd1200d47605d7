"""``sweep serve``: the pages and the API, and by default a runner beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep import settings
from sweep.cli.app import app
from sweep.cli.options import Storage, Verbose, example
from sweep.commands.database import database_url


@app.command(epilog=example("sweep serve", "SWEEP_OPERATOR_TOKEN=… sweep serve --host 0.0.0.0 --behind-tls"))
def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any free one.")] = 8000,
    storage: Storage = None,
    with_runner: Annotated[
        bool | None,
        typer.Option(
            "--with-runner/--no-runner",
            help="Start a runner on this machine, too.  [default: where only this machine can reach it]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes of that runner.  [default: one a core]"),
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option("--tokens", metavar="FILE", help="With lines `operator sha256:HEX`, or `viewer …`.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")] = None,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help="A proxy in front of it speaks TLS with browsers.")
    ] = False,
    public_host: Annotated[
        list[str] | None,
        typer.Option("--public-host", metavar="NAME", help="By which it is called besides. May be repeated."),
    ] = None,
    allow_source: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-source", metavar="START", help="Of addresses that definitions may read from. May be repeated."
        ),
    ] = None,
    max_upload: Annotated[
        int, typer.Option("--max-upload", metavar="MIB", min=1, max=2047, help="Of a table that is handed in.")
    ] = 256,
    verbose: Verbose = False,
) -> None:
    """Serve pages and an API to launch sweeps, watch them, and take away what they found.

    Anybody who can reach it may use it, unless there are tokens: SWEEP_OPERATOR_TOKEN, SWEEP_VIEWER_TOKEN, or a file.
    On other addresses than loopback it takes one. Until Ctrl-C or SIGTERM.
    """
    given = settings.take_tokens()  # first: nothing that is started inherits them
    url = database_url(storage)
    from sweep.service.access import read_tokens
    from sweep.service.options import ServeOptions
    from sweep.service.server import Listening, resolve, runner_line
    from sweep.service.server import serve as run

    beside = resolve(host).is_loopback if with_runner is None else with_runner
    if workers is not None and not beside:
        raise typer.BadParameter("is for the runner, however: there is none (--with-runner)", param_hint="--workers")
    upload_bytes = max_upload * 2**20
    run(
        ServeOptions(
            url,
            tokens=read_tokens(given, tokens),
            upload_bytes=upload_bytes,
            stored_bytes=20 * upload_bytes,
            sources=tuple(allow_source or ()),
        ),
        Listening(
            host,
            port,
            tls_cert,
            tls_key,
            tuple(public_host or ()),
            behind_tls,
            runner_line(workers) if beside else None,
        ),
        lambda address: typer.echo(f"sweep is at {address}  (Ctrl-C ends it)", err=True),
    )
