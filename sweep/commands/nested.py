"""``sweep answer --nested``: two searches on each outer fold."""

from __future__ import annotations

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer.nested import NestedProgress, NestedQuestion, run_nested
from sweep.answer.nested_records import Nested
from sweep.answer.nested_result import conclude
from sweep.commands.progress import Display, Standing
from sweep.commands.work import SoFar, at_work
from sweep.store.store import Store


def ask_nested(
    nested: NestedQuestion, store: Store, *, cluster: str, workers: int | None, device: str, display: Display
) -> Nested:
    """Runs the searches that are still to be run, and says what all of them come to.

    Args:
        nested: What is asked.
        store: Where the sweep is.
        cluster: ``"inline"``, ``"local"`` or the address of a scheduler.
        workers: How many processes; ``None`` for one a core.
        device: ``"cpu"`` or ``"cuda:N"``.
        display: Is told how far it is.

    Raises:
        SweepError: It failed on the way; every search that was finished is kept.
        KeyboardInterrupt: Ctrl-C; every search that was finished is kept.
    """
    if nested.missing:
        tell = _Teller(display, nested.summary)
        with at_work(cluster, workers, device, display, tell) as launcher:
            display.say(plan_text(nested, launcher.workers))
            run_nested(nested, store, launcher, tell)
    display.doing("comparing the searches")
    return conclude(nested, store)


def plan_text(nested: NestedQuestion, workers: int) -> str:
    """What will run, and about how long."""
    both, without = nested.trials["all"], nested.trials["none"]
    searches = f"two searches of {wording.count(both, 'trial')}"
    if without != both:
        searches = (
            f"a search of {wording.count(both, 'trial')}, and one of all {without:,} configurations without dropout"
        )
    left = len(nested.missing)
    total = len(nested.places)
    going_on = "" if left == total else f"; {left} of {total} searches are left"
    seconds = wording.duration(nested.estimated_seconds(workers))
    return (
        f"nested cross-validation: {nested.outer} outer folds, in each {searches}{going_on}; about {seconds} with "
        f"{wording.count(workers, 'worker')}, at the pace of the sweep's own trials"
    )


class _Teller(SoFar):
    """From progress to the display."""

    def __init__(self, display: Display, summary: SweepSummary) -> None:
        super().__init__("no search was run")
        self._display, self._summary = display, summary
        self._standing: Standing | None = None

    def __call__(self, progress: NestedProgress) -> None:
        self.text = f"{progress.searched} of {progress.searches} searches are finished"
        if self._standing is None:
            if progress.done:
                self._display.say(f"going on: {self.text}")
            self._standing = Standing(self._summary.name, self._summary.metric, progress.trials, progress.done)
            self._display.begin(self._standing)
        else:
            self._standing.take(progress.done, {})
            self._display.update()
