"""Figures of what the trials say of rates, training and rows, in Plotly: they join those of ``draw.py``."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from sweep import wording
from sweep.figures.draw import SIZES, at_score, cloud, draw, empty, label, label_height, placement_axis, score_axis
from sweep.figures.effects_info import InteractionInfo, ResponseInfo
from sweep.figures.palette import PAGE, SYMBOLS, Palette
from sweep.figures.trials_info import EpochInfo, GapInfo, StabilityInfo

__all__ = ["draw"]

BEHIND = 0.4  # of the usual opacity, for trials behind a curve
FEW = 7  # rates up to which each is a mark
ROW, GAP = 46, 7  # pixels of a placement's row, and between the labels of two
BAR_WIDTH = 9  # pixels of the colours' legend


@draw.register
def _(info: ResponseInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=300)
    for points in info.arms:
        marks = cloud(points, info.scale, palette)
        marks.marker.opacity = [BEHIND * opacity for opacity in marks.marker.opacity]
        marks.marker.size = 0.75 * marks.marker.size
        figure.add_trace(marks)
    response, metric = info.response, info.scale.metric
    first = 1 if response.rates[0] == 0 else 0
    rates = list(response.rates)
    mean, low, high = (
        [at_score(info.scale, value) for value in band] for band in (response.mean, response.low, response.high)
    )
    figure.add_trace(
        go.Scatter(
            x=[*rates[first:], *reversed(rates[first:])],
            y=[*high[first:], *reversed(low[first:])],
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=palette.soft[0],
            hoverinfo="skip",
        )
    )
    said = [
        f"rate {wording.number(rate, 2)}: {wording.score(metric, value)}<br>({wording.interval(metric, below, above)})"
        for rate, value, below, above in zip(rates, response.mean, response.low, response.high, strict=True)
    ]
    alike = [None if told else value for told, value in zip(response.told, mean, strict=True)]
    for y, width, text in ((mean, 1.5, said), (alike, 4.5, said)):
        figure.add_trace(
            go.Scatter(
                x=rates[first:],
                y=y[first:],
                mode="lines+markers" if len(rates) <= FEW else "lines",
                line={"color": palette.ink, "width": width},
                marker={"color": palette.ink, "size": 6},
                text=text[first:],
                hoverinfo="text",
            )
        )
    if first:
        figure.add_trace(
            go.Scatter(
                x=[0],
                y=mean[:1],
                mode="markers",
                marker={"color": palette.surface, "size": 9, "line": {"color": palette.ink, "width": 2}},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [high[0] - mean[0]],
                    "arrayminus": [mean[0] - low[0]],
                    "color": palette.ink,
                    "thickness": 1.5,
                    "width": 4,
                },
                text=[said[0].replace("rate 0", "no dropout here", 1)],
                hoverinfo="text",
            )
        )
    figure.update_xaxes(title="dropout rate", range=[-0.03 * info.highest, info.highest * 1.06], tickformat=".1f")
    return score_axis(figure, info.scale)


@draw.register
def _(info: InteractionInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=330)
    metric, unit = info.metric, 100 if info.metric.percent else 1
    colours = palette.scale if metric.maximize else tuple(reversed(palette.scale))
    steps = len(colours) - 1
    figure.add_trace(
        go.Heatmap(
            z=[[None if score is None else unit * score for score in row] for row in info.map.scores],
            zmin=unit * info.low,
            zmax=unit * info.high,
            colorscale=[[step / steps, colour] for step, colour in enumerate(colours)],
            colorbar={
                "thickness": BAR_WIDTH,
                "outlinewidth": 0,
                "nticks": 5,
                "ticksuffix": " %" if metric.percent else "",
                "len": 1,
                "xpad": 6,
            },
            text=[
                [
                    ""
                    if score is None
                    else f"rate {wording.number(rate, 2)}, {info.partner} "
                    f"{'off' if value is None else wording.powers(wording.number(value, 2))}<br>"
                    f"{wording.score(metric, score)}"
                    for rate, score in zip(info.map.rates, row, strict=True)
                ]
                for value, row in zip(info.map.values, info.map.scores, strict=True)
            ],
            hoverinfo="text",
            hoverongaps=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in info.trials],
            y=[y for _, y in info.trials],
            mode="markers",
            marker={"color": palette.surface, "size": 4.5, "line": {"color": palette.ink, "width": 1}},
            opacity=0.8,
            hoverinfo="skip",
        )
    )
    for update, ticks, length in (
        (figure.update_xaxes, info.columns, len(info.map.rates)),
        (figure.update_yaxes, info.ticks, len(info.map.values)),
    ):
        update(
            tickvals=[place for place, _ in ticks],
            ticktext=[text for _, text in ticks],
            range=[-0.6, length - 0.4],
            showgrid=False,
            ticks="",
            tickangle=0,
        )
    figure.update_xaxes(title="dropout rate")
    return figure.update_yaxes(title=info.partner)


@draw.register
def _(info: GapInfo, palette: Palette = PAGE) -> go.Figure:
    figure = empty(palette, height=320)
    unit = 100 if info.metric.percent else 1
    for arm in info.arms:
        colour, symbol = palette.arms[arm.mark.colour], SYMBOLS[arm.mark.shape]
        inside = [info.at(gap) == gap for gap in arm.gaps]
        figure.add_trace(
            go.Scatter(
                x=list(arm.rates),
                y=[unit * info.at(gap) for gap in arm.gaps],
                mode="markers",
                name=html.escape(arm.placement),
                marker={
                    "color": colour,
                    "symbol": [symbol if kept else f"{symbol}-open" for kept in inside],
                    "size": 0.9 * SIZES[arm.mark.shape],
                    "opacity": 0.7,
                    "line": {"width": [0 if kept else 1.5 for kept in inside], "color": colour},
                },
                text=[
                    f"trial {number} · {html.escape(arm.placement)}<br>gap {info.text(gap)}"
                    for number, gap in zip(arm.numbers, arm.gaps, strict=True)
                ],
                hoverinfo="text",
            )
        )
    low, high = unit * info.low, unit * info.high
    if low < 0 < high:
        figure.add_hline(y=0, line={"color": palette.muted, "width": 1}, layer="below")
    most = max(rate for arm in info.arms for rate in arm.rates)
    figure.update_xaxes(title="mean dropout rate of all layers", tickformat=".1f", range=[-0.03 * most, 1.03 * most])
    air = 0.03 * (high - low)
    title = "gap in points" if info.metric.percent else "gap"
    return figure.update_yaxes(title=title, range=[low - air, high + air], nticks=7)


@draw.register
def _(info: EpochInfo, palette: Palette = PAGE) -> go.Figure:
    placements = [row.placement for row in info.rows]
    tall = max(ROW, label_height(placements) + GAP)
    figure = empty(palette, height=round(64 + tall * len(placements)))
    for place, row in enumerate(info.rows):
        colour = palette.arms[row.mark.colour]
        first, middle, third = row.quartiles
        figure.add_trace(
            go.Scatter(
                x=[first, third, third, first],
                y=[place - 0.36, place - 0.36, place + 0.36, place + 0.36],
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=palette.soft[row.mark.colour],
                hoverinfo="skip",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=list(row.epochs),
                y=[place + offset for offset in _beside(row.epochs)],
                mode="markers",
                name=html.escape(row.placement),
                marker={"color": colour, "symbol": SYMBOLS[row.mark.shape], "size": 5.5, "opacity": 0.7},
                text=[
                    f"trial {number} · {html.escape(row.placement)}<br>epoch {epoch}"
                    for number, epoch in zip(row.numbers, row.epochs, strict=True)
                ],
                hoverinfo="text",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=[middle, middle],
                y=[place - 0.4, place + 0.4],
                mode="lines",
                line={"color": colour, "width": 3},
                hoverinfo="skip",
            )
        )
    placement_axis(figure, placements, palette)
    air = 0.03 * info.checkpoints[-1]
    return figure.update_xaxes(title="epoch", range=[-air, info.checkpoints[-1] + air], tickformat="d")


@draw.register
def _(info: StabilityInfo, palette: Palette = PAGE) -> go.Figure:
    names = [name for name, _ in info.stability.shares]
    tall = max(30, label_height(names) + GAP)
    figure = empty(palette, height=round(24 + tall * len(names)))
    places = list(range(len(names)))
    figure.add_trace(
        go.Bar(
            x=[100 * share for _, share in info.stability.shares],
            y=places,
            orientation="h",
            marker={"color": [palette.arms[mark.colour] for mark in info.marks]},
            text=[wording.probability(share) if share else "0 %" for _, share in info.stability.shares],
            textposition="outside",
            textfont={"color": palette.ink},
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_layout(bargap=0.4, margin={"t": 4, "b": 8, "r": 52})
    figure.update_xaxes(visible=False, range=[0, 100 * max(share for _, share in info.stability.shares)])
    return figure.update_yaxes(
        tickvals=places,
        ticktext=[f"<b>{label(name)}</b>" if name == info.stability.chosen else label(name) for name in names],
        range=[len(names) - 0.45, -0.55],
        showgrid=False,
        tickfont={"size": 13, "color": palette.ink},
        ticklabelstandoff=6,
    )


def _beside(epochs: tuple[int, ...]) -> list[float]:
    """Offsets in a row, so that trials of one epoch stand beside each other: middle first, then to both sides."""
    seen: dict[int, int] = {}
    most = max(epochs.count(epoch) for epoch in set(epochs))
    step = min(0.12, 0.6 / max(1, most))
    offsets = []
    for epoch in epochs:
        number = seen[epoch] = seen.get(epoch, -1) + 1
        offsets.append(step * ((number + 1) // 2) * (-1) ** number)
    return offsets
