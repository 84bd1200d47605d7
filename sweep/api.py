"""What the command line does, for notebooks and scripts, by the same names.

::

    from sweep import api

    api.run("breast_cancer", trials=32, changes={"training.epochs": 20})
    api.answer("breast_cancer")          # shows itself: a sentence, a picture, a table
    print(api.best("breast_cancer"))     # what `sweep best` prints
    api.best("breast_cancer").to_dict()  # what `sweep best --json` prints

Functions are commands, arguments their options (docs/cli.md explains them). Three things differ. Training is in this
process unless ``cluster="local"`` asks for others. ``changes`` stands for ``--set``, with values in place of text. And
what a command writes into a file is returned where no ``output`` is given.

``definition`` is a file, the name of a shipped one, a dictionary of tables as a file has them, or the text of one, as
:func:`init` returns it; ``name`` is that of a sweep in the database; ``storage`` the database's URL, or
the :class:`~pathlib.Path` of a SQLite file, ``None`` for ``$SWEEP_STORAGE``, else ``sqlite:///sweep.db``. Ctrl-C, or a
notebook's stop button, loses nothing that is finished: the same call goes on. Mistakes raise a subclass of
:class:`sweep.errors.UserError`, whose message says what is allowed.

``sweep runner``, ``sweep serve`` and ``sweep dashboard`` serve until they are ended, and stay with the shell.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep import kernels  # noqa: F401 - before Optuna
from sweep.commands import given, options
from sweep.commands.database import database_url, opened
from sweep.commands.display import display
from sweep.commands.writing import file_target
from sweep.texts.document import Document

# What takes long to import is imported by the function that needs it: this module is there at once.
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sweep.commands.check import Checked
    from sweep.commands.definition import Definition
    from sweep.commands.fit import Fitted
    from sweep.commands.predict import Predicted
    from sweep.commands.report import Report
    from sweep.texts.answered import Answered
    from sweep.texts.best import Best
    from sweep.texts.states import Status, Sweeps

    File = str | PathLike[str]

# --- make, check and run a sweep, and have it answer ------------------------------------------------------------------


def init(
    table: File, target: str | int | None = None, output: File | None = None, force: bool = False
) -> Document | Path:
    """A definition fitted to a table: metric, epochs, network and search space by what the table holds.

    Args:
        table: A file, a URL, ``"sklearn:NAME"`` or ``"openml:ID"``.
        target: The column to predict, a name or a position; ``None`` guesses.
        output: The file to write; ``None`` returns the text, which :func:`check` and :func:`run` take.
        force: Whether a file that exists may be replaced.
    """
    from sweep.suggest.definition import suggest

    table = given.table(table)
    if output is None:
        found = suggest(table, target, None)
        return Document(found.text, f"definition of {found.name}", found.notes)
    to = file_target(Path(output), force=force, storage=database_url(None), source=table)
    to.check()
    to.write(suggest(table, target, to.path).text)
    return to.path


def check(
    definition: Definition,
    name: str | None = None,
    trials: int | None = None,
    changes: Mapping[str, Any] | None = None,
    storage: File | None = None,
) -> Checked:
    """What a definition would run, and about how long; a moment is trained to know that, and nothing is stored.

    Args:
        definition: See above.
        name: In place of the definition's.
        trials: In place of ``search.trials``.
        changes: Key to value: ``{"training.epochs": 20}``.
        storage: Database URL.
    """
    from sweep.commands.check import check as checked
    from sweep.commands.definition import load

    return checked(load(definition, name, trials, changes), database_url(storage))


def run(
    definition: Definition,
    name: str | None = None,
    trials: int | None = None,
    changes: Mapping[str, Any] | None = None,
    cluster: str = "inline",
    workers: int | None = None,
    device: str = "auto",
    queue: bool = False,
    priority: int = 0,
    quiet: bool = False,
    storage: File | None = None,
) -> Best | Status:
    """Runs a sweep, or goes on with it, and gives the best configuration; with ``queue``, the state of the sweep.

    Args:
        definition: See above.
        name: In place of the definition's.
        trials: In place of ``search.trials``.
        changes: Key to value: ``{"training.epochs": 20}``.
        cluster: ``"inline"`` in this process, ``"local"`` in others, or the address of a Dask scheduler.
        workers: Processes of ``"local"``; ``None`` for one a core.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        queue: Whether to store it for a ``sweep runner`` on this database instead.
        priority: With ``queue``: runners take the highest first.
        quiet: Whether to show no progress.
        storage: Database URL.
    """
    from sweep.commands.definition import load

    spec, url = load(definition, name, trials, changes), database_url(storage)
    if queue:
        options.check_queue(cluster=cluster != "inline", workers=workers is not None, device=device != "auto")
        from sweep.commands.queue import queue as queued
        from sweep.texts.states import Status

        with display(quiet=quiet) as shown:
            return Status(queued(spec, url, priority, shown.say), queued=True)
    if priority:
        raise options.only_for_queue("priority", priority)
    with display(quiet=quiet) as shown:
        shown.doing("loading PyTorch")
        from sweep.commands.run import run as running
        from sweep.texts.best import Best

        return Best(running(spec, url, cluster=cluster, workers=workers, device=device, display=shown))


def answer(
    name: str,
    repeats: int | None = None,
    rules: bool = False,
    nested: bool = False,
    outer: int | None = None,
    cluster: str = "inline",
    workers: int | None = None,
    device: str = "auto",
    quiet: bool = False,
    storage: File | None = None,
) -> Answered:
    """Whether dropout helps, where, how much, and how sure that is: tested on fresh folds with fresh seeds.

    Args:
        name: Of a finished sweep.
        repeats: Of fresh folds, in all; ``None`` for as many as there are, else 10 to 20.
        rules: Whether to check the rules of thumb of the dropout literature on this table, too.
        nested: Whether to say, too, if tuning dropout pays on data like this: many times the sweep's time.
        outer: Outer folds of ``nested``; ``None`` for as many as the definition's folds.
        cluster: As of :func:`run`, as are the others.
        workers: Processes of ``"local"``.
        device: To train on.
        quiet: Whether to show no progress.
        storage: Database URL.
    """
    with display(quiet=quiet) as shown:
        shown.doing("loading PyTorch")
        from sweep.commands.answer import answer_sweep

        return answer_sweep(
            name,
            database_url(storage),
            repeats=repeats,
            rules=rules,
            nested=nested,
            outer=outer,
            cluster=cluster,
            workers=workers,
            device=device,
            display=shown,
        )


# --- what a database holds --------------------------------------------------------------------------------------------


def list(storage: File | None = None) -> Sweeps:  # noqa: A001 - the command's name
    """The sweeps of a database, oldest first."""
    from sweep.analysis.status import statuses
    from sweep.texts.states import Sweeps

    with opened(storage) as store:
        return Sweeps(statuses(store))


def status(name: str, storage: File | None = None) -> Status:
    """How far a sweep is."""
    from sweep.analysis.status import status as found
    from sweep.texts.states import Status

    with opened(storage) as store:
        return Status(found(store, name))


def best(name: str, storage: File | None = None) -> Best:
    """The best configuration, with its honest score."""
    from sweep.analysis.summary import summarise
    from sweep.texts.best import Best

    with opened(storage) as store:
        return Best(summarise(store, name))


def report(name: str, output: File | None = None, force: bool = False, storage: File | None = None) -> Report:
    """The page that shows the results; it begins with the answer, if :func:`answer` was asked for it.

    Args:
        name: Of a sweep.
        output: The file to write. An earlier report is replaced, and no other file unasked.
        force: Whether any other file may be replaced.
        storage: Database URL.
    """
    from sweep.commands.report import report as made
    from sweep.report.html import MARK

    with opened(storage) as store:
        if output is None:
            return made(store, name)
        to = file_target(Path(output), force=force, storage=database_url(storage), own=MARK)
        to.check()
        found = made(store, name)
    to.write(found.page)
    return replace(found, path=to.path)


def export(
    name: str,
    format: str = "toml",  # noqa: A002 - the option's name
    output: File | None = None,
    trial: int | None = None,
    ensemble: int | None = None,
    force: bool = False,
    storage: File | None = None,
) -> Document | bytes | Path:
    """The best configuration in a form that other programs read.

    Args:
        name: Of a sweep.
        format: ``"toml"``, ``"json"``, ``"python"``, ``"keras"``, ``"onnx"``, ``"sklearn"`` or ``"predictions"``.
        output: The file to write; ``None`` returns its content.
        trial: With ``"predictions"``: in place of the best one.
        ensemble: Networks, whose answers are averaged, of ``"onnx"`` and ``"sklearn"``.
        force: Whether a file that exists may be replaced.
        storage: Database URL.
    """
    from sweep.commands import export as exporting

    exporting.check(format, trial, ensemble)
    to = None if output is None else file_target(Path(output), force=force, storage=database_url(storage))
    with opened(storage) as store:
        if to is not None:
            to.check()
        content = exporting.exported(store, name, format, trial, ensemble or 1, str(output or ""))
    if to is None:
        return content if isinstance(content, bytes) else Document(content, f"{name} as {format}")
    to.write(content)
    return to.path


def fit(
    name: str,
    output: File | None = None,
    trial: int | None = None,
    placement: str | None = None,
    ensemble: int = 1,
    device: str = "auto",
    force: bool = False,
    quiet: bool = False,
    storage: File | None = None,
) -> Fitted:
    """The best configuration trained on all rows: a model, for :func:`predict`.

    Args:
        name: Of a sweep.
        output: The folder to write; ``None`` keeps the model in memory alone.
        trial: Number of a trial, in place of the best one.
        placement: Whose best trial is taken instead.
        ensemble: Networks that differ by their random numbers.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        force: Whether a model that is there may be replaced.
        quiet: Whether to show no progress.
        storage: Database URL.
    """
    with opened(storage) as store, display(quiet=quiet) as shown:
        shown.doing("loading PyTorch")
        from sweep.commands import fit as fitting

        where = fitting.Where(None if output is None else Path(output), force, database_url(storage))
        return fitting.fit(
            store, name, where, trial=trial, placement=placement, ensemble=ensemble, device=device, display=shown
        )


def predict(
    model: File | Fitted,
    table: File,
    output: File | None = None,
    passes: int = 0,
    seed: int = 0,
    unseen: str = "error",
    force: bool = False,
) -> Predicted | Path:
    """What a model says of a table; its ``columns()`` make a :class:`pandas.DataFrame`.

    Args:
        model: What :func:`fit` returned, or its folder.
        table: A file, a URL, ``"sklearn:NAME"`` or ``"openml:ID"``.
        output: The file to write: CSV, or Parquet if it ends so.
        passes: Passes with dropout on that give mean and spread; 0 for none.
        seed: Of what those drop.
        unseen: ``"error"`` or ``"ignore"``: what a level of a category is that training never saw.
        force: Whether a file that exists may be replaced.
    """
    from sweep.commands import predict as predicting

    (own, folder), table = given.model(model), given.table(table)
    if output is None:
        return predicting.predict(own, table, passes=passes, seed=seed, unseen=unseen)
    to = file_target(Path(output), force=force, storage=database_url(None), source=table)
    to = predicting.beside_model(to, folder)
    to.check()
    to.write(predicting.predict(own, table, passes=passes, seed=seed, unseen=unseen).written(to.path.name))
    return to.path


# --- what is wanted of sweeps -----------------------------------------------------------------------------------------


def pause(name: str, storage: File | None = None) -> str:
    """Has a sweep rest until it is resumed; whoever runs it stops within seconds, and what is finished is kept."""
    from sweep.operate.orders import rest

    with opened(storage) as store:
        return rest(store, name, "paused")


def resume(name: str, storage: File | None = None) -> str:
    """Has runners go on with a sweep that rests or has failed. To go on in this process, call :func:`run` again."""
    from sweep.operate.orders import resume as go_on

    with opened(storage) as store:
        return go_on(store, name)


def cancel(name: str, storage: File | None = None) -> str:
    """Gives a sweep up; whoever runs it stops within seconds, and what is finished is kept."""
    from sweep.operate.orders import rest

    with opened(storage) as store:
        return rest(store, name, "cancelled")


def delete(name: str, yes: bool = False, storage: File | None = None) -> str:
    """Deletes a sweep: its study, its trials, its answer, its place in the queue. One that is run is cancelled first.

    Args:
        name: Of a sweep.
        yes: Says so: nobody is asked here, and without it this is a mistake.
        storage: Database URL.
    """
    from sweep.operate.remove import delete as remove

    if not yes:
        raise options.not_confirmed(name, "yes=True")
    with opened(storage) as store, display(quiet=False) as shown:
        remove(store, name, shown.say)
    return f"deleted {name}"


def storage_upgrade(dry_run: bool = False, storage: File | None = None) -> str:
    """Brings the tables of an older version up to date, ours and Optuna's. No run may be at work meanwhile.

    Args:
        dry_run: Whether only to say what it would do.
        storage: URL of the database. Of a SQLite database a copy is kept.
    """
    from sweep.commands.upgrade import upgrade

    with display(quiet=False) as shown:
        return upgrade(database_url(storage), shown.say, shown.say, dry_run=dry_run)
