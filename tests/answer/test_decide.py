"""From comparisons to verdicts, on made predictions whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.analysis.weighted import Truth
from sweep.answer.decide import Confirmed, Contender, Setting, decide
from sweep.answer.records import Answer, Verdict
from sweep.metrics import compute, metrics_for
from sweep.records import Hyperparameters, Task

ROWS, REPEATS, FOLDS = 400, 6, 5


class World:
    """Rows of one task, folds, and networks that are as good as asked for.

    Rows are as hard for one network as for another, and each network errs by itself a little in each repeat.
    """

    def __init__(
        self, task: Task = "binary", rows: int = ROWS, repeats: int = REPEATS, metric: str = "accuracy"
    ) -> None:
        self.rng = np.random.default_rng(5)
        self.task, self.metric = task, metric
        self.classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
        target = self.rng.normal(size=rows) if task == "regression" else self.rng.integers(0, self.classes, rows)
        self.truth = Truth(task, target, self.classes, 0.0, 1.0)
        self.fold_of = np.stack([self.rng.permutation(rows) % FOLDS for _ in range(repeats)])
        self.hard = self.rng.normal(size=rows)

    def setting(self, **changes: Any) -> Setting:
        metrics = metrics_for(self.task)
        plain = Setting(
            name="made", metric=self.metric, metrics=metrics, truth=self.truth, folds=FOLDS, fold_of=self.fold_of
        )
        return replace(plain, **changes)

    def network(self, skill: float, raw: float = 0.8, placement: str = "none", **changes: Any) -> Confirmed:
        """The larger ``skill``, the more rows are right."""
        repeats, rows = self.fold_of.shape
        edge = skill - 1.2 * self.hard + 0.5 * self.rng.normal(size=(repeats, rows))
        if self.task == "regression":
            outputs = (self.truth.target + np.exp(-skill) * (self.hard + self.rng.normal(size=(repeats, rows))))[
                ..., None
            ]
        elif self.task == "binary":
            outputs = (edge * (2 * self.truth.target - 1))[..., None]
        else:
            outputs = self.rng.normal(scale=0.1, size=(repeats, rows, self.classes))
            outputs += np.eye(self.classes)[self.truth.target] * edge[..., None]
        return self.confirmed(outputs.astype(np.float32), raw, placement, **changes)

    def confirmed(self, outputs: np.ndarray, raw: float, placement: str = "none", **changes: Any) -> Confirmed:
        rates = (0.0, 0.0) if placement == "none" else (0.2, 0.3)
        params = Hyperparameters((8,), placement, rates, 0.1, 0.9, None, 1.0, 0.0)
        plain = Confirmed(
            trial=7,
            params=params,
            epoch=10,
            raw_score=raw,
            predictions=outputs,
            scores=self.scores(outputs),
            diverged=np.zeros((len(outputs), FOLDS), dtype=np.bool_),
        )
        return replace(plain, **changes)

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        metrics = metrics_for(self.task)
        found = np.empty((len(outputs), FOLDS, len(metrics)))
        for repeat, fold in np.ndindex(found.shape[:2]):
            inside = self.fold_of[repeat] == fold
            for place, metric in enumerate(metrics):
                found[repeat, fold, place] = compute(
                    metric, self.truth.target[inside], self.answers(outputs[repeat, inside])
                )
        return found

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        if self.task == "regression":
            return outputs[:, 0]
        if self.task == "binary":
            return 1 / (1 + np.exp(-outputs[:, 0].astype(np.float64)))
        powers = np.exp(outputs.astype(np.float64))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def arm(self, skill: float, matched: float, raw: float = 0.8, placement: str = "input") -> Contender:
        return Contender(self.network(skill, raw, placement), self.network(matched, raw))

    def ask(self, control: float, *arms: Contender, **changes: Any) -> Answer:
        return decide(self.setting(**changes), self.network(control), arms)


def verdicts(answer: Answer) -> list[tuple[str, Verdict]]:
    return [(arm.placement, arm.verdict) for arm in answer.arms]


# --- two controls -----------------------------------------------------------------------------------------------------


def test_a_verdict_needs_both_controls() -> None:
    world = World()
    better, worse = 1.6, 0.4
    assert world.ask(1.0, world.arm(better, 1.0)).arms[0].verdict == "helps"
    assert world.ask(1.0, world.arm(worse, 1.0)).arms[0].verdict == "hurts"
    tuned = world.ask(1.0, world.arm(better, better)).arms[0]
    assert (tuned.verdict, tuned.reason) == ("cannot tell", "tuned control only")
    matched = world.ask(better, world.arm(better, 1.0)).arms[0]
    assert (matched.verdict, matched.reason) == ("cannot tell", "matched control only")
    against = world.ask(worse, world.arm(1.0, better)).arms[0]
    assert (against.verdict, against.p_value) == ("cannot tell", 1.0)


@pytest.mark.parametrize(
    ("skill", "rivals", "verdict", "reason"),
    [
        (1.6, (1.0, 0.9), "helps", None),
        (1.6, (1.0, 1.6), "cannot tell", "rival"),
        (0.4, (1.0, 0.9), "hurts", None),
        (0.4, (1.0, 0.4), "cannot tell", None),
    ],
)
def test_a_verdict_needs_the_next_best_without_dropout_too(
    skill: float, rivals: tuple[float, ...], verdict: Verdict, reason: str | None
) -> None:
    """A control that is best by luck alone makes dropout look good, or bad."""
    world = World()
    others = [world.network(one, raw=0.79) for one in rivals]
    answer = decide(world.setting(), world.network(1.0), [world.arm(skill, 1.0)], others)
    arm = answer.arms[0]
    assert (arm.verdict, arm.reason) == (verdict, reason)
    assert len(arm.rivals) == len(answer.rivals) == 2
    hardest = max(arm.rivals, key=lambda one: min(one.p_greater, one.p_less))
    assert arm.rival == hardest
    assert arm.p_value >= hardest.p_value


def test_differences_are_of_scores_and_p_is_the_worse_of_both() -> None:
    world = World()
    answer = world.ask(1.0, world.arm(1.3, 1.1))
    arm = answer.arms[0]
    # Folds have equal sizes here, so the mean over folds is the mean over rows.
    assert arm.tuned.difference == pytest.approx(arm.score - answer.control.score)
    assert arm.p_value == pytest.approx(2 * max(arm.tuned.p_greater, arm.matched.p_greater))
    assert arm.tuned.low < arm.tuned.difference < arm.tuned.high
    assert arm.smaller_than == max(abs(arm.tuned.low), abs(arm.tuned.high))


# --- the sequence -----------------------------------------------------------------------------------------------------


def test_the_best_raw_score_is_tested_first_and_the_first_failure_ends_it() -> None:
    world = World()
    clear, none = world.arm(1.8, 1.0, raw=0.90, placement="all"), world.arm(1.0, 1.0, raw=0.85, placement="hidden")
    late = world.arm(1.8, 1.0, raw=0.80, placement="input")
    answer = world.ask(1.0, late, none, clear)
    assert verdicts(answer) == [("all", "helps"), ("hidden", "cannot tell"), ("input", "cannot tell")]
    assert answer.arms[2].p_value >= answer.arms[1].p_value > answer.arms[0].p_value
    assert answer.arms[2].tuned.p_greater < 1e-6


def test_harm_is_tested_from_the_worst_raw_score() -> None:
    world = World()
    worst, middle = world.arm(0.3, 1.0, raw=0.70, placement="all"), world.arm(0.3, 1.0, raw=0.75, placement="hidden")
    best = world.arm(1.8, 1.0, raw=0.90, placement="input")
    answer = world.ask(1.0, middle, worst, best)
    assert verdicts(answer) == [("input", "helps"), ("hidden", "hurts"), ("all", "hurts")]


def test_smaller_raw_scores_are_better_where_the_metric_is_a_loss() -> None:
    world = World(metric="log_loss")
    first, second = world.arm(1.8, 1.0, raw=0.3, placement="all"), world.arm(1.0, 1.0, raw=0.4, placement="input")
    answer = world.ask(1.0, second, first)
    assert verdicts(answer)[0] == ("all", "helps")
    assert answer.arms[0].tuned.difference > 0
    assert answer.arms[0].score < answer.control.score


def test_ties_of_raw_scores_keep_the_order_of_the_definition() -> None:
    world = World()
    arms = [world.arm(1.0, 1.0, placement=name) for name in ("input", "hidden", "all")]
    assert [arm.placement for arm in world.ask(1.0, *arms).arms] == ["input", "hidden", "all"]


# --- what is no verdict -----------------------------------------------------------------------------------------------


def test_networks_that_beat_nothing_say_nothing() -> None:
    world = World()
    answer = world.ask(-1.0, world.arm(-0.4, -1.0))
    assert answer.arms[0].verdict == "nothing learned"
    assert answer.arms[0].advice is None


def test_no_practical_difference_is_not_the_same_as_not_knowing() -> None:
    found = []
    for rows in (4000, 150):
        world = World(rows=rows, repeats=10)
        control = world.network(1.0)
        alike = world.confirmed(_elsewhere(control.predictions, world, 0.2), 0.8, "input")
        found.append(decide(world.setting(), control, [Contender(alike, alike)]).arms[0])
    assert [arm.verdict for arm in found] == ["no practical difference", "cannot tell"]
    assert found[0].p_equivalent >= 0.95 > found[1].p_equivalent
    assert found[0].advice is None
    assert found[1].advice is not None
    assert found[1].smaller_than > 0.01


def _elsewhere(predictions: np.ndarray, world: World, share: float) -> np.ndarray:
    """The same network but for a share of rows, where another one is as often right."""
    other = world.network(1.0).predictions
    chosen = np.less(world.rng.random(predictions.shape[1]), share)
    return np.where(chosen[None, :, None], other, predictions)


def test_the_very_same_network() -> None:
    world = World()
    control = world.network(1.0)
    arm = decide(world.setting(), control, [Contender(control, control)]).arms[0]
    assert (arm.verdict, arm.tuned.method, arm.p_value) == ("no practical difference", "identical", 1.0)
    assert (arm.tuned.low, arm.tuned.high) == pytest.approx((-3 / ROWS, 3 / ROWS))


@pytest.mark.parametrize(("rows", "verdict"), [(400, "no practical difference"), (100, "cannot tell")])
def test_where_few_rows_differ_the_rule_of_three_has_to_lie_inside_too(rows: int, verdict: str) -> None:
    world = World(rows=rows, repeats=20)
    control = world.network(1.0)
    predictions = control.predictions.copy()
    predictions[0, :2] *= -1  # two rows in one repeat
    arm = decide(world.setting(), control, [Contender(world.confirmed(predictions, 0.8, "input"), control)]).arms[0]
    assert arm.tuned.method == "too few"
    assert arm.p_equivalent > 0.99
    assert arm.verdict == verdict
    assert arm.tuned.high - arm.tuned.low == pytest.approx(6 / rows)


def test_an_interval_ends_where_scores_end() -> None:
    world = World(rows=12, repeats=2, metric="roc_auc")
    arm = world.ask(0.0, world.arm(3.0, 0.0)).arms[0]
    assert -1 <= arm.tuned.low <= arm.tuned.high <= 1
    assert arm.smaller_than <= 1


def test_the_spread_is_that_of_repeats() -> None:
    world = World()
    contender = world.arm(1.3, 1.0)
    arm = world.ask(1.0, contender).arms[0]
    by_repeat = contender.winner.scores[..., metrics_for("binary").index("accuracy")].mean(axis=1)
    assert arm.spread == pytest.approx(by_repeat.std(ddof=1))
    assert arm.spread > 0


def test_an_unstable_configuration_cannot_help() -> None:
    world = World()
    arm = world.arm(1.8, 1.0)
    lost = np.zeros((REPEATS, FOLDS), dtype=np.bool_)
    lost[:, 0] = True  # a fifth
    unstable = replace(arm, winner=replace(arm.winner, diverged=lost))
    found = world.ask(1.0, unstable).arms[0]
    assert (found.verdict, found.reason) == ("cannot tell", "unstable")
    assert found.diverged == pytest.approx(0.2)
    few = lost & (np.arange(REPEATS)[:, None] < 3)
    assert world.ask(1.0, replace(arm, winner=replace(arm.winner, diverged=few))).arms[0].verdict == "helps"


def test_few_groups_leave_it_open_however_clear_it_looks() -> None:
    world = World()
    nine, forty = (np.arange(ROWS) % groups for groups in (9, 40))
    found = [world.ask(1.0, world.arm(1.8, 1.0), groups=groups) for groups in (nine, forty)]
    assert [answer.arms[0].verdict for answer in found] == ["cannot tell", "helps"]
    assert found[0].arms[0].reason == "few groups"
    assert [answer.groups for answer in found] == [9, 40]


# --- every metric -----------------------------------------------------------------------------------------------------

EVERY: Sequence[tuple[Task, str]] = [
    (task, metric) for task in ("binary", "multiclass", "regression") for metric in metrics_for(task)
]


@pytest.mark.parametrize(("task", "metric"), EVERY)
def test_every_metric_has_a_path_to_a_verdict(task: Task, metric: str) -> None:
    world = World(task, metric=metric)
    better = decide(world.setting(), world.network(1.0), [world.arm(1.8, 1.0)])
    worse = decide(world.setting(), world.network(1.0), [world.arm(0.4, 1.0)])
    assert [answer.arms[0].verdict for answer in (better, worse)] == ["helps", "hurts"]
    arm = better.arms[0]
    assert arm.tuned.difference > better.rope > 0
    gain = abs(arm.score - better.control.score)
    assert arm.tuned.difference == pytest.approx(gain, rel=0.1)
    assert {one.metric for one in arm.beside} == set(metrics_for(task)) - {metric}
    assert all(one.low < one.difference < one.high for one in arm.beside)
    assert arm.reference is not None
    assert arm.reference.nadeau_bengio["df"] == REPEATS * FOLDS - 1


def test_auc_where_a_fold_has_one_row_of_a_class_is_compared_by_folds() -> None:
    world = World(rows=60, metric="roc_auc")
    target = np.zeros(60, dtype=np.int64)
    target[:6] = 1
    world.truth = replace(world.truth, target=target)
    world.fold_of = np.tile(np.arange(60) % FOLDS, (REPEATS, 1))
    answer = world.ask(-1.0, world.arm(3.0, -1.0))
    assert answer.arms[0].tuned.method == "corrected t"
    assert answer.arms[0].tuned.units == 60


def one_class_a_fold(metric: str) -> World:
    world = World(rows=60, metric=metric)
    world.fold_of = np.tile(np.arange(60) // 12, (REPEATS, 1))
    world.truth = replace(world.truth, target=np.where(np.arange(60) < 24, 0, 1))
    return world


def test_a_metric_that_no_fold_has_stands_beside_nothing() -> None:
    world = one_class_a_fold("accuracy")
    arm = world.ask(0.4, world.arm(1.8, 0.4)).arms[0]
    assert arm.verdict == "helps"
    assert {one.metric for one in arm.beside} == set(metrics_for("binary")) - {"accuracy", "roc_auc"}


def test_a_metric_that_no_fold_has_chose_nothing() -> None:
    world = one_class_a_fold("roc_auc")
    arm = world.ask(0.4, world.arm(1.8, 0.4)).arms[0]
    assert (arm.verdict, arm.p_value, arm.score) == ("nothing learned", 1, 0.5)
    assert arm.p_equivalent < 0.05


def test_few_groups_leave_it_open_where_there_are_only_fold_scores() -> None:
    world = World(rows=60, metric="roc_auc")
    world.truth = replace(world.truth, target=(np.arange(60) < 6).astype(np.int64))
    world.fold_of = np.tile(np.arange(60) % FOLDS, (REPEATS, 1))
    found = [world.ask(-1.0, world.arm(5.0, -1.0), groups=groups) for groups in (None, np.arange(60) % FOLDS)]
    assert [answer.arms[0].verdict for answer in found] == ["helps", "cannot tell"]
    assert (found[1].arms[0].reason, found[1].arms[0].tuned.units) == ("few groups", FOLDS)


def test_few_groups_are_not_equal_either() -> None:
    world = World(rows=4000, repeats=10)
    control = world.network(1.0)
    alike = world.confirmed(_elsewhere(control.predictions, world, 0.02), 0.8, "input")
    pair = [Contender(alike, alike)]
    few, many = (decide(world.setting(groups=np.arange(4000) % groups), control, pair) for groups in (9, 400))
    assert [found.arms[0].verdict for found in (few, many)] == ["cannot tell", "no practical difference"]
    assert few.arms[0].p_equivalent >= 0.95
