"""From a stored sweep to a model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.analysis.summary import summarise
from sweep.data import from_encoded
from sweep.errors import MismatchError, NotFoundError, UserError
from sweep.launch.inline import InlineLauncher
from sweep.model.folder import read_model
from sweep.model.refit import choose_trial, refit
from sweep.operate.orders import submit
from sweep.records import Configuration, Task
from sweep.run.loop import run_sweep
from sweep.run.prepare import training_plan
from sweep.spec.definition import parse
from sweep.store.store import Store
from sweep.tables.load import read_for
from sweep.tables.packed import pack
from sweep.training.whole import train_whole
from tests.model.worlds import World

CASES = [(task, members) for task in ("binary", "multiclass", "regression") for members in (1, 3)]


@pytest.mark.parametrize(("task", "members"), CASES)
def test_a_folder_predicts_what_the_networks_in_memory_do(
    worlds: Callable[[Task], World], task: Task, members: int, tmp_path: Path
) -> None:
    """Bit for bit: through the folder, and from the CSV file in place of the features that were trained on."""
    world = worlds(task)
    made, encoded = world.fit(tmp_path / "model", members), world.encoded()
    model = read_model(tmp_path / "model")
    assert model.networks.members == members
    table = read_for(model.recipe, str(world.table), None)
    found, expected = model.predict(table), made.model.predict(table)
    np.testing.assert_array_equal(found.features, expected.features)
    np.testing.assert_array_equal(found.values, expected.values)
    known = np.array([row % 10 != 9 for row in range(60)])  # training left the others out
    own = made.model.networks.predict(encoded.features[:, : len(encoded.info.features)])
    said = found.values if found.probabilities is None else found.probabilities
    np.testing.assert_array_equal(said[known], own)
    assert model.recipe == encoded.recipe
    if task == "regression":
        assert (found.probabilities, found.labels) == (None, [])
    else:
        assert [found.labels[row] for row in np.flatnonzero(known)] == [model.classes[code] for code in own.argmax(1)]
        assert said.shape == (60, len(model.classes))
        np.testing.assert_allclose(said.sum(1), 1.0)


def test_a_trial_is_trained_to_its_chosen_epoch_with_the_seed_of_the_sweep(worlds: Callable[[Task], World]) -> None:
    world = worlds("multiclass")
    summary, encoded = world.summary(), world.encoded()
    early = next(trial for trial in summary.trials if trial.epoch < summary.spec.training.epochs)
    assert early != summary.best
    plan = training_plan(summary.spec, encoded.info)
    for trial in (early, summary.best):
        assert trial is not None
        made = world.refit(ensemble=2, trial=None if trial == summary.best else trial.number)
        assert (made.model.trial, made.model.metric, made.model.target) == (trial.number, "log_loss", "y")
        chosen = Configuration(trial.hyperparameters, trial.epoch)
        expected = train_whole(from_encoded(encoded), chosen, plan, members=2)
        for one, other in zip(made.model.networks.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_trial_is_chosen_by_its_number_or_its_placement(worlds: Callable[[Task], World]) -> None:
    summary = worlds("multiclass").summary()
    best = {arm.placement: arm.best.number for arm in summary.arms}
    assert choose_trial(summary).trial == summary.best
    for placement in ("none", "all"):
        assert choose_trial(summary, placement=placement).trial.number == best[placement]
    pruned = next(trial for trial in summary.trials if trial.pruned)
    assert choose_trial(summary, pruned.number).trial == pruned
    with pytest.raises(NotFoundError, match=r"trial must be a finished one .* \(it has 8, 0 to 7\), however: 99"):
        choose_trial(summary, 99)
    with pytest.raises(NotFoundError, match=r"placement must be .* \(none or all\), however: input"):
        choose_trial(summary, placement="input")
    with pytest.raises(UserError, match="both are given"):
        choose_trial(summary, 0, "none")


def test_a_table_that_has_changed_is_refused(binary: World, tmp_path: Path) -> None:
    content = binary.table.read_text()
    binary.table.write_text(content.replace("red", "blue", 1))
    try:
        with pytest.raises(
            MismatchError, match=r"table\.csv has changed since the sweep binary ran on it: .* same rows"
        ):
            binary.refit()
    finally:
        binary.table.write_text(content)


def test_a_queued_table_is_taken_from_the_database(binary: World, tmp_path: Path) -> None:
    """As a runner takes it: the file may be gone."""
    table, url = tmp_path / "table.csv", f"sqlite:///{tmp_path / 'sweep.db'}"
    table.write_text(binary.table.read_text())
    text = (binary.refit().config).replace(str(binary.table), str(table)).split("[chosen]")[0]
    spec = parse(text)
    with Store.open(url, create=True) as store:
        submit(store, spec, pack(spec.data, None), "binary")
        run_sweep(spec, storage=url, launcher=InlineLauncher())
        table.unlink()
        summary = summarise(store, spec.name)
        made = refit(store, summary, choose_trial(summary))
    assert made.model.trained_on == binary.refit().model.trained_on


def test_ensembles_have_a_size_that_is_allowed(binary: World) -> None:
    with pytest.raises(UserError, match="from 1 to 1000, however: 0"):
        binary.refit(ensemble=0)


def test_the_configuration_runs_and_gives_the_score_of_the_trial(
    worlds: Callable[[Task], World], tmp_path: Path
) -> None:
    cases: list[tuple[Task, bool]] = [("multiclass", True), ("binary", True), ("binary", False)]
    for task, is_best in cases:
        world = worlds(task)
        summary = world.summary()
        assert summary.best is not None
        number = None if is_best else (summary.best.number + 1) % len(summary.trials)
        trial = choose_trial(summary, number).trial
        spec = parse(world.refit(trial=number).config)
        url = f"sqlite:///{tmp_path / f'{spec.name}.db'}"
        run_sweep(spec, storage=url, launcher=InlineLauncher())
        with Store.open(url) as store:
            again = summarise(store, spec.name)
        assert again.best is not None
        assert (again.best.score, again.best.epoch) == (trial.score, trial.epoch)
        assert (again.honest is not None) == is_best  # of another trial none is known


def test_predicting_needs_neither_torch_nor_optuna(written: Path, binary: World) -> None:
    """In a fresh interpreter, through the command."""
    code = (
        "import sys; from sweep.cli.main import run_program; "
        f"assert run_program(['predict', {str(written)!r}, {str(binary.table)!r}, '-o', '-', '--passes', '2']) == 0; "
        "print([m for m in ('torch', 'optuna', 'plotly', 'distributed') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.splitlines()[-1] == "[]"
