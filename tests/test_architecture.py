"""Layers and doors: who may import whom, and where each framework enters. See docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sweep"

# A module imports from rows above its own, or from a neighbour listed before it in its row. A name stands for a
# module or for a whole package; inside a package imports must not form a circle.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "garbage", "interrupts", "settings", "shipped", "kernels", "records"),
    ("metrics", "wording", "spec", "tables"),
    ("data", "folds", "networks", "suggest", "space"),
    ("training", "store"),
    ("launch",),
    ("run", "analysis", "answer", "operate"),
    ("figures", "texts", "report", "export", "model"),
    ("commands", "fitting", "estimators", "api"),
    ("service",),
    ("cli",),
)
ALL = tuple(name for row in ROWS for name in row)

# A door is a package or, inside one, a module.
DOORS: dict[str, set[str]] = {
    "optuna": {
        "space",
        "run.study",
        "run.resume",
        "run.trials",
        "run.loop",
        "run.coordinator",
        "analysis",
        "operate.remove",
        "fitting",
        "service.dashboard_app",
        "commands.study_page",
    },
    "torch": {"data", "folds", "training"},
    "safetensors": {"model.folder"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "psycopg": {"store"},
    "plotly": {"figures.draw", "figures.draw_answer", "figures.draw_effects", "figures.draw_progress"},
    "dask": {"launch"},
    "distributed": {"launch"},
    "typer": {
        "cli.main",
        "cli.sweeping",
        "cli.reading",
        "cli.remote",
        "cli.operating",
        "cli.app",
        "cli.ask",
        "cli.errors",
        "cli.model",
        "cli.options",
        "cli.serve",
        "cli.storage",
    },
    "rich": {"commands.progress", "commands.display"},
    "IPython": {"commands.notebook", "kernels"},
    "optuna_dashboard": {"service.dashboard_app", "service.dashboard_answers", "commands.study_page"},
    "pydantic": {"spec.schema", "spec.shape", "service"},
    "fastapi": {"service"},
    "starlette": {"service"},
    "uvicorn": {"service.server", "service.connections"},
    "a2wsgi": {"service.dashboard"},
    "prometheus_client": {"service.metrics"},
    "httpx2": {"commands.client"},
    "pandas": {"tables", "suggest", "fitting.rows"},
    "jinja2": {"report.templates", "export.script"},
    "onnx": {"export.onnx_graph", "export.onnx_model"},
    "onnxruntime": {"export.onnx_model"},
}


def modules() -> Iterator[tuple[str, str, Path]]:
    """(dotted name below ``sweep``, row name, path) of every module but ``__init__``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] != "__init__" and not parts[0].startswith("_"):
            yield ".".join(parts), parts[0], path


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a file, which several tests look at."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module imported anywhere in a file, inside functions too."""
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


MODULES = list(modules())


def test_every_module_has_a_place() -> None:
    assert {row for _, row, _ in MODULES} == set(ALL)


def test_imports_point_upwards() -> None:
    wrong = []
    for name, row, path in MODULES:
        allowed = set(ALL[: ALL.index(row) + 1])
        for target in imports(path):
            if not target.startswith("sweep."):
                continue
            top = target.split(".")[1]
            if top not in allowed:
                wrong.append(f"{name} imports {target}, which stands below it")
            if {row, top} == {"training", "store"}:
                wrong.append(f"{name} imports {target}: training and store never meet")
    assert not wrong, "\n".join(wrong)


def test_each_framework_enters_by_its_door() -> None:
    wrong = [
        f"{name} imports {target}, which enters by {sorted(doors)}"
        for name, row, path in MODULES
        for target in imports(path)
        if (doors := DOORS.get(target.split(".")[0])) is not None and not {row, name} & doors
    ]
    assert not wrong, "\n".join(wrong)


def test_packages_have_no_circles() -> None:
    ours = {f"sweep.{name}" for name, _, _ in MODULES}
    graph = {f"sweep.{name}": ours.intersection(imports(path)) for name, _, path in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"circle: {' -> '.join((*path, module))}"
        if module not in done:
            for target in graph[module]:
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_nothing_executable_can_be_read_back() -> None:
    """Invariant 9: no module can load a pickle, its own or another library's."""
    loaders = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
    calls = ("torch.load", "read_pickle", "allow_pickle=True", "PickleType")
    wrong = [
        f"{name}: {what}"
        for name, _, path in MODULES
        for what in (
            *(loaders & {target.split(".")[0] for target in imports(path)}),
            *(call for call in calls if call in path.read_text()),
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_init_files_import_nothing() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        assert all(isinstance(node, ast.Expr) for node in body), f"{path} does more than describe its package"


@pytest.mark.parametrize("init", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_maps_name_every_module(init: Path) -> None:
    said = re.findall(r"``([^`]+)``", ast.get_docstring(ast.parse(init.read_text())) or "")
    named = {word for text in said for word in re.split(r"[./ ]", text)}
    modules = {path.stem for path in init.parent.glob("*.py")} | {
        one.parent.name for one in init.parent.glob("*/__init__.py")
    }
    missing = modules - {"__init__"} - named
    assert not missing, f"the docstring of {init.parent.name} lacks {sorted(missing)}"


def test_a_storage_url_is_only_opened() -> None:
    """``Store.url`` may hold a password: it goes to Optuna and nowhere else; messages have ``Store.shown``."""
    for name, _, path in MODULES:
        opened = [
            node.args[0]
            for node in nodes(path)
            if isinstance(node, ast.Call)
            and node.args
            and isinstance(node.func, ast.Name)
            and node.func.id == "RDBStorage"
        ]
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and node.attr == "url" and isinstance(node.ctx, ast.Load):
                assert node in opened, f"{name}, line {node.lineno}: {ast.unparse(node)}"


def test_the_document_has_the_same_rows() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().split("| row | modules |")[1].split("\n\n")[0]
    documented = {int(number): names.split() for number, names in re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M)}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert documented == {
        number: [f"`{name}/`" if name in folders else f"`{name}`" for name in row]
        for number, row in enumerate(ROWS)
        if row
    }


def test_modules_are_short() -> None:
    long = {name: lines for name, _, path in MODULES if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sweep.spec.definition", ("torch", "optuna", "pandas", "sqlalchemy")),
        ("sweep.tables.load", ("torch", "optuna")),
        ("sweep.store.store", ("torch", "optuna")),
        ("sweep.operate.jobs", ("torch",)),
        ("sweep.training.train", ("sqlalchemy", "optuna", "distributed")),
        ("sweep.report.html", ("torch",)),
        ("sweep.model.folder", ("torch", "optuna", "sqlalchemy")),
        ("sweep.cli.main", ("torch", "optuna", "pandas", "plotly", "distributed")),
    ],
)
def test_importing_a_layer_leaves_the_others_alone(module: str, absent: tuple[str, ...]) -> None:
    """Of what a module really loads, in a fresh interpreter."""
    code = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
