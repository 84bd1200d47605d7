"""Scripts of the best configuration, for tests: made of a definition and a table, without a sweep; loaded; run."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.export.network import Framework
from sweep.export.script import to_script
from sweep.export.source import SourceTable
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


def source_of(spec: SweepSpec) -> SourceTable:
    """The table of a definition, read from its file."""
    table = read_table(spec.data, spec.base_dir)
    return SourceTable(table, encode(table, spec.data), file_format(spec.data, spec.base_dir, table))


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


def summary_of(spec: SweepSpec, source: SourceTable, params: Hyperparameters, epoch: int | None = None) -> SweepSummary:
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
    definition: str = DEFINITION,
) -> str:
    """The script for a table in a file."""
    spec = parse(definition.format(path=path), None, overrides)
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
