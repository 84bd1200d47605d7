"""Optuna's dashboard on 5,000 trials: how soon a study's page shows, ours against ``optuna-dashboard URL``.

Both serve the same SQLite database, each from a process of its own. A turn is what a person does who comes back: after
the first load, in a browser of its own that keeps its cache, the page of the study is opened in a new tab, and what is
timed ends when the points of its first figure are there. The dashboard keeps trials for ten seconds; so long both are
left alone before each turn, as somebody does who looks now and then.
"""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from sqlalchemy import MetaData, create_engine, insert

from benchmarks.measuring import Ratio, Settings
from benchmarks.report import Section
from sweep.run.study import optuna_storage
from sweep.space.proposer import Proposer
from sweep.spec.definition import load
from sweep.store.store import Store

TRIALS = 5_000
REST = 10.5
"""Seconds for which neither is asked before a turn."""

PAGE = ".js-plotly-plot .scatterlayer path.point"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@dataclass
class Side:
    """One of the two.

    Attributes:
        address: Where it listens.
        first: Seconds of its first answer about the study, and ...
        asked: ... of each later one, with its bytes as they travelled.
        shown: Seconds until its page showed.
    """

    address: str
    first: float = 0.0
    asked: list[float] = field(default_factory=list)
    size: int = 0
    shown: list[float] = field(default_factory=list)


def measure(settings: Settings) -> Section:
    """Both, in turn."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        storage = f"sqlite:///{folder}/sweep.db"
        make_study(storage, TRIALS)
        ours = Side(stack.enter_context(listening(sys.executable, "-m", "benchmarks.dashboard", storage)))
        peer = Side(stack.enter_context(listening(*PEER, storage)))
        take(ours, peer, Path(folder), settings.rounds)
    return section(ours, peer)


def make_study(storage: str, trials: int) -> None:
    """A study of finished trials of the Sonar definition; Optuna's own way would take a minute."""
    spec = load("sonar", (f"search.trials={trials}", "search.sampler=random"))
    proposer, begun = Proposer(spec, "maximize"), datetime(2026, 11, 20)  # without a zone, as Optuna has it
    rows: dict[str, list[dict[str, Any]]] = {"trials": [], "trial_params": [], "trial_values": []}
    with Store.open(storage, create=True) as store, optuna_storage(store) as tables:
        study = tables.create_new_study([optuna.study.StudyDirection.MAXIMIZE], spec.name)
        for number in range(trials):
            proposal, score = proposer.propose(number), 0.8 + 0.05 * math.sin(number)
            proposer.observe(number, score)
            own = {"trial_id": number + 1}
            start = begun + timedelta(seconds=number)
            ended = {"datetime_start": start, "datetime_complete": start + timedelta(seconds=60)}
            rows["trials"].append({**own, "number": number, "study_id": study, "state": "COMPLETE", **ended})
            rows["trial_values"].append({**own, "objective": 0, "value": score, "value_type": "FINITE"})
            rows["trial_params"] += [
                {
                    **own,
                    "param_name": name,
                    "param_value": distribution.to_internal_repr(proposal.params[name]),
                    "distribution_json": distribution_to_json(distribution),
                }
                for name, distribution in proposal.distributions.items()
            ]
        engine = create_engine(store.url)
    known = MetaData()
    known.reflect(engine, only=list(rows))
    with engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(insert(known.tables[table]), values)
    engine.dispose()


# --- both servers -----------------------------------------------------------------------------------------------------

PEER = (str(Path(sys.executable).with_name("optuna-dashboard")), "--quiet")


@contextmanager
def listening(*command: str) -> Iterator[str]:
    """A server of its own on loopback, once it answers; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            address, end = f"http://127.0.0.1:{port}", monotonic() + 120
            while True:
                try:
                    asked(address, "/api/meta")
                    break
                except OSError:
                    if process.poll() is not None or monotonic() > end:
                        raise
                    sleep(0.1)
            yield address
        finally:
            process.terminate()


def asked(address: str, path: str) -> tuple[float, bytes]:
    """Seconds until all of an answer is there, and what has travelled."""
    request = urllib.request.Request(f"{address}{path}", headers={"Accept-Encoding": "gzip"})  # noqa: S310 - loopback
    begun = perf_counter()
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - likewise
        body = answer.read()
    return perf_counter() - begun, body


def take(ours: Side, peer: Side, folder: Path, rounds: int) -> None:
    """The first load of each, then turns."""
    study = "/api/studies/1?after=0"
    for side in (ours, peer):
        side.first, body = asked(side.address, study)
        side.size = len(body)
    with ExitStack() as stack:
        browsers = _browsers(stack, folder) if shutil.which("chromium") else None
        for turn in range(-2 if browsers else 0, rounds):  # the first two fill the browsers' caches
            for place, side in enumerate((ours, peer)):
                sleep(REST)
                if browsers:
                    shown = _shown(browsers[place], side.address)
                    if turn >= 0:
                        side.shown.append(shown)
                        sleep(REST)
                if turn >= 0:
                    side.asked.append(asked(side.address, study)[0])


def _browsers(stack: ExitStack, folder: Path) -> list[Any]:
    """One for each side, each with a profile of its own on disk."""
    from playwright.sync_api import sync_playwright

    chromium = stack.enter_context(sync_playwright()).chromium
    return [
        stack.enter_context(
            chromium.launch_persistent_context(
                folder / f"profile{place}", executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
        )
        for place in range(2)
    ]


def _shown(browser: Any, address: str) -> float:
    page = browser.new_page()
    begun = perf_counter()
    page.goto(f"{address}/dashboard/studies/1", wait_until="commit")
    page.wait_for_selector(PAGE, state="attached", timeout=300_000)
    took = perf_counter() - begun
    page.close()
    return took


# --- what was found ---------------------------------------------------------------------------------------------------


def section(ours: Side, peer: Side) -> Section:
    """A row for each measure."""
    rows = [_row("all of a study, the answer alone", ours.asked, peer.asked)]
    if ours.shown:
        rows.insert(0, _row("the page of a study, in Chromium", ours.shown, peer.shown))
    sizes = f"{ours.size / 1e6:.1f} MB against {peer.size / 1e6:.1f} MB"
    notes = [
        f"{TRIALS:,} finished trials in SQLite, medians of {len(ours.asked)} turns, {REST} s apart. The answer "
        f"about the study travels as {sizes}. The first one took {ours.first:.1f} s and {peer.first:.1f} s."
    ]
    if not ours.shown:
        notes.append("No Chromium on this machine: no page was opened.")
    figures = {name: vars(side) | {"address": None} for name, side in (("ours", ours), ("peer", peer))}
    header = ("opened again after the first load", "ours, s", "`optuna-dashboard URL`, s", "ours / its")
    return Section("dashboard", "Optuna's dashboard on 5,000 trials", header, tuple(rows), tuple(notes), figures)


def _row(name: str, ours: list[float], peer: list[float]) -> tuple[str, ...]:
    return name, f"{median(ours):.2f}", f"{median(peer):.2f}", f"**{Ratio.of(ours, peer)}**"


def _serve(storage: str, port: int) -> None:
    """The service alone."""
    import uvicorn

    from sweep.service.app import create_app
    from sweep.service.options import ServeOptions

    uvicorn.run(create_app(ServeOptions(storage=storage)), port=port, log_level="error")


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[3]))
