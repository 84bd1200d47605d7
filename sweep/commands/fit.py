"""``sweep fit``: a configuration trained on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweep.analysis.summary import summarise
from sweep.commands.progress import Display, Standing
from sweep.model.folder import FolderTarget
from sweep.model.refit import Refit, choose_trial, refit
from sweep.spec.source import is_local, local_file
from sweep.store.database import files_of
from sweep.store.store import Store
from sweep.texts import html


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
    shared: bool = False,
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
        shared: Whether the model is for those who do not sit at this machine.

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
    made = refit(store, summary, choice, ensemble=ensemble, device=device, folder=own, shared=shared, on_epoch=on_epoch)
    if to is not None:
        display.doing("writing the model")
        to.write(made.model, config=made.config, card=made.card)
    return Fitted(name, made, folder)
