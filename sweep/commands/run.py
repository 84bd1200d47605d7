"""``sweep run``: from a definition to a finished sweep, with a display of how far it is."""

from __future__ import annotations

from collections.abc import Mapping

from sweep import wording
from sweep.analysis.results import SweepStatus, SweepSummary
from sweep.analysis.status import status
from sweep.analysis.summary import summarise
from sweep.commands.progress import Display, Standing
from sweep.commands.study_page import save_study_page, withdraw_study_page
from sweep.commands.work import at_work, training_device
from sweep.errors import NotFoundError
from sweep.launch.base import check_cluster
from sweep.metrics import METRICS
from sweep.operate.chronicle import Chronicle
from sweep.operate.orders import check_waiting
from sweep.run.events import Best, Event, Prepared, Started, TrialDone, TrialFailed, Trouble
from sweep.run.lease import this_process
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prepare
from sweep.run.resume import check_same
from sweep.spec.model import SweepSpec
from sweep.spec.source import shown_source
from sweep.store.database import check_file, is_sqlite, parse_url
from sweep.store.store import Store


def run(
    spec: SweepSpec, storage: str, *, cluster: str, workers: int | None, device: str, display: Display
) -> SweepSummary:
    """Runs a sweep to its end, or goes on with it.

    Args:
        spec: The definition.
        storage: Database URL.
        cluster: ``"inline"``, ``"local"`` or the address of a scheduler.
        workers: How many processes; ``None`` for one a core.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        display: Is told how far it is.

    Returns:
        All there is to show of it.

    Raises:
        UserError: Something does not allow it; nothing was run.
        SweepError: It failed on the way; everything finished is kept.
        KeyboardInterrupt: Ctrl-C; everything finished is kept, and the message says how much.
    """
    check_cluster(cluster, workers)
    own_device = training_device(device, cluster)
    check_database(storage)
    display.doing(f"reading {shown_source(spec.data.source)}")
    setup = prepare(spec)
    if _finished(setup, storage):
        display.say(f"nothing to do: all {wording.count(setup.budget.trials, 'trial')} are finished")
    else:
        with (
            Chronicle(storage, spec.name, f"`sweep run`, {this_process()}") as chronicle,
            at_work(cluster, workers, own_device, display) as launcher,
        ):
            show = Teller(display, own_device)

            def tell(event: Event) -> None:
                chronicle(event)
                show(event)
                withdraw_study_page(storage, event)

            outcome = run_sweep(spec, storage=storage, launcher=launcher, on_event=tell, setup=setup)
        display.say(f"{wording.count(outcome.told, 'trial')} in {wording.duration(outcome.seconds)}")
    display.doing("computing the honest score")
    with Store.open(storage) as store:
        summary = summarise(store, spec.name)
        save_study_page(store, summary)
        return summary


def check_database(storage: str) -> None:
    """That a database can be there, before anything takes long.

    Raises:
        StorageError: It cannot.
    """
    url = parse_url(storage)
    if is_sqlite(url):
        check_file(url, create=True)


def _finished(setup: Setup, storage: str) -> bool:
    """Whether nothing is left to do.

    Raises:
        MismatchError: A sweep of this name is there, and cannot go on with this definition.
        StorageError: The database cannot be used.
    """
    stored = stored_status(setup, storage)
    return stored is not None and stored.state == "done" and stored.counts.finished >= setup.budget.trials


def stored_status(setup: Setup, storage: str) -> SweepStatus | None:
    """How far the sweep of this name is, or that it waits in the queue; ``None`` if there is none, or no database.

    Raises:
        MismatchError: There is one, and it cannot go on with this definition.
        StorageError: The database cannot be used.
    """
    try:
        store = Store.open(storage)
    except NotFoundError:
        return None
    with store:
        found = store.sweep(setup.spec.name)
        if found is not None:
            check_same(found, setup)
        elif check_waiting(store, setup.spec, setup.data.info.content_hash) is None:
            return None
        return status(store, setup.spec.name)


class Teller:
    """From events to the display."""

    def __init__(self, display: Display, device: str) -> None:
        self._display = display
        self._device = device
        self._metric = "accuracy"

    def __call__(self, event: Event) -> None:
        """Tells the display of an event."""
        if isinstance(event, Prepared):
            self._metric = event.metric
            self._say_prepared(event)
        elif isinstance(event, Started):
            if event.resumed and event.finished < event.budget:
                self._display.say(f"going on: {event.finished} of {event.budget} trials are finished")
            standing = Standing(
                event.name, METRICS[self._metric], event.budget, event.finished, best=_scores(event.best)
            )
            if event.finished < event.budget:
                self._display.begin(standing)
        elif isinstance(event, Trouble):
            self._display.say(event.said)
        elif isinstance(event, TrialFailed):
            said = f"trial {event.number} ({event.placement}) is given up: {event.reason}"
            self._display.say_of_trial(event.number, said)
        elif isinstance(event, TrialDone) and self._display.standing is not None:
            self._display.standing.take(event.finished, _scores(event.best))
            self._display.update()

    def _say_prepared(self, event: Prepared) -> None:
        info, say = event.info, self._display.say
        repeats = "" if event.repeats == 1 else f", repeated {event.repeats} times"
        size = f"{wording.count(info.rows, 'row')}, {wording.count(len(info.features), 'feature')}"
        say(f"{info.source}: {size}, target {info.target} ({info.task})")
        for note in info.notes:
            if note.startswith("warning"):
                say(note)
        if event.budget.note:
            say(event.budget.note)
        arms = wording.count(len(event.budget.per_arm), "placement")
        trials = f"{wording.count(event.budget.trials, 'trial')} over {arms}"
        folds = f"{event.folds} folds ({event.scheme}{repeats})"
        say(f"{trials}, {folds}, {event.metric}; {wording.count(event.workers, 'worker')} on {self._device}")


def _scores(best: Mapping[str, Best]) -> dict[str, float]:
    return {placement: one.score for placement, one in best.items()}
