"""Figures of effects, training and stability: what they say, in numbers and in words, and that they can be drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.analysis.effects import Effects, Response, effects_of
from sweep.analysis.results import Stability, StableRate, SweepSummary
from sweep.figures.captions import caption, effects_text, reading
from sweep.figures.draw import to_json
from sweep.figures.draw_effects import draw
from sweep.figures.effects_info import InteractionInfo, ResponseInfo, _labels, interaction_infos, response_infos
from sweep.figures.info import describe
from sweep.figures.palette import DARK, LIGHT, PAGE, Palette
from sweep.figures.trials_info import EpochInfo, GapInfo, StabilityInfo, epoch_info, gap_info, stability_info
from tests.made_sweep import made_summary
from tests.pruned_sweep import pruned_summary

RATES = (0.1, 0.2, 0.3, 0.4, 0.5)
LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
FALLING = (0.84, 0.85, 0.845, 0.83, 0.80)


@pytest.fixture(scope="module")
def made() -> tuple[SweepSummary, Effects]:
    summary = made_summary()
    return summary, effects_of(summary)


@pytest.fixture(scope="module")
def response(made: tuple[SweepSummary, Effects]) -> ResponseInfo:
    return response_infos(*made)[0]


def known(gap: GapInfo | None, epochs: EpochInfo | None, stability: StabilityInfo | None) -> list[Any]:
    assert gap is not None
    assert epochs is not None
    assert stability is not None
    return [gap, epochs, stability]


def everything(summary: SweepSummary) -> list[Any]:
    effects = effects_of(summary)
    rest = known(gap_info(summary), epoch_info(summary), stability_info(summary))
    return [*response_infos(summary, effects), *interaction_infos(summary, effects), *rest]


# --- drawing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "rmse"])
def test_all_figures_draw_in_the_colours_asked_for(metric: str) -> None:
    infos = everything(made_summary(96, metric))
    assert len(infos) == 3 + 3 + 3
    for palette in (LIGHT, DARK, PAGE):
        drawn = [json.loads(to_json(draw(info, palette))) for info in infos]
        for figure in drawn:
            assert figure["layout"]["height"] > 100
            assert figure["layout"]["dragmode"] is False
            assert len(json.dumps(figure)) < 20_000
        assert ("var(--" in json.dumps(drawn)) == (palette is PAGE)
    for info in infos:
        assert describe(info)
        assert caption(info)
        assert reading(info)


@pytest.mark.parametrize("palette", [LIGHT, DARK, PAGE], ids=["light", "dark", "page"])
def test_the_better_a_score_the_stronger_its_colour(palette: Palette, made: tuple[SweepSummary, Effects]) -> None:
    (high, *_), (low, *_) = (
        interaction_infos(summary, effects_of(summary)) for summary in (made[0], made_summary(128, "rmse"))
    )
    for info, ends in ((high, (palette.scale[0], palette.scale[-1])), (low, (palette.scale[-1], palette.scale[0]))):
        (heat, *_) = json.loads(to_json(draw(info, palette)))["data"]
        assert (heat["colorscale"][0][1], heat["colorscale"][-1][1]) == ends
    assert heat["z"][0] is not None


def test_a_blank_stays_blank_and_shares_are_in_percent(made: tuple[SweepSummary, Effects]) -> None:
    for info in interaction_infos(*made):
        (heat, marks) = json.loads(to_json(draw(info)))["data"]
        for drawn, row in zip(heat["z"], info.map.scores, strict=True):
            assert [value is None for value in drawn] == [value is None for value in row]
        assert heat["zmax"] == pytest.approx(100 * info.high)
        assert len(marks["x"]) == len(info.map.trials) == 64


def test_the_curve_is_thick_where_it_cannot_be_told_from_its_best(response: ResponseInfo) -> None:
    figure = json.loads(to_json(draw(response)))
    lines = [trace for trace in figure["data"] if trace.get("line", {}).get("width") == 4.5]
    (thick,) = lines
    assert [value is None for value in thick["y"]] == list(response.response.told[1:]), "without the ring at 0"
    assert figure["data"][-1]["x"] == [0]


# --- infos ------------------------------------------------------------------------------------------------------------


def test_responses_share_axes_that_hold_their_bands(made: tuple[SweepSummary, Effects]) -> None:
    infos = response_infos(*made)
    assert [info.title for info in infos] == ["Inputs", "Hidden layer 1", "Hidden layer 2"]
    assert len({info.scale for info in infos}) == len({info.highest for info in infos}) == 1
    for info in infos:
        assert all(info.scale.holds(value) for band in (info.response.low, info.response.high) for value in band)
        assert sum(len(arm.numbers) for arm in info.arms) == info.response.trials
    assert response_infos(made[0], Effects()) == ()
    assert interaction_infos(made[0], Effects()) == ()


def test_behind_a_curve_are_only_the_trials_that_it_is_of() -> None:
    pruned = pruned_summary(512)
    for info in response_infos(pruned, effects_of(pruned)):
        assert sum(len(arm.numbers) for arm in info.arms) == info.response.trials
        assert not any(arm.pruned for arm in info.arms)


def test_trials_lie_on_the_map_where_their_values_do(made: tuple[SweepSummary, Effects]) -> None:
    for info in interaction_infos(*made):
        values, rates = info.map.values, info.map.rates
        for (x, y), (rate, value) in zip(info.trials, info.map.trials, strict=True):
            assert 0 <= x <= len(rates) - 1
            assert rates[int(np.floor(x))] - 1e-9 <= rate <= rates[int(np.ceil(x))] + 1e-9
            around = [values[int(np.floor(y))], value, values[int(np.ceil(y))]]
            numbers = [number for number in around if number is not None]
            assert len(numbers) == 3
            assert numbers[0] - 1e-9 <= numbers[1] <= numbers[2] + 1e-9
        assert 2 <= len(info.ticks) <= 7
        assert 2 <= len(info.columns) <= 7
    first = interaction_infos(*made)[0]
    assert [text for _, text in first.ticks][-2:] == ["0.1", "0.3"]


@pytest.mark.parametrize("log", [False, True])
def test_labels_are_few_and_round_whatever_the_axis(log: bool) -> None:
    rng = np.random.default_rng(0)
    for low, length in zip(10.0 ** rng.uniform(-4, 1, 300), 10.0 ** rng.uniform(-3, 3, 300), strict=True):
        axis = np.linspace(low, low + length, 15).tolist()
        labels = _labels(axis, log=log)
        places = [place for place, _ in labels]
        assert places == sorted(set(places))
        assert all(0 <= place <= 14 for place in places)
        assert len(labels) <= 6
        assert log or len(labels) >= 2
        for place, text in labels:
            near = np.interp(place, np.arange(15), axis) if not log else None
            assert near is None or float(text.replace("×10", "e").translate(LOWERED)) == pytest.approx(near, rel=0.06)


def test_no_bound_is_the_last_row(made: tuple[SweepSummary, Effects]) -> None:
    summary, _ = made
    off = tuple(
        replace(trial, hyperparameters=replace(trial.hyperparameters, max_norm=None)) if trial.number % 3 else trial
        for trial in summary.trials
    )
    changed = replace(summary, trials=off)
    info = interaction_infos(changed, effects_of(changed))[2]
    last = len(info.map.values) - 1.0
    assert info.ticks[-1] == (last, "off")
    norms = [value for _, value in info.map.trials]
    assert {y for (_, y), norm in zip(info.trials, norms, strict=True) if norm is None} == {last}
    assert "without max-norm" in caption(info)


def test_gaps_are_improvements_on_training_rows(made: tuple[SweepSummary, Effects]) -> None:
    for summary in (made[0], made_summary(128, "rmse")):
        info = gap_info(summary)
        assert info is not None
        sign = 1 if summary.metric.maximize else -1
        for arm in info.arms:
            for number, rate, gap in zip(arm.numbers, arm.rates, arm.gaps, strict=True):
                trial = summary.trials[number]
                assert trial.training is not None
                assert gap == pytest.approx(sign * (trial.training - trial.score))
                assert rate == pytest.approx(np.mean(trial.hyperparameters.dropout))
        assert info.trend == -1
        assert info.few[0] < info.many[0]
        assert info.few[1] > info.many[1] > 0
    unknown = tuple(replace(trial, training=None) for trial in made[0].trials)
    assert gap_info(replace(made[0], trials=unknown)) is None
    assert gap_info(made_summary(8)) is None


def test_epochs_by_placement(made: tuple[SweepSummary, Effects]) -> None:
    summary, _ = made
    info = epoch_info(summary)
    assert info is not None
    assert [row.placement for row in info.rows] == ["none", "input", "hidden", "all"]
    row = info.rows[1]
    assert list(row.epochs) == [trial.epoch for trial in summary.trials if trial.placement == "input"]
    assert row.quartiles == tuple(np.quantile(row.epochs, (0.25, 0.5, 0.75)))
    last = replace(summary.spec, training=replace(summary.spec.training, stop="last"))
    assert epoch_info(replace(summary, spec=last)) is None
    assert epoch_info(made_summary(1)) is None


# --- captions ---------------------------------------------------------------------------------------------------------


def curve(info: ResponseInfo, **changes: Any) -> ResponseInfo:
    """The info with a curve of our own."""
    half = changes.pop("half", 0.01)
    own = Response(
        layer=changes.pop("layer", "input"),
        placements=("input",),
        trials=40,
        rates=changes.pop("rates", RATES),
        mean=FALLING,
        low=tuple(value - half for value in FALLING),
        high=tuple(value + half for value in FALLING),
        best=changes.pop("best", 0.2),
        told=changes.pop("told", (False,) * 5),
    )
    return replace(info, response=own, **changes)


TOLD = (False, False, False, True, True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"told": TOLD},
            "Accuracy is highest near 0.2 on the inputs. Rates from 0.4 to 0.5 do worse; from 0.1 to 0.3 the "
            "band is too "
            "wide to tell.",
        ),
        (
            {"told": (True, False, True, True, True), "layer": "hidden1"},
            "Accuracy is highest near 0.2 on hidden layer 1. Rates of 0.1 and from 0.3 to 0.5 do worse.",
        ),
        (
            {"told": TOLD, "rates": (0.0, 0.2, 0.3, 0.4, 0.5)},
            "Accuracy is highest near 0.2 on the inputs. Rates from 0.4 to 0.5 do worse; up to 0.3 the band is "
            "too wide to "
            "tell.",
        ),
        (
            {"told": (True, False, False, False, False), "rates": (0.0, 0.2, 0.3, 0.4, 0.5)},
            "Accuracy is highest near 0.2 on the inputs. No dropout at all there does worse; from 0.2 to 0.5 the "
            "band is "
            "too wide to tell.",
        ),
        (
            {"told": (True, False, False, True, True), "rates": (0.0, 0.2, 0.3, 0.4, 0.5), "layer": None},
            "Accuracy is highest near 0.2 on all layers. Rates from 0.4 to 0.5 do worse, and so does none at all "
            "there; "
            "from 0.2 to 0.3 the band is too wide to tell.",
        ),
        (
            {"told": TOLD, "rates": (0.0, 0.2, 0.3, 0.4, 0.5), "best": 0.0},
            "Accuracy is highest without dropout on the inputs. Rates from 0.4 to 0.5 do worse; up to 0.3 the "
            "band is too "
            "wide to tell.",
        ),
        (
            {"half": 0.012},
            "The trials do not tell rates from 0.1 to 0.5 on the inputs apart: the band is up to ±1.2 points wide.",
        ),
        (
            {"rates": (0.0, 0.2, 0.3, 0.4, 0.5), "explained": 0.02, "half": 0.012},
            "The trials, whose scores follow hardly any pattern, do not tell rates from 0.2 to 0.5 on the inputs "
            "apart, nor "
            "from none at all: the band is up to ±1.2 points wide.",
        ),
    ],
)
def test_a_response_in_words(response: ResponseInfo, changes: dict[str, Any], expected: str) -> None:
    assert caption(curve(response, **changes)) == expected


def test_of_a_loss_the_best_is_the_lowest() -> None:
    summary = made_summary(128, "rmse")
    info = response_infos(summary, effects_of(summary))[0]
    assert caption(info).startswith("RMSE is lowest near ")
    assert "do worse" in caption(info)


def test_an_interaction_in_words(made: tuple[SweepSummary, Effects]) -> None:
    info: InteractionInfo = interaction_infos(*made)[0]
    assert caption(info).endswith("the trials do not tell whether the effect of the rate depends on the learning rate.")
    clear = replace(info.map.difference, value=0.05, low=0.04, high=0.06)
    told = replace(info, map=replace(info.map, difference=clear))
    assert caption(told).endswith(": the higher the learning rate, the better a high rate does.")
    norm = interaction_infos(*made)[2]
    against = replace(clear, value=-0.05, low=-0.06, high=-0.04)
    told = replace(norm, map=replace(norm.map, difference=against))
    assert caption(told).endswith(": the weaker the max-norm, the worse a high rate does.")


def test_what_an_interaction_changes_has_the_sign_of_the_score(made: tuple[SweepSummary, Effects]) -> None:
    accuracy = interaction_infos(*made)[0]
    other = made_summary(128, "rmse")
    rmse = interaction_infos(other, effects_of(other))[0]
    assert accuracy.map.changes[0].value < 0
    assert "changes accuracy by −" in caption(accuracy)
    assert rmse.map.changes[0].value < 0, "an improvement where positive"
    assert "changes RMSE by +" in caption(rmse)


def test_a_gap_in_words(made: tuple[SweepSummary, Effects]) -> None:
    info = gap_info(made[0])
    assert info is not None
    told = replace(info, few=(0.0, 0.144), many=(0.27, 0.119))
    numbers = "14.4 points at mean rates near 0, 11.9 points near 0.27."
    for trend, words in (
        (-1, "The more dropout, the smaller the gap between training and validation rows: "),
        (0, "The gap between training and validation rows does not visibly follow the rate: "),
        (1, "The gap between training and validation rows grows with the rate, which is unusual: "),
    ):
        assert caption(replace(told, trend=trend)) == words + numbers


def test_epochs_in_words(made: tuple[SweepSummary, Effects]) -> None:
    info = epoch_info(made[0])
    assert info is not None
    assert caption(replace(info, differ=False)) == "The chosen epochs do not differ between placements beyond chance."
    late = replace(info.rows[3], quartiles=(200.0, 275.0, 300.0))
    rows = (replace(info.rows[0], quartiles=(50.0, 100.0, 150.0)), *info.rows[1:3], late)
    assert caption(replace(info, rows=rows, differ=True, last=0.4)) == (
        "Networks with dropout on the inputs and the hidden layers need the most epochs (median 275), those without "
        "dropout the fewest (100). 40 % of the trials chose the last epoch: longer training might do better."
    )


def test_placements_that_learn_at_different_speeds_differ(made: tuple[SweepSummary, Effects]) -> None:
    summary, _ = made
    slow = tuple(
        replace(trial, epoch=300 if trial.placement == "all" else 100 + 25 * (trial.number % 3))
        for trial in summary.trials
    )
    info = epoch_info(replace(summary, trials=slow))
    assert info is not None
    assert info.differ
    assert info.last == 0.25
    same = epoch_info(replace(summary, trials=tuple(replace(trial, epoch=100) for trial in summary.trials)))
    assert same is not None
    assert not same.differ


def test_stability_in_words(made: tuple[SweepSummary, Effects]) -> None:
    info = stability_info(made[0])
    assert info is not None
    rates = (
        StableRate("input", 0.1, 0.2, 0.35),
        StableRate("hidden1", 0.0, 0.0, 0.0),
        StableRate("hidden2", 0, 0, 0.3),
    )
    found = Stability(2000, (("none", 0.1), ("input", 0.7), ("hidden", 0.2)), rates, "input", 0.23, 40)
    first = (
        "of 2,000 bootstrap samples of the rows choose dropout on the inputs, as the sweep did; this very "
        "trial wins 23 %."
    )
    last = (
        " The winner's rate lies between 0.1 and 0.35 on the inputs and between 0 and 0.3 on hidden layer 2 "
        "in nine of ten samples."
    )
    assert caption(replace(info, stability=found)) == f"70 % {first}{last}"
    firm = replace(found, shares=(("none", 0.1), ("input", 0.9)))
    assert caption(replace(info, stability=firm)) == f"90 % {first} That choice does not rest on a few rows.{last}"
    loose = replace(found, shares=(("none", 0.6), ("input", 0.4)), rates=())
    assert caption(replace(info, stability=loose)) == (
        f"40 % {first} Other rows would more often than not have led to another placement."
    )


def test_what_it_all_rests_on(made: tuple[SweepSummary, Effects]) -> None:
    summary, effects = made
    text = effects_text(effects, summary)
    assert "fitted to 128 trials" in text
    assert f"explains {100 * effects.explained:.0f} % of their differences." in text
    assert "these rows and the folds that the choice was made on" in text
    poor = effects_text(replace(effects, explained=-0.1, left_out=3, floor=0.61, floored=2), summary)
    assert "explains 0 % of their differences: read little into it." in poor
    assert "2 scores far below the rest count as 61.0 %." in poor
    assert "3 trials stopped early" in poor
    assert "fewer than 20 trials" in effects_text(Effects(trials=12), summary)
    assert "too few trials differ in a rate" in effects_text(Effects(trials=40), summary)


def test_only_info_records_have_words() -> None:
    with pytest.raises(TypeError):
        caption("no info record")
    with pytest.raises(TypeError):
        reading("no info record")
