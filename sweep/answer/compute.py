"""The answer of a stored sweep: from the runs that were saved to verdicts; kept, and read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from sweep import wording
from sweep.analysis.honest_sweep import kept_rows
from sweep.analysis.results import SweepSummary
from sweep.analysis.weighted import Truth
from sweep.answer.choose import Choice, Pick, choose
from sweep.answer.decide import Confirmed, Contender, Setting, decide
from sweep.answer.records import Advice, Answer, ArmAnswer, Beside, Comparison, Control, Reference
from sweep.errors import UserError
from sweep.folds import Folds
from sweep.metrics import metrics_for
from sweep.records import VALIDATION, Configuration, Hyperparameters
from sweep.run.prepare import Setup
from sweep.store.rows import SweepRecord
from sweep.store.store import Store


def compute(
    store: Store, sweep: SweepRecord, summary: SweepSummary, setup: Setup, choice: Choice, folds: Folds
) -> Answer:
    """The answer that rests on all repeats of the fresh folds, which are saved; it is stored, too.

    Args:
        store: Where the runs are.
        sweep: The sweep.
        summary: Of it.
        setup: Its table.
        choice: What is compared.
        folds: Of :func:`~sweep.answer.confirm.confirmation_folds`.
    """
    rows, data, spec = kept_rows(sweep), setup.data, setup.spec
    fold_of = folds.fold_of(data.info.rows)
    groups = None if data.groups is None else data.groups[rows]
    if folds.scheme == "timeseries":
        # Rows of one test fold stand together. Shifted folds test some rows before the first one.
        groups = np.maximum(fold_of[0], 0)
    setting = Setting(
        name=sweep.name,
        metric=sweep.metric,
        metrics=metrics_for(data.info.task),
        truth=Truth.of(data.original_target()[rows], data.info),
        folds=folds.folds,
        fold_of=fold_of,
        groups=groups,
        one_history=folds.scheme == "timeseries",
        looks=_looks(store, sweep, choice, folds.repeats),
    )

    def confirmed(pick: Pick, configuration: Configuration) -> Confirmed:
        runs = store.confirmed(sweep.key, configuration.key, folds.repeats)
        diverged = np.zeros((folds.repeats, folds.folds), dtype=np.bool_)
        for run in runs:
            diverged[run.repeat, list(run.lost)] = True
        return Confirmed(
            trial=pick.trial,
            params=configuration.params,
            epoch=configuration.epoch,
            raw_score=pick.raw_score,
            predictions=np.stack([run.predictions for run in runs]),
            scores=np.stack([run.metrics[:, VALIDATION] for run in runs]),
            diverged=diverged,
        )

    found = decide(
        setting,
        confirmed(choice.control, choice.control.configuration),
        [Contender(confirmed(one, one.configuration), confirmed(one, one.matched)) for one in choice.winners],
    )
    cautions = list(_cautions(found, summary, spec.search.allocation == "sampler"))
    found = replace(found, cautions=tuple(cautions))
    store.save_answer(sweep.key, choice.key, folds.repeats, asdict(found))
    return found


def known_answer(store: Store, summary: SweepSummary) -> Answer | None:
    """The answer of a sweep with the most repeats, if it was asked for since its winners were found."""
    sweep = store.sweep(summary.name)
    try:
        choice = choose(summary)
    except UserError:
        return None
    known = [] if sweep is None else [one for one in store.answers(sweep.key) if one.choice == choice.key]
    best = max(known, key=lambda one: one.repeats, default=None)
    return None if best is None else _answer(best.document)


def _looks(store: Store, sweep: SweepRecord, choice: Choice, repeats: int) -> int:
    known = {one.repeats for one in store.answers(sweep.key) if one.choice == choice.key}
    return len(known | {repeats})


def _cautions(answer: Answer, summary: SweepSummary, by_sampler: bool) -> Iterator[str]:
    """What to keep in mind, beside what the verdicts say themselves."""
    if by_sampler:
        shares = ", ".join(f"{arm.placement} {arm.trials}" for arm in summary.arms)
        yield f"Placements were not tuned alike: one sampler divided the trials among them ({shares})."
    if unfinished := [arm.placement for arm in summary.arms if arm.best.pruned]:
        yield f"Not compared, since no trial was trained to its end: {', '.join(unfinished)}."
    if answer.rows < summary.info.rows and not answer.one_history:
        rows = wording.count(answer.rows, "row")
        yield f"Compared on {rows} of {summary.info.rows:,}, those whose predictions are kept."


# --- from plain values ------------------------------------------------------------------------------------------------


def _answer(document: dict[str, Any]) -> Answer:
    """Inverse of ``asdict``, through JSON."""
    return Answer(
        **{
            **document,
            "control": Control(**_with_params(document["control"])),
            "arms": tuple(map(_arm, document["arms"])),
            "cautions": tuple(document["cautions"]),
        }
    )


def _arm(plain: dict[str, Any]) -> ArmAnswer:
    return ArmAnswer(
        **{
            **_with_params(plain),
            "tuned": Comparison(**plain["tuned"]),
            "matched": Comparison(**plain["matched"]),
            "advice": None if plain["advice"] is None else Advice(**plain["advice"]),
            "reference": None if plain["reference"] is None else Reference(**plain["reference"]),
            "beside": tuple(Beside(**one) for one in plain["beside"]),
        }
    )


def _with_params(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, "params": Hyperparameters.from_dict(plain["params"])}
