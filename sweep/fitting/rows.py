"""X, y, weights and groups as scikit-learn passes them, as a table that trains; X alone as features."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from sweep.data import Dataset, from_encoded
from sweep.errors import DefinitionError, UserError
from sweep.records import ALIGN, TableInfo, Task
from sweep.spec.schema import SECTIONS
from sweep.spec.values import is_whole
from sweep.tables.encode import Encoded, content_hash, encode_features
from sweep.tables.load import from_frame
from sweep.tables.recipe import Recipe
from sweep.tables.targets import Target
from sweep.tables.types import Table

_SOURCE = "X"
_TABLES = re.compile(rf"\b({'|'.join(SECTIONS)})\.(?=[a-z])")  # of a definition
_LEAVES_OUT = re.compile(r": drop = \[.*?\] leaves it out")
_WORDS = {
    "or drop (left out)": "or leave it out",
    "name the column in drop": "leave the column out",
    "name it in drop": "leave it out",
    "; drop says so": "",
    "seed must be": "random_state must be",
    "seed: ": "random_state: ",
    "{ choices = [[..], [..]] }": '{"choices": [[..], [..]]}',
    "{ choices = [..] }": '{"choices": [..]}',
    "{ low, high, log, step }": '{"low": .., "high": .., "log": .., "step": ..}',
}
"""What a definition's messages call what is another thing here."""


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
        said = in_parameters(str(error))
        # Problems of parameters name the estimator each.
        raise ValueError(said if isinstance(error, DefinitionError) else f"{name}: {said}") from error


def in_parameters(said: str) -> str:
    """What is said of a definition, said of parameters."""
    said = _LEAVES_OUT.sub(": leave it out if it says nothing", _TABLES.sub("", said))
    for here, there in _WORDS.items():
        said = said.replace(here, there)
    return said


def read_rows(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    *,
    classifier: bool,
    categorical: Any = None,
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
    name = type(estimator).__name__
    frame, y, as_frame = _columns(estimator, X, y)
    target = _target(name, y, classifier=classifier)
    weight = None if sample_weight is None else _check_sample_weight(sample_weight, frame, ensure_non_negative=True)
    codes = None if groups is None else _group_codes(name, groups)
    check_consistent_length(frame, target, codes)
    if weight is not None and not weight.all():
        counts = weight > 0
        frame, target, weight = frame[counts].reset_index(drop=True), target[counts], weight[counts]
        codes = None if codes is None else codes[counts]
    classes: NDArray[Any] | None = None
    if classifier:
        classes, target = np.unique(target, return_inverse=True)
        if len(classes) < 2:
            zero = "" if weight is None else " in the rows whose weight is above 0"
            raise ValueError(f"{name}: y must hold two classes or more{zero}, however: one class only")
        weight = _by_class(name, class_weight, classes, target, weight)
    features, recipe, notes = encode_features(
        Table(frame, _SOURCE), categorical=_named(name, frame, categorical), align=ALIGN
    )
    notes = [in_parameters(note) for note in notes]
    if as_frame:
        _warn(notes)
    data = _dataset(features, recipe, target, classes, codes, notes)
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
    plain = not isinstance(X, pd.DataFrame) or all(map(_is_plain, X.dtypes))
    if not reading.as_frame and plain:
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
        said = "; ".join(one.said for one in unseen)
        raise ValueError(f'{name}: {said} (with handle_unknown="ignore" they are none of the levels that were)')
    return applied.features


# --- X ----------------------------------------------------------------------------------------------------------------


def _columns(estimator: BaseEstimator, X: Any, y: Any) -> tuple[pd.DataFrame, Any, bool]:
    """X as a frame, y, and whether the columns of X say what they are."""
    if y is not None and (labels := np.asarray(y)).dtype == object:  # scikit-learn cannot tell whether pd.NA is missing
        _check_there(type(estimator).__name__, "y", labels.ravel())
    if isinstance(X, pd.DataFrame) and X.shape[1] and not all(map(_is_plain, X.dtypes)):
        if any(isinstance(dtype, np.dtype) and dtype.kind == "c" for dtype in X.dtypes):
            raise ValueError(f"{type(estimator).__name__}: Complex data not supported (X)")
        X, y = validate_data(estimator, X, y, skip_check_array=True)
        if len(X) < 2:
            raise ValueError(f"{type(estimator).__name__}: n_samples={len(X)}, however at least 2 rows are needed")
        y = _check_y(y, multi_output=True, y_numeric=is_regressor(estimator), estimator=estimator)
        check_consistent_length(X, y)
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


def _warn(notes: Sequence[str]) -> None:
    """What is left out of a frame, or taken for something it may not be.

    Warns:
        UserWarning: For each.
    """
    for note in notes:
        if "left out" in note or note.startswith("warning: "):
            warnings.warn(note.removeprefix("warning: "), UserWarning, stacklevel=5)


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


def _named(name: str, frame: pd.DataFrame, wanted: Any) -> frozenset[str]:
    """Columns by name: given by names, by positions, or by whether each of them is one."""
    columns = list(frame.columns)
    if wanted is None:
        return frozenset()
    each = list(wanted) if np.ndim(wanted) == 1 else None
    if each is not None and len(each) == len(columns) and all(isinstance(one, bool | np.bool_) for one in each):
        each = np.flatnonzero(each).tolist()
    named = set()
    for one in [wanted] if each is None else each:
        if each is not None and isinstance(one, str) and one in columns:
            named.add(str(one))
        elif each is not None and is_whole(one, -len(columns)) and one < len(columns):
            named.add(columns[int(one)])
        else:
            allowed = f"a list of columns, by name ({', '.join(columns[:12])}) or position (below {len(columns)})"
            raise ValueError(f"{name}: categorical must be {allowed}, however: {one!r}")
    return frozenset(named)


# --- y ----------------------------------------------------------------------------------------------------------------


def _target(name: str, y: Any, *, classifier: bool) -> NDArray[Any]:
    """``[n]``, nothing missing."""
    target: NDArray[Any] = column_or_1d(y, warn=True)
    _check_there(name, "y", target)
    if classifier:
        check_classification_targets(target)
        return target
    target = np.asarray(target, np.float64)
    if np.abs(target).max() > np.finfo(np.float32).max:
        raise ValueError(f"{name}: y contains a value too large for dtype('float32'): {np.abs(target).max()}")
    return target


def _check_there(name: str, what: str, values: NDArray[Any]) -> None:
    """That every row has one.

    Raises:
        ValueError: It has not.
    """
    if len(missing := np.flatnonzero(pd.isna(values))):
        row = f"row {missing[0] + 1} of {len(values)}"
        raise ValueError(f"{name}: {what} must not be missing, however: {row} has none")


def _group_codes(name: str, groups: Any) -> NDArray[np.int64]:
    """``[n]``: a number for each group."""
    each = column_or_1d(groups)
    _check_there(name, "groups", each)
    try:
        codes = np.unique(each, return_inverse=True)[1]
    except TypeError:  # texts and numbers
        codes = np.unique([str(group) for group in each], return_inverse=True)[1]
    return codes.astype(np.int64)


def _by_class(
    name: str,
    class_weight: Mapping[Any, float] | None,
    classes: NDArray[Any],
    codes: NDArray[np.int64],
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """What each row counts, by itself and by its class."""
    if class_weight is None:
        return weight
    labels = classes.tolist()
    if unknown := [label for label in class_weight if label not in labels]:
        known = ", ".join(map(repr, labels[:12]))
        raise ValueError(f"{name}: class_weight must be for classes of y ({known}), however: {unknown[0]!r}")
    shares: list[Any] = [class_weight.get(label, 1.0) for label in labels]
    if not all(isinstance(share, int | float | np.number) and 0 < share < math.inf for share in shares):
        allowed = "finite and above 0 for every class"
        raise ValueError(f"{name}: class_weight must be {allowed}, however: {dict(class_weight)!r}")
    by_row = np.array(shares, np.float64)[codes]
    return by_row if weight is None else by_row * weight


def _dataset(
    features: NDArray[np.float32],
    recipe: Recipe,
    target: NDArray[Any],
    classes: NDArray[Any] | None,
    groups: NDArray[np.int64] | None,
    notes: Sequence[str],
) -> Dataset:
    """The table, with what is known of it."""
    labels = () if classes is None else tuple(str(label) for label in classes.tolist())
    task: Task = "regression" if classes is None else "binary" if len(classes) == 2 else "multiclass"
    own = Target("y", np.arange(len(target)), task, target, labels, ())
    spread = float(target.std()) if classes is None else 1.0
    info = TableInfo(
        source=_SOURCE,
        content_hash=content_hash(features[:, : len(recipe.names)], own, groups, recipe.plans),
        rows=len(features),
        features=recipe.names,
        target=own.name,
        task=task,
        classes=labels,
        target_mean=float(target.mean()) if classes is None else 0.0,
        target_scale=spread if spread > 0 else 1.0,
        notes=tuple(notes),
    )
    return from_encoded(Encoded(features, target, groups, info, recipe))
