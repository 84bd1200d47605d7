"""The forest plot of an answer without Plotly: a small SVG for notebooks, in the colour of the text around it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator

from sweep import wording
from sweep.figures.forest_info import ForestInfo, ForestRow
from sweep.figures.info import describe

WIDTH = 460  # of the drawing; shown as wide at most, and narrower where a page is
MARGIN, ROW, AXIS, MARK = 14, 42, 46, 5

LONGEST = 58  # characters of a row's label


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Three to eight round numbers on an axis, 0 among them where it is on it.

    Args:
        low: Left end.
        high: Right end, above ``low``.
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(place * step, 12) for place in range(first, last + 1))


def label(row: ForestRow) -> str:
    """Placement and verdict, cut where they are too long for a line."""
    said = f"{row.placement}: {row.verdict}"
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def svg(info: ForestInfo) -> str:
    """What dropout changes against the best network without it: a line for each 95 % interval, a mark for the middle.

    A mark is filled where a placement helps or hurts. An interval that leaves the axis ends in an arrow. The region of
    practical equivalence is shaded.
    """
    height = ROW * len(info.rows) + AXIS
    parts = [*_ground(info, ROW * len(info.rows))]
    for place, row in enumerate(info.rows):
        parts += _row(info, row, ROW * place)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{html.escape(describe(info))}" fill="currentColor" '
        f'style="display:block;width:100%;max-width:{WIDTH}px;height:auto;margin:.6em 0;font-size:13px" '
        f'font-family="inherit">{"".join(parts)}</svg>'
    )


def _x(info: ForestInfo, value: float) -> float:
    share = (info.at(value) - info.low) / (info.high - info.low)
    return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)


def _ground(info: ForestInfo, bottom: int) -> Iterator[str]:
    left, right = _x(info, -info.rope), _x(info, info.rope)
    yield f'<rect x="{left}" y="0" width="{round(right - left, 1)}" height="{bottom}" opacity=".09"/>'
    zero = _x(info, 0.0)
    yield f'<path d="M{zero} 0V{bottom}" stroke="currentColor" stroke-dasharray="3 3" opacity=".6"/>'
    yield f'<path d="M{MARGIN} {bottom}H{WIDTH - MARGIN}" stroke="currentColor" opacity=".6"/>'
    unit = 100 if info.metric.percent else 1
    for tick in ticks(unit * info.low, unit * info.high):
        x, shown = _x(info, tick / unit), wording.powers(f"{tick:g}").replace("-", "\N{MINUS SIGN}")
        yield f'<path d="M{x} {bottom}v4" stroke="currentColor" opacity=".6"/>'
        yield f'<text x="{x}" y="{bottom + 17}" text-anchor="middle" font-size="12">{shown}</text>'
    title = f"better {wording.in_sentence(info.metric.title)} than without dropout"
    yield (
        f'<text x="{WIDTH / 2}" y="{bottom + 37}" text-anchor="middle" font-size="12" opacity=".75">'
        f"{html.escape(title)}{', points' if info.metric.percent else ''} (95 % intervals) →</text>"
    )


def _row(info: ForestInfo, row: ForestRow, top: int) -> Iterator[str]:
    one, y = row.tuned, top + 29
    yield f'<text x="{MARGIN}" y="{top + 16}">{html.escape(label(row))}</text>'
    low, middle, high = (_x(info, value) for value in (one.low, one.difference, one.high))
    # The mark is a hole in the line: what colour a notebook's ground has is not known here.
    line = f"M{low} {y}H{max(low, middle - MARK)}M{min(high, middle + MARK)} {y}H{high}"
    yield f'<path d="{line}" stroke="currentColor" stroke-width="2"/>'
    for end, way in ((one.low, 1), (one.high, -1)):
        x = _x(info, end)
        tip = f"M{x} {y - 4}v8" if info.holds(end) else f"M{x + 5 * way} {y - 4}L{x} {y}l{5 * way} 4"
        yield f'<path d="{tip}" stroke="currentColor" stroke-width="2" fill="none"/>'
    if info.holds(one.difference):
        inside = "currentColor" if row.settled else "none"
        yield f'<circle cx="{middle}" cy="{y}" r="{MARK}" fill="{inside}" stroke="currentColor" stroke-width="2"/>'
