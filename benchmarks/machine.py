"""What a measurement was made on, and which table it was made with."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from sweep.errors import UserError
from sweep.spec.definition import load
from sweep.tables.load import read_table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

_LOCAL_SONAR = ROOT.parent / "shared" / "data" / "sonar.csv"

# Load average of the last minute above which somebody else is at work.
_QUIET = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts that a figure means nothing without.

    Attributes:
        date: UTC, ISO 8601.
        cpu: Model name.
        cores: That this process may use.
        load: Load average of the last minute, before anything was started.
        python: Version.
        torch: Version.
    """

    date: str
    cpu: str
    cores: int
    load: float
    python: str
    torch: str

    def describe(self) -> str:
        """A line for people."""
        busy = "" if self.load <= _QUIET else f"; NOT QUIET, load {self.load:.1f} at the start"
        return f"{self.date[:10]}, {self.cores} cores of {self.cpu}, Python {self.python}, torch {self.torch}{busy}"


def machine() -> Machine:
    """This one, now."""
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        torch=torch.__version__,
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def sonar() -> tuple[list[str], str]:
    """Overrides that give a Sonar study its table, and a note about where it comes from.

    A copy beside the project, else OpenML's, else another table of much the same size.
    """
    if _LOCAL_SONAR.exists():
        return [f"data.source={_LOCAL_SONAR}"], "Sonar from a local copy"
    try:
        spec = load("sonar")
        read_table(spec.data, spec.base_dir)
    except UserError as error:
        return ["data.source=sklearn:breast_cancer"], f"NOT Sonar but breast_cancer ({error})"
    return [], "Sonar from OpenML"
