"""What goes wrong around a runner: it is waited for, or costs the sweep whose fault it is alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweep.data import Dataset
from sweep.errors import LaunchError, UserError
from sweep.folds import Folds
from sweep.launch.base import BlockDone, Launcher, nothing
from sweep.launch.inline import InlineLauncher
from sweep.operate import runner
from sweep.operate.runner import Runner
from tests.operate.queued import FEW, begun, never, queue, status, undisturbed, work
from tests.small_sweep import assert_same, what_is_left


def test_a_bug_costs_its_own_sweep_alone(tmp_path: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(InlineLauncher):
        def share(self, *_: object) -> None:
            raise ZeroDivisionError("of all things")

    launchers = iter([Broken(), InlineLauncher()])
    queue(sqlite_url, tmp_path, "name=a", *FEW)
    queue(sqlite_url, tmp_path, "name=b", *FEW)
    work(sqlite_url, workers=lambda: next(launchers))
    failed = status(sqlite_url, "a")
    assert (failed.state, status(sqlite_url, "b").state) == ("failed", "done")
    assert failed.reason == "ZeroDivisionError (a bug in sweep; the log of the runner has more)"
    assert "Traceback" in caplog.text


def test_workers_that_are_gone_are_waited_for(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(InlineLauncher):
        def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
            yield next(super().finished(waiting))
            raise LaunchError("no worker is left")

    def refused() -> Launcher:
        raise UserError("the scheduler has another version")

    attempts = iter([refused, refused, Lost, refused, InlineLauncher])
    pauses: list[float] = []
    said: list[str] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:  # it has nothing more to do
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "sleep", pause)
    monkeypatch.setattr(runner, "MOST_SECONDS", 0.25)
    queue(postgres_url, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Runner(postgres_url, lambda: next(attempts)(), said.append, poll=0.05).run()
    assert pauses == [0.05, 0.1, 0.2, 0.25, 0.05]
    assert said[0] == "the scheduler has another version; trying again in 0 s"
    assert_same(what_is_left(postgres_url), undisturbed(tmp_path))
    assert status(postgres_url).state == "done"


def test_a_sweep_that_loses_its_workers_keeps_no_others_from_running(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first in the queue kills all workers, whenever it runs: it is tried again after the others, and given up."""

    class Lost(InlineLauncher):
        def share(self, data: Dataset, folds: Folds) -> None:
            if data.info.source.endswith("poison.csv"):
                raise LaunchError("no worker is left")
            super().share(data, folds)

    spec = queue(sqlite_url, tmp_path, "name=b", *FEW)
    source = shutil.copyfile(spec.data.source, tmp_path / "poison.csv")
    queue(sqlite_url, tmp_path, "name=a", f"data.source={source}", *FEW, priority=1)
    said: list[str] = []

    def idle(_: float) -> None:
        if said[-1].startswith("nothing to do") or len(said) > 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "sleep", idle)
    with pytest.raises(KeyboardInterrupt):
        Runner(sqlite_url, Lost, said.append).run()
    assert begun(said) == ["a", "b", "a", "a"]
    failed = status(sqlite_url, "a")
    assert (failed.state, status(sqlite_url, "b").state) == ("failed", "done")
    assert failed.reason == "no worker is left (3 times, with no trial finished in between)"


def test_a_database_that_is_gone_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def sleep(_: float) -> None:
        if len(said) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "sleep", sleep)
    url = "postgresql+psycopg://ann:secret@/nothing?host=/nowhere"
    with pytest.raises(KeyboardInterrupt):
        Runner(url, never, said.append, poll=1).run()
    assert [line[-19:] for line in said] == [f"trying again in {seconds} s" for seconds in (1, 2, 4)]
    assert "secret" not in "".join(said)
