"""Rules of thumb in words and on the page: what they come to, where their intervals stand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sweep.analysis.results import SweepSummary
from sweep.answer import rule_sentences
from sweep.report.rules_section import rules_section
from tests.made_answer import helps, rules
from tests.made_sweep import made_summary


@pytest.fixture(scope="module")
def summary() -> SweepSummary:
    return made_summary()


@pytest.fixture
def section(summary: SweepSummary) -> dict[str, Any]:
    found = rules_section(summary, rules())
    assert found is not None
    return found


def test_outcomes_are_counted_in_words() -> None:
    made = rules().rules
    assert made is not None
    assert rule_sentences.outcomes(made) == (
        "of 5 rules, 1 holds, 1 does not hold, 1 makes no practical difference, 1 cannot be told, 1 could not be tested"
    )
    assert rule_sentences.outcomes(made[:1] * 3) == "of 3 rules, 3 hold"
    assert rule_sentences.outcomes(made[1:2] * 2) == "of 2 rules, 2 do not hold"


def test_the_basis_says_around_what_and_that_nothing_is_corrected() -> None:
    rest, caution = rule_sentences.basis(rules())
    assert "trial 17, dropout on the inputs" in rest
    assert "3 repeats" in rest
    assert "not corrected for their number: of 4 rules" in caution
    assert "0.2 would come out so by luck" in caution


def test_every_comparison_has_its_numbers_and_its_place(section: dict[str, Any]) -> None:
    holds, fails, alike, *_ = section["rules"]
    first, beside = holds["rows"]
    assert (first["value"], first["interval"], first["decides"]) == ("+2.4", "0.6 to 4.2", True)
    assert beside["decides"] is False
    assert section["zero"] < first["low"] < first["middle"] < first["high"] < 100
    assert first["beyond"] == []
    assert (holds["kind"], fails["kind"], alike["kind"]) == ("helps", "hurts", "open")
    # Farther left than the axis reaches: an arrow at its end, the number beside it.
    far = fails["rows"][0]
    assert far["middle"] is None
    assert [end["way"] for end in far["beyond"]] == ["left"]
    assert far["value"] == "\N{MINUS SIGN}31.0"


def test_ticks_are_round_and_stand_at_their_numbers(section: dict[str, Any]) -> None:
    texts = [tick["text"] for tick in section["ticks"]]
    assert "0" in texts
    assert 3 <= len(texts) <= 7
    places = {float(tick["text"].replace("\N{MINUS SIGN}", "-")): tick["at"] for tick in section["ticks"]}
    assert places[0.0] == section["zero"]
    numbers = sorted(places)
    gaps = {round(places[b] - places[a], 1) for a, b in itertools.pairwise(numbers)}
    assert max(gaps) - min(gaps) < 0.2
    band = section["band"]
    assert band["x"] + band["width"] / 2 == pytest.approx(section["zero"], abs=0.02)


def test_losses_have_an_axis_in_their_own_units(summary: SweepSummary) -> None:
    made = replace(rules(), metric="rmse", rope=0.77, control=replace(rules().control, score=56.4))
    found = rules_section(summary, made)
    assert found is not None
    assert found["gain"] == "RMSE lower by"
    assert "±0.77" in found["caption"]


def test_a_ruined_network_is_written_by_its_size(summary: SweepSummary) -> None:
    made = rules()
    assert made.rules is not None
    (first, *_) = made.rules[1].comparisons
    found = replace(first.comparison, difference=-2177302.775, low=-4898699.2, high=544093.6)
    ruined = replace(first, comparison=found, terms=(replace(first.terms[0], score=2177331.0), first.terms[1]))
    rule = replace(made.rules[1], comparisons=(ruined,))
    answer = replace(made, metric="rmse", control=replace(made.control, score=56.4), rules=(made.rules[0], rule))
    assert rule_sentences.gain(ruined, answer).startswith("RMSE higher by 2177303 (95 %: ")
    section = rules_section(summary, answer)
    assert section is not None
    assert section["rules"][1]["rows"][0]["value"] == "\N{MINUS SIGN}2177303"


def test_the_page_has_the_rules_where_they_were_asked_for_between_score_and_configuration(
    summary: SweepSummary, written: Callable[..., str]
) -> None:
    html = written(summary, rules())
    places = [html.index(text) for text in ("headline-title", "Rules of thumb on this table", "best-title")]
    assert places == sorted(places)
    for text in (
        "does not hold",
        "Brownlee&#39;s tutorial",
        "a line with an arrow goes on",
        "One rate for the inputs.",
    ):
        assert text in html
    assert "rules-title" not in written(summary, helps())
    assert rules_section(summary, helps()) is None
    assert rules_section(summary, replace(helps(), rules=())) is None


def test_text_of_a_rule_is_escaped(summary: SweepSummary, written: Callable[..., str]) -> None:
    made = rules()
    assert made.rules is not None
    first = replace(made.rules[0], statement="<b>20 %</b>", notes=("<i>note</i>",))
    html = written(summary, replace(made, rules=(first,)))
    assert "&lt;b&gt;20 %" in html
    assert "<i>note" not in html
