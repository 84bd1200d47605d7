"""Whole sweeps on data whose truth is known: ``python -m benchmarks.validity``, three quarters of an hour on two cores.

Is a false verdict as rare as it says, is a true one found, do intervals hold the truth, is the honest score honest?
Every simulated sweep is a table drawn from a known source, swept, confirmed and answered by the program's own code, and
then compared with networks trained on fresh tables of that source (``benchmarks/simulation/``). So is its nested
cross-validation, which takes ten more sweeps.

A line of JSON is written for each sweep that is done: what was stopped goes on when it is started with the same file.
Sweeps take turns by world, so that whoever stops early has as many of each. A sweep is a function of its cell and its
number: the file holds for one version of the program, delete it after a change of numbers.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

# Before NumPy and PyTorch are imported, here and in the workers: sweeps run side by side, each on one core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.machine import RESULTS, machine  # noqa: E402  # after the number of threads
from benchmarks.simulation import nested, pairs, sweeps  # noqa: E402
from benchmarks.simulation.nested import NESTED, NestedCell  # noqa: E402
from benchmarks.simulation.pairs import PAIRS, PairCell  # noqa: E402
from benchmarks.simulation.sweeps import Cell  # noqa: E402
from benchmarks.simulation.tables import AnyCell, checks, sections  # noqa: E402
from benchmarks.simulation.worlds import WORLDS  # noqa: E402

SWEEPS = 200
"""Of each cell."""

USUAL: tuple[AnyCell, ...] = (
    *(Cell(world, rows) for rows in (100, 300) for world in ("labels", "placebo", "handicap")),
    Cell("helps", 100),
    Cell("helps", 300, repeats=20),
    PairCell("equal", 1000),
    *(PairCell(pair, 300) for pair in ("two", "two-input", "two-rate", "five")),
)
"""``make validity``."""

FURTHER: tuple[AnyCell, ...] = (
    Cell("helps", 300, thorough=True),
    Cell("helps", 1000, thorough=True),
    Cell("placebo", 1000),
    *(Cell(world, 300, trials=80, sampler="tpe") for world in WORLDS),
    *(Cell(world, 100, folds=10) for world in WORLDS),
    *(Cell(world, 100, stop="best") for world in WORLDS),
    *(Cell(world, 300, stop="best") for world in WORLDS),
    *(Cell(world, 300, hidden=(64, 64, 32)) for world in ("placebo", "helps")),
    PairCell("equal", 300),
    PairCell("two", 300, repeats=10),
    PairCell("two", 100),
    PairCell("five", 100),
    PairCell("two", 100, repeats=10, folds=10),
    *(NestedCell(world, rows) for rows in (100, 300) for world in NESTED.values()),
)
"""Also in ``make validity-full``."""


@dataclass(frozen=True, slots=True)
class Task:
    """One simulated sweep, comparison or nested cross-validation: a cell and the number of the replicate, from 0."""

    cell: AnyCell
    replicate: int


def simulate(task: Task) -> dict[str, Any]:
    """Its line."""
    if isinstance(task.cell, PairCell):
        return pairs.simulate(task.cell, task.replicate)
    if isinstance(task.cell, NestedCell):
        return nested.simulate(task.cell, task.replicate)
    return sweeps.simulate(task.cell, task.replicate)


# --- the file ---------------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[Task, dict[str, Any]]:
    """Lines written before. One that was cut off as it was written is left out."""
    known: dict[Task, dict[str, Any]] = {}
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        known[Task(_cell(line["cell"]), line["replicate"])] = line
    return known


def _cell(plain: dict[str, Any]) -> AnyCell:
    if "pair" in plain:
        return PairCell(**plain)
    if "nested" in plain:
        return NestedCell(**plain)
    return Cell(**plain | {"hidden": tuple(plain["hidden"])})


def run_all(tasks: Sequence[Task], path: Path, workers: int, seconds: float | None) -> None:
    """What of them is not in the file yet. None is begun when ``seconds`` are over."""
    known = read(path)
    left = [task for task in tasks if task not in known]
    if not left:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    begun, done = monotonic(), 0
    waiting: Iterator[Task] = iter(left)
    with path.open("a") as file, ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        if file.tell():
            file.write("\n")  # the last line may have been cut off
        running: set[Future[dict[str, Any]]] = set()
        while True:
            while len(running) < 2 * workers and (seconds is None or monotonic() - begun < seconds):
                task = next(waiting, None)
                if task is None:
                    break
                running.add(pool.submit(simulate, task))
            if not running:
                return
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                file.write(json.dumps(future.result(), allow_nan=False) + "\n")
                file.flush()
                done += 1
                if done % 50 == 0:
                    print(f"{done} of {len(left)} in {monotonic() - begun:.0f} s", flush=True)


# --- the command line -------------------------------------------------------------------------------------------------


def cells(options: argparse.Namespace) -> list[AnyCell]:
    """Those that are asked for."""
    if options.worlds is None:
        return [*USUAL, *(FURTHER if options.full else ())]
    found: list[AnyCell] = []
    for rows in options.rows:
        for name in options.worlds:
            if name in PAIRS:
                found.append(PairCell(name, rows, options.repeats or 20, options.folds))
            elif name in NESTED:
                found.append(NestedCell(NESTED[name], rows, options.trials, options.folds))
            else:
                found.append(
                    Cell(
                        world=name,
                        rows=rows,
                        folds=options.folds,
                        trials=options.trials,
                        sampler=options.sampler,
                        stop=options.stop,
                        hidden=tuple(options.hidden),
                        repeats=options.repeats,
                        thorough=options.thorough,
                    )
                )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulates, prints tables; 1 if something does not hold that has to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validity", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="every cell, hours; without --worlds")
    names = [*WORLDS, *PAIRS, *NESTED]
    parser.add_argument("--worlds", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 300], help="with --worlds (100 300)")
    parser.add_argument("--sweeps", type=int, default=SWEEPS, help="of each cell (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (0)")
    parser.add_argument("--repeats", type=int, help="of the confirmation, with --worlds (the program's choice)")
    parser.add_argument("--folds", type=int, default=5, help="with --worlds, as are the next five (%(default)s)")
    parser.add_argument("--trials", type=int, default=40, help="(%(default)s)")
    parser.add_argument("--sampler", choices=["random", "tpe"], default="random", help="(%(default)s)")
    parser.add_argument("--stop", choices=["last", "best"], default="last", help="(%(default)s)")
    parser.add_argument("--hidden", nargs="+", type=int, default=[32, 16], help="(32 16)")
    parser.add_argument("--thorough", action="store_true", help="also the truth of matched controls, and of refits")
    parser.add_argument("--workers", type=int, default=machine().cores, help="at a time (one a core)")
    parser.add_argument("--seconds", type=float, help="begin no sweep after so long")
    parser.add_argument("--out", type=Path, default=RESULTS / "validity.jsonl", help="file of single sweeps")
    options = parser.parse_args(arguments)
    wanted, facts = cells(options), machine()
    replicates = range(options.first, options.first + options.sweeps)
    tasks = [Task(cell, replicate) for replicate in replicates for cell in wanted]
    run_all(tasks, options.out, options.workers, options.seconds)
    done = read(options.out)
    known = {cell: [done[task] for task in tasks if task.cell == cell and task in done] for cell in wanted}
    known = {cell: lines for cell, lines in known.items() if lines}
    for section in sections(known):
        print(f"\n{section.markdown()}")
    cost = sum(line["seconds"] for lines in known.values() for line in lines)
    print(f"\n{facts.describe()}\n{cost / 60:.0f} minutes of one core; single sweeps in {options.out}")
    return 1 if any(check.judged == "no" for check in checks(known)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
