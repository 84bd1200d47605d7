"""The best configuration as a Python file for scikit-learn: a pipeline with our estimator, cross-validated.

What a user wrote (names of columns, the source of the table) enters it through ``repr`` alone and so stays data.
Columns are read by the estimator, as ``sweep run`` reads them; what is said of them here is which are features, and
which of these are categories.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.errors import UserError
from sweep.export.about import best_of
from sweep.export.again import ReadAgain
from sweep.export.sklearn_table import WIDTH, Loading, loading
from sweep.export.versions import versions
from sweep.folds import Scheme, resolved_scheme, splitter_seed
from sweep.spec.model import OFF
from sweep.tables.targets import find_column

_SCORING: Final = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "roc_auc": "roc_auc",
    "log_loss": "neg_log_loss",
    "f1": "f1_macro",
    "brier": "neg_brier_score",
    "rmse": "neg_root_mean_squared_error",
    "mae": "neg_mean_absolute_error",
    "r2": "r2",
}
_SPLITTERS: Final[dict[Scheme, str]] = {
    "stratified": "StratifiedKFold",
    "kfold": "KFold",
    "group": "StratifiedGroupKFold",
    "timeseries": "TimeSeriesSplit",
}


class _Script:
    """One file, part by part."""

    def __init__(self, summary: SweepSummary, read: ReadAgain, members: int) -> None:
        self.summary, self.read, self.members = summary, read, members
        self.best, self.spec = best_of(summary), summary.spec
        self.info, self.recipe = read.encoded.info, read.encoded.recipe
        self.regression = self.info.task == "regression"
        self.estimator = "DropoutMLPRegressor" if self.regression else "DropoutMLPClassifier"
        self.categories = [plan.column for plan in self.recipe.plans if plan.kind == "categorical"]
        self.unlabelled = self.info.rows < len(read.table.frame)
        self.scheme = resolved_scheme(self.spec.validation, self.info.task, grouped=read.encoded.groups is not None)
        self.groups: str | None = None
        if self.scheme == "group" and self.spec.data.groups is not None:
            self.groups = find_column(read.table, self.spec.data.groups, "data.groups")
        self.splitter = "GroupKFold" if self.regression and self.scheme == "group" else _SPLITTERS[self.scheme]
        # A scorer's name says nothing of which class is meant; both have the same score.
        self.own_scorer = summary.metric.name == "brier" and self.info.task == "binary"

    def text(self) -> str:
        found = loading(self.read.table, self.spec.data, self.read.format, unlabelled=self.unlabelled)
        parts = [
            "\n".join(['"""' + self._heading(found), '"""']),
            "\n".join(self._imports(found)),
            "\n".join(self._constants(found)),
            "\n" + "\n".join(self._load(found)),
            "\n" + "\n".join(self._model()),
            "\n" + "\n".join(self._main(found)),
            '\nif __name__ == "__main__":\n    main()',
        ]
        return "\n\n".join(parts) + "\n"

    def _heading(self, found: Loading) -> str:
        summary, best, metric, honest = self.summary, self.best, self.summary.metric, self.summary.honest
        among = len(summary.trials) if summary.chosen is None else summary.chosen.trials
        chosen = f", which was chosen for being the best of {among:,}" if among > 1 else ""
        fair = "not defined for this sweep"
        if honest is not None:
            interval = wording.interval(metric, honest.low, honest.high)
            fair = f"{wording.score(metric, honest.value)} (95 % interval {interval})"
        use = "python best.py" if found.path is None else "python best.py [TABLE]"
        lines = [
            f"The best network of the sweep {summary.name} (trial {best.number}), for scikit-learn.",
            "",
            f"Cross-validates it: {use}. It needs dropout-sweep, which has the estimator.",
            "",
            f"{metric.title}, raw:    {wording.score(metric, best.score)} ({best.score!r})",
            f"{metric.title}, honest: {fair}",
            f"Placement: {wording.placement(best.placement)}",
            f"Chosen epoch: {best.epoch} of {self.spec.training.epochs}",
            f"Table: {wording.count(self.info.rows, 'row')}, SHA-256 {self.info.content_hash}",
            f"Versions: {', '.join(f'{name} {version}' for name, version in versions().items())}",
            "",
            "The folds are those of the sweep. Initial weights, the order of rows and what is dropped are drawn anew, "
            f"so that the score differs by chance: expect the honest one rather than the raw one{chosen}.",
        ]
        return "\n".join(part for line in lines for part in textwrap.wrap(line, WIDTH, break_on_hyphens=False) or [""])

    def _imports(self, found: Loading) -> list[str]:
        ours = [f"from sweep.estimators import {self.estimator}"]
        standard = ["from statistics import mean, stdev"]
        others = [
            *found.imports,
            *(["from sklearn.compose import ColumnTransformer"] if self.recipe.unused else []),
            *(["from sklearn.metrics import brier_score_loss, make_scorer"] if self.own_scorer else []),
            f"from sklearn.model_selection import {self.splitter}, cross_val_score",
            "from sklearn.pipeline import make_pipeline",
        ]
        if found.path is not None:
            standard = ["import sys", *standard]
            others = ["import pandas as pd", *others]
        order = sorted(others, key=lambda line: (not line.startswith("import"), line.lower()))
        return [*standard, "", *order, "", *ours]

    def _constants(self, found: Loading) -> list[str]:
        validation = self.spec.validation
        lines = [] if found.path is None else [f"TABLE = {found.path!r}"]
        lines.append(f"TARGET = {self.info.target!r}")
        if self.groups is not None:
            lines += ["# Rows of one group stay in one fold.", f"GROUPS = {self.groups!r}"]
        if self.recipe.unused:
            lines += _assigned("FEATURES", self.recipe.columns)
        if self.categories:
            lines += _assigned("CATEGORICAL", self.categories)
        if self.scheme != "timeseries":
            seeds = [splitter_seed(self.spec.seed, repeat) for repeat in range(validation.repeats)]
            lines += ["# One for each time that the rows are divided into folds.", *_assigned("SPLIT_SEEDS", seeds)]
        return lines

    def _load(self, found: Loading) -> list[str]:
        known = ", its rows whose target is known" if self.unlabelled else ""
        result = "table.dropna(subset=[TARGET])" if self.unlabelled else "table"
        return [
            f"def load({'' if found.path is None else 'path=TABLE'}):",
            f'    """The table{known}."""',
            *(f"    {line}" for line in found.lines),
            f"    return {result}",
        ]

    def _parameters(self) -> dict[str, Any]:
        own, training = self.best.hyperparameters, self.spec.training
        parameters: dict[str, Any] = {
            "hidden": tuple(own.hidden),
            "dropout_input": float(own.dropout[0]),
            "dropout_hidden": tuple(map(float, own.dropout[1:])),
            "learning_rate": float(own.learning_rate),
            "momentum": float(own.momentum),
            "max_norm": OFF if own.max_norm is None else float(own.max_norm),
            "lr_decay": float(own.lr_decay),
            "weight_decay": float(own.weight_decay),
            "epochs": training.epochs,
            "stop_epoch": self.best.epoch,
            "batch_size": training.batch_size,
            "activation": self.spec.network.activation,
            "init": self.spec.network.init,
            "nesterov": training.nesterov,
        }
        if training.class_weight != "none" and not self.regression:
            parameters["class_weight"] = training.class_weight
        if self.members > 1:
            parameters["ensemble"] = self.members
        return parameters

    def _model(self) -> list[str]:
        lines = [f"{name}={value!r}" for name, value in self._parameters().items()]
        lines += ["categorical=CATEGORICAL", 'handle_unknown="ignore"'] if self.categories else []
        lines.append(f"random_state={self.spec.seed}")
        body = [
            "def build_model():",
            '    """The network, not trained yet. It standardises, encodes and fills in by itself."""',
            f"    network = {self.estimator}(",
            *(f"        {line}," for line in lines),
            "    )",
        ]
        if not self.recipe.unused:
            return [*body, "    return make_pipeline(network)"]
        return [
            *body,
            '    columns = ColumnTransformer([("features", "passthrough", FEATURES)], verbose_feature_names_out=False)',
            '    return make_pipeline(columns.set_output(transform="pandas"), network)',
        ]

    def _main(self, found: Loading) -> list[str]:
        metric, validation = self.summary.metric, self.spec.validation
        scoring = _SCORING[metric.name]
        if metric.name == "roc_auc" and self.info.task == "multiclass":
            scoring = "roc_auc_ovr"
        scorer = f'"{scoring}"'
        lines = [
            f"table = load({'' if found.path is None else '*sys.argv[1:2]'})",
            f"X, y = table.drop(columns=TARGET), table[TARGET]{self._target_as()}",
        ]
        if self.own_scorer:
            scorer = "scorer"
            lines += [
                "scorer = make_scorer(",
                '    brier_score_loss, greater_is_better=False, response_method="predict_proba", pos_label=y.max()',
                ")",
            ]
        groups = ", groups=table[GROUPS]" if self.groups is not None else ""
        score = f"cross_val_score(build_model(), X, y, cv=folds, scoring={scorer}{groups})"
        if self.scheme == "timeseries":
            lines += [f"folds = TimeSeriesSplit(n_splits={validation.folds})", f"scores = [*{score}]"]
        else:
            lines += [
                "scores = []",
                "for seed in SPLIT_SEEDS:",
                f"    folds = {self.splitter}(n_splits={validation.folds}, shuffle=True, random_state=seed)",
                f"    scores += [*{score}]",
            ]
        sign = "" if metric.maximize else "-"
        digits = ".6g" if metric.name in ("rmse", "mae") else ".4f"
        said = f"{metric.name}: {{{sign}mean(scores):{digits}}}"
        lines.append(f'print(f"{said} (standard deviation over {{len(scores)}} folds {{stdev(scores):{digits}}})")')
        return ["def main():", '    """Cross-validates it on the table."""', *(f"    {line}" for line in lines)]

    def _target_as(self) -> str:
        """What makes the target one that scikit-learn takes.

        Raises:
            UserError: There is nothing that does.
        """
        name = self.info.target
        kind = getattr(self.read.table.frame[name].dtype, "kind", "O")
        if not self.regression:
            return ".astype(str)" if kind in "fmM" else ""
        if kind not in "iuf":
            raise UserError(
                f"{self.info.source}, column {name!r}: the target of a regression must be written as plain numbers for "
                "the format sklearn, however it holds amounts, times or dates"
            )
        return ""


def to_sklearn(summary: SweepSummary, read: ReadAgain, *, members: int = 1) -> str:
    """The file.

    Args:
        summary: Of the sweep.
        read: Its table.
        members: Networks, whose answers the estimator averages.

    Raises:
        NotFoundError: No trial has finished.
        UserError: The target is written in a way that scikit-learn does not read.
    """
    return _Script(summary, read, members).text()


def _assigned(name: str, values: Sequence[Any]) -> list[str]:
    """``NAME = [...]``, over as many lines as it takes."""
    line = f"{name} = {[*values]!r}"
    if len(line) <= WIDTH:
        return [line]
    lines: list[str] = []
    for value in values:
        if lines and len(lines[-1]) + len(repr(value)) + 2 <= WIDTH:
            lines[-1] += f" {value!r},"
        else:
            lines.append(f"    {value!r},")
    return [f"{name} = [", *lines, "]"]
