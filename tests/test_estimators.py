"""The estimators in what people build of scikit-learn; scikit-learn's own checks are in test_estimator_checks.py."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections import UserDict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sweep
from sweep.analysis.summary import summarise
from sweep.estimators import (
    DropoutMLPClassifier,
    DropoutMLPRegressor,
    DropoutSweepClassifier,
    DropoutSweepRegressor,
)
from sweep.launch.inline import InlineLauncher
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prediction_bytes
from sweep.spec import definition
from sweep.store import codec
from sweep.store.store import Store

SMALL: dict[str, Any] = {"hidden": (16,), "epochs": 20, "random_state": 0}
SWEEP: dict[str, Any] = {**SMALL, "trials": 4, "placement": ["none", "hidden"], "folds": 3, "checkpoints": 4}


def people(rows: int = 200, seed: int = 0) -> tuple[pd.DataFrame, NDArray[Any]]:
    """A frame of every kind of column; who lives in Rome and is young is good."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, rows),
            "city": rng.choice(["Rome", "Oslo", "Lima"], rows),
            "member": rng.choice(["yes", "no"], rows),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "size": pd.Categorical(rng.choice(["S", "M"], rows)),
            "floor": rng.integers(0, 5, rows),
        },
        index=rng.permutation(rows),
    )
    frame.iloc[3, 0] = np.nan
    good = (frame["city"] == "Rome") | (frame["age"] < 30)
    return frame, np.where(good, "good", "bad")


# --- in scikit-learn's tools ------------------------------------------------------------------------------------------


def test_they_are_classifiers_and_regressors() -> None:
    for classifier in (DropoutMLPClassifier(), DropoutSweepClassifier()):
        assert is_classifier(classifier)
    for regressor in (DropoutMLPRegressor(), DropoutSweepRegressor()):
        assert is_regressor(regressor)


def test_a_sweep_is_cross_validated() -> None:
    assert cross_val_score(DropoutSweepClassifier(**SWEEP), *load_iris(return_X_y=True), cv=3).mean() > 0.85
    assert cross_val_score(DropoutSweepRegressor(**SWEEP), *load_diabetes(return_X_y=True), cv=2).mean() > 0.3


def test_in_pipelines_and_searches() -> None:
    frame, y = people()
    columns = ColumnTransformer(
        [("levels", OneHotEncoder(), ["city", "member", "size"]), ("numbers", StandardScaler(), ["age", "floor"])]
    )
    pipeline = make_pipeline(columns, DropoutMLPClassifier(**SMALL))
    grid = GridSearchCV(pipeline, {"dropoutmlpclassifier__dropout_hidden": [0.0, 0.2, (0.4,)]}, cv=3)
    assert grid.fit(frame, y).score(frame, y) > 0.8
    assert len(grid.cv_results_["params"]) == 3
    searched = make_pipeline(columns, DropoutSweepClassifier(**SWEEP)).fit(frame, y)
    assert searched.score(frame, y) > 0.8


def test_in_calibration() -> None:
    X, y = load_wine(return_X_y=True)
    for estimator in (DropoutMLPClassifier(**SMALL), DropoutSweepClassifier(**SWEEP)):
        assert CalibratedClassifierCV(estimator, cv=3).fit(X, y).score(X, y) > 0.9


def test_clone_pickle_and_joblib(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    for estimator in (DropoutMLPClassifier(**SMALL), DropoutSweepClassifier(**SWEEP, answer=2)):
        fitted = estimator.fit(X, y)
        for copy in (pickle.loads(pickle.dumps(fitted)), _through_joblib(fitted, tmp_path)):  # noqa: S301 - our own
            np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))
        fresh = clone(fitted)
        with pytest.raises(NotFittedError):
            fresh.predict(X)
        np.testing.assert_array_equal(fresh.fit(X, y).predict_proba(X), fitted.predict_proba(X))
    assert pickle.loads(pickle.dumps(fitted)).study_.best_value == fitted.best_score_  # noqa: S301 - our own
    assert str(fitted.answer_) == str(copy.answer_)


def _through_joblib(fitted: Any, folder: Path) -> Any:
    joblib.dump(fitted, folder / "fitted.joblib")
    return joblib.load(folder / "fitted.joblib")


# --- what they take ---------------------------------------------------------------------------------------------------


def test_frames_of_any_columns() -> None:
    frame, y = people()
    for estimator in (DropoutMLPClassifier(**SMALL), DropoutSweepClassifier(**SWEEP)):
        fitted = estimator.fit(frame, y)
        assert fitted.feature_names_in_.tolist() == list(frame.columns)
        assert fitted.n_features_in_ == 6
        assert fitted.score(frame, y) > 0.85
        one = frame.iloc[[5]].assign(age=np.nan)  # alone, a column can look like anything
        assert fitted.predict_proba(one).shape == (1, 2)
        np.testing.assert_allclose(fitted.predict_proba(frame.iloc[[7]]), fitted.predict_proba(frame)[[7]])


def test_frames_of_numbers_are_matrices_with_names() -> None:
    frame, y = load_wine(return_X_y=True, as_frame=True)
    named = DropoutMLPClassifier(**SMALL).fit(frame, y)
    plain = DropoutMLPClassifier(**SMALL).fit(frame.to_numpy(), y)
    np.testing.assert_array_equal(named.predict_proba(frame), plain.predict_proba(frame.to_numpy()))
    assert named.feature_names_in_.tolist() == list(frame.columns)
    assert not hasattr(plain, "feature_names_in_")


def test_columns_that_are_named_are_categories() -> None:
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.integers(0, 4, 300), rng.normal(size=300)]).astype(float)
    y = np.isin(X[:, 0], [0, 2]).astype(int)  # no threshold tells them apart
    assert DropoutMLPClassifier(**SMALL, categorical=[0]).fit(X, y).networks_.mean.shape == (5,)
    assert DropoutMLPClassifier(**SMALL, categorical=[True, False]).fit(X, y).networks_.mean.shape == (5,)
    frame = pd.DataFrame(X, columns=["code", "noise"])
    assert DropoutMLPClassifier(**SMALL, categorical=["code"]).fit(frame, y).score(frame, y) > 0.99


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame[["age", "city"]], "now missing:\n- floor"),
        (lambda frame: frame.rename(columns={"age": "Age"}), "now missing:\n- age"),
        (lambda frame: frame.assign(city="Paris"), "column 'city': 1 level never seen before, in 200 cells: 'Paris'"),
        (lambda frame: frame.assign(age="old"), "X, column 'age', row 1: 'old'"),
        (lambda frame: frame.assign(age=np.inf), "X, column 'age', row 1: inf is infinite"),
        (lambda frame: frame.to_numpy(), "X must be a DataFrame, as it was in fit"),
    ],
)
def test_rows_that_are_not_like_those_of_fit(change: Any, said: str) -> None:
    frame, y = people()
    fitted = DropoutMLPClassifier(**SMALL).fit(frame, y)
    with pytest.raises(ValueError, match=r".") as caught:
        fitted.predict(change(frame))
    assert said in str(caught.value)


def test_levels_never_seen_can_be_none_of_those_that_were() -> None:
    frame, y = people()
    fitted = DropoutMLPClassifier(**SMALL, handle_unknown="ignore").fit(frame, y)
    assert fitted.predict(frame.assign(city="Paris")).shape == (200,)


def test_a_sweep_reads_rows_by_its_own_parameters() -> None:
    frame, y = people()
    strange, settings = frame.assign(city="Paris"), {**SWEEP, "trials": 2}
    classifier = DropoutSweepClassifier(**settings).fit(frame, y)
    regressor = DropoutSweepRegressor(**settings).fit(frame, y == "good")
    asked = [
        classifier.predict,
        classifier.predict_proba,
        classifier.predict_proba_spread,
        regressor.predict,
        regressor.predict_spread,
    ]
    for predict in asked:
        own = f"^{type(predict.__self__).__name__}: column 'city': 1 level never seen .*handle_unknown"
        with pytest.raises(ValueError, match=own):
            predict(strange)
    for swept in (classifier, regressor):
        swept.set_params(handle_unknown="ignore")
        np.testing.assert_array_equal(swept.predict(frame), swept.best_estimator_.predict(frame))
    for predict in asked:
        said = predict(strange)
        assert len(said[0] if isinstance(said, tuple) else said) == 200


def test_labels_of_every_kind_and_many_classes() -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[y]
    fitted = DropoutMLPClassifier(**SMALL).fit(X, names)
    assert fitted.classes_.tolist() == sorted(set(names))
    assert fitted.score(X, names) > 0.95
    for labels in (y > 4, y - 3, y.astype(float), pd.Series(names).astype("category")):
        again = DropoutMLPClassifier(**{**SMALL, "epochs": 2}).fit(X, labels)
        assert set(again.predict(X)) <= set(again.classes_)
        assert again.predict_proba(X).shape == (600, len(again.classes_))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_y_is_never_missing(missing: Any) -> None:
    frame, y = people()
    labels, numbers = y.astype(object), np.arange(200).astype(object)
    labels[5] = numbers[5] = missing
    for X in (frame, frame[["age"]]):
        with pytest.raises(ValueError, match=r"NaN|y must not be missing, however: row 6 of 200 has none"):
            DropoutMLPClassifier(**SMALL).fit(X, labels)
        with pytest.raises(ValueError, match=r"NaN|y must not be missing, however: row 6 of 200 has none"):
            DropoutMLPRegressor(**SMALL).fit(X, numbers)
    for X in (frame, frame[["age"]]):
        with pytest.raises(ValueError, match=r"infinity|too large"):
            DropoutMLPRegressor(**SMALL).fit(X, np.where(np.arange(200) == 5, np.inf, 1.0))
        with pytest.raises(ValueError, match="y contains a value too large"):
            DropoutMLPRegressor(**SMALL).fit(X, np.arange(200) * 1e200)


def test_what_is_left_out_is_said() -> None:
    frame, y = people()
    frame["note"] = [f"note {row}" for row in range(200)]
    with pytest.warns(UserWarning, match="column 'note' is left out: 200 distinct texts in 200 rows") as caught:
        fitted = DropoutMLPClassifier(**SMALL).fit(frame, y)
    assert caught[0].filename == __file__
    assert any("'note' is left out" in note for note in fitted.notes_)
    assert not [note for note in fitted.notes_ if "data." in note or "drop" in note]
    with pytest.warns(UserWarning, match="'note' is left out") as caught:
        swept = DropoutSweepClassifier(**SWEEP).fit(frame, y)
    assert len(caught) == 1
    assert swept.notes_ == fitted.notes_


def test_networks_that_diverge_are_told() -> None:
    X, y = load_iris(return_X_y=True)
    settings = {**SMALL, "learning_rate": 1e30, "max_norm": None, "lr_decay": 1.0}
    with pytest.warns(ConvergenceWarning, match="2 of 2 networks diverged, and predict a constant") as caught:
        fitted = DropoutMLPClassifier(**settings, ensemble=2).fit(X, y)
    assert caught[0].filename == __file__
    assert len(np.unique(fitted.predict_proba(X), axis=0)) == 1


def test_a_sweep_never_changes_the_filters_of_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """They belong to the process: of two threads that change them and put them back, one puts back the other's."""
    changed: list[str] = []

    class Watched(warnings.catch_warnings):
        def __enter__(self) -> Any:
            changed.append(sys._getframe(1).f_code.co_filename)
            return super().__enter__()

    monkeypatch.setattr(warnings, "catch_warnings", Watched)
    frame, y = people()
    DropoutSweepClassifier(**{**SWEEP, "trials": 2}, answer=2).fit(frame, y).predict(frame)
    assert [name for name in changed if Path(name).is_relative_to(Path(sweep.__file__).parent)] == []


def test_a_network_that_diverges_after_a_sweep_is_told() -> None:
    X, y = load_iris(return_X_y=True)
    settings = {**SWEEP, "trials": 1, "placement": "none", "learning_rate": 1e30, "max_norm": "off", "lr_decay": 1.0}
    with pytest.warns(ConvergenceWarning, match="1 of 1 networks diverged") as caught:
        fitted = DropoutSweepClassifier(**settings).fit(X, y)
    assert caught[0].filename == __file__
    assert fitted.best_estimator_.n_features_in_ == 4


def test_another_fit_leaves_nothing_of_the_one_before() -> None:
    X, y = load_iris(return_X_y=True)
    estimator = DropoutSweepClassifier(**SWEEP, answer=2).fit(X, y)
    estimator.set_params(answer=False, refit=False).fit(X[:100], y[:100])
    assert not hasattr(estimator, "answer_")
    with pytest.raises(NotFittedError):
        estimator.set_params(refit=True).predict(X)
    broken = DropoutSweepClassifier(**{**SWEEP, "trials": 0})
    with pytest.raises(ValueError, match="trials must be"):
        broken.fit(X, y)
    with pytest.raises(NotFittedError):
        broken.predict(X)


def test_a_class_may_have_fewer_rows_than_there_are_folds() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.warns(UserWarning, match="a class has 2 rows, fewer than there are folds .3.: they are not stratified"):
        DropoutSweepClassifier(**SWEEP).fit(X[48:], y[48:])
    with pytest.raises(ValueError, match="each class needs at least 3 rows for 3 folds"):
        DropoutSweepClassifier(**SWEEP, scheme="stratified").fit(X[48:], y[48:])


def test_rows_of_a_group_stay_in_one_fold() -> None:
    """Labels belong to groups, and features say nothing but the group: what is learned of others is worth nothing."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(24), 8)
    X, y = np.eye(24)[groups], rng.permutation(np.arange(24) % 2)[groups]
    split = DropoutSweepClassifier(**SWEEP).fit(X, y)
    whole = DropoutSweepClassifier(**SWEEP).fit(X, y, groups=[f"g{group}" for group in groups])
    assert split.best_score_ > 0.95
    assert whole.best_score_ < 0.75
    asked = DropoutSweepClassifier(**SWEEP, scheme="group").fit(X, y, groups=groups)
    assert asked.best_score_ < 0.75
    for scheme in ("stratified", "kfold", "timeseries"):
        with pytest.raises(ValueError, match="scheme must be auto or group when groups is given"):
            DropoutSweepClassifier(**SWEEP, scheme=scheme).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([None, *[1] * 149], "groups must not be missing, however: row 1 of 150"),
        (np.ones((150, 2)), "y should be a 1d array"),
        ([1, 2], "inconsistent numbers of samples"),
    ],
)
def test_wrong_groups(groups: Any, said: str) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=said):
        DropoutSweepClassifier(**SWEEP).fit(X, y, groups=groups)


def test_groups_of_texts_and_numbers() -> None:
    X, y = load_iris(return_X_y=True)
    mixed = np.array([1, "a", 2.5, "b", 7], dtype=object)[np.arange(150) % 5]
    assert DropoutSweepClassifier(**SWEEP).fit(X, y, groups=mixed).n_splits_ == 3


# --- weights ----------------------------------------------------------------------------------------------------------


def noisy(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Two overlapping classes, and rows of class 1 on the right that count more."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(0, 1.5, 300) > 0).astype(np.int64)
    return X, y, np.where((y == 1) & (X[:, 1] > 0), 4, 1)


@pytest.mark.parametrize("kind", [DropoutMLPClassifier, DropoutMLPRegressor])
def test_weights_are_like_repeated_rows(kind: type[DropoutMLPClassifier | DropoutMLPRegressor]) -> None:
    """Means over many networks: what repeating rows changes, weights change, up to what seeds change."""
    X, y, weight = noisy()
    settings: dict[str, Any] = {**SMALL, "ensemble": 40, "epochs": 30, "learning_rate": 0.02}

    def mean(seed: int, *rows: Any, **extra: Any) -> NDArray[np.float64]:
        fitted = kind(**{**settings, "random_state": seed}).fit(*rows, **extra)
        if isinstance(fitted, DropoutMLPRegressor):
            return fitted.predict(X)
        found: NDArray[np.float64] = fitted.predict_proba(X)[:, 1]
        return found

    repeated = mean(0, np.repeat(X, weight, axis=0), np.repeat(y, weight))
    other_seed = mean(1, np.repeat(X, weight, axis=0), np.repeat(y, weight))
    weighted = mean(2, X, y, sample_weight=weight)
    plain = mean(3, X, y)

    def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        return float(np.sqrt(((one - other) ** 2).mean()))

    assert apart(plain, repeated) > 0.08  # weights matter here
    assert apart(weighted, repeated) < 0.2 * apart(plain, repeated)
    assert apart(other_seed, repeated) < 0.2 * apart(plain, repeated)
    assert abs((weighted - repeated).mean()) < 0.02


def test_rows_of_weight_zero_are_not_there() -> None:
    X, y, _ = noisy()
    weight = np.ones(300)
    weight[::3] = 0
    for estimator in (DropoutMLPClassifier(**SMALL), DropoutSweepClassifier(**SWEEP)):
        without = clone(estimator).fit(X[weight > 0], y[weight > 0], sample_weight=np.ones(200))
        np.testing.assert_array_equal(
            clone(estimator).fit(X, y, sample_weight=weight).predict_proba(X), without.predict_proba(X)
        )


def test_class_weights_are_weights() -> None:
    X, y, _ = noisy()
    by_class = DropoutMLPClassifier(**SMALL, class_weight={1: 3.0}).fit(X, y)
    by_row = DropoutMLPClassifier(**SMALL).fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(by_class.predict_proba(X), by_row.predict_proba(X))
    assert (
        by_class.predict_proba(X)[:, 1].mean() > DropoutMLPClassifier(**SMALL).fit(X, y).predict_proba(X)[:, 1].mean()
    )
    DropoutMLPClassifier(**SMALL, class_weight="balanced").fit(X, y)
    assert np.array_equal(
        DropoutMLPClassifier(**SMALL, class_weight=UserDict({1: 3.0})).fit(X, y).predict_proba(X),
        by_class.predict_proba(X),
    )
    for wrong, said in (
        ({1: -1.0}, "finite and above 0"),
        ({1: "a"}, "finite and above 0"),
        ({"1": 2.0}, "classes of y"),
    ):
        with pytest.raises(ValueError, match=f"class_weight must be .*{said}"):
            DropoutMLPClassifier(**SMALL).set_params(class_weight=wrong).fit(X, y)


def test_sweeps_train_with_weights_too() -> None:
    X, y, weight = noisy()
    weighted = DropoutSweepClassifier(**SWEEP).fit(X, y, sample_weight=weight)
    plain = DropoutSweepClassifier(**SWEEP).fit(X, y)
    assert not np.array_equal(weighted.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert weighted.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.05


# --- spread -----------------------------------------------------------------------------------------------------------


def test_mean_and_spread_with_dropout_on() -> None:
    X, y = load_iris(return_X_y=True)
    for estimator in (DropoutMLPClassifier(**SMALL, dropout_hidden=0.5), DropoutSweepClassifier(**SWEEP)):
        fitted = estimator.fit(X, y)
        mean, spread = fitted.predict_proba_spread(X, n_passes=50, random_state=1)
        assert mean.shape == spread.shape == (150, 3)
        np.testing.assert_allclose(mean.sum(1), 1.0)
        again = fitted.predict_proba_spread(X, n_passes=50, random_state=1)
        np.testing.assert_array_equal(again[1], spread)
    dropping = DropoutMLPClassifier(**SMALL, dropout_hidden=0.5).fit(X, y)
    mean, spread = dropping.predict_proba_spread(X, random_state=1)
    assert (spread.max(1) > 0).all()
    assert np.abs(mean - dropping.predict_proba(X)).max() < 0.25
    still = DropoutMLPClassifier(**SMALL, dropout_hidden=0.0).fit(X, y)
    np.testing.assert_allclose(still.predict_proba_spread(X)[1], 0.0, atol=1e-12)
    with pytest.raises(ValueError, match="n_passes must be a whole number of at least 2, however: 1"):
        still.predict_proba_spread(X, n_passes=1)


def test_a_regressor_has_one_spread() -> None:
    X, y = load_diabetes(return_X_y=True)
    fitted = DropoutMLPRegressor(**SMALL, dropout_hidden=0.3, ensemble=3).fit(X, y)
    mean, spread = fitted.predict_spread(X, random_state=0)
    assert mean.shape == spread.shape == (442,)
    assert np.corrcoef(mean, fitted.predict(X))[0, 1] > 0.98
    assert 1 < spread.mean() < 100


# --- a sweep ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wine() -> DropoutSweepClassifier:
    return DropoutSweepClassifier(**{**SWEEP, "trials": 8}, answer=2).fit(*load_wine(return_X_y=True))


def test_results_are_shaped_as_scikit_learn_has_them(wine: DropoutSweepClassifier) -> None:
    found = wine.cv_results_
    table = pd.DataFrame(found)
    assert len(table) == 8
    assert {"params", "mean_test_score", "std_test_score", "rank_test_score", "mean_fit_time"} <= set(table)
    splits = table[[f"split{split}_test_score" for split in range(wine.n_splits_)]].to_numpy()
    np.testing.assert_allclose(splits.mean(1), found["mean_test_score"])
    np.testing.assert_allclose(splits.std(1), found["std_test_score"])
    assert wine.n_splits_ == 3
    assert sorted(found["rank_test_score"]) == list(range(1, 9))
    assert found["rank_test_score"][wine.best_index_] == 1
    assert found["mean_test_score"][wine.best_index_] == wine.best_score_ == found["mean_test_score"].max()
    assert found["params"][wine.best_index_] == wine.best_params_
    for name in wine.best_params_:
        assert [one[name] for one in found["params"]] == found[f"param_{name}"].tolist()
    assert list(found["placement"]) == ["none", "hidden"] * 4


def test_any_of_its_parameters_are_those_of_a_network(wine: DropoutSweepClassifier) -> None:
    best = wine.best_estimator_
    assert {name: getattr(best, name) for name in wine.best_params_} == wine.best_params_
    X, y = load_wine(return_X_y=True)
    again = DropoutMLPClassifier(**wine.best_params_, random_state=0).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), wine.predict_proba(X))


def test_the_honest_score_and_the_study(wine: DropoutSweepClassifier) -> None:
    assert wine.honest_score_ is not None
    assert wine.honest_score_.raw == wine.best_score_
    assert wine.honest_score_.value <= wine.best_score_
    assert wine.study_.best_value == wine.best_score_
    assert [trial.number for trial in wine.study_.trials] == list(range(8))


def test_the_answer_is_what_the_command_says(wine: DropoutSweepClassifier) -> None:
    text = str(wine.answer_)
    assert "2 repeats of 3-fold cross-validation".replace("-", "\N{NON-BREAKING HYPHEN}", 1) in text
    assert "PLACEMENT" in text
    assert repr(wine.answer_) in f"<{text.splitlines()[0]}>"
    assert not hasattr(DropoutSweepClassifier(**SWEEP).fit(*load_wine(return_X_y=True)), "answer_")


def test_it_is_the_sweep_of_the_command_line(tmp_path: Path) -> None:
    """The same trials to the last bit as ``sweep run`` on a file of the same rows."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X.assign(target=y).to_csv(tmp_path / "wine.csv", index=False)
    text = """
        seed = 0
        [data]
        source = "wine.csv"
        [network]
        hidden = [16]
        [training]
        epochs = 20
        checkpoints = 4
        batch_size = 16
        [space]
        placement = { choices = ["none", "hidden"] }
        [validation]
        folds = 3
        [search]
        trials = 4
    """
    spec = definition.parse(text, tmp_path / "wine.toml")
    storage = f"sqlite:///{tmp_path / 'sweep.db'}"
    with InlineLauncher() as launcher:
        run_sweep(spec, storage=storage, launcher=launcher)
    with Store.open(storage) as store:
        summary = summarise(store, "wine")
    fitted = DropoutSweepClassifier(**SWEEP, batch_size=16).fit(X, y)
    assert fitted.cv_results_["mean_test_score"].tolist() == [trial.score for trial in summary.trials]
    assert fitted.honest_score_ == summary.honest


def test_a_sweep_in_a_database_goes_on_there(sqlite_url: str) -> None:
    X, y = load_wine(return_X_y=True)
    first = DropoutSweepClassifier(**SWEEP, storage=sqlite_url, name="wine").fit(X, y)
    more = DropoutSweepClassifier(**{**SWEEP, "trials": 6}, storage=sqlite_url, name="wine").fit(X, y)
    np.testing.assert_array_equal(more.cv_results_["mean_test_score"][:4], first.cv_results_["mean_test_score"])
    with Store.open(sqlite_url) as store:
        assert summarise(store, "wine").best_to_dict()["score"] == more.best_score_
    anew = DropoutSweepClassifier(**{**SWEEP, "trials": 6, "random_state": None}, storage=sqlite_url, name="wine")
    np.testing.assert_array_equal(anew.fit(X, y).predict_proba(X), more.predict_proba(X))
    with pytest.raises(ValueError, match="the sweep wine"):
        DropoutSweepClassifier(**SWEEP, storage=sqlite_url, name="wine").fit(X[:-1], y[:-1])


def test_a_sweep_too_large_for_memory_is_refused_before_it_trains(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    def trains(*_: Any, **__: Any) -> None:
        raise RuntimeError("it trains")

    monkeypatch.setattr("sweep.fitting.search.run_sweep", trains)
    y = np.arange(2000) % 100
    large = DropoutSweepClassifier(28, repeats=10, folds=2, checkpoints=12, epochs=120, random_state=0)
    with pytest.raises(ValueError, match=r".") as caught:
        large.fit(y[:, None], y)
    assert str(caught.value) == (
        "DropoutSweepClassifier: storage must name a file, such as sqlite:///sweep.db, or a server, to hold "
        "1.26 GiB of predictions (28 trials), however: None (memory, which holds 1 GiB)"
    )
    for one in (clone(large).set_params(storage=sqlite_url), clone(large).set_params(trials=20)):
        with pytest.raises(RuntimeError, match="it trains"):
            one.fit(y[:, None], y)


def test_the_predictions_of_a_sweep_are_as_large_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    pack = codec.pack_half

    def counted(values: NDArray[np.float32]) -> bytes:
        written.append(values.size * 2)
        return pack(values)

    said: list[int] = []

    def noted(setup: Setup) -> None:
        said.append(prediction_bytes(setup))

    monkeypatch.setattr("sweep.store.convert.pack_half", counted)
    monkeypatch.setattr("sweep.fitting.search.check_memory", noted)
    DropoutSweepClassifier(**{**SWEEP, "repeats": 2}).fit(*load_wine(return_X_y=True))
    assert said == [sum(written)]


def test_without_refit_nothing_predicts() -> None:
    X, y = load_iris(return_X_y=True)
    fitted = DropoutSweepClassifier(**SWEEP, refit=False).fit(X, y)
    assert fitted.best_score_ > 0.8
    assert not hasattr(fitted, "predict")
    assert not hasattr(fitted, "predict_proba")


def test_processes_give_the_same_numbers_also_from_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from sklearn.datasets import load_wine\n"
        "from sweep.estimators import DropoutSweepClassifier\n"
        "X, y = load_wine(return_X_y=True)\n"
        f"fitted = DropoutSweepClassifier(**{SWEEP!r}, n_jobs=2).fit(X, y)\n"
        "print(repr(fitted.best_score_), fitted.predict_proba(X).sum(0).tolist())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    here = DropoutSweepClassifier(**SWEEP).fit(*load_wine(return_X_y=True))
    said = f"{here.best_score_!r} {here.predict_proba(load_wine().data).sum(0).tolist()}\n"
    assert done.stdout == said


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (
            DropoutMLPClassifier(epochs=0, momentum=2.0, dropout_hidden=1.5, ensemble=0),
            [
                "epochs must be at least 1, however: 0 (DropoutMLPClassifier)",
                "momentum must be below 1, however: 2.0",
                "dropout_hidden must be a rate from 0 to below 1, or several, however: 1.5",
                "ensemble must be a number of networks from 1 to 1000, however: 0",
            ],
        ),
        (
            DropoutMLPRegressor(hidden=[8, 4], dropout_hidden=(0.1,)),
            ["one for each of hidden1, hidden2, however: (0.1"],
        ),
        (DropoutMLPRegressor(epochs=5, stop_epoch=6), ["stop_epoch must be an epoch from 1 to 5, or None, however: 6"]),
        (
            DropoutMLPRegressor().set_params(learning_rate={"low": 0.1, "high": 0.2}),
            ["learning_rate must be one value, however"],
        ),
        (DropoutMLPRegressor(device="gpu"), ["the device must be auto, cpu or cuda:N, however: gpu"]),
        (
            DropoutMLPRegressor().set_params(device=None, learning_rate=None, momentum=None, weight_decay=None),
            [
                "learning_rate must be one value, however: None",
                "momentum must be one value, however: None",
                "weight_decay must be one value, however: None",
                "the device must be auto, cpu or cuda:N, however: None",
            ],
        ),
        *(
            (
                DropoutMLPRegressor(epochs=0, ensemble=0).set_params(hidden=hidden),
                ["hidden must be a list of widths", f"however: {said}", "epochs must be", "ensemble must be"],
            )
            for hidden, said in (
                ("8", '"8"'),
                (8, "8"),
                (np.int64(8), "8"),
                (8.0, "8.0"),
                (np.array(8), "8"),
                ({8}, ""),
            )
        ),
        (
            DropoutMLPRegressor(epochs=0).set_params(hidden=[[[8], [8, 4]]], dropout_hidden=[0.1, [0.2, 0.3]]),
            [
                "hidden must be the units",
                "dropout_hidden must be a rate from 0 to below 1, or several",
                "epochs must be",
            ],
        ),
        (DropoutMLPRegressor().set_params(hidden=[[8], [4]]), ["the units of each layer of one network, however"]),
        (DropoutMLPRegressor().set_params(hidden={"choices": [[8], [4]]}), ["hidden must be the units of each layer"]),
        (DropoutMLPRegressor(random_state=-1), ["random_state must be at least 0, however: -1"]),
        (DropoutMLPRegressor(handle_unknown="x"), ["handle_unknown must be", "however: 'x'"]),
        (
            DropoutMLPRegressor().set_params(categorical="x0"),
            ["categorical must be a list of columns, by name (x0"],
        ),
        (DropoutMLPRegressor().set_params(categorical=[0.5]), ["however: 0.5"]),
        (
            DropoutSweepRegressor(0, ensemble=0, device="gpu"),
            ["trials must", "ensemble must", "the device must"],
        ),
        (
            DropoutSweepRegressor(0, placement=["nowhere"], dropout={"low": 0.5, "high": 0.1}, metric="accuracy"),
            [
                "trials must be at least 1, however: 0 (DropoutSweepRegressor)",
                "dropout.high must be above low, 0.5",
                "placement.choices[0] must be none, input, hidden, all",
            ],
        ),
        (DropoutSweepRegressor(4, metric="accuracy"), ["metric must be one of rmse, mae, r2 for regression"]),
        (
            DropoutSweepRegressor(4).set_params(n_jobs=0, answer="yes", storage=3, ensemble=1.5),
            [
                "n_jobs must be a number of processes, -1 for one a core, or None, however: 0",
                "answer must be True, False or at least 2 repeats, however: 'yes'",
                "storage must be the URL of a database, or None, however: 3",
                "ensemble must be a number of networks from 1 to 1000, however: 1.5",
            ],
        ),
        (
            DropoutSweepRegressor(4, storage="mysql://a:secret@b/c"),
            ["storage must be sqlite:///sweep.db or postgresql"],
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_wrong_parameters_are_said_all_at_once(estimator: Any, said: list[str]) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r".") as caught:
        estimator.fit(X, y)
    for part in said:
        assert part in str(caught.value)
    assert "secret" not in str(caught.value)


def test_how_far_it_is_is_shown_to_who_asks(capfd: pytest.CaptureFixture[str]) -> None:
    DropoutSweepClassifier(**SWEEP, answer=2, verbose=True).fit(*load_iris(return_X_y=True))
    out, err = capfd.readouterr()
    assert out == ""
    for part in (
        "X: 150 rows, 4 features, target y (multiclass)",
        "4 trials over 2 placements",
        "4 of 4 trials",
    ):
        assert part in err, part


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    DropoutSweepClassifier(**SWEEP, answer=2).fit(*load_iris(return_X_y=True))
    assert capfd.readouterr() == ("", "")
