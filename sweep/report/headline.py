"""The headline of the report: what was best, and the score to expect of it."""

from __future__ import annotations

from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.answer.records import Answer
from sweep.report.answer_section import fresh_score
from sweep.report.facts import alone, as_good

MOST_TIED = 4  # placements that a headline names


def headline(summary: SweepSummary, best: TrialRow, answer: Answer | None = None) -> dict[str, Any]:
    """Title, value with interval, and the sentence that says how far the raw best is from it."""
    metric, honest = summary.metric, summary.honest
    found: dict[str, Any] = {
        "title": _title(summary, best),
        "value": None,
        "fresh": None if answer is None else fresh_score(summary, answer),
    }
    chosen = summary.chosen
    elsewhere = None if chosen is None else wording.chosen_in_words(chosen.sweep, chosen.trials)
    if honest is None:
        why = f"{elsewhere}, which has none" if elsewhere else "it is undefined on every resampling of these rows"
        found["sentence"] = (
            f"The {wording.in_sentence(metric.title)} of the choice cannot be corrected for having been chosen: {why}. "
            "Raw scores are too good."
        )
        return found
    here = f"here it reads {wording.score(metric, honest.raw)}"
    sentence = f"{here}; {elsewhere}" if elsewhere else wording.raw_in_words(metric, honest)
    if alone(summary):
        sentence = sentence.replace("the sweep's best reads", "its raw score reads", 1)
    return found | {
        "value": wording.score(metric, honest.value),
        "range": f"({wording.interval(metric, honest.low, honest.high)})",
        "what": f"{metric.title} to expect of it on new rows, with a 95 % interval",
        "sentence": f"{sentence[0].upper()}{sentence[1:]}.",
        "track": _track(summary),
    }


def _title(summary: SweepSummary, best: TrialRow) -> str:
    """Names what was best, and all that were equally good: chance alone put one of them first."""
    if alone(summary):
        return f"One trial: {wording.placement(best.placement)}"
    of = f"Best of {wording.count(len(summary.trials), 'trial')}"
    tied = [arm.placement for arm in summary.arms if as_good(arm.best, best)]
    if len(tied) == 1:
        return f"{of}: {wording.placement(best.placement)}"
    if len(tied) > MOST_TIED:
        return f"{of}: {len(tied)} placements tie"
    return f"{of}, a tie: {'; '.join(map(wording.placement, tied))}"


def _track(summary: SweepSummary) -> dict[str, Any]:
    """Positions in percent on a line that holds the interval, the raw best and the baseline."""
    metric, honest = summary.metric, summary.honest
    if honest is None:
        raise ValueError("no honest score to place")
    marks = [honest.low, honest.high, honest.value, honest.raw]
    if summary.baseline is not None:
        marks.append(summary.baseline)
    low, high = min(marks), max(marks)
    length = (high - low) or 1.0

    def at(value: float) -> float:
        return round(2 + 96 * (value - low) / length, 2)

    constant = "always the mean" if summary.info.task == "regression" else "always the same answer"
    return {
        "low": at(honest.low),
        "high": at(honest.high),
        "value": at(honest.value),
        "raw": at(honest.raw),
        "baseline": None if summary.baseline is None else at(summary.baseline),
        "legend": [
            ("value", f"corrected score {wording.score(metric, honest.value)}, 95 % interval"),
            (
                "raw",
                f"{'raw score' if alone(summary) else 'the best as it reads'}, {wording.score(metric, honest.raw)}",
            ),
            *(
                []
                if summary.baseline is None
                else [("baseline", f"{constant}, {wording.score(metric, summary.baseline)}")]
            ),
        ],
    }
