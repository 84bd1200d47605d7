"""Figures of a sweep: the only module that speaks to Plotly.

A result record becomes an info record in ``info.py``, and that a figure here. Drawing decides looks alone.
Nothing a user wrote reaches a figure unescaped: Plotly reads a subset of HTML in every text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.offline

from sweep import wording
from sweep.figures.info import CurveInfo, ImportanceInfo, PlacementInfo, Points, RateInfo, Scale
from sweep.figures.palette import PAGE, SYMBOLS, Palette

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Pixels of each shape, so that all look equally large.
SIZES = (8, 9, 7.5, 9, 9, 9, 8.5, 8.5)
CROWD = 120  # marks of one placement beyond which they shrink
FAINT = 0.35  # of the opacity, for trials that were stopped early

# Pixels of the figure of placements: a row of a few, all rows together, a row of many, a line of a row's label.
ROW, ROWS, LEAST_ROW, LINE = 84, 420, 34, 17
LABEL = 14  # characters of a label's line, where a plus sign lets it break: a phone has to hold it


@singledispatch
def draw(info: Any, palette: Palette = PAGE) -> go.Figure:
    """The figure of an info record, without a title, for any width."""
    raise TypeError(f"no figure of {type(info).__name__}")


@draw.register
def _(info: PlacementInfo, palette: Palette = PAGE) -> go.Figure:
    placements = [row.placement for row in info.rows]
    tall = max(LEAST_ROW, label_height(placements), min(ROW, ROWS / len(placements)))
    figure = empty(palette, height=round(60 + tall * len(placements)))
    for place, (points, best, noise) in enumerate(zip(info.rows, info.best, info.noise, strict=True)):
        edge, score = (place - 0.38, place + 0.38), at_score(info.scale, best.score)
        if noise is not None:
            low, high = (at_score(info.scale, value) for value in noise)
            figure.add_trace(
                go.Scatter(
                    x=[low, high, high, low],
                    y=[edge[0], edge[0], edge[1], edge[1]],
                    mode="lines",
                    line={"width": 0},
                    fill="toself",
                    fillcolor=palette.soft[points.mark.colour],
                    hoverinfo="skip",
                )
            )
        figure.add_trace(cloud(points, info.scale, palette, across=True))
        figure.add_trace(
            go.Scatter(
                x=[score, score],
                y=list(edge),
                mode="lines",
                line={"color": palette.arms[points.mark.colour], "width": 2},
                hoverinfo="skip",
            )
        )
        figure.add_annotation(
            text=wording.bare_score(info.scale.metric, best.score),
            font={"color": palette.ink, "size": 13},
            x=1,
            xref="paper",
            xanchor="left",
            xshift=6,
            y=place,
            showarrow=False,
        )
    placement_axis(figure, placements, palette)
    longest = max(len(wording.bare_score(info.scale.metric, best.score)) for best in info.best)
    figure.update_layout(margin={"r": 12 + 8 * longest})
    return score_axis(figure, info.scale, figure.update_xaxes)


@draw.register
def _(info: RateInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=300)
    for points in info.arms:
        figure.add_trace(cloud(points, info.scale, palette))
    if info.without is not None:
        line = {"color": palette.muted, "width": 1.5, "dash": "dot"}
        figure.add_hline(y=at_score(info.scale, info.without), line=line, layer="below")
    figure.update_xaxes(title="dropout rate", range=[0, info.highest * 1.06], tickformat=".1f")
    return score_axis(figure, info.scale)


@draw.register
def _(info: CurveInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=320)
    colour, soft = palette.arms[info.mark.colour], palette.soft[info.mark.colour]
    for name, band, dash in (("training", info.training, "dot"), ("validation", info.validation, "solid")):
        mean = np.array([pair[0] for pair in band])
        deviation = np.array([pair[1] for pair in band])
        for edge, fill in ((mean - deviation, None), (mean + deviation, "tonexty")):
            figure.add_trace(
                go.Scatter(
                    x=list(info.epochs),
                    y=[at_score(info.scale, value) for value in np.clip(edge, *info.bounds)],
                    mode="lines",
                    line={"width": 0, "color": colour},
                    fill=fill,
                    fillcolor=soft,
                    hoverinfo="skip",
                    showlegend=False,
                )
            )
        figure.add_trace(
            go.Scatter(
                x=list(info.epochs),
                y=[at_score(info.scale, value) for value in mean],
                mode="lines" if len(info.epochs) > 1 else "markers",
                name=name,
                line={"color": colour, "width": 2, "dash": dash},
                text=[
                    f"epoch {epoch}: {wording.score(info.scale.metric, value)} {name}"
                    for epoch, value in zip(info.epochs, mean, strict=True)
                ],
                hoverinfo="text",
            )
        )
    figure.add_vline(x=info.trial.epoch, line={"color": palette.muted, "width": 1})
    first, last = info.epochs[0], info.until
    air = 0.02 * (last - first) or 0.5
    figure.update_xaxes(title="epoch", range=[first - air, last + air], showgrid=False, tickformat="d")
    if last - first <= 10:  # where the axis would count in halves
        figure.update_xaxes(tick0=first, dtick=1)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    )
    return score_axis(figure, info.scale)


@draw.register
def _(info: ImportanceInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=44 + 30 * len(info.names))
    figure.add_trace(
        go.Bar(
            x=list(info.shares),
            y=[html.escape(wording.parameter(name)) for name in info.names],
            orientation="h",
            marker={"color": palette.arms[info.mark.colour]},
            text=[f"{100 * share:.0f} %" for share in info.shares],
            textposition="outside",
            textfont={"color": palette.ink},
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_layout(bargap=0.45, margin={"t": 4, "b": 8, "r": 44})
    figure.update_xaxes(visible=False, range=[0, info.longest])
    return figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, ticklabelstandoff=8)


def plotly_js() -> str:
    """The script that draws figures, whole: Plotly ships no smaller bundle in its Python package."""
    return str(plotly.offline.get_plotlyjs())


def to_json(figure: go.Figure) -> str:
    """Data and layout of a figure as JSON."""
    return str(figure.to_json(validate=False))


def empty(palette: Palette, height: int) -> go.Figure:
    """A figure without content in the looks of all, ``height`` pixels tall."""
    axis = {
        "gridcolor": palette.grid,
        "zeroline": False,
        "fixedrange": True,  # a finger that moves over a figure scrolls the page
        "title": {"font": {"size": 13}},
        "automargin": True,
    }
    # Given at once: updating a figure key by key takes Plotly ten times as long, and a page has many figures.
    layout = go.Layout(
        template=go.layout.Template(),  # not Plotly's own: 6 kB in every figure
        height=height,
        margin={"l": 8, "r": 8, "t": 16, "b": 8, "pad": 4},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": palette.muted},
        hoverlabel={"bgcolor": palette.surface, "bordercolor": palette.grid, "font": {"color": palette.ink}},
        dragmode=False,
        showlegend=False,
        xaxis=axis,
        yaxis=axis,
    )
    return go.Figure(layout=layout)


def cloud(points: Points, scale: Scale, palette: Palette, *, across: bool = False) -> go.Scatter:
    """Trials as marks, scores upwards or ``across``; those beyond the scale are hollow, at its edge.

    Trials that were stopped early are faint.
    """
    scores, at = [at_score(scale, score) for score in points.scores], list(points.at)
    inside = [scale.holds(score) for score in points.scores]
    symbol = SYMBOLS[points.mark.shape]
    crowded = min(1.0, (CROWD / len(points.scores)) ** 0.4)
    opacity = 0.7 * max(crowded, 0.6)
    said = [
        f"trial {number} · {html.escape(points.placement)}<br>{wording.score(scale.metric, score)}"
        + ("" if stopped is None else f" when stopped at epoch {stopped}")
        for number, score, stopped in zip(points.numbers, points.scores, points.stopped, strict=True)
    ]
    return go.Scatter(
        x=scores if across else at,
        y=at if across else scores,
        mode="markers",
        name=html.escape(points.placement),
        marker={
            "color": palette.arms[points.mark.colour],
            "symbol": [symbol if kept else f"{symbol}-open" for kept in inside],
            "size": SIZES[points.mark.shape] * max(crowded, 0.35),
            "opacity": [opacity if stopped is None else FAINT * opacity for stopped in points.stopped],
            "line": {"width": [0 if kept else 1.5 for kept in inside], "color": palette.arms[points.mark.colour]},
        },
        text=said,
        hoverinfo="text",
    )


def at_score(scale: Scale, value: float) -> float:
    """Where a score is drawn on its axis: shares in percent."""
    return scale.at(value) * (100 if scale.metric.percent else 1)


def score_axis(figure: go.Figure, scale: Scale, update: Callable[..., go.Figure] | None = None) -> go.Figure:
    """Scores on the vertical axis, or the one that ``update`` is of; without a title, which the page gives."""
    update = update or figure.update_yaxes
    low, high = at_score(scale, scale.low), at_score(scale, scale.high)
    air = 0.03 * (high - low)  # marks at the edge are seen whole
    # As the numbers of the page are written: with a power of ten where they have one, never with "M" or "n".
    powers = "×10" in wording.score(scale.metric, max(abs(scale.low), abs(scale.high)))
    exponents = {"exponentformat": "power", "minexponent": 0} if powers else {"exponentformat": "none"}
    update(range=[low - air, high + air], nticks=7, **exponents)
    return update(ticksuffix=" %") if scale.metric.percent else figure


def placement_axis(figure: go.Figure, placements: Sequence[str], palette: Palette) -> None:
    """Placements on the vertical axis, a row each, the first one on top."""
    figure.update_yaxes(
        tickvals=list(range(len(placements))),
        ticktext=list(map(label, placements)),
        range=[len(placements) - 0.45, -0.55],
        showgrid=False,
        tickfont={"size": 13, "color": palette.ink},
        ticklabelstandoff=6,
    )


def label(placement: str) -> str:
    """A placement's name on an axis, escaped and broken after plus signs where it is long."""
    return "<br>".join(map(html.escape, _lines(placement)))


def label_height(placements: Iterable[str]) -> int:
    """Pixels that the tallest of these labels needs."""
    return LINE * max(len(_lines(placement)) for placement in placements)


def _lines(placement: str) -> list[str]:
    lines = [""]
    for part in re.findall(r"[^+]*\+?", placement):
        if lines[-1] and len(lines[-1]) + len(part) > LABEL:
            lines.append("")
        lines[-1] += part
    return lines
