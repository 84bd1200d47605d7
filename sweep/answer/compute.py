"""The answer of a stored sweep: from the runs that were saved to verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sweep import wording
from sweep.analysis.honest_sweep import kept_rows
from sweep.analysis.results import SweepSummary
from sweep.analysis.weighted import Truth
from sweep.answer.check_rules import check
from sweep.answer.choose import Pick
from sweep.answer.decide import Confirmed, Contender, Setting, decide
from sweep.answer.question import Question
from sweep.answer.records import Answer, RuleAnswer
from sweep.answer.stored import known_answer, looks, save_answer
from sweep.metrics import metrics_for
from sweep.records import VALIDATION, Configuration
from sweep.store.store import Store


def compute(question: Question, store: Store) -> Answer:
    """The answer that rests on all runs of a question, which are saved; it is stored, too.

    Rules of thumb that were checked earlier stay in it where the question has none.
    """
    sweep, choice = question.sweep, question.choice
    setting = _setting(question, store)
    found = decide(
        setting,
        _confirmed(question, store, choice.control, choice.control.configuration),
        [
            Contender(
                _confirmed(question, store, one, one.configuration), _confirmed(question, store, one, one.matched)
            )
            for one in choice.winners
        ],
        [_confirmed(question, store, one, one.configuration) for one in choice.rivals],
    )
    found = replace(found, cautions=tuple(_cautions(found, question.summary)), rules=_rules(question, setting, store))
    save_answer(store, sweep.key, choice, found)
    return found


def _setting(question: Question, store: Store) -> Setting:
    sweep, data, folds = question.sweep, question.setup.data, question.folds
    rows, fold_of = kept_rows(sweep), folds.fold_of(data.info.rows)
    groups = None if data.groups is None else data.groups[rows]
    if folds.scheme == "timeseries":
        # Rows of one test fold stand together. Shifted folds test some rows before the first one.
        groups = np.maximum(fold_of[0], 0)
    return Setting(
        name=sweep.name,
        metric=sweep.metric,
        metrics=metrics_for(data.info.task),
        truth=Truth.of(data.original_target()[rows], data.info),
        folds=folds.folds,
        fold_of=fold_of,
        groups=groups,
        one_history=folds.scheme == "timeseries",
        looks=looks(store, sweep.key, question.choice, folds.repeats),
    )


def _rules(question: Question, setting: Setting, store: Store) -> tuple[RuleAnswer, ...] | None:
    if not question.rules:
        known = known_answer(store, question.summary)
        return None if known is None else known.rules
    repeats = question.rule_repeats
    control = question.choice.control
    return tuple(
        check(
            replace(setting, fold_of=setting.fold_of[:repeats]),
            question.rules,
            lambda one: _confirmed(question, store, control, one, repeats),
        )
    )


def _confirmed(
    question: Question, store: Store, pick: Pick, configuration: Configuration, repeats: int | None = None
) -> Confirmed:
    """A configuration on the first repeats, all by default; ``pick`` is the trial that it comes from."""
    folds = question.folds
    runs = store.confirmed(question.sweep.key, configuration.key, repeats or folds.repeats)
    diverged = np.zeros((len(runs), folds.folds), dtype=np.bool_)
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


def _cautions(answer: Answer, summary: SweepSummary) -> Iterator[str]:
    """What to keep in mind, beside what the verdicts say themselves."""
    if summary.spec.search.allocation == "sampler":
        shares = ", ".join(f"{arm.placement} {arm.trials}" for arm in summary.arms)
        yield f"Placements were not tuned alike: one sampler divided the trials among them ({shares})."
    ended = {arm.placement for arm in summary.arms if not arm.best.pruned}
    if left_out := [placement for placement in summary.spec.space.placements if placement not in ended]:
        yield f"Not compared, since no trial was trained to its end: {', '.join(left_out)}."
    if answer.rows < summary.info.rows and not answer.one_history:
        rows = wording.count(answer.rows, "row")
        yield f"Compared on {rows} of {summary.info.rows:,}, those whose predictions are kept."
