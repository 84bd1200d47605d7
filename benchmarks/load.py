"""Fifty browsers on a running sweep with 2,000 finished trials: how long pages take, and what it costs the sweep.

The sweep is Sonar's, its first 2,000 trials made up at once. Each turn trains some more, once alone and once while
``sweep serve`` answers 50 browsers (:mod:`benchmarks.browsers`) on the same cores; what the browsers themselves cost is
charged to the service. Its memory is that of all its processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from time import sleep

import optuna
import psutil

from benchmarks.machine import sonar
from benchmarks.measuring import Ratio, Settings, fresh_process, in_turn
from benchmarks.report import Section
from benchmarks.scale import run as make_up
from sweep.spec.definition import load

BROWSERS = 50
FINISHED = 2_000
MORE = 96
"""Trials trained in a turn."""

WARM_SECONDS = 20.0
"""That browsers look before their first turn counts."""


@dataclass(slots=True)
class Found:
    """What was measured.

    Attributes:
        alone: Seconds of the trials of each turn, without browsers.
        watched: The same with them.
        seconds: Of each request, by what it was for.
        errors: What went wrong with requests.
        held: Bytes of memory of the service's processes after each turn, the warm-up first.
    """

    alone: tuple[float, ...] = ()
    watched: tuple[float, ...] = ()
    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    held: list[int] = field(default_factory=list)


def measure(settings: Settings) -> Section:
    """The Sonar definition."""
    overrides, table = sonar()
    return section(loaded(overrides, settings.rounds), table)


def loaded(
    overrides: Sequence[str], rounds: int, *, finished: int = FINISHED, more: int = MORE, browsers: int = BROWSERS
) -> Found:
    """Turns of the sweep, alone and watched.

    Args:
        overrides: Of the Sonar definition.
        rounds: Turns.
        finished: Trials before the first one.
        more: Trials of a turn.
        browsers: That watch.
    """
    found, name = Found(), load("sonar", overrides).name
    # Random: proposals cost the same at every turn.
    changes = [*overrides, "search.sampler=random"]
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        storage = f"sqlite:///{Path(folder) / 'sweep.db'}"
        with fresh_process() as process:
            process.submit(make_up, changes, storage, [finished]).result()
        with served(storage) as (address, server):
            trials = finished

            def turn() -> float:
                nonlocal trials
                trials += more
                return train(changes, storage, trials, more)

            def watched() -> float:
                with watching(address, name, browsers, found):
                    seconds = turn()
                found.held.append(held(server))
                return seconds

            with watching(address, name, browsers, Found()):
                sleep(WARM_SECONDS)
                turn()
            found.held.append(held(server))
            alone, with_browsers = in_turn([turn, watched], rounds)
    found.alone, found.watched = tuple(alone), tuple(with_browsers)
    return found


def train(overrides: Sequence[str], storage: str, trials: int, more: int) -> float:
    """Seconds from the first proposal of a turn to the commit of its last trial."""
    changes = [part for change in (*overrides, f"search.trials={trials}") for part in ("--set", change)]
    program = str(Path(sys.executable).with_name("sweep"))
    command = [program, "run", "sonar", "--storage", storage, "--workers", "2", "--device", "cpu", "--quiet", *changes]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    name = load("sonar", overrides).name
    study = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    latest = [trial for trial in study if trial.datetime_complete][-more:]
    begun: datetime = min(trial.datetime_start for trial in latest if trial.datetime_start)
    ended: datetime = max(trial.datetime_complete for trial in latest if trial.datetime_complete)
    return (ended - begun).total_seconds()


@contextmanager
def served(storage: str) -> Iterator[tuple[str, psutil.Process]]:
    """The service's address, and its process."""
    program = str(Path(sys.executable).with_name("sweep"))
    command = [program, "serve", "--storage", storage, "--port", "0", "--no-runner"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield _address(server), psutil.Process(server.pid)
        finally:
            server.terminate()


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None  # noqa: S101 - a pipe
    for line in server.stderr:
        for word in line.split():
            if word.startswith("http://"):
                return word.rstrip("/")
    raise SystemExit("the service did not start")


@contextmanager
def watching(address: str, name: str, browsers: int, found: Found) -> Iterator[None]:
    """Inside, so many browsers look at a sweep; what they saw is added to what was found."""
    command = [sys.executable, "-m", "benchmarks.browsers", address, name, str(browsers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            seen, _ = process.communicate("")
            document = json.loads(seen)
            for what, seconds in document["seconds"].items():
                found.seconds.setdefault(what, []).extend(seconds)
            found.errors += document["errors"]


def held(server: psutil.Process) -> int:
    """Bytes of memory of the service and of what it has started; what they share counts once."""
    family = [server, *server.children(recursive=True)]
    return sum(process.memory_full_info().uss for process in family)


def section(found: Found, table: str) -> Section:
    """A row for each kind of request."""
    rows = [
        (
            what,
            f"{len(seconds):,}",
            f"**{1000 * median(seconds):.0f}**",
            f"{1000 * quantiles(seconds, n=20)[-1]:.0f}" if len(seconds) > 1 else "",
        )
        for what, seconds in sorted(found.seconds.items())
    ]
    slowed = Ratio.of(found.watched, found.alone)
    growth = found.held[-1] / found.held[0] - 1
    return Section(
        name="load",
        title=f"{BROWSERS} browsers on a running sweep with {FINISHED:,} trials",
        header=("request", "how many", "median, ms", "95th percentile, ms"),
        rows=tuple(rows),
        notes=(
            f"{table}: {len(found.alone)} turns of {MORE} trials, alone and watched, on the same cores.",
            f"Watched, the trials take **{slowed}** times as long.",
            f"Memory of the service: {found.held[0] / 1e6:.0f} MB after the warm-up, **{100 * growth:+.1f} %** later.",
            f"Requests that failed: {len(found.errors)}.",
        ),
        figures=asdict(found),
    )
