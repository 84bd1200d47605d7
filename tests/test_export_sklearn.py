"""Python files for scikit-learn: what they read, what they build, and that they come to the sweep's score."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.errors import UserError
from sweep.export.sklearn_script import to_sklearn
from sweep.records import Task
from sweep.tables.encode import encode
from sweep.tables.types import Table
from tests.command_line import ROOT, Program
from tests.exported import DEFINITION, TASKS, mixed_table, read

SAID = re.compile(r"(\w+): (\S+) \(standard deviation over (\d+) folds (\S+)\)\n")


def script(path: Path, *overrides: str, members: int = 1) -> str:
    """The file for a table in a file."""
    found, summary = read(path, *overrides)
    return to_sklearn(summary, found, members=members)


def loaded(folder: Path, text: str) -> dict[str, Any]:
    """What a file defines, without running it."""
    (folder / "best.py").write_text(text)
    return runpy.run_path(str(folder / "best.py"))


# --- from a sweep to its score, and back ------------------------------------------------------------------------------

FIXED = """
[network]
hidden = [8, 4]
activation = "tanh"
[space]
placement = { choices = ["none", "all"] }
dropout = { low = 0.05, high = 0.3 }
learning_rate = 0.03
lr_decay = 0.2
max_norm = 3.0
[search]
trials = 2
sampler = "random"
"""


@pytest.mark.parametrize("task", TASKS)
def test_toml_and_file_give_the_score_of_the_sweep(
    task: Task, program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly, and as far as chance allows: categories, rare ones, missing cells, dates, a column that is left out."""
    table = mixed_table(task)
    table["id"] = range(len(table))
    if task == "binary":
        table.loc[[7, 70], "label"] = ""
    table.to_csv(program.folder / "table.csv", index=False)
    (program.folder / "mixed.toml").write_text(DEFINITION.format(path='"table.csv"') + FIXED)
    drop = ("--set", 'data.drop=["id"]', "--set", "training.epochs=25", "--cluster", "inline")
    best = program.json("run", "mixed.toml", *drop)

    program("export", "mixed", "-o", "again.toml")
    again = program.json("run", "again.toml", "--cluster", "inline")
    document = json.loads(program("export", "mixed", "--format", "json").out)
    for key in ("score", "params", "epoch", "honest_score"):
        assert again[key] == best[key] == document[key], key

    more = ("--ensemble", "2") if task == "regression" else ()
    program("export", "mixed", "--format", "sklearn", "-o", "best.py", *more)
    if task == "binary":
        done = subprocess.run(
            [sys.executable, "-W", "error", "best.py"],
            cwd=program.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        )
        said = done.stdout
    else:
        monkeypatch.setattr("sys.argv", ["best.py", "table.csv"])
        capsys.readouterr()
        runpy.run_path("best.py", run_name="__main__")
        said = capsys.readouterr().out
    match = SAID.fullmatch(said)
    assert match, said
    metric, score, folds, spread = match[1], float(match[2]), int(match[3]), float(match[4])
    assert (metric, folds) == (best["metric"], 3)
    # Of a score that says something, by no more than two of the sort differ.
    worst = {"binary": 0.55, "multiclass": 0.4, "regression": 45.0}[task]
    assert (best["score"] > worst) == (score > worst) == (task != "regression")
    assert abs(score - best["score"]) < 3 * (2 / folds) ** 0.5 * max(spread, 0.02 if task != "regression" else 1.0)


# --- what it reads ----------------------------------------------------------------------------------------------------


def plain(rows: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=rows).round(3), "b b": rng.integers(0, 9, rows)})
    frame["flag"] = rng.choice(["True", "False"], rows)
    frame["c"] = rng.choice(["x", "ÿ", "z, z"], rows)
    frame["label"] = np.where(frame["a"] > 0, "ja", "nein")
    frame.loc[3, "b b"], frame.loc[5, "c"] = -999, ""
    return frame


def write_comma(path: Path) -> None:
    plain().to_csv(path, index=False)


def write_german(path: Path) -> None:
    plain().to_csv(path, index=False, sep=";", decimal=",", encoding="latin-1")


def write_zipped(path: Path) -> None:
    plain().to_csv(path, index=False, sep="\t", compression="gzip")


def write_named_rows(path: Path) -> None:
    plain().to_csv(path, index_label=False)  # as R writes them


def write_blanks(path: Path) -> None:
    path.write_text("\n\na, b b, c , label,\n" + "".join(f"{n % 7}, {n}, u{n % 3}, l{n % 2},\n" for n in range(30)))


def write_quotes(path: Path) -> None:
    path.write_text("a, b b, c, label\n" + "".join(f'{n % 7}, {n}, "u, {n % 3}", l{n % 2}\n' for n in range(30)))


def write_gaps(path: Path) -> None:
    frame = plain()
    frame.loc[[1, 2], "label"] = ["?", "n/k"]
    frame.to_csv(path, index=False)


def write_parquet(path: Path) -> None:
    plain().set_index("b b").to_parquet(path)


def write_arrow(path: Path) -> None:
    plain().to_feather(path)


FORMS = [
    write_comma,
    write_german,
    write_zipped,
    write_named_rows,
    write_blanks,
    write_quotes,
    write_gaps,
    write_parquet,
    write_arrow,
]


@pytest.mark.parametrize("write", FORMS, ids=[one.__name__.removeprefix("write_") for one in FORMS])
def test_it_reads_the_table_as_the_sweep_did(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "t")
    found, summary = read(tmp_path / "t", "data.categorical=[]")
    frame = loaded(tmp_path, to_sklearn(summary, found))["load"]()
    assert len(frame) == found.encoded.info.rows
    for name in found.encoded.recipe.columns:
        numbers = [one[name].dtype.kind in "iuf" for one in (frame, found.table.frame)]
        assert numbers[0] == numbers[1], name
    same = encode(Table(frame.reset_index(drop=True), "t", missing=found.table.missing), summary.spec.data)
    assert same.info.content_hash == found.encoded.info.content_hash


def test_a_table_without_a_header(tmp_path: Path) -> None:
    plain().to_csv(tmp_path / "t", index=False, header=False)
    overrides = ("data.target=-1", 'data.categorical=["column2"]')
    found, summary = read(tmp_path / "t", *overrides)
    there = loaded(tmp_path, to_sklearn(summary, found))
    assert there["TARGET"] == "column5"
    same = encode(Table(there["load"](), "t", missing=found.table.missing), summary.spec.data)
    assert same.info.content_hash == found.encoded.info.content_hash


def test_tables_that_come_with_scikit_learn(tmp_path: Path) -> None:
    found, summary = read(Path("sklearn:diabetes"), "data.target='target'", "data.categorical=[]", "data.missing=[]")
    there = loaded(tmp_path, to_sklearn(summary, found))
    assert "TABLE" not in there
    same = encode(Table(there["load"](), "t"), summary.spec.data)
    assert same.info.content_hash == found.encoded.info.content_hash


def test_a_target_that_scikit_learn_does_not_read_is_refused(tmp_path: Path) -> None:
    frame = plain()
    frame["label"] = [f"$ {1000 + 37.5 * row:,.2f}" for row in range(30)]
    frame.to_csv(tmp_path / "t", index=False)
    with pytest.raises(UserError, match=r"column 'label': the target of a regression must be written as plain numbers"):
        script(tmp_path / "t", "data.categorical=[]")


# --- what it builds ---------------------------------------------------------------------------------------------------


def test_the_estimator_has_every_hyperparameter_of_the_trial(tmp_path: Path) -> None:
    mixed_table("multiclass").to_csv(tmp_path / "t", index=False)
    overrides = ('training.class_weight="balanced"', 'network.activation="tanh"', 'network.init="normal"', "seed=91")
    found, summary = read(tmp_path / "t", *overrides, "training.nesterov=true")
    model = loaded(tmp_path, to_sklearn(summary, found, members=3))["build_model"]()
    assert summary.best is not None
    own = summary.best.hyperparameters
    ((_, network),) = model.steps
    assert network.get_params() == {
        "hidden": own.hidden,
        "dropout_input": own.dropout[0],
        "dropout_hidden": own.dropout[1:],
        "learning_rate": own.learning_rate,
        "momentum": own.momentum,
        "max_norm": own.max_norm,
        "lr_decay": own.lr_decay,
        "weight_decay": own.weight_decay,
        "epochs": 12,
        "stop_epoch": 11,
        "batch_size": 16,
        "activation": "tanh",
        "init": "normal",
        "nesterov": True,
        "class_weight": "balanced",
        "ensemble": 3,
        "categorical": ["colour", "site", "code"],
        "handle_unknown": "ignore",
        "random_state": 91,
        "device": "cpu",
    }


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (('data.groups="site"', "validation.folds=2"), ("StratifiedGroupKFold(n_splits=2", "groups=table[GROUPS]")),
        (('validation.scheme="timeseries"',), ("TimeSeriesSplit(n_splits=3)",)),
        (
            ('validation.scheme="kfold"', "validation.repeats=2"),
            (" KFold(n_splits=3, shuffle=True, random_state=seed)",),
        ),
        (('validation.metric="brier"',), ("pos_label=y.max()", "-mean(scores)")),
        (('validation.metric="log_loss"',), ('scoring="neg_log_loss"', "-mean(scores)")),
    ],
    ids=["groups", "timeseries", "kfold twice", "brier", "log loss"],
)
def test_folds_and_score_are_those_of_the_definition(
    overrides: tuple[str, ...],
    parts: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mixed_table("binary").to_csv(tmp_path / "t", index=False)
    text = script(tmp_path / "t", *overrides, "training.epochs=2", 'data.categorical=["code"]')
    for part in parts:
        assert part in text
    monkeypatch.setattr("sys.argv", ["best.py"])
    (tmp_path / "best.py").write_text(text)
    runpy.run_path(str(tmp_path / "best.py"), run_name="__main__")
    match = SAID.fullmatch(capsys.readouterr().out)
    assert match
    assert int(match[3]) == (2 if "groups" in overrides[0] else 6 if len(overrides) == 2 else 3)
    assert 0 < float(match[2]) < 2


def test_what_a_user_wrote_stays_data(tmp_path: Path) -> None:
    evil = ['"""\nimport os', "'); print(1) #", "{TARGET}\\", 'x\u2028"); print(1) #']
    frame = plain()
    frame = frame.rename(columns=dict(zip(["a", "b b", "flag"], evil, strict=False)))
    frame = frame.rename(columns={"label": evil[3]})
    frame["unused"] = 1
    frame.to_csv(tmp_path / "t'\"", index=False)
    text = script(tmp_path / "t'\"", "data.target=4", "data.categorical=[]")
    there = loaded(tmp_path, text)
    assert there["FEATURES"] == [*evil[:3], "c"]
    assert there["TABLE"] == str(tmp_path / "t'\"")
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert "os" not in names
    assert "\u2028" not in text
    assert len([*ast.walk(ast.parse(text))]) < 400
    assert max(map(len, text.splitlines())) <= 120
