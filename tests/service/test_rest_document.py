"""docs/rest.md: it names every route, and its example runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from sweep.service.app import create_app
from tests.command_line import ROOT, Program, write_table
from tests.service.served import Listening, runner_for, sqlite_in
from tests.service.serving import options

DOCUMENT = (ROOT / "docs" / "rest.md").read_text()


def test_every_route_is_there() -> None:
    said = re.findall(r"^\| `([A-Z]+) (/v1/[^`]+)` \| .+ \|$", DOCUMENT, re.MULTILINE)
    paths = create_app(options()).openapi()["paths"]
    there = {(method.upper(), path) for path, routes in paths.items() for method in routes if path.startswith("/v1/")}
    assert sorted(said) == sorted(there)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="it takes curl and jq")
def test_the_example_runs(program: Program, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    (script,) = re.findall(r"^```bash\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    storage = sqlite_in(tmp_path)
    with Listening(storage) as listening, runner_for(storage):
        environment = {"PATH": os.environ["PATH"], "SWEEP_SERVER": listening.url, "SWEEP_TOKEN": ""}
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - where it is differs
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "best.toml").exists(), ran.stdout
    assert program("best", "from-curl", "--storage", storage).out.strip() in ran.stdout
    assert tomllib.loads((tmp_path / "best.toml").read_text())["chosen"]["sweep"] == "from-curl"
