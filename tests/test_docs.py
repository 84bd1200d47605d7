"""The documents say what is there: every key, command and option, and examples that run."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import tomlkit
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

from sweep import api
from sweep.analysis import status as status_module
from sweep.analysis.results import State
from sweep.cli import errors as cli_errors
from sweep.cli.app import app
from sweep.cli.main import run_program
from sweep.errors import DefinitionError, SweepError, UserError
from sweep.metrics import METRICS
from sweep.spec import model
from sweep.spec.definition import parse
from sweep.spec.schema import MAX_DEPTH, MAX_WIDTH, SECTIONS, DefinitionModel
from sweep.store.rows import OrderState

ROOT = Path(__file__).parents[1]
DEFINITION = (ROOT / "docs" / "definition.md").read_text()
COMMAND_LINE = (ROOT / "docs" / "cli.md").read_text()
PYTHON = (ROOT / "docs" / "python.md").read_text()
README = (ROOT / "README.md").read_text()

BLOCKS = re.findall(r"^```toml\n(.*?)^```", DEFINITION, re.DOTALL | re.MULTILINE)

# Small enough for a test; nothing about the examples themselves.
TINY = ("--trials", "4", "--set", "training.epochs=2", "--set", "validation.folds=2", "--cluster", "inline")


# --- the definition --------------------------------------------------------------------------------------------------


def rows(model: str) -> dict[str, list[str]]:
    """Key and cells of each row of a section's table."""
    heading = "## Top level" if model == "" else f"## `[{model}]`"
    chapter = DEFINITION.split(heading)[1].split("\n## ")[0]
    table = chapter.split("| key |")[1].split("\n\n")[0]
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in table.splitlines()[2:]]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row] for row in cells}


MODELS: dict[str, type[BaseModel]] = {"": DefinitionModel, **SECTIONS}
KEYS = [
    (section, key) for section, model in MODELS.items() for key in model.model_fields if section or key not in SECTIONS
]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_documented_with_its_default(section: str, key: str) -> None:
    documented = rows(section)
    assert key in documented
    _, kind, _, default, meaning = documented[key]
    assert kind
    assert meaning
    field = MODELS[section].model_fields[key]
    if field.default is None:
        assert default in ("detected", "none", "by task") or "second" in default
    elif field.default is PydanticUndefined:
        assert default in ("required", "the name of the file")
    else:
        assert tomllib.loads(f"it = {default.strip('`')}")["it"] == plain(field.default)


def plain(default: Any) -> Any:
    """A default as it is written in a file."""
    return default.model_dump(exclude_defaults=True) if isinstance(default, BaseModel) else default


@pytest.mark.parametrize("section", MODELS)
def test_no_key_is_documented_that_is_not_there(section: str) -> None:
    assert set(rows(section)) == {key for where, key in KEYS if where == section}


def edges(allowed: str) -> Iterator[tuple[float, bool]]:
    """Values at the bounds of what a cell allows, and whether each is; none where it names no bounds."""
    if whole := re.fullmatch(r"(\d+) to (\d+)", allowed):
        low, high = int(whole[1]), int(whole[2])
        yield from ((low - 1, False), (low, True), (high, True), (high + 1, False))
    for rule, bound in re.findall(r"\b(at least|above|at most|below) ([\d.]+)", allowed):
        number = float(bound)
        yield number, rule in ("at least", "at most")
        yield number + (1e-6 if rule in ("above", "at most") else -1e-6), rule in ("above", "below")


EDGES = [
    pytest.param(section, key, value, is_allowed, id=f"{section}-{key}-{value}")
    for section in MODELS
    for key, (_, _, allowed, *_) in rows(section).items()
    for value, is_allowed in edges(allowed)
]


@pytest.mark.parametrize(("section", "key", "value", "is_allowed"), EDGES)
def test_what_is_allowed_is_allowed_and_nothing_beyond(section: str, key: str, value: float, is_allowed: bool) -> None:
    whole: dict[str, Any] = {"name": "x", "data": {"source": "x.csv"}, "space": {"lr_decay": 1.0}}
    if section == "chosen":
        whole["chosen"] = {"sweep": "x", "trials": 1, "content_hash": "x", "fingerprint": "x"}
    inner = whole if section == "" else whole.setdefault(section, {})
    inner[key] = {"input": value} if key == "dropout_layers" else value
    if is_allowed:
        parse(tomlkit.dumps(whole))
    else:
        with pytest.raises(DefinitionError, match=key):
            parse(tomlkit.dumps(whole))


def test_bounds_that_are_told_in_words() -> None:
    assert rows("")["name"][2].startswith(f"1 to {model.MAX_NAME} letters")
    assert rows("network")["hidden"][2] == f"1 to {MAX_DEPTH} layers of 1 to {MAX_WIDTH} units"
    for section, key in KEYS:
        of_numbers = key != "format" and re.match("whole number|dimension|table of dim", rows(section)[key][1])
        assert bool(of_numbers) == any(edge.values[:2] == (section, key) for edge in EDGES), (section, key)


def test_every_placement_that_is_named_can_be_given() -> None:
    table = DEFINITION.split("| placement | dropout on |")[1].split("\n\n")[0]
    named = re.findall(r'`"([^"]+)"`', table)
    assert {"none", "input", "hidden", "all", "subsets"} < set(named)
    for name in named:
        parse(tomlkit.dumps({"name": "x", "data": {"source": "x.csv"}, "space": {"placement": name}}))


def test_every_key_has_an_example() -> None:
    shown = {
        (section if isinstance(inner, dict) else "", key)
        for block in BLOCKS
        for section, inner in tomllib.loads(block).items()
        for key in (inner if isinstance(inner, dict) else [section])
    }
    assert set(KEYS) <= shown


def test_every_metric_is_documented() -> None:
    chapter = DEFINITION.split("## `[validation]`")[1]
    for name, metric in METRICS.items():
        assert re.search(
            rf'^\|.*"{name}".*\| {metric.family} \| {"higher" if metric.maximize else "lower"}', chapter, re.M
        )


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_of_a_definition_is_sound(block: str) -> None:
    """Alone, or as a part of the smallest definition."""
    written = tomllib.loads(block)
    whole = {"name": "x", "data": {"source": "x.csv"}} | written
    parsed = model.plain(parse(tomlkit.dumps(whole)))
    for section, inner in written.items():
        if isinstance(inner, dict):
            kept = {key: value for key, value in inner.items() if value != "subsets"}  # spelled out when parsed
            assert {key: parsed[section][key] for key in kept} == kept


# --- the command line ------------------------------------------------------------------------------------------------


def options() -> Iterator[tuple[str, str]]:
    """Command and option, of everything that the program knows."""
    program = get_command(app)
    yield from (("", name) for parameter in program.params for name in (*parameter.opts, *parameter.secondary_opts))
    for command in program.commands.values():  # type: ignore[attr-defined]  # it is a group
        assert command.name
        for part in (command, *getattr(command, "commands", {}).values()):
            yield from (
                (command.name, name)
                for parameter in part.params
                for name in (*parameter.opts, *parameter.secondary_opts)
                if parameter.param_type_name == "option"
            )


OPTIONS = list(options())


def chapter(command: str) -> str:
    """What the document says of a command."""
    found = re.search(rf"^## `sweep {command}[ `].*?(?=^## |\Z)", COMMAND_LINE, re.DOTALL | re.MULTILINE)
    assert found, f"no chapter on sweep {command}"
    return found[0]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_command_and_option_is_documented(command: str, option: str) -> None:
    common = COMMAND_LINE.split("## What all commands have in common")[1].split("\n## ")[0]
    where = common + (chapter(command) if command else "")
    assert re.search(rf"`{re.escape(option)}[ `]", where)


def test_no_option_is_documented_that_is_not_there() -> None:
    known = {option for _, option in OPTIONS} | {"-h", "--help"}
    assert (
        set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", re.sub(r"```.*?```", "", COMMAND_LINE, flags=re.S))) <= known
    )


@pytest.mark.parametrize("command", sorted({command for command, _ in OPTIONS} - {""}))
def test_every_command_has_an_example(command: str) -> None:
    assert f"$ sweep {command}" in chapter(command)


def first_column(heading: str) -> list[str]:
    """The cells of a table's first column, from its heading."""
    table = COMMAND_LINE.split(f"| {heading} | means |")[1].split("\n\n")[0]
    return re.findall(r"^\| `?(\w+)`? \|", table, re.MULTILINE)


def test_every_state_is_documented() -> None:
    """Those that the program gives: by itself, or as they were stored."""
    given = set(re.findall(r'return "(\w+)"', inspect.getsource(status_module))) | set(get_args(OrderState))
    assert sorted(first_column("state")) == sorted(given) == sorted(get_args(State))


def test_every_exit_status_is_documented() -> None:
    statuses = {0, SweepError.exit_status, UserError.exit_status, cli_errors.INTERRUPTED}
    statuses |= {int(cli_errors.Terminated.exit_status)}
    assert list(map(int, first_column("exit status"))) == sorted(statuses)
    assert cli_errors.__doc__
    assert list(map(int, re.findall(r"^(\d+) ", cli_errors.__doc__, re.MULTILINE))) == sorted(statuses)


# --- where things are ------------------------------------------------------------------------------------------------


def test_the_tree_of_the_readme_is_the_one_on_disk() -> None:
    tree = README.split("## Where things are")[1].split("```")[1]
    inside = [line for line in tree.splitlines() if line[:1] in ("├", "└")]
    named = set(re.findall(r"\b\w+(?:\.py|/)", "\n".join(inside)))
    assert {name for name in named if not (ROOT / "sweep" / name).exists()} == set()
    assert {f"{path.parent.name}/" for path in (ROOT / "sweep").glob("*/__init__.py")} <= named
    around = re.findall(r"\b\w+/", "\n".join(line for line in tree.splitlines() if line not in inside))
    assert len(around) > 5
    assert all((ROOT / name).is_dir() for name in around)


def test_what_to_open_is_there() -> None:
    table = README.split("| to change | open |")[1].split("\n\n")[0]
    named = re.findall(r"`([^`]+)`", table)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


# --- examples run ----------------------------------------------------------------------------------------------------


def examples(document: str) -> list[str]:
    """Every line of a code block that runs the program, in order."""
    code = "\n".join(re.findall(r"^```[a-z]*\n(.*?)^```", document, re.DOTALL | re.MULTILINE))
    return re.findall(r"^(?:\$ )?(sweep .*)$", code, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the table that the examples are about."""
    monkeypatch.chdir(tmp_path)
    for name in ("SWEEP_STORAGE", "SWEEP_LOG"):
        monkeypatch.delenv(name, raising=False)
    x = np.random.default_rng(0).normal(size=(40, 3)).round(3)
    lines = [f"{a},{b},{c},{'sick' if a > 0 else 'well'}" for a, b, c in x]
    (tmp_path / "table.csv").write_text("\n".join(["age,dose,weight,diagnosis", *lines, ""]))
    yield tmp_path
    cli_errors.logger.handlers.clear()


@pytest.mark.parametrize("document", [COMMAND_LINE, README], ids=["cli.md", "README.md"])
def test_every_example_runs(document: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, with small budgets; a server is only asked for its help."""
    found = examples(document)
    assert len(found) > 5
    for example in found:
        arguments = shlex.split(example, comments=True)[1:]
        if arguments[0] in ("run", "check"):
            arguments = tiny(arguments)
        if arguments[0] == "answer":
            arguments = [*tiny_answer(arguments), "--cluster", "inline"]
        elsewhere = any("db.example" in part or "scheduler:" in part or part == "--server" for part in arguments)
        if (
            elsewhere
            or arguments[0] in ("dashboard", "serve")
            or (arguments[0] == "runner" and "--once" not in arguments)
        ):
            arguments.append("--help")
        if arguments[0] == "runner":
            arguments += ["--cluster", "inline"]
        if "postgresql://" in example and "--help" not in arguments:
            arguments.append("--help")
        status = run_program(arguments)
        said = capsys.readouterr()
        assert status == 0, f"{example}\n{said.err}"


def tiny_answer(arguments: list[str]) -> list[str]:
    """With few repeats, one more where more are asked for."""
    if "--repeats" not in arguments:
        return [*arguments, "--repeats", "2"]
    place = arguments.index("--repeats")
    return [*arguments[: place + 1], "3", *arguments[place + 2 :]]


def tiny(arguments: list[str]) -> list[str]:
    """The same with few trials, epochs and folds, and no other processes; an exported definition stays what it is."""
    if "best.toml" in arguments:
        return [*arguments, "--cluster", "inline"]
    kept = [argument for argument in arguments if argument not in ("--cluster", "inline")]
    for option in ("--workers", "--trials"):
        if option in kept:
            del kept[kept.index(option) : kept.index(option) + 2]
    trains = arguments[0] == "run" and "--queue" not in arguments
    extra = TINY if trains else TINY[:-2]
    if "space.placement=subsets" in kept:
        extra = ("--trials", "8", *extra[2:])
    return [*kept, *extra]


# --- from Python -----------------------------------------------------------------------------------------------------


SMALLER = {
    r"\btrials=\d+": "trials=4",
    r"\bepochs=\d+": "epochs=2",
    r'epochs": [1-9]\d*': 'epochs": 2',
    "folds=5": "folds=2",
    "answer=True": "answer=2",
    "repeats=5": "repeats=2",
}

FITTED = (
    "answer",
    "best_params",
    "best_placement",
    "honest_score",
    "best_score",
    "best_estimator",
    "cv_results",
    "study",
)


def python_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", document, re.DOTALL | re.MULTILINE)


def run_python(code: str, space: dict[str, Any]) -> None:
    exec(compile(code, "a document", "exec"), space)  # noqa: S102 - it is the document that is run


def test_the_lines_of_the_readme_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """These very lines, as a reader copies them: five from ``import`` to an answer."""
    (block,) = python_blocks(README.split("## From Python")[1].split("\n## ")[0])
    assert len([line for line in block.splitlines() if line]) == 5
    run_python(block, {})
    said = capsys.readouterr().out
    assert re.match(r"DropoutSweepClassifier: .*[Dd]ropout on the .*\.\n", said)
    assert re.search(r"^  none +9\d\.\d %$", said, re.MULTILINE)
    verdicts = "helps|hurts|no practical difference|cannot tell"
    for placement in ("input", "hidden", "all"):
        assert re.search(rf"^  {placement} +({verdicts}) +[+−0]", said, re.MULTILINE)
    assert "honest score  9" in said


def test_every_example_from_python_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, with small budgets."""
    space: dict[str, Any] = {}
    blocks = python_blocks(PYTHON)
    assert len(blocks) > 6
    for block in blocks:
        code = block
        for pattern, smaller in SMALLER.items():
            code = re.sub(pattern, smaller, code)
        run_python(code, space)
    said = capsys.readouterr().out
    assert said.count("honest score") == 2
    assert said.endswith("training.epochs must be at least 1, however: 0 (changes)\n")
    assert space["best"].summary.name == "wine"
    assert (folder / "wine.html").exists()
    assert "small" not in space["api"].list().names


def test_every_function_and_result_is_documented() -> None:
    functions = {name for name, one in vars(api).items() if getattr(one, "__module__", "") == api.__name__}
    assert set(re.findall(r"api\.(\w+)\(", PYTHON)) == functions
    attributes = PYTHON.split("| attribute | what it holds |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)_`", attributes)) == set(FITTED)
