"""A sweep on the services of docker-compose.yml, each of them killed again and again, with progress in between.

Takes minutes, so it is run by hand, or by ``make soak``::

    python -m tests.faults.soak sonar --set data.source=../shared/data/sonar.csv --set search.sampler=random

The services run as processes of this machine (:mod:`tests.compose`): PostgreSQL, a Dask scheduler, two workers, a
runner. SIGKILL comes at random moments to a random one of them, and each time at least one more trial must be finished
before the next. The sweep must end with exactly its budget of finished trials, none RUNNING, none FAIL, no two alike;
and every parameter, score, metric and prediction must equal those of an undisturbed run on this machine's own workers
and SQLite, bit for bit.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.analysis.status import status
from sweep.errors import StorageError
from sweep.launch.choose import open_launcher
from sweep.run.loop import run_sweep
from sweep.spec.alone import anywhere
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec
from sweep.spec.toml import to_toml
from sweep.store.store import Store
from tests import scratch
from tests.compose import Composition
from tests.small_sweep import Left, assert_complete, assert_same, what_is_left

PASSWORD = "soaked"  # noqa: S105 - of a database that lives as long as this does
KILLED = ("runner", "worker", "worker", "scheduler", "db")
"""Services, as often as they are worth among the kills."""

PATIENCE_SECONDS = 300.0
"""Without a finished trial, after which it is given up."""

LAST_LINES = 30
"""Of each service's output that are shown then."""


def main() -> int:
    """Exit status 0 if the sweep is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("definition", help="a file or the name of a shipped definition")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for sweep run")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--spread", type=float, default=1.0, help="seconds in which a kill comes after progress")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of who is killed")
    options = parser.parse_args()
    spec = load(options.definition, options.set)
    with scratch.folder("soak") as name:
        folder = Path(name)
        begun = time.monotonic()
        expected = undisturbed(spec, folder)
        say(f"undisturbed: {len(expected.states)} trials in {time.monotonic() - begun:.0f} s")
        begun = time.monotonic()
        found, killed = soak(spec, options, folder)
        assert_complete(found, len(expected.states))
        assert_same(found, expected)
        kills = ", ".join(f"{number} of {service}" for service, number in sorted(killed.items()))
        took = f"in {time.monotonic() - begun:.0f} s with {killed.total()} kills ({kills})"
        say(
            f"{len(found.states)} trials, all COMPLETE, {took}: "
            f"states, parameters, scores, metrics and predictions as undisturbed, bit for bit"
        )
        return 0 if killed.total() >= options.kills else 1


def undisturbed(spec: SweepSpec, folder: Path) -> Left:
    """What a run on workers of this machine leaves."""
    storage = f"sqlite:///{folder / 'undisturbed.db'}"
    with open_launcher("local") as launcher:
        run_sweep(spec, storage=storage, launcher=launcher)
    return what_is_left(storage, spec.name)


def soak(spec: SweepSpec, options: argparse.Namespace, folder: Path) -> tuple[Left, Counter[str]]:
    """What is left after the kills, and how many there were of each service."""
    draw, killed = random.Random(options.seed), Counter[str]()
    written, socket = folder / "services", folder / "postgres"
    for made in (written, socket):
        made.mkdir()
    folder.chmod(0o755)  # PostgreSQL has a user of its own
    (folder / "sweep.toml").write_text(to_toml(anywhere(spec)))
    with Composition(written, socket, {"SWEEP_DB_PASSWORD": PASSWORD}) as services, told_on_failure(services):
        say(services.run("run", "sweep.toml", "--queue", cwd=folder).strip())
        storage = services.superuser("sweep")
        while killed.total() < options.kills:
            finished = wait_for_progress(storage, spec.name, finished=saved(storage, spec.name) + 1)
            time.sleep(draw.uniform(0, options.spread))
            if finished >= budget(storage, spec.name):
                break
            service = draw.choice(KILLED)
            draw.choice(services.containers[service]).kill()
            killed[service] += 1
            say(f"kill {killed.total()}: {service}, {finished} trials saved")
        wait_for_progress(storage, spec.name, finished=budget(storage, spec.name))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while state(storage, spec.name) != "done":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sweep does not end: {state(storage, spec.name)}")
            time.sleep(0.2)
        return what_is_left(storage, spec.name), killed


@contextmanager
def told_on_failure(services: Composition) -> Iterator[None]:
    """The last words of every service, where it ends in an error."""
    try:
        yield
    except BaseException:
        for container in services.all():
            last = "\n  ".join(container.output.splitlines()[-LAST_LINES:])
            say(f"{container.name}, ended so far with {container.statuses}:\n  {last}")
        raise


def wait_for_progress(storage: str, name: str, finished: int) -> int:
    """Until so many trials are saved; gives how many are.

    Raises:
        TimeoutError: Nothing was finished for :data:`PATIENCE_SECONDS`.
    """
    deadline, wanted, last = time.monotonic() + PATIENCE_SECONDS, finished, -1
    while True:
        now = saved(storage, name)
        if now >= wanted:
            return now
        if now > last:
            last, deadline = now, time.monotonic() + PATIENCE_SECONDS
        if time.monotonic() > deadline:
            raise TimeoutError(f"{now} trials for {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.1)


def saved(storage: str, name: str) -> int:
    """Trials whose results are in the database, which may be away."""
    while True:
        try:
            with Store.open(storage) as store:
                record = store.sweep(name)
                return 0 if record is None else len(store.saved_numbers(record.key))
        except StorageError:
            time.sleep(0.2)


def budget(storage: str, name: str) -> int:
    """The sweep's budget."""
    while True:
        try:
            with Store.open(storage) as store:
                return status(store, name).budget
        except StorageError:
            time.sleep(0.2)


def state(storage: str, name: str) -> str:
    """The sweep's."""
    with Store.open(storage) as store:
        return status(store, name).state


def say(text: str) -> None:
    """To the terminal."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
