"""Results as HTML: what notebooks show, with whatever names users give."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sweep.answer.records import Answer
from sweep.figures.forest_info import ForestInfo, forest_info
from sweep.figures.forest_svg import LONGEST, label, svg, ticks
from sweep.texts import html
from sweep.texts.answered import Answered
from sweep.texts.best import Best
from sweep.texts.document import Document
from sweep.texts.states import Status, Sweeps
from tests import made_answer
from tests.made_sweep import made_summary
from tests.test_notebook import well_formed

BAD = "<script>alert('x')</script>"


def info(answer: Answer) -> ForestInfo:
    found = forest_info(answer, ("none", *(arm.placement for arm in answer.arms)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1.0, 4.0, (-1, 0, 1, 2, 3, 4)),
        (-0.03, 0.05, (-0.02, 0.0, 0.02, 0.04)),
        (-1234.0, 10.0, (-1000, -750, -500, -250, 0)),
        (2.5e-9, 3.5e-9, (2.6e-9, 2.8e-9, 3e-9, 3.2e-9, 3.4e-9)),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("made", [made_answer.helps, made_answer.errors, made_answer.subsets, made_answer.one_history])
def test_a_picture_has_a_mark_for_every_placement_in_the_colour_of_the_text(made: object) -> None:
    assert callable(made)
    forest = info(made())
    page = svg(forest)
    well_formed(page)
    inside = [row for row in forest.rows if forest.holds(row.tuned.difference)]
    assert page.count("<circle") == len(inside)
    assert page.count('fill="currentColor" stroke') == sum(row.settled for row in inside)
    assert not re.search(r"#[0-9a-f]{3}|rgb|white|black|background", page)
    for row in forest.rows:
        assert label(row) in page
    for x in map(float, re.findall(r'(?:c?x="|d="M)([\d.-]+)', page)):
        assert 0 <= x <= 460


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow() -> None:
    forest = info(made_answer.helps())
    assert not re.search(r"L[\d.]+ \d+l", svg(forest))
    assert re.search(r"L[\d.]+ \d+l", svg(replace(forest, high=forest.rows[0].tuned.high / 2)))


def test_a_long_label_is_cut() -> None:
    (row, *_) = info(made_answer.helps()).rows
    assert len(label(replace(row, placement="x" * 100))) == LONGEST


def test_nothing_of_a_users_is_markup() -> None:
    summary = made_summary(8)
    summary = replace(summary, status=replace(summary.status, name=BAD, source=BAD, reason=BAD, holder=BAD))
    answer = replace(made_answer.rules(), name=BAD, cautions=(BAD,))
    answer = replace(answer, arms=tuple(replace(arm, placement=BAD) for arm in answer.arms))
    shown = (
        Best(summary),
        Status(summary.status),
        Status(summary.status, queued=True),
        Sweeps((summary.status,)),
        Document(BAD, BAD, [BAD]),
    )
    pages = [one._repr_html_() for one in shown]
    forest = info(made_answer.helps())
    pages.append(svg(replace(forest, rows=tuple(replace(row, placement=BAD) for row in forest.rows))))
    pages.append(html.frame(BAD, BAD))
    for page in pages:
        assert "<script" not in page
        assert "&lt;script" in page
        well_formed(page)


def test_a_raw_score_never_stands_without_the_honest_one() -> None:
    for summary in (made_summary(16), replace(made_summary(16), honest=None)):
        page = Best(summary)._repr_html_()
        assert page.index("honest score") < page.index("raw score")
        assert "too good" in page
        for arm in summary.arms:
            assert f">{arm.placement}</td>" in page
    assert "honest score" in repr(Best(made_summary(16)))
    nothing = replace(made_summary(4), trials=(), arms=(), best=None, honest=None)
    assert "no trial has finished yet" in Best(nothing)._repr_html_()
    assert repr(Best(nothing)) == "<sonar: no trial has finished yet>"


@pytest.mark.parametrize(
    "made", [made_answer.helps, made_answer.errors, made_answer.nothing_learned, made_answer.rules]
)
def test_an_answer_says_in_html_what_it_says_in_text(made: object) -> None:
    assert callable(made)
    found = Answered(made_summary(16), made(), with_rules=made is made_answer.rules)
    page = found._repr_html_()
    well_formed(page)
    plain = re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>|<[^>]*>", " ", page).replace("&#x27;", "'").replace("&lt;", "<"))
    for line in str(found).splitlines():
        for part in re.split(r"  +", line.strip()):
            if not part.isupper():  # heads are written small
                assert part.removeprefix("sonar: ").strip() in plain, part


def test_heads_in_capitals_are_written_small_and_names_as_they_are() -> None:
    head = ("PLACEMENT", "probability Yes", "AUC of A")
    page = html.table([("a", "b", "c")], head)
    assert re.findall(r"<th [^>]*>([^<]*)", page) == ["placement", "probability Yes", "AUC of A"]


def test_an_empty_list_says_what_to_do() -> None:
    assert str(Sweeps(())) == "no sweep yet: sweep run stores the first one"
    assert "no sweep yet" in Sweeps(())._repr_html_()
    assert repr(Sweeps(())) == "<0 sweeps>"


def test_a_document_is_its_text() -> None:
    made = Document("a\nb\n", "definition of x", ["note"])
    assert made == "a\nb\n"
    assert f"{made}" == "a\nb\n"
    assert repr(made) == "<definition of x: 2 lines>"
    assert "note" in made._repr_html_()
