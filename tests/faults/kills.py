"""``sweep run`` killed by SIGKILL at random moments, with progress in between, then run to its end.

Takes as long as the sweep takes, twice and more, so it is run by hand::

    python -m tests.faults.kills sonar --set data.source=../shared/data/sonar.csv --set search.sampler=random

The sweep must end with exactly its budget of COMPLETE trials, none RUNNING, none FAIL, no two alike; every parameter,
score, metric and prediction must equal those of an undisturbed run, bit for bit; and within seconds of each kill
no worker may be left.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sweep.errors import NotFoundError
from sweep.spec.definition import load
from sweep.store.store import Store
from tests.processes import children, wait_until_gone
from tests.small_sweep import assert_complete, assert_same, what_is_left


def main() -> int:
    """Exit status 0 if the sweep is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("definition", help="a file or the name of a shipped definition")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for sweep run")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--progress", type=int, default=1, help="trials between kills, at least (default 1)")
    parser.add_argument("--spread", type=float, default=1.0, help="seconds in which a kill comes then (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--storage", help="database URL of the killed sweep (default: a SQLite file that is removed)")
    parser.add_argument("--program", default=str(Path(sys.executable).with_name("sweep")), help="the sweep to run")
    options = parser.parse_args()
    name = load(options.definition, options.set).name
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = f"sqlite:///{Path(folder) / 'undisturbed.db'}"
        storage = options.storage or f"sqlite:///{Path(folder) / 'killed.db'}"
        say("an undisturbed run")
        subprocess.run(command(options, undisturbed), check=True)
        expected = what_is_left(undisturbed, name)

        draw = random.Random(options.seed)
        for number in range(1, options.kills + 1):
            before = saved(storage, name)
            begun = time.monotonic()
            process = subprocess.Popen(command(options, storage), start_new_session=True)
            while process.poll() is None and saved(storage, name) < before + options.progress:
                time.sleep(0.05)
            time.sleep(draw.uniform(0, options.spread))
            if process.poll() is not None:
                say(f"the sweep was finished before kill {number}")
                break
            workers = children(process.pid)
            process.kill()
            process.wait()
            left = wait_until_gone(workers, seconds=10)
            if left:
                say(f"workers that outlived kill {number}: {left}")
                return 1
            say(f"kill {number} after {time.monotonic() - begun:.1f} s, {saved(storage, name)} trials saved")
        subprocess.run(command(options, storage), check=True)

        found = what_is_left(storage, name)
        assert_complete(found, len(expected.states))
        assert_same(found, expected)
        say(f"{len(found.states)} trials, as undisturbed: states, parameters, scores, metrics, predictions")
    return 0


def command(options: argparse.Namespace, storage: str) -> list[str]:
    """The command line as a user gives it."""
    changes = [part for change in options.set for part in ("--set", change)]
    return [options.program, "run", options.definition, *changes, "--storage", storage, "--quiet"]


def saved(storage: str, name: str) -> int:
    """Trials whose results are in the database."""
    try:
        with Store.open(storage) as store:
            record = store.sweep(name)
            return 0 if record is None else len(store.saved_numbers(record.key))
    except NotFoundError:
        return 0


def say(text: str) -> None:
    """To the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
