"""SIGKILL at random moments: nothing finished is lost, nothing is counted twice, and no number changes."""

from __future__ import annotations

import random
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sweep.launch.inline import InlineLauncher
from sweep.run.events import Event
from sweep.run.loop import run_sweep
from sweep.spec.model import SweepSpec
from tests.forked import forked_processes
from tests.small_sweep import assert_complete, assert_same, small_spec, what_is_left

pytestmark = pytest.mark.no_tables

KILLS = 3
SWEEPS = {
    # TPE draws at random until an arm has ten finished trials: one arm, so that it comes to think.
    "tpe": ("search.sampler=tpe", "space.placement=all", "search.trials=24", "search.batch=4"),
    # Rungs at epochs 1 and 2 of 4; of four trials of a placement two go on, then one.
    "halving": (
        "search.sampler=random",
        "search.pruner=halving",
        "search.reduction=2",
        "search.trials=24",
        "search.batch=12",
        "training.epochs=4",
        "training.checkpoints=4",
    ),
}


def run_and_report(spec: SweepSpec, storage: str, reports: Connection) -> None:
    """Runs a sweep in this process, and reports each event by one byte."""

    def report(_: Event) -> None:
        reports.send_bytes(b".")

    run_sweep(spec, storage=storage, launcher=InlineLauncher(), on_event=report)


@pytest.mark.parametrize(("sampler", "database"), [("tpe", "sqlite_url"), ("halving", "postgres_url")])
def test_killed_again_and_again(sampler: str, database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    storage: str = request.getfixturevalue(database)
    spec = small_spec(tmp_path, *SWEEPS[sampler])
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    run_sweep(spec, storage=undisturbed, launcher=InlineLauncher())

    draw = random.Random(f"{sampler} {database}")
    processes, killed = forked_processes(), 0
    for attempt in range(KILLS):
        reports, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=run_and_report, args=(spec, storage, theirs))
        process.start()
        theirs.close()
        # The first one while the tables are being made, the others some trials later, in the middle of anything.
        if attempt == 0:
            time.sleep(draw.uniform(0.0, 0.3))
        else:
            listen(reports, draw.randrange(2, 7))
            time.sleep(draw.uniform(0.0, 0.05))
        process.kill()
        process.join()
        reports.close()
        killed += process.exitcode == -9
        process.close()
    assert killed >= KILLS - 1

    run_sweep(spec, storage=storage, launcher=InlineLauncher())
    left = what_is_left(storage)
    assert_same(left, what_is_left(undisturbed))
    if sampler == "halving":
        assert sorted(left.states) == ["COMPLETE"] * 6 + ["PRUNED"] * 18
    else:
        assert_complete(left, 24)


def listen(reports: Connection, events: int) -> None:
    """Until so many events were reported, or none comes any more."""
    for _ in range(events):
        try:
            reports.recv_bytes()
        except EOFError:
            return
