"""Exported scripts: what is in them, that they read tables as we do, and that data stay data.

That they train as we do is in ``test_export_training.py``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray

from sweep.data import from_encoded
from sweep.errors import NotFoundError, UserError
from sweep.export.literals import assignment, call, literal
from sweep.export.network import Framework
from sweep.export.script import environment, to_script
from sweep.export.sklearn_table import loading
from sweep.folds import make_folds
from sweep.metrics import METRICS, compute
from sweep.spec.model import DataSpec
from sweep.tables.types import FileFormat, Table
from sweep.tables.written import file_format
from sweep.training.scaling import fit_scaling
from tests.command_line import RUN, Program
from tests.operate.queued import queue, work
from tests.scripts import (
    BARE,
    CASES,
    FRAMEWORKS,
    Case,
    hyperparameters,
    load,
    script,
    source_of,
    summary_of,
    write_tables,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables, and all scripts as ``in_torch/NAME.py`` and ``in_keras/NAME.py``."""
    made = tmp_path_factory.mktemp("scripts")
    write_tables(made)
    for framework in FRAMEWORKS:
        (made / f"in_{framework}").mkdir()
        for name, case in CASES.items():
            (made / f"in_{framework}" / f"{name}.py").write_text(case.script(made, framework))
    return made


def exported(folder: Path, framework: Framework, name: str) -> str:
    return (folder / f"in_{framework}" / f"{name}.py").read_text()


# --- what is in them --------------------------------------------------------------------------------------------------


def test_scripts_are_clean_code(folder: Path) -> None:
    """Linted and formatted as this project is; only that they print, as programs do, is allowed to them."""
    config = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    for command in (["check", "--ignore", "T201"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *config, "in_torch", "in_keras"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("*/*.py"))) == 2 * len(CASES)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", CASES)
def test_scripts_compile_and_leave_nothing_of_the_template(folder: Path, framework: Framework, name: str) -> None:
    text = exported(folder, framework, name)
    compile(text, name, "exec")
    assert not any(mark in text for mark in ("{{", "}}", "{%", "{#", "import sweep", "from sweep"))
    functions = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    assert {"load", "prepare", "build_network", "train", "predict", "score", "main"} <= functions


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_only_what_the_configuration_needs_is_there(folder: Path, framework: Framework) -> None:
    parts = {
        "Dropout": ("all at work", "input", "hidden", "hidden2"),
        "DROPOUT_INPUT": ("all at work", "input"),
        "DROPOUT_HIDDEN1": ("all at work", "hidden"),
        "MAX_NORM": ("all at work", "early, constant rate"),
        "MOMENTUM": ("all at work",),
        "LR_DECAY": ("all at work",),
        "WEIGHT_DECAY": ("all at work",),
        "STOP_AFTER": ("all at work",),
        "MISSING": (),
        "encode": (),
        "GROUPS": (),
        "class_weight": (),
        "nesterov": (),
        "spread": (),
        "STOP": ("all at work",),
    }
    for name in ("all at work", "nothing at work", "input", "hidden", "hidden2", "early, constant rate"):
        text = exported(folder, framework, name)
        for part, places in parts.items():
            assert (part in text) == (name in places), (name, part)
    assert "EPOCHS = 3  # the best of those tried, up to 6" in exported(folder, framework, "early, constant rate")
    assert "nesterov=True" in exported(folder, framework, "classes, balanced")
    assert "class_weight" in exported(folder, framework, "classes, balanced")
    assert "GROUPS" in exported(folder, framework, "regression, groups")


def test_both_say_which_trial_and_its_scores(folder: Path) -> None:
    for framework in FRAMEWORKS:
        said = ast.get_docstring(ast.parse(exported(folder, framework, "all at work")))
        assert said is not None
        for part in (
            "trial 12, dropout on the inputs and the hidden layers",
            "Accuracy, raw:    80.0 % (0.8)",
            "Accuracy, honest: 85.1 % (95 % interval 81.0 to 89.2)",
            "Chosen epoch: 4 of 6",
            "59 rows, SHA-256",
            "python best.py table.csv",
            "scikit-learn",
        ):
            assert part in said, part


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_constants_are_exact(folder: Path, framework: Framework) -> None:
    """To the last bit."""
    params = hyperparameters(learning_rate=0.1 + 0.2, lr_decay=1 / 3, dropout=(1 / 7, 0.0, 2 / 3))
    found = constants(Case("numbers.csv", params=params).script(folder, framework))
    assert found["LEARNING_RATE"] == params.learning_rate
    assert found["LR_DECAY"] == params.lr_decay
    assert (found["DROPOUT_INPUT"], found["DROPOUT_HIDDEN2"]) == (params.dropout[0], params.dropout[2])


def constants(text: str) -> dict[str, object]:
    """Those of a script, all of which are literals here."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules(folder: Path) -> dict[str, ModuleType]:
    """The PyTorch scripts."""
    return {name: load(folder / "in_torch" / f"{name}.py") for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_a_script_reads_the_table_as_we_do(folder: Path, modules: dict[str, ModuleType], name: str) -> None:
    """Features to the last bit of single precision, in our order; the target; the rows of every fold."""
    module, case = modules[name], CASES[name]
    spec = case.spec(folder)
    encoded = source_of(spec).encoded
    x, y, *groups = module.prepare(module.load(folder / case.table))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, encoded.features)
    np.testing.assert_array_equal(y, encoded.target)
    folds = make_folds(spec.validation, from_encoded(encoded), spec.seed)
    found = list(module.splits(x, y, *groups))
    assert len(found) == folds.splits
    for (rows, held_out), train, test in zip(found, folds.train, folds.test, strict=True):
        np.testing.assert_array_equal(rows, train)
        np.testing.assert_array_equal(held_out, test)
    assert min(spec.training.batch_size, folds.longest) == module.BATCH_SIZE


@pytest.mark.parametrize("name", CASES)
def test_both_frameworks_share_all_that_is_not_the_network(folder: Path, name: str) -> None:
    shared = {"load", "numbers", "encode", "prepare", "fit_scaling", "scale", "splits", "score", "cross_validate"}
    one, other = (
        {
            node.name: ast.dump(node)
            for node in ast.parse(exported(folder, framework, name)).body
            if isinstance(node, ast.FunctionDef) and node.name in shared
        }
        for framework in FRAMEWORKS
    )
    assert one == other
    assert len(one) >= len(shared) - 2


def test_scaling_is_fitted_to_the_training_rows_as_ours_is(folder: Path, modules: dict[str, ModuleType]) -> None:
    """Also of a column that is constant in them, and of missing cells."""
    encoded = source_of(CASES["mixed"].spec(folder)).encoded
    x, rows = encoded.features.copy(), np.arange(40)
    x[rows, 2] = 0.1
    data = from_encoded(replace(encoded, features=x))
    scaling = fit_scaling(data.features, [torch.from_numpy(rows)])
    ours = scaling.apply_(data.features.clone()[None], has_missing=True)[0, :, : x.shape[1]]
    module = modules["mixed"]
    found = module.scale(x, *module.fit_scaling(x[rows]))
    np.testing.assert_allclose(found, ours, rtol=1e-5, atol=1e-6)
    assert not found[:, 2].any()


@pytest.mark.parametrize("metric", METRICS)
def test_the_score_is_the_metric(folder: Path, metric: str) -> None:
    rng = np.random.default_rng(1)
    regression = METRICS[metric].family == "regression"
    for table in ("regression.csv",) if regression else ("numbers.csv", "classes.csv"):
        path = folder / f"{metric} {table}.py"
        path.write_text(script(folder / table, "torch", f'validation.metric="{metric}"'))
        module = load(path)
        if regression:
            y: NDArray[Any] = rng.normal(5, 2, 30)
            output = rng.normal(5, 2, 30)
        else:
            classes = len(module.CLASSES)
            y, output = rng.integers(0, classes, 30), rng.dirichlet(np.ones(classes), 30)
        given = output[:, 1] if output.ndim == 2 and output.shape[1] == 2 else output
        assert module.score(y, given) == pytest.approx(compute(metric, y, output), rel=1e-12)
        if metric == "roc_auc":
            assert np.isnan(module.score(np.zeros(30, int), given))


@pytest.mark.parametrize("name", CASES)
def test_every_script_runs(
    folder: Path,
    modules: dict[str, ModuleType],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["best.py", str(folder / CASES[name].table)])
    modules[name].main()
    *folds, mean = capsys.readouterr().out.splitlines()
    validation = CASES[name].spec(folder).validation
    assert len(folds) == validation.folds * validation.repeats
    assert np.isfinite(float(mean.split()[-1]))


def test_other_classes_than_those_of_the_sweep_are_refused(folder: Path, modules: dict[str, ModuleType]) -> None:
    module = modules["classes"]
    table = module.load(folder / "classes.csv")
    table.loc[3, "y"] = "higher"
    with pytest.raises(ValueError, match="column 'y' holds other classes than"):
        module.prepare(table)


# --- data stay data ---------------------------------------------------------------------------------------------------

EVIL = (
    '"""; import os; """',
    "'''\nimport os",
    "{{ 7 * 7 }}",
    "{% raise %}",
    "a\\",
    'it\'s "both"',
    "\u2028import os",
    "\ud7ff{x}",
    "column1'] = [",
    "{__import__('os')}1",
)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("text", EVIL)
def test_a_table_cannot_write_code(tmp_path: Path, framework: Framework, text: str) -> None:
    """Names of columns, levels, classes, words for missing values and the source, whatever they hold."""
    rng = np.random.default_rng(0)
    rows = 40
    kinds = [text, f"b{text}", f"c{text}"]
    table = pd.DataFrame({f"{text}{number}": rng.normal(size=rows).round(3) for number in range(1, 5)})
    table[f"levels{text}"] = rng.choice(kinds, rows)
    table[f"y{text}"] = rng.choice(kinds, rows)
    table.iloc[3, 4] = f"{text}?"
    place = tmp_path / "evil.parquet"  # a text file may have to be divided elsewhere
    table.to_parquet(place)
    spec = Case(place.name).spec(tmp_path)
    spec = replace(spec, data=replace(spec.data, target=-1, missing=(f"{text}?",)))
    source = source_of(spec)
    info = replace(source.encoded.info, source=f"{place}\n{text}")
    source = replace(source, encoded=replace(source.encoded, info=info))
    summary = replace(summary_of(spec, source, hyperparameters()), info=info)
    written = to_script(summary, source, framework)

    tree = ast.parse(written)
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in names_imported(node)}
    assert imported <= {"argparse", "numpy", "pandas", "torch", "keras", "sklearn"}
    assert "__import__" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    kept = (ast.Import, ast.ImportFrom, ast.Assign, ast.AugAssign, ast.FunctionDef, ast.ClassDef, ast.If)
    docstring, *body = tree.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    assert all(isinstance(node, kept) for node in body)
    if framework == "torch":
        path = tmp_path / "evil.py"
        path.write_text(written, encoding="utf-8")
        module = load(path)
        x, y = module.prepare(module.load(place))
        np.testing.assert_array_equal(x, source.encoded.features)
        np.testing.assert_array_equal(y, source.encoded.target)


def names_imported(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or ""]
    return []


@pytest.mark.parametrize("value", [*EVIL, 3, 0.1, -1e-30, True, None, [], ["a"], ("a",), {"k": ["v", 2]}, {"b", "a"}])
def test_a_literal_is_its_value(value: object) -> None:
    assert ast.literal_eval(literal(value)) == value
    assert ast.literal_eval(assignment("NAME", value).removeprefix("NAME = ")) == value


def test_what_a_template_inserts_is_a_literal() -> None:
    """Whoever adds to a template need not think of it."""
    assert environment().from_string("x = {{ x }}").render(x='"; import os') == "x = '\"; import os'"


def test_long_values_take_a_line_an_entry() -> None:
    many = [f"name {'x' * 30}{number}b" for number in range(6)]
    assert assignment("X", many).splitlines()[1] == f'    "{many[0]}",'
    assert call("f", ["a" * 50, "b" * 50, "c" * 50]).splitlines()[1] == f"    {'a' * 50},"


def test_names_that_are_counted_are_a_loop() -> None:
    assert assignment("X", [f"x{n}" for n in range(7)]) == 'X = [f"x{n}" for n in range(0, 7)]'
    for others in (["x1", "x2", "x4", "x5"], ["x1", "x02", "x3", "x4"], ["x1", "x2", "y3", "x4"]):
        assert assignment("X", others) == f"X = {others}".replace("'", '"')


# --- what cannot be exported ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("clock", ("12:05", "13:10")),
        ("y", ("$1,234.50", "$7.00", "$8.25")),
    ],
)
def test_a_column_that_scripts_cannot_read_is_named(tmp_path: Path, column: str, cells: tuple[str, ...]) -> None:
    rows = np.arange(30)
    table = pd.DataFrame({"a": rows % 7, "y": rows % 2, column: [cells[row % len(cells)] for row in rows]})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match=f"column '{column}' must hold .*however: "):
        script(tmp_path / "t.csv", "torch")


def test_a_sweep_without_a_trial_has_no_script(folder: Path) -> None:
    spec = CASES["input"].spec(folder)
    source = source_of(spec)
    with pytest.raises(NotFoundError, match="no trial"):
        to_script(replace(summary_of(spec, source, BARE), best=None), source, "torch")


# --- from the command line --------------------------------------------------------------------------------------------


def test_the_command_writes_a_script_of_the_best_trial(small: Program) -> None:
    small(*RUN)
    best = small.json("best", "small")
    assert "wrote best.py" in small("export", "small", "--format", "python", "-o", "best.py").err
    module = load(small.folder / "best.py")
    x, y = module.prepare(module.load(small.folder / "table.csv"))
    assert (x.shape, y.shape) == ((45, 3), (45,))
    assert best["params"]["learning_rate"] == module.LEARNING_RATE
    assert "import keras" in small("export", "small", "--format", "keras").out

    lines = (small.folder / "table.csv").read_text().splitlines()
    (small.folder / "table.csv").write_text("\n".join(lines[:-1]))
    refused = small("export", "small", "--format", "python", status=2).err
    assert "has changed since the sweep small ran on it" in refused


def test_the_script_of_a_queued_sweep_needs_no_file(tmp_path: Path, program: Program) -> None:
    """Its table is in the database."""
    storage = f"sqlite:///{tmp_path / 'queued.db'}"
    queue(storage, tmp_path, "search.trials=3", "training.epochs=2")
    work(storage)
    table = tmp_path / "table.csv"
    kept = table.read_text()
    table.unlink()
    program("export", "small", "--format", "python", "-o", str(tmp_path / "best.py"), "--storage", storage)
    table.write_text(kept)
    module = load(tmp_path / "best.py")
    x, y = module.prepare(module.load(table))
    assert (x.shape, set(y)) == ((30, 3), {0, 1})


def test_a_file_that_happens_to_have_the_name_of_a_handed_in_table_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "accounts.csv").write_text("owner: root;password: hunter2\n1;2\n")
    monkeypatch.chdir(tmp_path)
    table = Table(pd.DataFrame({"a": [1.0, 2.0], "y": [0.0, 1.0]}), "accounts.csv")
    handed_in = DataSpec("accounts.csv", "y", None, None, None, (), (), None)
    assert file_format(handed_in, None, table) == FileFormat()
    assert file_format(handed_in, tmp_path, table).delimiter == ";"  # of a definition beside it
    found = str(loading(table, handed_in, file_format(handed_in, None, table), unlabelled=False))
    assert "hunter2" not in found
    assert "sep" not in found
    known = replace(table, written=FileFormat(delimiter="|"))
    assert file_format(handed_in, tmp_path, known).delimiter == "|"  # where it is known, nothing is looked at


def test_a_stream_of_arrow_is_read(tmp_path: Path) -> None:
    numbers = pd.DataFrame({"a": np.linspace(-1, 1, 40), "y": np.repeat(["p", "q"], 20)})
    table = pa.Table.from_pandas(numbers, preserve_index=False)
    with pa.ipc.new_stream(str(tmp_path / "t.arrows"), table.schema) as stream:
        stream.write_table(table)
    (tmp_path / "best.py").write_text(script(tmp_path / "t.arrows", "torch"))
    module = load(tmp_path / "best.py")
    x, y = module.prepare(module.load(tmp_path / "t.arrows"))
    assert (x.shape, y.sum()) == ((40, 1), 20)
