"""The Python API: by the names of the command line, with its options, results, messages and files."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.main import get_command

from sweep import api
from sweep.cli.app import app
from sweep.cli.main import run_program
from sweep.cli.options import Format
from sweep.cli.show import json_text
from sweep.commands.check import Checked
from sweep.commands.export import FORMATS
from sweep.commands.predict import Predicted
from sweep.commands.report import Report
from sweep.errors import DefinitionError, NotFoundError, UserError
from sweep.estimators import DropoutSweepClassifier
from sweep.report.html import MARK
from sweep.texts.answered import Answered
from sweep.texts.best import Best
from sweep.texts.document import Document
from sweep.texts.states import Status
from tests.command_line import DEFINITION, write_table

ROOT = Path(__file__).parents[1]

SERVICES = {"runner", "serve", "dashboard"}  # serve until they are ended, and stay with the shell
# Logging is set up by whoever has a program; results have `to_dict()`; programs that have a service use its REST API.
ONLY_THERE = {"verbose", "json", "server", "help"}


# --- the same names ---------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and options with their defaults, of all commands."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        for part in getattr(command, "commands", {}).values():
            yield f"{name}_{part.name}".replace("-", "_"), defaults(part)
        if not hasattr(command, "commands"):
            yield name.replace("-", "_"), defaults(command)


def defaults(command: Any) -> dict[str, Any]:
    return {one.name: one.default for one in command.params if one.name not in ONLY_THERE}


COMMANDS = dict(commands())
FUNCTIONS = {name: one for name, one in vars(api).items() if getattr(one, "__module__", "") == api.__name__}


def test_there_is_a_function_for_every_command_and_no_other() -> None:
    assert set(COMMANDS) - SERVICES == set(FUNCTIONS)
    assert "``sweep runner``, ``sweep serve`` and ``sweep dashboard`` serve" in (api.__doc__ or "")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - SERVICES))
def test_options_and_defaults_are_those_of_the_command(name: str) -> None:
    found = inspect.signature(getattr(api, name)).parameters
    assert list(found) == list(COMMANDS[name])
    for option, default in COMMANDS[name].items():
        own = found[option].default
        if own is inspect.Parameter.empty:
            own = None  # an argument
        elif option == "cluster":
            assert own == "inline"
            continue
        elif option == "output":
            assert own is None
            continue
        assert (own or None) == (getattr(default, "value", default) or None), option


def test_every_argument_is_explained() -> None:
    """Where it stands, or once for all."""
    assert api.__doc__
    common = {option for option in ("definition", "name", "storage") if f"``{option}``" in api.__doc__}
    for name, function in FUNCTIONS.items():
        for option in set(inspect.signature(function).parameters) - common:
            assert f"\n        {option}: " in function.__doc__, (name, option)


def test_importing_it_is_quick() -> None:
    slow = ("torch", "optuna", "pandas", "sqlalchemy", "plotly", "sklearn", "distributed", "pydantic", "IPython")
    code = f"import sys, sweep.api; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


# --- what functions do ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a table, a definition, and a database with a finished and answered sweep, all of it made from Python."""
    folder = tmp_path_factory.mktemp("api")
    with inside(folder):
        write_table(folder / "table.csv")
        (folder / "small.toml").write_text(DEFINITION)
        api.run("small.toml", quiet=True)
        api.answer("small", repeats=2, quiet=True)
    return folder


class inside:  # noqa: N801 - reads as a word
    """In a folder, with no settings from outside."""

    def __init__(self, folder: Path) -> None:
        self._patch = pytest.MonkeyPatch()
        self._patch.chdir(folder)
        for name in ("SWEEP_STORAGE", "SWEEP_LOG"):
            self._patch.delenv(name, raising=False)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


@pytest.fixture
def here(folder: Path) -> Iterator[Path]:
    with inside(folder):
        yield folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints."""
    capsys.readouterr()
    assert run_program(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["best", "status", "answer"])
def test_results_print_as_the_command_and_hold_its_json(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    quiet = {"quiet": True} if command == "answer" else {}
    extra = ["--cluster", "inline", "--quiet"] if command == "answer" else []
    found = getattr(api, command)("small", **quiet)
    assert f"{found}\n" == said(capsys, command, "small", *extra)
    assert json_text(found.to_dict()) + "\n" == said(capsys, command, "small", "--json", *extra)
    assert repr(found).startswith("<small: ")
    assert len(repr(found).splitlines()) == 1


def test_a_list_prints_as_the_command_and_is_a_sequence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = api.list()
    assert f"{found}\n" == said(capsys, "list")
    assert json.loads(said(capsys, "list", "--json")) == found.to_dict()
    assert "small" in found.names
    assert found[0].sweep == found[:1][0].sweep
    assert len(found) == len(found.sweeps)
    assert repr(found).startswith(f"<{len(found)} sweep")


def test_a_check_is_that_of_the_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = api.check("small.toml", "checked", trials=6, changes={"training.epochs": 5})
    assert isinstance(found, Checked)
    options = ("--name", "checked", "--trials", "6", "--set", "training.epochs=5")
    printed = json.loads(said(capsys, "check", "small.toml", *options, "--json"))
    assert printed | {"estimate": None} == json.loads(json_text(found.to_dict())) | {"estimate": None}
    assert repr(found).startswith("<checked: 8 trials, about ")
    assert "<table" in found._repr_html_()


def test_a_definition_is_a_dictionary_a_file_or_what_init_gave(here: Path) -> None:
    tables = {"name": "dictionary", "data": {"source": "table.csv"}, "network": {"hidden": [4]}}
    kept = json.dumps(tables)
    tiny = {"training.epochs": 2, "training.checkpoints": 2, "validation.folds": 2, "network.hidden": [5]}
    found = api.run(tables, trials=4, changes=tiny, quiet=True)
    assert isinstance(found, Best)
    assert len(found.summary.trials) == 4
    assert found.summary.spec.network.hidden == ((5,),)
    assert json.dumps(tables) == kept
    written = api.init("table.csv")
    assert isinstance(written, Document)
    assert api.check(written, "other", trials=4, changes=tiny).setup.data.info.target == "healthy"
    assert api.check(Path("small.toml")).setup.spec.name == "small"


def test_the_text_of_a_definition_may_be_edited(here: Path) -> None:
    edited = str(api.init("table.csv")).replace("\nepochs = ", "\nepochs = 1")
    with pytest.raises(DefinitionError, match=r"^the definition must be valid TOML, however: line 1"):
        api.check("=" + edited)
    with pytest.raises(DefinitionError, match=r"^training.checkpoints must be at least 1, however: 0 \(changes\)$"):
        api.check(edited, "edited", changes={"training.checkpoints": 0})


def test_a_target_is_a_name_or_a_position(here: Path) -> None:
    last = str(api.init("table.csv", "healthy"))
    columns = len((here / "table.csv").read_text().splitlines()[0].split(","))
    assert str(api.init("table.csv", target=-1)) == last == str(api.init("table.csv", columns - 1))
    with pytest.raises(
        UserError, match=rf"the target must be a position from -{columns} to {columns - 1}, however: 99$"
    ):
        api.init("table.csv", target=99)
    with pytest.raises(UserError, match=r"^the target must be the name of a column, or a position, however: 2.5$"):
        api.init("table.csv", target=2.5)  # type: ignore[arg-type]  # as a mistake


def test_a_database_is_named_by_its_path(here: Path) -> None:
    assert str(api.best("small", storage=Path("sweep.db"))) == str(api.best("small"))
    assert str(api.status("small", storage=here / "sweep.db")) == str(api.status("small"))
    with pytest.raises(UserError, match=r"^storage must be a database URL, or the path of a SQLite file, however: 3$"):
        api.best("small", storage=3)  # type: ignore[arg-type]  # as a mistake


def test_numbers_that_are_none_are_named(here: Path) -> None:
    loose: Any = api  # mistakes, which mypy sees too
    model = api.fit("small", quiet=True)
    wrong: list[tuple[str, Callable[..., Any]]] = [
        ("the number of repeats must be a whole number of at least 2 .*: 'a'", lambda: loose.answer("small", "a")),
        (
            "the number of workers must be a whole number of at least 1, however: 2.5",
            lambda: loose.run("small.toml", workers=2.5),
        ),
        ("the number of networks must be a whole number from 1 to .*: '2'", lambda: loose.fit("small", ensemble="2")),
        (
            "the ensemble must be a whole number of networks from 1 to 1000, however: 1.5",
            lambda: loose.export("small", "onnx", ensemble=1.5),
        ),
        (
            "passes must be 0, or a whole number of at least 2 for a spread, however: 2.5",
            lambda: loose.predict(model, "table.csv", passes=2.5),
        ),
        (
            "the seed must be a whole number of at least 0, however: None",
            lambda: loose.predict(model, "table.csv", passes=2, seed=None),
        ),
        (
            "the priority must be a whole number from -1000 to 1000, however: 'high'",
            lambda: loose.run("small.toml", queue=True, priority="high"),
        ),
    ]
    for message, call in wrong:
        with pytest.raises(UserError, match=f"^{message}$"):
            call()


def test_what_is_no_file_is_named_by_its_type(here: Path) -> None:
    frame: Any = pd.DataFrame({"a": range(999)})
    for wrong in (lambda: api.init(frame), lambda: api.init(frame, output="x.toml"), lambda: api.predict(here, frame)):
        with pytest.raises(
            UserError, match=r"^the table must be a path, a URL.*: a value of the type DataFrame \(.*\)$"
        ):
            wrong()
    with pytest.raises(UserError, match=r"^the model must be what fit returned, .*: a value of the type DataFrame$"):
        api.predict(frame, "table.csv")
    with pytest.raises(UserError, match=r"^the definition must be a file, .*: a value of the type DataFrame$"):
        api.check(frame)
    with pytest.raises(UserError, match=r"^the definition must be a file, .*: None$"):
        api.run(None, quiet=True)  # type: ignore[arg-type]  # as a mistake


def test_a_small_space_is_tried_as_a_whole_where_nobody_gives_a_number(here: Path) -> None:
    fixed: dict[str, Any] = {"momentum": 0.9, "max_norm": 2, "lr_decay": 0.1}
    tables: dict[str, Any] = {
        "name": "grid",
        "data": {"source": "table.csv"},
        "network": {"hidden": [4]},
        "training": {"epochs": 2},
        "space": {"placement": "none", "learning_rate": {"choices": [0.1, 0.2]}, **fixed},
        "validation": {"folds": 3},
        "search": {"sampler": "grid"},
    }
    budget = api.check(tables).setup.budget
    assert (budget.trials, budget.note) == (2, "the space has only 2 distinct configurations")
    with pytest.raises(UserError, match=r"^search.trials must be at most 2 .*, however: 128"):
        api.check(tables, trials=128)
    for _ in range(2):  # the second one has nothing left to do
        found = api.run(tables, quiet=True)
        assert isinstance(found, Best)
        assert len(found.summary.trials) == 2
    tables["space"]["learning_rate"]["choices"].append(0.3)
    with pytest.raises(UserError, match="learning_rate"):
        api.run(tables, quiet=True)
    frame = pd.read_csv("table.csv").select_dtypes("number").dropna(axis=1)
    search = DropoutSweepClassifier(
        sampler="grid", placement="none", learning_rate={"choices": [0.1, 0.2]}, **fixed, hidden=[4], epochs=2, folds=3
    ).fit(frame, np.arange(len(frame)) % 2)
    assert len(search.cv_results_["params"]) == 2


def test_messages_name_what_was_given(here: Path) -> None:
    with pytest.raises(DefinitionError, match=r"training.epochs must be .* \(changes\)"):
        api.check("small.toml", changes={"training.epochs": 0})
    with pytest.raises(DefinitionError, match=r"search.trials must be .* \(trials\)"):
        api.run("small.toml", trials=0, quiet=True)
    with pytest.raises(DefinitionError, match=r"name must be set once, however: a \(changes\) and b \(name\)"):
        api.check("small.toml", changes={"name": "a"}, name="b")
    with pytest.raises(DefinitionError, match=r'a change must name a key .*, however: "training\."'):
        api.check("small.toml", changes={"training.": 1})
    with pytest.raises(DefinitionError, match=r"3 must be a known key .* \(changes\)"):
        api.check("small.toml", changes={3: 1})  # type: ignore[dict-item]  # as a mistake
    with pytest.raises(NotFoundError, match="no sweep named nothing"):
        api.best("nothing")
    with pytest.raises(UserError, match="workers is for a run here"):
        api.run("small.toml", queue=True, workers=2, quiet=True)
    with pytest.raises(UserError, match=r"priority is for a sweep that is queued \(.*\), however: 3"):
        api.run("small.toml", priority=3, quiet=True)


def test_values_of_changes_keep_their_types(here: Path) -> None:
    changes: dict[str, Any] = {
        "space.dropout": {"low": 0.1, "high": 0.2},
        "network.hidden": [5, 3],
        "data.missing": ["none", "1"],
    }
    changes |= {"data.source": here / "table.csv"}
    spec = api.check("small.toml", "typed", changes=changes).setup.spec
    assert spec.network.hidden == ((5, 3),)
    assert spec.data.missing == ("none", "1")


def test_files_are_written_as_by_the_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert api.export("small", output="best.toml") == Path("best.toml")
    assert Path("best.toml").read_text() == api.export("small") == said(capsys, "export", "small")
    assert api.export("small", "json") == said(capsys, "export", "small", "--format", "json")
    with pytest.raises(UserError, match=r"best\.toml exists already"):
        api.export("small", output="best.toml")
    with pytest.raises(UserError, match=r"sweep\.db is a file of the database"):
        api.export("small", output="sweep.db", force=True)
    assert api.init("table.csv", output="made.toml") == Path("made.toml")
    assert Path("made.toml").read_text() == str(api.init("table.csv")).replace("table.toml", "made.toml")
    with pytest.raises(UserError, match=r"table\.csv is the table that is read"):
        api.init("table.csv", output="table.csv", force=True)


def test_a_model_predicts_as_the_folder_that_the_commands_write(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = api.fit("small", quiet=True)
    found = api.predict(model, "table.csv", passes=3)
    assert isinstance(found, Predicted)
    assert said(capsys, "fit", "small", "-o", "model", "--quiet") == "model\n"
    assert str(found) == said(capsys, "predict", "model", "table.csv", "-o", "-", "--passes", "3")
    assert api.predict("model", "table.csv", output="said.csv", passes=3) == Path("said.csv")
    assert Path("said.csv").read_text() == str(found)
    assert repr(found) == "<45 predictions of table.csv>"
    assert "table.csv: accuracy" in found._repr_html_()
    assert "and 35 rows more" in found._repr_html_()
    assert repr(model) == "<model of small>"
    assert str(model) in (str(api.fit("small", quiet=True)), model.refit.card)
    assert "<pre" in model._repr_html_()
    written = api.fit("small", output="other", placement="none", quiet=True)
    assert str(written) == "other"
    assert (here / "other" / "card.md").read_text() == written.refit.card
    with pytest.raises(UserError, match="other"):
        api.fit("small", output="other", quiet=True)
    with pytest.raises(UserError, match="unseen must be error or ignore, however: maybe"):
        api.predict(model, "table.csv", unseen="maybe")
    with pytest.raises(UserError, match="the seed must be a whole number of at least 0, however: -1"):
        api.predict(model, "table.csv", passes=2, seed=-1)
    with pytest.raises(UserError, match=r"card\.md is a file of the model"):
        api.predict("model", "table.csv", output="model/card.md", force=True)
    with pytest.raises(UserError, match=r"card\.md is a file of the model"):
        api.predict(written, "table.csv", output="other/card.md", force=True)
    assert (here / "other" / "card.md").read_text() == written.refit.card
    assert api.predict(model, "table.csv", output="other.csv") == Path("other.csv")


def test_every_format_is_that_of_the_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [one.value for one in Format] == list(FORMATS)
    for form in FORMATS:
        found = api.export("small", form)
        if form == "onnx":
            assert isinstance(found, bytes)
            assert api.export("small", form, output="best.onnx", ensemble=2) == Path("best.onnx")
        else:
            assert found == said(capsys, "export", "small", "--format", form)
    assert api.export("small", "predictions", trial=1) != api.export("small", "predictions", trial=2)
    api.export("small", "predictions", output="rows.parquet")
    assert Path("rows.parquet").read_bytes()[:4] == b"PAR1"
    with pytest.raises(UserError, match=r"the format must be one of toml, json, .*, however: yaml"):
        api.export("small", "yaml")
    with pytest.raises(UserError, match="a trial is for the format predictions, however:"):
        api.export("small", trial=1)
    for networks in (0, 1001):
        with pytest.raises(
            UserError, match=f"the ensemble must be a whole number of networks from 1 to 1000, however: {networks}"
        ):
            api.export("small", "onnx", ensemble=networks)


def test_a_report_is_a_frame_that_reaches_nothing_around_it(here: Path) -> None:
    written = api.report("small", output="small.html")
    assert isinstance(written, Report)
    assert str(written) == "small.html"
    assert Path("small.html").read_text() == written.page
    assert MARK in written.page.encode()[:600]
    api.report("small", output="small.html")
    frame = written._repr_html_()
    assert frame.startswith('<iframe title="report on small" sandbox="allow-scripts" ')
    assert "<script" not in frame
    assert repr(written) == "<report on small in small.html>"


def test_sweeps_are_queued_paused_resumed_cancelled_and_deleted(here: Path) -> None:
    queued = api.run("small.toml", name="waiting", queue=True, quiet=True)
    assert isinstance(queued, Status)
    assert str(queued).startswith("waiting is queued: `sweep runner` runs it")
    assert api.pause("waiting") == "the sweep waiting is paused"
    assert api.status("waiting").state == "paused"
    assert "is queued" in api.resume("waiting")
    assert api.cancel("waiting") == "the sweep waiting is cancelled"
    with pytest.raises(UserError, match="deleting waiting must be confirmed: yes=True says so"):
        api.delete("waiting")
    assert api.delete("waiting", yes=True) == "deleted waiting"
    assert "waiting" not in api.list().names


def test_a_database_is_named_by_argument_or_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is up to date" in api.storage_upgrade(dry_run=True)
    assert "is up to date" in api.storage_upgrade()
    with pytest.raises(NotFoundError):
        api.list(storage="sqlite:///elsewhere.db")
    monkeypatch.setenv("SWEEP_STORAGE", f"sqlite:///{os.fspath(here)}/sweep.db")
    monkeypatch.chdir(ROOT)
    assert "small" in api.list().names


def test_an_answer_shows_rules_where_it_was_asked_for_them(here: Path) -> None:
    found = api.answer("small", rules=True, quiet=True)
    assert isinstance(found, Answered)
    assert "Rules of thumb on this table:" in str(found)
    assert "<b>Rules of thumb on this table:</b>" in found._repr_html_()
    again = api.answer("small", quiet=True)
    assert "Rules of thumb on this table:" not in str(again)
    assert "--rules)" in str(again)
