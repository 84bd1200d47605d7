"""Trials per minute of ``sweep run --cluster tcp://…``: one worker against two, on this machine.

The whole command each time, on a scheduler and workers of Dask that were started before, as on a cluster: reading the
table, sending it, TPE, every result committed to SQLite. Each number of workers has a scheduler of its own; they take
turns, and whoever waits for the turn costs nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from distributed import Client

from benchmarks.machine import sonar
from benchmarks.measuring import Ratio, Settings
from benchmarks.report import Section
from benchmarks.trial_rate import Ran, run_command
from tests.launch.processes import Cluster

_COUNTS = (1, 2)
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Swept:
    """Whole sweeps with one number of workers, in order.

    Attributes:
        workers: How many.
        trials: Of a sweep.
        command: Seconds from the start of the command to the end of its process, each time.
        search: Seconds of them from the first trial's proposal to the commit of the last.
    """

    workers: int
    trials: int
    command: tuple[float, ...]
    search: tuple[float, ...]


def measure(settings: Settings, changes: Sequence[str] = ()) -> Section:
    """The Sonar definition, with changes."""
    overrides, table = sonar()
    return section(sweeps([*overrides, *changes], _COUNTS, settings.rounds), table)


def sweeps(overrides: Sequence[str], counts: Sequence[int], rounds: int) -> list[Swept]:
    """The sweep with each number of workers, in turn. A short one goes before, with which workers import and compile.

    Args:
        overrides: Of the Sonar definition.
        counts: Of workers.
        rounds: Turns.
    """
    found: dict[int, list[Ran]] = {count: [] for count in counts}
    with ExitStack() as stack:
        addresses = {count: stack.enter_context(_cluster(count)) for count in counts}
        for address in addresses.values():
            run_command([*overrides, "training.epochs=12", "search.trials=16"], "--cluster", address)
        for turn in range(rounds):
            for count, address in addresses.items():
                ran = run_command(overrides, "--cluster", address)
                found[count].append(ran)
                print(f"turn {turn + 1} of {rounds}, workers: {count}; {ran.seconds:.1f} s", flush=True)
    return [
        Swept(
            count, len(all_ran[0].trials), tuple(ran.seconds for ran in all_ran), tuple(ran.search for ran in all_ran)
        )
        for count, all_ran in found.items()
    ]


@contextmanager
def _cluster(workers: int) -> Iterator[str]:
    """The address of a scheduler that has so many."""
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder, closing(Cluster(Path(folder))) as cluster:
        cluster.scheduler()
        for _ in range(workers):
            cluster.worker()
        with Client(cluster.address) as client:
            client.wait_for_workers(workers, timeout=_START_SECONDS)
        yield cluster.address


def section(found: Sequence[Swept], table: str) -> Section:
    """A row for each number of workers; the first is what the others are compared with."""
    first = found[0]
    rows = [
        (
            f"{swept.workers}",
            f"{median(swept.search):.1f}",
            f"{60 * swept.trials / median(swept.search):.1f}",
            "1" if swept is first else f"**{Ratio.of(first.search, swept.search)}**",
            f"{median(swept.command):.1f}",
            "1" if swept is first else f"{Ratio.of(first.command, swept.command)}",
        )
        for swept in found
    ]
    return Section(
        name="cluster",
        title="Trial rate by workers of a cluster",
        header=("workers", "search, s", "trials a minute", "times the first", "whole command, s", "times the first"),
        rows=tuple(rows),
        notes=(
            f"{table}: {len(first.search)} sweeps each of {first.trials} trials, on SQLite.",
            "Search: from the first proposal to the last commit. The command also reads the table, sends it, and after "
            "the last trial works out the honest score: all this takes as long with any number of workers.",
            "Scheduler, workers and coordinator share the cores of this machine.",
        ),
        figures={f"{swept.workers}": asdict(swept) for swept in found},
    )
