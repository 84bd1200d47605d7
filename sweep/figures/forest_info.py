"""The forest plot of an answer: every placement's two differences with their intervals, on one axis of improvements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep import wording
from sweep.answer.records import Answer, Comparison
from sweep.answer.sentences import difference_text, verdict_text
from sweep.figures.info import describe
from sweep.figures.palette import Mark, marks_of
from sweep.metrics import METRICS, Metric

REACH = 3.0
"""The axis reaches at most this many times as far from 0 as the intervals of the middle placement: a few wide ones, of
networks that diverge, do not squeeze the rest."""

AROUND = 1.2  # half-widths of the region of practical equivalence that the axis holds at least: its edges are seen


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One placement.

    Attributes:
        placement: Its name.
        mark: Its colour and shape.
        tuned: Against the best network without dropout.
        matched: Against itself with its dropout removed.
        verdict: In words.
        settled: Whether that is "helps" or "hurts".
    """

    placement: str
    mark: Mark
    tuned: Comparison
    matched: Comparison
    verdict: str
    settled: bool


@dataclass(frozen=True, slots=True)
class ForestInfo:
    """The placements of an answer, by raw score, best first.

    Attributes:
        metric: Whose improvement the axis shows.
        rows: One a placement, at least one.
        rope: Half-width of the region of practical equivalence, in the metric's units.
        like: Score of the best network without dropout: numbers are written with its precision.
        low: Left end of the axis, at most 0.
        high: Right end.
    """

    metric: Metric
    rows: tuple[ForestRow, ...]
    rope: float
    like: float
    low: float
    high: float

    def at(self, value: float) -> float:
        """Where an improvement is drawn."""
        return min(max(value, self.low), self.high)

    def holds(self, value: float) -> bool:
        """Whether an improvement is drawn where it is."""
        return self.low <= value <= self.high

    @property
    def whole(self) -> bool:
        """Whether every interval ends on the axis."""
        return all(
            self.holds(end) for row in self.rows for one in (row.tuned, row.matched) for end in (one.low, one.high)
        )


def forest_info(answer: Answer, placements: Sequence[str]) -> ForestInfo | None:
    """The forest plot of an answer.

    Args:
        answer: Any.
        placements: All of the sweep's, in the definition's order: colours follow them.

    Returns:
        ``None`` where no placement was tested.
    """
    if not answer.arms:
        return None
    marks = marks_of(placements)
    rows = tuple(
        ForestRow(
            arm.placement,
            marks[arm.placement],
            arm.tuned,
            arm.matched,
            verdict_text(arm),
            arm.verdict in ("helps", "hurts"),
        )
        for arm in answer.arms
    )
    ends = np.array([(one.low, one.high) for row in rows for one in (row.tuned, row.matched)])
    furthest = max(REACH * float(np.median(np.abs(ends).max(axis=1))), AROUND * answer.rope) or 1.0
    low, high = min(ends.min(), -AROUND * answer.rope), max(ends.max(), AROUND * answer.rope)
    return ForestInfo(
        METRICS[answer.metric],
        rows,
        answer.rope,
        answer.control.score,
        max(float(low), -furthest),
        min(float(high), furthest),
    )


@describe.register
def _(info: ForestInfo) -> str:
    rows = "; ".join(
        f"{row.placement}: {difference_text(info.metric, row.tuned, info.like)}, against itself without dropout "
        f"{difference_text(info.metric, row.matched, info.like)}, {row.verdict}"
        for row in info.rows
    )
    return (
        f"What dropout changes in {wording.in_sentence(info.metric.title)} against the best network without dropout, "
        f"for {wording.count(len(info.rows), 'placement')}, best raw score first. {rows}."
    )
