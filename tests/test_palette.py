"""Colours: readable on their page, told apart, the same for a placement wherever it stands."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from sweep.figures.palette import COLOURS, DARK, LIGHT, PAGE, SHAPES, SYMBOLS, Palette, css_variables, marks_of
from sweep.spec.layers import subsets


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_the_page(palette: Palette) -> None:
    assert contrast(palette.ink, palette.surface) >= 7
    assert contrast(palette.muted, palette.surface) >= 4.5
    assert all(contrast(arm, palette.surface) >= 4.5 for arm in palette.arms)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_the_colours_of_maps_move_away_from_the_page_step_by_step(palette: Palette) -> None:
    """In lightness alone: with any colour vision, and in grey, more is more."""
    steps = [contrast(colour, palette.surface) for colour in palette.scale]
    assert steps == sorted(steps)
    assert steps[0] > 1.15, "a blank is told from the worst"
    assert all(after > 1.25 * before for before, after in pairwise(steps))


@pytest.mark.parametrize("palette", [LIGHT, DARK, PAGE], ids=["light", "dark", "page"])
def test_colours_and_shapes_differ(palette: Palette) -> None:
    assert len(set(palette.arms)) == len(palette.arms) == len(palette.soft) == COLOURS
    assert len(set(SYMBOLS)) == len(set(SHAPES)) == len(SYMBOLS)


def test_a_placement_keeps_its_mark_whatever_stands_beside_it() -> None:
    usual = marks_of(["none", "input", "hidden", "all"])
    assert marks_of(["all", "hidden2", "none"])["all"] == usual["all"]
    assert marks_of(["none"])["none"] == usual["none"]
    assert len({mark.colour for mark in usual.values()}) == len({mark.shape for mark in usual.values()}) == 4


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_all_subsets_of_the_layers_have_marks_of_their_own(depth: int) -> None:
    marks = marks_of(subsets(depth))
    assert len(set(marks.values())) == len(marks) == 2 ** (depth + 1)


@pytest.mark.parametrize("depth", [2, 3, 7])
def test_the_colour_of_the_control_is_its_own(depth: int) -> None:
    marks = marks_of(subsets(depth))
    assert [name for name, mark in marks.items() if mark.colour == marks["none"].colour] == ["none"]
    assert all(mark.colour < COLOURS and mark.shape < len(SHAPES) for mark in marks.values())


def test_every_variable_the_page_names_is_defined() -> None:
    named = (PAGE.ink, PAGE.grid, *PAGE.arms, *PAGE.soft, *PAGE.scale)
    wanted = {re.fullmatch(r"var\(--([\w-]+)\)", colour)[1] for colour in named}  # type: ignore[index]
    defined = set(re.findall(r"--([\w-]+):", css_variables(LIGHT)))
    assert wanted <= defined
    assert defined == set(re.findall(r"--([\w-]+):", css_variables(DARK)))
