"""Figures of an answer, in Plotly: they join those of ``draw.py``, which decides the looks of all."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from sweep import wording
from sweep.answer.records import Comparison
from sweep.answer.sentences import difference_text
from sweep.figures.draw import SIZES, draw, empty, label_height, placement_axis
from sweep.figures.forest_info import ForestInfo, ForestRow
from sweep.figures.palette import PAGE, SYMBOLS, Palette

__all__ = ["draw"]

# Pixels: a row of a few, all rows together, a row of many, between the labels of two, above and below all rows.
ROW, ROWS, LEAST_ROW, GAP, AROUND = 76, 420, 36, 7, 96
VERDICT = 12  # characters of a verdict's line: a phone has to hold it beside the intervals
OFFSET = 0.18  # of a row's height, between its middle and each interval


@draw.register
def _(info: ForestInfo, palette: Palette = PAGE) -> go.Figure:
    placements = [row.placement for row in info.rows]
    tall = max(LEAST_ROW, label_height(placements) + GAP, min(ROW, ROWS / len(placements)))
    figure = empty(palette, height=round(AROUND + tall * len(placements)))
    verdicts = [_broken(row.verdict) for row in info.rows]
    for place, (row, verdict) in enumerate(zip(info.rows, verdicts, strict=True)):
        _interval(figure, info, row, row.tuned, place - OFFSET, palette)
        _interval(figure, info, row, row.matched, place + OFFSET, palette, hollow=True)
        figure.add_annotation(
            text=f"<b>{verdict}</b>" if row.settled else verdict,
            font={"color": palette.ink if row.settled else palette.muted, "size": 13},
            x=1,
            xref="paper",
            xanchor="left",
            align="left",
            xshift=8,
            y=place,
            showarrow=False,
        )
    _practically_nothing(figure, info, palette)
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1.5}, layer="below")
    placement_axis(figure, placements, palette)
    widest = max(len(line) for verdict in verdicts for line in verdict.split("<br>"))
    figure.update_layout(margin={"t": 44, "r": 16 + 7 * widest})
    return _axis(figure, info)


def _interval(
    figure: go.Figure,
    info: ForestInfo,
    row: ForestRow,
    comparison: Comparison,
    at: float,
    palette: Palette,
    *,
    hollow: bool = False,
) -> None:
    """One interval with its mark; an end beyond the axis is an arrow."""
    colour, symbol = palette.arms[row.mark.colour], SYMBOLS[row.mark.shape]
    middle, low, high = (_drawn(info, value) for value in (comparison.difference, comparison.low, comparison.high))
    against = "itself with its dropout removed" if hollow else "the best network without dropout"
    figure.add_trace(
        go.Scatter(
            x=[middle],
            y=[at],
            mode="markers",
            marker={
                "color": colour,
                "symbol": f"{symbol}-open" if hollow else symbol,
                "size": SIZES[row.mark.shape] * (0.9 if hollow else 1.25),
                "line": {"width": 1.5 if hollow else 0, "color": colour},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - middle],
                "arrayminus": [middle - low],
                "color": colour,
                "thickness": 1.25 if hollow else 3,
                "width": 0,
            },
            opacity=0.75 if hollow else 1,
            text=[
                f"{html.escape(row.placement)}<br>{difference_text(info.metric, comparison, info.like)}"
                f"<br>against {against}"
            ],
            hoverinfo="text",
        )
    )
    beyond = [
        (_drawn(info, end), name)
        for end, name in ((comparison.low, "triangle-left"), (comparison.high, "triangle-right"))
        if not info.holds(end)
    ]
    if beyond:
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in beyond],
                y=[at] * len(beyond),
                mode="markers",
                marker={"symbol": [name for _, name in beyond], "size": 8, "color": colour},
                hoverinfo="skip",
            )
        )


def _practically_nothing(figure: go.Figure, info: ForestInfo, palette: Palette) -> None:
    """The region of practical equivalence: a faint band with its name above."""
    figure.add_shape(
        type="rect",
        x0=_drawn(info, -info.rope),
        x1=_drawn(info, info.rope),
        y0=0,
        y1=1,
        yref="paper",
        fillcolor=palette.grid,
        opacity=0.6,
        line={"width": 0},
        layer="below",
    )
    figure.add_annotation(
        text=f"no practical difference<br>{wording.equivalence(info.metric, info.rope)}",
        font={"size": 11.5},
        x=0,
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=2,
        showarrow=False,
    )


def _axis(figure: go.Figure, info: ForestInfo) -> go.Figure:
    low, high = _drawn(info, info.low), _drawn(info, info.high)
    air = 0.04 * (high - low)
    way = "higher" if info.metric.maximize else "lower"
    title = (
        f"points of {wording.in_sentence(info.metric.title)} gained"
        if info.metric.percent
        else (f"{wording.in_sentence(info.metric.title)} {way} by")
    )
    powers = "×10" in wording.powers(info.metric.format(info.like))
    exponents = {"exponentformat": "power", "minexponent": 0} if powers else {"exponentformat": "none"}
    return figure.update_xaxes(title=title, range=[low - air, high + air], nticks=7, **exponents)


def _drawn(info: ForestInfo, value: float) -> float:
    """Where an improvement is drawn: shares in points."""
    return info.at(value) * (100 if info.metric.percent else 1)


def _broken(verdict: str) -> str:
    """A verdict in two lines where it is long."""
    return verdict if len(verdict) <= VERDICT else "<br>".join(verdict.rsplit(" ", 1))
