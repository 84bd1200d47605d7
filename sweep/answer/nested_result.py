"""From the outcomes of all searches to what nested cross-validation says.

The difference is that of row scores, as everywhere in the answer, with one repeat: rows and seeds cannot be told apart
then, and its noise is that of one cross-validation. The unit of the nested score is the outer fold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweep.analysis.honest import overlap_factor
from sweep.analysis.weighted import Truth
from sweep.answer.compare import equivalence
from sweep.answer.decide import EQUIVALENT, LEVEL, Judged, Setting, compared, learned
from sweep.answer.goodness import constant_score, goodness, rope_of
from sweep.answer.nested import NestedQuestion
from sweep.answer.nested_records import SIDES, Nested, NestedScore, NestedVerdict, Winner
from sweep.answer.nested_stored import Searched, save_nested, searched
from sweep.answer.records import Comparison
from sweep.metrics import bounds, mean_over_splits, metrics_for
from sweep.store.store import Store


def conclude(nested: NestedQuestion, store: Store) -> Nested:
    """What all searches come to, whose outcomes are stored; it is stored, too."""
    key, trials = nested.sweep.key, nested.sweep.trials
    found = {place: searched(store, key, nested.outer, trials, place) for place in nested.places}
    sides = {side: [found[fold, side] for fold in range(nested.outer)] for side in SIDES}
    setting = _setting(nested)
    judged = {side: _judged(setting, nested, own) for side, own in sides.items()}
    comparison = compared(setting, setting.metric, judged["all"], judged["none"])
    constant = constant_score(setting.metric, setting.truth)
    rope = rope_of(setting.metric, constant)
    _, equivalent, pays = equivalence(comparison, rope)
    grouped = setting.groups is not None and comparison.method == "too few"
    result = Nested(
        metric=setting.metric,
        trials=nested.trials["all"],
        trials_without=nested.trials["none"],
        rows=nested.setup.data.info.rows,
        groups=None if setting.groups is None else len(np.unique(setting.groups)),
        constant=constant,
        rope=rope,
        comparison=comparison,
        p_pays=pays,
        p_equivalent=equivalent,
        verdict=_verdict(
            comparison,
            equivalent=equivalent >= EQUIVALENT and not grouped,
            anything=learned(setting, judged["all"], judged["none"]),
        ),
        score=_score(setting, judged["all"]),
        without=_score(setting, judged["none"]),
        outer=tuple(
            (_winner(setting, one), _winner(setting, other))
            for one, other in zip(sides["all"], sides["none"], strict=True)
        ),
    )
    save_nested(store, key, result)
    return result


def nested_score(metric: str, task: str, scores: NDArray[np.float64], *, rows: int, unit: float) -> NestedScore:
    """Mean over outer folds with ``mean ± t(.975, k - 1) · √(c · s² / k)``, c that of all intervals here.

    Args:
        metric: Name.
        task: Of the table: an interval ends where scores do.
        scores: ``[k]`` of the outer folds; NaN where undefined.
        rows: n. Where no fold differs from another the interval is that of the rule of three, ``± 3 · unit / n``.
        unit: The largest step a row can make.
    """
    value, known = mean_over_splits(metric, scores), scores[np.isfinite(scores)]
    if len(known) < 2:
        return NestedScore(value, None, None)
    se = math.sqrt(overlap_factor(len(scores)) * known.var(ddof=1) / len(known))
    half = float(special.stdtrit(len(known) - 1, 0.975)) * se if se > 0 else 3 * unit / rows
    least, most = bounds(metric, task)
    return NestedScore(value, max(least, value - half), min(most, value + half))


def _setting(nested: NestedQuestion) -> Setting:
    data = nested.setup.data
    return Setting(
        name=nested.sweep.name,
        metric=nested.sweep.metric,
        metrics=metrics_for(data.info.task),
        truth=Truth.of(data.original_target(), data.info),
        folds=nested.outer,
        fold_of=nested.folds.fold_of(data.info.rows),
        groups=data.groups,
    )


def _judged(setting: Setting, nested: NestedQuestion, outcomes: list[Searched]) -> Judged:
    """One side: scores ``[1, k, Q]`` of its outer folds, and its rows."""
    outputs = np.full((1, 1, setting.fold_of.shape[1], outcomes[0].predictions.shape[1]), np.nan, np.float32)
    for test, outcome in zip(nested.folds.test, outcomes, strict=True):
        outputs[0, 0, test.numpy()] = outcome.predictions
    scores = np.stack([outcome.metrics for outcome in outcomes])[None]
    return scores, goodness(setting.metric, outputs, setting.truth, setting.fold_of)


def _score(setting: Setting, judged: Judged) -> NestedScore:
    scores, good = judged
    own = scores[0, :, setting.metrics.index(setting.metric)]
    return nested_score(setting.metric, setting.truth.task, own, rows=setting.fold_of.shape[1], unit=good.unit)


def _winner(setting: Setting, outcome: Searched) -> Winner:
    score = float(outcome.metrics[setting.metrics.index(setting.metric)])
    return Winner(outcome.configuration, outcome.raw_score, score, outcome.diverged)


def _verdict(comparison: Comparison, *, equivalent: bool, anything: bool) -> NestedVerdict:
    if not anything:
        return "nothing learned"
    if comparison.p_greater <= LEVEL:
        return "pays"
    if comparison.p_less <= LEVEL:
        return "costs"
    return "no practical difference" if equivalent else "cannot tell"
