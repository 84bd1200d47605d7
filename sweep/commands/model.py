"""``sweep fit`` and ``sweep predict``: a configuration trained on all rows, and what it says of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from sweep import wording
from sweep.analysis.summary import summarise
from sweep.commands.progress import Display, Standing
from sweep.errors import DataError, UserError
from sweep.export.files import Target
from sweep.model.folder import FILES, MANIFEST, FolderTarget, read_model
from sweep.model.model import Predictions
from sweep.model.predictions import written
from sweep.model.refit import Refit, choose_trial, refit
from sweep.spec.source import is_local, local_file
from sweep.store.database import files_of
from sweep.store.store import Store
from sweep.tables.load import read_for
from sweep.texts import html

SHOWN = 10  # rows of predictions in a notebook


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fitted:
    """A trained model.

    Attributes:
        name: Of the sweep.
        refit: The model, its definition and its card.
        path: The folder that it was written to; ``None`` if it was not.
    """

    name: str
    refit: Refit
    path: Path | None

    def __repr__(self) -> str:
        """Name and place alone."""
        return f"<model of {self.name}{'' if self.path is None else f' in {self.path}'}>"

    def __str__(self) -> str:
        """What ``sweep fit`` prints: where it was written, or else its card."""
        return self.refit.card if self.path is None else str(self.path)

    def _repr_html_(self) -> str:
        """The card."""
        where = "" if self.path is None else f"in {self.path}"
        return html.block(html.paragraph(where, bold=f"model of {self.name}"), html.preformatted(self.refit.card))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predicted:
    """What a model says of a table.

    Attributes:
        source: Of the table.
        predictions: A row for each of its rows.
        remarks: What else to know, a sentence each: the score, if the table holds the target.
    """

    source: str
    predictions: Predictions
    remarks: tuple[str, ...]

    def __repr__(self) -> str:
        """How many they are."""
        return f"<{wording.count(len(self.predictions.values), 'prediction')} of {self.source}>"

    def __str__(self) -> str:
        """What ``sweep predict`` writes, as CSV."""
        return str(self.written("predictions.csv"))

    def _repr_html_(self) -> str:
        """The first rows, and what else to know."""
        columns = self.columns()
        rows = list(islice(self._rows(), SHOWN))
        left = len(self.predictions.values) - len(rows)
        more = [html.paragraph(f"and {wording.count(left, 'row')} more", faint=True)] if left else []
        notes = [html.paragraph(note, faint=True) for note in self.remarks]
        return html.block(
            html.paragraph("", bold=repr(self).strip("<>")), *notes, html.table(rows, list(columns)), *more
        )

    def columns(self) -> dict[str, Any]:
        """Name and values ``[n]`` of each column: what :class:`pandas.DataFrame` takes."""
        return self.predictions.columns()

    def written(self, name: str) -> str | bytes:
        """What a file of that name would hold: CSV, or Parquet if it ends so."""
        return written(self.columns(), name)

    def _rows(self) -> Iterator[list[str]]:
        for cells in zip(*self.columns().values(), strict=True):
            yield [wording.number(cell) if isinstance(cell, float) else str(cell) for cell in cells]


@dataclass(frozen=True, slots=True)
class Where:
    """Where a model is to be written.

    Attributes:
        folder: Of it; ``None`` keeps the model in memory alone.
        force: Whether a model that is there may be replaced.
        storage: Database URL, whose files are never replaced.
    """

    folder: Path | None
    force: bool
    storage: str

    def target(self, table: Path | None = None) -> FolderTarget | None:
        """The folder, checked; the table is never replaced either.

        Raises:
            UserError: Nothing can be written there.
        """
        if self.folder is None:
            return None
        never: dict[Path, str] = dict.fromkeys(files_of(self.storage), "a file of the database")
        if table is not None:
            never[table] = "the table"
        to = FolderTarget(self.folder, self.force, never)
        to.check()
        return to


def fit(
    store: Store,
    name: str,
    where: Where,
    *,
    trial: int | None,
    placement: str | None,
    ensemble: int,
    device: str,
    display: Display,
) -> Fitted:
    """Trains a configuration of a sweep on all rows, and writes the model if it is told where.

    Args:
        store: Where the sweep is.
        name: Of it.
        where: To write it.
        trial: Number of a trial; ``None`` for the best one.
        placement: Whose best trial is taken instead.
        ensemble: How many networks.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        display: Is told how far it is.

    Raises:
        UserError: Something does not allow it; nothing was written.
    """
    where.target()
    display.doing("reading the sweep")
    summary = summarise(store, name)
    choice = choose_trial(summary, trial, placement)
    source, folder = summary.spec.data.source, where.folder
    to = where.target(local_file(source, summary.spec.base_dir) if is_local(source) else None)

    def on_epoch(epoch: int) -> None:
        if display.standing is None:
            display.say(f"training trial {choice.trial.number} on all rows")
            display.begin(Standing(name, summary.metric, choice.trial.epoch, unit="epoch"))
        else:
            display.standing.take(epoch, {})
            display.update()

    display.doing("reading the table")
    own = "model" if folder is None else folder.resolve().name
    made = refit(store, summary, choice, ensemble=ensemble, device=device, folder=own, on_epoch=on_epoch)
    if to is not None:
        display.doing("writing the model")
        to.write(made.model, config=made.config, card=made.card)
    return Fitted(name, made, folder)


def predict(model: str | PathLike[str] | Fitted, table: str, *, passes: int, seed: int, unseen: str) -> Predicted:
    """What a model says of a table.

    Args:
        model: Or the folder of one.
        table: A file, a URL, ``"sklearn:NAME"`` or ``"openml:ID"``.
        passes: With dropout on, for mean and spread; 0 for none.
        seed: Of what those drop.
        unseen: ``"error"`` or ``"ignore"``: what levels are that training never saw.

    Raises:
        UserError: The folder is no model, or the table does not go with it.
    """
    if unseen not in ("error", "ignore"):
        raise UserError(f"unseen must be error or ignore, however: {unseen}")
    trained = model.refit.model if isinstance(model, Fitted) else read_model(Path(model))
    rows = read_for(trained.recipe, table, None)
    found = trained.predict(rows, passes=passes, seed=seed, unseen=unseen)
    remarks = [*found.notes]
    try:
        if (score := trained.score(rows, found)) is not None:
            remarks.append(f"{rows.source}: {score}")
    except DataError as error:
        remarks.append(f"no score: {error}")
    return Predicted(table, found, tuple(remarks))


def beside_model(to: Target, model: str | PathLike[str] | Fitted) -> Target:
    """The same target, which none of the files of a model is."""
    if isinstance(model, Fitted):
        return to
    own = dict.fromkeys((Path(model) / name for name in (*FILES, MANIFEST)), "a file of the model")
    return replace(to, never={**to.never, **own})
