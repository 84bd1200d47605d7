"""Colours of everything people look at: one fixed mark per placement, light and dark.

The hues follow Okabe & Ito (2008), which people with any common colour vision tell apart; the lighter ones are
darkened on the light page, so that every mark has a contrast of at least 3 : 1 with its background. Placements differ
by the marker's shape too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as CSS writes them.

    Attributes:
        surface: Behind the figures.
        ink: Text.
        muted: Secondary text, reference lines.
        grid: Grid lines.
        arms: Of the placements, by :attr:`Mark.colour`.
        soft: The same, for bands.
        scale: From the worst to the best value of a map. One hue, steadily away from the surface in lightness, so that
            it reads the same with any colour vision and in print.
    """

    surface: str
    ink: str
    muted: str
    grid: str
    arms: tuple[str, ...]
    soft: tuple[str, ...]
    scale: tuple[str, ...]


def _soft(arms: Sequence[str], opacity: float) -> tuple[str, ...]:
    channels = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in arms]
    return tuple(f"rgba({red}, {green}, {blue}, {opacity})" for red, green, blue in channels)


_LIGHT_ARMS = ("#5f6673", "#0072b2", "#c2530a", "#00805c", "#8a4fb0", "#a8477f", "#8a6d00", "#7a5230")
_DARK_ARMS = ("#a9b0bc", "#56b4e9", "#ff9a56", "#35cfa0", "#c29be8", "#f08fc0", "#e6c32f", "#d0a37c")

_LIGHT_SCALE = ("#dfe7ee", "#b3cfe2", "#7fb2d3", "#4490bf", "#166a9f", "#0b3f66")
_DARK_SCALE = ("#26303b", "#294a63", "#2f6a91", "#4a90bd", "#83bde0", "#d3ecfb")

LIGHT = Palette("#ffffff", "#1b1e24", "#5d6470", "#e5e7eb", _LIGHT_ARMS, _soft(_LIGHT_ARMS, 0.15), _LIGHT_SCALE)
DARK = Palette("#171a20", "#e9eaed", "#a3a9b4", "#2d323b", _DARK_ARMS, _soft(_DARK_ARMS, 0.2), _DARK_SCALE)

COLOURS = len(_LIGHT_ARMS)

# Names of CSS variables in place of colours: the page resolves them, also inside its figures, for the scheme in use.
PAGE = Palette(
    "var(--surface)",
    "var(--ink)",
    "var(--muted)",
    "var(--grid)",
    tuple(f"var(--arm-{colour})" for colour in range(COLOURS)),
    tuple(f"var(--arm-{colour}-soft)" for colour in range(COLOURS)),
    tuple(f"var(--scale-{step})" for step in range(len(_LIGHT_SCALE))),
)

# Plotly's name of each shape, and the same mark as an SVG path in a box of 12 by 12.
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "hourglass", "bowtie")
SHAPES = (
    "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
    "M6 0L12 6L6 12L0 6z",
    "M1.5 1.5H10.5V10.5H1.5z",
    "M6 1L11.5 10.5H.5z",
    "M4 .5H8V4H11.5V8H8V11.5H4V8H.5V4H4z",
    "M6 11L11.5 1.5H.5z",
    "M1 1H11L1 11H11z",
    "M1 1V11L11 1V11z",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a placement is drawn: indices of its colour and its shape."""

    colour: int
    shape: int


NO_DROPOUT = Mark(0, 0)  # the control alone is grey

_USUAL = ("input", "hidden", "all", "hidden1", "hidden2", "input+hidden1", "hidden3")
_FIXED = {"none": NO_DROPOUT} | {name: Mark(place, place) for place, name in enumerate(_USUAL, 1)}

# Every other pair of a colour and a shape, neighbours in different colours and different shapes.
_OTHERS = [Mark(colour, (colour + turn) % len(SHAPES)) for turn in range(len(SHAPES)) for colour in range(1, COLOURS)]


def marks_of(placements: Sequence[str]) -> dict[str, Mark]:
    """The mark of every placement: usual ones always have the same, others what is left, in order.

    All are distinct up to 57 placements; beyond, the others share marks, never that of ``none``.
    """
    taken = {_FIXED[name] for name in placements if name in _FIXED}
    free = [mark for mark in _OTHERS if mark not in taken]
    others = [name for name in placements if name not in _FIXED]
    return {name: _FIXED[name] if name in _FIXED else free[others.index(name) % len(free)] for name in placements}


def css_variables(palette: Palette) -> str:
    """``--ink: #1b1e24; --arm-0: …`` for a style sheet."""
    named = {"surface": palette.surface, "ink": palette.ink, "muted": palette.muted, "grid": palette.grid}
    for colour in range(COLOURS):
        named[f"arm-{colour}"] = palette.arms[colour]
        named[f"arm-{colour}-soft"] = palette.soft[colour]
    for step, colour_of in enumerate(palette.scale):
        named[f"scale-{step}"] = colour_of
    return " ".join(f"--{name}: {value};" for name, value in named.items())
