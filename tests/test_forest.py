"""The forest plot: its axis, its words, and that the drawing shows the record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweep.figures.draw import to_json
from sweep.figures.draw_answer import draw
from sweep.figures.forest_info import ForestInfo, forest_info
from sweep.figures.info import describe
from sweep.figures.palette import DARK, LIGHT, PAGE, Palette, marks_of
from tests.made_answer import ALL, SUBSETS, answer, arm, equivalent, errors, helps

FOUR = ("none", "input", "hidden", "all")


def info_of(made: Any, placements: tuple[str, ...] = FOUR) -> ForestInfo:
    info = forest_info(made, placements)
    assert info is not None
    return info


def drawn(info: ForestInfo, palette: Palette = PAGE) -> Any:
    return json.loads(to_json(draw(info, palette)))


def marks(figure: Any) -> list[Any]:
    return [trace for trace in figure["data"] if "error_x" in trace]


@pytest.mark.parametrize(
    ("name", "palette"),
    [*((name, PAGE) for name in ALL), ("helps", LIGHT), ("helps", DARK)],
    ids=[*ALL, "helps, light", "helps, dark"],
)
def test_every_answer_is_drawn(name: str, palette: Palette) -> None:
    figure = drawn(info_of(ALL[name](), ("none", *SUBSETS) if name == "subsets" else FOUR), palette)
    assert len(marks(figure)) == 2 * len(ALL[name]().arms)
    assert ("var(--" in json.dumps(figure)) == (palette is PAGE)
    assert figure["layout"]["dragmode"] is False


def test_rows_stand_in_the_order_of_the_answer_in_the_colours_of_the_sweep() -> None:
    info = info_of(helps())
    assert [row.placement for row in info.rows] == ["input", "all", "hidden"]
    assert [row.mark for row in info.rows] == [marks_of(FOUR)[name] for name in ("input", "all", "hidden")]
    layout = drawn(info)["layout"]
    assert layout["yaxis"]["ticktext"] == ["input", "all", "hidden"]
    assert layout["yaxis"]["range"][0] > layout["yaxis"]["range"][1], "the first above"


def test_both_intervals_are_drawn_in_points_filled_and_hollow() -> None:
    filled, hollow = marks(drawn(info_of(helps())))[:2]
    for trace, middle, half in ((filled, 2.4, 1.8), (hollow, 2.1, 1.6)):
        assert trace["x"] == pytest.approx([middle])
        assert trace["error_x"]["array"] == pytest.approx([half])
        assert trace["error_x"]["arrayminus"] == pytest.approx([half])
    assert hollow["marker"]["symbol"] == f"{filled['marker']['symbol']}-open"
    assert filled["error_x"]["thickness"] > hollow["error_x"]["thickness"]
    assert filled["y"][0] < hollow["y"][0]
    assert filled["text"] == ["input<br>+2.4 points (95 %: 0.6 to 4.2)<br>against the best network without dropout"]
    assert "against itself with its dropout removed" in hollow["text"][0]


def test_the_verdict_stands_at_the_right_of_its_row() -> None:
    layout = drawn(info_of(errors()))["layout"]
    said = [note for note in layout["annotations"] if note.get("xref") == "paper"]
    assert [note["text"] for note in said] == ["<b>helps,<br>slightly</b>", "cannot tell", "cannot tell"]
    assert [note["y"] for note in said] == [0, 1, 2]
    assert layout["margin"]["r"] >= 7 * len("cannot tell")


def test_the_region_of_practical_equivalence_is_a_band_with_a_name_and_its_edges_are_seen() -> None:
    for made, half, words in ((equivalent(), 1.0, "±1 point"), (errors(), 0.77, "±0.77")):
        info = info_of(made)
        layout = drawn(info)["layout"]
        (band,) = [shape for shape in layout["shapes"] if shape["type"] == "rect"]
        assert (band["x0"], band["x1"]) == pytest.approx((-half, half))
        assert layout["xaxis"]["range"][0] < -half < half < layout["xaxis"]["range"][1]
        assert any(words in note["text"] for note in layout["annotations"])
        assert any(shape["type"] == "line" and shape["x0"] == shape["x1"] == 0 for shape in layout["shapes"])


def test_one_wide_interval_does_not_squeeze_the_others() -> None:
    narrow = [arm(name, "cannot tell", (0.0, 0.02)) for name in ("input", "all")]
    info = info_of(answer([*narrow, arm("hidden", "cannot tell", (0.1, 0.9))]))
    assert (info.low, info.high) == pytest.approx((-0.06, 0.06))
    assert not info.whole
    figure = drawn(info)
    (beyond, _) = [trace for trace in figure["data"] if "error_x" not in trace]
    assert beyond["x"] == pytest.approx([-6, 6])
    assert beyond["marker"]["symbol"] == ["triangle-left", "triangle-right"]
    assert "+10.0 points (95 %: −80.0 to 100.0)" in marks(figure)[4]["text"][0], "the words keep the true numbers"
    assert info_of(helps()).whole


def test_rows_of_many_placements_hold_their_labels() -> None:
    layout = drawn(info_of(ALL["subsets"](), ("none", *SUBSETS)))["layout"]
    lines = [text.split("<br>") for text in layout["yaxis"]["ticktext"]]
    assert len(lines) == 31
    assert layout["height"] / 31 > 17 * max(map(len, lines))
    assert max(len(line) for text in lines for line in text) <= 14, "a phone has room for them"


def test_the_axis_says_what_right_means() -> None:
    assert drawn(info_of(helps()))["layout"]["xaxis"]["title"]["text"] == "points of accuracy gained"
    assert drawn(info_of(errors()))["layout"]["xaxis"]["title"]["text"] == "RMSE lower by"
    auc = answer([arm("input", "cannot tell", (0.0, 0.02), metric="roc_auc")], "roc_auc")
    assert drawn(info_of(auc))["layout"]["xaxis"]["title"]["text"] == "ROC AUC higher by"


def test_words_say_what_the_plot_shows() -> None:
    assert describe(info_of(helps())).startswith(
        "What dropout changes in accuracy against the best network without dropout, for 3 placements, best raw score "
        "first. input: +2.4 points (95 %: 0.6 to 4.2), against itself without dropout +2.1 points (95 %: 0.5 to 3.7), "
        "helps; all: "
    )


def test_without_placements_there_is_nothing_to_draw() -> None:
    assert forest_info(answer([]), FOUR) is None
