"""Overhead: the share of a sweep's wall time in which its workers do not train.

The whole Sonar definition with two workers, on SQLite and on PostgreSQL. Whatever is not training is proposing, SQL,
transfers, starting, and waiting for the last block of a batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg

from benchmarks.machine import sonar
from benchmarks.measuring import Ratio, Settings
from benchmarks.metered import Meter, Metered, MeteredDask
from benchmarks.report import Section
from sweep.run.loop import run_sweep
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec

_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Spent:
    """A whole sweep.

    Attributes:
        wall: Seconds from asking for the workers to the last commit.
        workers: W.
        meter: What the launcher's clock says.
    """

    wall: float
    workers: int
    meter: Meter

    @property
    def share(self) -> float:
        """Of the wall time in which workers do not train."""
        return 1 - self.meter.training / (self.workers * self.wall)

    @property
    def running_share(self) -> float:
        """The same after the first block was handed in."""
        return 1 - self.meter.training / (self.workers * (self.wall - self.meter.start_up))

    @property
    def coordinator(self) -> float:
        """Seconds after the start in which the coordinator did not wait for a block: proposing, SQL."""
        return self.wall - self.meter.start_up - self.meter.waiting


def measure(settings: Settings) -> Section:
    """The Sonar definition: once on each database, or in full as many times as there are rounds."""
    overrides, table = sonar()
    spec = load("sonar", overrides)
    rounds, found = settings.rounds if settings.full else 1, dict[str, list[Spent]]()
    for number in range(rounds):
        for name, database in (("SQLite", sqlite()), ("PostgreSQL", postgres())):
            with database as storage, MeteredDask(_WORKERS) as launcher:
                found.setdefault(name, []).append(spend(spec, storage, launcher))
            print(f"round {number + 1} on {name}: {found[name][-1].share:.1%} of the time not training", flush=True)
    return section(found, f"{table}, {spec.search.trials} trials")


def spend(spec: SweepSpec, storage: str, launcher: Metered) -> Spent:
    """Runs a sweep on a launcher just made."""
    run_sweep(spec, storage=storage, launcher=launcher)
    return Spent(perf_counter() - launcher.meter.begun, launcher.workers, launcher.meter)


def section(found: dict[str, list[Spent]], table: str) -> Section:
    """A row for each database."""

    def middle(values: Sequence[float]) -> str:
        ratio = Ratio.of(values, [1.0] * len(values))
        spread = f" ({ratio.low:.1%} to {ratio.high:.1%})" if len(values) > 1 else ""
        return f"{ratio.value:.1%}{spread}"

    rows = tuple(
        (
            name,
            f"{median(one.wall for one in runs):.1f}",
            f"**{middle([one.share for one in runs])}**",
            middle([one.running_share for one in runs]),
            f"{median(one.meter.start_up for one in runs):.1f}",
            f"{median(one.meter.waiting for one in runs):.1f}",
            f"{median(one.coordinator for one in runs):.1f}",
        )
        for name, runs in found.items()
    )
    return Section(
        name="overhead",
        title="Overhead of a whole sweep",
        header=(
            "database",
            "wall time, s",
            "workers not training",
            "after the start-up",
            "start-up, s",
            "coordinator waits for blocks, s",
            "coordinator works, s",
        ),
        rows=rows,
        notes=(
            f"{table}, {_WORKERS} workers. 1 − seconds in the training loop / (workers × wall time).",
            "Start-up: from asking for the workers to the first block handed in.",
        ),
        figures={
            name: [{**asdict(one), "share": one.share, "running_share": one.running_share} for one in runs]
            for name, runs in found.items()
        },
    )


@contextmanager
def sqlite() -> Iterator[str]:
    """The URL of a file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'sweep.db'}"


@contextmanager
def postgres() -> Iterator[str]:
    """A server of its own, as the tests have it."""
    from tests.postgres import server

    with server() as home:
        with psycopg.connect(host=str(home), user="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        yield f"postgresql+psycopg://postgres@/bench?host={home}"
