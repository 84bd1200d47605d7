"""A whole sweep as a classifier and a regressor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import optuna
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sweep.fitting import search
from sweep.fitting.mlp import DropoutMLPClassifier, DropoutMLPRegressor, Predicting, train_on
from sweep.fitting.rows import read_rows, value_errors
from sweep.networks import Floats
from sweep.records import HonestScore
from sweep.texts.answered import Answered


def _refitted(estimator: Any) -> bool:
    """Whether there is, or will be, a network that predicts.

    Raises:
        AttributeError: There is not.
    """
    if not estimator.refit:
        raise AttributeError(f"{type(estimator).__name__} predicts with refit=True only")
    return True


class _Sweep(Predicting):
    """What both have in common."""

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any, *, classifier: bool) -> Self:
        weights = getattr(self, "class_weight", None)
        for former in ("answer_", "best_estimator_", "classes_"):  # of other rows
            if hasattr(self, former):
                delattr(self, former)
        with value_errors(self):
            rows = read_rows(
                self,
                X,
                y,
                classifier=classifier,
                categorical=self.categorical,
                sample_weight=sample_weight,
                groups=groups,
                class_weight=weights if isinstance(weights, Mapping) else None,
            )
            found = search.search(self, rows)
        best = found.best
        self.notes_: tuple[str, ...] = rows.data.info.notes
        if rows.classes is not None:
            self.classes_ = rows.classes
        self.best_params_: dict[str, Any] = search.best_parameters(best, found.spec)
        self.best_score_: float = best.score
        self.best_placement_: str = best.placement
        self.honest_score_: HonestScore | None = found.summary.honest
        self.cv_results_: dict[str, Any] = search.results(found.summary)
        self.best_index_ = int(np.flatnonzero(self.cv_results_["trial"] == best.number)[0])
        self.n_splits_ = len(best.folds)
        self.study_: optuna.Study = found.study
        if found.answered is not None:
            self.answer_: Answered = found.answered
        if self.refit:
            settings = {
                **self.best_params_,
                "ensemble": self.ensemble,
                "categorical": self.categorical,
                "handle_unknown": self.handle_unknown,
                "random_state": found.spec.seed,
                "device": self.device,
            }
            if classifier:
                settings["class_weight"] = weights
            best_estimator = DropoutMLPClassifier(**settings) if classifier else DropoutMLPRegressor(**settings)
            for columns in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, columns):
                    setattr(best_estimator, columns, getattr(self, columns))
            with value_errors(self):
                train_on(rows, best_estimator)  # not `fit`: it would say again what is wrong with the rows
            self.best_estimator_ = best_estimator
        return self

    def _trained(self) -> Any:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    @available_if(_refitted)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict(self, X: Any) -> NDArray[Any]:
        """``[n]``: by the best configuration, trained on all rows."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(1)] if is_classifier(self) else outputs


class DropoutSweepClassifier(ClassifierMixin, _Sweep):  # type: ignore[misc]  # scikit-learn ships no types
    """Sweeps dropout over networks that tell classes apart, and keeps the best one.

    What ``sweep run`` does, as ``fit``: placements of dropout get equal numbers of trials, all folds of many trials
    train as one stacked network, and the best score stands beside an honest one. With ``answer`` it also says whether
    dropout helps, as ``sweep answer`` does.

    Parameters are the keys of a definition, without the tables they are in; docs/definition.md explains each. A value
    fixes a dimension; ``{"low": …, "high": …, "log": True}`` or ``{"choices": […]}`` search it; several placements or
    networks are choices. ``None`` is the default, or what ``sweep init`` chooses for a table of this size.

    Args:
        trials: Finished trials wanted.
        placement: Where dropout is tried, such as ``["none", "input", "hidden", "all"]``, or ``"subsets"``.
        dropout: Probability of dropping a unit.
        dropout_layers: Layer, such as ``"hidden1"``, to a dimension of its own.
        shared: Whether all layers of a trial share one rate.
        hidden: Units of each hidden layer, or a list of such.
        learning_rate: Of the first epoch.
        momentum: From 0 to below 1.
        max_norm: Bound on a hidden unit's incoming weights, or ``"off"``.
        lr_decay: Last / first learning rate.
        weight_decay: L2 penalty on weights.
        epochs: Of each training.
        batch_size: Rows of a mini-batch.
        activation: ``"relu"``, ``"tanh"`` or ``"sigmoid"``.
        init: ``"glorot_uniform"``, ``"he_uniform"``, ``"normal"`` or ``"torch"``.
        nesterov: Whether momentum is Nesterov's.
        class_weight: ``"balanced"``, or class to what its rows count in the loss; scores count all alike.
        checkpoints: Epochs at which everything is measured.
        stop: ``"best"``, the checkpoint best in the mean over all folds, or ``"last"``.
        folds: Of the cross-validation.
        repeats: Of its folds.
        scheme: ``"auto"``, ``"stratified"``, ``"kfold"``, ``"group"`` or ``"timeseries"``.
        metric: That chooses; ``None`` for accuracy.
        batch: Trials asked together.
        allocation: ``"equal"`` trials for each placement, or as the ``"sampler"`` likes.
        sampler: ``"tpe"``, ``"random"``, ``"qmc"`` or ``"grid"``.
        pruner: ``"none"``, ``"halving"`` or ``"median"``.
        reduction: Of the pruner.
        lag: Batches that a proposal does not see yet.
        answer: Whether to test on fresh folds if dropout helps; a number of repeats of them, if not the default one.
        refit: Whether to train the best configuration on all rows.
        ensemble: Networks that are trained then, whose probabilities are averaged.
        name: Of the sweep in its database; one that is there on other rows, as in the next fold of a cross-validation,
            is an error.
        storage: URL of the database, in which a sweep of that name is gone on with; ``None`` for one in memory, which
            holds 1 GiB.
        n_jobs: Processes that train; ``None`` for this one, -1 for one a core.
        categorical: Names or positions of columns of categories that do not look like it.
        handle_unknown: ``"error"``, or ``"ignore"`` for levels that ``fit`` never saw to be none of those it saw: in
            cross-validation, a level of a few rows may all be in one fold.
        random_state: Seed of folds, proposals, initial weights, batch order and dropout.
        device: ``"cpu"``, ``"cuda:N"``, or ``"auto"`` for the first CUDA device there is.
        verbose: Whether to show how far it is.

    Attributes:
        best_params_: Of the best trial, as :class:`DropoutMLPClassifier` takes them: what was searched, and what was
            not.
        best_score_: Its raw score, mean over the folds: too good, since it was chosen for it.
        honest_score_: What to expect of choosing so, with a 95 % interval; ``None`` where the metric is undefined.
        best_placement_: Where it has dropout.
        best_index_: Its place in ``cv_results_``.
        best_estimator_: Its configuration, trained on all rows.
        cv_results_: All trials; scores in the metric's own units and direction.
        n_splits_: Folds times repeats.
        study_: The Optuna study.
        answer_: Whether dropout helps: print it.
        classes_: ``[classes]`` labels, sorted.
        n_features_in_: Columns of X.
        feature_names_in_: Their names, where X had any.
        notes_: What was decided about the columns of X, a sentence each.

    :meth:`score` is accuracy, whatever ``metric`` chooses by.
    """

    def __init__(
        self,
        trials: int | None = None,
        *,
        placement: str | Sequence[str] | None = None,
        dropout: Any = None,
        dropout_layers: Mapping[str, Any] | None = None,
        shared: bool = False,
        hidden: Any = None,
        learning_rate: Any = None,
        momentum: Any = None,
        max_norm: Any = None,
        lr_decay: Any = None,
        weight_decay: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        activation: str = "relu",
        init: str = "glorot_uniform",
        nesterov: bool = False,
        class_weight: str | Mapping[Any, float] | None = None,
        checkpoints: int | None = None,
        stop: str = "best",
        folds: int | None = None,
        repeats: int = 1,
        scheme: str = "auto",
        metric: str | None = None,
        batch: int | None = None,
        allocation: str = "equal",
        sampler: str = "tpe",
        pruner: str = "none",
        reduction: int | None = None,
        lag: int | None = None,
        answer: bool | int = False,
        refit: bool = True,
        ensemble: int = 1,
        name: str | None = None,
        storage: str | None = None,
        n_jobs: int | None = None,
        categorical: Sequence[str | int] | None = None,
        handle_unknown: str = "error",
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.trials = trials
        self.placement = placement
        self.dropout = dropout
        self.dropout_layers = dropout_layers
        self.shared = shared
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.max_norm = max_norm
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.activation = activation
        self.init = init
        self.nesterov = nesterov
        self.class_weight = class_weight
        self.checkpoints = checkpoints
        self.stop = stop
        self.folds = folds
        self.repeats = repeats
        self.scheme = scheme
        self.metric = metric
        self.batch = batch
        self.allocation = allocation
        self.sampler = sampler
        self.pruner = pruner
        self.reduction = reduction
        self.lag = lag
        self.answer = answer
        self.refit = refit
        self.ensemble = ensemble
        self.name = name
        self.storage = storage
        self.n_jobs = n_jobs
        self.categorical = categorical
        self.handle_unknown = handle_unknown
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Runs the sweep, and trains its best configuration on all rows.

        Args:
            X: ``[n, columns]`` numbers, or a DataFrame.
            y: ``[n]`` labels of two classes or more.
            sample_weight: ``[n]``, what each row counts in the loss, not in scores; those of weight 0 are left out.
            groups: ``[n]``; rows of one group stay in one fold.

        Raises:
            ValueError: Rows or parameters are wrong.
        """
        return self._fit(X, y, sample_weight, groups, classifier=True)

    @available_if(_refitted)  # type: ignore[untyped-decorator]  # as above
    def predict_proba(self, X: Any) -> Floats:
        """``[n, classes]``: by the best configuration, trained on all rows."""
        return self._outputs(X)

    @available_if(_refitted)  # type: ignore[untyped-decorator]  # as above
    def predict_proba_spread(self, X: Any, n_passes: int = 100, random_state: Any = None) -> tuple[Floats, Floats]:
        """See :meth:`DropoutMLPClassifier.predict_proba_spread`."""
        return self._spread(X, n_passes, random_state)


class DropoutSweepRegressor(RegressorMixin, _Sweep):  # type: ignore[misc]  # as above
    """Sweeps dropout over networks that predict numbers, and keeps the best one.

    Parameters and attributes are those of :class:`DropoutSweepClassifier`, without classes. ``metric=None`` is R², as
    of :meth:`score`.
    """

    def __init__(
        self,
        trials: int | None = None,
        *,
        placement: str | Sequence[str] | None = None,
        dropout: Any = None,
        dropout_layers: Mapping[str, Any] | None = None,
        shared: bool = False,
        hidden: Any = None,
        learning_rate: Any = None,
        momentum: Any = None,
        max_norm: Any = None,
        lr_decay: Any = None,
        weight_decay: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        activation: str = "relu",
        init: str = "glorot_uniform",
        nesterov: bool = False,
        checkpoints: int | None = None,
        stop: str = "best",
        folds: int | None = None,
        repeats: int = 1,
        scheme: str = "auto",
        metric: str | None = None,
        batch: int | None = None,
        allocation: str = "equal",
        sampler: str = "tpe",
        pruner: str = "none",
        reduction: int | None = None,
        lag: int | None = None,
        answer: bool | int = False,
        refit: bool = True,
        ensemble: int = 1,
        name: str | None = None,
        storage: str | None = None,
        n_jobs: int | None = None,
        categorical: Sequence[str | int] | None = None,
        handle_unknown: str = "error",
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.trials = trials
        self.placement = placement
        self.dropout = dropout
        self.dropout_layers = dropout_layers
        self.shared = shared
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.max_norm = max_norm
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.activation = activation
        self.init = init
        self.nesterov = nesterov
        self.checkpoints = checkpoints
        self.stop = stop
        self.folds = folds
        self.repeats = repeats
        self.scheme = scheme
        self.metric = metric
        self.batch = batch
        self.allocation = allocation
        self.sampler = sampler
        self.pruner = pruner
        self.reduction = reduction
        self.lag = lag
        self.answer = answer
        self.refit = refit
        self.ensemble = ensemble
        self.name = name
        self.storage = storage
        self.n_jobs = n_jobs
        self.categorical = categorical
        self.handle_unknown = handle_unknown
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Runs the sweep, and trains its best configuration on all rows.

        Args:
            X: ``[n, columns]`` numbers, or a DataFrame.
            y: ``[n]`` numbers.
            sample_weight: ``[n]``, what each row counts in the loss, not in scores; those of weight 0 are left out.
            groups: ``[n]``; rows of one group stay in one fold.

        Raises:
            ValueError: Rows or parameters are wrong.
        """
        return self._fit(X, y, sample_weight, groups, classifier=False)

    @available_if(_refitted)  # type: ignore[untyped-decorator]  # as above
    def predict_spread(self, X: Any, n_passes: int = 100, random_state: Any = None) -> tuple[Floats, Floats]:
        """See :meth:`DropoutMLPRegressor.predict_spread`."""
        return self._spread(X, n_passes, random_state)
