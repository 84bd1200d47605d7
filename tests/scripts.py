"""Scripts of the best configuration, for tests: made of a definition and a table, without a sweep; loaded; run."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.export.again import ReadAgain
from sweep.export.network import Framework
from sweep.export.script import to_script
from sweep.records import Hyperparameters
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.tables.encode import encode
from sweep.tables.load import read_table
from sweep.tables.written import file_format
from tests.made_sweep import made_summary

DEFINITION = """
format = 1
name = "table"
seed = 3
[data]
source = "{path}"
target = "y"
[training]
epochs = 6
batch_size = 16
[space]
placement = "all"
[validation]
folds = 3
"""

FRAMEWORKS: tuple[Framework, ...] = ("torch", "keras")


def source_of(spec: SweepSpec) -> ReadAgain:
    """The table of a definition, read from its file."""
    table = read_table(spec.data, spec.base_dir)
    return ReadAgain(table, encode(table, spec.data), file_format(spec.data, spec.base_dir, table))


def hyperparameters(hidden: tuple[int, ...] = (7, 5), **changes: Any) -> Hyperparameters:
    """Everything at work, unless ``changes`` say otherwise."""
    settings: dict[str, Any] = {
        "placement": "all",
        "dropout": (0.1, *([0.3] * len(hidden))),
        "learning_rate": 0.05,
        "momentum": 0.9,
        "max_norm": 1.5,
        "lr_decay": 0.2,
        "weight_decay": 0.001,
    }
    return Hyperparameters(hidden=hidden, **{**settings, **changes})


def summary_of(spec: SweepSpec, source: ReadAgain, params: Hyperparameters, epoch: int | None = None) -> SweepSummary:
    """A sweep over that table which found these hyperparameters, and the last epoch, to be the best."""
    epochs = spec.training.epochs
    score = 20.0 if source.encoded.info.task == "regression" else 0.8
    best = TrialRow(12, params, score, (score,) * spec.validation.folds, epoch or epochs, 0.1, epochs)
    made = made_summary(4)
    metric = spec.validation.metric or ("rmse" if source.encoded.info.task == "regression" else "accuracy")
    return replace(
        made, spec=spec, status=replace(made.status, name=spec.name, metric=metric), info=source.encoded.info, best=best
    )


def script(
    path: Path,
    framework: Framework,
    *overrides: str,
    params: Hyperparameters | None = None,
    epoch: int | None = None,
) -> str:
    """The script for a table in a file."""
    spec = parse(DEFINITION.format(path=path), None, overrides)
    source = source_of(spec)
    return to_script(summary_of(spec, source, params or hyperparameters(), epoch), source, framework)


def load(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Case:
    """A configuration on a table.

    Attributes:
        table: Which of :func:`write_tables`.
        overrides: Of :data:`DEFINITION`.
        params: What was found.
        epoch: Where it stops; ``None`` for the last.
    """

    table: str
    overrides: tuple[str, ...] = ()
    params: Hyperparameters = field(default_factory=hyperparameters)
    epoch: int | None = None

    def spec(self, folder: Path) -> SweepSpec:
        """The definition."""
        return parse(DEFINITION.format(path=folder / self.table), None, self.overrides)

    def script(self, folder: Path, framework: Framework) -> str:
        """The script, of a table in this folder."""
        return script(folder / self.table, framework, *self.overrides, params=self.params, epoch=self.epoch)


BARE = hyperparameters(
    placement="none", dropout=(0.0, 0.0, 0.0), momentum=0.0, max_norm=None, lr_decay=1.0, weight_decay=0.0
)

ABSENT = "data.missing=['-999', 'n/k']"

CASES: dict[str, Case] = {
    "all at work": Case("numbers.csv", epoch=4),
    "nothing at work": Case("numbers.csv", params=BARE),
    "input": Case("numbers.csv", params=replace(BARE, placement="input", dropout=(0.2, 0.0, 0.0))),
    "hidden": Case("numbers.csv", params=replace(BARE, placement="hidden", dropout=(0.0, 0.5, 0.25))),
    "hidden2": Case("numbers.csv", params=replace(BARE, placement="hidden2", dropout=(0.0, 0.0, 0.25))),
    "one layer, tanh": Case(
        "numbers.csv", ('network.activation="tanh"', 'network.init="torch"'), hyperparameters((9,), weight_decay=0.0)
    ),
    "early, constant rate": Case("numbers.csv", ('network.init="torch"',), replace(BARE, max_norm=2.0), epoch=3),
    "mixed": Case("mixed.csv", (ABSENT, "data.categorical=['code']")),
    "mixed, balanced": Case("mixed.csv", (ABSENT, 'training.class_weight="balanced"', 'validation.metric="brier"')),
    "classes": Case("classes.csv", ('network.init="he_uniform"', 'validation.metric="log_loss"')),
    "classes, balanced": Case(
        "classes.csv", ('training.class_weight="balanced"', 'validation.metric="roc_auc"', "training.nesterov=true")
    ),
    "numbers for classes": Case("digits.csv", ('validation.metric="f1"', 'data.positive="0"', "validation.repeats=2")),
    "regression": Case("regression.csv", ('network.init="normal"', 'network.activation="sigmoid"')),
    "regression, groups": Case("regression.csv", ('data.groups="clinic"', 'validation.metric="r2"')),
    "classes, groups": Case("mixed.csv", (ABSENT, 'data.groups="number"', "data.drop=['code']")),
    "series": Case("regression.csv", ('validation.scheme="timeseries"', 'validation.metric="mae"'), BARE),
    "plain folds": Case("numbers.csv", ('validation.scheme="kfold"', "training.batch_size=1000"), BARE),
    "no header": Case("bare.csv", ("data.target=-1",)),
    "decimal commas": Case("commas.csv"),
    "blanks": Case("blanks.txt"),
    "zipped": Case("zipped.csv.gz"),
    "latin": Case("latin.csv"),
    "names of rows": Case("rows.csv", ("data.drop=['column1']",)),
    "parquet": Case("table.parquet", ("data.categorical=['few']",)),
    "far from zero": Case("far.csv"),
    "as people write": Case("people.csv"),
    "one format": Case("people.csv", ("data.drop=['grouped', 'euros', 'share', 'german', 'english', 'slashes']",)),
}


def write_tables(folder: Path) -> None:
    """The tables of :data:`CASES`."""
    rng = np.random.default_rng(0)
    rows = 59
    a, b, c = rng.normal(2.0, 3.0, (3, rows)).round(3)
    label = np.where(a - b + rng.normal(0, 1, rows) > 0, "yes, sir", "no")
    three = np.digitize(a - b, (-1.5, 1.5))
    numbers = pd.DataFrame({"a": a, "b b": b, "c": c, "y": label})
    numbers.to_csv(folder / "numbers.csv", index=False)
    numbers.to_csv(folder / "bare.csv", index=False, header=False)
    numbers.to_csv(folder / "zipped.csv.gz", index=False)
    numbers.rename(columns={"c": "größe"}).to_csv(folder / "latin.csv", index=False, encoding="latin-1")
    numbers.to_csv(folder / "commas.csv", index=False, sep=";", decimal=",")
    numbers.rename(columns={"b b": "b"}).to_csv(folder / "blanks.txt", index=False, sep=" ")
    numbers.to_csv(folder / "rows.csv", index_label=False)
    colour = rng.choice(["red", "green ", "blue", "(rare)"], rows)
    colour[:3] = ["mauve", "ochre", "teal"]
    mixed = pd.DataFrame(
        {
            "amount": [f" {value} " for value in a],
            "number": rng.integers(0, 9, rows),
            "flag": rng.choice(["Yes", "no"], rows),
            "seen": [f"{year}-0{month}-1{month}" for year, month in rng.integers(1, 9, (rows, 2)) + 2001],
            "colour": colour,
            "code": rng.choice([1.0, 2.5, 10.0], rows),
            "empty": "",
            "same": 3,
            "y": label,
        }
    )
    mixed["seen"] = [f"{2001 + k % 9}-0{1 + k % 9}-1{k % 9}" for k in rng.integers(0, 90, rows)]
    for place, name in enumerate(("amount", "flag", "seen", "colour", "code")):
        mixed.loc[rng.choice(rows, 4, replace=False) if place else [5, 6], name] = None
    mixed.loc[[7, 8], "amount"] = "n/k"
    mixed.loc[9, "code"] = -999
    mixed.loc[[11, 30], "y"] = "?"
    mixed.to_csv(folder / "mixed.csv", index=False, na_rep="NA")
    pd.DataFrame({"a": a, "b": b, "y": np.array(["low", "mid", "high"])[three]}).to_csv(
        folder / "classes.csv", index=False
    )
    pd.DataFrame({"a": a, "b": b, "y": (a > b).astype(int)}).to_csv(folder / "digits.csv", index=False)
    clinic = np.arange(rows) % 11
    target = (100 + 30 * a - b + rng.normal(0, 1, rows)).round(2)
    pd.DataFrame({"a": a, "clinic": clinic, "b": b, "y": target}).to_csv(folder / "regression.csv", index=False)
    typed = numbers.assign(
        when=pd.date_range("2020-01-01", periods=rows, freq="36h", tz="Europe/Berlin"),
        flag=rng.random(rows) < 0.5,
        small=a.astype(np.float32),
        span=pd.to_timedelta(b, unit="h"),
        few=np.array([0.1, 0.2, 0.7], np.float32)[np.arange(rows) % 3],
    )
    typed.to_parquet(folder / "table.parquet")
    days = [f"2024-01-{1 + row % 28:02d}" for row in range(rows)]
    ever = [("0001-01-01", "2024-05-06", "9999-12-31")[row % 3] for row in range(rows)]
    far = pd.DataFrame(
        {"time": 1.7e9 + rng.integers(0, 3600, rows), "day": days, "ever": ever, "tiny": a * 1e-30, "a": a, "y": label}
    )
    far.to_csv(folder / "far.csv", index=False)
    dates = pd.Series(pd.date_range("1990-01-01", periods=rows, freq="19D"))
    clock = np.where(np.arange(rows) % 3 > 0, dates.dt.strftime("%d.%m.%Y"), dates.dt.strftime("%d.%m.%Y 14:30"))
    written = {
        "grouped": [f"{1000 * value:,.2f}" for value in a],
        "euros": [f"{5000 * value:,.2f} €".translate(str.maketrans(",.", ".,")) for value in b],
        "dollars": [f"-${-1000 * value:,.2f}" if value < 0 else f"${1000 * value:,.2f}" for value in c],
        "share": [f"{value} %" for value in a],
        "german": clock,
        "english": dates.dt.strftime("%m/%d/%Y"),
        "slashes": dates.dt.strftime("%Y/%m/%d"),
        "y": label,
    }
    pd.DataFrame(written).to_csv(folder / "people.csv", index=False)
