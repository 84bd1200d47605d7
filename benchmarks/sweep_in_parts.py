"""The process of a sweep that is run in parts: ``python -m benchmarks.sweep_in_parts STORAGE WORKERS [KEY=VALUE…]``.

Reads totals of trials from its standard input, a line each; goes on with the Sonar sweep up to there and answers with a
line. At the end of the input it ends its workers and answers with the launcher's clock as JSON.

Like the program itself it imports what it needs when it needs it: worker processes import this module again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace


def main() -> None:
    """Until the input ends."""
    from benchmarks.metered import MeteredDask

    storage, workers, *overrides = sys.argv[1:]
    with MeteredDask(int(workers)) as launcher:
        # While the workers start.
        from sweep.run.loop import run_sweep
        from sweep.spec.definition import load

        spec = load("sonar", overrides)
        for line in sys.stdin:
            part = replace(spec, search=replace(spec.search, trials=int(line)))
            run_sweep(part, storage=storage, launcher=launcher)
            print(line, end="", flush=True)
    print(json.dumps(asdict(launcher.meter)), flush=True)


if __name__ == "__main__":
    main()
