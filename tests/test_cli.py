"""The command line from a user's seat: in process where that is enough, as real processes where it is not."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import pty
import re
import signal
import socketserver
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.cli import errors as cli_errors
from sweep.cli.main import run_program
from sweep.errors import LaunchError
from sweep.spec import definition as spec
from sweep.store.store import Store
from tests.command_line import DEFINITION, RUN, Program, start, write_table
from tests.processes import children, wait_until_gone
from tests.small_sweep import wait_for_trials

ROOT = Path(__file__).parents[1]
COMMANDS = ("init", "check", "run", "list", "status", "best", "report", "export", "dashboard")

# --- from a table to the best configuration, and back ----------------------------------------------------------------


def test_from_a_table_to_an_exported_definition_that_gives_the_same_score(program: Program) -> None:
    write_table(program.folder / "patients.csv")
    told = program("init", "patients.csv").err
    assert "wrote patients.toml" in told
    assert "sweep run patients.toml" in told
    tiny = ("--trials", "4", "--set", "training.epochs=3", "--set", "validation.folds=3", "--cluster", "inline")
    ran = program("run", "patients.toml", *tiny)
    assert "honest score" in ran.out
    assert "sweep report patients" in ran.err

    assert program.json("list")[0]["name"] == "patients"
    status = program.json("status", "patients")
    assert status["state"] == "done"
    assert status["trials"] == {"budget": 4, "complete": 4, "pruned": 0, "failed": 0, "running": 0}
    best = program.json("best", "patients")
    assert {"trial", "score", "honest_score", "placement", "params"} <= set(best)
    assert best["honest_score"]["low"] <= best["honest_score"]["value"] <= best["honest_score"]["high"]
    assert "4/4" in program("list").out
    assert "4 of 4" in program("status", "patients").out
    assert f"trial {best['trial']}" in program("best", "patients").out

    assert program("report", "patients").out == "patients.html\n"
    assert "<html" in (program.folder / "patients.html").read_text()

    program("export", "patients", "--format", "toml", "-o", "best.toml")
    again = program.json("run", "best.toml", "--cluster", "inline")
    assert again["name"] == "patients-best"
    assert again["trial"] == 0
    for key in ("score", "epoch", "placement", "params"):
        assert again[key] == best[key], key  # the floats to the last bit
    document = json.loads(program("export", "patients", "--format", "json").out)
    assert document["score"] == best["score"]


def test_an_exported_best_keeps_the_honest_score_of_its_choice(small: Program) -> None:
    small(*RUN)
    best = small.json("best", "small")
    assert best["chosen_in"] is None
    small("export", "small", "-o", "again.toml")
    run = ("run", "again.toml", "--cluster", "inline")
    ran = small(*run).out
    said = (
        "the honest score is that of the sweep small, where this configuration was chosen among 4 trials on these rows"
    )
    assert said in ran
    assert "nothing was chosen" not in ran
    again = small.json("best", "small-best")
    assert again["chosen_in"] == {"sweep": "small", "trials": 4}
    for key in ("score", "honest_score"):
        assert again[key] == best[key], key
    small("report", "small-best")
    assert said in (small.folder / "small-best.html").read_text()

    third = small("export", "small-best").out
    assert "Chosen in the sweep small, among 4 trials" in third
    (small.folder / "third.toml").write_text(third)
    assert small.json("run", "third.toml", "--cluster", "inline")["honest_score"] == best["honest_score"]

    # Another note, or none, is the same sweep.
    text = (small.folder / "again.toml").read_text()
    (small.folder / "again.toml").write_text(text.partition("[chosen]")[0])
    assert "nothing to do" in small(*run).err

    # One that was exported before there was a lag has none, nor has its fingerprint.
    exported = spec.parse(text, small.folder / "again.toml")
    without = replace(exported, search=replace(exported.search, lag=0)).fingerprint
    older, lags = re.subn(r"(?m)^lag = 1\b.*\n", "", text.replace(exported.fingerprint, without))
    assert (lags, older.count(without)) == (1, 1)
    (small.folder / "again.toml").write_text(older)
    assert small.json(*run, "--name", "older")["honest_score"] == best["honest_score"]

    # Another key, or another table, is another configuration.
    (small.folder / "again.toml").write_text(text)
    changed = small.json(*run, "--name", "changed", "--set", "seed=4")
    write_table(small.folder / "other.csv", rows=48)
    moved = small.json(*run, "--name", "moved", "--set", "data.source=other.csv")
    for own in (changed, moved):
        assert own["chosen_in"] is None
        assert own["honest_score"] != best["honest_score"]


def test_going_on_gives_what_one_run_would_have_given(small: Program) -> None:
    first = small(*RUN, "--trials", "4")
    assert "4 trials" in first.err
    assert "going on: 4 of 8" in small(*RUN, "--trials", "8").err
    whole = small(*RUN, "--trials", "8", "--name", "whole")
    assert "going on" not in whole.err
    parts, one = small.json("best", "small"), small.json("best", "whole")
    assert parts | {"name": "whole"} == one
    assert "search.trials may only grow" in small(*RUN, "--trials", "4", status=2).err
    with Store.open("sqlite:///sweep.db") as store:
        keys = [sweep.key for sweep in store.sweeps()]
        a, b = ([(t.number, t.hyperparameters, t.score) for t in store.trials(key)] for key in keys)
    assert len(a) == 8
    assert a == b


def test_a_finished_sweep_is_not_run_again(small: Program) -> None:
    first = small(*RUN)
    again = small(*RUN)
    assert "nothing to do: all 4 trials are finished" in again.err
    assert again.out == first.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cluster", "x"), "must be inline, local or an address"),
        (("--cluster", "http://x:1"), "tcp://host:port or tls://host:port, however: http://x:1"),
        (("--cluster", "inline", "--workers", "3"), "must be 1, however: 3"),
        (("--cluster", "tcp://127.0.0.1:1", "--workers", "3"), "has its own"),
    ],
)
def test_options_are_checked_where_nothing_is_left_to_do_too(
    options: tuple[str, ...], said: str, small: Program
) -> None:
    small(*RUN)
    refused = small("run", "small.toml", *options, status=2).err
    assert said in refused
    assert "reading" not in refused


def test_check_says_what_would_run_and_leaves_no_trace(small: Program) -> None:
    before = sorted(small.folder.iterdir())
    text = small("check", "small.toml", "--trials", "5").out
    for part in (
        "45 rows, 3 features",
        "healthy (binary)",
        "classes no, yes, positive 'yes'",
        "3 (stratified)",
        "accuracy, higher is better",
        "hidden 6-4",
        "off | 2.0",
        "5 trials rounded up to 8: 2 for each of 4 arms",
        "none",
        "dropout on the inputs",
        "about",
        "nothing yet",
    ):
        assert part in text, part
    found = small.json("check", "small.toml")
    assert found["trials"] == {"budget": 4, "per_placement": dict.fromkeys(NAMES, 1), "note": None}
    assert found["table"]["rows"] == 45
    assert found["estimate"]["seconds"] > 0
    assert found["estimate"]["block_trials"] == {"6-4": 4 // min(4, found["estimate"]["workers"])}
    assert found["stored"] is None
    assert sorted(small.folder.iterdir()) == before


NAMES = ("none", "input", "hidden", "all")


def test_check_knows_what_is_stored(small: Program) -> None:
    small(*RUN)
    assert "4 of 4 trials are finished: sweep run changes nothing" in small("check", "small.toml").out
    assert "4 of 8 trials are finished: sweep run goes on" in small("check", "small.toml", "--trials", "8").out
    refused = small("check", "small.toml", "--set", "training.epochs=9", status=2)
    assert "training.epochs: 3 → 9" in refused.err


# --- output ----------------------------------------------------------------------------------------------------------


def test_quiet_says_nothing_on_standard_error(small: Program) -> None:
    ran = small(*RUN, "--quiet")
    assert ran.err == ""
    assert "honest score" in ran.out


def test_progress_goes_to_standard_error_in_lines(small: Program) -> None:
    err = small(*RUN).err
    for part in ("loading PyTorch", "table.csv: 45 rows, 3 features, target healthy (binary)", "4 of 4 trials"):
        assert part in err, part
    assert "best raw accuracy so far: none" in err
    assert "\x1b" not in err


def test_the_storage_of_the_command_goes_before_that_of_the_environment(
    small: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", "sqlite:///environment.db")
    ran = small(*RUN)
    assert "--storage" not in ran.err
    assert "--storage sqlite:///option.db" in small(*RUN, "--storage", "sqlite:///option.db").err
    assert {path.name for path in small.folder.glob("*.db")} == {"environment.db", "option.db"}


@pytest.mark.no_tables
def test_postgresql(small: Program, postgres_url: str) -> None:
    ran = small(*RUN, "--storage", postgres_url)
    assert small("best", "small", "--storage", postgres_url).out == ran.out
    assert not list(small.folder.glob("*.db"))


def test_init_prints_with_a_dash_and_never_overwrites_unasked(program: Program) -> None:
    write_table(program.folder / "x.csv")
    text = program("init", "x.csv", "-o", "-").out
    assert spec.parse(text).data.target == "healthy"
    assert not (program.folder / "x.toml").exists()
    (program.folder / "x.toml").write_text("mine")
    assert "x.toml exists already" in program("init", "x.csv", status=2).err
    assert (program.folder / "x.toml").read_text() == "mine"
    program("init", "x.csv", "--target", "c", "--force")
    assert spec.load("x.toml").data.target == "c"
    program("init", "x.csv", "-o", "other.toml")
    assert spec.load("other.toml").name == "x"


@pytest.mark.parametrize("table", ["https://[bad", "s3://bucket/t.csv", "none.csv", "sklearn:none", "."])
def test_init_says_which_table_it_cannot_read(program: Program, table: str) -> None:
    said = program("init", table, status=2).err.splitlines()
    assert len(said) == 2
    assert said[1].startswith("error: ")
    assert not list(program.folder.iterdir())


def test_export_never_overwrites_unasked(small: Program) -> None:
    small(*RUN)
    assert "small.toml exists already" in small("export", "small", "-o", "small.toml", status=2).err
    assert (small.folder / "small.toml").read_text() == DEFINITION
    small("export", "small", "-o", "small.toml", "--force")
    assert spec.load("small.toml").name == "small-best"


# --- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str, program: Program) -> None:
    for option in ("--help", "-h"):
        assert f"$ sweep {command}" in program(command, option).out


def test_the_program_alone_shows_its_help(program: Program) -> None:
    alone = program(status=2)
    assert alone.err == program("--help").out
    for command in COMMANDS:
        assert f"\n  {command} " in alone.err


def test_version(program: Program) -> None:
    assert re.fullmatch(r"sweep \S+ \(Python 3\.\d+\.\S+\)\n", program("--version").out)


def test_help_comes_without_what_takes_long_to_import() -> None:
    heavy = {"numpy", "pandas", "sklearn", "torch", "optuna", "sqlalchemy"}
    code = "import sys; from sweep.cli.main import run_program; run_program(['run', '--help'])"
    code += f"; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("\nset()\n")


# --- wrong input -----------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no such command": (("rn",), ("No such command 'rn'", "run")),
    "no such option": ((*RUN, "--trails", "3"), ("No such option: --trails", "--trials", "`sweep run --help`")),
    "no definition": (("run",), ("Missing argument", "DEFINITION")),
    "no such file": (("run", "smal.toml"), ("smal.toml", "shipped")),
    "no such shipped definition": (("run", "breast_cancr"), ("did you mean breast_cancer?",)),
    "a folder": (("run", "."), ("folder",)),
    "not a number": ((*RUN, "--trials", "many"), ("--trials", "integer")),
    "no trials": ((*RUN, "--trials", "0"), ("--trials", "1")),
    "unknown key": ((*RUN, "--set", "training.epoch=3"), ("training.epoch", "did you mean epochs?")),
    "wrong value": ((*RUN, "--set", "training.epochs=-1"), ("training.epochs must be at least 1, however: -1",)),
    "no value": ((*RUN, "--set", "training.epochs"), ("key.path=value",)),
    "several problems": (
        (*RUN, "--set", "seed=-1", "--set", "space.dropout=2"),
        ("2 problems", "seed must", "space.dropout must be below 1"),
    ),
    "wrong name": ((*RUN, "--name", "a/b"), ("name must", "a/b")),
    "no such table": ((*RUN, "--set", "data.source=tabel.csv"), ("no such file", "table.csv")),
    "no such column": ((*RUN, "--set", "data.target=helthy"), ("helthy", "did you mean 'healthy'?")),
    "metric of another task": ((*RUN, "--set", "validation.metric=rmse"), ("rmse",)),
    "too many folds": ((*RUN, "--set", "validation.folds=40"), ("40 folds",)),
    "no such cluster": ((*RUN[:2], "--cluster", "lokal"), ("inline, local or an address", "lokal")),
    "no such address": ((*RUN[:2], "--cluster", "http://x:1"), ("tcp://", "http://x:1")),
    "workers inline": ((*RUN, "--workers", "3"), ("inline", "3")),
    "no such device": ((*RUN, "--device", "gpu"), ("auto, cpu or cuda:N", "gpu")),
    "no such CUDA device": ((*RUN, "--device", "cuda:99"), ("cuda:99",)),
    "not a URL": ((*RUN, "--storage", "sweep.db"), ("sqlite:///", "sweep.db")),
    "another database": ((*RUN, "--storage", "mysql://u:secret@h/d"), ("sqlite:///", "mysql")),
    "no such folder": ((*RUN, "--storage", "sqlite:///no/x.db"), ("folder",)),
    "nobody answers": ((*RUN, "--storage", "postgresql://u:secret@127.0.0.1:1/d"), ("127.0.0.1:1",)),
    "check: unknown key": (("check", "small.toml", "--set", "a.b=1"), ("a must be a known key",)),
    "list without database": (("list",), ("no database", "sweep run")),
    "status without database": (("status", "small"), ("no database",)),
    "best without database": (("best", "small"), ("no database",)),
    "report without database": (("report", "small"), ("no database",)),
    "export without database": (("export", "small"), ("no database",)),
    "dashboard without database": (("dashboard",), ("no database",)),
    "onnx without a file": (("export", "small", "--format", "onnx"), ("to a file", "standard output", "-o")),
    "no networks to average": (("export", "small", "--ensemble", "2"), ("the ensemble", "onnx and sklearn", "toml")),
    "no such format": (
        ("export", "small", "--format", "yaml"),
        ("'--format': 'yaml' is not one of 'toml', 'json', 'python', 'keras', 'onnx',",),
    ),
    "port too high": (("dashboard", "--port", "70000"), ("--port", "65535")),
    "init: no such table": (("init", "tabel.csv"), ("no such file", "table.csv")),
    "init: no such column": (("init", "table.csv", "--target", "helthy"), ("helthy", "did you mean 'healthy'?")),
    "init: no such folder": (("init", "table.csv", "-o", "no/x.toml"), ("folder",)),
    "init: cannot guess": (("init", "small.toml.csv"), ("--target",)),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_message_status_2_and_nothing_written(case: str, small: Program) -> None:
    (small.folder / "small.toml.csv").write_text("id,x\n" + "".join(f"{n},{n}\n" for n in range(30)))
    arguments, expected = WRONG[case]
    before = {path: path.read_bytes() for path in small.folder.iterdir()}
    result = small(*arguments, status=2)
    assert result.out == ""
    assert result.err.count("error:") == 1
    for part in expected:
        assert part in result.err, result.err
    assert "secret" not in result.err
    assert {path: path.read_bytes() for path in small.folder.iterdir()} == before


def test_a_sweep_that_is_not_there(small: Program) -> None:
    small(*RUN)
    for command in ("status", "best", "report", "export"):
        assert "there are: small" in small(command, "smal", status=2).err
    assert not list(small.folder.glob("*.html"))


def test_another_definition_of_the_same_name_is_refused(small: Program) -> None:
    small(*RUN)
    refused = small(*RUN, "--set", "training.epochs=9", status=2)
    assert "another definition" in refused.err
    assert "training.epochs: 3 → 9" in refused.err


def test_a_shipped_name_is_not_mistaken_for_a_file_beside_it(small: Program) -> None:
    (small.folder / "wine.toml").write_text(DEFINITION)
    said = small("run", "wine", "--device", "gpu", status=2).err
    assert "wine is the definition that comes with the program; wine.toml is another one" in said
    assert "another one" not in small("run", "wine.toml", "--device", "gpu", status=2).err


def test_a_wrong_log_level(small: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_LOG", "loud")
    assert "SWEEP_LOG must be one of debug" in small("list", status=2).err


def test_what_is_logged(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(program.folder / "table.csv")
    monkeypatch.setenv("SWEEP_CACHE", str(program.folder / "cache"))
    with socketserver.TCPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/table.csv"
        server.timeout = 10
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        quiet = program("init", url, "-o", "-").err
        thread.join()
    told = f"INFO sweep.tables: {url}: read from "
    assert "INFO" not in quiet
    assert "INFO" not in program("init", url, "-o", "-").err
    assert told in program("-v", "init", url, "-o", "-").err
    assert told in program("init", url, "-o", "-", "--verbose").err
    monkeypatch.setenv("SWEEP_LOG", "info")
    assert told in program("init", url, "-o", "-").err


# --- failures that are nobody's mistake ------------------------------------------------------------------------------


def test_a_bug_is_one_line_and_shows_its_place_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    def bug() -> None:
        raise ZeroDivisionError("oh")

    def bug_in_debug() -> None:
        cli_errors.configure_logging(debug=True)
        bug()

    assert cli_errors.guarded(bug) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ZeroDivisionError: oh\n")
    assert "SWEEP_LOG=debug" in said
    assert "Traceback" not in said
    assert cli_errors.guarded(bug_in_debug) == 1
    assert "in bug\n" in capsys.readouterr().err
    cli_errors.logger.handlers.clear()


@pytest.mark.parametrize("failure", [LaunchError("the workers are gone"), OSError("no space left on device")])
def test_a_failure_on_the_way_is_status_1(failure: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> None:
        raise failure

    assert cli_errors.guarded(failing) == 1
    assert capsys.readouterr().err == f"error: {failure}\n"


def test_without_any_standard_output_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # what `>&-` does
    assert run_program(["--version"]) == 0


# --- real processes --------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(small: Program) -> None:
    long = ("--trials", "400", "--set", "training.epochs=40", "--set", "search.batch=4", "--workers", "1")
    with start(small.folder, "run", "small.toml", *long, start_new_session=True) as process:
        wait_for_trials(small.folder / "sweep.db", 8)
        family = children(process.pid)
        assert len(family) >= 2
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        out, err = process.communicate(timeout=120)
    assert not wait_until_gone(family, seconds=20)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    found = re.fullmatch(r"interrupted: (\d+) of 400 trials are finished; the same command goes on", last)
    assert found, err
    status = small.json("status", "small")
    # An interrupt may come when a trial is told and not counted yet.
    assert status["trials"]["complete"] - int(found[1]) in (0, 1)
    assert status["trials"]["complete"] >= 4  # the other four, a block, are stored and perhaps not told yet
    assert status["state"] == "paused"


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    with start(tmp_path, "run", "--help") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1


def ask(port: str, path: str, host: str | None = None) -> tuple[int, bytes]:
    """Status and body of an answer on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_dashboard_shows_the_study_on_loopback_only(small: Program) -> None:
    small(*RUN)
    with start(small.folder, "dashboard", "--port", "0") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        port = address.rstrip("/").rpartition(":")[2]
        studies = json.loads(ask(port, "/api/studies")[1])
        assert b"<html" in ask(port, "/dashboard")[1].lower()
        assert ask(port, "/api/studies", host=f"localhost:{port}")[0] == 200
        assert ask(port, "/api/studies", host="evil.example")[0] == 403
        taken = small("dashboard", "--port", port, status=2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, "Ctrl-C is how it ends"
    assert err == ""
    assert [study["study_name"] for study in studies["study_summaries"]] == ["small"]
    assert f"port {port} must be free" in taken.err


def test_at_a_terminal_init_asks_for_the_column(program: Program) -> None:
    (program.folder / "t.csv").write_text("kind,x,z\n" + "".join(f"{'ab'[n % 2]},{n / 7},{n / 3}\n" for n in range(30)))
    mine, theirs = pty.openpty()
    with start(program.folder, "init", "t.csv", stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = ""
        while "Column to predict" not in seen:
            seen += os.read(mine, 4096).decode()
        os.write(mine, b"kind\n")
        process.wait(timeout=120)
    os.close(mine)
    assert process.returncode == 0
    assert spec.load("t.toml").data.target == "kind"
