"""X, y, weights and groups as scikit-learn passes them, as a table that trains; X alone as features."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d, validate_data

from sweep.data import Dataset, from_encoded
from sweep.errors import DefinitionError, UserError
from sweep.records import ALIGN, TableInfo
from sweep.spec.schema import SECTIONS
from sweep.tables.encode import Encoded, encode_features
from sweep.tables.load import from_frame
from sweep.tables.recipe import Recipe
from sweep.tables.types import Table

_SOURCE = "X"
_TABLES = re.compile(rf"\b({'|'.join(SECTIONS)})\.(?=[a-z])")  # of a definition


@dataclass(frozen=True, slots=True)
class Reading:
    """How X is read.

    Attributes:
        recipe: How its columns became features.
        as_frame: Whether it is a DataFrame whose columns say themselves what they are, and not a matrix of numbers.
    """

    recipe: Recipe
    as_frame: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What an estimator is fitted to.

    Attributes:
        data: The rows that count, as a table.
        reading: How X was read.
        classes: ``[classes]`` as y has them, in the order of their codes; ``None`` for a regressor.
    """

    data: Dataset
    reading: Reading
    classes: NDArray[Any] | None


@contextmanager
def value_errors(estimator: BaseEstimator) -> Iterator[None]:
    """What is wrong with the user's input, inside, is a ``ValueError``, as scikit-learn has it.

    Keys of a definition are parameters here: ``training.epochs`` is ``epochs``.
    """
    try:
        yield
    except UserError as error:
        name = type(estimator).__name__
        said = _TABLES.sub("", str(error))
        # Problems of parameters name the estimator each.
        raise ValueError(said if isinstance(error, DefinitionError) else f"{name}: {said}") from error


def read_rows(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    *,
    classifier: bool,
    categorical: Sequence[str | int] | None = None,
    sample_weight: Any = None,
    groups: Any = None,
    class_weight: Mapping[Any, float] | None = None,
) -> Rows:
    """Validates what ``fit`` is given, and sets ``n_features_in_`` and ``feature_names_in_``.

    Rows of weight 0 are left out.

    Args:
        estimator: Being fitted.
        X: ``[n, columns]``: an array of numbers, NaN where missing, or a DataFrame of any columns.
        y: ``[n]``.
        classifier: Whether y holds classes.
        categorical: Names or positions of columns of categories that do not look like it.
        sample_weight: ``[n]``, at least 0; ``None`` for all alike.
        groups: ``[n]``, whose equal values stay in one fold; ``None`` without.
        class_weight: Class to what its rows count; 1 for those that are not named.

    Raises:
        ValueError: Something is wrong with one of them.
        TypeError: X is sparse.
    """
    frame, y, as_frame = _columns(estimator, X, y)
    target = column_or_1d(y, warn=True)
    classes: NDArray[Any] | None = None
    if classifier:
        check_classification_targets(target)
    else:
        target = np.asarray(target, np.float64)
    weight = None if sample_weight is None else _check_sample_weight(sample_weight, frame, ensure_non_negative=True)
    check_consistent_length(frame, target, groups)
    if weight is not None and not weight.all():
        counts = weight > 0
        frame, target, weight = frame[counts].reset_index(drop=True), target[counts], weight[counts]
        groups = None if groups is None else np.asarray(groups)[counts]
    if classifier:
        classes, target = np.unique(target, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"{type(estimator).__name__}: y must hold two classes or more, however: one class only")
        weight = _by_class(class_weight, classes, target, weight)
    named = _named(estimator, frame, categorical)
    features, recipe, _ = encode_features(Table(frame, _SOURCE), categorical=named, align=ALIGN)
    codes = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
    data = _dataset(features, recipe, target, classes, codes)
    return Rows(data if weight is None else data.weighted(weight), Reading(recipe, as_frame), classes)


def read_features(estimator: BaseEstimator, X: Any, reading: Reading, handle_unknown: str) -> NDArray[np.float32]:
    """X as ``predict`` is given it, ``[n, F]``: read as what the estimator was fitted to.

    Args:
        estimator: That was fitted.
        X: As for ``fit``.
        reading: How that was read.
        handle_unknown: ``"error"``, or ``"ignore"`` for levels of a category that were never seen to be none of those
            that were.

    Raises:
        ValueError: It has other columns, or values that cannot be read so.
        TypeError: It is sparse.
    """
    name = type(estimator).__name__
    if handle_unknown not in ("error", "ignore"):
        raise ValueError(f'{name}: handle_unknown must be "error" or "ignore", however: {handle_unknown!r}')
    if not reading.as_frame:
        matrix = validate_data(estimator, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        table = Table(_frame(matrix, _names(estimator)), _SOURCE)
    elif isinstance(X, pd.DataFrame):
        validate_data(estimator, X, reset=False, skip_check_array=True)
        table = from_frame(X, _SOURCE)
    else:
        columns = ", ".join(_names(estimator)[:12])
        raise ValueError(
            f"{name}: X must be a DataFrame, as it was in fit (columns {columns}), however: {type(X).__name__}"
        )
    applied = reading.recipe.apply(table)
    unseen = [one for one in applied.unseen if not one.rare]
    if unseen and handle_unknown == "error":
        said = "; ".join(f"column {one.column!r} has {', '.join(map(repr, one.levels[:6]))}" for one in unseen)
        raise ValueError(
            f"{name}: levels that were not there in fit: {said}; "
            'with handle_unknown="ignore" they are none of those that were'
        )
    return applied.features


# --- X ----------------------------------------------------------------------------------------------------------------


def _columns(estimator: BaseEstimator, X: Any, y: Any) -> tuple[pd.DataFrame, Any, bool]:
    """X as a frame, y, and whether the columns of X say what they are."""
    if isinstance(X, pd.DataFrame) and not all(map(_is_plain, X.dtypes)):
        X, y = validate_data(estimator, X, y, skip_check_array=True)
        if len(X) < 2:
            raise ValueError(f"{type(estimator).__name__}: n_samples={len(X)}, however at least 2 rows are needed")
        return from_frame(X, _SOURCE).frame, y, True
    matrix, y = validate_data(
        estimator,
        X,
        y,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        ensure_min_samples=2,
        y_numeric=is_regressor(estimator),
        multi_output=True,
    )
    return _frame(matrix, _names(estimator)), y, False


def _is_plain(dtype: Any) -> bool:
    """Whether a column is numbers as NumPy has them."""
    return isinstance(dtype, np.dtype) and dtype.kind in "iufb"


def _frame(matrix: NDArray[np.float64], names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(matrix, columns=pd.Index(names), copy=False)


def _names(estimator: BaseEstimator) -> list[str]:
    """Of the columns; ``x0``, ``x1``, … where X has none, as scikit-learn calls them."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names]
    return [f"x{position}" for position in range(cast("Any", estimator).n_features_in_)]


def _named(estimator: BaseEstimator, frame: pd.DataFrame, wanted: Sequence[str | int] | None) -> frozenset[str]:
    """Columns by name."""
    columns = list(frame.columns)
    named = set()
    for one in wanted or ():
        if isinstance(one, str) and one in columns:
            named.add(one)
        elif not isinstance(one, str | bool) and -len(columns) <= int(one) < len(columns):
            named.add(columns[int(one)])
        else:
            allowed = f"names of columns ({', '.join(columns[:12])}) or positions below {len(columns)}"
            raise ValueError(f"{type(estimator).__name__}: categorical must be {allowed}, however: {one!r}")
    return frozenset(named)


# --- y ----------------------------------------------------------------------------------------------------------------


def _by_class(
    class_weight: Mapping[Any, float] | None,
    classes: NDArray[Any],
    codes: NDArray[np.int64],
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """What each row counts, by itself and by its class."""
    if class_weight is None:
        return weight
    shares = np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
    if not (np.isfinite(shares) & (shares > 0)).all():
        raise ValueError(f"class_weight must be above 0 for every class, however: {dict(class_weight)!r}")
    return shares[codes] if weight is None else shares[codes] * weight


def _dataset(
    features: NDArray[np.float32],
    recipe: Recipe,
    target: NDArray[Any],
    classes: NDArray[Any] | None,
    groups: NDArray[np.int64] | None,
) -> Dataset:
    """The table, with what is known of it."""
    labels = () if classes is None else tuple(str(label) for label in classes.tolist())
    spread = float(target.std()) if classes is None else 1.0
    digest = hashlib.sha256(repr((recipe.names, labels, features.shape)).encode())
    for array in (features + np.float32(0), target, groups):
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    info = TableInfo(
        source=_SOURCE,
        content_hash=digest.hexdigest(),
        rows=len(features),
        features=recipe.names,
        target="y",
        task="regression" if classes is None else "binary" if len(classes) == 2 else "multiclass",
        classes=labels,
        target_mean=float(target.mean()) if classes is None else 0.0,
        target_scale=spread if spread > 0 else 1.0,
        notes=(),
    )
    return from_encoded(Encoded(features, target, groups, info, recipe))
