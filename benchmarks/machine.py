"""What a measurement was made on, and which table it was made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from sweep.errors import UserError
from sweep.spec.definition import load
from sweep.tables.load import read_table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

# Tables beside the project, where somebody keeps them; and the same on OpenML.
_LOCAL = ROOT.parent / "shared" / "data"
_OPENML = {"sonar": "openml:40", "ionosphere": "openml:59"}

# Whose versions a figure depends on, beside Python's and torch's.
_PACKAGES = ("numpy", "numba", "optuna", "sqlalchemy", "distributed", "skorch", "tensorflow")

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
        gpu: Name of the first CUDA device; ``None`` where there is none.
        packages: Version of everything else that matters, by name; those that are installed.
    """

    date: str
    cpu: str
    cores: int
    load: float
    python: str
    torch: str
    gpu: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """A line for people."""
        busy = "" if self.load <= _QUIET else f"; NOT QUIET, load {self.load:.1f} at the start"
        gpu = "" if self.gpu is None else f", {self.gpu}"
        versions = "".join(f", {name} {number}" for name, number in self.packages.items())
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''} of {self.cpu}"
        return f"{self.date[:10]}, {cores}{gpu}, Python {self.python}, torch {self.torch}{versions}{busy}"


def machine() -> Machine:
    """This one, now."""
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        torch=torch.__version__,
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        packages=dict(_installed()),
    )


def _installed() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield package, version(package)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def table(name: str) -> list[str]:
    """Overrides that give a Sonar study another table: ``sonar``, ``ionosphere`` or ``sklearn:<name>``."""
    local = _LOCAL / f"{name}.csv"
    return [f"data.source={local if local.exists() else _OPENML.get(name, name)}"]


def sonar() -> tuple[list[str], str]:
    """Overrides that give a Sonar study its table, and a note about where it comes from.

    A copy beside the project, else OpenML's, else another table of much the same size.
    """
    overrides = table("sonar")
    spec = load("sonar", overrides)
    try:
        read_table(spec.data, spec.base_dir)
    except UserError as error:
        return ["data.source=sklearn:breast_cancer"], f"NOT Sonar but breast_cancer ({error})"
    return overrides, f"Sonar from {'OpenML' if spec.data.source.startswith('openml') else 'a local copy'}"
