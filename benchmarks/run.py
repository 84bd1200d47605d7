"""All benchmarks: ``python -m benchmarks.run [--only NAME…] [--full] [--device cuda:0] [--json PATH]``.

``make bench`` runs the core ones, ``make bench-full`` all. Each prints its table when it is done, and the file of
figures is written anew then: whoever interrupts keeps what is there.

A benchmark is imported when its turn has come: worker processes import this module again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

CORE = ("member_step", "trial_rate")
"""The figures that everything else hangs on, in minutes."""

ALL = (
    *CORE,
    "parts",
    "wide",
    "overhead",
    "ask",
    "scale",
    "scaling",
    "cluster",
    "estimator",
    "memory",
    "dashboard",
    "search",
    "load",
)

GPU = ("member_step", "wide")
"""Those that can train on another device."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ALL, metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--full", action="store_true", help="all of them, longer, with every peer")
    parser.add_argument("--device", default="cpu", help=f"cpu or cuda:N, for {' and '.join(GPU)} (cpu)")
    parser.add_argument("--rounds", type=int, default=5, help="turns that everything compared takes (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="wanted length of what is timed (1)")
    parser.add_argument("--json", type=Path, help="file for the figures (benchmarks/results/bench.json)")
    options = parser.parse_args(arguments)
    names = options.only or (ALL if options.full else CORE)
    if options.device != "cpu" and (unfit := [name for name in names if name not in GPU]):
        parser.error(f"--device is for --only {' '.join(GPU)}, however: {', '.join(unfit)}")

    from benchmarks.machine import RESULTS, machine
    from benchmarks.measuring import Settings, prepare_process
    from benchmarks.report import Section, write
    from sweep.errors import UserError
    from sweep.training.device import resolve

    facts, sections = machine(), list[Section]()
    try:
        device = resolve(options.device)
    except UserError as error:
        parser.error(str(error))
    settings = Settings(options.full, device, options.rounds, options.seconds)
    path = options.json or RESULTS / ("bench-full.json" if options.full else "bench.json")
    print(facts.describe(), flush=True)
    prepare_process()
    for name in names:
        print(f"\n{name} …", flush=True)
        sections.append(import_module(f"benchmarks.{name}").measure(settings))
        print(f"\n{sections[-1].markdown()}", flush=True)
        write(path, facts, sections)
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
