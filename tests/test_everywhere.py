"""One definition wherever it runs: in process, on workers started here or those of a scheduler; on either database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.launch.base import Launcher
from sweep.launch.choose import open_launcher
from sweep.launch.dask import DaskLauncher
from sweep.run.loop import run_sweep
from tests.small_sweep import Left, assert_same, small_spec, what_is_left

pytestmark = pytest.mark.no_tables

SWEEPS = {
    # TPE draws at random until an arm has ten finished trials: one arm, so that it comes to think.
    "tpe": ("search.sampler=tpe", "space.placement=all", "search.trials=24", "search.batch=6", "search.lag=1"),
    "halving": (
        "search.sampler=random",
        "search.pruner=halving",
        "search.trials=24",
        "search.batch=12",
        "training.epochs=4",
        "training.checkpoints=4",
    ),
}


@pytest.fixture(scope="module")
def local() -> Iterator[DaskLauncher]:
    with open_launcher("local", workers=2) as launcher:
        assert isinstance(launcher, DaskLauncher)
        yield launcher


@pytest.fixture
def launcher(request: pytest.FixtureRequest, local: DaskLauncher) -> Iterator[Launcher]:
    if request.param == "local":
        yield local
    else:
        with open_launcher(str(local._client.scheduler.address)) as other:
            yield other


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    left = {}
    for name, changes in SWEEPS.items():
        folder = tmp_path_factory.mktemp(name)
        storage = f"sqlite:///{folder / 'sweep.db'}"
        with open_launcher("inline") as inline:
            run_sweep(small_spec(folder, *changes), storage=storage, launcher=inline)
        left[name] = what_is_left(storage)
    return left


@pytest.mark.parametrize(
    ("sweep", "launcher", "database"),
    [
        ("tpe", "local", "sqlite_url"),
        ("tpe", "tcp", "postgres_url"),
        ("halving", "local", "postgres_url"),
        ("halving", "tcp", "sqlite_url"),
    ],
    indirect=["launcher"],
)
def test_the_same_trials(
    sweep: str,
    launcher: Launcher,
    database: str,
    in_process: dict[str, Left],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    storage: str = request.getfixturevalue(database)
    run_sweep(small_spec(tmp_path, *SWEEPS[sweep]), storage=storage, launcher=launcher)
    assert_same(what_is_left(storage), in_process[sweep])
