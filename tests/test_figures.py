"""Every info record can be drawn, in the colours asked for, and nothing a user wrote becomes markup."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sweep.analysis.results import SweepSummary, arms_of
from sweep.figures.draw import draw, plotly_js, to_json
from sweep.figures.info import PlacementInfo, curve_infos, importance_infos, placement_info, rate_infos
from sweep.figures.palette import DARK, LIGHT, PAGE, Palette
from tests.made_sweep import DEFINITION, made_summary
from tests.pruned_sweep import pruned_summary


def infos(summary: SweepSummary) -> list[Any]:
    return [placement_info(summary), *rate_infos(summary), *curve_infos(summary), *importance_infos(summary)]


def cloud(figure: Any) -> Any:
    """The marks of the first placement."""
    return next(trace for trace in figure["data"] if trace["mode"] == "markers")


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
    assert percent["layout"]["xaxis"]["ticksuffix"] == " %"
    assert cloud(percent)["x"][0] == pytest.approx(100 * accuracy.trials[0].score)
    assert "ticksuffix" not in plain["layout"]["xaxis"]
    assert cloud(plain)["x"][0] == pytest.approx(rmse.trials[0].score)


def test_marks_beyond_the_scale_are_hollow_at_its_edge() -> None:
    info = placement_info(made_summary(20))
    assert isinstance(info, PlacementInfo)
    row = info.rows[0]
    far = replace(info, rows=(replace(row, scores=(0.0, *row.scores[1:])), *info.rows[1:]))
    drawn = cloud(json.loads(to_json(draw(far))))
    assert drawn["x"][0] == pytest.approx(100 * info.scale.low)
    assert drawn["marker"]["symbol"][:2] == ["circle-open", "circle"]
    assert "0.0 %" in drawn["text"][0], "the words keep the true score"


@pytest.mark.parametrize("metric", ["accuracy", "rmse"])
def test_the_best_values_stand_beside_the_figure_where_nothing_crosses_them(metric: str) -> None:
    definition = DEFINITION.replace('{ choices = ["none", "input", "hidden", "all"] }', '"subsets"').replace(
        "60, 30", "9, 6, 3"
    )
    summary = made_summary(64, metric, definition)
    figure = json.loads(to_json(draw(placement_info(summary))))
    layout = figure["layout"]
    assert [note["y"] for note in layout["annotations"]] == list(range(16))
    assert {(note["x"], note["xref"], note["xanchor"]) for note in layout["annotations"]} == {(1, "paper", "left")}
    assert layout["margin"]["r"] >= 7 * max(len(note["text"]) for note in layout["annotations"])
    assert layout["height"] / 16 >= 34, "a row for each"
    lines = [line for label in layout["yaxis"]["ticktext"] for line in label.split("<br>")]
    assert max(map(len, lines)) <= 14, "a phone has room for them"


@pytest.mark.parametrize(("factor", "powers"), [(1.0, False), (1e8, True), (1e-9, True)])
def test_an_axis_writes_numbers_as_the_page_does(factor: float, powers: bool) -> None:
    summary = made_summary(20, "rmse")
    scaled = tuple(
        replace(trial, score=trial.score * factor, folds=tuple(score * factor for score in trial.folds))
        for trial in summary.trials
    )
    arms = arms_of(scaled, summary.spec.space.placements, summary.metric)
    figure = json.loads(to_json(draw(placement_info(replace(summary, trials=scaled, arms=arms)))))
    assert figure["layout"]["xaxis"]["exponentformat"] == ("power" if powers else "none")
    assert all(("×10" in note["text"]) == powers for note in figure["layout"]["annotations"])


def test_trials_that_were_stopped_early_are_faint() -> None:
    info = placement_info(pruned_summary())
    assert isinstance(info, PlacementInfo)
    drawn = cloud(json.loads(to_json(draw(info))))
    marks = list(zip(info.rows[0].stopped, drawn["marker"]["opacity"], drawn["text"], strict=True))
    (solid,) = {opacity for stopped, opacity, _ in marks if stopped is None}
    (faint,) = {opacity for stopped, opacity, _ in marks if stopped is not None}
    assert faint == pytest.approx(0.35 * solid)
    assert all(text.endswith(f" when stopped at epoch {stopped}") for stopped, _, text in marks if stopped is not None)
    assert not any("stopped" in text for stopped, _, text in marks if stopped is None)


def test_a_curve_that_ends_early_is_drawn_on_the_axis_of_all_epochs() -> None:
    for info in curve_infos(pruned_summary(complete=False)):
        figure = json.loads(to_json(draw(info)))
        assert max(figure["data"][-1]["x"]) == 100
        assert figure["layout"]["xaxis"]["range"][1] > 300


def test_epochs_are_whole_and_begin_with_the_first() -> None:
    (info, _) = curve_infos(made_summary(20))
    assert json.loads(to_json(draw(info)))["layout"]["xaxis"]["range"][0] > 0
    for epochs in ((1, 2, 3), (1,)):
        short = replace(
            info,
            epochs=epochs,
            until=epochs[-1],
            training=info.training[: len(epochs)],
            validation=info.validation[: len(epochs)],
        )
        figure = json.loads(to_json(draw(short)))
        axis = figure["layout"]["xaxis"]
        assert axis["dtick"] == 1
        assert 0 < axis["range"][0] < 1
        assert axis["range"][1] > epochs[-1]
        assert ("markers" in {trace["mode"] for trace in figure["data"]}) == (epochs == (1,)), "a line needs two"


def test_bands_hold_only_what_the_metric_can_be() -> None:
    (info, _) = curve_infos(made_summary(20))
    wide = replace(
        info, validation=tuple((0.02, 0.5) for _ in info.epochs), training=tuple((0.98, 0.5) for _ in info.epochs)
    )
    wide = replace(wide, scale=replace(info.scale, low=-0.1, high=1.1))
    values = [y for trace in json.loads(to_json(draw(wide)))["data"] for y in trace["y"]]
    assert (min(values), max(values)) == (0, 100)


def test_names_are_escaped() -> None:
    info = placement_info(made_summary(20))
    assert isinstance(info, PlacementInfo)
    evil = "<b onmouseover=alert(1)>x</b>"
    rows = tuple(replace(row, placement=evil) for row in info.rows)
    text = to_json(draw(replace(info, rows=rows)))
    assert "<b" not in cloud(json.loads(text))["name"]
    assert evil not in json.dumps(json.loads(text))


def test_only_info_records_can_be_drawn() -> None:
    with pytest.raises(TypeError):
        draw("no info record")


def test_the_script_is_plotlys_own() -> None:
    script = plotly_js()
    assert "plotly.js v" in script[:200]
    assert "</script" not in script.lower()
