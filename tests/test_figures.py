"""Every info record can be drawn, in the colours asked for, and nothing a user wrote becomes markup."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sweep.analysis.results import SweepSummary
from sweep.figures.draw import draw, plotly_js, to_json
from sweep.figures.info import PlacementInfo, curve_infos, importance_infos, placement_info, rate_infos
from sweep.figures.palette import DARK, LIGHT, PAGE, Palette
from tests.made_sweep import made_summary


def infos(summary: SweepSummary) -> list[Any]:
    return [placement_info(summary), *rate_infos(summary), *curve_infos(summary), *importance_infos(summary)]


@pytest.mark.parametrize("metric", ["accuracy", "rmse"])
@pytest.mark.parametrize("palette", [LIGHT, DARK, PAGE], ids=["light", "dark", "page"])
def test_all_figures_draw(metric: str, palette: Palette) -> None:
    drawn = [json.loads(to_json(draw(info, palette))) for info in infos(made_summary(80, metric))]
    assert len(drawn) == 1 + 3 + 2 + 4
    for figure in drawn:
        assert figure["layout"]["height"] > 100
        assert figure["layout"]["dragmode"] is False, "a finger scrolls the page"
    assert palette.arms[0] in json.dumps(drawn)
    if palette is not PAGE:
        assert "var(--" not in json.dumps(drawn)


def test_shares_are_drawn_in_percent_and_other_metrics_as_they_are() -> None:
    accuracy, rmse = made_summary(20), made_summary(20, "rmse")
    percent, plain = (json.loads(to_json(draw(placement_info(summary)))) for summary in (accuracy, rmse))
    assert percent["layout"]["yaxis"]["ticksuffix"] == " %"
    assert percent["data"][0]["y"][0] == pytest.approx(100 * accuracy.trials[0].score)
    assert "ticksuffix" not in plain["layout"]["yaxis"]
    assert plain["data"][0]["y"][0] == pytest.approx(rmse.trials[0].score)


def test_marks_beyond_the_scale_are_hollow_at_its_edge() -> None:
    info = placement_info(made_summary(20))
    assert isinstance(info, PlacementInfo)
    column = info.columns[0]
    far = replace(info, columns=(replace(column, scores=(0.0, *column.scores[1:])), *info.columns[1:]))
    cloud = json.loads(to_json(draw(far)))["data"][0]
    assert cloud["y"][0] == pytest.approx(100 * info.scale.low)
    assert cloud["marker"]["symbol"][:2] == ["circle-open", "circle"]
    assert "0.0 %" in cloud["text"][0], "the words keep the true score"


def test_names_are_escaped() -> None:
    info = placement_info(made_summary(20))
    assert isinstance(info, PlacementInfo)
    evil = "<b onmouseover=alert(1)>x</b>"
    columns = tuple(replace(column, placement=evil) for column in info.columns)
    text = to_json(draw(replace(info, columns=columns, labels=(evil,) * 4)))
    assert "<b" not in json.loads(text)["data"][0]["name"]
    assert evil not in json.dumps(json.loads(text))


def test_only_info_records_can_be_drawn() -> None:
    with pytest.raises(TypeError):
        draw("no info record")


def test_the_script_is_plotlys_own() -> None:
    script = plotly_js()
    assert "plotly.js v" in script[:200]
    assert "</script" not in script.lower()
