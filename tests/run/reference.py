"""An undisturbed sweep that interrupted ones are compared with, and databases in which it was begun."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.launch.base import Launcher
from sweep.run.events import Event, Interrupted, Outcome, Started
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prepare
from sweep.run.study import optuna_storage
from sweep.store.store import Store
from tests.postgres import Databases
from tests.small_sweep import Left, Recorder, Trained, small_spec, what_is_left

# TPE draws at random until an arm has ten finished trials: one arm, so that it comes to think.
SWEEPS = {
    "tpe": ("search.sampler=tpe", "space.placement=all", "search.trials=18", "search.batch=4"),
    "random": ("search.sampler=random", "search.trials=12", "search.batch=5"),
}


@dataclass(frozen=True)
class Reference:
    """An undisturbed run on SQLite.

    Attributes:
        setup: Of the sweep.
        left: What it left.
        trials: Of its study.
        trained: Everything it trained.
    """

    setup: Setup
    left: Left
    trials: list[FrozenTrial]
    trained: Trained

    @property
    def budget(self) -> int:
        return self.setup.budget.trials

    @property
    def batch(self) -> int:
        return self.setup.spec.search.batch

    def with_trials(self, trials: int) -> Setup:
        """The same with another budget."""
        spec = self.setup.spec
        return prepare(dataclasses.replace(spec, search=dataclasses.replace(spec.search, trials=trials)))


Begin = Callable[[Reference], str]
"""Makes another database in which a sweep is stored, and nothing asked. Its URL."""


def make_reference(sampler: str, folder: Path) -> Reference:
    setup = prepare(small_spec(folder, *SWEEPS[sampler]))
    storage = f"sqlite:///{folder / 'undisturbed.db'}"
    launcher = Recorder()
    run(setup, storage, launcher)
    with Store.open(storage) as store, optuna_storage(store) as tables:
        trials = optuna.load_study(study_name="small", storage=tables).get_trials()
    return Reference(setup, what_is_left(storage), trials, launcher.trained)


def run(setup: Setup, storage: str, launcher: Launcher | None = None) -> Outcome:
    return run_sweep(setup.spec, storage=storage, launcher=launcher or Recorder(), setup=setup)


def begin(setup: Setup, storage: str) -> None:
    """Stores a sweep, and asks nothing."""

    def stop(event: Event) -> None:
        if isinstance(event, Started):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run_sweep(setup.spec, storage=storage, launcher=Recorder(), setup=setup, on_event=stop)


class Templates:
    """Databases in which sweeps were begun, to be copied: that is quicker than to begin again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: dict[tuple[str, str], str] = {}

    def copied_file(self, reference: Reference, folder: Path) -> str:
        empty = self._folder / f"{reference.setup.spec.search.sampler}.db"
        self._once("sqlite", reference, lambda: f"sqlite:///{empty}")
        return f"sqlite:///{shutil.copyfile(empty, folder / f'{uuid.uuid4().hex}.db')}"

    def copied_database(self, reference: Reference, databases: Databases) -> str:
        return databases.new(template=self._once("postgresql", reference, databases.new))

    def _once(self, kind: str, reference: Reference, new: Callable[[], str]) -> str:
        key = kind, reference.setup.spec.search.sampler
        if key not in self._begun:
            self._begun[key] = new()
            begin(reference.setup, self._begun[key])
        return self._begun[key]


# As a killed run leaves a trial, and as somebody else may.
STATES = ("running", "saved", "told")
FAILED = ("failed", "saved and failed")


def leave(reference: Reference, storage: str, states: Sequence[str]) -> None:
    """Leaves a database as a killed run would."""
    with Store.open(storage) as store, optuna_storage(store) as tables:
        study = optuna.load_study(study_name="small", storage=tables)
        record = store.sweep("small")
        assert record is not None
        for number, state in enumerate(states):
            trial = reference.trials[number]
            study.add_trial(
                create_trial(state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions)
            )
            if state in ("saved", "told", "saved and failed"):
                store.save_trials(record.key, [reference.trained[number]])
            if state == "told":
                study.tell(number, trial.value)
            if state in FAILED:
                study.tell(number, state=TrialState.FAIL)
