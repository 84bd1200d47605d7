"""Ctrl-C and SIGTERM in the middle of a write: it is ended first, and nothing waits for a lock afterwards."""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, Self

import pytest
import sqlalchemy

from sweep.cli import errors as cli_errors
from sweep.interrupts import held
from sweep.run.events import Event, Interrupted, Started
from sweep.run.loop import run_sweep
from sweep.store.store import Store
from tests.small_sweep import Recorder, assert_same, small_spec, what_is_left

# A transaction that nobody ends would keep the next write waiting for half a minute.
QUICK_SECONDS = 10.0


class CtrlC:
    """Presses it as a transaction is about to be committed: 0 for the first after a run has started."""

    def __init__(self, commit: int) -> None:
        self._commit = commit
        self._started = False

    def see(self, event: Event) -> None:
        self._started |= isinstance(event, Started)

    def count(self, _: Any) -> None:
        if self._started:
            if self._commit == 0:
                signal.raise_signal(signal.SIGINT)
            self._commit -= 1

    def __enter__(self) -> Self:
        sqlalchemy.event.listen(sqlalchemy.Engine, "commit", self.count)
        return self

    def __exit__(self, *_: object) -> None:
        sqlalchemy.event.remove(sqlalchemy.Engine, "commit", self.count)


def test_ctrl_c_in_the_middle_of_any_commit(tmp_path: Path) -> None:
    changes = ("search.trials=12", "search.batch=3", "search.sampler=random", "search.pruner=halving")
    spec = small_spec(tmp_path, *changes, "training.epochs=6", "validation.folds=2")
    undisturbed, storage = f"sqlite:///{tmp_path / 'undisturbed.db'}", f"sqlite:///{tmp_path / 'sweep.db'}"
    run_sweep(spec, storage=undisturbed, launcher=Recorder())
    stopped = 0
    for commit in itertools.count():
        start = monotonic()
        with CtrlC(commit) as ctrl_c:
            try:
                run_sweep(spec, storage=storage, launcher=Recorder(), on_event=ctrl_c.see)
                break
            except Interrupted:
                stopped += 1
            except KeyboardInterrupt:
                pytest.fail("nobody is told how far it came")
        assert monotonic() - start < QUICK_SECONDS
        with Store.open(storage) as store:
            assert store.leases() == {}
    assert stopped > 5
    assert_same(what_is_left(storage), what_is_left(undisturbed))


def press(*numbers: signal.Signals) -> None:
    for number in numbers or (signal.SIGINT,):
        signal.raise_signal(number)


class TestHeld:
    def test_until_the_end(self) -> None:
        came = False
        with pytest.raises(KeyboardInterrupt), held():  # noqa: PT012 - it is raised as the block is left
            press()
            came = True
        assert came

    def test_until_the_outermost_end(self) -> None:
        came = False
        with pytest.raises(KeyboardInterrupt), held():  # noqa: PT012 - as above
            with held():
                press()
            came = True
        assert came

    def test_the_second_is_not(self) -> None:
        came = False
        with pytest.raises(KeyboardInterrupt), held():  # noqa: PT012 - as above
            press(signal.SIGINT, signal.SIGINT)
            came = True
        assert not came

    def test_it_comes_after_an_error_too(self) -> None:
        with pytest.raises(KeyboardInterrupt) as found, held():  # noqa: PT012 - as above
            press()
            raise ZeroDivisionError
        assert isinstance(found.value.__context__, ZeroDivisionError)

    @pytest.mark.parametrize(
        ("numbers", "status"),
        [
            ((signal.SIGINT,), 130),
            ((signal.SIGTERM,), 143),
            ((signal.SIGALRM,), 130),  # a lost Ctrl-C that comes again
            ((signal.SIGINT, signal.SIGTERM), 143),
            ((signal.SIGTERM, signal.SIGINT, signal.SIGINT), 143),
        ],
    )
    def test_exit_status_of_a_command(self, numbers: tuple[signal.Signals, ...], status: int) -> None:
        def command() -> None:
            with cli_errors.interruptible(), held():
                press(*numbers)

        assert cli_errors.guarded(command) == status

    def test_handlers_are_what_they_were(self) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with held():
            assert signal.getsignal(signal.SIGINT) != before[0]
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # it ends the process, and that is safe
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    def test_a_handler_may_set_another(self) -> None:
        def once(number: int, _: object) -> None:
            signal.signal(number, signal.SIG_IGN)
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, once)
        try:
            with pytest.raises(KeyboardInterrupt), held():
                press(signal.SIGTERM, signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGTERM, before)

    def test_other_threads_are_left_alone(self) -> None:
        def inside() -> object:
            with held():
                return signal.getsignal(signal.SIGINT)

        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(inside).result() == signal.getsignal(signal.SIGINT)
