"""Networks with given hyperparameters, as a classifier and a regressor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sweep.fitting import network
from sweep.fitting.parameters import seed_of, whole
from sweep.fitting.rows import Reading, Rows, read_features, read_rows, value_errors
from sweep.networks import Networks

Floats = NDArray[np.float64]


class Predicting(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What all four say of themselves, and how they predict."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _trained(self) -> Any:
        """The estimator that has the networks.

        Raises:
            NotFittedError: There is none yet.
        """
        check_is_fitted(self, "networks_")
        return self

    def _outputs(self, X: Any) -> Floats:
        """``[n, classes]``, or ``[n]`` of a regressor: the mean over the ensemble, dropout off."""
        networks, features = self._read(X)
        return networks.predict(features)

    def _spread(self, X: Any, n_passes: int, random_state: Any) -> tuple[Floats, Floats]:
        """Mean and standard deviation over passes with dropout on, each shaped as :meth:`_outputs`."""
        networks, features = self._read(X)
        passes, rng = whole("n_passes", n_passes, 2), np.random.default_rng(seed_of(random_state))
        return networks.spread(features, passes, rng)

    def _read(self, X: Any) -> tuple[Networks, NDArray[np.float32]]:
        """The networks, and X as they take it, read by this estimator's own parameters."""
        trained = self._trained()  # first: it says so if nothing was fitted
        with value_errors(self):
            return trained.networks_, read_features(self, X, trained.reading_, self.handle_unknown)


class _Network(Predicting):
    """One network, or an ensemble, with given hyperparameters."""

    networks_: Networks
    reading_: Reading
    notes_: tuple[str, ...]
    classes_: NDArray[Any]

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, classifier: bool) -> Self:
        weights = getattr(self, "class_weight", None)
        with value_errors(self):
            rows = read_rows(
                self,
                X,
                y,
                classifier=classifier,
                categorical=self.categorical,
                sample_weight=sample_weight,
                class_weight=weights if isinstance(weights, Mapping) else None,
            )
            train_on(rows, self)
        return self


def train_on(rows: Rows, estimator: _Network) -> None:
    """Trains an estimator of one network on rows that have been read: sets what it has learned, but not its columns.

    Warns:
        ConvergenceWarning: Some networks diverged.

    Raises:
        UserError: Parameters are wrong.
    """
    estimator.networks_ = network.train(estimator, rows)
    estimator.reading_ = rows.reading
    estimator.notes_ = rows.data.info.notes
    if rows.classes is not None:
        estimator.classes_ = rows.classes


class DropoutMLPClassifier(ClassifierMixin, _Network):  # type: ignore[misc]  # as above
    """A multilayer perceptron with dropout that tells classes apart.

    Trained as the trials of a sweep are: SGD with momentum, a learning rate that falls from epoch to epoch, dropout on
    the input and after hidden layers, max-norm (Srivastava et al. 2014). Features are standardised, missing values
    filled in with the mean, inside.

    Args:
        hidden: Units of each hidden layer; ``None`` for a size fitted to the table.
        dropout_input: Probability of dropping a feature, from 0 to below 1.
        dropout_hidden: Of dropping a hidden unit; one for all hidden layers, or one for each.
        learning_rate: Of the first epoch, above 0.
        momentum: From 0 to below 1.
        max_norm: Largest Euclidean norm of a hidden unit's incoming weights; ``"off"``, or ``None``, for no bound.
        lr_decay: Last / first learning rate, above 0 and at most 1.
        weight_decay: L2 penalty on weights.
        epochs: Over which the learning rate falls; ``None`` for a number fitted to the table.
        stop_epoch: After which training stops; ``None`` for the last one.
        batch_size: Rows of a mini-batch; ``None`` for a number fitted to the table.
        activation: ``"relu"``, ``"tanh"`` or ``"sigmoid"``.
        init: ``"glorot_uniform"``, ``"he_uniform"``, ``"normal"`` or ``"torch"``.
        nesterov: Whether momentum is Nesterov's.
        class_weight: ``"balanced"``, or class to what its rows count in the loss; ``None`` for all alike.
        ensemble: Networks, trained together, whose probabilities are averaged.
        categorical: Names or positions of columns of categories that do not look like it.
        handle_unknown: ``"error"``, or ``"ignore"`` for levels that ``fit`` never saw to be none of those it saw: in
            cross-validation, a level of a few rows may all be in one fold.
        random_state: Seed of initial weights, batch order and dropout.
        device: ``"cpu"``, ``"cuda:N"``, or ``"auto"`` for the first CUDA device there is.

    Attributes:
        classes_: ``[classes]`` labels, sorted.
        n_features_in_: Columns of X.
        feature_names_in_: Their names, where X had any.
        networks_: The trained networks.
        notes_: What was decided about the columns of X, a sentence each.
    """

    def __init__(
        self,
        hidden: Sequence[int] | None = (64, 32),
        *,
        dropout_input: float = 0.0,
        dropout_hidden: float | Sequence[float] = 0.2,
        learning_rate: float = 0.05,
        momentum: float = 0.9,
        max_norm: float | str | None = 3.0,
        lr_decay: float = 0.1,
        weight_decay: float = 0.0,
        epochs: int | None = 100,
        stop_epoch: int | None = None,
        batch_size: int | None = 32,
        activation: str = "relu",
        init: str = "glorot_uniform",
        nesterov: bool = False,
        class_weight: str | Mapping[Any, float] | None = None,
        ensemble: int = 1,
        categorical: Sequence[str | int] | None = None,
        handle_unknown: str = "error",
        random_state: Any = None,
        device: str = "cpu",
    ) -> None:
        self.hidden = hidden
        self.dropout_input = dropout_input
        self.dropout_hidden = dropout_hidden
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.max_norm = max_norm
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.stop_epoch = stop_epoch
        self.batch_size = batch_size
        self.activation = activation
        self.init = init
        self.nesterov = nesterov
        self.class_weight = class_weight
        self.ensemble = ensemble
        self.categorical = categorical
        self.handle_unknown = handle_unknown
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains on all rows.

        Args:
            X: ``[n, columns]`` numbers, or a DataFrame.
            y: ``[n]`` labels of two classes or more.
            sample_weight: ``[n]``, what each row counts in the loss; those of weight 0 are left out.

        Raises:
            ValueError: Rows or parameters are wrong.
        """
        return self._fit(X, y, sample_weight, classifier=True)

    def predict_proba(self, X: Any) -> Floats:
        """``[n, classes]``: the mean over the ensemble, dropout off."""
        return self._outputs(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """``[n]``: the most probable class of each row."""
        likeliest = self.predict_proba(X).argmax(1)  # first: it says so if nothing was fitted
        labels: NDArray[Any] = self.classes_[likeliest]
        return labels

    def predict_proba_spread(self, X: Any, n_passes: int = 100, random_state: Any = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation of probabilities over passes with dropout on (Gal & Ghahramani 2016).

        Args:
            X: As for :meth:`predict`.
            n_passes: At least 2. The networks of an ensemble take turns: the spread is then theirs, too.
            random_state: Seed of the masks.

        Returns:
            ``[n, classes]`` each.
        """
        return self._spread(X, n_passes, random_state)


class DropoutMLPRegressor(RegressorMixin, _Network):  # type: ignore[misc]  # as above
    """A multilayer perceptron with dropout that predicts numbers, by the mean squared error.

    Trained as the trials of a sweep are; features and target are standardised inside. Parameters and attributes are
    those of :class:`DropoutMLPClassifier`, without classes.
    """

    def __init__(
        self,
        hidden: Sequence[int] | None = (64, 32),
        *,
        dropout_input: float = 0.0,
        dropout_hidden: float | Sequence[float] = 0.1,
        learning_rate: float = 0.02,
        momentum: float = 0.9,
        max_norm: float | str | None = 3.0,
        lr_decay: float = 0.1,
        weight_decay: float = 0.0,
        epochs: int | None = 100,
        stop_epoch: int | None = None,
        batch_size: int | None = 32,
        activation: str = "relu",
        init: str = "glorot_uniform",
        nesterov: bool = False,
        ensemble: int = 1,
        categorical: Sequence[str | int] | None = None,
        handle_unknown: str = "error",
        random_state: Any = None,
        device: str = "cpu",
    ) -> None:
        self.hidden = hidden
        self.dropout_input = dropout_input
        self.dropout_hidden = dropout_hidden
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.max_norm = max_norm
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.stop_epoch = stop_epoch
        self.batch_size = batch_size
        self.activation = activation
        self.init = init
        self.nesterov = nesterov
        self.ensemble = ensemble
        self.categorical = categorical
        self.handle_unknown = handle_unknown
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains on all rows.

        Args:
            X: ``[n, columns]`` numbers, or a DataFrame.
            y: ``[n]`` numbers.
            sample_weight: ``[n]``, what each row counts in the loss; those of weight 0 are left out.

        Raises:
            ValueError: Rows or parameters are wrong.
        """
        return self._fit(X, y, sample_weight, classifier=False)

    def predict(self, X: Any) -> Floats:
        """``[n]``: the mean over the ensemble, dropout off."""
        return self._outputs(X)

    def predict_spread(self, X: Any, n_passes: int = 100, random_state: Any = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation over passes with dropout on (Gal & Ghahramani 2016), ``[n]`` each.

        Arguments are those of :meth:`DropoutMLPClassifier.predict_proba_spread`. The spread is that of the network,
        without the noise of the target.
        """
        return self._spread(X, n_passes, random_state)
