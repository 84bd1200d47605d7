"""A whole sweep on rows that are here: run, answered, and its trials in the shape of ``cv_results_``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from sklearn.base import BaseEstimator

from sweep.analysis.results import SweepSummary, TrialRow, ranked
from sweep.analysis.study import find_study
from sweep.analysis.summary import summarise
from sweep.answer.choose import FEWEST_REPEATS
from sweep.answer.compute import compute
from sweep.answer.confirm import confirm
from sweep.answer.question import pose
from sweep.commands.answer import AnswerTeller
from sweep.commands.display import display
from sweep.commands.progress import Display
from sweep.commands.run import Teller
from sweep.errors import DefinitionError, NotFoundError
from sweep.fitting.network import parameters_of
from sweep.fitting.parameters import definition, seed_of, unfit
from sweep.fitting.rows import Rows
from sweep.launch.base import Launcher
from sweep.launch.choose import open_launcher
from sweep.records import Configuration
from sweep.run.loop import run_sweep
from sweep.run.memory import check_memory, prepared_memory
from sweep.run.prepare import Setup, prepare_given
from sweep.run.study import open_storage
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec, safe_name
from sweep.spec.values import is_whole
from sweep.store.store import Store
from sweep.texts.answered import Answered
from sweep.training.device import resolve
from sweep.wording import count


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a sweep came to.

    Attributes:
        spec: The definition that was run.
        summary: Its trials and its best configuration.
        study: Its Optuna study, in memory.
        answered: The answer; ``None`` where nobody asked for it.
    """

    spec: SweepSpec
    summary: SweepSummary
    study: optuna.Study
    answered: Answered | None

    @property
    def best(self) -> TrialRow:
        """The best trial."""
        assert self.summary.best is not None  # noqa: S101 - a sweep that ended has one
        return self.summary.best


def search(estimator: BaseEstimator, rows: Rows) -> Found:
    """Runs the sweep of an estimator's parameters.

    Args:
        estimator: Its parameters are read.
        rows: What it is fitted to.

    Raises:
        UserError: Parameters, rows, workers or database do not allow it.
        LaunchError: The workers are gone.
    """
    given = estimator.get_params(deep=False)
    setup = _setup(estimator, rows, given)
    spec = setup.spec
    with (
        display(quiet=not given["verbose"]) as shown,
        _database(given["storage"]) as storage,
        _launcher(given["n_jobs"], given["device"]) as launcher,
    ):
        shown.doing("getting ready")
        tell = Teller(shown, launcher.device)
        run_sweep(spec, storage=storage, launcher=launcher, on_event=tell, setup=setup)
        shown.doing("computing the honest score")
        with Store.open(storage) as store:
            answered = _answer(store, setup, launcher, given["answer"], shown) if given["answer"] else None
            summary = summarise(store, spec.name) if answered is None else answered.summary
            return Found(spec, summary, _study(store, spec.name), answered)


def best_parameters(trial: TrialRow, spec: SweepSpec) -> dict[str, Any]:
    """Of an estimator of one network, which trains as the trial did."""
    return {
        **parameters_of(Configuration(trial.hyperparameters, trial.epoch)),
        "epochs": spec.training.epochs,
        "batch_size": spec.training.batch_size,
        "activation": spec.network.activation,
        "init": spec.network.init,
        "nesterov": spec.training.nesterov,
    }


def results(summary: SweepSummary) -> dict[str, Any]:
    """Trials in the shape of scikit-learn's ``cv_results_``: an array for each key, an entry for each trial.

    Scores are in the metric's own units and direction; ``rank_test_score`` is 1 for the best, and a trial that was
    stopped early comes after those that were not. ``mean_fit_time`` is seconds a split: splits train together.
    """
    trials = summary.trials
    order = {trial.number: rank for rank, trial in enumerate(ranked(trials, summary.metric), start=1)}
    params = [best_parameters(trial, summary.spec) for trial in trials]
    splits = np.array([trial.folds for trial in trials], np.float64)
    found: dict[str, Any] = {
        "mean_fit_time": np.array([trial.seconds / len(trial.folds) for trial in trials]),
        **{f"param_{name}": _masked([one[name] for one in params]) for name in params[0]},
        "params": params,
        **{f"split{split}_test_score": scores for split, scores in enumerate(splits.T)},
        "mean_test_score": np.array([trial.score for trial in trials]),
        "std_test_score": np.nanstd(splits, axis=1),
        "rank_test_score": np.array([order[trial.number] for trial in trials], np.int32),
        "mean_train_score": np.array(
            [np.nan if trial.training is None else trial.training for trial in trials], np.float64
        ),
        "trial": np.array([trial.number for trial in trials]),
        "placement": np.array([trial.placement for trial in trials], dtype=object),
        "pruned": np.array([trial.pruned for trial in trials]),
    }
    return found


def _masked(values: list[Any]) -> np.ma.MaskedArray[Any, Any]:
    """As scikit-learn has a parameter's values: masked, of objects unless they are numbers."""
    if all(isinstance(value, int | float) for value in values):
        return np.ma.array(values)
    boxed = np.empty(len(values), dtype=object)
    boxed[:] = values
    return np.ma.array(boxed)


def _setup(estimator: BaseEstimator, rows: Rows, given: Mapping[str, Any]) -> Setup:
    """What is run.

    Raises:
        DefinitionError: Parameters are wrong, or do not fit the rows; all that are, are listed.
        DataError: The rows cannot be split so.
        StorageError: The database cannot be used, or what is to be stored is too much for one in memory.
    """
    name = given["name"] or safe_name(type(estimator).__name__)
    problems = [f"{said} ({type(estimator).__name__})" for said in _problems(given)]
    seed = None if problems or given["random_state"] is not None else _stored_seed(given["storage"], name)
    try:
        spec = definition(
            estimator, rows.data, name=name, seed=seed_of(given["random_state"]) if seed is None else seed
        )
    except DefinitionError as error:
        raise DefinitionError([*error.problems, *problems]) from error
    if problems:
        raise DefinitionError(problems)
    setup = prepare_given(_splittable(spec, rows), rows.data)
    if given["storage"] is None:
        check_memory(setup)
    return setup


def _stored_seed(storage: str | None, name: str) -> int | None:
    """Of the sweep that is gone on with; ``None`` if it is not there yet."""
    if storage is None:
        return None
    try:
        with Store.open(storage) as store:
            sweep = store.sweep(name)
    except NotFoundError:
        return None
    return None if sweep is None else parse(sweep.definition).seed


def _problems(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters that no definition has."""
    yield from unfit(given)
    if not isinstance(given["answer"], bool) and not is_whole(given["answer"], FEWEST_REPEATS):
        yield f"answer must be True, False or at least {FEWEST_REPEATS} repeats, however: {given['answer']!r}"
    if not isinstance(given["refit"], bool):
        yield f"refit must be True or False, however: {given['refit']!r}"
    jobs = given["n_jobs"]
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int | np.integer) or not jobs):
        yield f"n_jobs must be a number of processes, -1 for one a core, or None, however: {jobs!r}"
    if not isinstance(given["storage"], str | None):
        yield f"storage must be the URL of a database, or None, however: {given['storage']!r}"


def _splittable(spec: SweepSpec, rows: Rows) -> SweepSpec:
    """The same without strata, unless they were asked for, where a class has too few rows for them.

    Warns:
        UserWarning: It has.
    """
    if rows.classes is None or rows.data.groups is not None or spec.validation.scheme != "auto":
        return spec
    smallest = int(np.bincount(rows.data.original_target()).min())
    if smallest >= spec.validation.folds:
        return spec
    rows_of, folds = count(smallest, "row"), spec.validation.folds
    said = f"a class has {rows_of}, fewer than there are folds ({folds}): they are not stratified"
    warnings.warn(said, UserWarning, stacklevel=6)
    return replace(spec, validation=replace(spec.validation, scheme="kfold"))


@contextmanager
def _database(storage: str | None) -> Iterator[str]:
    """The URL of a database: the user's, or one in memory for as long as this lasts."""
    if storage is None:
        with prepared_memory() as url:
            yield url
    else:
        yield storage


def _launcher(n_jobs: int | None, device: str) -> Launcher:
    """In this process, or as many others as ``n_jobs`` says; negative as joblib has it: -1 for one a core."""
    workers, own = 1 if n_jobs is None else n_jobs, resolve(device)
    if workers < 0:
        from sweep.launch.cluster import local_devices  # takes Dask, which others need not import

        workers = max(1, len(local_devices("cpu", None)) + 1 + workers)
    return open_launcher("inline", None, own) if workers == 1 else open_launcher("local", workers, own)


def _answer(store: Store, setup: Setup, launcher: Launcher, repeats: bool | int, shown: Display) -> Answered:
    question = pose(store, setup.spec.name, None if repeats is True else repeats, setup=setup)
    if question.missing:
        confirm(question, store, launcher, AnswerTeller(shown, question.summary))
    shown.doing("comparing")
    return Answered(question.summary, compute(question, store))


def _study(store: Store, name: str) -> optuna.Study:
    sweep = store.sweep(name)
    with open_storage(store) as storage:
        view = None if sweep is None else find_study(storage, sweep)
        if view is None:
            raise NotFoundError(f"the sweep {name} was deleted meanwhile")
        return view.copy()
