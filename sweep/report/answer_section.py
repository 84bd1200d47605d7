"""The answer, first on the page: the sentence, the placements with their intervals, and what stands behind."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from statistics import median
from typing import Any

from sweep import wording
from sweep.analysis.results import NO_DROPOUT, SweepSummary
from sweep.answer.records import Answer, ArmAnswer, Beside, Comparison
from sweep.answer.sentences import basis, cautions, remark, sentences, units, verdict_text
from sweep.figures.forest_info import ForestInfo
from sweep.metrics import METRICS, Metric
from sweep.report.table import NOTHING, chip

FEW = 8  # placements up to which each has its line in sight


def answer_section(summary: SweepSummary, answer: Answer) -> dict[str, Any]:
    """Everything the template needs of an answer but its figure."""
    # A line of large type never breaks inside "95 %".
    first, *others = (text.replace(" %", "\N{NO-BREAK SPACE}%") for text in sentences(answer))
    remarks = [{**chip(summary, arm.placement), "text": text} for arm in answer.arms if (text := remark(arm, answer))]
    return {
        "sentence": first,
        "others": others,
        "basis": basis(answer),
        "cautions": cautions(answer),
        "colour": chip(summary, answer.arms[0].placement)["colour"] if answer.arms else 0,
        "gain": _gain_in_words(answer),
        "arms": [_row(summary, answer, arm) for arm in answer.arms],
        "control": {
            **chip(summary, NO_DROPOUT),
            "score": wording.score(METRICS[answer.metric], answer.control.score),
            "spread": wording.spread(METRICS[answer.metric], answer.control.spread, answer.control.score),
            "raw": wording.score(METRICS[answer.metric], answer.control.raw_score),
        },
        "rivals": len(answer.rivals),
        "rope": wording.equivalence(METRICS[answer.metric], answer.rope),
        "remarks": remarks,
        "fold_remarks": len(remarks) > FEW,
        "beside": _beside(summary, answer),
        "reference": _reference(summary, answer),
    }


def untested(summary: SweepSummary) -> dict[str, str] | None:
    """What stands in place of the sentence as long as nobody has asked; ``None`` where there is nothing to ask."""
    if summary.best_with is None or summary.best_without is None:
        return None
    finished = summary.status.state == "done"
    return {
        "before": "Not tested yet:" if finished else "Not tested yet: once the sweep is finished,",
        "command": f"sweep answer {shlex.quote(summary.name)}",
        "after": (
            "trains the chosen networks again on fresh folds and says whether dropout helps. That cannot be read from "
            "the scores on this page: the choice was made with them."
        ),
    }


def fresh_score(summary: SweepSummary, answer: Answer) -> str | None:
    """The score of the sweep's best on fresh folds, in words; ``None`` where it was not trained again."""
    best = summary.best
    known = {answer.control.trial: answer.control.score} | {arm.trial: arm.score for arm in answer.arms}
    if best is None or best.number not in known:
        return None
    fresh = wording.score(METRICS[answer.metric], known[best.number])
    return (
        f"Trained again on fresh folds it reads {fresh}: without the luck of the folds that chose it, but on "
        "the rows that did."
    )


def forest_caption(answer: Answer, info: ForestInfo) -> str:
    """What the forest plot shows for this data, and how to read it."""
    metric = METRICS[answer.metric]
    verdicts = Counter(arm.verdict for arm in answer.arms)
    said = "; ".join(f"{verdict}: {number}" for verdict, number in verdicts.items())
    half = median((arm.tuned.high - arm.tuned.low) / 2 for arm in answer.arms)
    digits = wording.difference_digits(metric, -half, half, answer.control.score)
    reach = f"{wording.difference(metric, half, digits)}{' points' if metric.percent else ''}"
    arrows = "" if info.whole else "; a line with an arrow goes on"
    counted = units(answer.groups or answer.rows, answer)
    next_best = ", and is as clear of the next best networks without dropout (below)" if answer.rivals else ""
    return (
        f"To the right of 0 dropout is better{arrows}. What helps or hurts has both lines on one side of 0 and clear "
        f"of it{next_best}, placement after placement in the order shown; inside the shaded band a difference would "
        "hardly matter. "
        f"Here: {said}. With {counted} a line reaches about {reach} to either side: an effect much smaller than that "
        "cannot be told from none."
    )


def _gain_in_words(answer: Answer) -> str:
    """What a positive number in the table means."""
    metric = METRICS[answer.metric]
    title = wording.in_sentence(metric.title)
    if metric.percent:
        return f"Gains are points of {title}, with 95 % intervals."
    return f"Gains say how much {'higher' if metric.maximize else 'lower'} the {title} is, with 95 % intervals."


def _row(summary: SweepSummary, answer: Answer, arm: ArmAnswer) -> dict[str, Any]:
    metric = METRICS[answer.metric]
    return {
        **chip(summary, arm.placement),
        "verdict": verdict_text(arm),
        "kind": arm.verdict.split()[0],
        "gain": _gain(metric, arm.tuned, answer.control.score),
        "matched": _gain(metric, arm.matched, answer.control.score),
        "rival": None if arm.rival is None else _gain(metric, arm.rival, answer.control.score),
        "score": wording.score(metric, arm.score),
        "spread": wording.spread(metric, arm.spread, arm.score),
        "raw": wording.score(metric, arm.raw_score),
        "p": wording.p_value(arm.p_value),
        "helps": wording.probability(arm.p_helps),
    }


def _gain(metric: Metric, one: Comparison | Beside, like: float) -> dict[str, str]:
    digits = wording.difference_digits(metric, one.low, one.high, like)
    return {
        "value": wording.difference(metric, one.difference, digits, sign=True),
        "interval": wording.difference_interval(metric, one.low, one.high, digits),
    }


def _beside(summary: SweepSummary, answer: Answer) -> dict[str, Any] | None:
    """The other metrics against the best network without dropout: a column each."""
    names = [one.metric for one in answer.arms[0].beside] if answer.arms else []
    if not names:
        return None
    return {
        "titles": [f"{METRICS[name].title}{', points' if METRICS[name].percent else ''}" for name in names],
        "rows": [
            {
                **chip(summary, arm.placement),
                "cells": [_gain(METRICS[one.metric], one, _like(answer, one)) for one in arm.beside],
            }
            for arm in answer.arms
        ],
    }


def _like(answer: Answer, beside: Beside) -> float:
    """A number of the size of a metric's scores, where the target's units give it: RMSE and MAE are alike in size."""
    if answer.metric in ("rmse", "mae"):
        return answer.control.score
    return 10 * max(abs(beside.low), abs(beside.high))


def _reference(summary: SweepSummary, answer: Answer) -> list[dict[str, Any]]:
    """Tests of the literature, a row for each placement."""
    rows = []
    for arm in answer.arms:
        if arm.reference is None:
            continue
        t, df, p = (arm.reference.nadeau_bengio.get(name) for name in ("t", "df", "p_value"))
        cells = [_plain(t, 2), _plain(df, 0), NOTHING if p is None else wording.p_value(p)]
        shares = (arm.reference.baycomp.get(name) for name in ("worse", "equivalent", "better"))
        cells += [NOTHING if share is None else wording.probability(share) for share in shares]
        rows.append({**chip(summary, arm.placement), "cells": cells})
    return rows


def _plain(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
