"""Ctrl-C and SIGTERM at any instant of a run: what is being written is written, and nothing waits for anything."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path
from time import monotonic
from typing import Any, Self

import optuna
import pytest
import sqlalchemy

from sweep.run.events import Event, Interrupted, Started
from sweep.run.interrupts import Interrupts
from sweep.run.loop import run_sweep
from sweep.run.study import RUNNING_ATTRIBUTE, optuna_storage
from sweep.store.store import Store
from tests.small_sweep import Recorder, assert_same, small_spec, what_is_left

# A transaction that nobody ends would keep the next write waiting for half a minute.
QUICK_SECONDS = 10.0


class CtrlC:
    """Presses it in the middle of the transaction of a write: 0 for the first after a run has started."""

    def __init__(self, write: int) -> None:
        self._write = write
        self._started = False

    def see(self, event: Event) -> None:
        self._started |= isinstance(event, Started)

    def count(self, _: Any, __: Any, text: str, *___: Any) -> None:
        if self._started and text.startswith(("INSERT", "UPDATE")):
            if self._write == 0:
                signal.raise_signal(signal.SIGINT)
            self._write -= 1

    def __enter__(self) -> Self:
        sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", self.count)
        return self

    def __exit__(self, *_: object) -> None:
        sqlalchemy.event.remove(sqlalchemy.Engine, "after_cursor_execute", self.count)


def test_ctrl_c_in_the_middle_of_any_write(tmp_path: Path) -> None:
    changes = ("search.trials=24", "search.batch=3", "search.lag=0", "search.pruner=halving")
    spec = small_spec(tmp_path, *changes, "training.epochs=6", "validation.folds=2")
    undisturbed, storage = f"sqlite:///{tmp_path / 'undisturbed.db'}", f"sqlite:///{tmp_path / 'sweep.db'}"
    run_sweep(spec, storage=undisturbed, launcher=Recorder())
    stopped = 0
    for write in itertools.count():
        start = monotonic()
        with CtrlC(write) as press:
            try:
                run_sweep(spec, storage=storage, launcher=Recorder(), on_event=press.see)
                break
            except Interrupted:
                stopped += 1
        assert monotonic() - start < QUICK_SECONDS
        with Store.open(storage) as store, optuna_storage(store) as tables:
            study = optuna.load_study(study_name=spec.name, storage=tables)
            assert study.user_attrs[RUNNING_ATTRIBUTE] is False
    assert stopped > 3
    assert_same(what_is_left(storage), what_is_left(undisturbed))


def press(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


def heeded() -> str:
    """How far a body comes in which Ctrl-C is pressed, and heeded later."""
    came = "nowhere"
    try:
        with Interrupts() as interrupts:
            press()
            came = "on"
            with interrupts.heeded():
                came = "into what heeds it"
    except KeyboardInterrupt:
        return came
    return "to the end"


class TestInterrupts:
    def test_held_until_heeded(self) -> None:
        assert heeded() == "on"

    def test_held_until_the_end(self) -> None:
        came = False
        with pytest.raises(KeyboardInterrupt), Interrupts():  # noqa: PT012 - it is raised as the block is left
            press()
            came = True
        assert came

    def test_heeded_at_once(self) -> None:
        with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, interrupts.heeded():
            press()

    def test_the_second_is_not_held(self) -> None:
        with pytest.raises(KeyboardInterrupt), Interrupts():
            press(times=2)

    def test_an_error_is_not_hidden(self) -> None:
        with pytest.raises(ZeroDivisionError), Interrupts():
            self.fail_after_ctrl_c()

    @staticmethod
    def fail_after_ctrl_c() -> None:
        press()
        raise ZeroDivisionError

    def test_handlers_are_what_they_were(self) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) != before[0]
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # it ends the process, and that is safe
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    def test_a_handler_may_set_another(self) -> None:
        def once(number: int, _: object) -> None:
            signal.signal(number, signal.SIG_IGN)
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, once)
        try:
            with pytest.raises(KeyboardInterrupt), Interrupts():
                signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGTERM, before)
