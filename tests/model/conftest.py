"""Sweeps and models that several tests read, and leave as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.records import Task
from tests.model.worlds import World, make_world


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Task], World]:
    """The finished sweep of a task."""
    made: dict[Task, World] = {}

    def world(task: Task) -> World:
        if task not in made:
            made[task] = make_world(task, tmp_path_factory.mktemp(task))
        return made[task]

    return world


@pytest.fixture(scope="session")
def binary(worlds: Callable[[Task], World]) -> World:
    return worlds("binary")


@pytest.fixture(scope="session")
def written(binary: World) -> Path:
    """A model folder, which nobody changes."""
    binary.fit(binary.folder / "model")
    return binary.folder / "model"


@pytest.fixture
def model(written: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "model"))
