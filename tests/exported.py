"""For tests of exports: tables with columns of every kind, and networks on them that no sweep had to find."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.export.again import ReadAgain
from sweep.export.trained import Trained, train_best
from sweep.metrics import default_metric
from sweep.records import ALIGN, Task
from sweep.spec.definition import parse
from sweep.tables.encode import encode
from sweep.tables.load import read_table
from sweep.tables.written import file_format
from tests.made_sweep import made_summary
from tests.tables_for_tests import make_trial

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")

DEFINITION = """
name = "mixed"
seed = 3
[data]
source = {path}
target = "label"
categorical = ["code"]
missing = ["-999", "n/k"]
[training]
epochs = 12
batch_size = 16
[validation]
folds = 3
"""


def mixed_table(task: Task, rows: int = 160) -> pd.DataFrame:
    """Columns of every kind, as texts: with missing cells, far from 0, very small, of names that are no identifiers."""
    rng = np.random.default_rng(5)
    age = rng.normal(50, 15, rows)
    seconds = 1_700_000_000 + rng.integers(0, 3600, rows)
    colour = rng.choice(["red", "green", "blue", 'a "b"'], rows)
    signal = (age - 50) / 15 + (colour == "red") + (seconds - 1.7e9 - 1800) / 1800
    table = pd.DataFrame(
        {
            "age": [f"{value:.2f}" for value in age],
            "seconds since 1970": [f"{value:d}" for value in seconds],
            "µ": [f"{value:.4e}" for value in rng.normal(1e-25, 1e-26, rows)],
            "smoker": rng.choice(["yes", "no"], rows),
            "visited on": [f"2020-{month:02d}-{day:02d}" for month, day in rng.integers([1, 1], [13, 28], (rows, 2))],
            "colour": colour,
            "site": rng.choice(["A", "B"], rows),
            'größe "cm", 2': [f"{value:.1f}" for value in rng.normal(170, 10, rows)],
            "größe (cm) 2": [f"{value:.1f}" for value in rng.normal(170, 10, rows)],
            "1st": [f"{value:d}" for value in rng.integers(0, 9, rows)],
            "probabilities": [f"{value:.3f}" for value in rng.random(rows)],
            "年齢": [f"{value:d}" for value in rng.integers(0, 90, rows)],
            "code": rng.choice(["1", "2", "30"], rows),
            "price": [f"$ {value:,.2f}" for value in rng.uniform(10, 9000, rows)],
        }
    )
    for column, gap in (("age", "-999"), ("smoker", "n/k"), ("visited on", ""), ("colour", "?"), ("code", "-999")):
        table.loc[rng.random(rows) < 0.08, column] = gap
    table.loc[[rows - 2, rows - 1], "colour"] = ["mauve", "ochre"]  # rare ones
    if task == "regression":
        table["label"] = [f"{value:.4f}" for value in 1e6 + 40 * (signal + rng.normal(0, 0.3, rows))]
    else:
        names = np.array(["no", "yes"] if task == "binary" else ["low", "middle", "übergroß"])
        table["label"] = names[(signal.argsort().argsort() * len(names) // rows)]
    return table


def read(path: Path, *overrides: str) -> tuple[ReadAgain, SweepSummary]:
    """A table in a file, and a sweep over it that is said to have found a network."""
    spec = parse(DEFINITION.format(path=json.dumps(str(path))), None, overrides)
    table = read_table(spec.data, spec.base_dir)
    encoded = encode(table, spec.data, align=ALIGN)
    task = encoded.info.task
    score, epochs = (20.0 if task == "regression" else 0.8), spec.training.epochs
    best = TrialRow(
        12,
        make_trial(learning_rate=0.03, dropout=(0.1, 0.2, 0.2), max_norm=3.0),
        score,
        (score,) * 3,
        epochs - 1,
        0.1,
        epochs,
    )
    made = made_summary(4)
    metric = spec.validation.metric or default_metric(task)
    status = replace(made.status, name=spec.name, metric=metric)
    form = file_format(spec.data, spec.base_dir, table)
    return ReadAgain(table, encoded, form), replace(made, spec=spec, status=status, info=encoded.info, best=best)


def trained(path: Path, *overrides: str, members: int = 1) -> Trained:
    """That network, trained."""
    found, summary = read(path, *overrides)
    return train_best(summary, found, members=members)
