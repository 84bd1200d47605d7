"""What is compared must train the same thing, and tables and JSON must come out. Nothing is timed here."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import (
    ask,
    cluster,
    floor,
    keras_peer,
    measuring,
    member_step,
    memory,
    overhead,
    parts,
    plain_loop,
    report,
    run,
    scale,
    scaling,
    search,
    skorch_peer,
    sonar_published,
    trial_rate,
    wide,
)
from benchmarks.confirm import confirmed
from benchmarks.machine import Machine, machine
from benchmarks.measuring import Lengths, Ratio, Settings
from benchmarks.metered import Meter, MeteredInline
from benchmarks.shapes import SHAPES, SONAR, Shape
from sweep.records import BlockJob, Hyperparameters, Task
from sweep.run.prepare import prepare
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec
from sweep.store.rows import TrialRecord
from sweep.store.store import Store
from sweep.training.train import train_block
from tests.small_sweep import small_spec
from tests.tables_for_tests import make_dataset, make_plan, make_splits, make_trial

MACHINE = Machine("2026-01-02T03:04:05+00:00", "A Processor", 2, 0.1, "3.12.0", "2.13.0")
TINY = Shape("tiny", "multiclass", 40, 5, (6, 4), 3, 8, 2)
QUICK = Settings(rounds=2, seconds=0.02)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a benchmark; and small matrices do to see that something multiplies."""
    monkeypatch.setitem(floor._EDGE, "cpu", 64)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


# --- the peers train what we train ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_plain_loop_trains_what_we_train(task: Task) -> None:
    """Other random draws, but the same network on the same folds learns the same table as well."""
    data = make_dataset(task, rows=240, features=4)
    folds = make_splits(data, folds=4)
    plan = make_plan(task, epochs=20, checkpoints=(10, 20), batch_size=16)
    trial = make_trial((12, 6), dropout=(0.1, 0.1, 0.1), max_norm=2.0, weight_decay=0.001, learning_rate=0.05)
    (ours,) = train_block(data, folds, BlockJob((0,), (trial,), plan))
    plain = plain_loop.train_trial(data, folds, plan, trial)
    if task == "regression":
        assert ours.score < 15  # the target's standard deviation is 29
        assert plain == pytest.approx(ours.score, rel=0.25)
    else:
        assert ours.score > 0.75
        assert abs(plain - ours.score) < 0.08


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(skorch_peer, id="skorch"),
        pytest.param(
            keras_peer,
            id="keras",
            marks=pytest.mark.skipif(not keras_peer.AVAILABLE, reason="TensorFlow is not installed"),
        ),
    ],
)
def test_other_stacks_train_what_we_train(peer: object) -> None:
    data = make_dataset("binary", rows=240, features=4)
    folds = make_splits(data, folds=4)
    plan = make_plan("binary", epochs=12, checkpoints=(12,), batch_size=16)
    trial = make_trial((12, 6), dropout=(0.1, 0.2, 0.2), max_norm=2.0, weight_decay=0.001)
    (ours,) = train_block(data, folds, BlockJob((0,), (trial,), plan))
    assert ours.score > 0.8
    assert abs(peer.train_trial(data, folds, plan, trial) - ours.score) < 0.06  # type: ignore[attr-defined]


def test_plain_network_has_dropout_where_the_trial_has() -> None:
    net = plain_loop.network(5, 3, make_plan("binary"), make_trial((7, 4), dropout=(0.2, 0.0, 0.5)))
    names = [type(module).__name__ for module in net]
    assert names == ["Dropout", "Linear", "ReLU", "Linear", "ReLU", "Dropout", "Linear"]
    assert net(torch.zeros(2, 5)).shape == (2, 3)


def record(number: int, placement: str) -> TrialRecord:
    trial = Hyperparameters((4,), placement, (0.0, 0.0), 0.1, 0.9, None, 1.0, 0.0)
    return TrialRecord(
        number=number,
        hyperparameters=trial,
        epoch=1,
        trained=1,
        score=0.5,
        diverged=None,
        seconds=1.0,
        saved_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_sample_takes_every_placement_in_turn() -> None:
    trials = [record(number, placement) for number, placement in enumerate(["none", "none", "all", "input", "all"])]
    assert [trial.number for trial in trial_rate.spread(trials, 4)] == [0, 2, 3, 1]
    assert len(trial_rate.spread(trials, 9)) == 5


# --- arithmetic -------------------------------------------------------------------------------------------------------


def test_ratio_is_the_median_of_pairs_with_its_range() -> None:
    assert Ratio.of([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == Ratio(2.0, 1.0, 3.0)
    assert str(Ratio(2.0, 1.0, 3.0)) == "2.00 (1.00 to 3.00)"


def test_everything_takes_its_turn() -> None:
    order: list[str] = []

    def take(name: str, value: float) -> float:
        order.append(name)
        return value

    assert measuring.in_turn([lambda: take("a", 1.0), lambda: take("b", 2.0)], 2) == [[1.0, 1.0], [2.0, 2.0]]
    assert order == ["a", "b", "a", "b"]


def test_epoch_is_the_difference_of_two_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    # Five seconds to begin with, two an epoch.
    monkeypatch.setattr(measuring, "seconds_of", lambda action: action())
    assert Lengths(1, 3).epoch_seconds(lambda epochs: 5.0 + 2.0 * epochs) == pytest.approx(2.0)
    with pytest.raises(RuntimeError, match="too busy"):
        Lengths(1, 3).epoch_seconds(lambda _: 5.0)


def test_operations_of_a_step_are_those_of_its_products() -> None:
    # 8 rows of 16 → 16 → 16 → 16, all padded: forward three, weights three, inputs two.
    work = TINY.work()
    assert floor.operations(work) == 8 * (2 * 8 * 16 * 16)
    products = floor.Products.allocate(work, 3)
    products.step()
    expected = torch.bmm(products.inputs[1], products.weights[1])
    torch.testing.assert_close(products.outputs[1], expected)
    below = torch.bmm(products.deltas[2], products.weights[2].mT)
    torch.testing.assert_close(products.deltas[1], below)


def test_shapes_count_their_steps() -> None:
    work = SONAR.work()
    assert SONAR.network == "60-60-30-1"
    assert work.steps == 10 * 12  # 187 or 188 rows in batches of 16
    assert {trial.placement for trial in work.trials(8)} == {"none", "input", "hidden", "all"}
    assert len({shape.name for shape in SHAPES}) == 5


def test_ratio_counts_every_process_of_a_peer() -> None:
    def turn(seconds: float, *peer: float) -> trial_rate.Turn:
        return trial_rate.Turn(32, seconds, {plain_loop.WHAT: tuple(trial_rate.Sampled(s, 0.9, 0.8) for s in peer)})

    # 32 trials in 16 s are 2 a second. The loop: 10 s a trial on each of two processes, 0.2 a second.
    turns = (turn(16.0, 10.0, 10.0), turn(8.0, 8.0, 12.0), turn(32.0, 10.0, 10.0))
    comparison = trial_rate.Comparison("Sonar", 2, turns)
    assert comparison.rates(plain_loop.WHAT) == pytest.approx([0.2, 0.2, 0.2])
    assert comparison.ratio(plain_loop.WHAT) == Ratio(10.0, 5.0, 20.0)
    text = trial_rate.section(comparison, small_definition()).markdown()
    assert "| `sweep run`, 2 workers | 3 times 32 | 1.00 | 120.0 |" in text
    assert "**10.0** (5.0 to 20.0) | 0.9000 (0.8000)" in text


def small_definition() -> SweepSpec:
    return search.definition(search.Task("sonar", "tpe", 1, search.Sizes()))


def test_overhead_is_what_workers_do_not_train() -> None:
    spent = overhead.Spent(10.0, 2, Meter(0.0, start_up=2.0, training=12.0, waiting=5.0))
    assert spent.share == pytest.approx(0.4)
    assert spent.running_share == pytest.approx(0.25)
    assert spent.coordinator == pytest.approx(3.0)
    text = overhead.section({"SQLite": [spent]}, "Sonar").markdown()
    assert "| SQLite | 10.0 | **40.0%** | 25.0% | 2.0 | 5.0 | 3.0 |" in text


# --- each of them, tiny -----------------------------------------------------------------------------------------------


def test_member_step_and_wide_make_their_tables() -> None:
    one = member_step.section({"tiny": member_step.take(TINY, QUICK)}, "cpu")
    other = wide.compare(TINY, QUICK)
    for section in (one, other):
        json.dumps(section.figures, allow_nan=False)
        assert all(len(row) == len(section.header) for row in section.rows)
    assert "tiny 5-6-4-3" in one.markdown()
    assert "the products take" in other.markdown()


def test_parts_of_a_block_make_up_the_whole() -> None:
    work, bmm = TINY.work(), torch.bmm
    found = parts.take(lambda: work.train(2, 3), trials=2, steps=3 * work.steps, rounds=2)
    assert torch.bmm is bmm
    assert all(min(seconds) > 0 for seconds in found.parts.values())
    np.testing.assert_allclose(np.sum([*found.parts.values()], axis=0), found.clocked)
    assert len(parts.section(found, "tiny").rows) == len(found.parts) + 1


def test_a_part_is_not_charged_for_those_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(parts, "perf_counter", lambda: now)

    def lasts(seconds: float, *inner: Callable[[], None]) -> None:
        nonlocal now
        now += seconds
        for each in inner:
            each()

    clocks = parts.Clocks()
    inner = clocks.around("inner", lambda: lasts(2.0))
    clocks.around("outer", lambda: lasts(1.0, inner, inner))()
    clocks.around("scores", lambda: lasts(0.5, inner))()
    assert clocks.seconds == {"inner": 4.0, "outer": 1.0, "scores": 2.5}


def test_memory_has_a_peak_for_every_phase(tmp_path: Path) -> None:
    shape = Shape("large", "binary", 400, 5, (4,), 2, 64, 2)
    path = tmp_path / "table.parquet"
    memory.write_table(path, shape, "float64")
    found = [*memory.reading(path, shape), *memory.phases(path, shape, 1)]
    assert all(phase.before > 0 and phase.peak > 0 for phase in found)
    assert len(memory.section(shape, {"float64": found}).rows) == len(found) == 5


def test_point_of_an_axis_has_a_process_of_its_own() -> None:
    (point,) = scaling.along([("2", TINY, 2)], replace(QUICK, rounds=1))
    assert len(point.seconds) == 1
    assert 0 < point.base < point.peak
    text = scaling.section({"trials": [point, replace(point, label="4")]}).markdown()
    assert "| trials | 4 |" in text
    assert "**1.00 (1.00 to 1.00)**" in text


def test_what_several_do_at_once_is_divided_by_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "fresh_process", lambda: ThreadPoolExecutor(1))
    points = scaling.at_once(lambda: None, lambda: 3e-6, (1, 2), rounds=2)
    assert [point.seconds for point in points] == [(3e-6, 3e-6), (1.5e-6, 1.5e-6)]
    assert "| at once | 2 | 1.5 | **0.50 (0.50 to 0.50)** |" in scaling.section({"at once": points}).markdown()
    (alone,) = scaling.at_once(
        partial(scaling._begin_products, TINY, 2, 0.01), scaling._step_of_products, (1,), rounds=1
    )
    assert 0 < alone.seconds[0] < 0.01


def test_cluster_compares_the_search_and_the_whole_command() -> None:
    found = [
        cluster.Swept(1, 60, command=(70.0, 72.0, 74.0), search=(60.0, 61.0, 62.0)),
        cluster.Swept(2, 60, command=(35.0, 48.0, 37.0), search=(30.0, 40.0, 31.0)),
    ]
    found_section = cluster.section(found, "a table")
    assert found_section.rows == (
        ("1", "61.0", "59.0", "1", "72.0", "1"),
        ("2", "31.0", "116.1", "**2.00 (1.52 to 2.00)**", "37.0", "2.00 (1.50 to 2.00)"),
    )
    assert json.loads(json.dumps(found_section.figures))["2"]["search"] == [30.0, 40.0, 31.0]


def test_meter_sees_every_block(tmp_path: Path) -> None:
    with MeteredInline() as launcher:
        spent = overhead.spend(small_spec(tmp_path), f"sqlite:///{tmp_path / 'sweep.db'}", launcher)
    assert launcher.meter.blocks >= 3  # one for each batch at least
    assert 0 < spent.meter.training <= spent.meter.waiting < spent.wall


# --- the search -------------------------------------------------------------------------------------------------------

SIZES = search.Sizes(trials=4, epochs=2, folds=2, repeats=2)


def test_search_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(search.DATASETS, "sklearn:iris", ("network.hidden=[4]",))
    path = tmp_path / "runs.json"
    tasks = [search.Task("sklearn:iris", method, 1, SIZES) for method in ("random", "tpe")]
    done = [search.run(task) for task in tasks]
    report.write_json(path, [asdict(found) for found in done])
    again, refused = search.run_all(tasks, path, 1)
    assert again == done
    assert not refused
    assert all(found.epochs == 8 and found.complete == 4 for found in done)


def test_confirmation_is_on_other_folds_with_other_draws(tmp_path: Path) -> None:
    setup = prepare(small_spec(tmp_path, "network.hidden=[4]"))
    trial = make_trial((4,), dropout=(0.0, 0.0))
    epoch = setup.plan.checkpoints[0]
    scores = {confirmed(setup, trial, epoch, repeats) for repeats in (2, 2, 3)}
    assert len(scores) == 2
    (raw,) = train_block(setup.data, setup.folds, BlockJob((0,), (trial,), setup.plan))
    assert raw.score not in scores


def test_search_compares_seed_by_seed() -> None:
    def found(method: str, seed: int, score: float, epochs: int) -> search.Found:
        return search.Found(search.Task("sonar", method, seed, SIZES), 0.9, score, True, epochs, 4, 1.0, 1.0)

    text = search.section(
        [found("tpe", 1, 0.80, 10), found("tpe", 2, 0.90, 10), found("tpe+halving", 2, 0.92, 4)]
    ).markdown()
    assert "| sonar | tpe | 2 | 0.8500 ± 0.0500 |" in text
    assert "| 40.0% | +0.0200 ± ? |" in text


# --- the tutorial's figures -------------------------------------------------------------------------------------------


def test_figures_hold_inside_the_range_and_near_the_mean() -> None:
    published = sonar_published.Published("sonar_visible", 84.0, 7.0)

    def runs(*accuracies: float) -> sonar_published.Reproduction:
        return sonar_published.Reproduction(published, tuple(sonar_published.Run(a, 5.0) for a in accuracies))

    assert runs(83.0, 86.0, 87.0).holds
    assert not runs(84.5, 85.0, 86.0).holds  # outside the range
    assert not runs(83.0, 88.0, 90.0).holds  # 3 points from the mean
    assert "| `sonar_visible` | 84.00 % (7.00) | 85.33 % (5.00) | 83.00 to 87.00 |" in runs(83.0, 86.0, 87.0).row()


def test_folds_of_the_tutorial_are_stratified_folds_of_all_rows() -> None:
    data = make_dataset("binary", rows=208)
    folds = sonar_published.tutorial_folds(data)
    assert sorted(np.concatenate([part.numpy() for part in folds.test]).tolist()) == list(range(208))
    for train, test in zip(folds.train, folds.test, strict=True):
        assert not set(train.tolist()) & set(test.tolist())
        assert len(train) + len(test) == 208
        assert abs(float(data.target[test].mean()) - 0.5) < 0.06


# --- around them ------------------------------------------------------------------------------------------------------


def test_busy_machine_is_named() -> None:
    found = machine()
    assert found.cores >= 1
    assert found.packages["optuna"]
    assert "NOT QUIET" not in MACHINE.describe()
    busy = Machine(**{**{field: getattr(MACHINE, field) for field in MACHINE.__slots__}, "load": 3.0})
    assert "NOT QUIET, load 3.0" in busy.describe()


def test_command_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(member_step, "SHAPES", (TINY,))
        run.main(["--only", "member_step", "--rounds", "1", "--seconds", "0.02", "--json", str(path)])
    assert "## A member-step against its matrix products" in capsys.readouterr().out
    document = json.loads(path.read_text())
    assert document["machine"]["torch"] == torch.__version__
    assert len(document["member_step"]["tiny"]["step"]) == 1


def test_readme_has_every_benchmark() -> None:
    text = (Path(trial_rate.__file__).parent / "README.md").read_text()
    commands = ("make bench", "make bench-full", "python -m benchmarks.sonar_published", "python -m benchmarks.search")
    for word in (*commands, *(f"`{name}`" for name in run.ALL)):
        assert word in text, word


def test_peers_are_a_dependency_of_benchmarks_alone() -> None:
    project = tomllib.loads((Path(trial_rate.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert any(line.startswith("skorch") for line in project["optional-dependencies"]["bench"])
    assert not any(line.startswith("skorch") for line in project["dependencies"])


@pytest.mark.parametrize("allocation", ["equal", "sampler"])
def test_asks_are_taken_in_turn(allocation: str) -> None:
    asks = ask.take(allocation, 40)
    assert len(asks.ours) == len(asks.optuna) == 31
    assert min(asks.ours) > 0
    assert f"| {allocation} |" in ask.section([asks], 40).markdown()


# --- a long sweep -----------------------------------------------------------------------------------------------------


def test_what_a_trial_costs_its_coordinator_is_taken_from_a_run(tmp_path: Path) -> None:
    storage, counts = f"sqlite:///{tmp_path / 'sweep.db'}", (24, 48)
    overrides = [*scale.write_larger(tmp_path / "table.csv", 60), "search.pruner=halving", "search.sampler=random"]
    long = scale.run(overrides, storage, counts)
    assert list(long.held) == list(counts)
    assert long.weight > 100
    assert {name for name, each in long.seconds.items() if sum(each) > 0} == {name for name, *_ in scale._CLOCKED}
    assert all(len(each) == 48 for each in long.seconds.values())
    assert all(min(long.seconds[name]) > 0 for name in ("propose", "add", "tell", "decide"))
    # The clocks are inside of what the whole takes.
    inside = sum(sum(each) for each in long.seconds.values())
    assert 0 < long.whole[-1] - long.whole[0] < inside * 3
    with Store.open(storage) as store:
        (sweep,) = store.sweeps()
        assert sum(store.trained_epochs(sweep.key).values()) == 48
        assert len(store.trained_epochs(sweep.key)) > 1  # some were pruned
    traced = scale.run(overrides, f"sqlite:///{tmp_path / 'traced.db'}", (8, 24), traced=True)
    assert traced.seconds == {}
    found = scale.Found(counts, {("SQLite", "halving"): long}, traced, (scale.Fed("Sonar", 0.5, 0.05),))
    json.dumps(scale.section(found).figures, allow_nan=False)
    text = scale.section(found).markdown()
    assert "| SQLite | halving | 48 |" in text
    assert "**10** workers" in text


def test_a_coordinator_feeds_as_many_workers_as_make_trials_at_its_rate() -> None:
    seconds = {name: [0.01] * 400 for name in ("propose", "add", "save", "tell")}
    long = scale.Long(seconds, [0.05 * number for number in range(400)], {400: 1}, 600)
    assert long.of(("propose", "add"), 400) == pytest.approx([0.02] * scale.WINDOW)
    assert long.each(400) == pytest.approx(0.05)
    # 10 ms of saving become 60: a trial costs 100 ms, and a worker takes two seconds for it.
    fed = scale.feed(long, 400, 0.06, "large", 2.0)
    assert fed.coordinator == pytest.approx(0.1)
    assert fed.workers == pytest.approx(20)


def test_a_block_for_the_feed_is_a_trial_of_it(tmp_path: Path) -> None:
    overrides = [*scale.write_larger(tmp_path / "table.csv", 60), "validation.folds=2"]
    assert scale.block_seconds(overrides, 2) > 0
    assert prepare(load("sonar", overrides)).data.info.features == tuple(f"x{place}" for place in range(60))
