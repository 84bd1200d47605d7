"""Colours: readable on their page, told apart, the same for a placement wherever it stands."""

from __future__ import annotations

import re

import pytest

from sweep.figures.palette import DARK, LIGHT, PAGE, SHAPES, SLOTS, SYMBOLS, Palette, css_variables, slots_of


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


@pytest.mark.parametrize("palette", [LIGHT, DARK, PAGE], ids=["light", "dark", "page"])
def test_every_slot_has_its_own_colour_and_shape(palette: Palette) -> None:
    assert len(set(palette.arms)) == len(palette.arms) == len(palette.soft) == SLOTS
    assert len(set(SYMBOLS)) == len(set(SHAPES)) == SLOTS


def test_a_placement_keeps_its_colour_whatever_stands_beside_it() -> None:
    usual = slots_of(["none", "input", "hidden", "all"])
    assert slots_of(["all", "hidden2", "none"])["all"] == usual["all"]
    assert slots_of(["none"])["none"] == usual["none"]
    assert len(set(usual.values())) == 4


def test_unusual_placements_take_what_is_left() -> None:
    names = ["none", "input", "input+hidden2", "hidden1+hidden2", "all"]
    slots = slots_of(names)
    assert len(set(slots.values())) == len(names)
    many = slots_of([f"hidden{place}" for place in range(1, 20)])
    assert len(many) == 19
    assert set(many.values()) == set(range(SLOTS))


def test_every_variable_the_page_names_is_defined() -> None:
    wanted = {re.fullmatch(r"var\(--([\w-]+)\)", colour)[1] for colour in (PAGE.ink, PAGE.grid, *PAGE.arms, *PAGE.soft)}  # type: ignore[index]
    defined = set(re.findall(r"--([\w-]+):", css_variables(LIGHT)))
    assert wanted <= defined
    assert defined == set(re.findall(r"--([\w-]+):", css_variables(DARK)))
