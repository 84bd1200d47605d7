"""From a stored sweep to a model: one of its configurations, trained on all rows of the same table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sweep.analysis.results import SweepSummary, best_trial
from sweep.answer.question import check_content, stored_table
from sweep.answer.stored import known_answer
from sweep.data import from_encoded
from sweep.errors import NotFoundError, UserError
from sweep.export.about import for_others
from sweep.model.card import Choice, card_text
from sweep.model.config import config_text
from sweep.model.model import Model, features_hash
from sweep.networks import MOST_NETWORKS
from sweep.records import ALIGN, Configuration
from sweep.run.prepare import training_plan
from sweep.spec.values import is_whole
from sweep.store.store import Store
from sweep.tables.encode import Encoded
from sweep.tables.load import load_encoded
from sweep.training.device import resolve
from sweep.training.whole import train_whole
from sweep.wording import listed


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """A model, and what its folder says of it.

    Attributes:
        model: Trained.
        config: The definition of its trial alone, as TOML.
        card: For people, as Markdown.
    """

    model: Model
    config: str
    card: str


def choose_trial(summary: SweepSummary, number: int | None = None, placement: str | None = None) -> Choice:
    """Which trial is trained: the best one, that of a number, or the best of a placement.

    Args:
        summary: Of the sweep.
        number: Of a finished trial; one that was stopped early will do.
        placement: Name of one.

    Raises:
        NotFoundError: There is no such trial, or no trial of such a placement.
        UserError: Both are given.
    """
    if number is not None and placement is not None:
        raise UserError("a trial is chosen by its number or by a placement, however: both are given")
    if summary.best is None:
        raise NotFoundError(f"no trial of sweep {summary.name} has finished yet: there is nothing to train")
    if number is not None:
        found = next((trial for trial in summary.trials if trial.number == number), None)
        if found is None:
            known = [trial.number for trial in summary.trials]
            raise NotFoundError(
                f"the trial must be a finished one of the sweep {summary.name} (it has {len(known):,}, "
                f"{min(known)} to {max(known)}), however: {number}"
            )
        return Choice(found, "number")
    if placement is not None:
        chosen = best_trial((trial for trial in summary.trials if trial.placement == placement), summary.metric)
        if chosen is None:
            there = listed([arm.placement for arm in summary.arms], "or")
            raise NotFoundError(
                f"the placement must be one of a finished trial of the sweep {summary.name} ({there}), however: "
                f"{placement}"
            )
        return Choice(chosen, "placement")
    return Choice(summary.best, "best")


def refit(
    store: Store,
    summary: SweepSummary,
    choice: Choice,
    *,
    ensemble: int = 1,
    device: str = "cpu",
    folder: str = "model",
    encoded: Encoded | None = None,
    shared: bool = False,
    on_epoch: Callable[[int], None] | None = None,
) -> Refit:
    """Trains a configuration up to its chosen epoch on all rows of the table that the sweep ran on.

    Args:
        store: Where the sweep is.
        summary: Of it.
        choice: Of :func:`choose_trial`.
        ensemble: How many networks, which differ by their random numbers; up to :data:`MOST_NETWORKS`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        folder: Name of the folder that it will lie in, for the card.
        encoded: The table, if the caller has it; ``None`` to read it.
        shared: Whether the folder is for those who do not sit at this machine: what it says names no folder of it, and
            no secret of an address.
        on_epoch: Is told 0 when training begins, then, a few times, the epoch that has been trained.

    Raises:
        NotFoundError: The sweep was deleted, or its table is gone.
        DataError: The table cannot be read any more.
        MismatchError: It has changed.
        UserError: There is no such device, or the number of networks is not allowed.
    """
    if not is_whole(ensemble, 1, MOST_NETWORKS):
        raise UserError(
            f"the number of networks must be a whole number from 1 to {MOST_NETWORKS}, however: {ensemble!r}"
        )
    device = resolve(device)
    sweep = store.sweep(summary.name)
    if sweep is None:
        raise NotFoundError(f"the sweep {summary.name} was deleted meanwhile")
    spec, trial = summary.spec, choice.trial
    if encoded is None:
        encoded = load_encoded(spec.data, spec.base_dir, align=ALIGN, packed=stored_table(store, sweep))
    check_content(encoded.info, sweep, "a model is trained on the same rows")
    info = encoded.info
    if on_epoch is not None:
        on_epoch(0)
    networks = train_whole(
        from_encoded(encoded),
        Configuration(trial.hyperparameters, trial.epoch),
        training_plan(spec, info),
        members=ensemble,
        device=device,
        on_epoch=on_epoch,
    )
    model = Model(
        name=summary.name,
        trial=trial.number,
        recipe=encoded.recipe,
        networks=networks,
        classes=info.classes,
        target=info.target,
        metric=summary.metric.name,
        trained_on=features_hash(encoded.features[:, : len(info.features)]),
    )
    told = for_others(summary) if shared else summary
    card = card_text(told, choice, model, known_answer(store, summary), device=device, folder=folder)
    return Refit(model, config_text(summary, trial, shared=shared), card)
