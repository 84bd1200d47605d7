"""scikit-learn estimators: networks with dropout, and the sweep that says whether it helps.

::

    from sweep.estimators import DropoutSweepClassifier

    search = DropoutSweepClassifier(answer=True, random_state=0).fit(X, y)
    print(search.answer_)                # does dropout help here, where, and how sure is that?
    search.predict(X_new)                # by the best configuration, trained on all rows

All of them take NaN for missing values, and DataFrames with columns of categories, yes/no, dates and the like, read as
``sweep run`` reads a table. Parameters are named as the keys of a definition (docs/definition.md); ``fit`` says what is
wrong with them, of all at once. ``fitting/`` has what they do.
"""

from sweep import kernels  # noqa: F401 - before Optuna
from sweep.fitting.mlp import DropoutMLPClassifier, DropoutMLPRegressor
from sweep.fitting.sweeps import DropoutSweepClassifier, DropoutSweepRegressor

__all__ = ["DropoutMLPClassifier", "DropoutMLPRegressor", "DropoutSweepClassifier", "DropoutSweepRegressor"]
