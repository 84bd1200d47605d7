"""Nested cross-validation on the page: a sentence, the scores of both searches, and what each outer fold chose."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer.nested_records import Nested, NestedScore, Winner
from sweep.answer.nested_words import QUESTION, nested_basis, nested_sentence
from sweep.metrics import METRICS
from sweep.report.table import NOTHING, chip


def nested_section(summary: SweepSummary, nested: Nested) -> dict[str, Any]:
    """Everything the template needs."""
    metric = METRICS[nested.metric]
    return {
        "title": QUESTION,
        # A line of large type never breaks inside "95 %".
        "sentence": nested_sentence(nested).replace(" %", "\N{NO-BREAK SPACE}%"),
        "basis": nested_basis(nested),
        "chosen": _chosen(nested),
        "metric": metric.title,
        "folds": [
            {**chip(summary, one.placement), "score": _score(nested, one), "without": _score(nested, other)}
            for one, other in nested.outer
        ],
        "score": _mean(nested, nested.score),
        "without": _mean(nested, nested.without),
    }


def _chosen(nested: Nested) -> str:
    """How often each placement was chosen, the most frequent first."""
    counts = Counter(one.placement for one, _ in nested.outer).most_common()
    outer = len(nested.outer)
    if len(counts) == 1:
        return f"The search over all placements chose {wording.placement(counts[0][0])} in all {outer} outer folds."
    said = wording.listed([f"{wording.placement(placement)} in {number}" for placement, number in counts])
    return f"Of {outer} outer folds the search over all placements chose {said}."


def _mean(nested: Nested, score: NestedScore) -> dict[str, str]:
    metric = METRICS[nested.metric]
    interval = "" if score.low is None or score.high is None else wording.interval(metric, score.low, score.high)
    return {"value": wording.score(metric, score.value), "interval": interval}


def _score(nested: Nested, winner: Winner) -> str:
    return wording.score(METRICS[nested.metric], winner.score) if math.isfinite(winner.score) else NOTHING
