"""Commands with ``--server``: what :mod:`sweep.commands.remote` does, and what is printed of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from sweep import settings
from sweep.cli import output as cli_output
from sweep.errors import UserError

if TYPE_CHECKING:
    from sweep.commands.client import Client
    from sweep.commands.progress import Display
    from sweep.spec.model import SweepSpec


def list_sweeps(url: str, *, json: bool) -> None:
    """``sweep list``."""
    from sweep.commands import remote
    from sweep.texts.states import list_text

    with _client(url) as client:
        found = remote.statuses(client)
    if json:
        _emit_json([status.to_dict() for status in found])
    else:
        cli_output.emit_fitted(list_text(found, cli_output.terminal_width()))


def status(url: str, name: str, *, json: bool) -> None:
    """``sweep status``."""
    from sweep.commands import remote
    from sweep.texts.states import status_text

    with _client(url) as client:
        found = remote.status(client, name)
    if json:
        _emit_json(found.to_dict())
    else:
        cli_output.emit_fitted(status_text(found))


def best(url: str, name: str, *, json: bool) -> None:
    """``sweep best``."""
    with _client(url) as client:
        _show(client, name, "best", json=json)


def run(url: str, spec: SweepSpec, priority: int, *, wait: bool, quiet: bool, json: bool) -> None:
    """``sweep run``: the service's runner trains; Ctrl-C ends the looking on, not the sweep."""
    from sweep.commands import remote
    from sweep.texts.states import queued_text

    with _shown(quiet=quiet) as display, _client(url, display) as client:
        found = remote.submit(client, spec, priority, display)
        if wait:
            display.say(f"{found.name} is at {client.address}/sweeps/{found.name}")
            remote.follow(client, found.name, display)
            display.doing("computing the honest score")
    with _client(url) as client:
        if wait:
            _show(client, spec.name, "best", json=json)
        elif json:
            _emit_json(found.to_dict())
        else:
            cli_output.emit_fitted(queued_text(found))


def answer(url: str, name: str, request: Mapping[str, Any], *, quiet: bool, json: bool) -> None:
    """``sweep answer``."""
    from sweep.commands import remote

    with _shown(quiet=quiet) as display, _client(url, display) as client:
        remote.answer(client, name, request, display)
    with _client(url) as client:
        _show(client, name, "answer", json=json, rules=request["rules"], nested=request["nested"])


def export(url: str, name: str, form: str, trial: int | None, ensemble: int | None, output: str) -> bytes | str:
    """What ``sweep export`` writes: a text where it goes to standard output."""
    from sweep.commands import remote
    from sweep.model.predictions import is_parquet

    if form == "predictions" and is_parquet(output):
        raise UserError(f"a service gives predictions as CSV, however: -o {output}; a name that ends in .csv is right")
    with _shown(quiet=False) as display, _client(url, display) as client:
        content = remote.export(client, name, form, trial, ensemble, display)
    return content.decode() if output == "-" else content


def report(url: str, name: str) -> str:
    """The page that ``sweep report`` writes."""
    from sweep.commands.client import path_of

    with _client(url) as client:
        return client.file(path_of("sweeps", name, "report")).decode()


def want(url: str, name: str, what: str) -> None:
    """``sweep pause``, ``resume`` and ``cancel``."""
    from sweep.commands.client import path_of

    with _client(url) as client:
        cli_output.emit(client.post(path_of("sweeps", name, what))["said"])


def delete(url: str, name: str, *, yes: bool) -> None:
    """``sweep delete``."""
    from sweep.cli.ask import confirm_delete
    from sweep.commands import remote
    from sweep.commands.client import path_of

    with _client(url) as client:
        found = remote.status(client, name)
        if not yes:
            confirm_delete(found, client.address)
        client.delete(path_of("sweeps", name))
    cli_output.emit(f"deleted {name}")


def _show(client: Client, name: str, what: str, *, json: bool, **params: bool) -> None:
    from sweep.commands.client import path_of

    if json:
        _emit_json(client.get(path_of("sweeps", name, what)))
    else:
        cli_output.emit_fitted(client.text(path_of("sweeps", name, what), **params).rstrip("\n"))


def _emit_json(document: Any) -> None:
    from sweep.cli import show as cli_show

    cli_output.emit(cli_show.json_text(document))


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Display]:
    from sweep.cli import errors as cli_errors
    from sweep.commands.display import display

    with cli_errors.interruptible(), display(quiet=quiet) as shown:
        yield shown


@contextmanager
def _client(url: str, display: Display | None = None) -> Iterator[Client]:
    from sweep.commands.client import Client

    def say(text: str) -> None:
        typer.echo(text, err=True)

    with Client(url, settings.server_token(), say if display is None else display.say) as client:
        yield client
