"""The simulation that checks the answer: its truth is true, its sweeps are the program's, what it counts is right."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from benchmarks import validity
from benchmarks.simulation import nested, pairs, rates, sweeps, tables, truth
from benchmarks.simulation.nested import NestedCell
from benchmarks.simulation.pairs import PAIRS, PairCell
from benchmarks.simulation.rates import Mean, Share
from benchmarks.simulation.sweeps import Cell
from benchmarks.simulation.worlds import WORLDS, Network, dataset, realised
from sweep.records import BlockJob, Hyperparameters
from sweep.training.train import train_block

PLACEMENTS = ("none", "input", "hidden", "all")
TINY = Cell("placebo", 60, trials=8)
TINY_NESTED = NestedCell("placebo", 60, trials=4, folds=2)
NESTED_LINE: dict[str, Any] = {
    "cell": {"nested": "placebo", "rows": 60, "trials": 4, "folds": 2},
    "replicate": 0, "seconds": 3.7, "ones": 0.5, "verdict": "cannot tell", "method": "t", "difference": -0.05,
    "low": -0.34, "high": 0.24, "se": 0.14, "p": 0.73, "p_pays": 0.34, "p_equivalent": 0.05, "true": 0.01,
    "best": {
        "raw": 0.65, "honest": [0.61, 0.43, 0.78], "nested": 0.53, "nested_ends": [0.48, 0.58], "true": 0.61,
        "true_weighted": 0.61, "true_outer": 0.58,
    },
}  # fmt: skip
"""A line as the simulation writes it; to simulate one takes seconds."""
ALL = Hyperparameters((32, 16), "all", (0.5, 0.5, 0.5), 0.1, 0.9, None, 1.0, 0.0)
NONE = replace(ALL, placement="none", dropout=(0.0, 0.0, 0.0))


# --- worlds -----------------------------------------------------------------------------------------------------------


def test_a_placebo_drops_nothing_and_has_seeds_of_its_own() -> None:
    networks = [realised(WORLDS["placebo"], replace(ALL, placement=p), 30, "trial", PLACEMENTS) for p in PLACEMENTS]
    assert {network.params.dropout for network in networks} == {(0.0, 0.0, 0.0)}
    assert [network.stream for network in networks] == [0, 1, 2, 3]
    matched = realised(WORLDS["placebo"], NONE, 30, "matched", PLACEMENTS)
    assert matched == Network(NONE, 30)


def test_a_handicap_is_that_of_the_matched_control_alone() -> None:
    world = WORLDS["handicap"]
    assert realised(world, NONE, 30, "matched", PLACEMENTS).params.learning_rate == pytest.approx(0.02)
    assert realised(world, NONE, 30, "trial", PLACEMENTS).params.learning_rate == 0.1


def test_where_dropout_is_real_it_is_trained_as_it_is() -> None:
    assert realised(WORLDS["helps"], ALL, 30, "trial", PLACEMENTS) == Network(ALL, 30)
    assert [name for name, world in WORLDS.items() if not world.null] == ["helps"]


def test_rows_are_drawn_with_class_shares() -> None:
    rng = np.random.default_rng(1)
    for ones in (0, 3, 40):
        features, codes = WORLDS["helps"].draw_with(rng, 40, ones)
        assert features.shape == (40, 20)
        assert codes.sum() == ones


def test_the_source_tells_the_class_in_two_ways() -> None:
    """Ten features do, and two groups of five together, neither of them alone; some labels say the opposite."""
    features, codes = WORLDS["helps"].draw(np.random.default_rng(1), 40_000)
    signs, first, second = 2 * codes - 1, features[:, 10:15].mean(axis=1), features[:, 15:].mean(axis=1)
    told = 1 - 2 * 0.15
    assert (features * signs[:, None]).mean(axis=0)[:10] == pytest.approx(np.full(10, 0.3 * told), abs=0.03)
    assert [np.mean(signs * first), np.mean(signs * second)] == pytest.approx([0.0, 0.0], abs=0.02)
    assert np.mean(signs * first * second) == pytest.approx(0.45**2 * told, abs=0.02)


# --- truth ------------------------------------------------------------------------------------------------------------


def test_no_network_is_tested_on_rows_it_was_trained_on() -> None:
    """On random labels one that was would be right more often than not."""
    rng, world = np.random.default_rng(2), WORLDS["labels"]
    data = dataset(*world.draw(rng, 80))
    plan = sweeps.prepared(Cell("labels", 80), data, seed=1).plan
    networks = [Network(NONE, 30), Network(ALL, 10)]
    fresh = truth.expected(world, networks, plan, rng, rows=64, ones=32, tables=12)
    assert fresh.shape == (2, 12, 2)
    assert truth.score(fresh, 0.5).mean(axis=1) == pytest.approx(0.5, abs=0.015)
    again = truth.refit(world, networks, plan, rng, data)
    assert again.shape == (2, truth.REFIT_SEEDS, 2)
    assert truth.score(again, 0.5).mean(axis=1) == pytest.approx(0.5, abs=0.03)


def test_a_network_stops_at_its_epoch() -> None:
    """As the confirmation has it: the learning rate falls as it does over the whole plan."""
    rng, world = np.random.default_rng(3), WORLDS["helps"]
    setup = sweeps.prepared(Cell("helps", 80), dataset(*world.draw(rng, 80)), seed=1)
    early = replace(NONE, lr_decay=0.01)
    done = sweeps.trained({0: Network(early, 10), 1: Network(early, 30)}, setup, setup.folds, setup.plan)
    assert [done[place].trained for place in (0, 1)] == [10, 30]
    whole = replace(setup.plan, checkpoints=(10, 30), stop="best")
    job = BlockJob((0,), (early,), whole)
    (result,) = train_block(setup.data, setup.folds, job)
    assert np.array_equal(done[0].predictions[-1], result.predictions[0], equal_nan=True)
    assert np.array_equal(done[1].predictions[-1], result.predictions[1], equal_nan=True)


def test_scores_are_weighted_by_class() -> None:
    assert truth.score(np.array([0.5, 1.0]), 0.2) == pytest.approx(0.6)


# --- sweeps and pairs -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")  # tests of a module may be spread, and this takes a second
def line() -> dict[str, Any]:
    return sweeps.simulate(TINY, 3)


def test_a_simulated_sweep_is_a_function_of_cell_and_number(line: dict[str, Any]) -> None:
    again = sweeps.simulate(TINY, 3)
    assert json.loads(json.dumps(again, allow_nan=False)) | {"seconds": 0} == line | {
        "seconds": 0,
        "cell": json.loads(json.dumps(line["cell"])),
        "arms": json.loads(json.dumps(line["arms"])),
    }
    assert line["repeats"] == 10
    assert [arm["raw"] for arm in line["arms"]] == sorted((arm["raw"] for arm in line["arms"]), reverse=True)
    assert line["best"]["raw"] == max(line["control"]["raw"], line["arms"][0]["raw"])
    # A placebo's matched control is the same network, but for its seeds: they differ, and not truly.
    assert {tuple(arm["true_matched"]) for arm in line["arms"]} == {(0.0, 0.0)}
    assert any(arm["matched"]["difference"] != 0 for arm in line["arms"])
    assert {arm["refit"] for arm in line["arms"]} == {None}


def test_thorough_sweeps_know_the_truth_of_matched_controls_and_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "TABLES", truth.GROUP)
    arms = sweeps.simulate(Cell("handicap", 60, trials=4, repeats=2, thorough=True), 0)["arms"]
    # A fifth of the learning rate is another network, and truly so.
    assert all(arm["true_matched"][0] != 0 and arm["refit"] is not None for arm in arms)


def test_an_equal_pair_differs_by_seeds_alone() -> None:
    found = pairs.simulate(PairCell("equal", 60, repeats=2), 0)
    assert found["true"] == 0.0
    assert found["difference"] != 0.0
    assert [name for name, pair in PAIRS.items() if pair.equal] == ["equal"]


def test_nested_is_asked_of_the_same_sweep() -> None:
    """That the program ran itself, of trials that a world made: it drops nothing, and arms have seeds of their own."""
    nested_line = nested.simulate(TINY_NESTED, 1)
    assert (nested_line.keys(), nested_line["best"].keys()) == (NESTED_LINE.keys(), NESTED_LINE["best"].keys())
    same = sweeps.simulate(Cell("placebo", 60, trials=4, folds=2, repeats=2), 1)["best"]
    own = nested_line["best"]
    assert [own["raw"], own["true"], own["true_weighted"]] == [same["raw"], same["true"], same["true_weighted"]]
    assert own["honest"] == pytest.approx(same["honest"], abs=0.01)  # the database keeps half precision
    # Its own figures are of other searches: on fewer rows, and scored on those that were left out.
    assert own["nested"] != own["raw"]
    assert own["true_outer"] == pytest.approx(own["true_weighted"], abs=0.2)
    assert own["nested_ends"][0] < own["nested"] < own["nested_ends"][1]
    assert nested_line["low"] < nested_line["difference"] < nested_line["high"]
    assert nested_line["true"] == pytest.approx(0.0, abs=0.1)
    assert nested_line["true"] != 0.0


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "number"), [(0, 200), (5, 200), (200, 200)])
def test_intervals_of_shares(hits: int, number: int) -> None:
    low, high = proportion_confint(hits, number, method="beta")
    share = Share(hits, number)
    assert (share.low, share.high) == pytest.approx((100 * low, 100 * high), abs=1e-6)


def test_mean_has_its_error_over_sweeps() -> None:
    assert str(Mean.of([1.0, 2.0, 3.0])) == "+2.0 ± 0.6"
    assert str(Mean.of([])) == "-"


def test_a_sweep_counts_once(line: dict[str, Any]) -> None:
    def said(*verdicts: str) -> dict[str, Any]:
        return line | {"arms": [arm | {"verdict": one} for arm, one in zip(line["arms"], verdicts, strict=True)]}

    lines = [
        said("helps", "helps", "cannot tell"),
        said("cannot tell", "cannot tell", "hurts"),
        said(*["cannot tell"] * 3),
    ]
    assert rates.found(lines, "helps") == Share(1, 3)
    assert rates.found(lines, "helps", "hurts") == Share(2, 3)
    assert rates.share_of(lines, "helps") == pytest.approx(100 * 2 / 9)


def test_coverage_bias_and_power_from_lines(line: dict[str, Any]) -> None:
    def with_truth(gap: float, p: float = 0.2) -> dict[str, Any]:
        own = {
            "low": 0.0,
            "high": 0.04,
            "difference": 0.02,
            "true": [gap, 0.0],
            "verdict": "helps",
            "nadeau_bengio_p": p,
        }
        return line | {"arms": [arm | own for arm in line["arms"]]}

    lines = [with_truth(0.02), with_truth(0.05)]
    assert rates.covered(lines, "true").value == 50.0
    assert rates.bias_of_difference(lines).value == pytest.approx(-1.5)
    assert rates.half_width(lines) == pytest.approx(2.0)
    assert rates.leading(lines, 1.5, 2.5) == Share(1, 1)
    assert rates.leading_by_reference([*lines, with_truth(0.02, 0.03), with_truth(0.05, 0.03)], 1.5, 2.5) == Share(1, 2)


def test_coverage_and_bias_of_nested_from_lines() -> None:
    def told(verdict: str, true: float, low: float) -> dict[str, Any]:
        own = {"raw": 0.9, "nested": 0.7, "nested_ends": [low, 0.8], "true_weighted": 0.75, "true_outer": 0.72}
        best = NESTED_LINE["best"] | own
        return NESTED_LINE | {"verdict": verdict, "true": true, "low": -0.01, "high": 0.03, "best": best}

    lines = [told("pays", 0.06, 0.6), told("cannot tell", 0.02, 0.74), told("costs", -0.04, 0.6)]
    assert [rates.said(lines, "pays"), rates.said(lines, "pays", "costs")] == [Share(1, 3), Share(2, 3)]
    assert rates.true_gap(lines).value == pytest.approx(4 / 3)
    assert [rates.gap_covered(lines), rates.winners_covered(lines)] == [Share(3, 3), Share(1, 3)]
    assert [rates.nested_covered(lines, truth) for truth in ("true_weighted", "true_outer")] == [
        Share(3, 3),
        Share(2, 3),
    ]
    assert [rates.score_errors(lines, "nested", truth)[0].value for truth in ("true_weighted", "true_outer")] == [
        pytest.approx(-5.0),
        pytest.approx(-2.0),
    ]
    assert rates.half_width(lines) == pytest.approx(2.0)


def test_what_has_to_hold_is_judged_from_enough_sweeps(line: dict[str, Any]) -> None:
    false = line | {"arms": [arm | {"verdict": "helps"} for arm in line["arms"]]}
    few = tables.checks({TINY: [line] * 19 + [false]})[0]
    assert few.judged.startswith("(")
    many = [tables.checks({TINY: [line] * (200 - bad) + [false] * bad})[0] for bad in (8, 9)]
    assert [check.judged for check in many] == ["yes", "no"]


def test_every_usual_cell_is_checked_or_shown(line: dict[str, Any]) -> None:
    assert len(set(validity.USUAL) | set(validity.FURTHER)) == len(validity.USUAL) + len(validity.FURTHER)
    shown = "\n".join(section.markdown() for section in tables.sections({TINY: [line]}))
    assert "placebo, seeds of its own, n 60" in shown


# --- the command ------------------------------------------------------------------------------------------------------


def test_what_was_stopped_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A thread in place of a process, which would import everything anew; what goes to one and back is pickled.
    done = pickle.loads(pickle.dumps(validity.Task(PairCell("equal", 40, repeats=2), 0)))  # noqa: S301 - our own
    assert done == validity.Task(PairCell("equal", 40, repeats=2), 0)
    monkeypatch.setattr(validity, "ProcessPoolExecutor", lambda workers, _: ThreadPoolExecutor(workers))
    path, cell = tmp_path / "validity.jsonl", PairCell("equal", 40, repeats=2)
    first = pairs.simulate(cell, 0) | {"difference": 7.0}
    path.write_text(json.dumps(first) + "\n" + json.dumps(first)[:30])
    arguments = ["--worlds", "equal", "--rows", "40", "--repeats", "2", "--sweeps", "2", "--workers", "1"]
    assert validity.main([*arguments, "--out", str(path)]) == 0
    known = validity.read(path)
    assert sorted(task.replicate for task in known) == [0, 1]
    assert known[validity.Task(cell, 0)]["difference"] == 7.0
    assert "equal, seeds of their own, n 40, R 2" in capsys.readouterr().out
    before = path.read_text()
    assert validity.main([*arguments, "--out", str(path)]) == 0
    assert path.read_text() == before


def test_nested_is_a_world_of_its_own_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "validity.jsonl"
    path.write_text(json.dumps(NESTED_LINE) + "\n")
    arguments = ["--worlds", "nested-placebo", "--rows", "60", "--trials", "4", "--folds", "2", "--sweeps", "1"]
    assert validity.main([*arguments, "--out", str(path)]) == 0
    assert list(validity.read(path)) == [validity.Task(TINY_NESTED, 0)]
    out = capsys.readouterr().out
    assert "| placebo, seeds of its own, n 60, trials 4, k 2 | 1 |" in out
    assert out.count("Raw, honest and nested score") == 1
    assert "What has to hold" not in out
