"""Figures of a sweep: the only module that speaks to Plotly.

A result record becomes an info record in ``info.py``, and that a figure here. Drawing decides looks alone.
Nothing a user wrote reaches a figure unescaped: Plotly reads a subset of HTML in every text.
"""

from __future__ import annotations

import html
from functools import singledispatch
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.offline

from sweep import wording
from sweep.figures.info import CurveInfo, ImportanceInfo, PlacementInfo, Points, RateInfo, Scale
from sweep.figures.palette import PAGE, SYMBOLS, Palette

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Pixels of each slot's mark, so that all look equally large.
SIZES = (8, 9, 7.5, 9, 9, 9, 8.5, 8.5)
CROWD = 120  # marks of one placement beyond which they shrink


@singledispatch
def draw(info: Any, palette: Palette = PAGE) -> go.Figure:
    """The figure of an info record, without a title, for any width."""
    raise TypeError(f"no figure of {type(info).__name__}")


@draw.register
def _(info: PlacementInfo, palette: Palette = PAGE) -> go.Figure:
    figure = _empty(palette, height=380)
    for column, (points, best) in enumerate(zip(info.columns, info.best, strict=True)):
        figure.add_trace(_cloud(points, info.scale, palette))
        figure.add_trace(
            go.Scatter(
                x=[column - 0.42, column + 0.42],
                y=[_y(info.scale, best.score)] * 2,
                mode="lines+text",
                line={"color": palette.arms[points.slot], "width": 2},
                text=[wording.bare_score(info.scale.metric, best.score), ""],
                textposition="top right" if info.scale.metric.maximize else "bottom right",
                textfont={"color": palette.ink, "size": 13},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    columns = list(range(len(info.columns)))
    figure.update_xaxes(
        tickvals=columns,
        ticktext=[html.escape(label) for label in info.labels],
        range=[-0.55, len(columns) - 0.45],
        showgrid=False,
        tickfont={"size": 13, "color": palette.ink},
    )
    return _score_axis(figure, info.scale)


@draw.register
def _(info: RateInfo, palette: Palette = PAGE) -> go.Figure:
    figure = _empty(palette, height=300)
    for points in info.arms:
        figure.add_trace(_cloud(points, info.scale, palette))
    if info.without is not None:
        line = {"color": palette.muted, "width": 1.5, "dash": "dot"}
        figure.add_hline(y=_y(info.scale, info.without), line=line, layer="below")
    figure.update_xaxes(title="dropout rate", range=[0, info.highest * 1.06], tickformat=".1f")
    return _score_axis(figure, info.scale)


@draw.register
def _(info: CurveInfo, palette: Palette = PAGE) -> go.Figure:
    figure = _empty(palette, height=320)
    colour, soft = palette.arms[info.slot], palette.soft[info.slot]
    for name, band, dash in (("training", info.training, "dot"), ("validation", info.validation, "solid")):
        mean = np.array([pair[0] for pair in band])
        deviation = np.array([pair[1] for pair in band])
        for edge, fill in ((mean - deviation, None), (mean + deviation, "tonexty")):
            figure.add_trace(
                go.Scatter(
                    x=list(info.epochs),
                    y=[_y(info.scale, value) for value in edge],
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
                y=[_y(info.scale, value) for value in mean],
                mode="lines",
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
    figure.update_xaxes(title="epoch", range=[0, info.epochs[-1] * 1.02], showgrid=False)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    )
    return _score_axis(figure, info.scale)


@draw.register
def _(info: ImportanceInfo, palette: Palette = PAGE) -> go.Figure:
    figure = _empty(palette, height=44 + 30 * len(info.names))
    figure.add_trace(
        go.Bar(
            x=list(info.shares),
            y=[html.escape(wording.parameter(name)) for name in info.names],
            orientation="h",
            marker={"color": palette.arms[info.slot]},
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


def _empty(palette: Palette, height: int) -> go.Figure:
    figure = go.Figure()
    axis = {
        "gridcolor": palette.grid,
        "zeroline": False,
        "fixedrange": True,  # a finger that moves over a figure scrolls the page
        "title": {"font": {"size": 13}},
        "automargin": True,
    }
    return figure.update_layout(
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


def _cloud(points: Points, scale: Scale, palette: Palette) -> go.Scatter:
    """Trials as marks; those beyond the scale are hollow, at its edge."""
    inside = [scale.holds(score) for score in points.scores]
    symbol = SYMBOLS[points.slot]
    crowded = min(1.0, (CROWD / len(points.scores)) ** 0.4)
    return go.Scatter(
        x=list(points.at),
        y=[_y(scale, score) for score in points.scores],
        mode="markers",
        name=html.escape(points.placement),
        marker={
            "color": palette.arms[points.slot],
            "symbol": [symbol if kept else f"{symbol}-open" for kept in inside],
            "size": SIZES[points.slot] * max(crowded, 0.35),
            "opacity": 0.7 * max(crowded, 0.6),
            "line": {"width": [0 if kept else 1.5 for kept in inside], "color": palette.arms[points.slot]},
        },
        text=[
            f"trial {number} · {html.escape(points.placement)}<br>{wording.score(scale.metric, score)}"
            for number, score in zip(points.numbers, points.scores, strict=True)
        ],
        hoverinfo="text",
    )


def _y(scale: Scale, value: float) -> float:
    """Where a score is drawn: shares in percent."""
    return scale.at(value) * (100 if scale.metric.percent else 1)


def _score_axis(figure: go.Figure, scale: Scale) -> go.Figure:
    """Scores on the vertical axis; without a title, which the page gives."""
    low, high = _y(scale, scale.low), _y(scale, scale.high)
    air = 0.03 * (high - low)  # marks at the edge are seen whole
    figure.update_yaxes(range=[low - air, high + air], nticks=7)
    return figure.update_yaxes(ticksuffix=" %") if scale.metric.percent else figure
