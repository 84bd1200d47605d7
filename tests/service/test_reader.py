"""The process that reads a table: what it may take, what it knows, when it ends."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweep.errors import DataError, DefinitionError, UserError
from sweep.service import reader as reader_module
from sweep.service.problems import RefusedError
from sweep.service.reader import Limits, Reader, remove_left_folders, work_folder
from sweep.service.reading import GIVEN
from sweep.spec.definition import parse
from sweep.tables.load import load_encoded
from tests.service import service_app

SONAR = Path(__file__).parents[2].parent / "shared" / "data" / "sonar.csv"
TABLE = "a,b,y\n" + "".join(f"{row},{row % 7},{'no' if row % 3 else 'yes'}\n" for row in range(40))
WAIT = 60.0

_FIRST = "import json, os, subprocess, sys, time; sys.path[:] = sys.argv[2:]; "


def read(content: bytes | str, name: str = "table.csv", limits: Limits | None = None) -> tuple[Any, bytes]:
    with work_folder() as folder:
        (folder / GIVEN / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return Reader(limits).detect(folder, name)


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def starts(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Has readers do something else."""
    monkeypatch.setattr(reader_module, "_START", _FIRST + code)


def answers(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    starts(monkeypatch, f"open('../answer.json', 'w').write(json.dumps({value}))")


# --- limits -----------------------------------------------------------------------------------------------------------


def confined(code: str, **limits: int) -> subprocess.CompletedProcess[str]:
    """A process that limits itself as readers do."""
    given = {"memory": 2**30, "seconds": 5, "written": 1000, "files": 20} | limits
    start = f"from sweep.service.reading import confine; confine({os.getpid()}, {given}); import os, resource\n{code}"
    return subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False, timeout=WAIT)


def test_each_limit_is_set_for_good() -> None:
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
    shown = confined(f"print([resource.getrlimit(getattr(resource, name)) for name in {names}])")
    each = [(2**30, 2**30), (5, 7), (1000, 1000), (20, 20), (0, 0)]
    assert shown.stdout.strip() == str(each)
    assert int(confined("print(os.nice(0))").stdout) >= 5


def test_the_limits_end_what_exceeds_them(tmp_path: Path) -> None:
    assert confined("while True: pass", seconds=1).returncode == -signal.SIGXCPU
    assert "MemoryError" in confined("bytearray(2 << 30)").stderr
    file = tmp_path / "large"
    assert "File too large" in confined(f"open({str(file)!r}, 'wb').write(bytes(50000))").stderr
    assert file.stat().st_size <= 1000


def test_without_its_parent_a_reader_ends_at_once() -> None:
    code = "from sweep.service.reading import confine; confine(1 << 22, {}); print('still here')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=WAIT)
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_reader_that_takes_too_long_is_ended_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reader_module, "_CPU_TIMES", 1)
    pids = tmp_path / "pids"
    code = "child = subprocess.Popen(['sleep', '600']); "
    code += f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(600)"

    class Begun(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if timeout is not None:
                wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
            return super().wait(timeout)

    starts(monkeypatch, code)
    monkeypatch.setattr(subprocess, "Popen", Begun)
    with pytest.raises(RefusedError, match=r"^reading table.csv took more than 2.0 s, which is allowed here: hand in"):
        read(TABLE, limits=Limits(seconds=2))
    each = [int(pid) for pid in pids.read_text().split()]
    assert len(each) == 2
    wait_until(lambda: not any(map(alive, each)))


def test_a_reader_ends_with_the_service(tmp_path: Path) -> None:
    """Killed with no time to tidy up."""
    pid = tmp_path / "pid"
    limits = "{'memory': 1 << 40, 'seconds': 600, 'written': 1 << 30, 'files': 64}"
    code = "from sweep.service.reading import confine; "
    code += f"confine(int(sys.argv[1]), {limits}); open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    script = (
        "from sweep.service import reader\n"
        f"reader._START = {_FIRST + code!r}\n"
        "reader.Reader().suggest('sklearn:iris', None, None)\n"
    )
    service = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        wait_until(lambda: pid.exists() and pid.read_text() != "")
        assert alive(int(pid.read_text()))
    finally:
        service.kill()
        service.wait()
    wait_until(lambda: not alive(int(pid.read_text())))


def test_one_that_is_killed_from_outside_is_no_failure_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    starts(monkeypatch, f"os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    with pytest.raises(RefusedError, match=r"^reading table.csv failed: it is damaged, or takes more than 3 GiB of"):
        read(TABLE)


def test_others_wait_for_a_reader() -> None:
    busy = Reader(at_once=1, wait=0.05)
    with busy._free, pytest.raises(RefusedError, match="other tables are being read") as error:
        busy.suggest("sklearn:iris", None, None)
    assert error.value.status == 503


def test_of_many_who_wait_for_a_reader_some_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MOST_WAITERS", 1)
    busy = Reader(at_once=1, wait=WAIT)
    with busy._free:
        waiting = threading.Thread(target=busy._has_turn)
        waiting.start()
        wait_until(lambda: busy._waiters._value == 0)
        with pytest.raises(RefusedError, match="other tables are being read"):
            busy.suggest("sklearn:iris", None, None)
    waiting.join(WAIT)
    assert busy._waiters._value == 1


# --- what it knows ----------------------------------------------------------------------------------------------------


def test_a_reader_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWEEP_STORAGE", "SWEEP_OPERATOR_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("https_proxy", "http://ann:a-secret@proxy")
    answers(monkeypatch, "{'done': dict(os.environ)}")
    with work_folder() as folder:
        known = Reader()._ask({}, folder, "table.csv")
        assert "a-secret" not in json.dumps(known)
        assert Path(known["HOME"]) == folder
        # Only what fetches something is told how.
        assert "proxy" in json.dumps(Reader()._ask({}, folder, "https://x.example/t.csv", network=True))


def test_a_reader_loads_no_more_than_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modules = tmp_path / "modules.json"
    code = "from sweep.service.reading import main; main(int(sys.argv[1])); "
    starts(monkeypatch, code + f"open({str(modules)!r}, 'w').write(json.dumps(sorted(sys.modules)))")
    seen, _ = read(TABLE)
    assert seen.target == "y"
    loaded = {name.split(".")[0] for name in json.loads(modules.read_text())}
    assert "pandas" in loaded
    assert not loaded & {"torch", "sklearn", "optuna", "sqlalchemy", "fastapi", "pydantic", "scipy"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("[]", "took more than"),
        ("{'done': {'rows': 'many'}}", "cannot be read"),
        ("{'done': []}", "took more than"),
        ("{'over': 'memory'}", "took more than 3 GiB of memory"),
        ("{'bug': 'TypeError: \\n secret'}", "^table.csv: cannot be read as a table; the log of the service has more$"),
        ("{'refused': os.path.abspath('table.csv') + ': no'}", "^table.csv: no$"),
        ("{'refused': 'x', 'problems': ['data.target ' + os.path.abspath('..')]}", "^data.target $"),
    ],
)
def test_whatever_a_reader_answers_is_no_failure_of_the_service(
    answer: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that somebody has taken over may say anything."""
    answers(monkeypatch, answer)
    with pytest.raises((RefusedError, UserError), match=said):
        read(TABLE)


def test_an_answer_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (
        "pass",
        "open('../answer.json', 'w').write('[' * 100000)",
        "open('../answer.json', 'wb').write(b'\\xff')",
    ):
        starts(monkeypatch, code)
        with pytest.raises(UserError, match=r"^table.csv: cannot be read as a table"):
            read(TABLE)


# --- what it leaves ---------------------------------------------------------------------------------------------------

CELL = "Mrs-Muster-1957"


@pytest.mark.parametrize(
    ("code", "logged"),
    [
        (  # of a library, while the table is read
            f"""
from sweep.service import reading

def fails(ask):
    raise KeyError({CELL!r})

reading._detect = fails
reading.main(int(sys.argv[1]))
""",
            r"'table\.csv' cannot be read: File \".*reading\.py\", line \d+, in _answer; .*; builtins\.KeyError$",
        ),
        (  # before or after that
            f"raise ValueError({CELL!r} + chr(10) + {CELL!r})",
            r"the reader of 'table\.csv' ended with 1: (File \"<string>\", line \d+, in <module>; )+ValueError\n",
        ),
        (f"print({CELL!r}, file=sys.stderr); os._exit(3)", r"ended with 3: it does not say where\n"),
        (
            f"open('../answer.json', 'w').write(json.dumps({{'done': {{'rows': {CELL!r}}}}}))",
            r"a reader says what makes no sense: name missing; ",
        ),
        (
            f"open('../answer.json', 'wb').write({CELL.encode()!r} + bytes([255]))",
            r"the reader of 'table\.csv' left no answer: UnicodeDecodeError$",
        ),
        (
            f"open('../answer.json', 'w').write(json.dumps({{'bug': [{CELL!r}, 7]}}))",
            r"cannot be read: it does not say",
        ),
    ],
    ids=["library", "crash", "stderr", "nonsense", "bytes", "taken over"],
)
def test_no_log_holds_what_stands_in_a_table(
    code: str, logged: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starts(monkeypatch, f"exec({code!r})")
    with pytest.raises((UserError, RefusedError)):
        read(f"name,y\n{CELL},1\n")
    assert CELL not in caplog.text
    assert re.search(logged, caplog.text.strip())


def test_no_log_holds_a_secret_of_an_address(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    answers(monkeypatch, "{'bug': ['builtins.KeyError']}")
    with pytest.raises(UserError):
        Reader().suggest("https://x.example/t.csv?token=hunter2", None, None)
    assert "https://x.example/t.csv?token=***" in caplog.text
    assert "hunter2" not in caplog.text


def test_folders_that_a_killed_service_left_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the next one starts: ours, old, of this user, and never through a link."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"

    def made(name: str, *, old: bool = True, coming: bool = False) -> Path:
        folder = tmp_path / name
        (folder / GIVEN).mkdir(parents=True)
        (folder / GIVEN / "table.csv").write_text(TABLE)
        (folder / GIVEN / "link").symlink_to(elsewhere)
        (folder / "ask.json").write_text("{}")
        hours = time.time() - (2 if old else 0.5) * 3600
        for path in (
            folder / "ask.json",
            folder / GIVEN / "table.csv",
            folder / GIVEN / "link",
            folder / GIVEN,
            folder,
        ):
            if not (coming and path.name == "table.csv"):
                os.utime(path, (hours, hours), follow_symlinks=False)
        return folder

    left = made("sweep-table-abc_1234")
    kept = [made("sweep-table-abc_1235", old=False), made("sweep-table-abc_1236", coming=True), made("elsewhere")]
    kept += [made("sweep-table-of-somebody"), made("other-table-abc_1234")]
    link, file = tmp_path / "sweep-table-link0000", tmp_path / "sweep-table-file0000"
    link.symlink_to(elsewhere)
    file.write_text("")
    for path in (link, file):
        os.utime(path, (0, 0), follow_symlinks=False)
    with monkeypatch.context() as context:
        context.setattr(os, "getuid", lambda: 123_456)
        remove_left_folders()
    assert left.exists()  # somebody else's
    with service_app.client(tmp_path):
        assert not left.exists()
    assert all((folder / GIVEN / "table.csv").exists() for folder in kept)
    assert link.is_symlink()
    assert file.exists()


# --- what it says -----------------------------------------------------------------------------------------------------


def test_a_table_and_a_definition_come_together() -> None:
    """Handed in, looked at, asked about another target, and checked: what runs is what the file alone would give."""
    content = SONAR.read_bytes() if SONAR.exists() else TABLE.encode()
    seen, packed = read(content, "my table.csv")
    spec = parse(seen.definition)
    assert (spec.data.source, spec.name) == ("my table.csv", "my-table")
    other = Reader().suggest("my table.csv", packed, seen.table.columns[1].name)
    assert other.target == seen.table.columns[1].name
    assert other.table.task == "regression" if SONAR.exists() else True
    found, same = Reader().check(seen.definition, "my table.csv", packed)
    assert same == packed
    assert found.task == "binary"
    with work_folder() as folder:
        (folder / "my table.csv").write_bytes(content)
        assert found.data_hash == load_encoded(spec.data, folder).info.content_hash


def test_what_does_not_fit_its_table_is_said_at_its_place() -> None:
    _, packed = read(TABLE)
    definition = 'name = "x"\n[data]\nsource = "table.csv"\n[validation]\nmetric = "rmse"\n'
    with pytest.raises(DefinitionError, match=r"^validation.metric must be one of .* for classification, the task of"):
        Reader().check(definition, "table.csv", packed)
    with pytest.raises(DataError, match=r"^table.csv: data.target: there is no column 'z'; columns are 'a'"):
        Reader().check(definition.replace('csv"', 'csv"\ntarget = "z"', 1), "table.csv", packed)


def test_this_process_is_not_limited() -> None:
    limits = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)
    before = [resource.getrlimit(limit) for limit in limits]
    with pytest.raises(UserError, match="is not text"):
        read(bytes(range(256)) * 100)
    assert before == [
        resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE")
    ]
