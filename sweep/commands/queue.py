"""``sweep runner`` and ``sweep run --queue``: the queue from both of its ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepStatus
from sweep.analysis.status import status
from sweep.commands.answer import answer_sweep
from sweep.commands.clerk import duties
from sweep.commands.progress import Display, Saying
from sweep.commands.run import Teller, check_database
from sweep.commands.study_page import with_study_page
from sweep.commands.work import at_work, training_device
from sweep.launch.base import Launcher, check_cluster
from sweep.operate.orders import check_priority, not_stored, submit
from sweep.operate.runner import Runner
from sweep.run.prepare import prepare
from sweep.spec.model import SweepSpec
from sweep.spec.source import absolute_source, shown_source
from sweep.store.database import parse_url, shown_url
from sweep.store.service_rows import JobRecord
from sweep.store.store import Store
from sweep.tables.packed import pack
from sweep.texts.plain import without_nan


def work(
    storage: str,
    *,
    cluster: str,
    workers: int | None,
    device: str,
    poll: float,
    once: bool,
    jobs: bool,
    display: Display,
) -> None:
    """Runs what is queued, and does what is asked beside.

    Args:
        storage: Database URL.
        cluster: ``"inline"``, ``"local"`` or the address of a scheduler.
        workers: How many processes; ``None`` for one a core.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        poll: Seconds between two looks at the queue.
        once: Whether to end when there is nothing to do.
        jobs: Whether estimates, exports and models are done, too, by a process beside this one.
        display: Is told what it does.

    Raises:
        UserError: Something does not allow it.
        KeyboardInterrupt: Ctrl-C, or what is like it.
    """
    check_cluster(cluster, workers)
    own_device = training_device(device, cluster)
    check_database(storage)

    def open_workers() -> AbstractContextManager[Launcher]:
        return at_work(cluster, workers, own_device, display)

    def answer(job: JobRecord, say: Callable[[str], None]) -> dict[str, Any]:
        found = answer_sweep(
            str(job.sweep),
            storage,
            **job.request,
            cluster=cluster,
            workers=workers,
            device=device,
            display=Saying(say, display),
        )
        return dict(without_nan(found.to_dict()))

    runner = Runner(
        storage,
        open_workers,
        display.say,
        with_study_page(storage, Teller(display, own_device)),
        poll,
        where=cluster if workers is None else f"{cluster}, {wording.count(workers, 'worker')}",
        answer=answer,
        duties=duties(1 if cluster == "inline" else workers) if jobs else None,
    )
    display.say(f"runs what is queued in {shown_url(parse_url(storage))}, on {cluster} workers")
    runner.run(once=once)


def queue(spec: SweepSpec, storage: str, priority: int, say: Callable[[str], None]) -> SweepStatus:
    """Stores a definition and its table for runners, checked as if it were to be run here.

    Raises:
        UserError: Definition, table, priority or an earlier sweep of that name do not allow it; nothing was stored.
    """
    check_priority(priority)
    check_database(storage)
    say(f"reading {shown_source(spec.data.source)}")
    setup = prepare(spec)
    if setup.budget.note:
        say(setup.budget.note)
    table = pack(spec.data, spec.base_dir)
    if warning := not_stored(table, absolute_source(spec.data.source, spec.base_dir)):
        say(warning)
    with Store.open(storage, create=True) as store:
        submit(store, spec, table, setup.data.info.task, priority)
        return status(store, spec.name)
