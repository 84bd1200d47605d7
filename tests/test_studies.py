from __future__ import annotations

from pathlib import Path

import pytest

from sweep.launch.inline import InlineLauncher
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.space.proposer import Proposer, hyperparameters
from sweep.spec.definition import load, parse, shipped_definitions
from sweep.spec.toml import to_toml

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "studies").glob("*.toml"))
SONAR = ROOT.parent / "shared" / "data" / "sonar.csv"
BUNDLED = ("breast_cancer", "diabetes", "digits", "wine")
OPENML = ("sonar", "sonar_baseline", "sonar_hidden", "sonar_visible")
TINY = ("training.epochs=2", "search.trials=4", "search.batch=4")


def test_these_are_shipped() -> None:
    assert sorted(shipped_definitions()) == sorted(BUNDLED + OPENML) == [path.stem for path in STUDIES]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_definition_is_whole(path: Path) -> None:
    spec = load(str(path))
    assert spec.name == path.stem
    assert parse(to_toml(spec)) == spec
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20


@pytest.mark.parametrize("name", STUDIES, ids=lambda path: path.stem)
def test_readme_names_it(name: Path) -> None:
    assert f"`{name.stem}`" in (ROOT / "studies" / "README.md").read_text()


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_study_runs(name: str, sqlite_url: str) -> None:
    spec = load(name, TINY)
    with InlineLauncher() as launcher:
        outcome = run_sweep(spec, storage=sqlite_url, launcher=launcher)
    assert outcome.complete == 4
    assert outcome.best is not None


@pytest.mark.skipif(not SONAR.exists(), reason=f"no {SONAR.name} beside the project (../shared/data)")
@pytest.mark.parametrize("name", OPENML)
def test_sonar_study_runs_on_a_local_copy(name: str, sqlite_url: str) -> None:
    spec = load(name, [f"data.source={SONAR}", "training.epochs=2"] + (["search.trials=4"] if name == "sonar" else []))
    with InlineLauncher() as launcher:
        outcome = run_sweep(spec, storage=sqlite_url, launcher=launcher)
    assert outcome.complete == (4 if name == "sonar" else 1)


@pytest.mark.skipif(not SONAR.exists(), reason=f"no {SONAR.name} beside the project (../shared/data)")
def test_sonar_is_the_table_of_the_tutorial() -> None:
    setup = prepare(load("sonar", [f"data.source={SONAR}"]))
    assert setup.data.info.rows == 208
    assert len(setup.data.info.features) == 60
    assert setup.data.info.classes == ("M", "R")
    assert setup.folds.splits == 10
    assert setup.budget.trials == 128


@pytest.mark.parametrize(
    ("name", "dropout", "learning_rate", "momentum", "max_norm"),
    [
        ("sonar_baseline", (0.0, 0.0, 0.0), 0.01, 0.8, None),
        ("sonar_visible", (0.2, 0.0, 0.0), 0.1, 0.9, 3.0),
        ("sonar_hidden", (0.0, 0.2, 0.2), 0.1, 0.9, 3.0),
    ],
)
def test_fixed_studies_are_those_of_the_tutorial(
    name: str, dropout: tuple[float, ...], learning_rate: float, momentum: float, max_norm: float | None
) -> None:
    spec = load(name)
    trial = hyperparameters(spec, Proposer(spec, "maximize").propose(0).params)
    assert trial.hidden == (60, 30)
    assert (trial.dropout, trial.learning_rate, trial.momentum) == (dropout, learning_rate, momentum)
    assert (trial.max_norm, trial.lr_decay, trial.weight_decay) == (max_norm, 1.0, 0.0)
    training, validation = spec.training, spec.validation
    assert (training.epochs, training.batch_size, training.stop) == (300, 16, "last")
    assert (validation.folds, validation.metric, spec.search.trials) == (10, "accuracy", 1)
