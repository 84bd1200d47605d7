"""``sweep predict``: what a model says of a table. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from sweep import wording
from sweep.errors import DataError, UserError
from sweep.export.files import Target
from sweep.model.folder import FILES, MANIFEST, read_model
from sweep.model.model import Model, Predictions
from sweep.model.predictions import written
from sweep.spec.values import is_whole
from sweep.tables.load import read_for
from sweep.texts import html

SHOWN = 10  # rows of predictions in a notebook


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


def predict(model: str | PathLike[str] | Model, table: str, *, passes: int, seed: int, unseen: str) -> Predicted:
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
    if not is_whole(seed, 0):
        raise UserError(f"the seed must be a whole number of at least 0, however: {seed!r}")
    trained = model if isinstance(model, Model) else read_model(Path(model))
    rows = read_for(trained.recipe, table, None, number_target=trained.predicts_numbers)
    found = trained.predict(rows, passes=passes, seed=seed, unseen=unseen)
    remarks = [*found.notes]
    try:
        if (score := trained.score(rows, found)) is not None:
            remarks.append(f"{rows.source}: {score}")
    except DataError as error:
        remarks.append(f"no score: {error}")
    return Predicted(table, found, tuple(remarks))


def beside_model(to: Target, folder: str | PathLike[str] | None) -> Target:
    """The same target, which none of the files of a model is; ``None`` is the folder of one in memory alone."""
    if folder is None:
        return to
    own = dict.fromkeys((Path(folder) / name for name in (*FILES, MANIFEST)), "a file of the model")
    return replace(to, never={**to.never, **own})
