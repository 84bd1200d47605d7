from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
import torch

from sweep.launch.base import Launcher
from sweep.launch.inline import InlineLauncher
from sweep.training.state import BlockState
from tests.launch.suite import DATA, FOLDS, RUNGS, LauncherSuite, at_rung, make_job


class TestInlineLauncher(LauncherSuite):
    @pytest.fixture
    def launcher(self) -> Iterator[Launcher]:
        with InlineLauncher() as launcher:
            yield launcher


def test_a_job_trains_when_its_result_is_asked_for() -> None:
    with InlineLauncher() as launcher:
        launcher.share(DATA, FOLDS)
        launcher.submit(make_job(0, metric="no such metric"))  # would raise
        launcher.submit(make_job(1))


def test_the_state_of_a_block_goes_with_it() -> None:
    with InlineLauncher() as launcher:
        launcher.share(DATA, FOLDS)
        done = at_rung(launcher, 0)
        launcher.submit(replace(make_job(0, **RUNGS), until=4), after=done)
        finished = launcher.finished()
        later = next(finished)
        states = [weakref.ref(cast("BlockState", one.state).parameters[0][0]) for one in (done, later)]
        del done, later
        gc.collect()
        assert [state() for state in states] == [None, None]
        assert list(finished) == []


def test_a_table_must_be_shared_first() -> None:
    launcher = InlineLauncher()
    launcher.submit(make_job(0))
    with pytest.raises(RuntimeError, match="share"):
        next(launcher.finished())


def test_the_threads_of_the_process_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with InlineLauncher() as launcher:
            launcher.share(DATA, FOLDS)
            launcher.submit(make_job(0))
            list(launcher.finished())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_closing_twice_and_leaving_work_behind() -> None:
    launcher = InlineLauncher()
    launcher.submit(make_job(0))
    launcher.close()
    launcher.close()
    assert list(launcher.finished()) == []
