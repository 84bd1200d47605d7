"""Figures of a sweep that is running, in Plotly."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from sweep.figures.draw import at_score, cloud, draw, empty, score_axis
from sweep.figures.palette import PAGE, Palette
from sweep.figures.progress_info import ProgressInfo

BEHIND = 0.45  # of the opacity of the marks: the lines are what the figure is about


@draw.register
def _(info: ProgressInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=320)
    for climb in info.climbs:
        marks = cloud(climb.points, info.scale, palette)
        marks.marker.opacity = [BEHIND * opacity for opacity in marks.marker.opacity]
        figure.add_trace(marks.update(showlegend=False))
    for climb in info.climbs:
        if not climb.best:
            continue
        best = [at_score(info.scale, score) for score in climb.best]
        figure.add_trace(
            go.Scatter(
                x=[*climb.at, info.last],
                y=[*best, best[-1]],
                mode="lines",
                name=html.escape(climb.points.placement),
                line={"color": palette.arms[climb.points.mark.colour], "width": 2, "shape": "hv"},
                hoverinfo="skip",
            )
        )
    air = max(0.5, 0.02 * info.budget)
    figure.update_xaxes(title="trial", range=[-air, info.budget - 1 + air], showgrid=False, tickformat="d")
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    figure.update_layout(showlegend=True, legend=legend)
    return score_axis(figure, info.scale)
