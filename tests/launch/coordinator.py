"""A process with a worker of its own, to be killed. Writes ``ready`` when that is training."""

from __future__ import annotations

import sys
import time

from sweep.launch.dask import DaskLauncher
from tests.launch.suite import DATA, FOLDS, make_job


def main() -> None:
    """Trains until it is killed."""
    with DaskLauncher(workers=1) as launcher:
        launcher.share(DATA, FOLDS)
        launcher.submit(make_job(0))
        list(launcher.finished())
        for number in range(2):
            launcher.submit(make_job(number, epochs=10_000_000, checkpoints=(10_000_000,)))
        time.sleep(0.3)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        list(launcher.finished())


if __name__ == "__main__":
    main()
